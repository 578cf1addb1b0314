//! A household explained for programs. Stable: `docs/explain.md` lists every field; fields may be added, none changes its meaning.

use serde_json::{Value, json};
use voorveld_calendar::plus_days;
use voorveld_detect::explain::Asked;
use voorveld_detect::trail::{Earlier, Fate, MatchTrail, Measured, RuleTrail};
use voorveld_domain::{Cents, Presence, Purpose, Standing};
use voorveld_store::timelines::TimelineRow;

use super::Explained;

/// The document.
pub(super) fn of(told: &Explained) -> Value {
    let trail = &told.trail;
    json!({
        "household": told.household.uuid(),
        "asOf": told.as_of,
        "purpose": told.purpose.map(Purpose::code),
        "withSafety": told.with_safety,
        "held": told.held.is_some(),
        "language": trail.language.code(),
        "ruleSet": trail.rule_set.to_string(),
        "signals": told.rows.iter().map(|row| signal(row, told)).collect::<Vec<_>>(),
        "rules": trail.rules.iter().map(rule).collect::<Vec<_>>(),
        "former": trail.former.iter().map(|former| {
            let mut one = earlier(&former.said);
            one["rule"] = json!(former.rule.as_str());
            one
        }).collect::<Vec<_>>(),
        "mayChange": trail.may_change,
        "nextLook": trail.next_look,
        "awaitsFeeds": trail.awaits_feeds,
    })
}

fn signal(row: &TimelineRow, told: &Explained) -> Value {
    let here = row.presence == Presence::LivesHere;
    json!({
        "id": row.signal.uuid(),
        "on": row.event_date,
        "partner": row.partner.as_str(),
        "partnerType": row.partner_type.code(),
        "kind": row.kind.as_str(),
        "kindName": told.words.kind(&row.kind),
        "amountCents": row.amount.map(Cents::get),
        "livesHere": here,
        "standing": row.standing.code(),
        "counts": here && row.standing == Standing::Counted,
        "receivedAt": row.received_at,
    })
}

fn rule(rule: &RuleTrail) -> Value {
    json!({
        "id": rule.rule.as_str(),
        "version": rule.version,
        "title": rule.title,
        "explanation": rule.explanation,
        "purpose": rule.purpose.code(),
        "looksAt": rule.looks_at,
        "asks": asked(&rule.asks),
        "follows": rule.follows,
        "fired": rule.fired,
        "nearest": measured(&rule.nearest),
        "matches": rule.matches.iter().map(found).collect::<Vec<_>>(),
        "earlier": rule.earlier.iter().map(earlier).collect::<Vec<_>>(),
    })
}

fn asked(one: &Asked) -> Value {
    json!({
        "text": one.text,
        "parts": one.parts.iter().map(asked).collect::<Vec<_>>(),
    })
}

fn found(found: &MatchTrail) -> Value {
    let suppressed_by = match &found.fate {
        Fate::Suppressed(by) => Some(by.code()),
        _ => None,
    };
    json!({
        "anchor": found.anchor.to_string(),
        "from": found.window.from(),
        "through": plus_days(found.window.to(), -1),
        "period": found.period,
        "signals": found.signals.iter().map(|signal| signal.id.uuid()).collect::<Vec<_>>(),
        "measured": measured(&found.measured),
        "fate": found.fate.code(),
        "suppressedBy": suppressed_by,
        "outcome": found.outcome,
    })
}

fn measured(all: &[Measured]) -> Value {
    all.iter()
        .map(|one| json!({ "evidence": one.evidence.to_string(), "words": one.words }))
        .collect()
}

fn earlier(said: &Earlier) -> Value {
    json!({ "version": said.version, "since": said.since, "words": said.words })
}
