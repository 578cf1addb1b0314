//! Partition positions and epochs (I3).
