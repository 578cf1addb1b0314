//! Delivered files and the result of each row.
