//! The page: the same facts in words.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use voorveld_accounts::{Accounts, Frame, Notice, PageUser, page};
use voorveld_store::console::Waiting;

use crate::Parts;
use crate::facts::{Facts, PartnerFacts, Period, ShadowFacts, StageFacts, TeamFacts, gather};
use crate::feeds::{self, FeedRow};

/// A backlog older than this is an alarm on the page.
const LATE_SECONDS: i64 = 300;
/// A receipt that waits longer than this for the log is an alarm on the page: the door tries again within seconds, so the log is away or
/// the door stands still, and the partner has no receipt (I1).
const PENDING_LATE_SECONDS: i64 = 300;

#[derive(Deserialize)]
pub(crate) struct ConsoleQuery {
    #[serde(default)]
    periode: String,
}

struct Tile {
    label: String,
    value: String,
    alarm: bool,
}

struct Tab {
    href: &'static str,
    label: &'static str,
    current: bool,
}

struct StageRow {
    stage: StageFacts,
    title: &'static str,
    backlog: String,
    oldest: String,
    is_late: bool,
    oldest_dead: String,
    moved: String,
}

struct WaitingRow {
    what: String,
    count: i64,
    oldest: String,
}

#[derive(Template)]
#[template(path = "console.html")]
struct ConsolePage {
    frame: Frame,
    time: String,
    tiles: Vec<Tile>,
    tabs: [Tab; 3],
    partners: Vec<PartnerRow>,
    stages: Vec<StageRow>,
    waiting: Vec<WaitingRow>,
    teams: Vec<TeamRow>,
    shadow: Option<Vec<ShadowFacts>>,
    feeds: Vec<FeedRow>,
}

struct PartnerRow {
    partner: PartnerFacts,
    codes: String,
    last: String,
    oldest_pending: String,
    pending_is_late: bool,
}

struct TeamRow {
    team: TeamFacts,
    earliest: String,
    is_late: bool,
}

pub(crate) async fn show(
    State(parts): State<Arc<Parts>>,
    State(accounts): State<Accounts>,
    PageUser(who): PageUser,
    Query(query): Query<ConsoleQuery>,
) -> Response {
    let period = match query.periode.as_str() {
        "vandaag" => Period::Day,
        "week" => Period::Week,
        _ => Period::Month,
    };
    let facts = match gather(&parts, who.user.municipality, period).await {
        Ok(facts) => facts,
        Err(error) if error.is_transient() => {
            tracing::warn!(%error, "the database does not answer");
            return Notice::unavailable().into_response();
        }
        Err(error) => return Notice::internal(anyhow::Error::from(error)).into_response(),
    };
    let now = parts.clock.now();
    let today = parts.clock.today();
    let local = now.to_zoned(
        jiff::tz::TimeZone::get(voorveld_chassis::clock::CIVIL_ZONE)
            .unwrap_or(jiff::tz::TimeZone::UTC),
    );
    let html = ConsolePage {
        frame: Frame::new(&accounts, &who, "Overzicht", Vec::new()),
        time: format!("{:02}:{:02}", local.hour(), local.minute()),
        tiles: tiles(&facts, now),
        tabs: [
            ("/?periode=vandaag", "Vandaag", Period::Day),
            ("/?periode=week", "7 dagen", Period::Week),
            ("/", "30 dagen", Period::Month),
        ]
        .map(|(href, label, tab)| Tab {
            href,
            label,
            current: tab == period,
        }),
        partners: facts
            .partners
            .into_iter()
            .map(|partner| PartnerRow {
                codes: partner
                    .codes
                    .iter()
                    .map(|(code, count)| format!("{} {count}", refusal(code)))
                    .collect::<Vec<_>>()
                    .join(", "),
                last: partner
                    .last_day
                    .map_or_else(|| "nooit".to_owned(), |day| day_words(day, today)),
                oldest_pending: age(partner.pending_since, now),
                pending_is_late: is_pending_late(partner.pending_since, now),
                partner,
            })
            .collect(),
        stages: facts
            .stages
            .into_iter()
            .map(|stage| stage_row(stage, now))
            .collect(),
        waiting: waiting_rows(facts.unplaced, facts.unproduced, now),
        teams: facts
            .teams
            .into_iter()
            .map(|team| TeamRow {
                earliest: team
                    .earliest_due
                    .map_or_else(String::new, |day| day_words(day, today)),
                is_late: team.earliest_due.is_some_and(|due| due < today),
                team,
            })
            .collect(),
        shadow: facts.shadow,
        feeds: feeds::rows(facts.feeds, &facts.silences, &parts.policy.now(), today),
    };
    page(StatusCode::OK, &html)
}

fn tiles(facts: &Facts, now: Timestamp) -> Vec<Tile> {
    let tile = |label: &str, value: i64, alarm| Tile {
        label: label.to_owned(),
        value: value.to_string(),
        alarm,
    };
    let dead: i64 = facts.stages.iter().map(|stage| stage.dead_letters).sum();
    let unplaced: i64 = facts.unplaced.iter().map(|waiting| waiting.count).sum();
    let backlog: Option<u64> = facts.stages.iter().map(|stage| stage.backlog).sum();
    let late = facts.stages.iter().any(|stage| is_late(stage, now));
    let open: i64 = facts
        .teams
        .iter()
        .map(|team| team.open + team.claimed)
        .sum();
    let silent = feeds::silent(&facts.feeds, &facts.silences);
    let overdue: i64 = facts.teams.iter().map(|team| team.overdue).sum();
    vec![
        Tile {
            label: "achterstand in de log".to_owned(),
            value: backlog.map_or_else(|| "onbekend".to_owned(), |count| count.to_string()),
            alarm: late || backlog.is_none(),
        },
        Tile {
            label: match facts.pending_since {
                Some(_) => format!(
                    "wacht op bevestiging, oudste {}",
                    age(facts.pending_since, now)
                ),
                None => "wacht op bevestiging".to_owned(),
            },
            value: facts.pending.to_string(),
            alarm: is_pending_late(facts.pending_since, now),
        },
        tile("onleesbaar, wacht op besluit", dead, dead > 0),
        tile("zonder huishouden", unplaced, false),
        Tile {
            label: "partners te lang stil".to_owned(),
            value: silent.to_string(),
            alarm: silent > 0,
        },
        tile("open taken", open, false),
        tile("taken te laat", overdue, overdue > 0),
        tile("huishoudens: nu geen contact", facts.holds, false),
    ]
}

