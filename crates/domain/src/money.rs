//! Money: whole cents, never a float.

use std::fmt;

/// Arrears in whole euro cents, above zero and at most [`Cents::MAX`]. An absent or zero amount is `None` where it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cents(u32);

/// Why a number is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CentsError {
    /// Not above zero, or above [`Cents::MAX`].
    #[error("an amount lies between €0,01 and €10.000.000,00")]
    OutOfRange,
}

impl Cents {
    /// Ten million euro: above any household's arrears, below any overflow of a sum over a timeline.
    pub const MAX: Self = Self(1_000_000_000);

    /// The number of cents.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<i64> for Cents {
    type Error = CentsError;
    fn try_from(raw: i64) -> Result<Self, CentsError> {
        match u32::try_from(raw) {
            Ok(cents) if 0 < cents && cents <= Self::MAX.0 => Ok(Self(cents)),
            _ => Err(CentsError::OutOfRange),
        }
    }
}

/// Dutch notation: `€ 1.234,50`.
impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let euros = (self.0 / 100).to_string();
        let mut grouped = String::with_capacity(euros.len() + 3);
        for (index, digit) in euros.chars().enumerate() {
            if index > 0 && (euros.len() - index).is_multiple_of(3) {
                grouped.push('.');
            }
            grouped.push(digit);
        }
        write!(f, "€ {grouped},{:02}", self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_edges() {
        for (raw, fits) in [
            (0, false),
            (-1, false),
            (1, true),
            (1_000_000_000, true),
            (1_000_000_001, false),
        ] {
            assert_eq!(Cents::try_from(raw).is_ok(), fits, "{raw}");
        }
    }

    #[test]
    fn an_amount_reads_in_dutch() {
        for (raw, text) in [
            (1, "€ 0,01"),
            (7_500, "€ 75,00"),
            (123_450, "€ 1.234,50"),
            (100_000_000, "€ 1.000.000,00"),
        ] {
            assert_eq!(Cents::try_from(raw).expect("in range").to_string(), text);
        }
    }
}
