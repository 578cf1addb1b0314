//! Reading YAML so that one mistake does not hide the next, and each keeps its line.
//!
//! A reader of YAML stops at the first mistake. So a rule is held against its schema first, part by part ([`read_formed`]), and in the other files
//! a list is cut into its items by their indent, and each item is read by itself, behind as many empty lines as stood before it: the line
//! numbers stay true.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, Visitor};
use voorveld_calendar::{SchoolHoliday, SchoolRegion};
use voorveld_domain::{Cents, Outcome, PartnerType, Purpose, Urgency};

use crate::error::PolicyErrors;
use crate::form::{self, Form};
use crate::tree::{self, Node, Path};

/// A value with the place it was read at.
#[derive(Debug, Clone)]
pub(crate) struct Located<T> {
    pub(crate) value: T,
    /// The item's first line.
    pub(crate) line: usize,
    text: String,
}

impl<T> Located<T> {
    /// The line that holds `key:`, else the item's first.
    pub(crate) fn line_of(&self, key: &str) -> usize {
        self.find(|line| {
            line.trim_start_matches([' ', '-', '{'])
                .strip_prefix(key)
                .is_some_and(|rest| rest.starts_with(':'))
        })
    }

    /// The first line that mentions `word`, else the item's first.
    pub(crate) fn line_with(&self, word: &str) -> usize {
        self.find(|line| line.contains(word))
    }

