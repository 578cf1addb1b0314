//! The JSON Schema of a rule file: made from the very types a rule is read into, so that an editor, the walk over a file (`form`) and the reader agree.
//!
//! Draft 2020-12, closed: what it does not name may not stand there. Descriptions are the doc comments of those types; an editor shows them.
//! `format` names what a word must parse as; beside `date` these are our own, and an editor that does not know them goes by `pattern`.

use std::borrow::Cow;
use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value};
use voorveld_detect::{Decimal, SuppressedBy};
use voorveld_domain::{FieldName, KindId, PartnerId, RuleId, SignalDomain};

use crate::rules::RuleFile;
use crate::yaml::{Code, Euros, Listed, Parsed};

/// The schema of `rules/*.yaml` as text, ending in a line break. The same bytes from every build.
#[must_use]
pub fn rule_schema() -> String {
    let mut schema = rule_schema_value().clone();
    schema.sort_all_objects();
    let mut text = serde_json::to_string_pretty(&schema).expect("it has no keys but text");
    text.push('\n');
    text
}

pub(crate) fn rule_schema_value() -> &'static Value {
    static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
        let schema = SchemaSettings::draft2020_12()
            .into_generator()
            .into_root_schema_for::<RuleFile>();
        let mut schema = schema.to_value();
        tidy(&mut schema);
        schema
    });
    &SCHEMA
}

/// Leaves out what only Rust needs to know: sizes of numbers, and that what is absent reads as nothing.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(keys) => {
            tidy_keys(keys);
            keys.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn tidy_keys(keys: &mut Map<String, Value>) {
    if let Some(format) = keys.get("format").and_then(Value::as_str)
        && format.starts_with("uint")
    {
        if !keys.contains_key("maximum") {
            keys.insert("maximum".to_owned(), u32::MAX.into());
        }
        keys.remove("format");
    }
    // Comments are broken into lines to be read in code; an editor breaks them itself.
    if let Some(Value::String(text)) = keys.get_mut("description") {
        *text = text.replace('\n', " ");
    }
    if keys.get("default").is_some_and(Value::is_null) {
        keys.remove("default");
    }
    let is_null = |value: &Value| value.as_str() == Some("null");
    if let Some(Value::Array(types)) = keys.get_mut("type") {
        types.retain(|value| !is_null(value));
        if let [only] = types.as_slice() {
            let only = only.clone();
            keys.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(words)) = keys.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    if let Some(Value::Array(either)) = keys.get_mut("anyOf") {
        either.retain(|one| !one.get("type").is_some_and(is_null));
        if let [Value::Object(only)] = either.as_slice() {
            let only = only.clone();
            keys.remove("anyOf");
            for (key, value) in only {
                keys.entry(key).or_insert(value);
            }
        }
    }
}

/// What a word in a rule file can parse as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Date,
    Rule,
    Kind,
    Domain,
    Field,
    Partner,
    Number,
    Euros,
    EurosAboveZero,
}

