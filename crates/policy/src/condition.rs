//! The conditions of a rule as they are written: read, and checked against the kinds that the rule looks at.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use voorveld_calendar::{Calendar, Term};
use voorveld_detect::{
    After, Condition, Counting, Decimal, FieldTest, Follows, Least, Predicate, Reach, Same, Test,
    Window, Within,
};
use voorveld_domain::{Cents, FieldName, KindId, PartnerType, SignalDomain};

use crate::catalogue::{FieldShape, SignalCatalogue};
use crate::schema::above_zero;
use crate::tree::Path;
use crate::words::{listed, nearest};
use crate::yaml::{Code, Euros, Parsed};

/// When a rule is true of a household: exactly one of these.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
#[schemars(rename = "condition")]
pub(crate) enum ConditionFile {
    /// Of each signal by itself that answers yes to the question. No other signal is looked at.
    EachSignal(PredicateFile),
    /// *Enkelvoudig*: a calendar month with signals of fewer than `partner_types` types of partner, and none in the months before it.
    SingleInMonth {
        /// From how many types of partner a month is *meervoudig*: 2 by the official definition.
        #[schemars(range(min = 2))]
        partner_types: u8,
        /// How many calendar months before it must be without a signal: 6 by the official definition.
        #[schemars(range(min = 1))]
        preceding_months: u8,
    },
    /// *Meervoudig*: a calendar month with signals of at least `partner_types` types of partner.
    ConcurrentInMonth {
        /// How many types of partner: 2 by the official definition.
        #[schemars(range(min = 2))]
        partner_types: u8,
    },
    /// *Opeenvolgend*: a calendar month with a signal, and one of any partner in the months before it.
    ConsecutiveMonths {
        /// How many calendar months before it are looked at: 6 by the official definition.
        #[schemars(range(min = 1))]
        preceding_months: u8,
    },
    /// What the signals within a window come to together.
    Within(WithinFile),
    /// An amount above the one before it of the same partner, kind and resident.
    Risen(RisenFile),
    /// Something that should have followed and did not, concluded only when the feeds it should have come by are complete.
    Absence(AbsenceFile),
}

/// What the signals within a window come to together.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "within")]
pub(crate) struct WithinFile {
    /// Which days are looked at together.
    window: WindowFile,
    /// What their signals must come to.
    test: TestFile,
    /// What becomes of windows that overlap: `runs` when it is not said.
    #[serde(default)]
    counting: CountingFile,
    /// Each of these is judged apart: only what the signals of one partner, kind or resident come to. Not with `calendar_months`.
    #[serde(default)]
    per: BTreeSet<SameFile>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "counting")]
enum CountingFile {
    /// Overlapping windows in which the test holds are one match.
    #[default]
    Runs,
    /// The count begins again on the day after the window in which the test held first: a signal counts once.
    Anew,
}

