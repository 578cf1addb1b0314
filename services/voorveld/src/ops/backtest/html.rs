//! The report as one page: everything is in the file, it works without a script, and it prints.

mod people;

use std::fmt::Write as _;

use jiff::civil::Date;
use voorveld_detect::explain::{Language, date_in_words};
use voorveld_domain::Outcome;

use super::plots::{self, escaped};
use super::report::{Report, RuleReport, TeamReport, Waiting};
use super::terminal::Work;

/// Results of the official list in which a resident got advice or help.
const HELPED: [&str; 3] = [
    Outcome::QuickFix.code(),
    Outcome::FinancialHelp.code(),
    Outcome::OtherHelp.code(),
];
const STYLE: &str = include_str!("page.css");

/// The page.
#[must_use]
pub fn page(report: &Report) -> String {
    let mut html = String::with_capacity(64 * 1024);
    let title = format!(
        "Terugblik {} tot en met {}",
        date_in_words(report.from, Language::Dutch),
        date_in_words(report.to, Language::Dutch)
    );
    let _ = write!(
        html,
        "<!DOCTYPE html>\n<html lang=\"nl\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<title>{0}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{0}</h1>\n",
        escaped(&title)
    );
    head(&mut html, report);
    work(&mut html, report);
    rules(&mut html, report);
    if let Some(difference) = &report.difference {
        people::households(&mut html, report, difference);
        people::results(&mut html, difference);
    }
    people::slices(&mut html, report);
    method(&mut html, report);
    all_weeks(&mut html, report);
    let _ = write!(
        html,
        "<footer><p>Gemaakt met Voorveld {}. Regels van het concept: {}{}</p></footer>\n</main>\n</body>\n</html>\n",
        escaped(report.voorveld),
        escaped(&report.draft.rule_set),
        report
            .published
            .as_ref()
            .map(|side| format!("; gepubliceerde regels: {}", escaped(&side.rule_set)))
            .unwrap_or_default()
    );
    html
}

/// A number as people write it: `1.234.567`.
fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if 0 < index && (digits.len() - index).is_multiple_of(3) {
            text.push('.');
        }
        text.push(digit);
    }
    text
}

/// The one against the other: `+12`, `−3`, `gelijk`.
fn change(now: u64, before: u64) -> String {
    match now.cmp(&before) {
        std::cmp::Ordering::Equal => "gelijk".to_owned(),
        std::cmp::Ordering::Greater => format!("+{}", number(now - before)),
        std::cmp::Ordering::Less => format!("−{}", number(before - now)),
    }
}

fn head(html: &mut String, report: &Report) {
    let clock = if report.clock == "knowledge" {
        "Elk signaal telt vanaf de dag waarop het binnenkwam, in de vorm die het toen had. Wat collega’s deden, gebeurt op zijn eigen moment."
    } else {
        "Elk signaal telt op zijn eigen datum, in de vorm die het nu heeft."
    };
    let _ = write!(
        html,
        "<p class=\"lead\">Wat vinden de regels van het concept in {} signalen bij {} huishoudens, en hoeveel werk is dat? {clock}</p>\n<dl class=\"figures\">\n",
        number(report.signals),
        number(report.households)
    );
    let mut figure = |name: &str, value: String, small: String| {
        let _ = writeln!(
            html,
            "<div><dt>{name}</dt><dd>{value}<small>{small}</small></dd></div>"
        );
    };
    let published = report.published.as_ref();
    let beside = |now: u64, before: Option<u64>| {
        before.map_or_else(String::new, |before| {
            format!("gepubliceerd: {} ({})", number(before), change(now, before))
        })
    };
    figure(
        "Taken van het concept",
        number(report.draft.tasks),
        beside(report.draft.tasks, published.map(|side| side.tasks)),
    );
    figure(
        "Huishoudens met een taak",
        number(report.draft.households),
        beside(
            report.draft.households,
            published.map(|side| side.households),
        ),
    );
    if let Some(difference) = &report.difference {
        figure(
            "Huishoudens erbij",
            number(difference.gained),
            "alleen door het concept gevonden".to_owned(),
        );
        figure(
            "Huishoudens eraf",
            number(difference.lost),
            "alleen door de gepubliceerde regels gevonden".to_owned(),
        );
    }
    html.push_str("</dl>\n<ul class=\"plain\">\n");
    for sentence in sentences(report) {
        let _ = writeln!(html, "<li>{}</li>", escaped(&sentence));
    }
    html.push_str("</ul>\n");
    if let Some(side) = published.filter(|side| !side.rule_sets_unknown.is_empty()) {
        let _ = writeln!(
            html,
            "<p class=\"warning\">Van {} eerdere verzameling(en) regels zijn de regels zelf niet meer bekend. Voor die tijd is gerekend met de regels van nu.</p>",
            side.rule_sets_unknown.len()
        );
    }
}

