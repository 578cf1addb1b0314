//! The part of the page that is about people: which households come and go, what came of the tasks, and for whom.

use std::fmt::Write as _;

use voorveld_detect::explain::{Language, date_in_words};

use super::number;
use crate::ops::backtest::plots::{self, Pair, escaped, percent, share};
use crate::ops::backtest::report::{
    Difference, HouseholdReport, OutcomeReport, Report, SliceReport,
};

/// Most households that are told on the page, on either side; the others are in the JSON.
const HOUSEHOLDS_SHOWN: usize = 20;

pub(super) fn households(html: &mut String, report: &Report, difference: &Difference) {
    let _ = write!(
        html,
        "<h2>Welke huishoudens erbij komen en welke eraf gaan</h2>\n<p>{} huishoudens krijgen bij beide een taak, {} alleen door het concept en {} alleen door \
         de gepubliceerde regels. Een huishouden heeft hier alleen een willekeurig nummer. Wie er woont, staat niet in dit verslag.</p>\n",
        number(difference.kept),
        number(difference.gained),
        number(difference.lost)
    );
    for (title, count, list) in [
        ("Erbij", difference.gained, &difference.gained_households),
        ("Eraf", difference.lost, &difference.lost_households),
    ] {
        if count == 0 {
            continue;
        }
        let shown = list.len().min(HOUSEHOLDS_SHOWN);
        let rest = count - shown as u64;
        let caption = if rest == 0 {
            format!("{title}: {}", number(count))
        } else {
            format!(
                "{title}: {} van de {}. Met --json komen er hoogstens {} in een bestand.",
                shown,
                number(count),
                number(difference.evidence_limit as u64)
            )
        };
        let _ = writeln!(
            html,
            "<table><caption>{caption}</caption><thead><tr><th scope=\"col\">Huishouden</th><th scope=\"col\" style=\"text-align:left\">Waarom</th></tr></thead><tbody>"
        );
        for household in list.iter().take(HOUSEHOLDS_SHOWN) {
            household_row(html, household);
        }
        html.push_str("</tbody></table>\n");
    }
    if report.clock == "event" && difference.gained + difference.lost > 0 {
        html.push_str(
            "<p>Waarom een huishouden erbij komt of eraf gaat, is na te gaan met <span class=\"id\">voorveld explain --household</span> en het nummer.</p>\n",
        );
    }
}

fn household_row(html: &mut String, household: &HouseholdReport) {
    let words: Vec<String> = household
        .evidence
        .iter()
        .map(|words| escaped(words))
        .collect();
    let _ = writeln!(
        html,
        "<tr><td><span class=\"id\">{}</span><small>taak op {}</small></td><td class=\"words\">{}</td></tr>",
        escaped(&household.household),
        date_in_words(household.raised_on, Language::Dutch),
        words.join("<br>")
    );
}

pub(super) fn results(html: &mut String, difference: &Difference) {
    html.push_str("<h2>Wat er van de taken kwam</h2>\n");
    if difference.shared_tasks + difference.lost_tasks == 0 {
        html.push_str("<p>De gepubliceerde regels gaven in deze periode geen taken.</p>\n");
        return;
    }
    let _ = writeln!(
        html,
        "<p>Van de taken van de gepubliceerde regels geeft het concept er {} ook, en {} niet. De resultaten zijn die van de officiële lijst. Van taken die \
         alleen het concept geeft, weet niemand wat ervan gekomen was.</p>",
        number(difference.shared_tasks),
        number(difference.lost_tasks)
    );
    let mut rows: Vec<(&OutcomeReport, u64, u64)> = Vec::new();
    for (list, is_shared) in [
        (&difference.shared_outcomes, true),
        (&difference.lost_outcomes, false),
    ] {
        for one in list {
            let index = rows
                .iter()
                .position(|(known, ..)| known.outcome == one.outcome)
                .unwrap_or_else(|| {
                    rows.push((one, 0, 0));
                    rows.len() - 1
                });
            if is_shared {
                rows[index].1 += one.tasks;
            } else {
                rows[index].2 += one.tasks;
            }
        }
    }
    rows.sort_by_key(|(one, shared, lost)| (std::cmp::Reverse(shared + lost), one.outcome));
    let pairs: Vec<Pair> = rows
        .iter()
        .map(|(one, shared, lost)| Pair {
            name: short(one.label),
            draft: share(*shared, difference.shared_tasks),
            published: (0 < difference.lost_tasks).then(|| share(*lost, difference.lost_tasks)),
        })
        .collect();
    html.push_str("<ul class=\"key\"><li class=\"draft\">taken die blijven</li>");
    if 0 < difference.lost_tasks {
        html.push_str("<li class=\"bar\">taken die vervallen</li>");
    }
    let _ = write!(
        html,
        "</ul>\n<figure>{}</figure>\n<table><thead><tr><th scope=\"col\">Resultaat</th><th scope=\"col\">Taken die blijven</th><th scope=\"col\">Taken die \
         vervallen</th></tr></thead><tbody>\n",
        plots::shares(&pairs, "results", "Resultaat van taken")
    );
    for (one, shared, lost) in &rows {
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>",
            escaped(one.label),
            number(*shared),
            number(*lost)
        );
    }
    html.push_str("</tbody></table>\n");
}

