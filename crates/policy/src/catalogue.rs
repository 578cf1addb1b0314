//! The kinds of signal (`signals.yaml`): what a partner may send, with which fields, and how long it is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::civil::Date;
use serde::Deserialize;
use voorveld_calendar::plus_days;
use voorveld_detect::{Decimal, FieldValue};
use voorveld_domain::{FieldName, KindId, PartnerType, SignalDomain};

use crate::denied::Denied;
use crate::error::PolicyErrors;
use crate::legal::LegalGrounds;
use crate::yaml::{Code, Located, Parsed, read_list};

/// The field that tells when supply ends (M7). A kind that has it is an end of supply.
pub const SUPPLY_ENDS_ON: &str = "supply_ends_on";

const FILE: &str = "signals.yaml";
/// Fewest days a kind is kept: *opeenvolgend* looks six months back, and a delivery may be months late.
const RETENTION_MIN_DAYS: u16 = 30;
/// Most days a kind is kept.
const RETENTION_MAX_DAYS: u16 = 3_660;
/// Oldest that a signal can be kept to.
const UNTIL_AGE_MAX: u8 = 120;
/// Most fields a kind has, and most codes a field.
const LIST_MAX: usize = 64;

/// One kind of signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalKind {
    /// Its name for ever, e.g. `rent_arrears`.
    pub id: KindId,
    /// What it is called on screen, in Dutch.
    pub name: String,
    /// The field of life it is about, e.g. `debt`.
    pub domain: SignalDomain,
    /// Which types of partner may send it, the default first.
    pub partner_types: Vec<PartnerType>,
    /// Whether a DDAS signal of these partner types is of this kind.
    pub ddas: bool,
    /// The ground in `legal.yaml` under which it is received.
    pub ground: String,
    /// Whether it tells an amount.
    pub amount: AmountUse,
    /// How old arrears must and may be (S6).
    pub age: AgeLimits,
    /// A threatening situation whatever the sender calls it (M6).
    pub is_crisis: bool,
    /// The field that dates the event; `None`: the day of signalling (T1).
    pub event_date_field: Option<FieldName>,
    /// Only a signal in which at least one of these yes-or-no fields is yes has a ground; empty: any.
    pub only_with_any: Vec<FieldName>,
    /// How long it is kept and counts.
    pub retention_days: u16,
    /// From this birthday of whom it names it is kept no longer, when that comes first; `None`: age ends nothing.
    pub until_age: Option<u8>,
    /// Its own fields (S8), in the order of the file.
    pub fields: Vec<Field>,
}

/// Whether a kind tells an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AmountUse {
    /// It may.
    Optional,
    /// It must.
    Required,
    /// It has none.
    Never,
}

/// How old arrears must and may be in days, from `ontstaansdatum` to the event date (S6).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgeLimits {
    /// At least so many.
    pub min: Option<u16>,
    /// At most so many.
    pub max: Option<u16>,
}

/// A field of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name in JSON and in a file's heading.
    pub name: FieldName,
    /// What it is called on screen and in a file's heading, in Dutch.
    pub label: String,
    /// Whether a signal without it is refused.
    pub required: bool,
    /// What it holds.
    pub shape: FieldShape,
}

/// What a field may hold (S8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldShape {
    /// A number with at most three decimals.
    Number {
        /// Of what.
        unit: Unit,
        /// At least this.
        min: Option<Decimal>,
        /// At most this.
        max: Option<Decimal>,
    },
    /// A day.
    Date,
    /// Yes or no.
    Boolean,
    /// One of these.
    Code(Vec<CodeEntry>),
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Money.
    Euro,
    /// Hours.
    Hour,
    /// Days.
    Day,
    /// Weeks.
    Week,
    /// Months.
    Month,
    /// Times, persons, or anything else that is counted.
    Count,
}

impl Unit {
    /// The Dutch word.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Euro => "euro",
            Self::Hour => "uur",
            Self::Day => "dagen",
            Self::Week => "weken",
            Self::Month => "maanden",
            Self::Count => "aantal",
        }
    }
}

/// A code of a field's list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeEntry {
    /// What is sent and stored.
    pub code: String,
    /// What is read, in Dutch.
    pub label: String,
}

/// Why a value does not fit its field. Says what was expected and never what was there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{expected}")]
pub struct FieldFault {
    /// What would have been right, in Dutch.
    pub expected: String,
}