/// What a reader would say of it.
fn sentences(report: &Report) -> Vec<String> {
    let mut said = Vec::new();
    let busiest = report
        .teams
        .iter()
        .filter_map(|team| {
            let over = Work::of(team, false).over;
            (0 < over).then_some((over, team))
        })
        .max_by_key(|(over, _)| *over);
    let with_capacity = report
        .teams
        .iter()
        .filter(|team| team.capacity_per_week.is_some())
        .count();
    match busiest {
        Some((over, team)) => said.push(format!(
            "{} krijgt in {over} van de {} weken meer taken dan het team per week kan doen ({}).",
            team.name,
            team.weeks.len(),
            team.capacity_per_week.unwrap_or_default()
        )),
        None if 0 < with_capacity => said.push(
            "Geen enkel team krijgt in een week meer taken dan het per week kan doen.".to_owned(),
        ),
        None => said.push(
            "Voor geen enkel team staat in routing.yaml hoeveel taken het per week kan doen. Daarom is niet te zeggen of het past."
                .to_owned(),
        ),
    }
    let waits: u64 = report
        .teams
        .iter()
        .filter_map(|team| team.weeks.last()?.draft_waiting)
        .map(|waiting| waiting.sum())
        .sum();
    if 0 < waits {
        said.push(format!(
            "Aan het eind wachten er {} taken. Ze vervallen niet: spoed gaat voor, dan meervoudig, dan opeenvolgend, dan het hoogste bedrag.",
            number(waits)
        ));
    }
    if let Some(difference) = &report.difference {
        if difference.gained == 0 && difference.lost == 0 {
            said.push("Beide verzamelingen regels vinden dezelfde huishoudens.".to_owned());
        } else {
            said.push(format!(
                "{} huishoudens krijgen bij beide een taak.",
                number(difference.kept)
            ));
        }
        if 0 < difference.lost_tasks {
            let helped: u64 = difference
                .lost_outcomes
                .iter()
                .filter(|one| HELPED.contains(&one.outcome))
                .map(|one| one.tasks)
                .sum();
            said.push(format!(
                "Van de {} taken die het concept niet geeft, leidden er {} tot advies of hulp.",
                number(difference.lost_tasks),
                number(helped)
            ));
        }
    }
    said
}

fn work(html: &mut String, report: &Report) {
    let has_published = report.published.is_some();
    html.push_str(
        "<h2>Werk per team per week</h2>\n<p>Een kolom is wat het concept in een week aan nieuwe taken geeft. De streepjeslijn is wat het team per week kan \
         doen. Alle teams staan op dezelfde schaal. De getallen per week staan achteraan.</p>\n<ul class=\"key\"><li class=\"draft\">concept</li>",
    );
    if has_published {
        html.push_str("<li class=\"before\">gepubliceerd</li>");
    }
    html.push_str("<li class=\"capacity\">wat het team kan</li></ul>\n");
    let scale = report
        .teams
        .iter()
        .flat_map(|team| {
            team.weeks
                .iter()
                .flat_map(|week| [week.draft, week.published.unwrap_or(0)])
        })
        .max()
        .unwrap_or(0);
    for (index, team) in report.teams.iter().enumerate() {
        if team
            .weeks
            .iter()
            .all(|week| week.draft == 0 && week.published.unwrap_or(0) == 0)
        {
            continue;
        }
        let _ = writeln!(
            html,
            "<figure><h3>{}</h3>{}</figure>",
            escaped(&team.name),
            plots::weeks(team, index, scale, has_published)
        );
    }
    html.push_str(
        "<div class=\"scroll\"><table><caption>Per team: hoeveel, en of het past</caption><thead><tr><th scope=\"col\">Team</th>\
         <th scope=\"col\">Kan per week</th><th scope=\"col\">Gemiddeld per week</th><th scope=\"col\">Drukste week</th>\
         <th scope=\"col\">Weken te veel</th><th scope=\"col\">Wacht aan het eind</th></tr></thead><tbody>\n",
    );
    for team in &report.teams {
        team_row(html, team, has_published);
    }
    html.push_str("</tbody></table></div>\n");
    if has_published {
        html.push_str("<p>Klein gedrukt: de gepubliceerde regels.</p>\n");
    }
}

