//! Questions to one signal: the answer, and what is measured to get it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::date;
use smallvec::SmallVec;
use voorveld_domain::PartnerType;

use super::asked::field;
use super::world::{cents, debt_signal};
use crate::predicate::{is_crisis, is_unmutable};
use crate::*;

fn signal() -> Signal {
    debt_signal(1, PartnerType::Rent, date(2025, 1, 10))
}

fn with(value: FieldValue) -> Signal {
    let mut signal = signal();
    signal.fields.insert(field(), value);
    signal
}

fn number(raw: &str) -> FieldValue {
    FieldValue::Number(raw.parse().expect("a number"))
}

fn kind(raw: &str) -> Predicate {
    Predicate::Kind(BTreeSet::from([raw.parse().expect("a kind")]))
}

fn holds(predicate: &Predicate, signal: &Signal) -> bool {
    predicate.holds(signal, &RuleSettings::default())
}

/// What is measured, as its text; of alternatives all, or those that hold.
fn measured(predicate: &Predicate, signal: &Signal, holding_only: bool) -> Vec<String> {
    let mut evidence = SmallVec::new();
    predicate.measure(
        signal,
        &RuleSettings::default(),
        holding_only,
        &mut evidence,
    );
    let text = |one: &Evidence| {
        let text = one.to_string();
        text.replace(";signal:00000000-0000-0000-0000-000000000001;", " ")
    };
    evidence.iter().map(text).collect()
}

#[test]
fn an_amount_is_compared_to_the_cent() {
    let least = |raw| Predicate::AmountAtLeast(cents(raw));
    assert!(holds(&least(20_000), &signal()));
    assert!(!holds(&least(20_001), &signal()));
    let mut untold = signal();
    untold.amount = None;
    assert!(!holds(&least(1), &untold));
}

/// Two hundred euros of arrears against twice the rent: what is a tenth of a cent too dear is a whole cent away.
#[test]
fn an_amount_is_compared_with_so_many_times_a_field_to_the_tenth_of_a_cent() {
    let twice = Predicate::AmountAtLeastTimes {
        times: 2,
        field: field(),
    };
    for (rent, is_reached, threshold) in [
        ("100", true, "cents:20000"),
        ("99.999", true, "cents:20000"),
        ("99.995", true, "cents:19999"),
        ("100.001", false, "cents:20001"),
        ("100.005", false, "cents:20001"),
        ("100.006", false, "cents:20002"),
        ("0", false, "absent"),
        ("-100", false, "absent"),
        ("0.001", true, "cents:1"),
    ] {
        let signal = with(number(rent));
        assert_eq!(holds(&twice, &signal), is_reached, "{rent}");
        assert_eq!(
            measured(&twice, &signal, false),
            [format!(
                "amount_against.{} {threshold};cents:20000",
                field()
            )],
            "{rent}"
        );
    }
    assert!(!holds(&twice, &signal()));
    assert!(!holds(&twice, &with(FieldValue::Bool(true))));
}

#[test]
fn a_field_is_asked_for_what_it_is() {
    let of_field = |test| Predicate::Field {
        name: field(),
        test,
    };
    let codes = || FieldTest::CodeIn(BTreeSet::from(["a".into(), "b".into()]));
    let sixteen = || Decimal::whole(16);
    for (value, test, is_so) in [
        (number("1"), FieldTest::Present, true),
        (FieldValue::Bool(true), FieldTest::Is(true), true),
        (FieldValue::Bool(false), FieldTest::Is(true), false),
        (FieldValue::Bool(false), FieldTest::Is(false), true),
        (number("16"), FieldTest::AtLeast(sixteen()), true),
        (number("15.999"), FieldTest::AtLeast(sixteen()), false),
        (number("16"), FieldTest::Below(sixteen()), false),
        (number("15.999"), FieldTest::Below(sixteen()), true),
        (FieldValue::Code("b".into()), codes(), true),
        (FieldValue::Code("c".into()), codes(), false),
        // Of another shape than is asked for.
        (number("1"), FieldTest::Is(true), false),
        (FieldValue::Bool(true), FieldTest::Below(sixteen()), false),
        (number("1"), codes(), false),
    ] {
        let asked = of_field(test.clone());
        assert_eq!(
            holds(&asked, &with(value.clone())),
            is_so,
            "{value:?} {test:?}"
        );
        assert!(!holds(&asked, &signal()), "{test:?} of what is not there");
    }
    let told = |value| measured(&of_field(FieldTest::Present), &with(value), false);
    let name = field();
    assert_eq!(
        told(number("1.5")),
        [format!("field.{name} absent;number:1.5")]
    );
    assert_eq!(
        told(FieldValue::Date(date(2025, 3, 1))),
        [format!("field.{name} absent;date:2025-03-01")]
    );
    assert_eq!(
        told(FieldValue::Bool(false)),
        [format!("field.{name} absent;no")]
    );
    assert_eq!(
        told(FieldValue::Code("a".into())),
        [format!("field.{name} absent;code:a")]
    );
}

