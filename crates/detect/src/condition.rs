//! When a rule is true of a household: the language of conditions.
//!
//! Closed on purpose: live, shadow, backtest and explain run exactly these and nothing else (I6). A [`Condition`] says how its matches are
//! anchored (M2); within a window a [`Test`] says what the signals there must come to; a [`Predicate`] asks one signal.

use std::collections::BTreeSet;

use jiff::civil::Date;
use voorveld_calendar::{Calendar, Period, Term, YearMonth};
use voorveld_domain::{Cents, FieldName, KindId, PartnerType, SignalDomain};

use crate::lens::Seen;
use crate::signal::Decimal;

/// When a rule is true of a household.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// A signal by itself. Anchor: that signal.
    EachSignal(Predicate),
    /// *Enkelvoudig* (M1): a calendar month with signals of fewer than `partner_types` types, and none in the `preceding_months`
    /// before it. Anchor: the month.
    SingleInMonth {
        /// As in the rule for *meervoudig*.
        partner_types: u8,
        /// As in the rule for *opeenvolgend*.
        preceding_months: u8,
    },
    /// *Meervoudig* (M1): a calendar month with signals of at least `partner_types` types. Anchor: the month.
    ConcurrentInMonth {
        /// Two, by the official definition.
        partner_types: u8,
    },
    /// *Opeenvolgend* (M1): a calendar month with a signal, and a signal of any partner in the `preceding_months` before it.
    /// Anchor: the month.
    ConsecutiveMonths {
        /// Six, by the official definition.
        preceding_months: u8,
    },
    /// Something that the signals within a window come to.
    Within(Within),
    /// An amount that is higher than the one before it of the same partner, kind and debtor (S7). One match per signal that rose, anchor: that
    /// signal; the one before it is a witness too.
    Risen {
        /// Which signals are looked at.
        of: Predicate,
        /// Within how many days the one before it lies (T3).
        days: u16,
        /// By at least how much.
        by: Cents,
    },
    /// Something that should have followed and did not. Concluded when its term is over *and* the feeds it should have come by are complete
    /// until then ([`crate::Feeds`]); one match per signal it was waited for after, anchor: that signal.
    Absence {
        /// After what something should follow.
        after: After,
        /// What should follow: any of these.
        without: Follows,
        /// Within which term: dates exactly at its end are not within it (T3).
        within: Term,
    },
}

/// Something that the signals within a window come to. In a window of calendar months one match per month, anchor: the month. In any other
/// window as [`Counting`] says, anchor: the signal that completes the first window of the match (M2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Within {
    /// Which days are looked at together.
    pub window: Window,
    /// What their signals must come to.
    pub test: Test,
    /// What becomes of windows that overlap.
    pub counting: Counting,
    /// Judged apart for each partner, kind or debtor. Of signals whose debtor is unknown nobody can say that they are of the same one: judged
    /// per debtor they are left out (S7). Not in a window of calendar months, whose matches are named by the month alone.
    pub per: BTreeSet<Same>,
}

/// After what something should follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// After each such signal.
    Signal(Predicate),
    /// After the signal that completes such a pattern; all that it leans on is a witness.
    Pattern(Within),
}

/// Which days are looked at together. All half-open, in event time (T3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Window {
    /// So many days, ending with the day of a signal.
    Days(u16),
    /// So many working days (T4), ending with the day of a signal.
    WorkingDays(u16),
    /// So many school weeks of the municipality's region, ending with the day of a signal; weeks of holiday in between do not count.
    SchoolWeeks(u16),
    /// So many calendar months, the month of the signal being the last.
    CalendarMonths(u8),
}

/// What becomes of satisfied windows that overlap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Counting {
    /// They are one match: a maximal run (M2).
    #[default]
    Runs,
    /// The count begins anew on the day after the window that was satisfied first (Leerplichtwet art. 21): a signal counts once.
    Anew,
}

/// What the signals within a window must come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// Enough of something among the signals of which the predicate holds.
    Reaches {
        /// Which signals are looked at.
        of: Predicate,
        /// What they must reach.
        reach: Reach,
    },
    /// All of these hold.
    All(Vec<Test>),
    /// At least one of these holds.
    AnyOf(Vec<Test>),
    /// At least so many of these hold.
    AtLeast {
        /// How many.
        count: u8,
        /// Of which.
        of: Vec<Test>,
    },
    /// A signal of each of these, one after the other: each on the same day as the one before it or later, ties by id (T3).
    Sequence(Vec<Predicate>),
    /// In a shorter window somewhere in this one.
    Somewhere {
        /// The shorter window.
        window: Window,
        /// What must hold there.
        test: Box<Test>,
    },
    /// In the calendar months before the window. Only in a window of calendar months.
    Before {
        /// How many months.
        months: u8,
        /// What must hold there.
        test: Box<Test>,
    },
}

