//! Addresses: the official monitor matches on postcode and house number with letter and suffix.

use std::fmt;

use voorveld_domain::Address;

/// Highest house number the national address register (BAG) knows.
const HOUSE_NUMBER_MAX: u32 = 99_999;
/// Longest suffix kept. What is longer describes a route to the door, not a door.
const SUFFIX_MAX_CHARS: usize = 24;
/// Letter pairs that no postcode ends in.
const LETTERS_NEVER_USED: [&[u8; 2]; 3] = [b"SA", b"SD", b"SS"];

/// Why an address names no home. Carries nothing of the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Unplaceable {
    /// There is no postcode.
    #[error("there is no postcode")]
    NoPostcode,
    /// What stands there is no Dutch postcode.
    #[error("a postcode has four digits from 1000 and two letters")]
    NotAPostcode,
    /// There is no house number.
    #[error("there is no house number")]
    NoHouseNumber,
    /// What stands there does not begin with a house number.
    #[error("a house number begins with a number from 1 to 99999")]
    NotAHouseNumber,
    /// The suffix is longer than any suffix.
    #[error("a suffix has at most 24 letters and digits")]
    SuffixTooLong,
    /// A post office box is nobody's home.
    #[error("a post office box is no home")]
    PostOfficeBox,
}

/// An address as the engine compares it. Equal means: the same front door. Prints as `…`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NormalAddress {
    postcode: [u8; 6],
    number: u32,
    letter: Option<char>,
    suffix: String,
}

impl fmt::Debug for NormalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl NormalAddress {
    /// The canonical text for a keyed index: `1234AB|12|A|`.
    #[must_use]
    pub fn expose_key(&self) -> String {
        format!(
            "{}|{}|{}|{}",
            self.expose_postcode(),
            self.number,
            self.letter.map(String::from).unwrap_or_default(),
            self.suffix
        )
    }

    /// The postcode, `1234AB`.
    #[must_use]
    pub fn expose_postcode(&self) -> &str {
        std::str::from_utf8(&self.postcode).expect("only ASCII digits and letters get in")
    }

    /// The four digits of the postcode, by which an area is found: a neighbourhood, no home.
    #[must_use]
    pub fn postcode_digits(&self) -> u16 {
        self.postcode[..4]
            .iter()
            .fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'))
    }
}

/// Whether an address is a front door, and which.
///
/// `12a`, `12 A`, `12-A`, and `12` with `A` beside it are one. A letter, a Roman number, a number and words such as `hs` and `bis` are kept apart from
/// each other and from nothing: `12-1` is not `121`, `12-I` not `12-II`, `12 hs` not `12`. Street and town are never compared.
pub fn normalise(address: &Address) -> Result<NormalAddress, Unplaceable> {
    if address.street.as_deref().is_some_and(is_post_office_box) {
        return Err(Unplaceable::PostOfficeBox);
    }
    let postcode =
        parse_postcode(filled(address.postcode.as_ref()).ok_or(Unplaceable::NoPostcode)?)
            .ok_or(Unplaceable::NotAPostcode)?;
    let house_number = filled(address.house_number.as_ref()).ok_or(Unplaceable::NoHouseNumber)?;

    let mut parts = split_parts(house_number);
    if parts.is_empty() {
        return Err(Unplaceable::NotAHouseNumber);
    }
    let number = parts
        .remove(0)
        .parse::<u32>()
        .ok()
        .filter(|number| (1..=HOUSE_NUMBER_MAX).contains(number))
        .ok_or(Unplaceable::NotAHouseNumber)?;
    let beside = filled(address.suffix.as_ref()).map_or_else(Vec::new, split_parts);
    // Some systems write the letter twice: `12A` and again `A` beside it.
    if parts != beside {
        parts.extend(beside);
    }

    let letter = parts
        .first()
        .filter(|part| part.len() == 1)
        .and_then(|part| part.chars().next())
        .filter(char::is_ascii_uppercase);
    let suffix = parts[usize::from(letter.is_some())..].join("-");
    if suffix.len() > SUFFIX_MAX_CHARS {
        return Err(Unplaceable::SuffixTooLong);
    }
    Ok(NormalAddress {
        postcode,
        number,
        letter,
        suffix,
    })
}

fn filled(raw: Option<&String>) -> Option<&str> {
    raw.map(|text| text.trim()).filter(|text| !text.is_empty())
}

