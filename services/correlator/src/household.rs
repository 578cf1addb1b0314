//! One household while a batch is judged: what is known, what was decided, what is to be written.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use voorveld_calendar::Calendar;
use voorveld_detect::{
    Evaluation, Feeds, Guards, KnownTask, Match, Plan, RuleSet, Signal, Timeline, find_matches,
    plan,
};
use voorveld_domain::{
    AreaId, DebtorId, HoldReason, HouseholdId, MunicipalityCode, SignalId, TaskId,
};
use voorveld_recall::{Registered, Retention, known_client_until};
use voorveld_store::StoreError;
use voorveld_store::judgements::{JudgedTask, MatchRow, TaskBecomes};
use voorveld_store::timelines::TimelineRow;

use crate::convert;

/// What is remembered of a household between batches: its timeline, nothing that outreach may change.
#[derive(Clone)]
pub(crate) struct Remembered {
    pub partition: i32,
    pub municipality: MunicipalityCode,
    pub rows: BTreeMap<SignalId, TimelineRow>,
    pub timeline: Timeline,
    /// It was told that this is more than a household has.
    pub crowded_told: bool,
}

/// What a copy is to what was known.
pub(crate) enum Absorbed {
    /// Nothing new: it was there, or a greater one was.
    Repeat,
    /// The first copy of its signal here.
    New,
    /// Greater than this one, which it supersedes.
    Instead(Box<TimelineRow>),
}

impl Remembered {
    pub(crate) fn new(partition: i32, municipality: MunicipalityCode) -> Self {
        Self {
            partition,
            municipality,
            rows: BTreeMap::new(),
            timeline: Timeline::default(),
            crowded_told: false,
        }
    }

    /// Takes a stored or freshly read copy; says whether it is news.
    pub(crate) fn absorb(&mut self, row: TimelineRow) -> Result<Absorbed, StoreError> {
        let signal: Signal = convert::signal(&row)?;
        if !self.timeline.absorb(signal) {
            return Ok(Absorbed::Repeat);
        }
        Ok(match self.rows.insert(row.signal, row) {
            None => Absorbed::New,
            Some(before) => Absorbed::Instead(Box::new(before)),
        })
    }

    /// Every record of this household with a lower offset was judged: its place in the household's order (K2).
    pub(crate) fn came_before(&self) -> i64 {
        let last = self.rows.values().map(|row| row.came_at).max();
        last.map_or(0, |last| last + 1)
    }

    /// Where in the log the copies of its signals came.
    pub(crate) fn came_at(&self) -> BTreeMap<SignalId, i64> {
        self.rows
            .values()
            .map(|row| (row.signal, row.came_at))
            .collect()
    }

    /// Whom its signals name, as far as people are told apart.
    pub(crate) fn debtors(&self) -> impl Iterator<Item = DebtorId> {
        self.rows.values().filter_map(|row| row.debtor)
    }

    /// Lets go for good of the copies that have expired, and says which.
    pub(crate) fn erase_expired(&mut self, retention: &Retention, as_of: Date) -> Vec<TimelineRow> {
        let over: Vec<SignalId> = self
            .rows
            .values()
            .filter(|row| retention.is_over(&row.kind, row.event_date, as_of))
            .map(|row| row.signal)
            .collect();
        over.into_iter()
            .filter_map(|signal| {
                self.timeline.erase(signal);
                self.rows.remove(&signal)
            })
            .collect()
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
    /// What people registered, of the whole batch.
    pub registered: Arc<Registered>,
    /// The first day on which something registered stands no more.
    pub registered_until: Option<Date>,
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
    /// A household that was never judged.
    pub(crate) fn new(id: HouseholdId, memory: Remembered) -> Self {
        Self {
            id,
            memory,
            as_of: None,
            tasks: Vec::new(),
            marks: BTreeMap::new(),
            guards: Guards::default(),
            registered: Arc::default(),
            registered_until: None,
            touched: BTreeSet::new(),
            becomes: BTreeMap::new(),
            evaluation: None,
            plan: Plan::default(),
        }
    }

    /// A household as it is stored, before anything is judged.
    pub(crate) fn stored(
        id: HouseholdId,
        memory: Remembered,
        as_of: Option<Date>,
        tasks: &[JudgedTask],
        held: Option<HoldReason>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            as_of,
            marks: tasks
                .iter()
                .map(|task| (task.id, (task.flagged, task.annotated)))
                .collect(),
            tasks: tasks
                .iter()
                .map(convert::known_task)
                .collect::<Result<_, _>>()?,
            guards: Guards {
                held,
                ..Guards::default()
            },
            ..Self::new(id, memory)
        })
    }

    /// A match of this household as a row.
    pub(crate) fn match_row(&self, found: &Match) -> MatchRow {
        MatchRow {
            household: self.id,
            rule: found.rule.clone(),
            version: found.version,
            anchor: found.anchor.to_string(),
            municipality: self.memory.municipality,
            witnesses: found.witnesses.to_vec(),
            evidence: found.evidence.iter().map(ToString::to_string).collect(),
        }
    }

    /// Its signals without what does not count on a day by what was registered or by its retention.
    pub(crate) fn heeded(&self, retention: &Retention, as_of: Date) -> Cow<'_, Timeline> {
        self.registered
            .about(self.id, &self.memory.timeline, as_of)
            .judged(&self.memory.timeline, retention, as_of)
    }

    /// Judges as of a day; the caller applies the plan.
    pub(crate) fn judge(
        &mut self,
        rules: &RuleSet,
        calendar: &Calendar,
        retention: &Retention,
        feeds: &Feeds,
        as_of: Date,
    ) {
        let heeded = self.registered.about(self.id, &self.memory.timeline, as_of);
        let timeline = heeded.judged(&self.memory.timeline, retention, as_of);
        self.guards.known_client =
            heeded.known_client || known_client_until(&timeline).is_some_and(|last| as_of <= last);
        self.guards.excluded = heeded.excluded;
        self.registered_until = heeded.changes_on;
        if rules.has_newcomers() {
            self.guards.came_at = self.memory.came_at();
        }
        let evaluation = find_matches(rules, &timeline, calendar, feeds, as_of);
        self.plan = plan(
            &evaluation,
            &timeline,
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
        let client_no_more = known_client_until(&self.memory.timeline)
            .filter(|last| self.guards.known_client && *last < Date::MAX)
            .filter(|last| self.as_of.is_some_and(|as_of| as_of <= *last))
            .and_then(|last| last.tomorrow().ok());
        [
            evaluated,
            self.plan.look_again_on,
            client_no_more,
            self.registered_until,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
