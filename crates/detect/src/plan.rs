//! What must become of a household's tasks (K1–K11).
//!
//! Planning twice changes nothing: what a plan asks for, done, is what the next plan finds. So a batch that is repeated after a
//! crash leaves no trace (I4).

mod settled;
mod standing;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use voorveld_calendar::{Calendar, amsterdam_date, plus_days};
use voorveld_domain::{HoldReason, Outcome, Purpose, SignalId, TaskId, TaskState, Urgency};

use crate::condition::Condition;
use crate::evaluate::last_useful_day;
use crate::findings::Matches;
use crate::mute::{FoundOut, Mutes};
use crate::predicate::is_unmutable;
use crate::rule::{Deadline, Effect, Ladder, MutedBy, Raises, Rule, RuleSet};
use crate::task::{
    Ground, GroundKey, Guards, KnownTask, Plan, SuppressedBy, Suppression, TaskChange,
};
use crate::timeline::Marked;
use crate::{Anchor, Match, OfRules, Signal, Timeline};

pub use settled::Settled;
use settled::{Facts, Footing, SettledTask};
use standing::{Key, OnTask, Standing, Tended};

/// What must become of this household's tasks, given what is found of it.
///
/// `tasks`: the open ones, and the closed ones that are kept. Records of one household are judged one by one, in log order (K2):
/// absorb, evaluate, plan, apply, next.
#[must_use]
pub fn plan(
    found: &impl OfRules,
    timeline: &Timeline,
    tasks: &[KnownTask],
    guards: &Guards,
    rules: &RuleSet,
    calendar: &Calendar,
    as_of: Date,
) -> Plan {
    let household = Planned {
        timeline,
        tasks,
        guards,
        rules,
        calendar,
        as_of,
    };
    plan_again(found, household, &mut Settled::default())
}

/// Everything of a household and its day that a plan depends on besides what is found.
#[derive(Debug, Clone, Copy)]
pub struct Planned<'a> {
    /// Its signals.
    pub timeline: &'a Timeline,
    /// The open tasks, and the closed ones that are kept.
    pub tasks: &'a [KnownTask],
    /// What keeps or changes the raising of tasks.
    pub guards: &'a Guards,
    /// The rules it was found by.
    pub rules: &'a RuleSet,
    /// For terms.
    pub calendar: &'a Calendar,
    /// The day (T2).
    pub as_of: Date,
}

/// The same as [`plan`], which looks again only at what was found since the last plan.
///
/// `settled` is what the last plan for this household left, which was done; empty when there was none. Planning twice changes nothing: whatever did not change
/// since, neither match nor ground, is where it belongs.
#[must_use]
pub fn plan_again(found: &impl OfRules, of: Planned<'_>, settled: &mut Settled) -> Plan {
    let mut purposes: BTreeMap<Purpose, Vec<Asking<'_>>> = BTreeMap::new();
    for task in of.tasks.iter().filter(|task| task.state.is_open()) {
        purposes.entry(task.purpose).or_default();
    }
    for matches in found.of_rules() {
        let asking = matches.rule().and_then(|rule| of.rules.get(rule));
        if let Some(rule) = asking
            && let Some(raises) = rule.raises()
        {
            let of_purpose = purposes.entry(rule.purpose).or_default();
            of_purpose.push(Asking {
                rule,
                raises,
                matches,
            });
        }
    }
    let mut whole = Plan::default();
    let mut before = std::mem::take(&mut settled.0);
    if found.is_anew() {
        before.clear();
    }
    for (purpose, asking) in purposes {
        let planner = Planner {
            mutes: Mutes {
                purpose,
                timeline: of.timeline,
                tasks: of.tasks,
                guards: of.guards,
                settings: of.rules.settings(),
                as_of: of.as_of,
                found_out: FoundOut::default(),
            },
            answered: answered(purpose, of.timeline, of.tasks, of.guards),
            calendar: of.calendar,
        };
        let left = planner.plan(&asking, before.remove(&purpose), &mut whole);
        settled.0.extend(left.map(|left| (purpose, left)));
    }
    whole
}

