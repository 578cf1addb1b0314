//! Passwords: argon2id as a PHC string, and one rule: long enough.

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Argon2, password_hash};

/// Shortest password, in characters. Length is what makes a password strong; other rules make people write it down.
pub const PASSWORD_MIN_CHARS: usize = 12;
/// Longest password, in bytes: nobody types more, and hashing is not free.
pub const PASSWORD_MAX_BYTES: usize = 1_024;
/// Longest login.
const LOGIN_MAX_CHARS: usize = 64;

/// Why a password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRefused {
    /// Fewer than [`PASSWORD_MIN_CHARS`] characters.
    #[error("a password has at least {PASSWORD_MIN_CHARS} characters")]
    TooShort,
    /// More than [`PASSWORD_MAX_BYTES`] bytes.
    #[error("a password has at most {PASSWORD_MAX_BYTES} bytes")]
    TooLong,
    /// The hash could not be made.
    #[error("hashing a password failed")]
    Hashing(#[source] password_hash::Error),
}

/// Hashes a password with argon2id under a salt of its own. Takes tens of milliseconds: off the async threads.
pub fn hash_password(password: &str) -> Result<String, PasswordRefused> {
    if password.chars().count() < PASSWORD_MIN_CHARS {
        return Err(PasswordRefused::TooShort);
    }
    if PASSWORD_MAX_BYTES < password.len() {
        return Err(PasswordRefused::TooLong);
    }
    let hash: PasswordHash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(PasswordRefused::Hashing)?;
    Ok(hash.to_string())
}

/// Whether a password is the one that was hashed. A hash that cannot be read fits no password.
pub(crate) fn verify_password(password: &str, hash: &str) -> bool {
    password.len() <= PASSWORD_MAX_BYTES
        && Argon2::default()
            .verify_password(password.as_bytes(), hash)
            .is_ok()
}

/// Whether a text can be a login: lower case letters, digits and `.`, `-`, `_`, `@`. What cannot be one is never written down, for
/// people type their password in the wrong field.
#[must_use]
pub fn login_is_well_formed(login: &str) -> bool {
    (1..=LOGIN_MAX_CHARS).contains(&login.len())
        && login
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_long_enough_and_verifies_against_its_own_hash() {
        assert!(matches!(
            hash_password("elf tekens."),
            Err(PasswordRefused::TooShort)
        ));
        assert!(matches!(
            hash_password(&"x".repeat(PASSWORD_MAX_BYTES + 1)),
            Err(PasswordRefused::TooLong)
        ));
        let hash = hash_password("twaalf tekens").unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(verify_password("twaalf tekens", &hash));
        assert!(!verify_password("twaalf Tekens", &hash));
        assert!(!verify_password("twaalf tekens", "no hash"));
    }

    #[test]
    fn what_cannot_be_a_login_is_known_by_its_shape() {
        for (raw, fits) in [
            ("a.bakker", true),
            ("", false),
            ("Met Hoofdletters", false),
            ("geheim!", false),
        ] {
            assert_eq!(login_is_well_formed(raw), fits, "{raw}");
        }
    }
}