fn is_post_office_box(street: &str) -> bool {
    let letters: String = street
        .chars()
        .filter(|c| c.is_alphabetic())
        .flat_map(char::to_lowercase)
        .collect();
    letters == "postbus"
}

fn parse_postcode(raw: &str) -> Option<[u8; 6]> {
    let mut postcode = [0; 6];
    let mut length = 0;
    for c in raw.chars().filter(|c| !is_separator(*c)) {
        *postcode.get_mut(length)? = u8::try_from(c.to_ascii_uppercase()).ok()?;
        length += 1;
    }
    let (digits, letters) = postcode.split_at(4);
    let fits = length == 6
        && digits[0] != b'0'
        && digits.iter().all(u8::is_ascii_digit)
        && letters.iter().all(u8::is_ascii_uppercase)
        && !LETTERS_NEVER_USED.iter().any(|never| letters == *never);
    fits.then_some(postcode)
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '.' | '\u{2010}'..='\u{2015}')
}

/// Runs of digits (without leading zeros) and runs of capitals; everything else only separates.
fn split_parts(raw: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut continues = false;
    for c in raw.chars() {
        if !c.is_alphanumeric() {
            continues = false;
            continue;
        }
        let last_is_digit = parts
            .last()
            .and_then(|part| part.chars().next())
            .is_some_and(|first| first.is_ascii_digit());
        if !continues || last_is_digit != c.is_ascii_digit() {
            parts.push(String::new());
        }
        let part = parts.last_mut().expect("one was pushed before the first");
        // Some small letters become a capital and an accent by itself, which would separate when it is read again.
        part.extend(c.to_uppercase().filter(|c| c.is_alphanumeric()));
        continues = true;
    }
    for part in &mut parts {
        if part.starts_with('0') {
            let bare = part.trim_start_matches('0');
            *part = if bare.is_empty() { "0" } else { bare }.to_owned();
        }
        // The ground floor is written in two ways that mean nothing else.
        if part == "HUIS" {
            "HS".clone_into(part);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(postcode: &str, house_number: &str, suffix: &str) -> Address {
        let optional = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Address {
            postcode: optional(postcode),
            house_number: optional(house_number),
            suffix: optional(suffix),
            ..Address::default()
        }
    }

    fn key(house_number: &str, suffix: &str) -> String {
        normalise(&address("1234AB", house_number, suffix))
            .unwrap()
            .expose_key()
    }

    #[test]
    fn ways_to_write_one_front_door_are_one() {
        for (expected, ways) in [
            (
                "1234AB|12||",
                &[
                    ("12", ""),
                    (" 12 ", ""),
                    ("0012", ""),
                    ("12", "-"),
                    ("12", " "),
                ][..],
            ),
            (
                "1234AB|12|A|",
                &[
                    ("12a", ""),
                    ("12A", ""),
                    ("12 A", ""),
                    ("12-A", ""),
                    ("12 - a", ""),
                    ("12", "A"),
                    ("12", "a"),
                    ("12", "-A"),
                    ("12a", "A"),
                    ("12\u{a0}A", ""),
                ],
            ),
            (
                "1234AB|12||1",
                &[
                    ("12-1", ""),
                    ("12 1", ""),
                    ("12", "1"),
                    ("12/1", ""),
                    ("12", "01"),
                ],
            ),
            (
                "1234AB|12||II",
                &[("12-II", ""), ("12 ii", ""), ("12", "II"), ("12II", "")],
            ),
            ("1234AB|12||III", &[("12-III", ""), ("12", "iii")]),
            (
                "1234AB|12||HS",
                &[
                    ("12 hs", ""),
                    ("12HS", ""),
                    ("12-hs", ""),
                    ("12", "hs"),
                    ("12", "huis"),
                ],
            ),
            (
                "1234AB|12||BIS",
                &[("12bis", ""), ("12 Bis", ""), ("12", "BIS")],
            ),
            (
                "1234AB|12|A|BIS",
                &[("12 A bis", ""), ("12A", "bis"), ("12a-bis", "")],
            ),
            (
                "1234AB|12|A|2",
                &[("12A2", ""), ("12-A-2", ""), ("12a", "2"), ("12", "A2")],
            ),
            (
                "1234AB|12||1-HOOG",
                &[("12-1hoog", ""), ("12", "1 hoog"), ("12 1-Hoog", "")],
            ),
            ("1234AB|12||3-A", &[("12-3A", ""), ("12", "3 a")]),
        ] {
            for (house_number, suffix) in ways {
                assert_eq!(
                    key(house_number, suffix),
                    expected,
                    "{house_number} {suffix}"
                );
            }
        }
    }

    #[test]
    fn front_doors_beside_each_other_are_kept_apart() {
        let doors = [
            ("12", ""),
            ("121", ""),
            ("12-1", ""),
            ("12-11", ""),
            ("12-1-1", ""),
            ("1", "21"),
            ("12-I", ""),
            ("12-II", ""),
            ("12-III", ""),
            ("12 hs", ""),
            ("12 bis", ""),
            ("12 A", ""),
            ("12 B", ""),
            ("12 A bis", ""),
            ("12 bis A", ""),
            ("12 AB", ""),
            ("12 1hoog", ""),
            ("12 2hoog", ""),
            ("12 t/o", ""),
        ];
        let keys: std::collections::BTreeSet<String> = doors
            .iter()
            .map(|(number, suffix)| key(number, suffix))
            .collect();
        assert_eq!(keys.len(), doors.len());
    }

    #[test]
    fn a_postcode_is_read_however_it_is_typed() {
        for raw in [
            "1234AB",
            "1234 AB",
            "1234ab",
            " 1234  ab ",
            "1234-AB",
            "1234.ab",
            "1234\u{a0}AB",
        ] {
            let normal = normalise(&address(raw, "12", "")).unwrap();
            assert_eq!(
                (normal.expose_postcode(), normal.postcode_digits()),
                ("1234AB", 1234)
            );
        }
    }

    #[test]
    fn what_names_no_home_says_why() {
        use Unplaceable as U;
        for (postcode, number, suffix, expected) in [
            ("", "12", "", U::NoPostcode),
            ("  ", "12", "", U::NoPostcode),
            ("0123AB", "12", "", U::NotAPostcode),
            ("1234", "12", "", U::NotAPostcode),
            ("1234A", "12", "", U::NotAPostcode),
            ("1234ABC", "12", "", U::NotAPostcode),
            ("12345A", "12", "", U::NotAPostcode),
            ("1234SA", "12", "", U::NotAPostcode),
            ("1234sd", "12", "", U::NotAPostcode),
            ("1234 SS", "12", "", U::NotAPostcode),
            ("1234ÄB", "12", "", U::NotAPostcode),
            ("1234AB", "", "", U::NoHouseNumber),
            ("1234AB", "-", "", U::NotAHouseNumber),
            ("1234AB", "A", "", U::NotAHouseNumber),
            ("1234AB", "0", "", U::NotAHouseNumber),
            ("1234AB", "100000", "", U::NotAHouseNumber),
            ("1234AB", "99999999999999", "", U::NotAHouseNumber),
            (
                "1234AB",
                "12",
                "de derde deur links achter",
                U::SuffixTooLong,
            ),
        ] {
            assert_eq!(
                normalise(&address(postcode, number, suffix)),
                Err(expected),
                "{postcode} {number}"
            );
        }
        let mut box_address = address("1234AB", "12", "");
        box_address.street = Some("Postbus".into());
        assert_eq!(normalise(&box_address), Err(U::PostOfficeBox));
        box_address.street = Some("Postbusstraat".into());
        assert!(normalise(&box_address).is_ok());
    }

    #[test]
    fn a_letter_that_falls_apart_as_a_capital_stays_one_door() {
        let normal = normalise(&address("1000AA", "1", "\u{1fd6}")).unwrap();
        assert_eq!(normal.suffix, "\u{399}");
        let (_, door) = normal
            .expose_key()
            .split_once('|')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        assert_eq!(normalise(&address("1000AA", &door, "")).unwrap(), normal);
    }

    #[test]
    fn an_address_is_not_printed() {
        let normal = normalise(&address("1234AB", "12", "A")).unwrap();
        assert_eq!(format!("{normal:?}"), "…");
    }

    proptest! {
        #[test]
        fn whatever_is_typed_gives_an_answer_and_normal_stays_normal(
            postcode in "[0-9]{4} ?[a-zA-Z]{2}|\\PC{0,8}", number in "[0-9]{1,5}[ -]?[a-zA-Z0-9]{0,4}|\\PC{0,8}", suffix in "\\PC{0,6}"
        ) {
            if let Ok(normal) = normalise(&address(&postcode, &number, &suffix)) {
                let (head, tail) = normal.expose_key().split_once('|').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
                // Writing the canonical form again, in either field, is the same door.
                prop_assert_eq!(&normalise(&address(&head, &tail, "")).unwrap(), &normal);
            }
        }
    }
}
