//! Why, in plain Dutch (B1) or English: sentences made from evidence and rules, never the other way round.
//!
//! Knows no household and no person: it says what was measured and what the rule wants. The names of kinds, fields and codes are the
//! municipality's ([`Words`]); without one, the identifier is read out. They are Dutch in English sentences too, in quotes.
//!
//! Each language has its own file with the same functions, each of them exhaustive: a measure or condition that one language cannot say does
//! not compile.

mod dutch;
mod english;

use std::collections::BTreeMap;

use jiff::civil::Date;
use voorveld_calendar::{Calendar, Period, YearMonth, plus_days};
use voorveld_domain::{FieldName, KindId, PartnerType, Purpose, SignalDomain, Urgency};

use crate::evidence::Evidence;
use crate::matched::Verdict;
use crate::rule::{Deadline, Rule, RuleSettings, Sources};
use crate::task::SuppressedBy;
use crate::trail::Fate;

/// The language of a reader.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    /// Plain Dutch (B1): what is stored and what screens show unless asked otherwise.
    #[default]
    Dutch,
    /// Plain English.
    English,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::Dutch, Self::English];

    /// The ISO 639-1 code: `nl`, `en`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Dutch => "nl",
            Self::English => "en",
        }
    }

    /// The language with this code.
    #[must_use]
    pub fn from_code(raw: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == raw)
    }
}

/// In which words to say it: the language, and the municipality's own names from `config/signals.yaml`, which are Dutch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// The language of the sentences around the names.
    pub language: Language,
    /// Dutch names of kinds, e.g. *huurachterstand*.
    pub kinds: BTreeMap<KindId, String>,
    /// Dutch names of fields, e.g. *kale huur per maand*.
    pub fields: BTreeMap<FieldName, String>,
    /// Dutch names of the codes a field can hold.
    pub codes: BTreeMap<(FieldName, Box<str>), String>,
}

impl Words {
    /// The same names in sentences of another language.
    #[must_use]
    pub fn in_language(mut self, language: Language) -> Self {
        self.language = language;
        self
    }

    /// What a kind is called.
    #[must_use]
    pub fn kind(&self, kind: &KindId) -> String {
        self.kinds
            .get(kind)
            .cloned()
            .unwrap_or_else(|| spoken(kind.as_str()))
    }

    fn field(&self, field: &FieldName) -> String {
        self.fields
            .get(field)
            .cloned()
            .unwrap_or_else(|| spoken(field.as_str()))
    }

    fn code(&self, field: &FieldName, code: &str) -> String {
        self.codes
            .get(&(field.clone(), code.into()))
            .cloned()
            .unwrap_or_else(|| spoken(code))
    }
}

fn spoken(identifier: &str) -> String {
    identifier.replace('_', " ")
}

/// What a rule asks: a sentence, and where it asks several things, each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The sentence; before parts it ends in a colon.
    pub text: String,
    /// What it is made of; empty for most rules.
    pub parts: Vec<Asked>,
}

impl Asked {
    fn plain(text: String) -> Self {
        Self {
            text,
            parts: Vec::new(),
        }
    }
}

/// One rule's judgement: `Meervoudig: ja. Twee verschillende soorten partners …`
#[must_use]
pub fn verdict(rule: &Rule, verdict: &Verdict, words: &Words) -> String {
    let answer = answer(verdict.fired, words.language).to_lowercase();
    format!(
        "{}: {answer}. {}",
        rule.title,
        all_evidence(&verdict.why, words)
    )
}

/// Several measures, one sentence each, in one line.
#[must_use]
pub fn all_evidence(evidence: &[Evidence], words: &Words) -> String {
    let sentences: Vec<String> = evidence.iter().map(|e| sentence(e, words)).collect();
    sentences.join(" ")
}

/// One measure as a sentence: what there was against what the rule wants.
#[must_use]
pub fn sentence(evidence: &Evidence, words: &Words) -> String {
    match words.language {
        Language::Dutch => dutch::evidence::sentence(evidence, words),
        Language::English => english::evidence::sentence(evidence, words),
    }
}

/// What a rule asks before it is true of a household.
#[must_use]
pub fn asks(rule: &Rule, words: &Words) -> Asked {
    match words.language {
        Language::Dutch => dutch::asks::condition(&rule.condition, words),
        Language::English => english::asks::condition(&rule.condition, words),
    }
}

/// Which signals a rule looks at.
#[must_use]
pub fn looks_at(sources: &Sources, words: &Words) -> String {
    match words.language {
        Language::Dutch => dutch::asks::sources(sources, words),
        Language::English => english::asks::sources(sources, words),
    }
}

/// What follows when a rule is true, and what may keep it from following: a sentence each.
#[must_use]
pub fn follows(rule: &Rule, settings: &RuleSettings, words: &Words) -> Vec<String> {
    match words.language {
        Language::Dutch => dutch::asks::follows(rule, settings),
        Language::English => english::asks::follows(rule, settings),
    }
}

/// Why a match raised nothing.
#[must_use]
pub fn suppression(by: &SuppressedBy, words: &Words) -> String {
    match words.language {
        Language::Dutch => dutch::suppression(by),
        Language::English => english::suppression(by),
    }
}

/// What became of a match.
#[must_use]
pub fn fate(fate: &Fate, words: &Words) -> String {
    match words.language {
        Language::Dutch => dutch::fate(fate),
        Language::English => english::fate(fate),
    }
}

/// By when a rule wants its task looked at.
#[must_use]
pub fn deadline(deadline: &Deadline, words: &Words) -> String {
    match words.language {
        Language::Dutch => dutch::deadline(*deadline),
        Language::English => english::deadline(*deadline),
    }
}

