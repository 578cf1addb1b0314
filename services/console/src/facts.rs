//! What the page says, gathered: the database for what is there, the log for where it ends.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::Date;
use jiff::{Span, Timestamp};
use voorveld_bus::{Log, PartitionRange};
use voorveld_domain::{MunicipalityCode, Purpose, RuleId, TeamId};
use voorveld_policy::{Bundle, Policy};
use voorveld_store::StoreError;
use voorveld_store::console::{
    IntakePeriods, PartnerIntake, PendingReceipts, StagePosition, Waiting,
};
use voorveld_store::feeds::{FeedFacts, PartnerSilence};
use voorveld_store::judgements::RuleComparison;

use crate::{Parts, Stage};

/// How long the page waits for the log before it says that it does not know.
const LOG_WITHIN: Duration = Duration::from_secs(5);

/// Over which days intake is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Period {
    Day,
    Week,
    #[default]
    Month,
}

impl Period {
    fn of(self, row: &PartnerIntake) -> i64 {
        match self {
            Self::Day => row.day,
            Self::Week => row.week,
            Self::Month => row.month,
        }
    }
}

/// What a partner sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PartnerFacts {
    pub name: String,
    pub accepted: i64,
    pub corrected: i64,
    pub unchanged: i64,
    pub withdrawn: i64,
    pub refused: i64,
    /// Refusals by code, most first.
    pub codes: Vec<(String, i64)>,
    /// Receipts that still wait for the log.
    pub pending: i64,
    /// Since when the oldest of them waits.
    pub pending_since: Option<Timestamp>,
    pub last_day: Option<Date>,
}

/// How a stage is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StageFacts {
    pub name: &'static str,
    pub topic: &'static str,
    /// Records not yet taken; none when the log does not answer.
    pub backlog: Option<u64>,
    /// When the log took the oldest of them.
    pub oldest: Option<Timestamp>,
    pub dead_letters: i64,
    pub oldest_dead: Option<Timestamp>,
    /// Partitions whose position is outside what the log has: stopped until a person decides.
    pub outside: usize,
    pub owners: Vec<String>,
    pub moved_at: Option<Timestamp>,
}

/// A team's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TeamFacts {
    pub name: String,
    pub open: i64,
    pub claimed: i64,
    pub overdue: i64,
    pub flagged: i64,
    pub earliest_due: Option<Date>,
}

/// What the shadow finds of a rule beside what is live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShadowFacts {
    /// What the rule is called.
    pub title: String,
    pub counts: RuleComparison,
}

/// Everything on the page.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub partners: Vec<PartnerFacts>,
    /// Receipts of all partners that still wait for the log.
    pub pending: i64,
    /// Since when the oldest of them waits.
    pub pending_since: Option<Timestamp>,
    pub stages: Vec<StageFacts>,
    pub unplaced: Vec<Waiting>,
    pub unproduced: Option<Waiting>,
    pub teams: Vec<TeamFacts>,
    pub holds: i64,
    /// None when no shadow runs.
    pub shadow: Option<Vec<ShadowFacts>>,
    pub feeds: Vec<FeedFacts>,
    pub silences: Vec<PartnerSilence>,
}

/// Gathers it for one municipality.
pub(crate) async fn gather(
    parts: &Parts,
    municipality: MunicipalityCode,
    period: Period,
) -> Result<Facts, StoreError> {
    let store = &parts.store;
    let today = parts.clock.today();
    let back = |days: i64| today.saturating_sub(Span::new().days(days));
    let periods = IntakePeriods {
        day: today,
        week_from: back(6),
        month_from: back(29),
    };
    let intake = store.partner_intake(municipality, periods).await?;
    let pending: BTreeMap<String, PendingReceipts> = store
        .pending_receipts(municipality)
        .await?
        .into_iter()
        .map(|row| (row.partner.clone(), row))
        .collect();
    let positions = store.all_positions().await?;
    let dead = store.waiting_dead_letters().await?;
    let mut stages = Vec::with_capacity(parts.stages.len());
    for stage in &parts.stages {
        stages.push(stage_facts(&parts.log, *stage, &positions, &dead).await);
    }
    let policy = parts.policy.now();
    let teams = store
        .team_loads(municipality, today)
        .await?
        .into_iter()
        .map(|load| TeamFacts {
            name: team_name(&policy, &load.team),
            open: load.open,
            claimed: load.claimed,
            overdue: load.overdue,
            flagged: load.flagged,
            earliest_due: load.earliest_due,
        })
        .collect();
    Ok(Facts {
        partners: partner_facts(intake, &pending, period),
        pending: pending.values().map(|row| row.signals).sum(),
        pending_since: pending.values().map(|row| row.oldest).min(),
        stages,
        unplaced: store.waiting_unplaced(municipality).await?,
        unproduced: store.waiting_unproduced().await?,
        teams,
        holds: store.active_holds(municipality).await?,
        shadow: shadow(parts, municipality).await?,
        feeds: store.feed_facts(municipality.as_str()).await?,
        silences: store.partner_silences(today).await?,
    })
}

/// The shadow beside what is live, without what the safety desk alone may know (I10); a rule that nobody can read the files of counts as that.
async fn shadow(
    parts: &Parts,
    municipality: MunicipalityCode,
) -> Result<Option<Vec<ShadowFacts>>, StoreError> {
    let Some(standing) = parts.store.in_force().await?.shadow else {
        return Ok(None);
    };
    let compared = parts
        .store
        .compare_shadow(standing.publication, Some(municipality))
        .await?;
    let files = parts.store.bundle(&standing.bundle).await?;
    // Without its files only what our own rules know of is shown.
    let own = files
        .and_then(|files| Bundle::of_files(files).ok())
        .and_then(|bundle| Policy::of_bundle(&bundle).ok());
    let ours = parts.policy.now();
    let rule_of = |id: &RuleId| {
        let own = own.as_ref().and_then(|policy| policy.rules().get(id));
        own.or_else(|| ours.rules().get(id))
    };
    let shown = compared.into_iter().filter_map(|counts| {
        let rule = rule_of(&counts.rule).filter(|rule| rule.purpose != Purpose::Safety)?;
        Some(ShadowFacts {
            title: rule.title.clone(),
            counts,
        })
    });
    Ok(Some(shown.collect()))
}