impl Field {
    /// Reads a value as it stands in a JSON text or a cell: a decimal comma, a Dutch date and `ja` or `nee` are understood too.
    pub fn parse(&self, raw: &str) -> Result<FieldValue, FieldFault> {
        let raw = raw.trim();
        let value = match &self.shape {
            FieldShape::Number { min, max, .. } => parse_number(raw)
                .filter(|number| {
                    min.is_none_or(|min| min <= *number) && max.is_none_or(|max| *number <= max)
                })
                .map(FieldValue::Number),
            FieldShape::Date => parse_date(raw).map(FieldValue::Date),
            FieldShape::Boolean => parse_boolean(raw).map(FieldValue::Bool),
            FieldShape::Code(codes) => codes
                .iter()
                .find(|known| known.code == raw || known.label.eq_ignore_ascii_case(raw))
                .map(|known| FieldValue::Code(known.code.as_str().into())),
        };
        value.ok_or_else(|| FieldFault {
            expected: self.expected(),
        })
    }

    /// What this field wants, in Dutch.
    #[must_use]
    pub fn expected(&self) -> String {
        match &self.shape {
            FieldShape::Number { unit, min, max } => {
                let unit = unit.label();
                match (min, max) {
                    (None, None) => format!("een getal ({unit})"),
                    (Some(min), None) => format!("een getal ({unit}) vanaf {min}"),
                    (None, Some(max)) => format!("een getal ({unit}) tot en met {max}"),
                    (Some(min), Some(max)) => {
                        format!("een getal ({unit}) van {min} tot en met {max}")
                    }
                }
            }
            FieldShape::Date => "een datum zoals 2025-01-31".to_owned(),
            FieldShape::Boolean => "ja of nee".to_owned(),
            FieldShape::Code(codes) => {
                let codes: Vec<String> = codes
                    .iter()
                    .map(|known| format!("{} ({})", known.code, known.label))
                    .collect();
                format!("een van: {}", codes.join(", "))
            }
        }
    }
}

fn parse_number(raw: &str) -> Option<Decimal> {
    raw.replacen(',', ".", 1).parse().ok()
}

fn parse_date(raw: &str) -> Option<Date> {
    if let Ok(date) = raw.parse() {
        return (raw.len() == 10).then_some(date);
    }
    let mut parts = raw.split(['-', '/']);
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

fn parse_boolean(raw: &str) -> Option<bool> {
    match raw.to_ascii_lowercase().as_str() {
        "true" | "ja" | "j" | "yes" | "waar" | "1" => Some(true),
        "false" | "nee" | "n" | "no" | "onwaar" | "0" => Some(false),
        _ => None,
    }
}

fn lower(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

impl SignalKind {
    /// The birthday on which a signal of an event date is over, of somebody born then; `None`: its retention ends no later. That day says when somebody was
    /// born, so it is told only where it is needed.
    #[must_use]
    pub fn ends_on(&self, event_date: Date, born_on: Date) -> Option<Date> {
        let years = i16::from(self.until_age?);
        let birthday = born_on.saturating_add(jiff::Span::new().years(years));
        let expires = plus_days(event_date, i32::from(self.retention_days));
        (birthday < expires).then_some(birthday)
    }

    /// The field with this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name.as_str() == name)
    }

    /// The type of partner it comes from when the sender does not say.
    #[must_use]
    pub fn default_partner_type(&self) -> PartnerType {
        self.partner_types[0]
    }

    /// Whether it announces an end of supply (M7).
    #[must_use]
    pub fn is_supply_end(&self) -> bool {
        self.field(SUPPLY_ENDS_ON).is_some()
    }

    /// The day that dates the event, when a field does.
    #[must_use]
    pub fn dated_by(&self, fields: &BTreeMap<FieldName, FieldValue>) -> Option<Date> {
        match fields.get(self.event_date_field.as_ref()?)? {
            FieldValue::Date(day) => Some(*day),
            _ => None,
        }
    }

    /// The fields that must be there and are not.
    pub fn missing_fields<'a>(
        &'a self,
        fields: &'a BTreeMap<FieldName, FieldValue>,
    ) -> impl Iterator<Item = &'a Field> {
        self.fields
            .iter()
            .filter(|field| field.required && !fields.contains_key(&field.name))
    }
}

/// All kinds, by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalCatalogue(BTreeMap<KindId, SignalKind>);

