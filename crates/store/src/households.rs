//! Households, the keyed address and person indexes, sealed identities.
