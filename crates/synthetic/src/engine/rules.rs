//! The rules the engine is measured and checked with.

use std::collections::BTreeSet;

use voorveld_detect::{
    Condition, Counting, Effect, MutedBy, Predicate, Reach, Rule, RuleSet, RuleSetHash,
    RuleSettings, Same, Sources, Test, Window, Within,
};
use voorveld_domain::Purpose;

use super::signals::KINDS;

/// Two distinct kinds within sixty days.
pub const TWO_KINDS: &str = "reference.two_kinds";
/// Three of one kind within ninety days.
pub const THREE_OF_ONE_KIND: &str = "reference.three_of_one_kind";
/// Of the shipped rules those that SQL tells a second time.
const ALSO_IN_SQL: [&str; 5] = [
    "debt.single",
    "debt.multiple",
    "debt.consecutive",
    "debt.high_amount",
    "debt.crisis",
];

/// The two reference rules.
#[must_use]
pub fn reference_rules() -> RuleSet {
    set(both(), RuleSettings::default())
}

/// The two reference rules, and of `shipped` those that SQL tells a second time.
#[must_use]
pub fn rules_in_sql(shipped: &RuleSet) -> RuleSet {
    let mut rules = both();
    rules.extend(
        shipped
            .rules()
            .iter()
            .filter(|rule| ALSO_IN_SQL.contains(&rule.id.as_str()))
            .cloned(),
    );
    set(rules, shipped.settings().clone())
}

fn set(rules: Vec<Rule>, settings: RuleSettings) -> RuleSet {
    RuleSet::new(rules, settings, RuleSetHash([0; 32])).expect("sound rules")
}

fn both() -> Vec<Rule> {
    vec![
        reference(TWO_KINDS, 60, Reach::Kinds(2), BTreeSet::new()),
        reference(
            THREE_OF_ONE_KIND,
            90,
            Reach::Count(3),
            BTreeSet::from([Same::Kind]),
        ),
    ]
}

fn reference(id: &str, days: u16, reach: Reach, per: BTreeSet<Same>) -> Rule {
    Rule {
        id: id.parse().expect("a literal name"),
        version: 1,
        title: id.to_owned(),
        explanation: String::new(),
        purpose: Purpose::DebtHelp,
        legal_basis: "reference".to_owned(),
        sources: Sources {
            domains: BTreeSet::new(),
            kinds: KINDS
                .iter()
                .map(|(kind, ..)| kind.parse().expect("a literal slug"))
                .collect(),
        },
        condition: Condition::Within(Within {
            window: Window::Days(days),
            test: Test::Reaches {
                of: Predicate::Any,
                reach,
            },
            counting: Counting::Runs,
            per,
        }),
        effect: Effect::Show,
        muted_by: MutedBy::default(),
        cooldown: None,
        not_older_than_days: None,
        retention_days: 365,
        in_force: voorveld_calendar::Period::new(jiff::civil::Date::MIN, jiff::civil::Date::MAX),
        active_from: None,
    }
}