impl SignalCatalogue {
    /// The kind with this id.
    #[must_use]
    pub fn get(&self, id: &KindId) -> Option<&SignalKind> {
        self.0.get(id)
    }

    /// The kind a sender names, whatever was typed.
    #[must_use]
    pub fn find(&self, raw: &str) -> Option<&SignalKind> {
        self.0.get(&raw.parse::<KindId>().ok()?)
    }

    /// The kind that is called so on screen and in templates, whatever its capitals; `None` when none or several are.
    #[must_use]
    pub fn named(&self, raw: &str) -> Option<&SignalKind> {
        let mut called = self
            .0
            .values()
            .filter(|kind| lower(&kind.name).eq(lower(raw.trim())));
        called.next().filter(|_| called.next().is_none())
    }

    /// All kinds, in order of id; also those that are refused for want of a ground.
    pub fn iter(&self) -> impl Iterator<Item = &SignalKind> {
        self.0.values()
    }

    /// The kind of a DDAS signal of this type of partner.
    #[must_use]
    pub fn of_ddas(&self, partner_type: PartnerType) -> Option<&SignalKind> {
        self.0
            .values()
            .find(|kind| kind.ddas && kind.partner_types.contains(&partner_type))
    }

    /// The kinds of a domain.
    pub fn of_domain<'a>(
        &'a self,
        domain: &'a SignalDomain,
    ) -> impl Iterator<Item = &'a SignalKind> {
        self.0.values().filter(move |kind| kind.domain == *domain)
    }

    /// Reads all kinds. Without grounds (because those are broken themselves) the grounds of kinds are not looked at.
    pub(crate) fn read(
        text: &str,
        grounds: Option<&LegalGrounds>,
        denied: &Denied,
        errors: &mut PolicyErrors,
    ) -> Self {
        let items: Vec<Located<KindFile>> = read_list(FILE, text, "kinds", errors);
        let mut kinds: BTreeMap<KindId, SignalKind> = BTreeMap::new();
        let mut ddas_taken: BTreeMap<PartnerType, KindId> = BTreeMap::new();
        for item in items {
            let mut say =
                |line: usize, message: &dyn fmt::Display| errors.push(FILE, Some(line), message);
            item.value.deny(&item, denied, &mut say);
            let Some(kind) = item.value.check(&item, grounds, &mut say) else {
                continue;
            };
            if kind.ddas {
                for partner_type in &kind.partner_types {
                    if let Some(other) = ddas_taken.insert(*partner_type, kind.id.clone()) {
                        say(
                            item.line_of("ddas"),
                            &format_args!(
                                "a DDAS signal of `{partner_type}` is of kind `{other}` already"
                            ),
                        );
                    }
                }
            }
            let id = kind.id.clone();
            if kinds.insert(id.clone(), kind).is_some() {
                say(
                    item.line_of("id"),
                    &format_args!("kind `{id}` is there twice"),
                );
            }
        }
        Self(kinds)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct KindFile {
    id: Parsed<KindId>,
    name: String,
    domain: Parsed<SignalDomain>,
    partner_types: Vec<Code<PartnerType>>,
    #[serde(default)]
    ddas: bool,
    ground: String,
    amount: AmountUse,
    #[serde(default)]
    age_days: AgeLimits,
    #[serde(default)]
    crisis: bool,
    #[serde(default)]
    event_date: Option<Parsed<FieldName>>,
    #[serde(default)]
    only_with_any: Vec<Parsed<FieldName>>,
    retention_days: u16,
    until_age: Option<u8>,
    #[serde(default)]
    fields: Vec<FieldFile>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldFile {
    name: Parsed<FieldName>,
    label: String,
    #[serde(rename = "type")]
    field_type: FieldTypeFile,
    #[serde(default)]
    required: bool,
    unit: Option<Unit>,
    min: Option<Number>,
    max: Option<Number>,
    #[serde(default)]
    codes: Vec<CodeEntry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FieldTypeFile {
    Number,
    Date,
    Boolean,
    Code,
}

/// A whole number, or one with decimals between quotes.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Number {
    Whole(i32),
    Exact(Parsed<Decimal>),
}

impl Number {
    fn decimal(&self) -> Decimal {
        match self {
            Self::Whole(number) => Decimal::whole(*number),
            Self::Exact(Parsed(number)) => *number,
        }
    }
}

type Say<'a> = dyn FnMut(usize, &dyn fmt::Display) + 'a;

impl KindFile {
    /// Says which of its names speak of something that nothing here may use.
    fn deny<T>(&self, at: &Located<T>, denied: &Denied, say: &mut Say<'_>) {
        let kind = [(self.id.0.as_str(), "id"), (self.name.as_str(), "name")];
        for (text, key) in kind {
            if let Some(attribute) = denied.find(text) {
                let refusal = attribute.refusal(&format!("kind `{}`", self.id.0));
                say(at.line_of(key), &refusal);
            }
        }
        for field in &self.fields {
            let name = &field.name.0;
            let codes = field.codes.iter();
            let mut texts = [name.as_str(), &field.label]
                .into_iter()
                .chain(codes.flat_map(|entry| [entry.code.as_str(), &entry.label]));
            if let Some(attribute) = texts.find_map(|text| denied.find(text)) {
                let refusal = attribute.refusal(&format!("field `{name}` („{}”)", field.label));
                say(at.line_with(&format!("name: {name}")), &refusal);
            }
        }
    }

    fn check<T>(
        &self,
        at: &Located<T>,
        grounds: Option<&LegalGrounds>,
        say: &mut Say<'_>,
    ) -> Option<SignalKind> {
        let mut fits = true;
        let mut fault = |line: usize, message: &dyn fmt::Display| {
            fits = false;
            say(line, message);
        };
        let Parsed(id) = self.id.clone();
        if self.partner_types.is_empty() {
            fault(
                at.line_of("partner_types"),
                &"expected at least one partner type",
            );
        }
        let ground = grounds.map(|grounds| grounds.get(&self.ground));
        match ground {
            Some(None) => fault(
                at.line_of("ground"),
                &format_args!("`{}` is not a ground of legal.yaml", self.ground),
            ),
            Some(Some(ground)) if !ground.covers_kind(&id) => fault(
                at.line_of("ground"),
                &format_args!(
                    "ground `{}` ({}) does not cover kind `{id}`",
                    ground.id, ground.article
                ),
            ),
            _ => {}
        }
        if let (Some(min), Some(max)) = (self.age_days.min, self.age_days.max)
            && max < min
        {
            fault(
                at.line_of("age_days"),
                &"expected `max` to be at least `min`",
            );
        }
        if !(RETENTION_MIN_DAYS..=RETENTION_MAX_DAYS).contains(&self.retention_days) {
            fault(
                at.line_of("retention_days"),
                &format_args!("expected {RETENTION_MIN_DAYS} to {RETENTION_MAX_DAYS} days"),
            );
        }
        if self
            .until_age
            .is_some_and(|age| !(1..=UNTIL_AGE_MAX).contains(&age))
        {
            fault(
                at.line_of("until_age"),
                &format_args!("expected 1 to {UNTIL_AGE_MAX} years"),
            );
        }
        if self.fields.len() > LIST_MAX {
            fault(
                at.line_of("fields"),
                &format_args!("expected at most {LIST_MAX} fields"),
            );
        }
        let mut names = BTreeSet::new();
        let mut fields = Vec::new();
        for file in &self.fields {
            let Parsed(name) = file.name.clone();
            let line = at.line_with(&format!("name: {name}"));
            if !names.insert(name.clone()) {
                fault(line, &format_args!("field `{name}` is there twice"));
            }
            match file.shape() {
                Ok(shape) => fields.push(Field {
                    name,
                    label: file.label.clone(),
                    required: file.required,
                    shape,
                }),
                Err(expected) => fault(line, &format_args!("field `{name}`: {expected}")),
            }
        }
        let shape_of = |name: &FieldName| {
            fields
                .iter()
                .find(|field| field.name == *name)
                .map(|field| &field.shape)
        };
        if let Some(Parsed(name)) = &self.event_date
            && shape_of(name) != Some(&FieldShape::Date)
        {
            fault(
                at.line_of("event_date"),
                &format_args!("expected `{name}` to be a field of type date"),
            );
        }
        for Parsed(name) in &self.only_with_any {
            if shape_of(name) != Some(&FieldShape::Boolean) {
                fault(
                    at.line_of("only_with_any"),
                    &format_args!("expected `{name}` to be a field of type boolean"),
                );
            }
        }
        if let Some(shape) = fields
            .iter()
            .find(|field| field.name.as_str() == SUPPLY_ENDS_ON)
            .map(|field| &field.shape)
            && *shape != FieldShape::Date
        {
            fault(
                at.line_with(SUPPLY_ENDS_ON),
                &"expected `supply_ends_on` to be a field of type date",
            );
        }
        fits.then(|| SignalKind {
            id,
            name: self.name.clone(),
            domain: self.domain.0.clone(),
            partner_types: self.partner_types.iter().map(|code| code.0).collect(),
            ddas: self.ddas,
            ground: self.ground.clone(),
            amount: self.amount,
            age: self.age_days,
            is_crisis: self.crisis,
            event_date_field: self.event_date.clone().map(|name| name.0),
            only_with_any: self
                .only_with_any
                .iter()
                .map(|name| name.0.clone())
                .collect(),
            retention_days: self.retention_days,
            until_age: self.until_age,
            fields,
        })
    }
}

impl FieldFile {
    fn shape(&self) -> Result<FieldShape, &'static str> {
        let is_number = self.field_type == FieldTypeFile::Number;
        if !is_number && (self.unit.is_some() || self.min.is_some() || self.max.is_some()) {
            return Err("`unit`, `min` and `max` belong to type number");
        }
        if self.field_type != FieldTypeFile::Code && !self.codes.is_empty() {
            return Err("`codes` belong to type code");
        }
        match self.field_type {
            FieldTypeFile::Number => {
                let (min, max) = (
                    self.min.as_ref().map(Number::decimal),
                    self.max.as_ref().map(Number::decimal),
                );
                if min.is_some_and(|min| max.is_some_and(|max| max < min)) {
                    return Err("expected `max` to be at least `min`");
                }
                self.unit
                    .map(|unit| FieldShape::Number { unit, min, max })
                    .ok_or("expected a `unit`: euro, hour, day, week, month or count")
            }
            FieldTypeFile::Date => Ok(FieldShape::Date),
            FieldTypeFile::Boolean => Ok(FieldShape::Boolean),
            FieldTypeFile::Code => {
                let distinct: BTreeSet<&str> =
                    self.codes.iter().map(|known| known.code.as_str()).collect();
                if self.codes.is_empty()
                    || self.codes.len() > LIST_MAX
                    || distinct.len() != self.codes.len()
                {
                    return Err("expected one to 64 different `codes`");
                }
                Ok(FieldShape::Code(self.codes.clone()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn field(shape: FieldShape) -> Field {
        Field {
            name: "x".parse().unwrap(),
            label: "X".into(),
            required: false,
            shape,
        }
    }

    #[test]
    fn a_field_reads_what_people_type() {
        let number = field(FieldShape::Number {
            unit: Unit::Euro,
            min: Some(Decimal::whole(1)),
            max: Some(Decimal::whole(100)),
        });
        let day = field(FieldShape::Date);
        let yes = field(FieldShape::Boolean);
        let code = field(FieldShape::Code(vec![CodeEntry {
            code: "gas".into(),
            label: "Gas".into(),
        }]));
        let january = Some(FieldValue::Date(date(2025, 1, 31)));
        for (field, raw, expected) in [
            (
                &number,
                "16,5",
                Some(FieldValue::Number(Decimal::from_thousandths(16_500))),
            ),
            (
                &number,
                "16.5",
                Some(FieldValue::Number(Decimal::from_thousandths(16_500))),
            ),
            (&number, "0", None),
            (&number, "100,001", None),
            (&number, "1,6,5", None),
            (&number, "NaN", None),
            (&day, "2025-01-31", january.clone()),
            (&day, "31-01-2025", january.clone()),
            (&day, "31/1/2025", january),
            (&day, "2025-02-30", None),
            (&day, "31-01-25", None),
            (&day, "2025-01-31T00:00", None),
            (&yes, "Ja", Some(FieldValue::Bool(true))),
            (&yes, "false", Some(FieldValue::Bool(false))),
            (&yes, "misschien", None),
            (&code, "gas", Some(FieldValue::Code("gas".into()))),
            (&code, "GAS", Some(FieldValue::Code("gas".into()))),
            (&code, "kolen", None),
        ] {
            assert_eq!(field.parse(raw).ok(), expected, "{raw}");
        }
        assert_eq!(
            number.parse("0").unwrap_err().expected,
            "een getal (euro) van 1 tot en met 100"
        );
        assert_eq!(
            code.parse("kolen").unwrap_err().to_string(),
            "een van: gas (Gas)"
        );
    }
}