/// The words of the official list are long for a picture; the table beside it has them whole.
fn short(label: &str) -> String {
    const MOST: usize = 26;
    if label.chars().count() <= MOST {
        return label.to_owned();
    }
    let cut: String = label.chars().take(MOST - 1).collect();
    format!("{}…", cut.trim_end())
}

pub(super) fn slices(html: &mut String, report: &Report) {
    let _ = write!(
        html,
        "<h2>Voor wie</h2>\n<p>Van de huishoudens met een signaal: welk deel krijgt een taak? Een verschil hoeft geen fout te zijn, maar vraagt om een \
         verklaring. Aantallen onder de {} staan er niet, en ook niet wat ze zou verraden.</p>\n",
        report.smallest_shown
    );
    for (index, slice) in report.slices.iter().enumerate() {
        let _ = writeln!(html, "<h3>{}</h3>", escaped(slice.title));
        if !slice.known {
            html.push_str(
                "<p>Niet bekend. Voorveld bewaart dit niet, en opent er geen persoonsgegevens voor.</p>\n",
            );
            continue;
        }
        sliced(html, slice, index, report.published.is_some());
    }
}

fn sliced(html: &mut String, slice: &SliceReport, index: usize, has_published: bool) {
    let pairs: Vec<Pair> = slice
        .rows
        .iter()
        .filter_map(|row| {
            let of = row.counts?;
            Some(Pair {
                name: short(&row.name),
                draft: share(of.draft, of.with_signals),
                published: has_published.then(|| share(of.published, of.with_signals)),
            })
        })
        .collect();
    if !pairs.is_empty() {
        html.push_str("<ul class=\"key\"><li class=\"draft\">concept</li>");
        if has_published {
            html.push_str("<li class=\"bar\">gepubliceerd</li>");
        }
        let title = format!(
            "Deel van de huishoudens dat een taak krijgt, {}",
            slice.title
        );
        let _ = write!(
            html,
            "</ul>\n<figure>{}</figure>\n",
            plots::shares(&pairs, &format!("slice{index}"), &title)
        );
    }
    html.push_str("<div class=\"scroll\"><table><thead><tr><th scope=\"col\">Huishoudens</th><th scope=\"col\">Met signaal</th><th scope=\"col\">Taak door concept</th>");
    if has_published {
        html.push_str("<th scope=\"col\">Taak, gepubliceerd</th><th scope=\"col\">Erbij</th><th scope=\"col\">Eraf</th>");
    }
    html.push_str("</tr></thead><tbody>\n");
    for row in &slice.rows {
        let _ = write!(html, "<tr><th scope=\"row\">{}</th>", escaped(&row.name));
        match row.counts {
            None => {
                let cells = if has_published { 5 } else { 2 };
                for _ in 0..cells {
                    html.push_str("<td><abbr title=\"te klein om te laten zien\">×</abbr></td>");
                }
            }
            Some(of) => {
                let with = |count: u64| {
                    format!(
                        "<td>{}<small>{}</small></td>",
                        number(count),
                        percent(share(count, of.with_signals))
                    )
                };
                let _ = write!(
                    html,
                    "<td>{}</td>{}",
                    number(of.with_signals),
                    with(of.draft)
                );
                if has_published {
                    let _ = write!(
                        html,
                        "{}<td>{}</td><td>{}</td>",
                        with(of.published),
                        number(of.gained),
                        number(of.lost)
                    );
                }
            }
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
}