impl Format {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 9] = [
        Self::Date,
        Self::Rule,
        Self::Kind,
        Self::Domain,
        Self::Field,
        Self::Partner,
        Self::Number,
        Self::Euros,
        Self::EurosAboveZero,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Rule => "rule-id",
            Self::Kind => "kind-id",
            Self::Domain => "domain-id",
            Self::Field => "field-name",
            Self::Partner => "partner-id",
            Self::Number => "number",
            Self::Euros => "euros",
            Self::EurosAboveZero => "euros-above-zero",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "date" => Self::Date,
            "rule-id" => Self::Rule,
            "kind-id" => Self::Kind,
            "domain-id" => Self::Domain,
            "field-name" => Self::Field,
            "partner-id" => Self::Partner,
            "number" => Self::Number,
            "euros" => Self::Euros,
            "euros-above-zero" => Self::EurosAboveZero,
            _ => return None,
        })
    }

    /// Whether a word parses.
    pub(crate) fn fits(self, word: &str) -> bool {
        match self {
            Self::Date => word.len() == 10 && word.parse::<jiff::civil::Date>().is_ok(),
            Self::Rule => word.parse::<RuleId>().is_ok(),
            Self::Kind => word.parse::<KindId>().is_ok(),
            Self::Domain => word.parse::<SignalDomain>().is_ok(),
            Self::Field => word.parse::<FieldName>().is_ok(),
            Self::Partner => word.parse::<PartnerId>().is_ok(),
            Self::Number => word.parse::<Decimal>().is_ok(),
            Self::Euros => word.parse::<Euros>().is_ok(),
            Self::EurosAboveZero => matches!(word.parse(), Ok(Euros(Some(_)))),
        }
    }

    /// What would have been right.
    pub(crate) const fn expected(self) -> &'static str {
        match self {
            Self::Date => "a date that exists, such as 2025-01-31",
            Self::Rule => "lower case letters, digits, dots and underscores, at most 64",
            Self::Kind | Self::Domain | Self::Field => {
                "lower case letters, digits and underscores, at most 64"
            }
            Self::Partner => "lower case letters, digits and hyphens, at most 64",
            Self::Number => "a number with at most three decimals, such as 16 or \"16.5\"",
            Self::Euros => {
                "an amount in whole euros, or with cents between quotes, such as 75 or \"75.50\""
            }
            Self::EurosAboveZero => {
                "an amount above zero in whole euros, or with cents between quotes, such as 75 or \"75.50\""
            }
        }
    }

    /// A word that parses.
    pub(crate) const fn stand_in(self) -> &'static str {
        match self {
            Self::Date => "2025-01-01",
            Self::Number | Self::Euros | Self::EurosAboveZero => "1",
            _ => "x",
        }
    }

    fn schema(self) -> Schema {
        let slug = |also: &str| format!("^[a-z0-9][a-z0-9{also}]{{0,63}}$");
        match self {
            Self::Date => json_schema!({ "type": "string", "format": self.name() }),
            Self::Rule => {
                json_schema!({ "type": "string", "format": self.name(), "pattern": slug("_.") })
            }
            Self::Kind | Self::Domain | Self::Field => {
                json_schema!({ "type": "string", "format": self.name(), "pattern": slug("_") })
            }
            Self::Partner => {
                json_schema!({ "type": "string", "format": self.name(), "pattern": slug("-") })
            }
            Self::Number => json_schema!({
                "type": ["number", "string"],
                "format": self.name(),
                "pattern": "^-?[0-9]+(\\.[0-9]{1,3})?$",
            }),
            Self::Euros | Self::EurosAboveZero => json_schema!({
                "type": ["integer", "string"],
                "format": self.name(),
                "minimum": u8::from(self == Self::EurosAboveZero),
                "maximum": 999_999_999,
                "pattern": "^[0-9]{1,9}([.,][0-9]{2})?$",
            }),
        }
    }
}

/// A word that parses as this.
trait Written {
    const FORMAT: Format;
}

macro_rules! written {
    ($($name:ty => $format:ident),+ $(,)?) => { $(
        impl Written for $name {
            const FORMAT: Format = Format::$format;
        }
    )+ };
}
written!(
    RuleId => Rule,
    KindId => Kind,
    SignalDomain => Domain,
    FieldName => Field,
    PartnerId => Partner,
    Decimal => Number,
);

impl<T: Written> JsonSchema for Parsed<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        T::FORMAT.name().into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        T::FORMAT.schema()
    }
}

impl<T: Listed> JsonSchema for Code<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        std::any::type_name::<T>().into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let codes: Vec<&str> = T::all().iter().map(|known| known.code()).collect();
        json_schema!({ "type": "string", "enum": codes })
    }
}

impl JsonSchema for Euros {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        Format::Euros.name().into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        Format::Euros.schema()
    }
}

/// An amount that a rule compares with: of zero it could say nothing.
pub(crate) fn above_zero(_: &mut SchemaGenerator) -> Schema {
    Format::EurosAboveZero.schema()
}

/// The fields of a signal in an example: what they may be called is for the kind to say.
pub(crate) fn signal_fields(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": Format::Field.schema(),
        "additionalProperties": { "type": ["boolean", "number", "string"] },
    })
}

/// What keeps a rule from raising, as an example expects it.
pub(crate) fn suppressed_by(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": SuppressedBy::CODES })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_known_by_its_name_and_its_stand_in_fits_where_an_empty_word_does_not() {
        for format in Format::ALL {
            assert_eq!(Format::named(format.name()), Some(format));
            assert!(format.fits(format.stand_in()), "{format:?}");
            assert!(!format.fits(""), "{format:?}");
        }
    }
}
