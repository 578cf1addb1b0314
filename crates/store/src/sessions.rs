//! Sessions and sign-in throttling.
