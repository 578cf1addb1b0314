//! Matches, suppressions, tasks and grounds as the correlator writes them.
