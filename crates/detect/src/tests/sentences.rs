//! What a team member reads. Each sentence is looked at by eye here; a change shows up as a diff.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use expect_test::expect;
use jiff::civil::date;
use voorveld_calendar::{Calendar, Term};
use voorveld_domain::{PartnerType, RegistrationReason, Urgency};

use super::world::{World, cents, debt_signal, default_rules, rule_set, signal_id};
use crate::explain::{self, Language, Words};
use crate::trail::Fate;
use crate::*;

pub(super) fn words() -> Words {
    Words {
        kinds: [
            ("rent_arrears", "huurachterstand"),
            ("eviction_notice", "aanzegging ontruiming"),
        ]
        .map(|(id, name)| (id.parse().expect("a kind"), name.to_owned()))
        .into(),
        fields: [
            ("monthly_rent", "kale huur per maand"),
            ("acute", "acute onveiligheid"),
        ]
        .map(|(id, name)| (id.parse().expect("a field"), name.to_owned()))
        .into(),
        ..Words::default()
    }
}

/// The same names in sentences of each language.
pub(super) fn both() -> [Words; 2] {
    Language::ALL.map(|language| words().in_language(language))
}

fn told(world: &World) -> String {
    let evaluation = world.evaluate();
    let mut text = String::new();
    for verdict in &evaluation.verdicts {
        let rule = world.rules.get(&verdict.rule).expect("a rule of this set");
        writeln!(text, "{}", explain::verdict(rule, verdict, &words())).expect("text");
    }
    text
}