fn team_row(html: &mut String, team: &TeamReport, has_published: bool) {
    let (now, before) = (Work::of(team, false), Work::of(team, true));
    let waits = |waiting: Option<Waiting>| {
        waiting.map_or_else(|| "–".to_owned(), |waiting| number(waiting.sum()))
    };
    let last = team.weeks.last();
    let cells = [
        (now.mean, before.mean),
        (number(now.peak), number(before.peak)),
        match team.capacity_per_week {
            Some(_) => (now.over.to_string(), before.over.to_string()),
            None => ("–".to_owned(), "–".to_owned()),
        },
        (
            waits(last.and_then(|week| week.draft_waiting)),
            waits(last.and_then(|week| week.published_waiting)),
        ),
    ];
    let _ = write!(
        html,
        "<tr><th scope=\"row\">{}</th><td>{}</td>",
        escaped(&team.name),
        team.capacity_per_week
            .map_or_else(|| "niet bekend".to_owned(), |tasks| tasks.to_string())
    );
    for (now, before) in cells {
        let small = if has_published {
            format!("<small>{before}</small>")
        } else {
            String::new()
        };
        let _ = write!(html, "<td>{now}{small}</td>");
    }
    html.push_str("</tr>\n");
}

fn rules(html: &mut String, report: &Report) {
    html.push_str(
        "<h2>Wat elke regel vindt</h2>\n<p>Een match is een regel die waar is voor een huishouden. Niet elke match geeft een taak: er kan al een taak open \
         staan, of het bedrag is te klein. Een taak kan meer dan één reden hebben en staat dan bij elke regel.</p>\n<div class=\"scroll\"><table><thead><tr>\
         <th scope=\"col\">Regel</th><th scope=\"col\">Matches</th><th scope=\"col\">Huishoudens</th><th scope=\"col\">Taken</th></tr></thead><tbody>\n",
    );
    let before = |rule: &str| {
        report
            .published
            .as_ref()
            .and_then(|side| side.rules.iter().find(|known| known.rule == rule))
    };
    for rule in &report.draft.rules {
        rule_row(
            html,
            rule,
            Some(rule),
            before(&rule.rule),
            report.published.is_some(),
        );
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
        rule_row(html, rule, None, Some(rule), true);
    }
    html.push_str("</tbody></table></div>\n");
}

fn rule_row(
    html: &mut String,
    named: &RuleReport,
    now: Option<&RuleReport>,
    before: Option<&RuleReport>,
    has_published: bool,
) {
    let versions = match (now, before) {
        (Some(now), Some(before)) if now.version != before.version => format!(
            "versie {}, gepubliceerd is versie {}",
            now.version, before.version
        ),
        (Some(now), None) if has_published => format!("versie {}, nieuw", now.version),
        (None, _) => "zit niet in het concept".to_owned(),
        (Some(now), _) => format!("versie {}", now.version),
    };
    let _ = write!(
        html,
        "<tr><th scope=\"row\">{}<small>{}, {versions}</small></th>",
        escaped(&named.title),
        escaped(&named.rule)
    );
    let of = |pick: fn(&RuleReport) -> u64| (now.map_or(0, pick), before.map_or(0, pick));
    for (now, before) in [
        of(|rule| rule.matches),
        of(|rule| rule.households),
        of(|rule| rule.tasks),
    ] {
        let small = if has_published && now != before {
            format!("<small>was {}</small>", number(before))
        } else {
            String::new()
        };
        let _ = write!(html, "<td>{}{small}</td>", number(now));
    }
    html.push_str("</tr>\n");
}