fn partner_facts(
    rows: Vec<PartnerIntake>,
    pending: &BTreeMap<String, PendingReceipts>,
    period: Period,
) -> Vec<PartnerFacts> {
    let mut partners: Vec<(String, PartnerFacts)> = Vec::new();
    for row in rows {
        if partners.last().is_none_or(|(id, _)| *id != row.partner) {
            let waiting = pending.get(&row.partner);
            let facts = PartnerFacts {
                name: row.partner_name.clone(),
                pending: waiting.map_or(0, |waiting| waiting.signals),
                pending_since: waiting.map(|waiting| waiting.oldest),
                ..PartnerFacts::default()
            };
            partners.push((row.partner.clone(), facts));
        }
        let (_, facts) = partners.last_mut().expect("one was just pushed");
        facts.last_day = facts.last_day.max(row.last_day);
        let count = period.of(&row);
        match row.outcome.as_deref() {
            Some("accepted") => facts.accepted += count,
            Some("corrected") => facts.corrected += count,
            Some("unchanged") => facts.unchanged += count,
            Some("withdrawn") => facts.withdrawn += count,
            Some("refused") => {
                facts.refused += count;
                if count > 0 {
                    facts.codes.push((row.code, count));
                }
            }
            _ => {}
        }
    }
    for (_, facts) in &mut partners {
        facts
            .codes
            .sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    }
    partners.into_iter().map(|(_, facts)| facts).collect()
}

async fn stage_facts(
    log: &Log,
    stage: Stage,
    positions: &[StagePosition],
    dead: &[Waiting],
) -> StageFacts {
    let own: Vec<&StagePosition> = positions
        .iter()
        .filter(|position| position.stage == stage.name && position.topic == stage.topic)
        .collect();
    let mut owners: Vec<String> = own.iter().map(|position| position.owner.clone()).collect();
    owners.sort_unstable();
    owners.dedup();
    let dead = dead.iter().find(|waiting| waiting.what == stage.name);
    let mut facts = StageFacts {
        name: stage.name,
        topic: stage.topic,
        dead_letters: dead.map_or(0, |waiting| waiting.count),
        oldest_dead: dead.map(|waiting| waiting.oldest),
        owners,
        moved_at: own.iter().map(|position| position.updated_at).max(),
        ..StageFacts::default()
    };
    let ranges = match tokio::time::timeout(LOG_WITHIN, log.topic(stage.topic)).await {
        Ok(Ok(topic)) => topic.partitions,
        Ok(Err(error)) => {
            tracing::warn!(%error, topic = stage.topic, "the log does not say where it ends");
            return facts;
        }
        Err(_) => {
            tracing::warn!(
                topic = stage.topic,
                "the log does not say in time where it ends"
            );
            return facts;
        }
    };
    let (backlog, waiting, outside) = backlog(&ranges, &own);
    facts.backlog = Some(backlog);
    facts.outside = outside;
    if !waiting.is_empty() {
        let oldest = tokio::time::timeout(LOG_WITHIN, log.appended_at(stage.topic, &waiting)).await;
        facts.oldest = oldest
            .ok()
            .and_then(Result::ok)
            .and_then(|taken| taken.into_iter().map(|(_, millis)| millis).min())
            .and_then(|millis| Timestamp::from_millisecond(millis).ok());
    }
    facts
}

/// How many records wait, from where in each partition, and how many positions are outside the log.
fn backlog(
    ranges: &[PartitionRange],
    positions: &[&StagePosition],
) -> (u64, Vec<(i32, i64)>, usize) {
    let mut backlog = 0;
    let mut waiting = Vec::new();
    let mut outside = 0;
    for range in ranges {
        let next = positions
            .iter()
            .find(|position| position.partition == range.partition)
            .map_or(range.first, |position| position.next_offset);
        if !range.admits(next) {
            outside += 1;
        }
        let from = next.max(range.first);
        if from < range.next {
            backlog += (range.next - from).unsigned_abs();
            waiting.push((range.partition, from));
        }
    }
    (backlog, waiting, outside)
}

fn team_name(policy: &Policy, id: &str) -> String {
    id.parse::<TeamId>()
        .ok()
        .and_then(|team| {
            policy
                .routing()
                .find_team(&team)
                .map(|team| team.name.clone())
        })
        .unwrap_or_else(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(partition: i32, first: i64, next: i64) -> PartitionRange {
        PartitionRange {
            partition,
            first,
            next,
        }
    }

    fn position(partition: i32, next_offset: i64) -> StagePosition {
        StagePosition {
            stage: "resolver".to_owned(),
            topic: "t".to_owned(),
            partition,
            next_offset,
            owner: "a".to_owned(),
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn the_backlog_is_what_the_log_has_and_the_stage_has_not() {
        let ranges = [
            range(0, 0, 10),
            range(1, 5, 5),
            range(2, 20, 30),
            range(3, 0, 7),
        ];
        // Up to date; never read and empty; left behind by retention; never read.
        let positions = [position(0, 10), position(2, 4)];
        let positions: Vec<&StagePosition> = positions.iter().collect();
        assert_eq!(backlog(&ranges, &positions), (17, vec![(2, 20), (3, 0)], 1));
    }
}