/// The matches of one rule that asks for a task.
#[derive(Clone, Copy)]
struct Asking<'a> {
    rule: &'a Rule,
    raises: &'a Raises,
    matches: Matches<'a>,
}

impl<'a> Asking<'a> {
    /// Its matches at these anchors, as far as there are.
    fn at(self, anchors: impl Iterator<Item = Anchor>) -> impl Iterator<Item = Pressing<'a>> {
        anchors.filter_map(move |anchor| {
            let place = (self.matches.all).binary_search_by_key(&anchor, |found| found.anchor);
            Some((self.rule, self.raises, &self.matches.all[place.ok()?]))
        })
    }

    fn all(self) -> impl Iterator<Item = Pressing<'a>> {
        let found = self.matches.all.iter();
        found.map(move |found| (self.rule, self.raises, found))
    }

    /// A day that comes changes what it asks for.
    const fn is_dated(self) -> bool {
        matches!(self.raises.deadline, Deadline::SupplyEnd { .. })
    }
}

/// A match of a rule that asks for a task.
type Pressing<'a> = (&'a Rule, &'a Raises, &'a Match);

/// The signals of this purpose that a closed task answered (K4). A task that was withdrawn or merged answered nothing.
fn answered(purpose: Purpose, timeline: &Timeline, tasks: &[KnownTask], guards: &Guards) -> Marked {
    let on_closed = tasks
        .iter()
        .filter(|task| task.purpose == purpose && task.state == TaskState::Closed)
        .flat_map(|task| &task.grounds)
        .flat_map(|ground| &ground.witnesses)
        .copied();
    let elsewhere = guards
        .answered_elsewhere
        .iter()
        .filter(|(known, _)| *known == purpose)
        .map(|(_, signal)| *signal);
    Marked::of(timeline, on_closed.chain(elsewhere))
}

/// One purpose of one household.
struct Planner<'a> {
    mutes: Mutes<'a>,
    answered: Marked,
    calendar: &'a Calendar,
}

/// A match that has something unanswered to say.
struct Candidate<'a> {
    rule: &'a Rule,
    raises: &'a Raises,
    found: &'a Match,
    /// Its unanswered witnesses, once something depends on which they are: of the thousands of matches of a crowded household one record
    /// changes a few.
    unanswered: OnceCell<Unanswered<'a>>,
}

/// Signals in order of events, and where each is in the timeline.
struct Unanswered<'a> {
    signals: Vec<&'a Signal>,
    places: Vec<usize>,
}

impl<'a> Candidate<'a> {
    const fn key(&self) -> Key<'a> {
        (&self.found.rule, self.found.anchor)
    }
}