#[test]
fn a_crisis_says_what_makes_it_one() {
    let on_the_list = RuleSettings {
        crisis_kinds: BTreeSet::from([signal().kind]),
        ..RuleSettings::default()
    };
    let none = RuleSettings::default();
    let mut said = signal();
    said.crisis = true;
    let mut ends = signal();
    ends.supply_ends_on = Some(date(2025, 2, 1));
    let mut warm = signal();
    warm.warm_handover = true;
    for (signal, settings, crisis, unmutable) in [
        (&signal(), &none, false, false),
        (&signal(), &on_the_list, true, true),
        (&said, &none, true, true),
        (&ends, &none, true, true),
        (&warm, &none, false, true),
    ] {
        assert_eq!(is_crisis(signal, settings), crisis);
        assert_eq!(is_unmutable(signal, settings), unmutable);
        assert_eq!(Predicate::Crisis.holds(signal, settings), crisis);
    }
    for (signal, why) in [
        (&signal(), "crisis yes;no"),
        (&said, "crisis yes;yes"),
        (&ends, "crisis yes;date:2025-02-01"),
    ] {
        assert_eq!(measured(&Predicate::Crisis, signal, false), [why]);
    }
    let handover = |signal| measured(&Predicate::WarmHandover, signal, false);
    assert_eq!(handover(&warm), ["warm_handover yes;yes"]);
    assert_eq!(handover(&signal()), ["warm_handover yes;no"]);
}

#[test]
fn of_alternatives_those_that_hold_are_the_reasons_of_a_yes() {
    let rent = || kind("rent_arrears");
    let much = || Predicate::AmountAtLeast(cents(50_000));
    let either = Predicate::AnyOf(vec![much(), rent(), rent()]);
    assert!(holds(&either, &signal()));
    // The same is measured once.
    assert_eq!(
        measured(&either, &signal(), false),
        [
            "amount cents:50000;cents:20000",
            "kind absent;kind:rent_arrears"
        ]
    );
    assert_eq!(
        measured(&either, &signal(), true),
        ["kind absent;kind:rent_arrears"]
    );
    let both = Predicate::All(vec![much(), rent()]);
    assert!(!holds(&both, &signal()));
    assert_eq!(measured(&both, &signal(), true).len(), 2);
    let not = Predicate::Not(Box::new(much()));
    assert!(holds(&not, &signal()));
    assert_eq!(measured(&not, &signal(), false), [""; 0]);
}

#[test]
fn of_a_kind_alone_an_answer_is_yes_or_no_or_depends() {
    let rent: voorveld_domain::KindId = "rent_arrears".parse().expect("a kind");
    let is_rent = || kind("rent_arrears");
    let is_water = || kind("water_arrears");
    let much = || Predicate::AmountAtLeast(cents(50_000));
    let not = |of| Predicate::Not(Box::new(of));
    for (predicate, of_rent, of_a_stranger) in [
        (Predicate::Any, Some(true), Some(true)),
        (is_rent(), Some(true), Some(false)),
        (not(is_rent()), Some(false), Some(true)),
        (much(), None, None),
        (Predicate::All(vec![is_rent(), much()]), None, Some(false)),
        (
            Predicate::All(vec![is_rent(), Predicate::Any]),
            Some(true),
            Some(false),
        ),
        (Predicate::AnyOf(vec![is_rent(), much()]), Some(true), None),
        (
            Predicate::AnyOf(vec![is_rent(), is_water()]),
            Some(true),
            Some(false),
        ),
    ] {
        assert_eq!(predicate.of_kind(Some(&rent)), of_rent, "{predicate:?}");
        assert_eq!(predicate.of_kind(None), of_a_stranger, "{predicate:?}");
    }
    let named = Predicate::All(vec![
        is_rent(),
        not(Predicate::AnyOf(vec![is_water(), much()])),
    ]);
    let mut kinds = Vec::new();
    named.kinds(&mut kinds);
    let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(kinds, ["rent_arrears", "water_arrears"]);
}

#[test]
fn a_rule_looks_at_its_domains_and_its_kinds() {
    let sources = |domain: Option<&str>, kind: Option<&str>| Sources {
        domains: domain
            .map(|raw| raw.parse().expect("a domain"))
            .into_iter()
            .collect(),
        kinds: kind
            .map(|raw| raw.parse().expect("a kind"))
            .into_iter()
            .collect(),
    };
    for (domain, kind, covers) in [
        (Some("debt"), None, true),
        (None, Some("rent_arrears"), true),
        (Some("debt"), Some("rent_arrears"), true),
        (Some("safety"), Some("rent_arrears"), true),
        (Some("debt"), Some("concern"), true),
        (Some("safety"), Some("concern"), false),
    ] {
        assert_eq!(
            sources(domain, kind).cover(&signal()),
            covers,
            "{domain:?} {kind:?}"
        );
    }
}

#[test]
fn a_signal_counts_until_its_retention_is_over() {
    let signal = signal();
    let settings = RuleSettings {
        retention_days: BTreeMap::from([(signal.kind.clone(), 10)]),
        ..RuleSettings::default()
    };
    for (day, counts) in [(19, true), (20, false), (21, false)] {
        let on = date(2025, 1, day);
        assert_eq!(signal.counts_on(&settings, on), counts, "{on}");
    }
}
