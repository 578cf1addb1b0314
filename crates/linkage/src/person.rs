//! Persons, until there is a registry (S7): the same BSN, or the same normalised surname, first initial and birth date.
//!
//! The keys say only what is written alike. They are meant within one household: there, two people who share surname, first initial and day
//! of birth are nearly always one.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use voorveld_domain::Identity;

/// Parts of a surname that one administration writes and another leaves out.
const PREFIXES: &[&str] = &[
    "a", "aan", "af", "al", "am", "auf", "aus", "ben", "bij", "bin", "d", "da", "dal", "de",
    "degli", "del", "della", "den", "der", "des", "di", "die", "do", "don", "dos", "du", "el",
    "het", "i", "im", "in", "l", "la", "las", "le", "les", "lo", "los", "of", "onder", "op",
    "over", "s", "t", "te", "ten", "ter", "thoe", "tot", "uijt", "uit", "v", "van", "vanden",
    "vander", "vd", "ver", "vom", "von", "voor", "zu", "zum", "zur",
];

/// Words that make a name an organisation's: a contract in the name of a business names no person.
const LEGAL_FORMS: &[&str] = &[
    "bv",
    "nv",
    "vof",
    "cv",
    "stichting",
    "vereniging",
    "maatschap",
    "eenmanszaak",
    "cooperatie",
];

/// Words after which a birth name follows; what stands before is the partner's.
const BORN: &[&str] = &["geb", "geboren", "gen"];
/// Words after which the partner's name follows; what stands before is the birth name.
const MARRIED: &[&str] = &[
    "ev",
    "echtgenote",
    "echtgenoot",
    "wed",
    "weduwe",
    "weduwnaar",
];
/// Words after which the name of a business follows.
const TRADES_AS: &[&str] = &["ho", "tho", "handelend"];

/// Canonical text by which a person is recognised, for a keyed index. Prints as `…`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PersonKey(String);

impl PersonKey {
    /// The text, in the clear.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PersonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// By what a person may be recognised. Without either the person is unknown, and unknown equals only unknown (S7).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PersonKeys {
    /// By BSN. A number that fails the eleven-test is nobody's, so it tells nobody apart.
    pub by_bsn: Option<PersonKey>,
    /// By surname, first initial and birth date, when all three are known.
    pub by_name: Option<PersonKey>,
}

impl PersonKeys {
    /// Whether nothing tells this person apart.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        self.by_bsn.is_none() && self.by_name.is_none()
    }

    /// The keys there are, the stronger first.
    pub fn iter(&self) -> impl Iterator<Item = &PersonKey> {
        self.by_bsn.iter().chain(&self.by_name)
    }
}

/// By what the named person may be recognised.
#[must_use]
pub fn person_keys(identity: &Identity) -> PersonKeys {
    let by_bsn = identity
        .bsn
        .as_ref()
        .filter(|bsn| bsn.passes_eleven_test())
        .map(|bsn| PersonKey(format!("bsn|{}", bsn.expose())));
    PersonKeys {
        by_bsn,
        by_name: name_key(identity),
    }
}

fn name_key(identity: &Identity) -> Option<PersonKey> {
    let born = identity.birth_date?;
    let surname = normal_surname(identity.name.surname.as_deref()?)?;
    let initial = first_initial(identity.name.initials.as_deref()?)?;
    Some(PersonKey(format!("name|{surname}|{initial}|{born}")))
}

fn first_initial(raw: &str) -> Option<char> {
    fold(raw)
        .replace("ij", "y")
        .chars()
        .find(char::is_ascii_lowercase)
}

/// A surname without what administrations disagree about: capitals, accents, prefixes, `ij` or `y`, `ss` or `s`, a partner's name before the
/// birth name. `None` when no name remains, or when it is an organisation's.
fn normal_surname(raw: &str) -> Option<String> {
    // "Vries, de": what follows the comma is a prefix.
    let raw = raw.split(',').next().unwrap_or(raw);
    let folded = fold(raw);
    let words: Vec<String> = folded
        .split_whitespace()
        .map(|word| {
            word.chars()
                .filter(|c| c.is_ascii_lowercase() || *c == '-')
                .collect()
        })
        .filter(|word: &String| !word.is_empty())
        .collect();
    if words
        .iter()
        .any(|word| LEGAL_FORMS.contains(&word.as_str()))
    {
        return None;
    }
    let is = |list: &'static [&'static str]| move |word: &String| list.contains(&word.as_str());
    let mut words = words.as_slice();
    if let Some(at) = words.iter().position(is(TRADES_AS)) {
        words = &words[..at];
    }
    if let Some(at) = words.iter().position(is(MARRIED)) {
        words = &words[..at];
    }
    if let Some(at) = words.iter().position(is(BORN)) {
        words = &words[at + 1..];
    }
    // A double name ends in the birth name: "Jansen-de Vries", "Jansen - de Vries".
    let joined = words.join(" ");
    let own = joined.rsplit('-').find(|part| !part.trim().is_empty())?;
    let parts: Vec<&str> = own.split_whitespace().collect();
    // "Op", "Al" and "Van" are also whole names: something always remains.
    let first = parts
        .iter()
        .position(|part| !PREFIXES.contains(part))
        .unwrap_or(0);
    let last = parts
        .iter()
        .rposition(|part| !PREFIXES.contains(part))
        .map_or(parts.len(), |at| at + 1);
    let bare = parts[first..last].concat();
    let alike = bare.replace("ij", "y").replace("ss", "s");
    (!alike.is_empty()).then_some(alike)
}