impl<'a> Planner<'a> {
    /// Plans for all that was found, or for what is news beside what the last plan left. Says what this one leaves.
    fn plan(
        &self,
        asking: &[Asking<'a>],
        before: Option<SettledTask>,
        whole: &mut Plan,
    ) -> Option<SettledTask> {
        let mut open: Vec<&'a KnownTask> = self
            .mutes
            .tasks
            .iter()
            .filter(|task| task.purpose == self.mutes.purpose && task.state.is_open())
            .collect();
        open.sort_by_key(|task| (task.state != TaskState::Claimed, task.raised_on, task.id));
        if let ([task], Some(before)) = (&open[..], before)
            && before.footing == self.footing(task, Facts::of(task), task.grounds.len())
            && self.mutes.guards.excluded.is_empty()
        {
            let news = asking.iter().flat_map(|one| {
                let anchors = one.matches.news.iter().copied();
                one.at(anchors).chain(one.all().filter(|_| one.is_dated()))
            });
            let mut candidates = self.candidates(news);
            candidates.sort_unstable_by(|a, b| a.key().cmp(&b.key()));
            candidates.dedup_by(|a, b| a.key() == b.key());
            let mut keys: BTreeSet<Key<'a>> = candidates.iter().map(Candidate::key).collect();
            for one in asking {
                let lost = one.matches.lost.iter().map(|lost| lost.anchor);
                let around = one.matches.news.iter().copied().chain(lost);
                keys.extend(around.map(|anchor| (&one.rule.id, anchor)));
            }
            let grounds = keys
                .iter()
                .filter_map(|(rule, anchor)| task.ground(rule, *anchor));
            let standing = Standing(grounds.map(|ground| (ground.name(), ground)).collect());
            // What goes may go on in what was kept silent so far.
            let may_go_on =
                standing.beside(&candidates).1.is_empty() || before.suppressed.is_empty();
            if may_go_on {
                let mut suppressed = before.suppressed;
                suppressed.retain(|one| !keys.contains(&(&one.rule, one.anchor)));
                let tended = Tended {
                    rest: task.grounds.len() - standing.0.len(),
                    suppressed,
                    ..Tended::of(task, standing)
                };
                return self.tend(tended, &candidates, whole);
            }
        }
        let mut candidates = self.candidates(asking.iter().flat_map(|one| one.all()));
        self.exclude(&mut candidates, whole);
        match open.split_first() {
            Some((task, [])) => {
                let tended = Tended::of(task, Standing::of(task));
                self.tend(tended, &candidates, whole)
            }
            Some((task, others)) => {
                self.merge(task, others, &candidates, whole);
                None
            }
            None => {
                self.raise(&candidates, whole);
                None
            }
        }
    }

    fn footing(&self, task: &KnownTask, facts: Facts, grounds: usize) -> Footing {
        Footing {
            task: task.id,
            state: task.state,
            facts,
            grounds,
            tasks: self.mutes.tasks.iter().map(|task| task.state).collect(),
            answered_elsewhere: self.mutes.guards.answered_elsewhere.len(),
            held: self.mutes.guards.held,
        }
    }

    /// Those that have something unanswered to say.
    fn candidates(&self, matches: impl Iterator<Item = Pressing<'a>>) -> Vec<Candidate<'a>> {
        matches
            // Without an answer every match has something to say.
            .filter(|(rule, _, found)| {
                self.answered.is_empty() || self.unanswered_of(rule, found).next().is_some()
            })
            .map(|(rule, raises, found)| Candidate {
                rule,
                raises,
                found,
                unanswered: OnceCell::new(),
            })
            .collect()
    }

    /// Leaves out what is about people whom nobody is to approach, so that its grounds go (K10); the safety desk hears of everybody.
    fn exclude(&self, candidates: &mut Vec<Candidate<'a>>, whole: &mut Plan) {
        let excluded = &self.mutes.guards.excluded;
        if self.mutes.purpose == Purpose::Safety || excluded.is_empty() {
            return;
        }
        candidates.retain(|candidate| {
            let reason = excluded.of(self.unanswered(candidate));
            if let Some(reason) = reason {
                let by = SuppressedBy::Excluded { reason };
                whole.suppressed.push(suppression(candidate, by));
            }
            reason.is_none()
        });
    }

    /// The unanswered witnesses of a candidate, in order of events; at least one.
    fn unanswered<'c>(&self, candidate: &'c Candidate<'a>) -> &'c [&'a Signal] {
        &self.say(candidate).signals
    }

    fn say<'c>(&self, candidate: &'c Candidate<'a>) -> &'c Unanswered<'a> {
        candidate.unanswered.get_or_init(|| {
            let mut unanswered: Vec<(usize, &'a Signal)> = self
                .unanswered_of(candidate.rule, candidate.found)
                .collect();
            unanswered.sort_by_cached_key(|(_, signal)| signal.event_order());
            let (places, signals) = unanswered.into_iter().unzip();
            Unanswered { signals, places }
        })
    }

    fn unanswered_of(
        &self,
        rule: &'a Rule,
        found: &'a Match,
    ) -> impl Iterator<Item = (usize, &'a Signal)> {
        self.unanswered_among(rule, found, &found.witnesses)
    }

    fn unanswered_among(
        &self,
        rule: &'a Rule,
        found: &'a Match,
        witnesses: &'a [SignalId],
    ) -> impl Iterator<Item = (usize, &'a Signal)> {
        self.mutes
            .timeline
            .places(witnesses)
            .map(|(place, signal)| (self.answered.is_marked(place), place, signal))
            .filter(|(answered, _, signal)| !answered || self.speaks_anew(rule, found, signal))
            .map(|(_, place, signal)| (place, signal))
    }

    /// What a candidate has to say that is not on the task yet, in order of events.
    fn fresh(&self, candidate: &Candidate<'a>, known: &OnTask<'_>) -> Vec<&'a Signal> {
        let Unanswered { signals, places } = self.say(candidate);
        let both = signals.iter().zip(places);
        both.filter(|(_, place)| !known.has(**place))
            .map(|(signal, _)| *signal)
            .collect()
    }

    fn suppressed(&self, candidate: &Candidate<'a>) -> Option<SuppressedBy> {
        let unanswered = self.unanswered(candidate);
        self.mutes.suppressed(candidate.rule, unanswered)
    }

    /// Whether what it has to say is what a ground that went leaned on.
    fn leans_on(&self, candidate: &Candidate<'a>, lost: &Ground) -> bool {
        self.unanswered(candidate)
            .iter()
            .any(|signal| lost.leans_on(signal.id))
    }

    /// An answered signal whose correction says something that nothing mutes and that no closed task knew: it became a crisis, or a safety
    /// marker became acute (I10, M6). Only rules that look at a signal by itself ask this; whatever joins signals takes K4 to the letter.
    fn speaks_anew(&self, rule: &Rule, found: &'a Match, signal: &Signal) -> bool {
        let nothing_mutes = matches!(rule.effect, Effect::Hold(_))
            || (rule.muted_by == MutedBy::default() && is_unmutable(signal, self.mutes.settings));
        let elsewhere = (self.mutes.purpose, signal.id);
        nothing_mutes
            && matches!(rule.condition, Condition::EachSignal(_))
            && !self.mutes.guards.answered_elsewhere.contains(&elsewhere)
            && self
                .mutes
                .closed_grounds(found)
                .iter()
                // Under another version of the rule the same signal may be put in other words.
                .all(|ground| {
                    ground.version == found.version && *ground.evidence != *found.evidence
                })
    }

    /// No task is open: raises one when a match may, and lets every other match join it that may join.
    fn raise(&self, candidates: &[Candidate<'a>], whole: &mut Plan) {
        let mut pressing = Vec::new();
        let mut joining = Vec::new();
        let mut suppressed = Vec::new();
        for candidate in candidates {
            let unanswered = self.unanswered(candidate);
            let Some(by) = self.mutes.suppressed(candidate.rule, unanswered) else {
                pressing.push(candidate);
                joining.push((candidate, false));
                continue;
            };
            if matches!(by, SuppressedBy::Threshold { .. }) {
                whole.suppressed.push(suppression(candidate, by));
            } else {
                let repeat = matches!(by, SuppressedBy::Repeat { .. });
                joining.push((candidate, repeat));
                suppressed.push(suppression(candidate, by));
            }
        }
        if pressing.is_empty() {
            for suppression in &suppressed {
                if let SuppressedBy::Cooldown { until } = suppression.by {
                    look_again(whole, until);
                }
            }
            whole.suppressed.append(&mut suppressed);
            return;
        }
        let base = Facts {
            urgency: Urgency::Routine,
            due_on: Date::MAX,
            ladder_step: self.step_so_far(),
        };
        let facts = self.press(base, &pressing, |candidate| {
            candidate.rule.raises().is_some()
        });
        self.hold(candidates, None, whole);
        self.watch_supply(&pressing, facts.urgency, whole);
        whole.changes.push(TaskChange::Raise {
            purpose: self.mutes.purpose,
            urgency: facts.urgency,
            due_on: facts.due_on,
            ladder_step: facts.ladder_step,
            grounds: joining
                .iter()
                .map(|(candidate, repeat)| self.ground(candidate, *repeat))
                .collect(),
        });
    }

    /// Two tasks of this purpose are open, since two households became one (K10): the others end in the first.
    fn merge(
        &self,
        task: &'a KnownTask,
        others: &[&'a KnownTask],
        candidates: &[Candidate<'a>],
        whole: &mut Plan,
    ) {
        let has_match = |ground: &Ground| {
            let key = ground.name();
            candidates
                .binary_search_by(|candidate| candidate.key().cmp(&key))
                .is_ok()
        };
        let mut on = Standing::of(task);
        let mut joining: BTreeMap<Key<'_>, Ground> = BTreeMap::new();
        let mut base = Facts::of(task);
        for other in others {
            whole.changes.push(TaskChange::Merge {
                task: other.id,
                into: task.id,
            });
            base.urgency = base.urgency.max(other.urgency);
            base.due_on = base.due_on.min(other.due_on);
            base.ladder_step = base.ladder_step.max(other.ladder_step);
            for ground in &other.grounds {
                // What no longer stands ends with the task it was on.
                if has_match(ground) && on.put(ground) {
                    joining.insert(ground.name(), ground.clone());
                }
            }
        }
        let tended = Tended {
            task,
            base,
            on,
            rest: 0,
            joining,
            suppressed: Vec::new(),
        };
        self.tend(tended, candidates, whole);
    }

    /// A task is open: evidence joins it, and grounds that went are told.
    fn tend(
        &self,
        tended: Tended<'a>,
        candidates: &[Candidate<'a>],
        whole: &mut Plan,
    ) -> Option<SettledTask> {
        let Tended {
            task,
            base,
            on: standing,
            rest,
            mut joining,
            mut suppressed,
        } = tended;
        let before = Facts::of(task);
        let grounds = if rest == 0 {
            standing.grounds().collect()
        } else {
            task.grounds.iter().collect()
        };
        let known = OnTask::of(self.mutes.timeline, grounds);
        self.hold(candidates, Some(&known), whole);

        let (beside, lost) = standing.beside(candidates);
        let mut pressing = Vec::new();
        let mut stepping = BTreeSet::new();
        let mut standing_now = Vec::new();
        let mut coming = Vec::new();
        for (candidate, ground) in candidates.iter().zip(beside) {
            if let Some(ground) = ground {
                standing_now.push(candidate);
                // Under a new version of the rule a ground keeps the words it was raised with, as long as its signals stay.
                let changed = *ground.witnesses != *candidate.found.witnesses
                    || (ground.version == candidate.found.version
                        && *ground.evidence != *candidate.found.evidence);
                if !changed {
                    continue;
                }
            }
            if let Some(ground) = ground {
                // A repeat stays one until something comes that repeats nothing; only then does it press.
                let still_repeat = ground.repeat && {
                    let fresh = self.fresh(candidate, &known);
                    fresh.is_empty() || self.mutes.repeat(candidate.rule, &fresh).is_some()
                };
                let changed = Ground {
                    added_on: ground.added_on,
                    ..self.ground(candidate, still_repeat)
                };
                joining.insert(candidate.key(), changed);
                let too_late = || {
                    let can_be = candidate.rule.not_older_than_days.is_some()
                        || candidate.rule.active_from.is_some();
                    can_be
                        && matches!(
                            self.suppressed(candidate),
                            Some(SuppressedBy::TooOld { .. } | SuppressedBy::BeforeActivation)
                        )
                };
                if !still_repeat && !too_late() {
                    pressing.push(candidate);
                }
                if ground.repeat && !still_repeat {
                    stepping.insert(candidate.key());
                }
                continue;
            }
            let fresh = self.fresh(candidate, &known);
            let repeat = !fresh.is_empty() && self.mutes.repeat(candidate.rule, &fresh).is_some();
            let by = self.suppressed(candidate);
            let continues = lost.iter().any(|lost| self.leans_on(candidate, lost));
            if let Some(by @ SuppressedBy::Threshold { .. }) = by
                && !continues
            {
                suppressed.push(suppression(candidate, by));
                continue;
            }
            // What could not have raised does not press; what goes on in another form does, without a step of its own.
            if !repeat && (by.is_none() || continues) {
                pressing.push(candidate);
                if !fresh.is_empty() || !continues {
                    stepping.insert(candidate.key());
                }
            }
            joining.insert(candidate.key(), self.ground(candidate, repeat));
            coming.push(candidate);
            standing_now.push(candidate);
        }

        let facts = self.press(base, &pressing, |candidate| {
            stepping.contains(&candidate.key())
        });
        let facts = Facts {
            urgency: facts.urgency.max(self.supply_urgency(&standing_now)),
            ..facts
        };
        self.watch_supply(&standing_now, facts.urgency, whole);

        let (replaced, gone): (Vec<&Ground>, Vec<&Ground>) = lost.iter().partition(|lost| {
            coming
                .iter()
                .any(|candidate| self.leans_on(candidate, lost))
        });
        let keys = |lost: &[&Ground]| lost.iter().map(|ground| ground.key()).collect();
        let (replaced, gone): (Vec<GroundKey>, Vec<GroundKey>) = (keys(&replaced), keys(&gone));
        let grounds = rest + standing_now.len();
        if !joining.is_empty() || facts != before {
            whole.changes.push(TaskChange::Join {
                task: task.id,
                grounds: joining.into_values().collect(),
                replaced,
                urgency: facts.urgency,
                due_on: facts.due_on,
                ladder_step: facts.ladder_step,
            });
        }
        whole.suppressed.extend(suppressed.iter().cloned());
        if grounds == 0 {
            whole.changes.extend(self.without_grounds(task, gone));
            return None;
        }
        if !gone.is_empty() {
            whole.changes.push(TaskChange::Annotate {
                task: task.id,
                gone,
            });
        }
        self.mutes.guards.excluded.is_empty().then(|| SettledTask {
            footing: self.footing(task, facts, grounds),
            suppressed,
        })
    }

    /// All grounds went (K10). The safety desk's tasks are never withdrawn: it alone lifts their hold (K11).
    fn without_grounds(&self, task: &KnownTask, gone: Vec<GroundKey>) -> Option<TaskChange> {
        let task_id: TaskId = task.id;
        if task.state == TaskState::Open && self.mutes.purpose != Purpose::Safety {
            return Some(TaskChange::Withdraw {
                task: task_id,
                gone,
            });
        }
        // With nothing gone now, it was flagged before.
        (!gone.is_empty()).then_some(TaskChange::Flag {
            task: task_id,
            gone,
        })
    }

    /// A safety marker that no task of the safety desk knows yet holds the household (I10); what the desk lifted stays lifted.
    fn hold(&self, candidates: &[Candidate<'a>], known: Option<&OnTask<'_>>, whole: &mut Plan) {
        if self.mutes.guards.held == Some(HoldReason::Safety) {
            return;
        }
        let is_new = |place: usize| known.is_none_or(|known| !known.has(place));
        let signals: BTreeSet<SignalId> = candidates
            .iter()
            .filter(|candidate| matches!(candidate.rule.effect, Effect::Hold(_)))
            .map(|candidate| self.say(candidate))
            .flat_map(|say| say.signals.iter().zip(&say.places))
            .filter(|(_, place)| is_new(**place))
            .map(|(signal, _)| signal.id)
            .collect();
        if !signals.is_empty() {
            whole.changes.push(TaskChange::Hold {
                reason: HoldReason::Safety,
                signals: signals.into_iter().collect(),
            });
        }
    }

    fn ground(&self, candidate: &Candidate<'a>, repeat: bool) -> Ground {
        Ground {
            rule: candidate.found.rule.clone(),
            version: candidate.found.version,
            anchor: candidate.found.anchor,
            witnesses: candidate.found.witnesses.to_vec(),
            evidence: candidate.found.evidence.to_vec(),
            due_on: self.due_on(candidate),
            added_on: self.mutes.as_of,
            repeat,
        }
    }

    /// What the task becomes when these grounds press on it: the earliest term (T5), the highest urgency, the highest step; at most
    /// one step up, whatever the number of grounds that ask for one.
    fn press(
        &self,
        base: Facts,
        pressing: &[&Candidate<'a>],
        may_step: impl Fn(&Candidate<'a>) -> bool,
    ) -> Facts {
        let mut facts = base;
        let mut step_up = false;
        for candidate in pressing {
            facts.urgency = facts.urgency.max(candidate.raises.urgency);
            facts.due_on = facts.due_on.min(self.due_on(candidate));
            if may_step(candidate) {
                facts.ladder_step = facts.ladder_step.max(candidate.raises.ladder.starts_at);
                step_up |= candidate.raises.ladder.step_up;
            }
        }
        facts.urgency = facts.urgency.max(self.supply_urgency(pressing));
        if step_up {
            facts.ladder_step = facts.ladder_step.max(base.ladder_step.saturating_add(1));
        }
        facts.ladder_step = facts
            .ladder_step
            .clamp(Ladder::FIRST_STEP, Ladder::LAST_STEP.max(base.ladder_step));
        facts
    }

    /// The last day of the term this match asks for. It counts from first receipt of the signal that brought it (T5): when that one
    /// was answered already, from that of the first one that was not.
    fn due_on(&self, candidate: &Candidate<'a>) -> Date {
        let (rule, found) = (candidate.rule, candidate.found);
        let itself = self.unanswered_among(rule, found, std::slice::from_ref(&found.brought_by));
        let (_, brought) = itself
            .last()
            .or_else(|| {
                self.unanswered_of(rule, found)
                    .min_by_key(|(_, signal)| signal.receipt_order())
            })
            .expect("a candidate has an unanswered witness");
        let received_on = amsterdam_date(brought.first_received_at);
        // What did not come was brought by no signal: its term runs from the day on which that could be said.
        let day_zero = match candidate.rule.condition {
            Condition::Absence { .. } => received_on.max(self.mutes.as_of),
            _ => received_on,
        };
        match candidate.raises.deadline {
            Deadline::Term(term) => self.calendar.end_of(term, day_zero),
            Deadline::SupplyEnd { working_days, .. } => {
                let due = self.calendar.add_working_days(day_zero, working_days);
                match self.last_useful_day(candidate) {
                    Some(last) => due.min(last).max(day_zero),
                    None => due,
                }
            }
        }
    }

    fn last_useful_day(&self, candidate: &Candidate<'a>) -> Option<Date> {
        let deadline = candidate.raises.deadline;
        if !matches!(deadline, Deadline::SupplyEnd { .. }) {
            return None;
        }
        self.unanswered(candidate)
            .iter()
            .filter_map(|signal| last_useful_day(deadline, signal, self.calendar))
            .min()
    }

    /// Past the last useful day a supply end escalates at once (M7).
    fn supply_urgency(&self, candidates: &[&Candidate<'a>]) -> Urgency {
        let too_late = candidates
            .iter()
            .filter_map(|candidate| self.last_useful_day(candidate))
            .any(|last| last < self.mutes.as_of);
        if too_late {
            Urgency::Escalated
        } else {
            Urgency::Routine
        }
    }

    fn watch_supply(&self, candidates: &[&Candidate<'a>], urgency: Urgency, whole: &mut Plan) {
        if urgency == Urgency::Escalated {
            return;
        }
        for last in candidates
            .iter()
            .filter_map(|candidate| self.last_useful_day(candidate))
        {
            look_again(whole, plus_days(last, 1));
        }
    }

    /// Where the ladder stands before a new task (K7): after *geen contact* it goes on, after any other result it begins anew.
    fn step_so_far(&self) -> u8 {
        self.mutes
            .tasks
            .iter()
            .filter(|task| task.purpose == self.mutes.purpose && task.state == TaskState::Closed)
            .filter_map(|task| task.closed.map(|end| (end, task)))
            .max_by_key(|(end, task)| (end.on, task.raised_on, task.id))
            .filter(|(end, _)| end.outcome == Outcome::NoContact)
            .map_or(Ladder::FIRST_STEP, |(_, task)| task.ladder_step)
    }
}

fn suppression(candidate: &Candidate<'_>, by: SuppressedBy) -> Suppression {
    Suppression {
        rule: candidate.found.rule.clone(),
        version: candidate.found.version,
        anchor: candidate.found.anchor,
        by,
    }
}

fn look_again(whole: &mut Plan, on: Date) {
    whole.look_again_on = Some(whole.look_again_on.map_or(on, |known| known.min(on)));
}
