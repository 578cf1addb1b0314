//! Where every signal is filed (S3), the resolver's decisions.