    fn find(&self, fits: impl Fn(&str) -> bool) -> usize {
        self.text
            .lines()
            .position(fits)
            .map_or(self.line, |index| index + 1)
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, (Option<usize>, String)> {
    let document = serde_norway::Deserializer::from_str(text);
    serde_norway::with::singleton_map_recursive::deserialize(document).map_err(|error| {
        let line = error.location().map(|at| at.line());
        let mut message = error.to_string();
        // The line stands in front already.
        if let Some(at) = message.rfind(" at line ") {
            message.truncate(at);
        }
        (line, message)
    })
}

/// What was read from a file that was held against its schema.
pub(crate) struct Formed<T> {
    /// Where the form was broken, something stands in it that the file does not say.
    pub(crate) value: T,
    pub(crate) tree: Node,
    form: Form,
}

impl<T> Formed<T> {
    /// The line of what stands at this place.
    pub(crate) fn line(&self, path: &[&str]) -> usize {
        let path: Path = path.iter().map(|step| (*step).to_owned()).collect();
        self.tree.line(&path)
    }

    /// Whether the file had the form of its schema.
    pub(crate) fn is_sound(&self) -> bool {
        self.form.mistakes.is_empty()
    }

    /// Whether a mistake in the form stands at this place, in it or around it.
    pub(crate) fn is_broken(&self, path: &[String]) -> bool {
        self.form.is_broken(path)
    }

    /// Whether what stands under this outermost key is not what the file says at all.
    pub(crate) fn is_replaced(&self, key: &str) -> bool {
        self.form.is_replaced(key)
    }
}

/// Reads a file that has a schema: notes every mistake in its form, and reads what is right although something else is not.
pub(crate) fn read_formed<T: DeserializeOwned>(
    file: &str,
    text: &str,
    schema: &serde_json::Value,
    errors: &mut PolicyErrors,
) -> Option<Formed<T>> {
    let tree = match tree::read(text) {
        Ok(tree) => tree,
        Err((line, message)) => {
            errors.push(file, Some(line), message);
            return None;
        }
    };
    let form = form::walk(schema, &tree);
    if form.mistakes.is_empty() {
        // What is judged is read by the same reader as what is hashed.
        return match parse(text) {
            Ok(value) => Some(Formed { value, tree, form }),
            Err((line, message)) => {
                errors.push(file, line, message);
                None
            }
        };
    }
    for (line, message) in &form.mistakes {
        errors.push(file, Some(*line), message);
    }
    let value = serde_json::from_value(form.repaired.clone()).ok()?;
    Some(Formed { value, tree, form })
}

/// Reads a whole file as one thing.
pub(crate) fn read_whole<T: DeserializeOwned>(
    file: &str,
    text: &str,
    errors: &mut PolicyErrors,
) -> Option<Located<T>> {
    match parse(text) {
        Ok(value) => Some(Located {
            value,
            line: 1,
            text: text.to_owned(),
        }),
        Err((line, message)) => {
            errors.push(file, line, message);
            None
        }
    }
}

/// What stands under a file's outermost keys.
pub(crate) type Outline = std::collections::BTreeMap<String, serde_norway::Value>;

/// Reads a file's outermost keys. Nothing else than `keys` may stand there.
pub(crate) fn read_outline(
    file: &str,
    text: &str,
    keys: &[&str],
    errors: &mut PolicyErrors,
) -> Option<Outline> {
    let outline: Outline = match parse(text) {
        Ok(outline) => outline,
        Err((line, message)) => {
            errors.push(file, line, message);
            return None;
        }
    };
    let expected: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
    for found in outline
        .keys()
        .filter(|found| !keys.contains(&found.as_str()))
    {
        let line = text
            .lines()
            .position(|row| row.starts_with(found.as_str()))
            .map(|index| index + 1);
        errors.push(
            file,
            line,
            format_args!("unknown field `{found}`, expected {}", expected.join(", ")),
        );
    }
    Some(outline)
}

/// Reads a file that is one list under `key`, item by item. Nothing else may stand in it.
pub(crate) fn read_list<T: DeserializeOwned>(
    file: &str,
    text: &str,
    key: &str,
    errors: &mut PolicyErrors,
) -> Vec<Located<T>> {
    read_list_beside(file, text, key, &[key], errors)
}

/// Reads the list under `key` of a file in which other `keys` may stand too.
pub(crate) fn read_list_beside<T: DeserializeOwned>(
    file: &str,
    text: &str,
    key: &str,
    keys: &[&str],
    errors: &mut PolicyErrors,
) -> Vec<Located<T>> {
    let Some(outline) = read_outline(file, text, keys, errors) else {
        return Vec::new();
    };
    if !outline.contains_key(key) {
        errors.push(file, None, format_args!("expected a list under `{key}`"));
        return Vec::new();
    }
    read_items(file, text, key, errors)
}

/// Reads the items of the list under `key`, each by itself.
pub(crate) fn read_items<T: DeserializeOwned>(
    file: &str,
    text: &str,
    key: &str,
    errors: &mut PolicyErrors,
) -> Vec<Located<T>> {
    let mut items = Vec::new();
    for (line, block) in blocks(text, key) {
        match parse::<Vec<T>>(&block) {
            Ok(values) => items.extend(values.into_iter().map(|value| Located {
                value,
                line,
                text: block.clone(),
            })),
            Err((at, message)) => {
                // Each item is read as a list of one: its place in that says nothing.
                let message = message
                    .strip_prefix(".[0].")
                    .or_else(|| message.strip_prefix(".[0]: "))
                    .or_else(|| message.strip_prefix("[0]."))
                    .unwrap_or(&message);
                errors.push(file, at.or(Some(line)), message);
            }
        }
    }
    items
}

/// The items of the list under `key`, each behind as many empty lines as stood before it, with its first line.
fn blocks(text: &str, key: &str) -> Vec<(usize, String)> {
    let mut blocks: Vec<(usize, String)> = Vec::new();
    let mut inside = false;
    let mut indent = None;
    for (index, row) in text.lines().enumerate() {
        let bare = row.trim_start();
        if !inside {
            inside = row
                .strip_prefix(key)
                .is_some_and(|rest| rest.starts_with(':'));
            if inside {
                // The whole list on one line, such as `kinds: []`.
                let rest = row[key.len() + 1..].trim();
                if rest.starts_with('[') {
                    return vec![(index + 1, "\n".repeat(index) + rest)];
                }
            }
            continue;
        }
        let depth = row.len() - bare.len();
        let is_text = !bare.is_empty() && !bare.starts_with('#');
        if is_text && depth == 0 && !bare.starts_with('-') {
            break;
        }
        if is_text && bare.starts_with('-') && indent.is_none_or(|indent| depth == indent) {
            indent = Some(depth);
            blocks.push((index + 1, "\n".repeat(index)));
        }
        if let Some((_, block)) = blocks.last_mut() {
            block.push_str(row);
            block.push('\n');
        }
    }
    blocks
}

/// A value that parses from one word.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Parsed<T>(pub(crate) T);

struct ParsedVisitor<T>(PhantomData<T>);

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for ParsedVisitor<T> {
    type Value = Parsed<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a word")
    }

    fn visit_str<E: de::Error>(self, raw: &str) -> Result<Self::Value, E> {
        raw.parse()
            .map(Parsed)
            .map_err(|error| E::custom(format_args!("`{raw}`: {error}")))
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(ParsedVisitor(PhantomData))
    }
}

/// A closed list of codes, for saying what was expected.
pub(crate) trait Listed: Sized + Copy + 'static {
    fn all() -> &'static [Self];
    fn code(self) -> &'static str;
}

macro_rules! listed {
    ($($name:ty),+) => { $(
        impl Listed for $name {
            fn all() -> &'static [Self] {
                Self::ALL
            }
            fn code(self) -> &'static str {
                self.code()
            }
        }
    )+ };
}
listed!(
    Purpose,
    Urgency,
    PartnerType,
    Outcome,
    SchoolHoliday,
    SchoolRegion
);

