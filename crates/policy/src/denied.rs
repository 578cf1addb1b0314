//! Attributes of people that nothing here may use (`denied.yaml`): what would make a rule discriminate, or a field a special category of data.
//!
//! A name is all that can be looked at, so this catches what is called by its name and no disguise; what a field means stays for a person
//! to judge. The list of the program holds whatever a municipality's own file says: that file can only add.

use serde::Deserialize;
use serde_norway::Value;

use crate::error::PolicyErrors;
use crate::yaml::{Located, read_list};

const FILE: &str = "denied.yaml";
/// A stem of so many letters is found inside a word too: Dutch writes words together, and a shorter one is in too many of them.
const INSIDE_MIN_CHARS: usize = 8;
/// Shortest stem: a shorter one begins half the dictionary.
const STEM_MIN_CHARS: usize = 4;

/// An attribute that may not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeniedAttribute {
    /// Its name in our files.
    pub id: String,
    /// What it is called, in Dutch.
    pub name: String,
    /// Which source says so.
    pub source: String,
    stems: Vec<Vec<String>>,
    words: Vec<Vec<String>>,
}

/// Every attribute that may not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied(Vec<DeniedAttribute>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeniedFile {
    id: String,
    name: String,
    source: String,
    #[serde(default)]
    stems: Vec<String>,
    #[serde(default)]
    words: Vec<String>,
}

impl Denied {
    /// Every attribute: those of the program first, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &DeniedAttribute> {
        self.0.iter()
    }

    /// The attribute that a name or label speaks of.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<&DeniedAttribute> {
        let words = words_of(text);
        self.0.iter().find(|attribute| attribute.is_in(&words))
    }

    /// Reads the program's own list, and what a municipality adds in `own`.
    pub(crate) fn read(shipped: &str, own: &str, errors: &mut PolicyErrors) -> Self {
        let mut denied = Self(Vec::new());
        denied.add(shipped, errors);
        if own != shipped {
            denied.add(own, errors);
        }
        denied
    }

    fn add(&mut self, text: &str, errors: &mut PolicyErrors) {
        let items: Vec<Located<DeniedFile>> = read_list(FILE, text, "denied", errors);
        let mut seen = Vec::new();
        for item in items {
            let file = &item.value;
            let mut say = |message: String| errors.push(FILE, Some(item.line_of("id")), message);
            if seen.contains(&file.id) {
                say(format!("`{}` is there twice", file.id));
            }
            seen.push(file.id.clone());
            if file.stems.is_empty() && file.words.is_empty() {
                say(format!("`{}`: expected `stems` or `words`", file.id));
            }
            if file.name.trim().is_empty() || file.source.trim().is_empty() {
                say(format!("`{}`: expected a name and a source", file.id));
            }
            for stem in &file.stems {
                if words_of(stem).concat().chars().count() < STEM_MIN_CHARS {
                    say(format!(
                        "`{stem}`: expected a stem of {STEM_MIN_CHARS} letters or more; put a shorter one under `words`"
                    ));
                }
            }
            if file.words.iter().any(|word| words_of(word).is_empty()) {
                say(format!(
                    "`{}`: expected words with letters in them",
                    file.id
                ));
            }
            let known = self.0.iter().position(|known| known.id == file.id);
            let index = known.unwrap_or_else(|| {
                self.0.push(DeniedAttribute {
                    id: file.id.clone(),
                    name: file.name.trim().to_owned(),
                    source: file.source.trim().to_owned(),
                    stems: Vec::new(),
                    words: Vec::new(),
                });
                self.0.len() - 1
            });
            let parts = |texts: &[String]| -> Vec<Vec<String>> {
                texts.iter().map(|text| words_of(text)).collect()
            };
            self.0[index].stems.extend(parts(&file.stems));
            self.0[index].words.extend(parts(&file.words));
        }
    }

    /// What is wrong with the fields that a rule's condition asks about, each with its name. Reads the text of the condition and not its
    /// meaning, so that no new kind of question can be forgotten here.
    pub(crate) fn in_condition(&self, condition: &Value) -> Vec<(String, String)> {
        let mut names = Vec::new();
        fields_named(condition, false, &mut names);
        let said = names.into_iter().filter_map(|name| {
            let attribute = self.find(&name)?;
            Some((name.clone(), attribute.refusal(&format!("field `{name}`"))))
        });
        said.collect()
    }
}

impl DeniedAttribute {
    /// Why `what` may not be there.
    pub(crate) fn refusal(&self, what: &str) -> String {
        format!(
            "{what} is about `{}` ({}), which nothing here may use: {}",
            self.id, self.name, self.source
        )
    }

    fn is_in(&self, words: &[String]) -> bool {
        let stem = |part: &str, word: &str| {
            word.starts_with(part)
                || part.chars().count() >= INSIDE_MIN_CHARS && word.contains(part)
        };
        let whole = |part: &str, word: &str| part == word;
        self.stems.iter().any(|parts| found(parts, words, stem))
            || self.words.iter().any(|parts| found(parts, words, whole))
    }
}

/// Whether the parts are there in a row, or written together in one word.
fn found(parts: &[String], words: &[String], fits: impl Fn(&str, &str) -> bool) -> bool {
    let together = parts.concat();
    words.iter().any(|word| fits(&together, word))
        || words
            .windows(parts.len().max(1))
            .any(|row| row.iter().zip(parts).all(|(word, part)| fits(part, word)))
}