/// What signals must reach together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// At least this many signals.
    Count(u16),
    /// At least this many kinds.
    Kinds(u16),
    /// At least this many domains.
    Domains(u16),
    /// At least this many partners.
    Partners(u16),
    /// At least this many partner types, counted as M1 does.
    PartnerTypes(u16),
    /// At least this many debtors (S7); one who is unknown counts as nobody.
    Debtors(u16),
    /// All their amounts together.
    Sum(Least),
    /// The last amount of each partner, kind and debtor together: what is owed now, where monthly signals repeat the same arrears.
    SumOfLatest(Least),
    /// The last amount (by event date, ties by id); signals without one are passed over.
    Latest(Least),
    /// The highest amount.
    Maximum(Least),
}

/// Of which amount at least how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Least {
    /// The arrears.
    Amount(Cents),
    /// A number that the kind carries, in its own unit.
    Field {
        /// Which one.
        name: FieldName,
        /// How much.
        least: Decimal,
    },
}

/// What should follow a signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follows {
    /// Such a signal, later in order of events.
    pub of: Predicate,
    /// Only when these are the same.
    pub same: BTreeSet<Same>,
    /// Only with a lower amount: a step down.
    pub lower_amount: bool,
}

/// What two signals can have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Same {
    /// Their partner.
    Partner,
    /// Their kind.
    Kind,
    /// Their debtor (S7): unknown equals only unknown.
    Debtor,
}

impl Same {
    pub(crate) fn of(self, one: &Seen, other: &Seen) -> bool {
        match self {
            Self::Partner => one.partner == other.partner,
            Self::Kind => one.kind == other.kind,
            Self::Debtor => one.debtor == other.debtor,
        }
    }
}

/// A yes-or-no question to one signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Predicate {
    /// Any signal at all.
    Any,
    /// All of these hold.
    All(Vec<Predicate>),
    /// At least one of these holds.
    AnyOf(Vec<Predicate>),
    /// This does not hold.
    Not(Box<Predicate>),
    /// It is one of these kinds.
    Kind(BTreeSet<KindId>),
    /// It is about one of these domains.
    Domain(BTreeSet<SignalDomain>),
    /// Its partner is of one of these types.
    PartnerType(BTreeSet<PartnerType>),
    /// It is a crisis (M6): the partner says so, supply ends, or its kind is on the list of [`crate::RuleSettings::crisis_kinds`].
    Crisis,
    /// The partner hands over in person.
    WarmHandover,
    /// It says when supply ends.
    SupplyEnd,
    /// It tells an amount of at least this (M5). An absent amount never does.
    AmountAtLeast(Cents),
    /// It tells an amount of at least so many times a field in euros, e.g. two months' rent (M5). Absent either way: no.
    AmountAtLeastTimes {
        /// How many times.
        times: u8,
        /// The field, in euros.
        field: FieldName,
    },
    /// One of its fields answers.
    Field {
        /// Which one.
        name: FieldName,
        /// The question; an absent field answers none with yes.
        test: FieldTest,
    },
}

/// A question to one field of a signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldTest {
    /// It is there, whatever it holds.
    Present,
    /// It is exactly this yes or no.
    Is(bool),
    /// It is a number of at least this.
    AtLeast(Decimal),
    /// It is a number below this.
    Below(Decimal),
    /// It is one of these codes.
    CodeIn(BTreeSet<Box<str>>),
}

impl Window {
    /// The window that ends with this day; of calendar months, that ends with its month.
    #[must_use]
    pub fn ending(self, day: Date, calendar: &Calendar) -> Period {
        match self {
            Self::Days(days) => Period::rolling(days, day),
            Self::WorkingDays(days) => calendar.working_days_ending(day, days),
            Self::SchoolWeeks(weeks) => calendar.school_weeks_ending(day, weeks),
            Self::CalendarMonths(months) => {
                let last = YearMonth::of(day);
                let before = last.preceding(months.saturating_sub(1));
                before.hull(&last.period())
            }
        }
    }

    /// Whether its matches are anchored at a month.
    #[must_use]
    pub const fn is_monthly(self) -> bool {
        matches!(self, Self::CalendarMonths(_))
    }

