//! A load and what the engine says of it, as two CSV files: for whoever wants to compute the matches another way.

use std::io::{self, Write};

use voorveld_calendar::Calendar;
use voorveld_detect::{FieldValue, Match, RuleSet};
use voorveld_domain::{Presence, Standing};

use super::{Load, feed_engine};

/// How many lines were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Copies of signals.
    pub records: u32,
    /// Matches.
    pub matches: u64,
}

/// Writes every record of a load, and every match of these rules at its end: household, rule, anchor, sorted witnesses.
pub fn write(
    load: &Load,
    rules: &RuleSet,
    calendar: &Calendar,
    records: impl Write,
    matches: impl Write,
) -> io::Result<Written> {
    let mut sheet = csv::Writer::from_writer(records);
    sheet.write_record([
        "household",
        "signal",
        "revision",
        "filing",
        "counts",
        "partner_type",
        "kind",
        "event_date",
        "amount_cents",
        "crisis",
        "supply_ends_on",
        "monthly_rent_thousandths",
    ])?;
    for record in load.records() {
        let signal = &record.signal;
        let counts = signal.presence == Presence::LivesHere && signal.standing == Standing::Counted;
        let rent = signal.fields.values().find_map(|value| match value {
            FieldValue::Number(number) => Some(number.thousandths()),
            _ => None,
        });
        let or_empty = |text: Option<String>| text.unwrap_or_default();
        sheet.write_record([
            record.household.to_string(),
            signal.id.to_string(),
            signal.revision.get().to_string(),
            signal.filing.get().to_string(),
            counts.to_string(),
            signal.partner_type.code().to_owned(),
            signal.kind.to_string(),
            signal.event_date.to_string(),
            or_empty(signal.amount.map(|cents| cents.get().to_string())),
            signal.crisis.to_string(),
            or_empty(signal.supply_ends_on.map(|day| day.to_string())),
            or_empty(rent.map(|rent| rent.to_string())),
        ])?;
    }
    sheet.flush()?;
    let mut sheet = csv::Writer::from_writer(matches);
    sheet.write_record(["household", "rule", "anchor", "witnesses"])?;
    let mut written = Written {
        records: load.signals,
        matches: 0,
    };
    let found = feed_engine(load, rules, calendar, &mut |work: &mut dyn FnMut()| work());
    for (household, matches) in found.iter().enumerate() {
        for found in matches {
            sheet.write_record([
                household.to_string(),
                found.rule.to_string(),
                found.anchor.to_string(),
                witnesses(found),
            ])?;
            written.matches += 1;
        }
    }
    sheet.flush()?;
    Ok(written)
}

fn witnesses(found: &Match) -> String {
    let ids: Vec<String> = found.witnesses.iter().map(ToString::to_string).collect();
    ids.join(" ")
}
