//! What is stored of a household, as `detect` judges it.
//!
//! Live work, `voorveld explain` and the task page read rows the same way, so that who looks is told what was decided on (I6). It judges
//! nothing itself, writes nothing, and never knows who lives somewhere.

mod convert;
mod feeds;
mod registered;
mod retention;
mod sight;

use std::collections::BTreeSet;

use jiff::civil::Date;
use voorveld_calendar::Calendar;
use voorveld_detect::explain::Words;
use voorveld_detect::trail::{Known, Trail, trail};
use voorveld_detect::{
    Feeds, FieldValue, GroundKey, Guards, KnownTask, RuleSet, Signal, SuppressedBy, Timeline,
};
use voorveld_domain::{FieldName, HouseholdId, Purpose, SignalId};
use voorveld_store::timelines::TimelineRow;
use voorveld_store::{Store, StoreError, Tx};

pub use convert::{known_task, signal};
pub use feeds::{feeds_told, named};
pub use registered::{Heeded, Recorded, Registered};
pub use retention::Retention;
pub use sight::Sight;

/// The kind that says that a resident is a client of debt help.
const KNOWN_CLIENT: &str = "known_debt_client";
/// Its field that says until when, that day included.
const KNOWN_UNTIL: &str = "known_until";

/// A household as it is stored when somebody looks.
#[derive(Debug, Clone)]
pub struct Recalled {
    /// Its signals, those that no longer count too.
    pub rows: Vec<TimelineRow>,
    /// The same as `detect` judges them.
    pub timeline: Timeline,
    /// Its tasks, open and closed.
    pub tasks: Vec<KnownTask>,
    /// What stands around them.
    pub guards: Guards,
    /// How far the feeds are complete.
    pub feeds: Feeds,
    before_activation: BTreeSet<GroundKey>,
}

/// Reads a household to look at it on a day; takes no lock on its tasks. `None` when nothing was ever filed there.
pub async fn recall(
    store: &Store,
    retention: &Retention,
    household: HouseholdId,
    as_of: Date,
) -> Result<Option<Recalled>, StoreError> {
    let mut tx = store.begin("recall").await?;
    let rows = tx.timelines(&[household]).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let timeline: Timeline = rows.iter().map(signal).collect::<Result<_, _>>()?;
    let debtors = rows.iter().filter_map(|row| row.debtor).collect();
    let registered: Registered = tx
        .standing_registrations(&[household], &debtors)
        .await?
        .into_iter()
        .collect();
    let heeded = registered.about(household, &timeline, as_of);
    // Under objection, or past its retention: it is there and does not count (S4).
    let timeline = heeded.judged(&timeline, retention, as_of).into_owned();
    let tasks = tx
        .tasks_of(&[household])
        .await?
        .remove(&household)
        .unwrap_or_default()
        .iter()
        .map(known_task)
        .collect::<Result<_, _>>()?;
    let guards = Guards {
        held: tx.active_holds(&[household]).await?.remove(&household),
        known_client: heeded.known_client
            || known_client_until(&timeline).is_some_and(|last| as_of <= last),
        excluded: heeded.excluded,
        answered_elsewhere: answered_elsewhere(&mut tx, household, &rows).await?,
        came_at: rows.iter().map(|row| (row.signal, row.came_at)).collect(),
    };
    let before_activation = tx
        .suppressed_for(household, SuppressedBy::BeforeActivation.code())
        .await?
        .into_iter()
        .map(|(rule, anchor)| {
            let anchor = anchor.parse().map_err(|_| StoreError::Corrupt {
                table: "suppressions",
                what: "anchor",
            })?;
            Ok(GroundKey { rule, anchor })
        })
        .collect::<Result<_, StoreError>>()?;
    drop(tx);
    let municipality = rows[0].municipality;
    let feeds = feeds_told(store.feeds(Some(municipality.as_str()), None).await?)?
        .remove(&municipality)
        .unwrap_or_default();
    Ok(Some(Recalled {
        rows,
        timeline,
        tasks,
        guards,
        feeds,
        before_activation,
    }))
}

/// Signals that moved here and were answered where they came from (K4).
async fn answered_elsewhere(
    tx: &mut Tx,
    household: HouseholdId,
    rows: &[TimelineRow],
) -> Result<BTreeSet<(Purpose, SignalId)>, StoreError> {
    let moved: Vec<SignalId> = rows
        .iter()
        .filter(|row| row.filing.get() > 1)
        .map(|row| row.signal)
        .collect();
    Ok(tx
        .answered(&moved)
        .await?
        .into_iter()
        .filter(|(home, _, _)| *home != household)
        .map(|(_, purpose, signal)| (purpose, signal))
        .collect())
}

impl Recalled {
    /// The trail of this household, as much of it as this sight covers: rules, signals and tasks are left out before anything is judged, so
    /// that nothing of them shows in what a rule waits for.
    #[must_use]
    pub fn trail(
        &self,
        sight: Sight,
        rules: &RuleSet,
        calendar: &Calendar,
        words: &Words,
        as_of: Date,
    ) -> Trail {
        let seen = rules.limited_to(|rule| sight.covers(rule));
        let timeline: Timeline = self
            .rows
            .iter()
            .filter(|row| sight.shows(row, rules))
            .filter_map(|row| self.timeline.get(row.signal))
            .cloned()
            .collect::<Timeline>();
        let tasks: Vec<KnownTask> = self
            .tasks
            .iter()
            .filter(|task| sight.covers_purpose(task.purpose))
            .cloned()
            .collect();
        let known = Known {
            timeline: &timeline,
            tasks: &tasks,
            guards: &self.guards,
            feeds: &self.feeds,
            before_activation: &self.before_activation,
        };
        trail(&seen, known, calendar, words, as_of)
    }
}

/// The fields of signals that judging by these rules reads: theirs, and how long somebody is a client of debt help.
#[must_use]
pub fn fields_read(rules: &RuleSet) -> BTreeSet<FieldName> {
    let mut fields = rules.fields_read();
    fields.insert(KNOWN_UNTIL.parse().expect("a literal slug"));
    fields
}

/// Until when a resident is a client of debt help already, by a signal that counts: the last day, or for good when it names none.
#[must_use]
pub fn known_client_until(timeline: &Timeline) -> Option<Date> {
    timeline
        .signals()
        .into_iter()
        .filter(|signal| signal.kind.as_str() == KNOWN_CLIENT && signal.counts())
        .map(|signal: &Signal| {
            signal
                .fields
                .iter()
                .find_map(|(name, value)| match value {
                    FieldValue::Date(day) if name.as_str() == KNOWN_UNTIL => Some(*day),
                    _ => None,
                })
                .unwrap_or(Date::MAX)
        })
        .max()
}
