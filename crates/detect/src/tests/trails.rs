//! The trail of a household: what is told of silent rules, of matches and of what may still change.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use expect_test::expect;
use jiff::civil::date;
use voorveld_calendar::Term;
use voorveld_domain::{Outcome, PartnerType};

use super::asked::{indented, rent, rule_with};
use super::sentences::{both, words};
use super::world::{World, cents, debt_signal, default_rules, rule_set};
use crate::explain::{self, Words};
use crate::trail::{Known, trail};
use crate::*;

fn trail_of(world: &World, words: &Words) -> trail::Trail {
    let known = Known {
        timeline: &world.timeline,
        tasks: &world.tasks,
        guards: &world.guards,
        feeds: &world.feeds,
        before_activation: &BTreeSet::new(),
    };
    trail(&world.rules, known, &world.calendar, words, world.as_of)
}

fn written(trail: &trail::Trail) -> String {
    let mut text = String::new();
    for rule in &trail.rules {
        writeln!(text, "{} v{}: {}", rule.rule, rule.version, rule.answer).expect("text");
        indented(&rule.asks, 1, &mut text);
        for measured in &rule.nearest {
            writeln!(text, "    {}", measured.words).expect("text");
        }
        for found in &rule.matches {
            writeln!(text, "  {}: {}", found.period, found.outcome).expect("text");
            for measured in &found.measured {
                writeln!(text, "    {}", measured.words).expect("text");
            }
            for signal in &found.signals {
                let sum = signal.sum.as_deref().unwrap_or("-");
                writeln!(text, "    * {}, {}, {sum}", signal.what, signal.date).expect("text");
            }
        }
        for earlier in &rule.earlier {
            writeln!(text, "  v{}: {}", earlier.version, earlier.words).expect("text");
        }
    }
    for former in &trail.former {
        writeln!(text, "former {}: {}", former.rule, former.said.words).expect("text");
    }
    for line in &trail.may_change {
        writeln!(text, "{line}").expect("text");
    }
    text
}