    const fn length(self) -> u16 {
        match self {
            Self::Days(n) | Self::WorkingDays(n) | Self::SchoolWeeks(n) => n,
            Self::CalendarMonths(n) => n as u16,
        }
    }
}

impl Test {
    /// Whether this signal can matter to the test at all: only such signals are witnesses, and only with one does a window end.
    pub(crate) fn asks(&self, holds: &dyn Fn(&Predicate) -> bool) -> bool {
        match self {
            Self::Reaches { of, .. } => holds(of),
            Self::All(tests) | Self::AnyOf(tests) | Self::AtLeast { of: tests, .. } => {
                tests.iter().any(|test| test.asks(holds))
            }
            Self::Sequence(steps) => steps.iter().any(holds),
            Self::Somewhere { test, .. } | Self::Before { test, .. } => test.asks(holds),
        }
    }

    /// The fewest signals with which it can hold.
    pub(crate) fn fewest(&self) -> usize {
        match self {
            Self::Reaches { reach, .. } => usize::from(reach.least().unwrap_or(1)),
            Self::All(tests) => tests.iter().map(Self::fewest).max().unwrap_or(0),
            Self::AnyOf(tests) => tests.iter().map(Self::fewest).min().unwrap_or(0),
            Self::AtLeast { count, of } => {
                let mut each: Vec<usize> = of.iter().map(Self::fewest).collect();
                each.sort_unstable();
                let most = usize::from(*count).saturating_sub(1);
                each.get(most).copied().unwrap_or(usize::MAX)
            }
            Self::Sequence(steps) => steps.len(),
            Self::Somewhere { test, .. } | Self::Before { test, .. } => test.fewest(),
        }
    }

    /// Whether something of it lies before its window.
    pub(crate) fn looks_before(&self) -> bool {
        match self {
            Self::Before { .. } => true,
            Self::Reaches { .. } | Self::Sequence(_) => false,
            Self::All(tests) | Self::AnyOf(tests) | Self::AtLeast { of: tests, .. } => {
                tests.iter().any(Self::looks_before)
            }
            Self::Somewhere { test, .. } => test.looks_before(),
        }
    }

    /// Whether it can only turn true, and never false again, when a signal is added. `never_below_zero` tells of a field whether all numbers in
    /// it are.
    pub(crate) fn only_grows(&self, never_below_zero: &dyn Fn(&FieldName) -> bool) -> bool {
        match self {
            Self::Reaches { reach, .. } => match reach {
                Reach::SumOfLatest(_) | Reach::Latest(_) => false,
                Reach::Sum(Least::Field { name, .. }) => never_below_zero(name),
                _ => true,
            },
            Self::All(tests) | Self::AnyOf(tests) | Self::AtLeast { of: tests, .. } => {
                tests.iter().all(|test| test.only_grows(never_below_zero))
            }
            Self::Sequence(_) => true,
            Self::Somewhere { test, .. } | Self::Before { test, .. } => {
                test.only_grows(never_below_zero)
            }
        }
    }

    fn fault(&self, window: Window) -> Option<&'static str> {
        match self {
            Self::Reaches { reach, .. } => {
                (reach.least() == Some(0)).then_some("expected at least one to reach")
            }
            Self::All(tests) | Self::AnyOf(tests) => {
                several(tests).or_else(|| tests.iter().find_map(|test| test.fault(window)))
            }
            Self::AtLeast { count, of } => several(of)
                .or_else(|| of.iter().find_map(|test| test.fault(window)))
                .or_else(|| {
                    (*count == 0 || of.len() < usize::from(*count))
                        .then_some("expected `count` from one to the number of tests")
                }),
            Self::Sequence(steps) => {
                (steps.len() < 2).then_some("expected a sequence of two steps or more")
            }
            Self::Somewhere {
                window: inner,
                test,
            } => (inner.length() == 0)
                .then_some("expected a window of at least one")
                // What comes before a month that is cut off somewhere would depend on where.
                .or_else(|| test.fault(if window.is_monthly() { *inner } else { window })),
            Self::Before { months, test } => {
                if !window.is_monthly() {
                    return Some("`before` belongs in a window of calendar months");
                }
                (*months == 0)
                    .then_some("expected one month before, or more")
                    .or_else(|| test.fault(window))
            }
        }
    }

    /// Whether it can hold with no signal in its window: only of what was before it.
    fn needs_nothing(&self) -> bool {
        match self {
            Self::Reaches { .. } | Self::Sequence(_) => false,
            Self::All(tests) => tests.iter().all(Self::needs_nothing),
            Self::AnyOf(tests) => tests.iter().any(Self::needs_nothing),
            Self::AtLeast { count, of } => {
                let free = of.iter().filter(|test| test.needs_nothing()).count();
                usize::from(*count) <= free
            }
            Self::Somewhere { test, .. } => test.needs_nothing(),
            Self::Before { .. } => true,
        }
    }
}

