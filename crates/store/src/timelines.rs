//! Households' signals.
