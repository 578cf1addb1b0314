//! One JSON object a line, each a signal in the form of the API.

use std::fs::File;

use voorveld_wire::intake_v1::{FlawCode, claim_in_json};

use super::columns::flawed;
use super::lines::{Letters, Line, open};
use super::{FileFault, Names, Reading, Row, Sink, Survey};
use crate::config::MAX_DELIVERY_ROWS;

/// Reads a file from its beginning.
pub fn read(file: &mut File, reading: &Reading, sink: &mut Sink<'_>) -> Result<Survey, FileFault> {
    let mut lines = open(file)?;
    if lines.letters() != Letters::Utf8 {
        return Err(FileFault::refused(
            "not_text",
            "Dit bestand is geen UTF-8. Sla het op als UTF-8.",
        ));
    }
    let mut rows = 0;
    while let Some((number, line)) = lines.next_line()? {
        let row = match line {
            Line::TooLong => flawed(number, FlawCode::RowTooLong),
            Line::NotText => flawed(number, FlawCode::RowNotText),
            Line::Text(text) if text.trim().is_empty() => continue,
            Line::Text(text) => match serde_json::from_str(&text) {
                Err(_) => flawed(number, FlawCode::NotAnObject),
                Ok(value) => {
                    let (mut claim, flaws) = claim_in_json(&value, "");
                    let told = |place| flaws.iter().any(|flaw| flaw.place == place);
                    if claim.kind.is_none() && !told("/kind") {
                        claim.kind.clone_from(&reading.defaults.kind);
                    }
                    if claim.municipality.is_none() && !told("/municipality") {
                        claim
                            .municipality
                            .clone_from(&reading.defaults.municipality);
                    }
                    Row {
                        number,
                        claim,
                        flaws,
                    }
                }
            },
        };
        rows += 1;
        if rows > MAX_DELIVERY_ROWS {
            return Err(FileFault::too_large(format!(
                "Een bestand heeft hoogstens {MAX_DELIVERY_ROWS} regels. Knip het in delen."
            )));
        }
        if sink(row).is_break() {
            break;
        }
    }
    Ok(Survey::of("ndjson", Names::default()))
}