/// Which days are looked at together: so many of these, ending with the day of a signal. Dates exactly so many days apart are not within them.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "window")]
enum WindowFile {
    /// So many days, ending with the day of a signal.
    Days(#[schemars(range(min = 1))] u16),
    /// So many working days (*werkdagen*), ending with the day of a signal.
    WorkingDays(#[schemars(range(min = 1))] u16),
    /// So many school weeks (*lesweken*) of the region in calendar.yaml, ending with the day of a signal; holidays do not count.
    SchoolWeeks(#[schemars(range(min = 1))] u16),
    /// So many calendar months, the month of a signal being the last.
    CalendarMonths(#[schemars(range(min = 1))] u8),
}

/// What the signals within a window must come to: exactly one of these.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "test")]
enum TestFile {
    /// At least so many signals.
    Count(CountFile),
    /// Signals of at least so many kinds.
    Kinds(CountFile),
    /// Signals of at least so many domains.
    Domains(CountFile),
    /// Signals of at least so many partners (organisations).
    Partners(CountFile),
    /// Signals of at least so many types of partner, counted as *meervoudig* counts them.
    PartnerTypes(CountFile),
    /// Signals about at least so many residents; one who is unknown counts as nobody.
    Debtors(CountFile),
    /// All amounts together. Arrears are a stock: a partner that reports the same debt each month adds it each month. Mostly `sum_of_latest` is
    /// what is meant.
    Sum(LeastFile),
    /// The last amount of each partner, kind and resident together: what is owed now.
    SumOfLatest(LeastFile),
    /// The last amount by event date; signals without one are passed over.
    Latest(LeastFile),
    /// The highest amount.
    Maximum(LeastFile),
    /// All of these tests hold.
    All(#[schemars(length(min = 2))] Vec<TestFile>),
    /// At least one of these tests holds.
    AnyOf(#[schemars(length(min = 2))] Vec<TestFile>),
    /// At least so many of these tests hold.
    AtLeast(AtLeastFile),
    /// A signal of each of these, one after the other: each on the same day as the one before it or later.
    Sequence(#[schemars(length(min = 2))] Vec<PredicateFile>),
    /// The test holds in a shorter window somewhere in this one.
    Somewhere(SomewhereFile),
    /// The test holds in the calendar months before the window. Only in a window of calendar months.
    Before(BeforeFile),
}

/// At least so many.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "count")]
struct CountFile {
    /// How many.
    #[schemars(range(min = 1))]
    at_least: u16,
    /// Among which signals: all the rule looks at when it is not said.
    #[serde(default)]
    of: PredicateFile,
}

/// At least so much: `amount: 500`, or `field: hours` with `at_least: 16`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "measure")]
struct LeastFile {
    /// How many euros of arrears.
    #[serde(default)]
    #[schemars(schema_with = "above_zero")]
    amount: Option<Euros>,
    /// Instead of the arrears: a number that the kind carries.
    field: Option<Parsed<FieldName>>,
    /// How much of that field, in its own unit.
    at_least: Option<Parsed<Decimal>>,
    /// Among which signals: all the rule looks at when it is not said.
    #[serde(default)]
    of: PredicateFile,
}

/// At least so many of these tests hold.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "at_least")]
struct AtLeastFile {
    /// How many of them.
    #[schemars(range(min = 1))]
    count: u8,
    /// Of which tests.
    #[schemars(length(min = 2))]
    of: Vec<TestFile>,
}

/// The test holds in a shorter window somewhere in this one.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "somewhere")]
struct SomewhereFile {
    /// The shorter window.
    window: WindowFile,
    /// What must hold there.
    test: Box<TestFile>,
}

/// The test holds in the calendar months before the window.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "before")]
struct BeforeFile {
    /// How many calendar months.
    #[schemars(range(min = 1))]
    months: u8,
    /// What must hold there.
    test: Box<TestFile>,
}

/// An amount above the one before it of the same partner, kind and resident.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "risen")]
pub(crate) struct RisenFile {
    /// Within how many days the one before it lies.
    #[schemars(range(min = 2))]
    days: u16,
    /// By at least how many euros: one cent when it is not said.
    #[serde(default)]
    #[schemars(schema_with = "above_zero")]
    by: Option<Euros>,
    /// Which signals are looked at: all the rule looks at when it is not said.
    #[serde(default)]
    of: PredicateFile,
}

/// Something that should have followed and did not.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "absence")]
pub(crate) struct AbsenceFile {
    /// After each such signal something should follow. Either this or `after_within`.
    after: Option<PredicateFile>,
    /// After such a pattern something should follow: after the signal that completes it.
    after_within: Option<WithinFile>,
    /// What should follow.
    without: FollowsFile,
    /// Within which term, from the event date of the signal; exactly at its end is too late.
    within: TermFile,
}

/// What should follow; `{}` is any signal the rule looks at.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "follows")]
struct FollowsFile {
    /// Such a signal: any the rule looks at when it is not said.
    #[serde(default)]
    of: PredicateFile,
    /// Only one that has these in common with the signal before it.
    #[serde(default)]
    same: BTreeSet<SameFile>,
    /// Only one with a lower amount: the resident is paying off.
    #[serde(default)]
    lower_amount: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "same")]
enum SameFile {
    /// The same organisation.
    Partner,
    /// The same kind of signal.
    Kind,
    /// The same resident: unknown equals only unknown.
    Debtor,
}

/// A term that begins with the event date of a signal.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "term")]
enum TermFile {
    /// So many working days.
    WorkingDays(#[schemars(range(min = 1))] u16),
    /// So many days.
    CalendarDays(#[schemars(range(min = 1))] u16),
}

/// A question to one signal, answered with yes or no.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
#[schemars(rename = "question")]
pub(crate) enum PredicateFile {
    /// Always yes.
    #[default]
    Any,
    /// All of these answer yes.
    All(#[schemars(length(min = 1))] Vec<PredicateFile>),
    /// At least one of these answers yes.
    AnyOf(#[schemars(length(min = 1))] Vec<PredicateFile>),
    /// This answers no.
    Not(Box<PredicateFile>),
    /// It is one of these kinds of signals.yaml.
    Kind(#[schemars(length(min = 1))] Vec<Parsed<KindId>>),
    /// It is of one of these domains of signals.yaml.
    Domain(#[schemars(length(min = 1))] Vec<Parsed<SignalDomain>>),
    /// Its partner is of one of these types.
    PartnerType(#[schemars(length(min = 1))] Vec<Code<PartnerType>>),
    /// It is a crisis: the partner says so, supply ends, or its kind is a crisis in signals.yaml.
    Crisis,
    /// The partner hands over in person (*warme overdracht*).
    WarmHandover,
    /// It says when supply ends (*einde levering*).
    SupplyEnd,
    /// It tells an amount of at least so many euros; without an amount no.
    AmountAtLeast(#[schemars(schema_with = "above_zero")] Euros),
    /// It tells an amount of at least so many times a field in euros, such as two months' rent; without either no.
    AmountAtLeastTimes {
        /// How many times.
        #[schemars(range(min = 1))]
        times: u8,
        /// Which number of the kind.
        field: Parsed<FieldName>,
    },
    /// One of its own fields answers; a field that is not there answers no.
    Field {
        /// Which field of the kind.
        name: Parsed<FieldName>,
        /// The question to it.
        test: FieldTestFile,
    },
}

/// A question to one field of a signal.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "field_test")]
pub(crate) enum FieldTestFile {
    /// It is there, whatever it holds.
    Present,
    /// It is yes (`true`) or no (`false`).
    Is(bool),
    /// It is a number of at least this.
    AtLeast(Parsed<Decimal>),
    /// It is a number below this.
    Below(Parsed<Decimal>),
    /// It is one of these codes.
    CodeIn(#[schemars(length(min = 1))] BTreeSet<String>),
}

impl ConditionFile {
    /// Whether it looks at more than one signal: only then does a ground have to cover a join (I7).
    pub(crate) const fn joins(&self) -> bool {
        !matches!(self, Self::EachSignal(_))
    }

    /// Whether it is *enkelvoudig*, the one thing that a threshold mutes (K5).
    pub(crate) const fn is_single(&self) -> bool {
        matches!(self, Self::SingleInMonth { .. })
    }
}

/// A condition while it is checked: knows where in the file it is, and notes faults at that place.
pub(crate) struct Conditions<'a> {
    /// The kinds that the rule looks at.
    pub(crate) kinds: &'a BTreeSet<KindId>,
    pub(crate) catalogue: &'a SignalCatalogue,
    pub(crate) calendar: &'a Calendar,
    /// Its profile is off: it needs no school holidays until it is on.
    pub(crate) is_off: bool,
    /// The way to what is looked at now.
    pub(crate) path: Path,
    /// Told where, and what was expected.
    pub(crate) fault: &'a mut dyn FnMut(&[String], &dyn fmt::Display),
}

impl Conditions<'_> {
    fn under<T>(&mut self, step: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step.to_owned());
        let value = read(self);
        self.path.pop();
        value
    }

    fn fault(&mut self, message: &dyn fmt::Display) {
        (self.fault)(&self.path, message);
    }

    pub(crate) fn condition(&mut self, file: &ConditionFile) -> Condition {
        match file {
            ConditionFile::EachSignal(predicate) => {
                Condition::EachSignal(self.under("each_signal", |this| this.predicate(predicate)))
            }
            ConditionFile::SingleInMonth {
                partner_types,
                preceding_months,
            } => Condition::SingleInMonth {
                partner_types: *partner_types,
                preceding_months: *preceding_months,
            },
            ConditionFile::ConcurrentInMonth { partner_types } => Condition::ConcurrentInMonth {
                partner_types: *partner_types,
            },
            ConditionFile::ConsecutiveMonths { preceding_months } => Condition::ConsecutiveMonths {
                preceding_months: *preceding_months,
            },
            ConditionFile::Within(file) => {
                Condition::Within(self.under("within", |this| this.within(file)))
            }
            ConditionFile::Risen(file) => Condition::Risen {
                of: self.under("risen", |this| this.of(&file.of)),
                days: file.days,
                by: file.by.and_then(|euros| euros.0).unwrap_or_else(one_cent),
            },
            ConditionFile::Absence(file) => self.under("absence", |this| this.absence(file)),
        }
    }

    fn within(&mut self, file: &WithinFile) -> Within {
        let window = self.window(file.window);
        let counting = match file.counting {
            CountingFile::Runs => Counting::Runs,
            CountingFile::Anew => Counting::Anew,
        };
        if window.is_monthly() && counting == Counting::Anew {
            self.under("counting", |this| {
                this.fault(&"a calendar month does not begin anew halfway: expected `runs`");
            });
        }
        if window.is_monthly() && !file.per.is_empty() {
            self.under("per", |this| {
                this.fault(&"a calendar month is judged as a whole: expected no `per`");
            });
        }
        let test = self.under("test", |this| {
            if needs_nothing(&file.test) {
                this.fault(&"expected something in the window itself besides what was `before` it");
            }
            this.test(&file.test, window)
        });
        Within {
            window,
            test,
            counting,
            per: same(&file.per),
        }
    }

    fn absence(&mut self, file: &AbsenceFile) -> Condition {
        let after = match (&file.after, &file.after_within) {
            (Some(predicate), None) => {
                After::Signal(self.under("after", |this| this.predicate(predicate)))
            }
            (None, Some(within)) => After::Pattern(self.under("after_within", |this| {
                let within = this.within(within);
                if within.window.is_monthly() {
                    this.under("window", |this| {
                        this.fault(&"a month is completed by no one day: expected another window to follow");
                    });
                }
                within
            })),
            _ => {
                self.fault(&"expected `after` or `after_within`, one of the two");
                After::Signal(Predicate::Any)
            }
        };
        Condition::Absence {
            after,
            without: Follows {
                of: self.under("without", |this| this.of(&file.without.of)),
                same: same(&file.without.same),
                lower_amount: file.without.lower_amount,
            },
            within: match file.within {
                TermFile::WorkingDays(days) => Term::WorkingDays(days),
                TermFile::CalendarDays(days) => Term::CalendarDays(days),
            },
        }
    }

    fn of(&mut self, file: &PredicateFile) -> Predicate {
        self.under("of", |this| this.predicate(file))
    }

    fn window(&mut self, file: WindowFile) -> Window {
        match file {
            WindowFile::Days(days) => Window::Days(days),
            WindowFile::WorkingDays(days) => Window::WorkingDays(days),
            WindowFile::SchoolWeeks(weeks) => {
                if !self.is_off && !self.calendar.has_school_weeks() {
                    self.path
                        .extend(["window", "school_weeks"].map(str::to_owned));
                    self.fault(&"expected the school holidays of a region in calendar.yaml");
                    self.path.truncate(self.path.len() - 2);
                }
                Window::SchoolWeeks(weeks)
            }
            WindowFile::CalendarMonths(months) => Window::CalendarMonths(months),
        }
    }

    /// A test within a window.
    fn test(&mut self, file: &TestFile, window: Window) -> Test {
        match file {
            TestFile::Count(file) => self.counted("count", file, Reach::Count),
            TestFile::Kinds(file) => self.counted("kinds", file, Reach::Kinds),
            TestFile::Domains(file) => self.counted("domains", file, Reach::Domains),
            TestFile::Partners(file) => self.counted("partners", file, Reach::Partners),
            TestFile::PartnerTypes(file) => {
                self.counted("partner_types", file, Reach::PartnerTypes)
            }
            TestFile::Debtors(file) => self.counted("debtors", file, Reach::Debtors),
            TestFile::Sum(file) => self.measured("sum", file, Reach::Sum),
            TestFile::SumOfLatest(file) => self.measured("sum_of_latest", file, Reach::SumOfLatest),
            TestFile::Latest(file) => self.measured("latest", file, Reach::Latest),
            TestFile::Maximum(file) => self.measured("maximum", file, Reach::Maximum),
            TestFile::All(tests) => Test::All(self.under("all", |this| this.tests(tests, window))),
            TestFile::AnyOf(tests) => {
                Test::AnyOf(self.under("any_of", |this| this.tests(tests, window)))
            }
            TestFile::AtLeast(file) => self.under("at_least", |this| {
                if file.of.len() < usize::from(file.count) {
                    this.under("count", |this| {
                        this.fault(&format_args!(
                            "expected a whole number from 1 to {}, the number of tests, found `{}`",
                            file.of.len(),
                            file.count
                        ));
                    });
                }
                Test::AtLeast {
                    count: file.count,
                    of: this.under("of", |this| this.tests(&file.of, window)),
                }
            }),
            TestFile::Sequence(steps) => {
                Test::Sequence(self.under("sequence", |this| this.each(steps)))
            }
            TestFile::Somewhere(file) => self.under("somewhere", |this| {
                let inner = this.window(file.window);
                // What comes before a month that is cut off somewhere would depend on where.
                let within = if window.is_monthly() { inner } else { window };
                Test::Somewhere {
                    window: inner,
                    test: Box::new(this.under("test", |this| this.test(&file.test, within))),
                }
            }),
            TestFile::Before(file) => self.under("before", |this| {
                if !window.is_monthly() {
                    this.fault(&"`before` belongs in a window of `calendar_months`");
                }
                Test::Before {
                    months: file.months,
                    test: Box::new(this.under("test", |this| this.test(&file.test, window))),
                }
            }),
        }
    }

    fn tests(&mut self, files: &[TestFile], window: Window) -> Vec<Test> {
        files
            .iter()
            .enumerate()
            .map(|(index, file)| self.under(&index.to_string(), |this| this.test(file, window)))
            .collect()
    }

    fn counted(&mut self, key: &str, file: &CountFile, reach: impl Fn(u16) -> Reach) -> Test {
        Test::Reaches {
            of: self.under(key, |this| this.of(&file.of)),
            reach: reach(file.at_least),
        }
    }

    fn measured(&mut self, key: &str, file: &LeastFile, reach: impl Fn(Least) -> Reach) -> Test {
        self.under(key, |this| Test::Reaches {
            of: this.of(&file.of),
            reach: reach(this.least(file)),
        })
    }

    fn least(&mut self, file: &LeastFile) -> Least {
        match (file.amount, &file.field, &file.at_least) {
            (Some(Euros(Some(cents))), None, None) => Least::Amount(cents),
            (None, Some(Parsed(name)), Some(Parsed(least))) => {
                self.under("field", |this| this.is_number(name));
                Least::Field {
                    name: name.clone(),
                    least: *least,
                }
            }
            _ => {
                self.fault(&"expected either `amount`, or `field` and `at_least`");
                Least::Amount(one_cent())
            }
        }
    }

    fn predicate(&mut self, file: &PredicateFile) -> Predicate {
        match file {
            PredicateFile::Any => Predicate::Any,
            PredicateFile::All(parts) => Predicate::All(self.under("all", |this| this.each(parts))),
            PredicateFile::AnyOf(parts) => {
                Predicate::AnyOf(self.under("any_of", |this| this.each(parts)))
            }
            PredicateFile::Not(part) => {
                Predicate::Not(Box::new(self.under("not", |this| this.predicate(part))))
            }
            PredicateFile::Kind(named) => self.under("kind", |this| this.kind(named)),
            PredicateFile::Domain(named) => self.under("domain", |this| this.domain(named)),
            PredicateFile::PartnerType(named) => {
                Predicate::PartnerType(named.iter().map(|code| code.0).collect())
            }
            PredicateFile::Crisis => Predicate::Crisis,
            PredicateFile::WarmHandover => Predicate::WarmHandover,
            PredicateFile::SupplyEnd => Predicate::SupplyEnd,
            PredicateFile::AmountAtLeast(Euros(cents)) => {
                Predicate::AmountAtLeast(cents.unwrap_or_else(one_cent))
            }
            PredicateFile::AmountAtLeastTimes { times, field } => {
                self.under("amount_at_least_times", |this| {
                    this.under("field", |this| this.is_number(&field.0));
                });
                Predicate::AmountAtLeastTimes {
                    times: *times,
                    field: field.0.clone(),
                }
            }
            PredicateFile::Field { name, test } => {
                self.under("field", |this| this.field(&name.0, test))
            }
        }
    }

    fn each(&mut self, parts: &[PredicateFile]) -> Vec<Predicate> {
        parts
            .iter()
            .enumerate()
            .map(|(index, part)| self.under(&index.to_string(), |this| this.predicate(part)))
            .collect()
    }

    fn kind(&mut self, named: &[Parsed<KindId>]) -> Predicate {
        for (index, Parsed(kind)) in named.iter().enumerate() {
            if !self.kinds.contains(kind) {
                let known = self.kinds;
                let meant = nearest(kind.as_str(), known.iter().map(KindId::as_str));
                self.under(&index.to_string(), |this| {
                    this.fault(&format_args!(
                        "`{kind}` is not among the kinds this rule looks at{meant}"
                    ));
                });
            }
        }
        Predicate::Kind(named.iter().map(|kind| kind.0.clone()).collect())
    }

    fn domain(&mut self, named: &[Parsed<SignalDomain>]) -> Predicate {
        let catalogue = self.catalogue;
        let of_kinds = self.kinds.iter().filter_map(|kind| catalogue.get(kind));
        let known: BTreeSet<&str> = of_kinds.map(|kind| kind.domain.as_str()).collect();
        for (index, Parsed(domain)) in named.iter().enumerate() {
            if !known.contains(domain.as_str()) {
                let meant = nearest(domain.as_str(), known.iter().copied());
                self.under(&index.to_string(), |this| {
                    this.fault(&format_args!(
                        "no kind this rule looks at is of domain `{domain}`{meant}"
                    ));
                });
            }
        }
        Predicate::Domain(named.iter().map(|domain| domain.0.clone()).collect())
    }

    fn is_number(&mut self, name: &FieldName) {
        let shapes = self.shapes_of(name);
        let is_number = |shape: &&FieldShape| matches!(shape, FieldShape::Number { .. });
        if !shapes.iter().any(is_number) {
            let meant = self.field_meant(name, |shape| is_number(&shape));
            self.fault(&format_args!(
                "no kind this rule looks at has a number `{name}`{meant}"
            ));
        }
    }

    fn field(&mut self, name: &FieldName, test: &FieldTestFile) -> Predicate {
        let shapes = self.shapes_of(name);
        if shapes.is_empty() {
            let meant = self.field_meant(name, |_| true);
            self.under("name", |this| {
                this.fault(&format_args!(
                    "no kind this rule looks at has a field `{name}`{meant}"
                ));
            });
        } else if let Some(expected) = unfit(&shapes, test) {
            self.under("test", |this| {
                this.fault(&format_args!("field `{name}`: {expected}"));
            });
        }
        Predicate::Field {
            name: name.clone(),
            test: match test {
                FieldTestFile::Present => FieldTest::Present,
                FieldTestFile::Is(yes) => FieldTest::Is(*yes),
                FieldTestFile::AtLeast(Parsed(number)) => FieldTest::AtLeast(*number),
                FieldTestFile::Below(Parsed(number)) => FieldTest::Below(*number),
                FieldTestFile::CodeIn(codes) => {
                    FieldTest::CodeIn(codes.iter().map(|code| code.as_str().into()).collect())
                }
            },
        }
    }

    /// What the field with this name holds, in each kind that has it.
    fn shapes_of(&self, name: &FieldName) -> Vec<&FieldShape> {
        let catalogue = self.catalogue;
        self.kinds
            .iter()
            .filter_map(|kind| catalogue.get(kind)?.field(name.as_str()))
            .map(|field| &field.shape)
            .collect()
    }

    /// The name of a fitting field of these kinds that was probably meant.
    fn field_meant(&self, name: &FieldName, fits: impl Fn(&FieldShape) -> bool) -> String {
        let catalogue = self.catalogue;
        let of_kinds = self.kinds.iter().filter_map(|kind| catalogue.get(kind));
        let fields = of_kinds
            .flat_map(|kind| &kind.fields)
            .filter(|field| fits(&field.shape))
            .map(|field| field.name.as_str());
        let known: BTreeSet<&str> = fields.collect();
        nearest(name.as_str(), known).to_string()
    }
}

/// Why a test fits none of what a field holds: what would.
fn unfit(shapes: &[&FieldShape], test: &FieldTestFile) -> Option<String> {
    let fits = |shape: &&FieldShape| match (test, shape) {
        (FieldTestFile::Present, _)
        | (FieldTestFile::Is(_), FieldShape::Boolean)
        | (FieldTestFile::AtLeast(_) | FieldTestFile::Below(_), FieldShape::Number { .. }) => true,
        (FieldTestFile::CodeIn(codes), FieldShape::Code(known)) => codes
            .iter()
            .all(|code| known.iter().any(|entry| entry.code == *code)),
        _ => false,
    };
    if shapes.iter().any(fits) {
        return None;
    }
    let expected = match (shapes[0], test) {
        (FieldShape::Code(known), FieldTestFile::CodeIn(codes)) => {
            let known: Vec<&str> = known.iter().map(|entry| entry.code.as_str()).collect();
            let unknown = codes
                .iter()
                .find(|code| !known.contains(&code.as_str()))
                .map_or("", String::as_str);
            format!(
                "unknown code `{unknown}`, expected {}{}",
                listed(known.iter().copied()),
                nearest(unknown, known.iter().copied())
            )
        }
        (FieldShape::Number { .. }, _) => {
            "it is a number, expected `at_least`, `below` or `present`".to_owned()
        }
        (FieldShape::Date, _) => "it is a date, expected `present`".to_owned(),
        (FieldShape::Boolean, _) => "it is yes or no, expected `is` or `present`".to_owned(),
        (FieldShape::Code(_), _) => "it is a code, expected `code_in` or `present`".to_owned(),
    };
    Some(expected)
}

fn same(files: &BTreeSet<SameFile>) -> BTreeSet<Same> {
    files
        .iter()
        .map(|same| match same {
            SameFile::Partner => Same::Partner,
            SameFile::Kind => Same::Kind,
            SameFile::Debtor => Same::Debtor,
        })
        .collect()
}

/// Whether a test can hold with no signal in its window: only of what was before it.
fn needs_nothing(test: &TestFile) -> bool {
    match test {
        TestFile::All(tests) => tests.iter().all(needs_nothing),
        TestFile::AnyOf(tests) => tests.iter().any(needs_nothing),
        TestFile::AtLeast(file) => {
            let free = file.of.iter().filter(|test| needs_nothing(test)).count();
            usize::from(file.count) <= free
        }
        TestFile::Somewhere(file) => needs_nothing(&file.test),
        TestFile::Before(_) => true,
        _ => false,
    }
}

/// The least by which an amount can rise.
fn one_cent() -> Cents {
    Cents::try_from(1).expect("one cent is an amount")
}