/// A code of a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Code<T>(pub(crate) T);

impl<'de, T: Listed> Deserialize<'de> for Code<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = String::deserialize(deserializer)?;
        T::all()
            .iter()
            .copied()
            .find(|known| known.code() == raw)
            .map(Code)
            .ok_or_else(|| {
                let codes: Vec<&str> = T::all().iter().map(|known| known.code()).collect();
                de::Error::custom(format_args!(
                    "`{raw}`: expected one of {}",
                    codes.join(", ")
                ))
            })
    }
}

/// An amount in euros: `75`, `"75.50"` or `"75,50"`. Never a float: cents between quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Euros(pub(crate) Option<Cents>);

struct EurosVisitor;

impl Visitor<'_> for EurosVisitor {
    type Value = Euros;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an amount in whole euros, or with cents between quotes, such as 75 or \"75.50\"",
        )
    }

    fn visit_u64<E: de::Error>(self, euros: u64) -> Result<Euros, E> {
        self.visit_str(&euros.to_string())
    }

    fn visit_str<E: de::Error>(self, raw: &str) -> Result<Euros, E> {
        raw.parse()
            .map_err(|NoEuros| E::invalid_value(de::Unexpected::Str(raw), &self))
    }
}

/// No amount that Voorveld knows.
#[derive(Debug)]
pub(crate) struct NoEuros;

impl FromStr for Euros {
    type Err = NoEuros;

    fn from_str(raw: &str) -> Result<Self, NoEuros> {
        let (euros, cents) = raw.split_once([',', '.']).unwrap_or((raw, "00"));
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(euros) || !digits(cents) || cents.len() != 2 || euros.len() > 9 {
            return Err(NoEuros);
        }
        let total: i64 = format!("{euros}{cents}").parse().map_err(|_| NoEuros)?;
        if total == 0 {
            return Ok(Self(None));
        }
        Cents::try_from(total)
            .map(|cents| Self(Some(cents)))
            .map_err(|_| NoEuros)
    }
}

impl<'de> Deserialize<'de> for Euros {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EurosVisitor)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Item {
        id: String,
        size: u8,
    }

    #[test]
    fn each_item_has_its_own_mistake_on_its_own_line() {
        let text = "# a comment\nitems:\n  - id: one\n    size: 1\n\n  # about two\n  - id: two\n    size: large\n  - id: three\n    size: 3\n    sise: 3\n  - id: four\n    size: 4\n";
        let mut errors = PolicyErrors::default();
        let items: Vec<Located<Item>> = read_list("x.yaml", text, "items", &mut errors);
        let ids: Vec<&str> = items.iter().map(|item| item.value.id.as_str()).collect();
        assert_eq!(ids, ["one", "four"]);
        assert_eq!((items[1].value.size, items[1].line_of("size")), (4, 13));
        let shown = errors.unless_empty(None::<()>).unwrap_err().to_string();
        expect_test::expect![[r#"
            x.yaml:8: size: invalid type: string "large", expected u8
            x.yaml:11: unknown field `sise`, expected `id` or `size`"#]]
        .assert_eq(&shown);
    }

    #[test]
    fn a_list_may_be_empty_or_on_one_line_and_nothing_else_may_stand_there() {
        for (text, count, mistakes) in [
            ("items: []\n", 0, 0),
            ("items: [{id: a, size: 1}, {id: b, size: 2}]\n", 2, 0),
            ("items:\n- id: a\n  size: 1\n- id: b\n  size: 2\n", 2, 0),
            ("items: []\nmore: 1\n", 0, 1),
            ("things: []\n", 0, 2),
            ("items: [\n", 0, 1),
            ("- a\n", 0, 1),
        ] {
            let mut errors = PolicyErrors::default();
            let items: Vec<Located<Item>> = read_list("x.yaml", text, "items", &mut errors);
            assert_eq!(
                (items.len(), errors.iter().count()),
                (count, mistakes),
                "{text}"
            );
        }
    }

    #[test]
    fn euros_are_exact() {
        for (text, cents) in [
            ("75", Some(7_500)),
            ("\"75.50\"", Some(7_550)),
            ("\"75,05\"", Some(7_505)),
            ("0", None),
        ] {
            let euros: Euros = parse(text).unwrap();
            assert_eq!(euros.0.map(Cents::get), cents, "{text}");
        }
        for text in ["75.5", "-1", "\"75.5\"", "\"\"", "99999999999", "ja"] {
            assert!(parse::<Euros>(text).is_err(), "{text}");
        }
    }
}