/// The texts under every key that names a field.
fn fields_named(value: &Value, names_field: bool, names: &mut Vec<String>) {
    match value {
        Value::String(text) if names_field => names.push(text.clone()),
        Value::Sequence(items) => {
            for item in items {
                fields_named(item, names_field, names);
            }
        }
        Value::Mapping(mapping) => {
            for (key, value) in mapping {
                let names_field = key
                    .as_str()
                    .is_some_and(|key| key == "name" || key.contains("field"));
                fields_named(value, names_field, names);
            }
        }
        Value::Tagged(tagged) => fields_named(&tagged.value, names_field, names),
        _ => {}
    }
}

/// The words of a name or label: small letters without accents.
fn words_of(text: &str) -> Vec<String> {
    let plain: String = text
        .chars()
        .flat_map(char::to_lowercase)
        .map(plain)
        .collect();
    plain
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

const fn plain(c: char) -> char {
    match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => 'a',
        'ç' => 'c',
        'è' | 'é' | 'ê' | 'ë' => 'e',
        'ì' | 'í' | 'î' | 'ï' => 'i',
        'ñ' => 'n',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' => 'o',
        'ù' | 'ú' | 'û' | 'ü' => 'u',
        'ý' | 'ÿ' => 'y',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::needless_raw_string_hashes,
        reason = "expect_test writes them when it renews a text"
    )]

    use super::*;
    use crate::source::shipped_text;

    fn shipped() -> Denied {
        let mut errors = PolicyErrors::default();
        let denied = Denied::read(shipped_text(FILE), shipped_text(FILE), &mut errors);
        errors.unless_empty(Some(denied)).unwrap()
    }

    #[test]
    fn an_attribute_is_known_by_its_dutch_and_english_names() {
        let denied = shipped();
        for (text, expected) in [
            ("nationality", Some("nationality")),
            ("Dubbele nationaliteit", Some("nationality")),
            ("dubbelenationaliteit", Some("nationality")),
            ("birth_country_code", Some("birth_country")),
            ("birthcountry", Some("birth_country")),
            ("country_of_birth", Some("birth_country")),
            ("Land van geboorte", Some("birth_country")),
            ("ETHNICITY", Some("ethnicity")),
            ("Herkomst", Some("ethnicity")),
            ("Réligie", Some("religion")),
            ("geloof", Some("religion")),
            ("Moedertaal", Some("language")),
            ("home_language", Some("language")),
            ("Taal", Some("language")),
            ("geslacht", Some("sex")),
            ("gender", Some("sex")),
            ("Politieke partij", Some("political_opinion")),
            ("vakbondslid", Some("trade_union")),
            ("diagnose", Some("health")),
            ("Diagnosis", Some("health")),
            ("Psychische klachten", Some("health")),
            ("Strafblad", Some("criminal_record")),
            ("postcode", Some("postcode")),
            ("woonpostcode", Some("postcode")),
            ("postal_code", Some("postcode")),
            ("Buurt", Some("postcode")),
            ("geboortedatum", Some("identity")),
            // What only looks like one.
            ("monthly_rent", None),
            ("Melding van de politie", None),
            ("Betaald", None),
            ("Totaal", None),
            ("Geloofwaardig", None),
            ("Einde zorgverzekering", None),
            ("Premie ziektekosten", None),
            ("Buurtteam betrokken", None),
            ("Raster", None),
            ("Leeftijd in jaren", None),
            ("Manier van betalen", None),
            ("", None),
        ] {
            let found = denied.find(text).map(|attribute| attribute.id.as_str());
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_municipality_adds_and_takes_nothing_away() {
        let own = "denied:\n  - id: sex\n    name: iets anders\n    source: Eigen beleid\n    stems: [aanhef]\n  \
            - id: marital_status\n    name: burgerlijke staat\n    source: Eigen beleid\n    stems: [burgerlijke staat]\n";
        let mut errors = PolicyErrors::default();
        let denied = Denied::read(shipped_text(FILE), own, &mut errors);
        assert!(errors.is_empty());
        assert_eq!(denied.iter().count(), shipped().iter().count() + 1);
        for (text, expected) in [
            ("geslacht", "sex"),
            ("aanhef", "sex"),
            ("Burgerlijke staat", "marital_status"),
            ("religie", "religion"),
        ] {
            let found = denied.find(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(found.id, expected);
        }
        assert_eq!(
            denied.find("aanhef").unwrap().name,
            "geslacht en genderidentiteit"
        );
        let nothing = Denied::read(shipped_text(FILE), "denied: []\n", &mut errors);
        assert_eq!(nothing, shipped());
        assert!(errors.is_empty());
    }

    #[test]
    fn a_list_that_would_deny_nothing_or_too_much_is_refused() {
        let own = "denied:\n  - id: a\n    name: A\n    source: \"\"\n    stems: [abc]\n  - id: b\n    name: B\n    source: B\n  - id: b\n    name: B\n    source: B\n    words: [\"-\"]\n";
        let mut errors = PolicyErrors::default();
        Denied::read(shipped_text(FILE), own, &mut errors);
        let said = errors.unless_empty(None::<()>).unwrap_err().to_string();
        expect_test::expect![[r#"
            denied.yaml:2: `a`: expected a name and a source
            denied.yaml:2: `abc`: expected a stem of 4 letters or more; put a shorter one under `words`
            denied.yaml:6: `b`: expected `stems` or `words`
            denied.yaml:9: `b` is there twice
            denied.yaml:9: `b`: expected words with letters in them"#]].assert_eq(&said);
    }
}
