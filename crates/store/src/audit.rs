//! Who opened or changed what, when and why.
