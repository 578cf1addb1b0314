//! What a publication would do, as text.

use std::fmt::Write as _;

use voorveld_correlator::preview::{Fate, Preview, QUARTER_DAYS};
use voorveld_domain::TaskId;

use crate::ops::office::table;

const fn words(fate: Fate) -> &'static str {
    match fate {
        Fate::Kept => "stay as they are",
        Fate::Gains => "get a ground more",
        Fate::Loses => "lose some of their grounds",
        Fate::Withdrawn => "lose all grounds and are withdrawn",
        Fate::Flagged => "lose all grounds while somebody has them: a person decides",
    }
}

/// The preview of a publication.
pub(super) fn told(preview: &Preview) -> String {
    let mut text = String::new();
    let wrote = write_told(&mut text, preview);
    wrote.expect("a text takes what is written to it");
    text
}

fn write_told(text: &mut String, preview: &Preview) -> std::fmt::Result {
    let open: u64 = preview.tasks.values().sum();
    writeln!(text, "Open tasks today: {open}")?;
    for fate in Fate::ALL {
        let Some(count) = preview.tasks.get(&fate) else {
            continue;
        };
        writeln!(text, "  {count} {}", words(fate))?;
        let examples = preview.examples.get(&fate).map_or(&[][..], Vec::as_slice);
        if fate != Fate::Kept && !examples.is_empty() {
            let ids: Vec<String> = examples.iter().map(TaskId::to_string).collect();
            writeln!(text, "    such as {}", ids.join(", "))?;
        }
    }
    if 0 < preview.raised {
        writeln!(
            text,
            "  {} new tasks beside them at the same households",
            preview.raised
        )?;
    }
    writeln!(
        text,
        "\nThe last {QUARTER_DAYS} days: {} households with a signal",
        preview.households
    )?;
    let rows: Vec<Vec<String>> = preview
        .quarter
        .iter()
        .map(|(rule, quarter)| {
            vec![
                rule.to_string(),
                quarter.live.to_string(),
                quarter.draft.to_string(),
                format!("+{}", quarter.gained),
                format!("-{}", quarter.lost),
            ]
        })
        .collect();
    text.push_str(&table(
        &[
            "RULE",
            "MATCHES NOW",
            "MATCHES THEN",
            "HOUSEHOLDS GAINED",
            "LOST",
        ],
        &rows,
    ));
    writeln!(
        text,
        "\nA new version is true of all history but raises only with a signal that comes after it; `voorveld rules backlog` works off what came \
         before."
    )
}