fn is_pending_late(since: Option<Timestamp>, now: Timestamp) -> bool {
    since.is_some_and(|oldest| PENDING_LATE_SECONDS < now.duration_since(oldest).as_secs())
}

fn is_late(stage: &StageFacts, now: Timestamp) -> bool {
    stage.outside > 0
        || stage
            .oldest
            .is_some_and(|oldest| LATE_SECONDS < now.duration_since(oldest).as_secs())
}

fn stage_row(stage: StageFacts, now: Timestamp) -> StageRow {
    StageRow {
        title: match stage.name {
            "resolver" => "Huishouden bepalen",
            "correlator" => "Regels toepassen",
            other => other,
        },
        backlog: stage
            .backlog
            .map_or_else(|| "onbekend".to_owned(), |count| count.to_string()),
        oldest: age(stage.oldest, now),
        is_late: is_late(&stage, now),
        oldest_dead: age(stage.oldest_dead, now),
        moved: age(stage.moved_at, now),
        stage,
    }
}

fn waiting_rows(
    unplaced: Vec<Waiting>,
    unproduced: Option<Waiting>,
    now: Timestamp,
) -> Vec<WaitingRow> {
    unplaced
        .into_iter()
        .map(|waiting| WaitingRow {
            what: format!("Zonder huishouden: {}", unplaced_reason(&waiting.what)),
            count: waiting.count,
            oldest: age(Some(waiting.oldest), now),
        })
        .chain(unproduced.map(|waiting| WaitingRow {
            what: "Besloten, nog niet doorgegeven".to_owned(),
            count: waiting.count,
            oldest: age(Some(waiting.oldest), now),
        }))
        .collect()
}

/// How long ago, in the unit one thinks in.
fn age(since: Option<Timestamp>, now: Timestamp) -> String {
    let Some(since) = since else {
        return String::new();
    };
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} uur", seconds / 3_600),
        _ => format!("{} dagen", seconds / 86_400),
    }
}

pub(crate) fn day_words(day: Date, today: Date) -> String {
    if day == today {
        "vandaag".to_owned()
    } else {
        format!("{:02}-{:02}-{}", day.day(), day.month(), day.year())
    }
}

fn unplaced_reason(code: &str) -> &str {
    match code {
        "no_address" => "geen adres",
        "bad_address" => "adres klopt niet",
        "excluded_address" => "adres waar niet wordt gekoppeld",
        "unreadable_envelope" => "gegevens niet te openen",
        "" => "reden onbekend",
        other => other,
    }
}

/// A refusal in words; a code this page does not know yet is shown as it is.
fn refusal(code: &str) -> &str {
    match code {
        "reference_missing" => "geen kenmerk",
        "reference_fixed" => "ander kenmerk bij correctie",
        "required" => "verplicht veld leeg",
        "wrong_type" => "verkeerd soort waarde",
        "field_unknown" => "onbekend veld",
        "too_long" => "tekst te lang",
        "text_not_allowed" => "vreemde tekens",
        "formula" => "formule in een cel",
        "date_format" => "datum niet te lezen",
        "amount_format" => "bedrag niet te lezen",
        "amount_range" => "bedrag kan niet",
        "amount_not_allowed" => "bedrag hoort er niet bij",
        "number_format" => "getal niet te lezen",
        "boolean_format" => "geen ja of nee",
        "code_unknown" => "code niet op de lijst",
        "bsn_format" => "geen BSN",
        "person_missing" => "geen persoon of adres",
        "kind_unknown" => "onbekende soort",
        "kind_not_allowed" => "soort niet afgesproken",
        "no_legal_ground" => "geen wettelijke grond",
        "partner_type_unknown" => "onbekende partnersoort",
        "partner_type_not_allowed" => "partnersoort niet afgesproken",
        "partner_type_needed" => "partnersoort ontbreekt",
        "municipality_format" => "geen gemeentecode",
        "municipality_not_served" => "andere gemeente",
        "arrears_too_young" => "achterstand te kort",
        "arrears_too_old" => "achterstand te oud",
        "older_than_retention" => "ouder dan de bewaartermijn",
        "in_future" => "in de toekomst",
        "withdrawn" => "al ingetrokken",
        "row_too_long" => "regel te lang",
        "cell_count" => "verkeerd aantal kolommen",
        "quote_unclosed" => "aanhalingsteken niet gesloten",
        "not_an_object" => "geen JSON-object",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_said_in_the_unit_one_thinks_in() {
        let now: Timestamp = "2025-11-24T09:00:00Z".parse().expect("an instant");
        for (since, words) in [
            ("2025-11-24T08:59:30Z", "30 s"),
            ("2025-11-24T08:30:00Z", "30 min"),
            ("2025-11-23T09:00:00Z", "24 uur"),
            ("2025-11-14T09:00:00Z", "10 dagen"),
            ("2025-11-24T09:00:05Z", "0 s"),
        ] {
            assert_eq!(age(since.parse().ok(), now), words, "{since}");
        }
        assert_eq!(age(None, now), "");
    }
}
