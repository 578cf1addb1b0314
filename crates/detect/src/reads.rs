//! Which fields of signals rules read: whoever keeps signals for judging need keep no other.

use std::collections::BTreeSet;

use voorveld_domain::FieldName;

use crate::condition::{After, Condition, Least, Predicate, Reach, Test, Within};
use crate::rule::RuleSet;

impl RuleSet {
    /// The fields that any rule asks for or measures. A signal without the others is judged alike.
    #[must_use]
    pub fn fields_read(&self) -> BTreeSet<FieldName> {
        let mut fields = BTreeSet::new();
        for rule in self.rules() {
            rule.condition.reads(&mut fields);
        }
        fields
    }
}

impl Condition {
    fn reads(&self, fields: &mut BTreeSet<FieldName>) {
        match self {
            Self::EachSignal(of) | Self::Risen { of, .. } => of.reads(fields),
            Self::SingleInMonth { .. }
            | Self::ConcurrentInMonth { .. }
            | Self::ConsecutiveMonths { .. } => {}
            Self::Within(within) => within.reads(fields),
            Self::Absence { after, without, .. } => {
                match after {
                    After::Signal(of) => of.reads(fields),
                    After::Pattern(within) => within.reads(fields),
                }
                without.of.reads(fields);
            }
        }
    }
}

impl Within {
    fn reads(&self, fields: &mut BTreeSet<FieldName>) {
        self.test.reads(fields);
    }
}

impl Test {
    fn reads(&self, fields: &mut BTreeSet<FieldName>) {
        match self {
            Self::Reaches { of, reach } => {
                of.reads(fields);
                fields.extend(reach.field().cloned());
            }
            Self::All(tests) | Self::AnyOf(tests) | Self::AtLeast { of: tests, .. } => {
                for test in tests {
                    test.reads(fields);
                }
            }
            Self::Sequence(steps) => {
                for step in steps {
                    step.reads(fields);
                }
            }
            Self::Somewhere { test, .. } | Self::Before { test, .. } => test.reads(fields),
        }
    }
}

impl Reach {
    const fn field(&self) -> Option<&FieldName> {
        match self {
            Self::Sum(least)
            | Self::SumOfLatest(least)
            | Self::Latest(least)
            | Self::Maximum(least) => match least {
                Least::Field { name, .. } => Some(name),
                Least::Amount(_) => None,
            },
            Self::Count(_)
            | Self::Kinds(_)
            | Self::Domains(_)
            | Self::Partners(_)
            | Self::PartnerTypes(_)
            | Self::Debtors(_) => None,
        }
    }
}

impl Predicate {
    fn reads(&self, fields: &mut BTreeSet<FieldName>) {
        match self {
            Self::All(parts) | Self::AnyOf(parts) => {
                for part in parts {
                    part.reads(fields);
                }
            }
            Self::Not(part) => part.reads(fields),
            Self::AmountAtLeastTimes { field: name, .. } | Self::Field { name, .. } => {
                fields.insert(name.clone());
            }
            Self::Any
            | Self::Kind(_)
            | Self::Domain(_)
            | Self::PartnerType(_)
            | Self::Crisis
            | Self::WarmHandover
            | Self::SupplyEnd
            | Self::AmountAtLeast(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::condition::{Counting, FieldTest, Follows, Window};
    use crate::signal::Decimal;
    use voorveld_calendar::Term;

    fn field(name: &str) -> Predicate {
        Predicate::Field {
            name: name.parse().expect("a field"),
            test: FieldTest::Present,
        }
    }

    fn within(test: Test) -> Within {
        Within {
            window: Window::Days(30),
            test,
            counting: Counting::Runs,
            per: BTreeSet::new(),
        }
    }

    fn reaches(of: Predicate, field: &str) -> Test {
        let least = Least::Field {
            name: field.parse().expect("a field"),
            least: Decimal::whole(1),
        };
        Test::Reaches {
            of,
            reach: Reach::Sum(least),
        }
    }

    #[test]
    fn every_place_in_which_a_condition_names_a_field_is_found() {
        let times = Predicate::AmountAtLeastTimes {
            times: 2,
            field: "rent".parse().expect("a field"),
        };
        let deep = Test::All(vec![
            reaches(Predicate::Not(Box::new(field("a"))), "b"),
            Test::AnyOf(vec![
                Test::Sequence(vec![field("c"), Predicate::Any]),
                Test::Somewhere {
                    window: Window::Days(7),
                    test: Box::new(reaches(Predicate::Any, "d")),
                },
                Test::Before {
                    months: 1,
                    test: Box::new(reaches(Predicate::Crisis, "e")),
                },
            ]),
            Test::AtLeast {
                count: 1,
                of: vec![reaches(field("f"), "g")],
            },
        ]);
        let follows = |of| Follows {
            of,
            same: BTreeSet::new(),
            lower_amount: false,
        };
        let table = [
            (Condition::EachSignal(Predicate::All(vec![times])), "rent"),
            (
                Condition::EachSignal(Predicate::AnyOf(vec![field("a"), field("b")])),
                "a b",
            ),
            (
                Condition::ConsecutiveMonths {
                    preceding_months: 6,
                },
                "",
            ),
            (Condition::Within(within(deep)), "a b c d e f g"),
            (
                Condition::Absence {
                    after: After::Signal(field("a")),
                    without: follows(field("b")),
                    within: Term::CalendarDays(10),
                },
                "a b",
            ),
            (
                Condition::Absence {
                    after: After::Pattern(within(reaches(field("a"), "b"))),
                    without: follows(Predicate::Any),
                    within: Term::CalendarDays(10),
                },
                "a b",
            ),
        ];
        for (condition, expected) in table {
            let mut fields = BTreeSet::new();
            condition.reads(&mut fields);
            let named: Vec<&str> = fields.iter().map(FieldName::as_str).collect();
            assert_eq!(named.join(" "), expected, "{condition:?}");
        }
    }
}