/// How much of a term is left: `nog 3 werkdagen, tot en met donderdag 24 april 2025`.
#[must_use]
pub fn time_left(due_on: Date, today: Date, calendar: &Calendar, words: &Words) -> String {
    match words.language {
        Language::Dutch => dutch::time_left(due_on, today, calendar),
        Language::English => english::time_left(due_on, today, calendar),
    }
}

/// A step on the ladder of channels.
#[must_use]
pub const fn ladder_step(step: u8, language: Language) -> &'static str {
    match language {
        Language::Dutch => dutch::ladder_step(step),
        Language::English => english::ladder_step(step),
    }
}

/// `3 januari 2025`
#[must_use]
pub fn date_in_words(day: Date, language: Language) -> String {
    match language {
        Language::Dutch => dutch::time::date_in_words(day),
        Language::English => english::time::date_in_words(day),
    }
}

/// `juli tot en met december 2024` for whole months, else `2 maart 2025 tot en met 31 maart 2025`.
#[must_use]
pub fn period_in_words(period: Period, language: Language) -> String {
    match language {
        Language::Dutch => dutch::time::period_in_words(period),
        Language::English => english::time::period_in_words(period),
    }
}

/// An amount of cents as people write it: `€ 1.234,50`, `€1,234.50`.
#[must_use]
pub fn euros(cents: i64, language: Language) -> String {
    match language {
        Language::Dutch => dutch::euros(cents),
        Language::English => english::euros(cents),
    }
}

/// What sort of organisation a partner is.
#[must_use]
pub const fn partner_type(partner_type: PartnerType, language: Language) -> &'static str {
    match language {
        Language::Dutch => partner_type.label(),
        Language::English => english::partner_type(partner_type),
    }
}

/// What a task is for.
#[must_use]
pub const fn purpose(purpose: Purpose, language: Language) -> &'static str {
    match language {
        Language::Dutch => purpose.label(),
        Language::English => english::purpose(purpose),
    }
}

/// How soon a task wants attention.
#[must_use]
pub const fn urgency(urgency: Urgency, language: Language) -> &'static str {
    match language {
        Language::Dutch => urgency.label(),
        Language::English => english::urgency(urgency),
    }
}

/// Yes or no.
#[must_use]
pub const fn answer(yes: bool, language: Language) -> &'static str {
    match (language, yes) {
        (Language::Dutch, true) => "Ja",
        (Language::Dutch, false) => "Nee",
        (Language::English, true) => "Yes",
        (Language::English, false) => "No",
    }
}

/// When a judgement may come out differently without anything new: what is told below all rules.
#[must_use]
pub fn may_change(what: &MayChange, language: Language) -> String {
    match language {
        Language::Dutch => dutch::may_change(*what),
        Language::English => english::may_change(*what),
    }
}

/// Something that can make rules say something else later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayChange {
    /// A term ends: an absence may be concluded, a cooldown is over.
    On(Date),
    /// Partners have not yet said that everything is delivered.
    Feeds,
    /// A signal that counts now is kept and counted no longer from this day on.
    Expires(Date),
    /// A signal that comes, changes or is taken back; always so.
    Signals,
}

/// What a household does with the fields of life a kind can be about; an unknown one is read out.
fn domain_name(domain: &SignalDomain, known: &[(&str, &str)]) -> String {
    known
        .iter()
        .find_map(|(id, name)| (*id == domain.as_str()).then(|| (*name).to_owned()))
        .unwrap_or_else(|| spoken(domain.as_str()))
}

/// Whole months a period covers, when it covers whole months and nothing else.
fn whole_months(period: Period) -> Option<(YearMonth, YearMonth)> {
    let last = plus_days(period.to(), -1);
    (period.from().day() == 1 && period.to().day() == 1)
        .then(|| (YearMonth::of(period.from()), YearMonth::of(last)))
}

/// How many whole months.
fn month_count((first, last): (YearMonth, YearMonth)) -> u32 {
    let months = (i32::from(last.year()) - i32::from(first.year())) * 12 + i32::from(last.month())
        - i32::from(first.month())
        + 1;
    u32::try_from(months).unwrap_or(1)
}

/// Digits in groups of three, and two decimals.
fn grouped(cents: i64, group: char, point: char) -> String {
    let sign = if cents.is_negative() { "-" } else { "" };
    let euros = (cents.unsigned_abs() / 100).to_string();
    let mut text = String::with_capacity(euros.len() + 6);
    for (index, digit) in euros.chars().enumerate() {
        if index > 0 && (euros.len() - index).is_multiple_of(3) {
            text.push(group);
        }
        text.push(digit);
    }
    format!("{sign}{text}{point}{:02}", cents.unsigned_abs() % 100)
}

/// `huur, energie en water`
fn enumerated<T: AsRef<str>>(names: &[T], and: &str) -> String {
    match names {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [most @ .., last] => {
            let most: Vec<&str> = most.iter().map(AsRef::as_ref).collect();
            format!("{} {and} {}", most.join(", "), last.as_ref())
        }
    }
}

fn capitalised(text: &str) -> String {
    if let Some(rest) = text.strip_prefix("één") {
        // A Dutch capital takes one accent here, not two.
        return format!("Eén{rest}");
    }
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

fn uncapitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(chars).collect()
    })
}

/// A number in words as far as the list goes; beyond it, figures.
fn numeral(number: u32, list: &[&str]) -> String {
    usize::try_from(number)
        .ok()
        .and_then(|index| list.get(index))
        .map_or_else(|| number.to_string(), |word| (*word).to_owned())
}