fn method(html: &mut String, report: &Report) {
    html.push_str("<h2>Hoe is dit geteld?</h2>\n<ul class=\"plain\">\n");
    let clock = if report.clock == "knowledge" {
        "Elk signaal, elke correctie en elke intrekking komt op de dag van binnenkomst. Wat collega’s deden (oppakken, afronden, teruggeven) gebeurt op zijn eigen moment. \
         Het concept rekent alsof het altijd al gold. De gepubliceerde regels gelden vanaf de dag waarop ze in werking gingen."
    } else {
        "Elk signaal komt op zijn eigen datum, zoals het nu bekend is. Ingetrokken signalen tellen niet mee. Rondden collega’s een taak af, dan geldt dat op die dag ook voor \
         de taak die de regels hier geven."
    };
    for item in [
        clock,
        "Een match telt mee als het nieuwste signaal ervan in de periode valt. Een taak telt mee in de week waarin zij ontstaat. Weken lopen van maandag tot en met zondag.",
        "Een taak is dezelfde als het huishouden en het doel dezelfde zijn, in deze periode. De eerste hoort dan bij de eerste, de tweede bij de tweede.",
        "Een team begint met spoed, dan meervoudig, dan opeenvolgend, dan de rest. Wat niet past, wacht tot de week erna en vervalt niet.",
        "Wat alleen de veiligheidsdesk mag weten, staat niet in dit verslag.",
        "De regels rekenen met dezelfde functies als elke dag. Er is geen score en geen voorspelling: alleen wat er was en wat de regels ervan maken. Mensen beslissen.",
    ] {
        let _ = writeln!(html, "<li>{item}</li>");
    }
    html.push_str("</ul>\n");
}

fn all_weeks(html: &mut String, report: &Report) {
    let has_published = report.published.is_some();
    let teams: Vec<&TeamReport> = report
        .teams
        .iter()
        .filter(|team| {
            team.weeks
                .iter()
                .any(|week| 0 < week.draft || 0 < week.published.unwrap_or(0))
        })
        .collect();
    if teams.is_empty() {
        return;
    }
    html.push_str(
        "<h2>Alle weken</h2>\n<div class=\"scroll\"><table><caption>Nieuwe taken door het concept",
    );
    if has_published {
        html.push_str("; klein gedrukt: door de gepubliceerde regels");
    }
    html.push_str("</caption><thead><tr><th scope=\"col\">Week</th>");
    for team in &teams {
        let _ = write!(html, "<th scope=\"col\">{}</th>", escaped(&team.name));
    }
    html.push_str("<th scope=\"col\">Samen</th></tr></thead><tbody>\n");
    let count = |now: u64, before: Option<u64>| {
        let small = before.map_or_else(String::new, |before| format!(" <small>{before}</small>"));
        format!("<td>{now}{small}</td>")
    };
    let weeks = teams[0].weeks.len();
    for index in 0..weeks {
        let week = &teams[0].weeks[index];
        let _ = write!(
            html,
            "<tr><th scope=\"row\">{} <small>vanaf {}</small></th>",
            week.week,
            short_date(week.monday)
        );
        let (mut now, mut before) = (0, 0);
        for team in &teams {
            let week = &team.weeks[index];
            now += week.draft;
            before += week.published.unwrap_or(0);
            html.push_str(&count(week.draft, week.published));
        }
        html.push_str(&count(now, has_published.then_some(before)));
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n");
}

fn short_date(day: Date) -> String {
    let words = date_in_words(day, Language::Dutch);
    words
        .rsplit_once(' ')
        .map_or(words.clone(), |(day_and_month, _)| day_and_month.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::backtest::plots::{percent, share};

    #[test]
    fn numbers_are_written_as_people_write_them() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1.000"),
            (1_234_567, "1.234.567"),
        ] {
            assert_eq!(number(count), text);
        }
        assert_eq!(change(3, 5), "−2");
        assert_eq!(percent(share(1, 3)), "33,3%");
        assert_eq!(share(1, 0), 0);
    }
}
