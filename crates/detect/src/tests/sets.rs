//! Which rules make a set, and what is asked of one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::date;
use voorveld_calendar::{Calendar, Term};
use voorveld_domain::{Outcome, PartnerType, Purpose};

use super::world::{debt_signal, default_rules, rule_set};
use crate::*;

fn set_of(rules: Vec<Rule>) -> Result<RuleSet, RuleSetError> {
    RuleSet::new(rules, RuleSettings::default(), RuleSetHash([0; 32]))
}

/// So many rules, each of a name of its own.
fn many(rules: usize) -> Vec<Rule> {
    let single = default_rules().remove(0);
    let numbered = |number| Rule {
        id: format!("debt.single_{number}").parse().expect("a rule id"),
        ..single.clone()
    };
    (0..rules).map(numbered).collect()
}

#[test]
fn a_set_has_rules_of_different_names_and_not_too_many() {
    assert!(set_of(many(RuleSet::RULES_MAX)).is_ok());
    assert!(set_of(many(RuleSet::RULES_MAX + 1)).is_err());
    let twice = [many(2), many(1)].concat();
    assert_eq!(
        set_of(twice).map(|_| ()),
        Err(RuleSetError::Twice(many(1).remove(0).id))
    );
}

/// What is wrong with one of the default rules after a change to it.
fn fault_of(id: &str, change: impl FnOnce(&mut Rule)) -> Option<&'static str> {
    let mut rules = default_rules();
    let rule = rules.iter_mut().find(|rule| rule.id.as_str() == id);
    change(rule.expect("a default rule"));
    match set_of(rules) {
        Err(RuleSetError::Parameter { expected, .. }) => Some(expected),
        _ => None,
    }
}

fn begins_at(step: u8) -> impl FnOnce(&mut Rule) {
    move |rule| {
        if let Effect::Raise(raises) = &mut rule.effect {
            raises.ladder.starts_at = step;
        }
    }
}

fn cooldown(from: CooldownFrom, outcomes: BTreeSet<Outcome>) -> impl FnOnce(&mut Rule) {
    let days = 30;
    move |rule| {
        rule.cooldown = Some(Cooldown {
            days,
            from,
            outcomes,
        });
    }
}

#[test]
fn a_rule_that_contradicts_itself_is_in_no_set() {
    let single = "debt.single";
    let any = BTreeSet::new;
    let one = || BTreeSet::from([Outcome::NoContact]);
    assert_eq!(fault_of(single, |_| {}), None);
    for (fault, expected) in [
        (
            fault_of(single, |rule| rule.purpose = Purpose::Safety),
            "a hold and the purpose safety belong together (I10)",
        ),
        (
            fault_of("safety.meldcode", |rule| rule.purpose = Purpose::DebtHelp),
            "a hold and the purpose safety belong together (I10)",
        ),
        (
            fault_of(single, |rule| rule.sources = Sources::default()),
            "expected at least one domain or kind to look at",
        ),
        (
            fault_of(single, begins_at(0)),
            "expected a step of the ladder from 1 to 4",
        ),
        (
            fault_of(single, begins_at(5)),
            "expected a step of the ladder from 1 to 4",
        ),
        (
            fault_of("debt.multiple", |rule| rule.muted_by.threshold = true),
            "the threshold mutes only a lone signal (K5)",
        ),
        (
            fault_of(single, cooldown(CooldownFrom::Raising, one())),
            "a cooldown from the raising knows no result yet: expected no `after_outcomes`",
        ),
    ] {
        assert_eq!(fault, Some(expected));
    }
    assert_eq!(
        fault_of(single, cooldown(CooldownFrom::Raising, any())),
        None
    );
    assert_eq!(
        fault_of(single, cooldown(CooldownFrom::Result, one())),
        None
    );
    let of_one_kind = |rule: &mut Rule| {
        rule.sources = Sources {
            domains: BTreeSet::new(),
            kinds: BTreeSet::from(["rent_arrears".parse().expect("a kind")]),
        };
    };
    assert_eq!(fault_of(single, of_one_kind), None);
}

#[test]
fn a_set_tells_what_it_was_told_of_its_rules() {
    let mut rules = default_rules();
    let id = rules[0].id.clone();
    let set = rule_set(rules.clone());
    assert_eq!(set.digest(&id), None);
    let digest = RuleSetHash([0xab; 32]);
    assert_eq!(digest.to_string(), "ab".repeat(32));
    let set = set.with_digests(BTreeMap::from([(id.clone(), digest)]));
    assert_eq!(set.digest(&id), Some(digest));
    assert!(!set.has_newcomers());
    assert!(!set.asks_feeds());
    let fields = ["acute", "monthly_rent", "structural"];
    assert_eq!(
        set.fields_read(),
        fields.map(|name| name.parse().expect("a field")).into()
    );
    rules[0].condition = Condition::Absence {
        after: After::Signal(Predicate::Any),
        without: Follows {
            of: Predicate::Any,
            same: BTreeSet::new(),
            lower_amount: false,
        },
        within: Term::CalendarDays(10),
    };
    rules[0].muted_by = MutedBy::default();
    assert!(rule_set(rules).asks_feeds());
}

#[test]
fn a_signal_that_a_rule_looks_at_for_its_kind_and_its_domain_is_looked_at() {
    let mut rule = default_rules().remove(0);
    rule.condition = Condition::EachSignal(Predicate::Any);
    rule.effect = Effect::Show;
    rule.muted_by = MutedBy::default();
    let on = date(2025, 1, 10);
    let signal = debt_signal(1, PartnerType::Rent, on);
    rule.sources = Sources {
        domains: BTreeSet::from([signal.domain.clone()]),
        kinds: BTreeSet::from([signal.kind.clone()]),
    };
    let timeline: Timeline = [signal].into_iter().collect();
    let (rules, calendar) = (rule_set(vec![rule]), Calendar::national());
    let evaluation = evaluate(&rules, &timeline, &calendar, &Feeds::default(), on);
    assert_eq!(evaluation.matches.len(), 1);
}
