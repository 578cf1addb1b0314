//! One household while a batch is judged: what is known, what was decided, what is to be written.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use voorveld_calendar::Calendar;
use voorveld_detect::{
    Feeds, Findings, Guards, KnownTask, Match, Plan, Planned, RuleSet, Settled, Signal, Timeline,
    plan_again,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub partition: i32,
    pub municipality: MunicipalityCode,
    /// The copies of its timeline as they are stored: all that were read, and after a time in memory only those that came since.
    pub rows: BTreeMap<SignalId, TimelineRow>,
    pub timeline: Timeline,
    pub kept: Kept,
    /// It was told that this is more than a household has.
    pub crowded_told: bool,
}

/// What is known of copies whose rows are not at hand, besides what is judged of them. They are as they were: a copy that changes or expires has
/// its household read anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Where in the log they came.
    pub came_at: Vec<(SignalId, i64)>,
    /// The area of the one that was received last and knows one.
    pub area: Option<(Timestamp, SignalId, AreaId)>,
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
            kept: Kept::default(),
            crowded_told: false,
        }
    }

    /// Takes a stored or freshly read copy; says whether it is news. Of a signal that is known the row is at hand: only that says what is superseded.
    pub(crate) fn absorb(&mut self, row: TimelineRow) -> Result<Absorbed, StoreError> {
        debug_assert!(!self.has_no_row(row.signal), "read before it is changed");
        let signal: Signal = convert::signal(&row)?;
        if !self.timeline.absorb(signal) {
            return Ok(Absorbed::Repeat);
        }
        Ok(match self.rows.insert(row.signal, row) {
            None => Absorbed::New,
            Some(before) => Absorbed::Instead(Box::new(before)),
        })
    }

    /// Whether it knows this signal from what was kept of it alone.
    pub(crate) fn has_no_row(&self, signal: SignalId) -> bool {
        self.timeline.get(signal).is_some() && !self.rows.contains_key(&signal)
    }

    /// Every record of this household with a lower offset was judged: its place in the household's order (K2).
    pub(crate) fn came_before(&self) -> i64 {
        self.places()
            .map(|(_, place)| place + 1)
            .max()
            .unwrap_or_default()
    }

    /// Where in the log the copies of its signals came.
    pub(crate) fn came_at(&self) -> BTreeMap<SignalId, i64> {
        self.places().collect()
    }

    fn places(&self) -> impl Iterator<Item = (SignalId, i64)> {
        let of_rows = self.rows.values().map(|row| (row.signal, row.came_at));
        self.kept.came_at.iter().copied().chain(of_rows)
    }

    /// Whom its signals name, as far as people are told apart.
    pub(crate) fn debtors(&self) -> impl Iterator<Item = DebtorId> {
        self.timeline.iter().filter_map(|signal| signal.debtor)
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
        self.last_area().map(|(.., area)| area)
    }

    /// That area, with when the signal was received and which one it is.
    pub(crate) fn last_area(&self) -> Option<(Timestamp, SignalId, &AreaId)> {
        let of_rows = self
            .rows
            .values()
            .filter_map(|row| Some((row.received_at, row.signal, row.area.as_ref()?)));
        let kept = self.kept.area.as_ref();
        kept.map(|(received_at, signal, area)| (*received_at, *signal, area))
            .into_iter()
            .chain(of_rows)
            .max_by_key(|(received_at, signal, _)| (*received_at, *signal))
    }
}

/// A household under judgement.
pub(crate) struct Household {
    pub id: HouseholdId,
    pub memory: Remembered,
    pub as_of: Option<Date>,
    /// It was never judged before this batch.
    pub is_first: bool,
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
    /// What was found last.
    pub findings: Option<Findings>,
    /// What the last plan left as it belongs.
    settled: Settled,
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
            is_first: true,
            tasks: Vec::new(),
            marks: BTreeMap::new(),
            guards: Guards::default(),
            registered: Arc::default(),
            registered_until: None,
            touched: BTreeSet::new(),
            becomes: BTreeMap::new(),
            findings: None,
            settled: Settled::default(),
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
            is_first: as_of.is_none(),
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

    /// Takes a copy in; says whether it is news.
    pub(crate) fn absorb(&mut self, row: TimelineRow) -> Result<Absorbed, StoreError> {
        let (signal, came_at) = (row.signal, row.came_at);
        let absorbed = self.memory.absorb(row)?;
        if !matches!(absorbed, Absorbed::Repeat) {
            self.touched.insert(signal);
            if !self.guards.came_at.is_empty() {
                self.guards.came_at.insert(signal, came_at);
            }
        }
        Ok(absorbed)
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
        // The next record of this batch finds its household as these rules see it.
        if Timeline::MANY_SIGNALS < self.memory.timeline.len() {
            self.memory.timeline.look_again_by(rules);
        } else {
            self.memory.timeline.look_by(rules);
        }
        let heeded = self.registered.about(self.id, &self.memory.timeline, as_of);
        let timeline = heeded.judged(&self.memory.timeline, retention, as_of);
        self.guards.known_client =
            heeded.known_client || known_client_until(&timeline).is_some_and(|last| as_of <= last);
        self.guards.excluded = heeded.excluded;
        self.registered_until = heeded.changes_on;
        if rules.has_newcomers() && self.guards.came_at.is_empty() {
            self.guards.came_at = self.memory.came_at();
        }
        let findings = Findings::renewed(
            self.findings.take(),
            rules,
            &timeline,
            calendar,
            feeds,
            as_of,
        );
        let household = Planned {
            timeline: &timeline,
            tasks: &self.tasks,
            guards: &self.guards,
            rules,
            calendar,
            as_of,
        };
        self.plan = plan_again(&findings, household, &mut self.settled);
        self.as_of = Some(as_of);
        self.findings = Some(findings);
    }

    /// When this may come out differently without a signal.
    pub(crate) fn next_look(&self) -> Option<Date> {
        let evaluated = self.findings.as_ref().and_then(Findings::next_look);
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