#[test]
fn every_rule_says_in_dutch_why_it_speaks_or_is_silent() {
    let mut world = World::new(rule_set(default_rules()));
    world.record(debt_signal(1, PartnerType::Rent, date(2025, 1, 10)));
    expect![[r#"
        debt.consecutive: nee. In de zes maanden daarvoor (juli tot en met december 2024) kwam er geen signaal.
        debt.crisis: nee. Het is geen crisis.
        debt.end_of_supply: nee. Er is geen einde van de levering gemeld.
        debt.high_amount: nee. Bedrag € 200,00; drempel € 500,00. Het bedrag is niet te vergelijken: kale huur per maand is niet gemeld.
        debt.multiple: nee. In januari 2025 kwam er alleen een signaal van Huur. Vanaf twee soorten partners heet het meervoudig.
        debt.single: ja. In januari 2025 kwam er alleen een signaal van Huur. Vanaf twee soorten partners heet het meervoudig. In de zes maanden daarvoor (juli tot en met december 2024) kwam er geen signaal.
        debt.warm_handover: nee. Er is geen warme overdracht.
        safety.meldcode: nee. Er is geen signaal waar deze regel naar kijkt.
    "#]].assert_eq(&told(&world));

    let mut energy = debt_signal(2, PartnerType::Energy, date(2025, 3, 12));
    energy.supply_ends_on = Some(date(2025, 4, 30));
    energy.amount = None;
    world.record(energy);
    let mut rent = debt_signal(3, PartnerType::Rent, date(2025, 3, 13));
    rent.kind = "eviction_notice".parse().expect("a kind");
    rent.amount = Some(cents(123_450));
    rent.warm_handover = true;
    let monthly = FieldValue::Number("612.25".parse().expect("a number"));
    rent.fields
        .insert("monthly_rent".parse().expect("a field"), monthly);
    world.record(rent);
    let mut marker = debt_signal(4, PartnerType::Care, date(2025, 3, 14));
    marker.domain = "safety".parse().expect("a domain");
    marker
        .fields
        .insert("acute".parse().expect("a field"), FieldValue::Bool(true));
    world.record(marker);
    expect![[r#"
        debt.consecutive: ja. In maart 2025 kwamen er twee signalen. In de zes maanden daarvoor (september 2024 tot en met februari 2025) kwam er ook al een signaal.
        debt.crisis: ja. Dit signaal (aanzegging ontruiming) geldt als crisis.
        debt.end_of_supply: ja. De levering stopt op 30 april 2025. Hulp is op tijd tot en met 14 april 2025.
        debt.high_amount: ja. Bedrag € 1.234,50; drempel € 500,00. Bedrag € 1.234,50; drempel € 1.224,50 (berekend met: kale huur per maand).
        debt.multiple: ja. Twee verschillende soorten partners (Energie en Huur) stuurden in maart 2025 een signaal.
        debt.single: ja. In januari 2025 kwam er alleen een signaal van Huur. Vanaf twee soorten partners heet het meervoudig. In de zes maanden daarvoor (juli tot en met december 2024) kwam er geen signaal.
        debt.warm_handover: ja. De partner draagt de inwoner persoonlijk over.
        safety.meldcode: ja. Acute onveiligheid: ja.
    "#]].assert_eq(&told(&world));
}

#[test]
fn windows_and_fields_are_told_in_dutch() {
    let mut rules = default_rules();
    rules.truncate(1);
    let mut base = rules.remove(0);
    base.muted_by = MutedBy::default();
    base.effect = Effect::Show;
    let mut with = |id: &str, condition: Condition| {
        let mut rule = base.clone();
        rule.id = id.parse().expect("a rule id");
        rule.title = id.into();
        rule.condition = condition;
        rules.push(rule);
    };
    for (id, reaches) in [
        ("count", Reach::Count(3)),
        ("kinds", Reach::Kinds(2)),
        ("domains", Reach::Domains(2)),
        ("partners", Reach::Partners(2)),
        ("types", Reach::PartnerTypes(2)),
    ] {
        with(
            id,
            Condition::Within(Within {
                window: Window::Days(30),
                test: Test::Reaches {
                    of: Predicate::Any,
                    reach: reaches,
                },
                counting: Counting::Runs,
                per: BTreeSet::new(),
            }),
        );
    }
    let hours = |test| {
        Condition::EachSignal(Predicate::Field {
            name: "hours".parse().expect("a field"),
            test,
        })
    };
    with("hours", hours(FieldTest::AtLeast(Decimal::whole(16))));
    with("present", hours(FieldTest::Present));
    let mut world = World::new(rule_set(rules));
    world.record(debt_signal(1, PartnerType::Rent, date(2025, 1, 10)));
    expect![[r#"
        count: nee. Eén signaal van 12 december 2024 tot en met 10 januari 2025; nodig: drie.
        domains: nee. Eén leefgebied van 12 december 2024 tot en met 10 januari 2025; nodig: twee.
        hours: nee. Hours: niet gemeld; grens 16.
        kinds: nee. Eén soort signaal van 12 december 2024 tot en met 10 januari 2025; nodig: twee.
        partners: nee. Eén partner van 12 december 2024 tot en met 10 januari 2025; nodig: twee.
        present: nee. Hours: niet gemeld.
        types: nee. Eén soort partner van 12 december 2024 tot en met 10 januari 2025; nodig: twee.
    "#]]
    .assert_eq(&told(&world));
    let mut water = debt_signal(2, PartnerType::Water, date(2025, 1, 30));
    let hours = FieldValue::Number("16.5".parse().expect("a number"));
    water
        .fields
        .insert("hours".parse().expect("a field"), hours);
    world.record(water);
    expect![[r#"
        count: nee. Twee signalen van 1 januari 2025 tot en met 30 januari 2025; nodig: drie.
        domains: nee. Eén leefgebied van 1 januari 2025 tot en met 30 januari 2025; nodig: twee.
        hours: ja. Hours: 16,5; grens 16.
        kinds: ja. Twee soorten signalen van 1 januari 2025 tot en met 30 januari 2025; nodig: twee.
        partners: ja. Twee partners van 1 januari 2025 tot en met 30 januari 2025; nodig: twee.
        present: ja. Hours: 16,5.
        types: ja. Twee soorten partners van 1 januari 2025 tot en met 30 januari 2025; nodig: twee.
    "#]]
    .assert_eq(&told(&world));
}

#[test]
fn a_suppression_says_why_there_is_no_task() {
    let texts: Vec<String> = [
        SuppressedBy::Threshold {
            threshold: cents(7_500),
            highest: cents(4_000),
        },
        SuppressedBy::Repeat { of: signal_id(1) },
        SuppressedBy::KnownClient,
        SuppressedBy::Excluded {
            reason: RegistrationReason::Deceased,
        },
        SuppressedBy::Cooldown {
            until: date(2025, 3, 1),
        },
        SuppressedBy::TooOld {
            newest: date(2025, 1, 3),
            limit_days: 31,
        },
        SuppressedBy::BeforeActivation,
        SuppressedBy::NotRisen,
    ]
    .iter()
    .flat_map(|by| {
        assert!(SuppressedBy::CODES.contains(&by.code()));
        both().map(|words| explain::suppression(by, &words))
    })
    .collect();
    expect![[r#"
        Geen taak: het hoogste bedrag is € 40,00. Dat is lager dan de drempel van € 75,00, en er is geen andere soort partner en geen eerder signaal.
        No task: the highest amount is €40.00. That is below the threshold of €75.00, and there is no other type of partner and no earlier signal.
        Geen taak: dit herhaalt een signaal dat kort geleden al is opgepakt, en het bedrag is niet hoger.
        No task: this repeats a signal that was dealt with a short while ago, and the amount is not higher.
        Geen taak: een inwoner hier krijgt al hulp bij schulden of andere hulp.
        No task: a resident here already gets help with debts or other help.
        Geen taak: hier is vastgelegd dat niemand contact zoekt (overleden).
        No task: it was registered that nobody makes contact here (overleden).
        Geen taak: deze regel maakte kort geleden al een taak. Vanaf 1 maart 2025 kan dat weer.
        No task: this rule made a task a short while ago. From 1 March 2025 on it can do so again.
        Geen taak: het nieuwste signaal is van 3 januari 2025. Dat is meer dan 31 dagen geleden.
        No task: the newest signal is of 3 January 2025. That is more than 31 days ago.
        Geen taak: de signalen waren er al voordat deze regel ging gelden.
        No task: the signals were there before this rule came into force.
        Geen taak: het bedrag is niet hoger dan toen er het laatst naar gekeken werd.
        No task: the amount is not higher than when it was last looked at."#]].assert_eq(&texts.join("\n"));
}

#[test]
fn what_became_of_a_match_is_told_in_both_languages() {
    let (since, due_on) = (date(2025, 1, 10), date(2025, 1, 24));
    let on_task = |repeat| Fate::OnTask {
        since,
        due_on,
        repeat,
    };
    let texts: Vec<String> = [
        on_task(false),
        on_task(true),
        Fate::Raises {
            urgency: Urgency::Crisis,
            due_on,
        },
        Fate::Joins { due_on },
        Fate::Answered,
        Fate::Shown,
        Fate::Suppressed(SuppressedBy::KnownClient),
    ]
    .iter()
    .flat_map(|fate| both().map(|words| explain::fate(fate, &words)))
    .collect();
    expect![[r#"
        Dit is sinds 10 januari 2025 een reden voor de open taak.
        This is a reason for the open task since 10 January 2025.
        Dit staat sinds 10 januari 2025 bij de open taak. Het herhaalt wat al bekend was.
        This is on the open task since 10 January 2025. It repeats what was known.
        Hier komt een taak van: spoed, uiterlijk 24 januari 2025.
        This becomes a task: urgent, by 24 January 2025 at the latest.
        Dit komt bij de open taak.
        This joins the open task.
        Geen nieuwe taak: over deze signalen is al een taak afgerond.
        No new task: a task about these signals was closed before.
        Dit is alleen om te zien. Er komt geen taak van.
        This is only to be seen. It makes no task.
        Geen taak: een inwoner hier krijgt al hulp bij schulden of andere hulp.
        No task: a resident here already gets help with debts or other help."#]]
    .assert_eq(&texts.join("\n"));
}

#[test]
fn terms_are_told_in_working_days() {
    let calendar = Calendar::national();
    let due = date(2025, 4, 24);
    let mut texts = Vec::new();
    for words in both() {
        for (due, today) in [
            (due, date(2025, 4, 14)),
            (due, date(2025, 4, 23)),
            (due, date(2025, 4, 24)),
            (due, date(2025, 4, 25)),
            (due, date(2025, 5, 6)),
            (date(2025, 4, 18), date(2025, 4, 20)),
            (date(2025, 4, 20), date(2025, 4, 18)),
        ] {
            texts.push(explain::time_left(due, today, &calendar, &words));
        }
        for deadline in [
            Deadline::Term(Term::WorkingDays(1)),
            Deadline::Term(Term::CalendarDays(14)),
            Deadline::SupplyEnd {
                working_days: 3,
                before_end_working_days: 10,
            },
        ] {
            texts.push(explain::deadline(&deadline, &words));
        }
        texts.extend((1..=4).map(|step| explain::ladder_step(step, words.language).to_owned()));
    }
    expect![[r#"
        nog 6 werkdagen, tot en met donderdag 24 april 2025
        nog 1 werkdag, tot en met donderdag 24 april 2025
        vandaag, donderdag 24 april 2025
        1 werkdag te laat, het moest op donderdag 24 april 2025
        7 werkdagen te laat, het moest op donderdag 24 april 2025
        te laat, het moest op vrijdag 18 april 2025
        nog tot en met zondag 20 april 2025
        Binnen één werkdag na ontvangst.
        Binnen 14 dagen na ontvangst.
        Binnen drie werkdagen na ontvangst, en niet later dan tien werkdagen voordat de levering stopt.
        brief of bericht
        bellen
        huisbezoek
        nog een huisbezoek, met een kaartje door de deur
        6 working days left, until Thursday 24 April 2025
        1 working day left, until Thursday 24 April 2025
        today, Thursday 24 April 2025
        1 working day late, it was due on Thursday 24 April 2025
        7 working days late, it was due on Thursday 24 April 2025
        too late, it was due on Friday 18 April 2025
        until Sunday 20 April 2025
        Within one working day of receipt.
        Within 14 days of receipt.
        Within three working days of receipt, and no later than ten working days before supply ends.
        a letter or message
        a call
        a visit
        another visit, with a card through the door"#]].assert_eq(&texts.join("\n"));
}