#[test]
fn the_trail_tells_silent_rules_what_came_nearest_and_matches_what_became_of_them() {
    let mut world = World::new(rule_set(default_rules()).limited_to(|rule| {
        let id = rule.id.as_str();
        matches!(id, "debt.single" | "debt.multiple" | "debt.consecutive")
    }));
    let mut water = debt_signal(1, PartnerType::Water, date(2025, 1, 10));
    water.amount = Some(cents(2_000));
    world.record(water);
    world.record(debt_signal(2, PartnerType::Rent, date(2025, 8, 12)));
    let told = both().map(|words| written(&trail_of(&world, &words)));
    expect![[r#"
        debt.consecutive v1: Nee
          In een kalendermaand een signaal, en in de zes kalendermaanden daarvoor ook al een signaal.
            In de zes maanden daarvoor (februari tot en met juli 2025) kwam er geen signaal.
        debt.multiple v1: Nee
          In een kalendermaand signalen van minstens twee verschillende soorten partners.
            In augustus 2025 kwam er alleen een signaal van Huur. Vanaf twee soorten partners heet het meervoudig.
        debt.single v1: Ja
          In een kalendermaand signalen van maar één soort partner, en in de zes kalendermaanden daarvoor geen enkel signaal.
          augustus 2025: Dit is sinds 12 augustus 2025 een reden voor de open taak.
            In augustus 2025 kwam er alleen een signaal van Huur. Vanaf twee soorten partners heet het meervoudig.
            In de zes maanden daarvoor (februari tot en met juli 2025) kwam er geen signaal.
            * huurachterstand (Huur), 12 augustus 2025, € 200,00
          januari 2025: Geen taak: het hoogste bedrag is € 20,00. Dat is lager dan de drempel van € 75,00, en er is geen andere soort partner en geen eerder signaal.
            In januari 2025 kwam er alleen een signaal van Water. Vanaf twee soorten partners heet het meervoudig.
            In de zes maanden daarvoor (juli tot en met december 2024) kwam er geen signaal.
            * water arrears (Water), 10 januari 2025, € 20,00
        Komt er een signaal bij, of wordt er een gewijzigd of ingetrokken, dan worden alle regels opnieuw bekeken.
        ---
        debt.consecutive v1: No
          In a calendar month a signal, and in the six calendar months before a signal, too.
            In the six months before that (February to July 2025) there was no signal.
        debt.multiple v1: No
          In a calendar month signals from at least two different types of partner.
            In August 2025 only one type of partner (rent) sent a signal. From two types of partner on it is called multiple.
        debt.single v1: Yes
          In a calendar month signals from only one type of partner, and in the six calendar months before no signal at all.
          August 2025: This is a reason for the open task since 12 August 2025.
            In August 2025 only one type of partner (rent) sent a signal. From two types of partner on it is called multiple.
            In the six months before that (February to July 2025) there was no signal.
            * huurachterstand (rent), 12 August 2025, €200.00
          January 2025: No task: the highest amount is €20.00. That is below the threshold of €75.00, and there is no other type of partner and no earlier signal.
            In January 2025 only one type of partner (water) sent a signal. From two types of partner on it is called multiple.
            In the six months before that (July to December 2024) there was no signal.
            * water arrears (water), 10 January 2025, €20.00
        When a signal comes in, changes or is taken back, all rules are looked at again.
    "#]].assert_eq(&told.join("---\n"));

    // Closed, and the same comes again: what is answered says so, what repeats says so.
    world.close(Outcome::NotTakenUp);
    world.record(debt_signal(3, PartnerType::Rent, date(2025, 9, 12)));
    let fates: Vec<String> = trail_of(&world, &words())
        .rules
        .iter()
        .flat_map(|rule| &rule.matches)
        .map(|found| format!("{} {}: {}", found.anchor, found.fate.code(), found.outcome))
        .collect();
    expect![[r#"
        2025-09 suppressed: Geen taak: dit herhaalt een signaal dat kort geleden al is opgepakt, en het bedrag is niet hoger.
        2025-08 answered: Geen nieuwe taak: over deze signalen is al een taak afgerond.
        2025-01 suppressed: Geen taak: het hoogste bedrag is € 20,00. Dat is lager dan de drempel van € 75,00, en er is geen andere soort partner en geen eerder signaal."#]].assert_eq(&fates.join("\n"));
}

#[test]
fn a_task_of_an_earlier_version_keeps_what_was_said_then() {
    let mut world = World::new(rule_set(default_rules()));
    world.record(debt_signal(1, PartnerType::Rent, date(2025, 1, 10)));
    let ground = &world.open().grounds[0].clone();
    assert_eq!(ground.rule.as_str(), "debt.single");
    let mut rules = default_rules();
    for rule in &mut rules {
        rule.version = 2;
    }
    world.rules = rule_set(rules);
    let told = trail_of(&world, &words());
    let single = told.rules.iter().find(|rule| rule.rule == ground.rule);
    let single = single.expect("the rule is still there");
    assert_eq!(single.version, 2);
    assert_eq!(single.earlier.len(), 1);
    assert_eq!(single.earlier[0].version, 1);
    assert_eq!(
        single.earlier[0].words,
        explain::all_evidence(&ground.evidence, &words())
    );
    assert_eq!(single.matches[0].fate.code(), "on_task");

    let without = world.rules.limited_to(|rule| rule.id != ground.rule);
    world.rules = without;
    let told = trail_of(&world, &words());
    assert_eq!(told.former.len(), 1);
    assert_eq!(told.former[0].rule, ground.rule);
}

#[test]
fn the_trail_says_what_may_still_change() {
    let after = Condition::Absence {
        after: After::Signal(rent()),
        without: Follows {
            of: rent(),
            same: BTreeSet::new(),
            lower_amount: true,
        },
        within: Term::CalendarDays(30),
    };
    let rules = vec![rule_with("debt.absence", after)];
    let settings = RuleSettings {
        retention_days: BTreeMap::from([("rent_arrears".parse().expect("a kind"), 365)]),
        ..RuleSettings::default()
    };
    let set = RuleSet::new(rules, settings, RuleSetHash([0; 32])).expect("a sound set");
    let mut world = World::new(set);
    world.record(debt_signal(1, PartnerType::Rent, date(2025, 1, 10)));
    let mut text = String::new();
    for words in both() {
        let told = trail_of(&world, &words);
        assert_eq!(told.next_look, Some(date(2025, 2, 9)));
        text.push_str(&written(&told));
    }
    world.as_of = date(2025, 2, 9);
    for words in both() {
        let told = trail_of(&world, &words);
        assert!(told.awaits_feeds);
        text.push_str(&written(&told));
    }
    expect![[r#"
        debt.absence v1: Nee
          Na een signaal van de soort ‘huurachterstand’ kwam er binnen 30 dagen geen signaal van de soort ‘huurachterstand’ met een lager bedrag. Dit staat pas vast als de partners alles over die dagen hebben geleverd.
            Wat moest volgen, kwam er niet: van 10 januari 2025 tot en met 8 februari 2025.
            De termijn loopt nog, tot en met 8 februari 2025.
            Dit kan nog veranderen: niet elke partner heeft gezegd dat alles geleverd is tot en met 8 februari 2025.
        Op 9 februari 2025 wordt opnieuw gekeken: dan kan een regel iets anders zeggen, ook zonder nieuw signaal.
        Vanaf 10 januari 2026 telt een signaal hier niet meer mee: de bewaartermijn is dan voorbij.
        Komt er een signaal bij, of wordt er een gewijzigd of ingetrokken, dan worden alle regels opnieuw bekeken.
        debt.absence v1: No
          After a signal of the kind ‘huurachterstand’ no signal of the kind ‘huurachterstand’ with a lower amount came within 30 days. This is certain only when the partners have delivered everything about those days.
            What had to follow did not come: from 10 January 2025 to 8 February 2025.
            The term still runs, until 8 February 2025.
            This may still change: not every partner has said that everything is delivered through 8 February 2025.
        On 9 February 2025 the rules are looked at again: one may then say something else, even without a new signal.
        From 10 January 2026 on a signal here no longer counts: its retention is over then.
        When a signal comes in, changes or is taken back, all rules are looked at again.
        debt.absence v1: Nee
          Na een signaal van de soort ‘huurachterstand’ kwam er binnen 30 dagen geen signaal van de soort ‘huurachterstand’ met een lager bedrag. Dit staat pas vast als de partners alles over die dagen hebben geleverd.
            Wat moest volgen, kwam er niet: van 10 januari 2025 tot en met 8 februari 2025.
            De termijn liep tot en met 8 februari 2025.
            Dit kan nog veranderen: niet elke partner heeft gezegd dat alles geleverd is tot en met 8 februari 2025.
        Niet elke partner heeft al gezegd dat alles geleverd is. Daarna kan een regel iets anders zeggen.
        Vanaf 10 januari 2026 telt een signaal hier niet meer mee: de bewaartermijn is dan voorbij.
        Komt er een signaal bij, of wordt er een gewijzigd of ingetrokken, dan worden alle regels opnieuw bekeken.
        debt.absence v1: No
          After a signal of the kind ‘huurachterstand’ no signal of the kind ‘huurachterstand’ with a lower amount came within 30 days. This is certain only when the partners have delivered everything about those days.
            What had to follow did not come: from 10 January 2025 to 8 February 2025.
            The term ran until 8 February 2025.
            This may still change: not every partner has said that everything is delivered through 8 February 2025.
        Not every partner has said yet that everything is delivered. After that a rule may say something else.
        From 10 January 2026 on a signal here no longer counts: its retention is over then.
        When a signal comes in, changes or is taken back, all rules are looked at again.
    "#]].assert_eq(&text);
}

#[test]
fn who_sees_less_is_told_of_less() {
    let mut world = World::new(rule_set(default_rules()));
    let mut marker = debt_signal(1, PartnerType::Care, date(2025, 1, 10));
    marker.domain = "safety".parse().expect("a domain");
    marker
        .fields
        .insert("acute".parse().expect("a field"), FieldValue::Bool(true));
    world.record(marker);
    let whole = written(&trail_of(&world, &words()));
    assert!(whole.contains("safety.meldcode v1: Ja"), "{whole}");
    world.rules = world
        .rules
        .limited_to(|rule| rule.purpose == voorveld_domain::Purpose::DebtHelp);
    world.tasks.clear();
    let part = written(&trail_of(&world, &words()));
    assert!(
        !part.contains("safety") && !part.contains("onveilig"),
        "{part}"
    );
    assert!(
        !part.contains("desk") && part.contains("debt.single v1: Nee"),
        "{part}"
    );
}

#[test]
fn what_is_on_no_task_yet_is_told_as_what_comes() {
    let fates = |trail: &trail::Trail| -> Vec<&str> {
        let matches = trail.rules.iter().flat_map(|rule| &rule.matches);
        matches.map(|found| found.fate.code()).collect()
    };
    let mut world = World::new(rule_set(default_rules()));
    world.as_of = date(2025, 1, 12);
    world
        .timeline
        .absorb(debt_signal(1, PartnerType::Rent, date(2025, 1, 10)));
    assert_eq!(fates(&trail_of(&world, &words())), ["raises"]);
    let key = GroundKey {
        rule: "debt.single".parse().expect("a rule id"),
        anchor: "2025-01".parse().expect("an anchor"),
    };
    let known = Known {
        timeline: &world.timeline,
        tasks: &world.tasks,
        guards: &world.guards,
        feeds: &world.feeds,
        before_activation: &BTreeSet::from([key]),
    };
    let before = trail(&world.rules, known, &world.calendar, &words(), world.as_of);
    assert_eq!(fates(&before), ["suppressed"]);
    world.judge();
    assert_eq!(fates(&trail_of(&world, &words())), ["on_task"]);
    world
        .timeline
        .absorb(debt_signal(2, PartnerType::Water, date(2025, 1, 12)));
    assert_eq!(fates(&trail_of(&world, &words())), ["joins"]);
}
