//! Accounts of colleagues.
