//! One household while a batch is judged: what is known, what was decided, what is to be written.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use voorveld_calendar::Calendar;
use voorveld_detect::{
    Evaluation, Guards, KnownTask, Plan, RuleSet, Signal, Timeline, evaluate, plan,
};
use voorveld_domain::{AreaId, HouseholdId, MunicipalityCode, SignalId, TaskId};
use voorveld_store::StoreError;
use voorveld_store::judgements::TaskBecomes;
use voorveld_store::timelines::TimelineRow;

use crate::convert;

/// What is remembered of a household between batches: its timeline, nothing that outreach may change.
#[derive(Clone)]
pub(crate) struct Remembered {
    pub partition: i32,
    pub municipality: MunicipalityCode,
    pub rows: BTreeMap<SignalId, TimelineRow>,
    pub timeline: Timeline,
}

impl Remembered {
    pub(crate) fn new(partition: i32, municipality: MunicipalityCode) -> Self {
        Self {
            partition,
            municipality,
            rows: BTreeMap::new(),
            timeline: Timeline::default(),
        }
    }

    /// Takes a stored or freshly read copy; says whether it is news.
    pub(crate) fn absorb(&mut self, row: TimelineRow) -> Result<bool, StoreError> {
        let signal: Signal = convert::signal(&row)?;
        let news = self.timeline.absorb(signal);
        if news {
            self.rows.insert(row.signal, row);
        }
        Ok(news)
    }

    /// Where tasks of this household go: the area of the signal that came last and knows one.
    pub(crate) fn area(&self) -> Option<&AreaId> {
        self.rows
            .values()
            .filter(|row| row.area.is_some())
            .max_by_key(|row| (row.received_at, row.signal))
            .and_then(|row| row.area.as_ref())
    }
}

/// A household under judgement.
pub(crate) struct Household {
    pub id: HouseholdId,
    pub memory: Remembered,
    pub as_of: Option<Date>,
    pub tasks: Vec<KnownTask>,
    /// Tasks that bore a mark (flagged, annotated) before this batch.
    pub marks: BTreeMap<TaskId, (bool, bool)>,
    pub guards: Guards,
    /// Rows of the timeline that changed in this batch.
    pub touched: BTreeSet<SignalId>,
    /// Tasks that changed, and into what; also those that are new.
    pub becomes: BTreeMap<TaskId, TaskBecomes>,
    /// The last judgement.
    pub evaluation: Option<Evaluation>,
    /// The last plan.
    pub plan: Plan,
}

impl Household {
    /// Judges as of a day; the caller applies the plan.
    pub(crate) fn judge(&mut self, rules: &RuleSet, calendar: &Calendar, as_of: Date) {
        let evaluation = evaluate(rules, &self.memory.timeline, calendar, as_of);
        self.plan = plan(
            &evaluation,
            &self.memory.timeline,
            &self.tasks,
            &self.guards,
            rules,
            calendar,
            as_of,
        );
        self.as_of = Some(as_of);
        self.evaluation = Some(evaluation);
    }

    /// When this may come out differently without a signal.
    pub(crate) fn next_look(&self) -> Option<Date> {
        let evaluated = self
            .evaluation
            .as_ref()
            .and_then(|evaluation| evaluation.next_look);
        match (evaluated, self.plan.look_again_on) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}
