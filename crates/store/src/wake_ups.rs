//! What changes a judgement without a signal.
