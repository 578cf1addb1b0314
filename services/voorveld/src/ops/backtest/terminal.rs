//! The report on a terminal: the main things, in plain Dutch.

use std::fmt::Write as _;

use super::report::{Difference, HouseholdReport, OutcomeReport, Report, SliceReport, TeamReport};
use crate::ops::office::table;

/// Most households that are told on the screen; the others are in the files.
const HOUSEHOLDS_SHOWN: usize = 5;

/// All of it.
pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    let clock = match report.clock {
        "knowledge" => "naar de dag waarop signalen binnenkwamen",
        _ => "naar de datum van de signalen",
    };
    let _ = writeln!(
        text,
        "Terugblik van {} tot en met {}, {clock}\n{} signalen bij {} huishoudens\n",
        report.from, report.to, report.signals, report.households
    );
    text.push_str(&rules(report));
    text.push_str(&teams(report));
    if let Some(difference) = &report.difference {
        text.push_str(&differences(difference));
    }
    for slice in &report.slices {
        text.push_str(&sliced(slice, report.smallest_shown));
    }
    text.push_str(
        "Zonder wat alleen de veiligheidsdesk mag weten. Regels vinden huishoudens; mensen beslissen.\n",
    );
    text
}

fn rules(report: &Report) -> String {
    let published = |rule: &str| {
        report
            .published
            .as_ref()
            .and_then(|side| side.rules.iter().find(|known| known.rule == rule))
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    for rule in &report.draft.rules {
        let before = published(&rule.rule);
        let told = |now: u64, before: Option<u64>| match before {
            Some(before) if before != now => format!("{now} ({before})"),
            _ => now.to_string(),
        };
        rows.push(vec![
            format!("{} v{}", rule.rule, rule.version),
            told(rule.matches, before.map(|before| before.matches)),
            told(rule.households, before.map(|before| before.households)),
            told(rule.tasks, before.map(|before| before.tasks)),
        ]);
    }
    let gone = report
        .published
        .iter()
        .flat_map(|side| &side.rules)
        .filter(|rule| {
            report
                .draft
                .rules
                .iter()
                .all(|known| known.rule != rule.rule)
        });
    for rule in gone {
        rows.push(vec![
            format!("{} v{}, vervalt", rule.rule, rule.version),
            format!("0 ({})", rule.matches),
            format!("0 ({})", rule.households),
            format!("0 ({})", rule.tasks),
        ]);
    }
    rows.push(vec![
        "Samen".to_owned(),
        String::new(),
        match &report.published {
            Some(side) => format!("{} ({})", report.draft.households, side.households),
            None => report.draft.households.to_string(),
        },
        match &report.published {
            Some(side) => format!("{} ({})", report.draft.tasks, side.tasks),
            None => report.draft.tasks.to_string(),
        },
    ]);
    let headings = ["REGEL", "MATCHES", "HUISHOUDENS", "TAKEN"];
    format!(
        "Wat de regels vinden (tussen haakjes: gepubliceerd, waar dat anders is)\n{}\n",
        table(&headings, &rows)
    )
}

fn teams(report: &Report) -> String {
    let rows: Vec<Vec<String>> = report
        .teams
        .iter()
        .map(|team| {
            let of = |published: bool| {
                let work = Work::of(team, published);
                format!("{} / {}", work.mean, work.peak)
            };
            let waits = |published: bool| {
                team.weeks
                    .last()
                    .and_then(|week| {
                        if published {
                            week.published_waiting
                        } else {
                            week.draft_waiting
                        }
                    })
                    .map_or_else(|| "–".to_owned(), |waiting| waiting.sum().to_string())
            };
            let mut row = vec![
                team.name.clone(),
                team.capacity_per_week
                    .map_or_else(|| "–".to_owned(), |tasks| tasks.to_string()),
                of(false),
                Work::of(team, false).over.to_string(),
                waits(false),
            ];
            if report.published.is_some() {
                row.extend([of(true), waits(true)]);
            }
            row
        })
        .collect();
    let mut headings = vec![
        "TEAM",
        "KAN PER WEEK",
        "GEMIDDELD / PIEK",
        "WEKEN TE VEEL",
        "WACHT AAN HET EIND",
    ];
    if report.published.is_some() {
        headings.extend(["GEPUBLICEERD: GEMIDDELD / PIEK", "WACHT AAN HET EIND"]);
    }
    format!("Taken per team per week\n{}\n", table(&headings, &rows))
}

/// A team's work in short.
pub(super) struct Work {
    /// Per week, with one decimal.
    pub mean: String,
    /// The most in a week.
    pub peak: u64,
    /// Weeks with more than the team can do.
    pub over: usize,
}

impl Work {
    pub(super) fn of(team: &TeamReport, published: bool) -> Self {
        let work = team.work(published);
        let weeks = u64::try_from(work.len().max(1)).unwrap_or(u64::MAX);
        // Tenths, rounded.
        let tenths = (work.iter().sum::<u64>() * 10 + weeks / 2) / weeks;
        let capacity = team.capacity_per_week.map_or(u64::MAX, u64::from);
        Self {
            mean: format!("{},{}", tenths / 10, tenths % 10),
            peak: work.iter().copied().max().unwrap_or(0),
            over: work.iter().filter(|tasks| capacity < **tasks).count(),
        }
    }
}

fn differences(difference: &Difference) -> String {
    let mut text = format!(
        "Huishoudens: {} bij beide, {} erbij, {} eraf\n",
        difference.kept, difference.gained, difference.lost
    );
    for (what, count, households) in [
        ("erbij", difference.gained, &difference.gained_households),
        ("eraf", difference.lost, &difference.lost_households),
    ] {
        for household in households.iter().take(HOUSEHOLDS_SHOWN) {
            text.push_str(&told(what, household));
        }
        let shown = u64::try_from(households.len().min(HOUSEHOLDS_SHOWN)).unwrap_or(0);
        if shown < count {
            let _ = writeln!(text, "  … en {} andere {what}", count - shown);
        }
    }
    let _ = writeln!(
        text,
        "\nResultaat van de {} taken die blijven\n{}",
        difference.shared_tasks,
        outcomes(&difference.shared_outcomes)
    );
    if 0 < difference.lost_tasks {
        let _ = writeln!(
            text,
            "Resultaat van de {} taken die vervallen\n{}",
            difference.lost_tasks,
            outcomes(&difference.lost_outcomes)
        );
    }
    text
}

fn told(what: &str, household: &HouseholdReport) -> String {
    let mut text = format!(
        "  {what} {} op {}\n",
        household.household, household.raised_on
    );
    for words in &household.evidence {
        let _ = writeln!(text, "     {words}");
    }
    text
}

fn outcomes(outcomes: &[OutcomeReport]) -> String {
    let rows: Vec<Vec<String>> = outcomes
        .iter()
        .map(|one| vec![one.label.to_owned(), one.tasks.to_string()])
        .collect();
    table(&["RESULTAAT", "TAKEN"], &rows)
}

fn sliced(slice: &SliceReport, smallest: u64) -> String {
    if !slice.known {
        return format!("{}: niet bekend\n\n", slice.title);
    }
    let mut hidden = false;
    let rows: Vec<Vec<String>> = slice
        .rows
        .iter()
        .map(|row| {
            let mut cells = vec![row.name.clone()];
            match &row.counts {
                None => {
                    hidden = true;
                    cells.extend(vec!["*".to_owned(); 5]);
                }
                Some(of) => cells.extend(
                    [of.with_signals, of.draft, of.published, of.gained, of.lost]
                        .map(|count| count.to_string()),
                ),
            }
            cells
        })
        .collect();
    let headings = [
        "",
        "MET SIGNAAL",
        "TAAK",
        "TAAK GEPUBLICEERD",
        "ERBIJ",
        "ERAF",
    ];
    let note = if hidden {
        format!("* minder dan {smallest}, of anders zou dat te berekenen zijn\n")
    } else {
        String::new()
    };
    format!(
        "{} (huishoudens)\n{}{note}\n",
        slice.title,
        table(&headings, &rows)
    )
}