/// Lower case, without accents, with hyphens and spaces left as they are.
fn fold(raw: &str) -> String {
    let mut folded = String::with_capacity(raw.len());
    for c in raw.nfkd().filter(|c| !is_combining_mark(*c)) {
        for lower in c.to_lowercase() {
            match lower {
                'ß' => folded.push_str("ss"),
                'æ' => folded.push_str("ae"),
                'œ' => folded.push_str("oe"),
                'þ' => folded.push_str("th"),
                'ø' => folded.push('o'),
                'ł' => folded.push('l'),
                'đ' | 'ð' => folded.push('d'),
                'ı' => folded.push('i'),
                'ħ' => folded.push('h'),
                '\u{2010}'..='\u{2015}' => folded.push('-'),
                other => folded.push(other),
            }
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use voorveld_domain::{Bsn, PersonName};

    use super::*;

    // Every name and number here is invented.
    fn person(initials: &str, prefix: &str, surname: &str) -> Identity {
        let optional = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Identity {
            name: PersonName {
                initials: optional(initials),
                prefix: optional(prefix),
                surname: optional(surname),
            },
            birth_date: Some(date(1985, 6, 15)),
            ..Identity::default()
        }
    }

    fn by_name(initials: &str, prefix: &str, surname: &str) -> Option<String> {
        person_keys(&person(initials, prefix, surname))
            .by_name
            .map(|key| key.expose().to_owned())
    }

    #[test]
    fn what_administrations_disagree_about_is_one_name() {
        for (expected, ways) in [
            (
                "name|vries|a|1985-06-15",
                &[
                    ("A.", "de", "Vries"),
                    ("A.B.", "", "de Vries"),
                    ("a", "", "VRIES"),
                    ("Anna", "", "Vries, de"),
                    ("A", "", "Vries de"),
                    ("À.", "de", "Vriés"),
                    ("A.", "", "Jansen-de Vries"),
                    ("A.", "", "Jansen - de Vries"),
                    ("A.", "", "Jansen geb. de Vries"),
                    ("A.", "", "de Vries e/v Jansen"),
                    ("A.", "", "De Vries h/o Klusbedrijf De Hamer"),
                ][..],
            ),
            (
                "name|dykstra|s|1985-06-15",
                &[
                    ("S.", "", "Dijkstra"),
                    ("S.", "", "Dykstra"),
                    ("S.", "", "D\u{133}kstra"),
                    ("S.", "", "Dÿkstra"),
                ],
            ),
            (
                "name|jansen|j|1985-06-15",
                &[
                    ("J.", "", "Jansen"),
                    ("J.", "", "Janssen"),
                    ("J.", "", "JANßEN"),
                ],
            ),
            (
                "name|berg|p|1985-06-15",
                &[
                    ("P.", "van den", "Berg"),
                    ("P.", "", "v.d. Berg"),
                    ("P.", "v/d", "Berg"),
                    ("P.", "", "Van den Berg"),
                ],
            ),
            (
                "name|hof|t|1985-06-15",
                &[("T.", "in 't", "Hof"), ("Th.", "", "in ’t Hof")],
            ),
            (
                "name|yzerman|y|1985-06-15",
                &[("IJ.", "", "IJzerman"), ("Y.", "", "Yzerman")],
            ),
            (
                "name|sorensen|l|1985-06-15",
                &[("Ł.", "", "Sørensen"), ("L.", "", "Sorensen")],
            ),
            (
                "name|nguyen|v|1985-06-15",
                &[("V.", "", "Nguyễn"), ("V.", "", "Nguyen")],
            ),
            ("name|op|r|1985-06-15", &[("R.", "", "Op")]),
        ] {
            for (initials, prefix, surname) in ways {
                assert_eq!(
                    by_name(initials, prefix, surname).as_deref(),
                    Some(expected),
                    "{initials} {prefix} {surname}"
                );
            }
        }
    }

    #[test]
    fn different_people_are_kept_apart() {
        let base = by_name("A.", "", "Bakker");
        assert_ne!(base, by_name("B.", "", "Bakker"));
        assert_ne!(base, by_name("A.", "", "Bakkers"));
        let mut born_later = person("A.", "", "Bakker");
        born_later.birth_date = Some(date(1985, 6, 16));
        assert_ne!(
            base.as_deref(),
            person_keys(&born_later)
                .by_name
                .as_ref()
                .map(PersonKey::expose)
        );
    }

    #[test]
    fn without_surname_initial_or_birth_date_a_name_tells_nothing() {
        assert_eq!(by_name("A.", "", ""), None);
        assert_eq!(by_name("", "", "Bakker"), None);
        assert_eq!(by_name("1", "", "Bakker"), None);
        assert_eq!(by_name("A.", "", "123"), None);
        assert_eq!(by_name("A.", "", "-"), None);
        for business in ["Kapsalon Knip V.O.F.", "Stichting Wonen", "Bakker B.V."] {
            assert_eq!(by_name("A.", "", business), None, "{business}");
        }
        let mut unborn = person("A.", "", "Bakker");
        unborn.birth_date = None;
        assert!(person_keys(&unborn).is_unknown());
    }

    #[test]
    fn a_bsn_tells_people_apart_only_when_it_can_be_one() {
        for (raw, known) in [
            ("123456782", true),
            ("123456789", false),
            ("000000000", false),
        ] {
            let identity = Identity {
                bsn: Bsn::parse(raw).ok(),
                ..Identity::default()
            };
            let keys = person_keys(&identity);
            assert_eq!(keys.by_bsn.is_some(), known, "{raw}");
            assert_eq!(keys.iter().count(), usize::from(known));
            assert_eq!(
                format!("{:?}", keys.by_bsn.is_some().then_some(&keys.by_bsn)),
                if known { "Some(Some(…))" } else { "None" }
            );
        }
    }
}
