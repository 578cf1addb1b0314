//! People and addresses as a partner named them. Everything here prints as `…`: reading a value takes a named call.

use std::fmt;

use jiff::civil::Date;

use crate::code::Hidden;

/// A citizen service number of nine digits. May fail the elfproef: that is a warning, not a refusal (S6).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bsn([u8; 9]);

/// Why a text is no BSN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BsnError {
    /// Not eight or nine digits. (Eight gets the leading zero that spreadsheets eat.)
    #[error("a BSN has nine digits")]
    NotNineDigits,
}

impl Bsn {
    /// Parses eight or nine digits.
    pub fn parse(raw: &str) -> Result<Self, BsnError> {
        let mut digits = [b'0'; 9];
        let raw = raw.trim().as_bytes();
        if !(raw.len() == 8 || raw.len() == 9) || !raw.iter().all(u8::is_ascii_digit) {
            return Err(BsnError::NotNineDigits);
        }
        digits[9 - raw.len()..].copy_from_slice(raw);
        Ok(Self(digits))
    }

    /// The eleven-test of the BRP: 9·a + 8·b + … + 2·h − 1·i is a multiple of eleven, and not all zero.
    #[must_use]
    pub fn passes_eleven_test(&self) -> bool {
        let sum: i32 = self
            .0
            .iter()
            .zip([9, 8, 7, 6, 5, 4, 3, 2, -1])
            .map(|(digit, weight)| i32::from(digit - b'0') * weight)
            .sum();
        sum != 0 && sum % 11 == 0
    }

    /// The nine digits, in the clear.
    #[must_use]
    pub fn expose(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only ASCII digits get in")
    }
}

impl fmt::Debug for Bsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hidden.fmt(f)
    }
}

/// A person's name in the parts the official model knows.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PersonName {
    /// Initials, e.g. `A.B.`
    pub initials: Option<String>,
    /// Prefix, e.g. `van der`.
    pub prefix: Option<String>,
    /// Family name.
    pub surname: Option<String>,
}

impl PersonName {
    /// Whether no part is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.initials.is_none() && self.prefix.is_none() && self.surname.is_none()
    }

    /// The name as one would write it on an envelope; empty when nothing is known.
    #[must_use]
    pub fn expose(&self) -> String {
        [&self.initials, &self.prefix, &self.surname]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

impl fmt::Debug for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hidden.fmt(f)
    }
}

/// An address as the partner wrote it; `linkage` normalises it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Address {
    /// Street, only for reading; never compared.
    pub street: Option<String>,
    /// Postcode as written.
    pub postcode: Option<String>,
    /// House number as written, perhaps with letter and suffix.
    pub house_number: Option<String>,
    /// Letter and suffix as written.
    pub suffix: Option<String>,
    /// Town, only for reading.
    pub town: Option<String>,
}

impl Address {
    /// Whether a place can be told from it: something with the shape of a Dutch postcode is there, and a house number. Which postcodes exist
    /// is not asked here.
    #[must_use]
    pub fn is_placeable(&self) -> bool {
        let has_shape = |raw: &String| {
            let letters: Vec<char> = raw.chars().filter(|c| !c.is_whitespace()).collect();
            letters.len() == 6
                && letters[..4].iter().all(char::is_ascii_digit)
                && letters[4..].iter().all(char::is_ascii_alphabetic)
        };
        self.postcode.as_ref().is_some_and(has_shape)
            && self
                .house_number
                .as_ref()
                .is_some_and(|number| number.chars().any(|c| c.is_ascii_digit()))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hidden.fmt(f)
    }
}

/// Whom a signal names: what goes into the envelope at the door (I9).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The named person's BSN, where the partner may use it.
    pub bsn: Option<Bsn>,
    /// The named person's name.
    pub name: PersonName,
    /// The named person's birth date.
    pub birth_date: Option<Date>,
    /// Where that person lives, by the partner.
    pub address: Address,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hidden.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleven_test_tells_a_mistyped_number() {
        for (raw, passes) in [
            ("111222333", true),
            ("123456782", true),
            ("123456789", false),
            ("000000000", false),
        ] {
            assert_eq!(
                Bsn::parse(raw).expect("nine digits").passes_eleven_test(),
                passes,
                "{raw}"
            );
        }
        assert_eq!(
            Bsn::parse("11222333").expect("eight digits").expose(),
            "011222333"
        );
        assert!(Bsn::parse("12345678X").is_err());
    }

    #[test]
    fn nothing_about_a_person_is_printed() {
        let identity = Identity {
            bsn: Bsn::parse("111222333").ok(),
            name: PersonName {
                surname: Some("Jansen".into()),
                ..PersonName::default()
            },
            ..Identity::default()
        };
        assert_eq!(format!("{identity:?} {:?}", identity.name), "… …");
    }

    #[test]
    fn a_place_can_be_told_from_a_postcode_and_a_number() {
        let address = |postcode: &str, number: &str| Address {
            postcode: Some(postcode.to_owned()),
            house_number: Some(number.to_owned()),
            ..Address::default()
        };
        for good in [("1234AB", "12"), (" 1234 ab ", "12a")] {
            assert!(address(good.0, good.1).is_placeable(), "{good:?}");
        }
        for bad in [
            ("98ZX", "7"),
            ("1234", "7"),
            ("1234ABC", "7"),
            ("1234AB", "hs"),
        ] {
            assert!(!address(bad.0, bad.1).is_placeable(), "{bad:?}");
        }
        assert!(!Address::default().is_placeable());
    }
}
