//! The conditions of a rule as they are written: read, and checked against the kinds that the rule looks at.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use voorveld_calendar::{Calendar, Term};
use voorveld_detect::{
    After, Condition, Counting, Decimal, FieldTest, Follows, Least, Predicate, Reach, Same, Test,
    Window, Within,
};
use voorveld_domain::{Cents, FieldName, KindId, PartnerType, SignalDomain};

use crate::catalogue::{FieldShape, SignalCatalogue};
use crate::yaml::{Code, Euros, Parsed};

/// `when:` of a rule.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) enum ConditionFile {
    EachSignal(PredicateFile),
    SingleInMonth {
        partner_types: u8,
        preceding_months: u8,
    },
    ConcurrentInMonth {
        partner_types: u8,
    },
    ConsecutiveMonths {
        preceding_months: u8,
    },
    Within(WithinFile),
    Risen(RisenFile),
    Absence(AbsenceFile),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WithinFile {
    window: WindowFile,
    test: TestFile,
    #[serde(default)]
    counting: CountingFile,
    #[serde(default)]
    per: BTreeSet<SameFile>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CountingFile {
    #[default]
    Runs,
    Anew,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WindowFile {
    Days(u16),
    WorkingDays(u16),
    SchoolWeeks(u16),
    CalendarMonths(u8),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TestFile {
    Count(CountFile),
    Kinds(CountFile),
    Domains(CountFile),
    Partners(CountFile),
    PartnerTypes(CountFile),
    Debtors(CountFile),
    Sum(LeastFile),
    SumOfLatest(LeastFile),
    Latest(LeastFile),
    Maximum(LeastFile),
    All(Vec<TestFile>),
    AnyOf(Vec<TestFile>),
    AtLeast(AtLeastFile),
    Sequence(Vec<PredicateFile>),
    Somewhere(SomewhereFile),
    Before(BeforeFile),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct CountFile {
    at_least: u16,
    #[serde(default)]
    of: PredicateFile,
}

/// `amount: 500`, or `field: hours` with `at_least: 16`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct LeastFile {
    amount: Option<Euros>,
    field: Option<Parsed<FieldName>>,
    at_least: Option<Parsed<Decimal>>,
    #[serde(default)]
    of: PredicateFile,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct AtLeastFile {
    count: u8,
    of: Vec<TestFile>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct SomewhereFile {
    window: WindowFile,
    test: Box<TestFile>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct BeforeFile {
    months: u8,
    test: Box<TestFile>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RisenFile {
    days: u16,
    by: Option<Euros>,
    #[serde(default)]
    of: PredicateFile,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AbsenceFile {
    after: Option<PredicateFile>,
    after_within: Option<WithinFile>,
    without: FollowsFile,
    within: TermFile,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct FollowsFile {
    #[serde(default)]
    of: PredicateFile,
    #[serde(default)]
    same: BTreeSet<SameFile>,
    #[serde(default)]
    lower_amount: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SameFile {
    Partner,
    Kind,
    Debtor,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TermFile {
    WorkingDays(u16),
    CalendarDays(u16),
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) enum PredicateFile {
    #[default]
    Any,
    All(Vec<PredicateFile>),
    AnyOf(Vec<PredicateFile>),
    Not(Box<PredicateFile>),
    Kind(Vec<Parsed<KindId>>),
    Domain(Vec<Parsed<SignalDomain>>),
    PartnerType(Vec<Code<PartnerType>>),
    Crisis,
    WarmHandover,
    SupplyEnd,
    AmountAtLeast(Euros),
    AmountAtLeastTimes {
        times: u8,
        field: Parsed<FieldName>,
    },
    Field {
        name: Parsed<FieldName>,
        test: FieldTestFile,
    },
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FieldTestFile {
    Present,
    Is(bool),
    AtLeast(Parsed<Decimal>),
    Below(Parsed<Decimal>),
    CodeIn(BTreeSet<String>),
}

impl ConditionFile {
    /// Whether it looks at more than one signal: only then does a ground have to cover a join (I7).
    pub(crate) const fn joins(&self) -> bool {
        !matches!(self, Self::EachSignal(_))
    }
}

/// A condition while it is checked: notes faults with the word near which they stand.
pub(crate) struct Conditions<'a> {
    /// The kinds that the rule looks at.
    pub(crate) kinds: &'a BTreeSet<KindId>,
    pub(crate) catalogue: &'a SignalCatalogue,
    pub(crate) calendar: &'a Calendar,
    /// Its profile is off: it needs no school holidays until it is on.
    pub(crate) is_off: bool,
    /// Told near which word, and what was expected.
    pub(crate) fault: &'a mut dyn FnMut(Near<'_>, &dyn fmt::Display),
}

/// Where a fault stands: behind a key, or on a line that holds a word.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Near<'a> {
    Key(&'a str),
    Word(&'a str),
}

impl Conditions<'_> {
    pub(crate) fn condition(&mut self, file: &ConditionFile) -> Condition {
        match file {
            ConditionFile::EachSignal(predicate) => {
                Condition::EachSignal(self.predicate(predicate))
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
            ConditionFile::Within(file) => Condition::Within(self.within(file)),
            ConditionFile::Risen(file) => Condition::Risen {
                of: self.predicate(&file.of),
                days: file.days,
                by: file.by.and_then(|euros| euros.0).unwrap_or_else(one_cent),
            },
            ConditionFile::Absence(file) => Condition::Absence {
                after: match (&file.after, &file.after_within) {
                    (Some(predicate), None) => After::Signal(self.predicate(predicate)),
                    (None, Some(within)) => After::Pattern(self.within(within)),
                    _ => {
                        (self.fault)(
                            Near::Key("absence"),
                            &"expected `after` or `after_within`, one of the two",
                        );
                        After::Signal(Predicate::Any)
                    }
                },
                without: Follows {
                    of: self.predicate(&file.without.of),
                    same: same(&file.without.same),
                    lower_amount: file.without.lower_amount,
                },
                within: match file.within {
                    TermFile::WorkingDays(days) => Term::WorkingDays(days),
                    TermFile::CalendarDays(days) => Term::CalendarDays(days),
                },
            },
        }
    }

    fn within(&mut self, file: &WithinFile) -> Within {
        Within {
            window: self.window(file.window),
            test: self.test(&file.test),
            counting: match file.counting {
                CountingFile::Runs => Counting::Runs,
                CountingFile::Anew => Counting::Anew,
            },
            per: same(&file.per),
        }
    }

    fn window(&mut self, file: WindowFile) -> Window {
        match file {
            WindowFile::Days(days) => Window::Days(days),
            WindowFile::WorkingDays(days) => Window::WorkingDays(days),
            WindowFile::SchoolWeeks(weeks) => {
                if !self.is_off && !self.calendar.has_school_weeks() {
                    (self.fault)(
                        Near::Key("school_weeks"),
                        &"expected the school holidays of a region in calendar.yaml",
                    );
                }
                Window::SchoolWeeks(weeks)
            }
            WindowFile::CalendarMonths(months) => Window::CalendarMonths(months),
        }
    }

    fn test(&mut self, file: &TestFile) -> Test {
        match file {
            TestFile::Count(file) => self.counted(file, Reach::Count),
            TestFile::Kinds(file) => self.counted(file, Reach::Kinds),
            TestFile::Domains(file) => self.counted(file, Reach::Domains),
            TestFile::Partners(file) => self.counted(file, Reach::Partners),
            TestFile::PartnerTypes(file) => self.counted(file, Reach::PartnerTypes),
            TestFile::Debtors(file) => self.counted(file, Reach::Debtors),
            TestFile::Sum(file) => self.measured("sum", file, Reach::Sum),
            TestFile::SumOfLatest(file) => self.measured("sum_of_latest", file, Reach::SumOfLatest),
            TestFile::Latest(file) => self.measured("latest", file, Reach::Latest),
            TestFile::Maximum(file) => self.measured("maximum", file, Reach::Maximum),
            TestFile::All(tests) => Test::All(self.tests(tests)),
            TestFile::AnyOf(tests) => Test::AnyOf(self.tests(tests)),
            TestFile::AtLeast(file) => Test::AtLeast {
                count: file.count,
                of: self.tests(&file.of),
            },
            TestFile::Sequence(steps) => Test::Sequence(
                steps
                    .iter()
                    .map(|predicate| self.predicate(predicate))
                    .collect(),
            ),
            TestFile::Somewhere(file) => Test::Somewhere {
                window: self.window(file.window),
                test: Box::new(self.test(&file.test)),
            },
            TestFile::Before(file) => Test::Before {
                months: file.months,
                test: Box::new(self.test(&file.test)),
            },
        }
    }

    fn tests(&mut self, files: &[TestFile]) -> Vec<Test> {
        files.iter().map(|file| self.test(file)).collect()
    }

    fn counted(&mut self, file: &CountFile, reach: impl Fn(u16) -> Reach) -> Test {
        Test::Reaches {
            of: self.predicate(&file.of),
            reach: reach(file.at_least),
        }
    }

    fn measured(&mut self, key: &str, file: &LeastFile, reach: impl Fn(Least) -> Reach) -> Test {
        let least = match (file.amount, &file.field, &file.at_least) {
            (Some(Euros(Some(cents))), None, None) => Least::Amount(cents),
            (None, Some(Parsed(name)), Some(Parsed(least))) => {
                let is_number = self
                    .shapes_of(name)
                    .iter()
                    .any(|shape| matches!(shape, FieldShape::Number { .. }));
                if !is_number {
                    (self.fault)(
                        Near::Word(name.as_str()),
                        &format_args!("no kind this rule looks at has a number `{name}`"),
                    );
                }
                Least::Field {
                    name: name.clone(),
                    least: *least,
                }
            }
            _ => {
                (self.fault)(
                    Near::Key(key),
                    &"expected `amount` above zero, or `field` and `at_least`",
                );
                Least::Amount(one_cent())
            }
        };
        Test::Reaches {
            of: self.predicate(&file.of),
            reach: reach(least),
        }
    }

    fn predicate(&mut self, file: &PredicateFile) -> Predicate {
        match file {
            PredicateFile::Any => Predicate::Any,
            PredicateFile::All(parts) => Predicate::All(self.predicates(parts, "all")),
            PredicateFile::AnyOf(parts) => Predicate::AnyOf(self.predicates(parts, "any_of")),
            PredicateFile::Not(part) => Predicate::Not(Box::new(self.predicate(part))),
            PredicateFile::Kind(named) => {
                for Parsed(kind) in named {
                    if !self.kinds.contains(kind) {
                        (self.fault)(
                            Near::Word(kind.as_str()),
                            &format_args!("`{kind}` is not among the kinds this rule looks at"),
                        );
                    }
                }
                Predicate::Kind(named.iter().map(|kind| kind.0.clone()).collect())
            }
            PredicateFile::Domain(named) => {
                Predicate::Domain(named.iter().map(|domain| domain.0.clone()).collect())
            }
            PredicateFile::PartnerType(named) => {
                Predicate::PartnerType(named.iter().map(|code| code.0).collect())
            }
            PredicateFile::Crisis => Predicate::Crisis,
            PredicateFile::WarmHandover => Predicate::WarmHandover,
            PredicateFile::SupplyEnd => Predicate::SupplyEnd,
            PredicateFile::AmountAtLeast(Euros(Some(cents))) => Predicate::AmountAtLeast(*cents),
            PredicateFile::AmountAtLeast(Euros(None)) => {
                (self.fault)(
                    Near::Key("amount_at_least"),
                    &"expected an amount above zero",
                );
                Predicate::Any
            }
            PredicateFile::AmountAtLeastTimes { times, field } => {
                let is_number = self
                    .shapes_of(&field.0)
                    .iter()
                    .any(|shape| matches!(shape, FieldShape::Number { .. }));
                if !is_number || *times == 0 {
                    (self.fault)(
                        Near::Key("amount_at_least_times"),
                        &format_args!(
                            "expected `times` above zero and `{}` to be a number of a kind this rule looks at",
                            field.0
                        ),
                    );
                }
                Predicate::AmountAtLeastTimes {
                    times: *times,
                    field: field.0.clone(),
                }
            }
            PredicateFile::Field { name, test } => self.field(&name.0, test),
        }
    }

    fn predicates(&mut self, parts: &[PredicateFile], key: &str) -> Vec<Predicate> {
        if parts.is_empty() {
            (self.fault)(
                Near::Key(key),
                &format_args!("expected something under `{key}`"),
            );
        }
        parts.iter().map(|part| self.predicate(part)).collect()
    }

    fn field(&mut self, name: &FieldName, test: &FieldTestFile) -> Predicate {
        let fits = |shape: &FieldShape| match (test, shape) {
            (FieldTestFile::Present, _)
            | (FieldTestFile::Is(_), FieldShape::Boolean)
            | (FieldTestFile::AtLeast(_) | FieldTestFile::Below(_), FieldShape::Number { .. }) => {
                true
            }
            (FieldTestFile::CodeIn(codes), FieldShape::Code(known)) => codes
                .iter()
                .all(|code| known.iter().any(|entry| entry.code == *code)),
            _ => false,
        };
        if !self.shapes_of(name).iter().any(fits) {
            (self.fault)(
                Near::Word(name.as_str()),
                &format_args!(
                    "no kind this rule looks at has a field `{name}` that this test fits"
                ),
            );
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

    fn shapes_of(&self, name: &FieldName) -> Vec<FieldShape> {
        self.kinds
            .iter()
            .filter_map(|kind| self.catalogue.get(kind))
            .filter_map(|kind| kind.field(name.as_str()))
            .map(|field| field.shape.clone())
            .collect()
    }
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

/// The least by which an amount can rise.
fn one_cent() -> Cents {
    Cents::try_from(1).expect("one cent is an amount")
}