fn several(tests: &[Test]) -> Option<&'static str> {
    (tests.len() < 2).then_some("expected two tests or more to put together")
}

impl Condition {
    /// Whether it looks at more than one signal: only then does a ground have to cover a join (I7).
    #[must_use]
    pub const fn joins(&self) -> bool {
        !matches!(self, Self::EachSignal(_))
    }

    /// The fewest signals with which it can be true.
    #[must_use]
    pub fn fewest(&self) -> usize {
        match self {
            Self::EachSignal(_) | Self::SingleInMonth { .. } => 1,
            Self::ConcurrentInMonth { partner_types } => usize::from(*partner_types),
            Self::ConsecutiveMonths { .. } | Self::Risen { .. } => 2,
            Self::Within(within) => within.test.fewest(),
            Self::Absence { after, .. } => match after {
                After::Signal(_) => 1,
                After::Pattern(within) => within.test.fewest(),
            },
        }
    }

    /// Whether a household that matches it matches it for ever, whatever signals are added: with none at the end there never was one.
    #[must_use]
    pub fn only_grows(&self) -> bool {
        match self {
            Self::EachSignal(_)
            | Self::ConcurrentInMonth { .. }
            | Self::ConsecutiveMonths { .. } => true,
            Self::Within(within) => within.test.only_grows(&|_| false),
            Self::SingleInMonth { .. } | Self::Risen { .. } | Self::Absence { .. } => false,
        }
    }

    /// A parameter that can never be, or always is, satisfied: what would have been right.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        match self {
            Self::EachSignal(_) => None,
            Self::SingleInMonth {
                partner_types,
                preceding_months,
            } => (*partner_types < 2 || *preceding_months < 1)
                .then_some("expected two partner types and one month before, or more"),
            Self::ConcurrentInMonth { partner_types } => {
                (*partner_types < 2).then_some("expected two partner types or more")
            }
            Self::ConsecutiveMonths { preceding_months } => {
                (*preceding_months < 1).then_some("expected one month before, or more")
            }
            Self::Within(within) => within.fault(),
            Self::Risen { days, .. } => {
                (*days < 2).then_some("expected two days or more to rise in")
            }
            Self::Absence { after, within, .. } => {
                if matches!(within, Term::WorkingDays(0) | Term::CalendarDays(0)) {
                    return Some("expected a term of at least one day");
                }
                match after {
                    After::Signal(_) => None,
                    After::Pattern(pattern) if pattern.window.is_monthly() => Some(
                        "a month is completed by no one day: expected another window to follow",
                    ),
                    After::Pattern(pattern) => pattern.fault(),
                }
            }
        }
    }
}

impl Within {
    fn fault(&self) -> Option<&'static str> {
        if self.window.length() == 0 {
            return Some("expected a window of at least one");
        }
        if self.window.is_monthly() && self.counting == Counting::Anew {
            return Some("a calendar month does not begin anew halfway");
        }
        if self.window.is_monthly() && !self.per.is_empty() {
            return Some("a calendar month is judged as a whole: expected no `per`");
        }
        self.test.fault(self.window).or_else(|| {
            self.test
                .needs_nothing()
                .then_some("expected something in the window itself besides what was `before` it")
        })
    }
}

impl Reach {
    /// The number to reach, where it is a number of things.
    #[must_use]
    pub const fn least(&self) -> Option<u16> {
        match self {
            Self::Count(n)
            | Self::Kinds(n)
            | Self::Domains(n)
            | Self::Partners(n)
            | Self::PartnerTypes(n)
            | Self::Debtors(n) => Some(*n),
            Self::Sum(_) | Self::SumOfLatest(_) | Self::Latest(_) | Self::Maximum(_) => None,
        }
    }
}

impl Least {
    /// In cents or thousandths.
    #[must_use]
    pub fn raw(&self) -> i64 {
        match self {
            Self::Amount(cents) => i64::from(cents.get()),
            Self::Field { least, .. } => least.thousandths(),
        }
    }
}
