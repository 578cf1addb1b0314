//! A household explained as text for people.

use std::fmt::{Error, Write};

use voorveld_detect::explain::{self, Asked, Language};
use voorveld_detect::trail::{Measured, RuleTrail};
use voorveld_domain::{Presence, Standing};
use voorveld_store::timelines::TimelineRow;

use super::Explained;
use crate::ops::office::table;

/// The words around what is told.
struct Around {
    household: &'static str,
    judged_on: &'static str,
    only: &'static str,
    without_safety: &'static str,
    no_contact: &'static str,
    signals: &'static str,
    columns: [&'static str; 6],
    rules: &'static str,
    looks_at: &'static str,
    asks: &'static str,
    then: &'static str,
    found: &'static str,
    nearest: &'static str,
    version: &'static str,
    former: &'static str,
    may_change: &'static str,
}

const DUTCH: Around = Around {
    household: "Huishouden",
    judged_on: "beoordeeld op",
    only: "Alleen wat bij deze taak hoort",
    without_safety: "Zonder wat alleen de veiligheidsdesk mag weten",
    no_contact: "Nu geen contact met dit huishouden",
    signals: "Signalen",
    columns: ["DATUM", "PARTNER", "SOORT", "BEDRAG", "TELT MEE", "SIGNAAL"],
    rules: "Regels (verzameling",
    looks_at: "Kijkt naar",
    asks: "Vraagt",
    then: "Dan",
    found: "Gevonden",
    nearest: "Kwam het dichtst in de buurt",
    version: "De taak staat op versie",
    former: "Regels die niet meer gelden, maar waarop de taak staat",
    may_change: "Wat kan nog veranderen",
};

const ENGLISH: Around = Around {
    household: "Household",
    judged_on: "judged on",
    only: "Only what belongs to this task",
    without_safety: "Without what only the safety desk may know",
    no_contact: "No contact with this household for now",
    signals: "Signals",
    columns: ["DATE", "PARTNER", "KIND", "AMOUNT", "COUNTS", "SIGNAL"],
    rules: "Rules (set",
    looks_at: "Looks at",
    asks: "Asks",
    then: "Then",
    found: "Found",
    nearest: "Came nearest",
    version: "The task stands on version",
    former: "Rules that are in force no more, on which the task stands",
    may_change: "What may still change",
};

/// Everything, line by line.
pub(super) fn of(told: &Explained) -> Result<String, Error> {
    let language = told.words.language;
    let around = match language {
        Language::Dutch => &DUTCH,
        Language::English => &ENGLISH,
    };
    let mut text = String::new();
    writeln!(
        text,
        "{} {}, {} {}",
        around.household,
        told.household,
        around.judged_on,
        explain::date_in_words(told.as_of, language)
    )?;
    if let Some(purpose) = told.purpose {
        writeln!(
            text,
            "{}: {}",
            around.only,
            explain::purpose(purpose, language)
        )?;
    }
    if !told.with_safety {
        writeln!(text, "{}", around.without_safety)?;
    }
    if let Some(reason) = told.held {
        write!(text, "{}", around.no_contact)?;
        if told.with_safety {
            write!(text, ": {}", reason.label())?;
        }
        writeln!(text)?;
    }
    writeln!(text, "\n{}", around.signals)?;
    let lines: Vec<Vec<String>> = told
        .rows
        .iter()
        .map(|row| {
            vec![
                row.event_date.to_string(),
                row.partner.to_string(),
                told.words.kind(&row.kind),
                row.amount
                    .map(|amount| explain::euros(i64::from(amount.get()), language))
                    .unwrap_or_default(),
                counted(row, language).to_owned(),
                row.signal.to_string(),
            ]
        })
        .collect();
    text.push_str(&table(&around.columns, &lines));

    writeln!(text, "\n{} {})", around.rules, told.trail.rule_set)?;
    for rule in &told.trail.rules {
        tell_rule(rule, around, &mut text)?;
    }
    if !told.trail.former.is_empty() {
        writeln!(text, "\n{}", around.former)?;
        for former in &told.trail.former {
            let said = &former.said;
            writeln!(text, "- {} v{}: {}", former.rule, said.version, said.words)?;
        }
    }
    writeln!(text, "\n{}", around.may_change)?;
    for line in &told.trail.may_change {
        writeln!(text, "- {line}")?;
    }
    Ok(text)
}

fn tell_rule(rule: &RuleTrail, around: &Around, text: &mut String) -> Result<(), Error> {
    writeln!(
        text,
        "\n- {} v{}, {}: {}",
        rule.rule,
        rule.version,
        rule.title,
        rule.answer.to_lowercase()
    )?;
    writeln!(text, "  {}: {}", around.looks_at, rule.looks_at)?;
    tell_asked(&rule.asks, &format!("  {}: ", around.asks), 2, text)?;
    writeln!(text, "  {}: {}", around.then, rule.follows.join(" "))?;
    if !rule.fired {
        writeln!(text, "  {}: {}", around.nearest, joined(&rule.nearest))?;
    }
    for found in &rule.matches {
        writeln!(
            text,
            "  {} ({}): {}",
            found.period, found.anchor, found.outcome
        )?;
        writeln!(text, "    {}: {}", around.found, joined(&found.measured))?;
        for signal in &found.signals {
            let sum = signal.sum.as_ref().map(|sum| format!(", {sum}"));
            writeln!(
                text,
                "    * {}, {}{} {}",
                signal.what,
                signal.date,
                sum.unwrap_or_default(),
                signal.id
            )?;
        }
    }
    for earlier in &rule.earlier {
        writeln!(
            text,
            "  {} {}: {}",
            around.version, earlier.version, earlier.words
        )?;
    }
    Ok(())
}

fn tell_asked(asked: &Asked, before: &str, depth: usize, text: &mut String) -> Result<(), Error> {
    writeln!(text, "{before}{}", asked.text)?;
    for part in &asked.parts {
        let before = format!("{}* ", "  ".repeat(depth));
        tell_asked(part, &before, depth + 1, text)?;
    }
    Ok(())
}

fn joined(measured: &[Measured]) -> String {
    let sentences: Vec<&str> = measured.iter().map(|one| one.words.as_str()).collect();
    sentences.join(" ")
}

fn counted(row: &TimelineRow, language: Language) -> &'static str {
    match (row.presence, language) {
        (Presence::LivesHere, Language::Dutch) => row.standing.label(),
        (Presence::LivesHere, Language::English) => match row.standing {
            Standing::Counted => "counts",
            Standing::Withdrawn => "taken back",
            Standing::Objected => "objection",
            Standing::Expired => "retention is over",
        },
        (Presence::MovedAway, Language::Dutch) => "verhuisd naar een ander huishouden",
        (Presence::MovedAway, Language::English) => "moved to another household",
    }
}
