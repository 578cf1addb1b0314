//! Identifiers: two ids, two types.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Names an existing one. Making a new one is the business of whoever owns the randomness.
            #[must_use]
            pub const fn from_uuid(raw: Uuid) -> Self { Self(raw) }
            /// The bare number, for storage and the wire.
            #[must_use]
            pub const fn uuid(self) -> Uuid { self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
    };
}

uuid_id!(
    /// A signal: one partner's one reference (S1). A `UUIDv7` given by the gateway at first receipt, for good.
    SignalId
);
uuid_id!(
    /// A household: a random id given by the resolver at first sight; says nothing about who or where.
    HouseholdId
);
uuid_id!(
    /// A task of a neighbourhood team or the safety desk.
    TaskId
);
uuid_id!(
    /// A person as far as the resolver can tell people apart (S7). Random; unknown is the absence of one.
    DebtorId
);
uuid_id!(
    /// One delivered file.
    DeliveryId
);
uuid_id!(
    /// A colleague's account.
    UserId
);

/// A word that is no slug. Carries no value: the value may be anything a caller typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct SlugError {
    /// What would have been right, in words.
    pub expected: &'static str,
}

/// Longest slug; keys of indexes stay short.
pub const SLUG_MAX_CHARS: usize = 64;

macro_rules! slug_id {
    ($(#[$meta:meta])* $name:ident, $allowed:expr, $expected:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(Arc<str>);

        // Most of those that are compared are copies of one: then where it stands says enough.
        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                if Arc::ptr_eq(&self.0, &other.0) {
                    Ordering::Equal
                } else {
                    self.0.cmp(&other.0)
                }
            }
        }

        impl $name {
            /// The slug as text.
            #[must_use]
            pub fn as_str(&self) -> &str { &self.0 }
        }

        impl FromStr for $name {
            type Err = SlugError;
            fn from_str(raw: &str) -> Result<Self, SlugError> {
                let allowed: fn(char) -> bool = $allowed;
                let fits = (1..=SLUG_MAX_CHARS).contains(&raw.len())
                    && raw.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                    && raw.chars().all(allowed);
                if fits { Ok(Self(raw.into())) } else { Err(SlugError { expected: $expected }) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
    };
}

slug_id!(
    /// An organisation that may push signals, e.g. `woonstede`.
    PartnerId, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-',
    "lower case letters, digits and hyphens, at most 64"
);
slug_id!(
    /// A kind of signal from `config/signals.yaml`, e.g. `rent_arrears`.
    KindId, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_',
    "lower case letters, digits and underscores, at most 64"
);
slug_id!(
    /// The field of life a kind of signal is about, e.g. `debt`; from `config/signals.yaml`.
    SignalDomain, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_',
    "lower case letters, digits and underscores, at most 64"
);
slug_id!(
    /// A field of a kind of signal (S8), e.g. `monthly_rent`; from `config/signals.yaml`.
    FieldName, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_',
    "lower case letters, digits and underscores, at most 64"
);
slug_id!(
    /// A rule from `config/rules/`, e.g. `debt.multiple`.
    RuleId, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.',
    "lower case letters, digits, dots and underscores, at most 64"
);
slug_id!(
    /// A team that takes tasks, e.g. `wijkteam-noord`.
    TeamId, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-',
    "lower case letters, digits and hyphens, at most 64"
);
slug_id!(
    /// A neighbourhood that routes a task, e.g. `noord`; from `config/routing.yaml`.
    AreaId, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-',
    "lower case letters, digits and hyphens, at most 64"
);

/// A Dutch municipality: the four digits of its CBS code, e.g. `0518`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MunicipalityCode([u8; 4]);

impl MunicipalityCode {
    /// The four digits as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only ASCII digits get in")
    }
}

impl FromStr for MunicipalityCode {
    type Err = SlugError;
    fn from_str(raw: &str) -> Result<Self, SlugError> {
        match <[u8; 4]>::try_from(raw.as_bytes()) {
            Ok(digits) if digits.iter().all(u8::is_ascii_digit) => Ok(Self(digits)),
            _ => Err(SlugError {
                expected: "a municipality code of four digits, such as 0518",
            }),
        }
    }
}

impl fmt::Display for MunicipalityCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_hold_only_what_they_promise() {
        for (raw, fits) in [
            ("woonstede", true),
            ("a-1", true),
            ("", false),
            ("A", false),
            ("a b", false),
            ("-a", false),
            ("é", false),
        ] {
            assert_eq!(raw.parse::<PartnerId>().is_ok(), fits, "{raw}");
        }
        assert!("x".repeat(SLUG_MAX_CHARS + 1).parse::<KindId>().is_err());
        assert!("debt.multiple".parse::<RuleId>().is_ok());
    }

    #[test]
    fn a_municipality_is_four_digits() {
        for (raw, fits) in [
            ("0518", true),
            ("518", false),
            ("05180", false),
            ("05a8", false),
        ] {
            assert_eq!(raw.parse::<MunicipalityCode>().is_ok(), fits, "{raw}");
        }
    }
}
