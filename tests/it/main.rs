//! The whole house, tested.
