//! What every condition asks and what follows a rule, in both languages, looked at by eye.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use expect_test::expect;
use voorveld_calendar::Term;
use voorveld_domain::{Outcome, PartnerType};

use super::sentences::both;
use super::world::{cents, default_rules, rule_set};
use crate::explain::{self, Asked};
use crate::*;

pub(super) fn field() -> voorveld_domain::FieldName {
    "monthly_rent".parse().expect("a field")
}

pub(super) fn rule_with(id: &str, condition: Condition) -> Rule {
    let mut rule = default_rules().remove(0);
    rule.id = id.parse().expect("a rule id");
    rule.title = format!("Regel {id}");
    rule.muted_by = MutedBy::default();
    rule.condition = condition;
    rule
}

fn within(window: Window, test: Test) -> Within {
    Within {
        window,
        test,
        counting: Counting::Runs,
        per: BTreeSet::new(),
    }
}

fn reaches(of: Predicate, reach: Reach) -> Test {
    Test::Reaches { of, reach }
}

fn debts() -> Predicate {
    Predicate::Domain(["debt".parse().expect("a domain")].into())
}

fn school() -> Predicate {
    Predicate::Domain(["school".parse().expect("a domain")].into())
}

pub(super) fn rent() -> Predicate {
    Predicate::Kind(["rent_arrears".parse().expect("a kind")].into())
}

fn of_field(test: FieldTest) -> Predicate {
    Predicate::Field {
        name: field(),
        test,
    }
}

/// Every construct of `condition.rs` at least once.
fn conditions() -> Vec<Condition> {
    let not = |predicate: Predicate| Predicate::Not(Box::new(predicate));
    let count = |n| reaches(Predicate::Any, Reach::Count(n));
    let least = || Least::Amount(cents(100_000));
    let hours = || Least::Field {
        name: field(),
        least: Decimal::whole(16),
    };
    let sixteen = || Decimal::whole(16);
    let mut all: Vec<Condition> = [
        Predicate::Any,
        Predicate::Crisis,
        Predicate::WarmHandover,
        Predicate::SupplyEnd,
        rent(),
        debts(),
        Predicate::PartnerType([PartnerType::Energy, PartnerType::Water].into()),
        Predicate::AmountAtLeast(cents(50_000)),
        Predicate::AnyOf(vec![
            Predicate::AmountAtLeast(cents(50_000)),
            Predicate::AmountAtLeastTimes {
                times: 2,
                field: field(),
            },
        ]),
        Predicate::All(vec![
            debts(),
            Predicate::AnyOf(vec![Predicate::Crisis, of_field(FieldTest::Is(true))]),
        ]),
        not(Predicate::AnyOf(vec![rent(), Predicate::Crisis])),
        not(Predicate::All(vec![
            Predicate::WarmHandover,
            Predicate::SupplyEnd,
            Predicate::AmountAtLeast(cents(50_000)),
        ])),
        not(not(debts())),
        not(Predicate::Any),
        not(Predicate::AmountAtLeastTimes {
            times: 2,
            field: field(),
        }),
        of_field(FieldTest::Present),
        of_field(FieldTest::Is(false)),
        of_field(FieldTest::AtLeast(sixteen())),
        of_field(FieldTest::Below(sixteen())),
        of_field(FieldTest::CodeIn(["gas".into(), "water".into()].into())),
        not(of_field(FieldTest::Present)),
        not(of_field(FieldTest::AtLeast(sixteen()))),
    ]
    .map(Condition::EachSignal)
    .into();
    all.extend([
        Condition::SingleInMonth {
            partner_types: 2,
            preceding_months: 6,
        },
        Condition::SingleInMonth {
            partner_types: 3,
            preceding_months: 1,
        },
        Condition::ConcurrentInMonth { partner_types: 2 },
        Condition::ConsecutiveMonths {
            preceding_months: 6,
        },
    ]);
    all.extend(
        [
            within(Window::Days(30), count(1)),
            within(Window::Days(1), count(2)),
            within(Window::WorkingDays(1), count(2)),
            within(Window::WorkingDays(10), reaches(debts(), Reach::Kinds(2))),
            within(Window::SchoolWeeks(1), count(2)),
            within(
                Window::SchoolWeeks(4),
                reaches(school(), Reach::Sum(hours())),
            ),
            within(
                Window::CalendarMonths(1),
                reaches(Predicate::Any, Reach::PartnerTypes(2)),
            ),
            within(
                Window::CalendarMonths(3),
                reaches(Predicate::Any, Reach::Domains(2)),
            ),
            within(
                Window::Days(90),
                reaches(Predicate::Any, Reach::Partners(2)),
            ),
            within(Window::Days(90), reaches(debts(), Reach::Debtors(2))),
            within(
                Window::Days(90),
                reaches(Predicate::Any, Reach::Sum(least())),
            ),
            within(
                Window::Days(90),
                reaches(debts(), Reach::SumOfLatest(least())),
            ),
            within(
                Window::Days(90),
                reaches(Predicate::Any, Reach::Latest(hours())),
            ),
            within(Window::Days(90), reaches(rent(), Reach::Maximum(least()))),
            Within {
                per: [Same::Kind].into(),
                ..within(Window::Days(90), count(3))
            },
            Within {
                per: [Same::Partner, Same::Debtor].into(),
                counting: Counting::Anew,
                ..within(Window::SchoolWeeks(4), count(3))
            },
            within(
                Window::Days(90),
                Test::All(vec![
                    reaches(debts(), Reach::Count(2)),
                    Test::AnyOf(vec![
                        reaches(school(), Reach::Count(1)),
                        reaches(rent(), Reach::Sum(least())),
                    ]),
                    Test::Somewhere {
                        window: Window::Days(14),
                        test: Box::new(reaches(Predicate::Any, Reach::Partners(2))),
                    },
                ]),
            ),
            Within {
                counting: Counting::Anew,
                ..within(
                    Window::Days(90),
                    Test::AtLeast {
                        count: 2,
                        of: vec![
                            reaches(debts(), Reach::Count(2)),
                            reaches(school(), Reach::Count(1)),
                            Test::Sequence(vec![rent(), Predicate::Crisis]),
                        ],
                    },
                )
            },
            within(
                Window::CalendarMonths(1),
                Test::All(vec![
                    count(1),
                    Test::Before {
                        months: 6,
                        test: Box::new(count(1)),
                    },
                    Test::Before {
                        months: 1,
                        test: Box::new(count(1)),
                    },
                ]),
            ),
            Within {
                per: [Same::Debtor].into(),
                ..within(
                    Window::Days(60),
                    Test::Sequence(vec![rent(), Predicate::Any, debts()]),
                )
            },
        ]
        .map(Condition::Within),
    );
    let risen = |of| Condition::Risen {
        of,
        days: 60,
        by: cents(5_000),
    };
    all.extend([risen(Predicate::Any), risen(debts())]);
    all.extend([
        Condition::Absence {
            after: After::Signal(rent()),
            without: Follows {
                of: Predicate::Any,
                same: [Same::Partner, Same::Debtor].into(),
                lower_amount: true,
            },
            within: Term::CalendarDays(30),
        },
        Condition::Absence {
            after: After::Pattern(within(Window::Days(60), reaches(debts(), Reach::Count(2)))),
            without: Follows {
                of: rent(),
                same: BTreeSet::new(),
                lower_amount: false,
            },
            within: Term::WorkingDays(1),
        },
    ]);
    all
}

pub(super) fn indented(asked: &Asked, depth: usize, text: &mut String) {
    writeln!(text, "{}{}", "  ".repeat(depth), asked.text).expect("text");
    for part in &asked.parts {
        indented(part, depth + 1, text);
    }
}

#[test]
fn what_a_rule_asks_is_told_in_both_languages() {
    let mut text = String::new();
    for (index, condition) in conditions().into_iter().enumerate() {
        let rule = rule_with(&format!("rule.{index}"), condition);
        // Only what can be a rule.
        let set = rule_set(vec![rule.clone()]);
        assert_eq!(set.rules().len(), 1);
        let asked = both().map(|words| explain::asks(&rule, &words));
        assert_ne!(asked[0], asked[1]);
        for one in &asked {
            assert_eq!(one.text.ends_with(':'), !one.parts.is_empty());
            indented(one, 0, &mut text);
        }
    }
    expect![[r#"
        Elk signaal.
        Any signal.
        Eén signaal over een bedreigende situatie (crisis).
        One signal about a threatening situation (crisis).
        Eén signaal met een warme overdracht.
        One signal with a handover in person.
        Eén signaal met een datum waarop de levering stopt.
        One signal with a date on which supply ends.
        Eén signaal van de soort ‘huurachterstand’.
        One signal of the kind ‘huurachterstand’.
        Eén signaal over schulden.
        One signal about debts.
        Eén signaal van een partner van de soort Energie of Water.
        One signal from a partner of the type energy or water.
        Eén signaal met een bedrag van € 500,00 of meer.
        One signal with an amount of €500.00 or more.
        Eén signaal, met minstens één van deze dingen:
          Met een bedrag van € 500,00 of meer.
          Met een bedrag van minstens twee keer ‘kale huur per maand’.
        One signal, with at least one of these:
          With an amount of €500.00 or more.
          With an amount of at least two times ‘kale huur per maand’.
        Eén signaal over schulden en (over een bedreigende situatie (crisis) of waarbij ‘kale huur per maand’ ‘ja’ is).
        One signal about debts and (about a threatening situation (crisis) or in which ‘kale huur per maand’ is ‘yes’).
        Eén signaal, niet van de soort ‘huurachterstand’ en zonder bedreigende situatie (crisis).
        One signal, not of the kind ‘huurachterstand’ and without a threatening situation (crisis).
        Eén signaal zonder warme overdracht of zonder datum waarop de levering stopt of zonder bedrag van € 500,00 of meer.
        One signal without a handover in person or without a date on which supply ends or without an amount of €500.00 or more.
        Eén signaal over schulden.
        One signal about debts.
        Eén signaal van geen enkele soort.
        One signal of no kind at all.
        Eén signaal zonder bedrag van minstens twee keer ‘kale huur per maand’.
        One signal without an amount of at least two times ‘kale huur per maand’.
        Eén signaal waarbij ‘kale huur per maand’ is gemeld.
        One signal in which ‘kale huur per maand’ was told.
        Eén signaal waarbij ‘kale huur per maand’ ‘nee’ is.
        One signal in which ‘kale huur per maand’ is ‘no’.
        Eén signaal waarbij ‘kale huur per maand’ 16 of meer is.
        One signal in which ‘kale huur per maand’ is 16 or more.
        Eén signaal waarbij ‘kale huur per maand’ lager is dan 16.
        One signal in which ‘kale huur per maand’ is below 16.
        Eén signaal waarbij ‘kale huur per maand’ ‘gas’ of ‘water’ is.
        One signal in which ‘kale huur per maand’ is ‘gas’ or ‘water’.
        Eén signaal waarbij ‘kale huur per maand’ niet is gemeld.
        One signal in which ‘kale huur per maand’ was not told.
        Eén signaal waarbij ‘kale huur per maand’ niet 16 of meer is.
        One signal in which ‘kale huur per maand’ is not 16 or more.
        In een kalendermaand signalen van maar één soort partner, en in de zes kalendermaanden daarvoor geen enkel signaal.
        In a calendar month signals from only one type of partner, and in the six calendar months before no signal at all.
        In een kalendermaand signalen van minder dan drie soorten partners, en in de kalendermaand daarvoor geen enkel signaal.
        In a calendar month signals from fewer than three types of partner, and in the calendar month before no signal at all.
        In een kalendermaand signalen van minstens twee verschillende soorten partners.
        In a calendar month signals from at least two different types of partner.
        In een kalendermaand een signaal, en in de zes kalendermaanden daarvoor ook al een signaal.
        In a calendar month a signal, and in the six calendar months before a signal, too.
        Minstens één signaal binnen 30 dagen.
        At least one signal within 30 days.
        Minstens twee signalen op één dag.
        At least two signals on one day.
        Minstens twee signalen op één werkdag.
        At least two signals on one working day.
        Signalen over schulden van minstens twee verschillende soorten binnen tien werkdagen.
        Signals about debts of at least two different kinds within ten working days.
        Minstens twee signalen in één schoolweek.
        At least two signals in one school week.
        ‘kale huur per maand’ van signalen over school (samen): minstens 16 binnen vier schoolweken.
        ‘kale huur per maand’ of signals about school (together): at least 16 within four school weeks.
        Signalen van minstens twee verschillende soorten partners in één kalendermaand.
        Signals from at least two different types of partner in one calendar month.
        Signalen over minstens twee verschillende leefgebieden in drie kalendermaanden achter elkaar.
        Signals about at least two different fields of life in three calendar months in a row.
        Signalen van minstens twee verschillende partners binnen 90 dagen.
        Signals from at least two different partners within 90 days.
        Signalen over schulden, over minstens twee verschillende inwoners binnen 90 dagen.
        Signals about debts, about at least two different residents within 90 days.
        Bedragen (samen): minstens € 1.000,00 binnen 90 dagen.
        Amounts (together): at least €1,000.00 within 90 days.
        Bedragen van signalen over schulden (van elke partner het laatste, samen): minstens € 1.000,00 binnen 90 dagen.
        Amounts of signals about debts (the last of each partner, together): at least €1,000.00 within 90 days.
        ‘kale huur per maand’ (het laatste): minstens 16 binnen 90 dagen.
        ‘kale huur per maand’ (the last): at least 16 within 90 days.
        Bedragen van signalen van de soort ‘huurachterstand’ (het hoogste): minstens € 1.000,00 binnen 90 dagen.
        Amounts of signals of the kind ‘huurachterstand’ (the highest): at least €1,000.00 within 90 days.
        Minstens drie signalen van dezelfde soort binnen 90 dagen.
        At least three signals of the same kind within 90 days.
        Minstens drie signalen van dezelfde partner over dezelfde inwoner binnen vier schoolweken. Daarna begint het tellen opnieuw: elk signaal telt één keer mee.
        At least three signals from the same partner about the same resident within four school weeks. After that the count begins anew: each signal counts once.
        Dit alles binnen 90 dagen:
          Minstens twee signalen over schulden.
          Minstens één hiervan:
            Minstens één signaal over school.
            Bedragen van signalen van de soort ‘huurachterstand’ (samen): minstens € 1.000,00.
          Signalen van minstens twee verschillende partners binnen 14 dagen.
        All of this within 90 days:
          At least two signals about debts.
          At least one of these:
            At least one signal about school.
            Amounts of signals of the kind ‘huurachterstand’ (together): at least €1,000.00.
          Signals from at least two different partners within 14 days.
        Elk signaal telt één keer mee. Minstens twee hiervan binnen 90 dagen:
          Minstens twee signalen over schulden.
          Minstens één signaal over school.
          Deze signalen na elkaar:
            Eerst een signaal van de soort ‘huurachterstand’.
            Daarna een signaal over een bedreigende situatie (crisis).
        Each signal counts once. At least two of these within 90 days:
          At least two signals about debts.
          At least one signal about school.
          These signals one after the other:
            First a signal of the kind ‘huurachterstand’.
            Then a signal about a threatening situation (crisis).
        Dit alles in één kalendermaand:
          Minstens één signaal.
          Minstens één signaal in de zes kalendermaanden daarvoor.
          Minstens één signaal in de kalendermaand daarvoor.
        All of this in one calendar month:
          At least one signal.
          At least one signal in the six calendar months before.
          At least one signal in the calendar month before.
        Deze signalen na elkaar over dezelfde inwoner binnen 60 dagen:
          Eerst een signaal van de soort ‘huurachterstand’.
          Daarna een signaal.
          Daarna een signaal over schulden.
        These signals one after the other about the same resident within 60 days:
          First a signal of the kind ‘huurachterstand’.
          Then a signal.
          Then a signal about debts.
        Een bedrag dat minstens € 50,00 hoger is dan het vorige, binnen 60 dagen: van dezelfde partner, van dezelfde soort en over dezelfde inwoner.
        An amount at least €50.00 above the one before it, within 60 days: from the same partner, of the same kind and about the same resident.
        Een bedrag dat minstens € 50,00 hoger is dan het vorige, binnen 60 dagen: van dezelfde partner, van dezelfde soort en over dezelfde inwoner. Alleen signalen over schulden tellen mee.
        An amount at least €50.00 above the one before it, within 60 days: from the same partner, of the same kind and about the same resident. Only signals about debts count.
        Na een signaal van de soort ‘huurachterstand’ kwam er binnen 30 dagen geen signaal van dezelfde partner over dezelfde inwoner met een lager bedrag. Dit staat pas vast als de partners alles over die dagen hebben geleverd.
        After a signal of the kind ‘huurachterstand’ no signal from the same partner about the same resident with a lower amount came within 30 days. This is certain only when the partners have delivered everything about those days.
        Dit, in deze volgorde:
          Minstens twee signalen over schulden binnen 60 dagen.
          Daarna kwam er binnen één werkdag geen signaal van de soort ‘huurachterstand’. Dit staat pas vast als de partners alles over die dagen hebben geleverd.
        This, in this order:
          At least two signals about debts within 60 days.
          After that no signal of the kind ‘huurachterstand’ came within one working day. This is certain only when the partners have delivered everything about those days.
    "#]].assert_eq(&text);
}

#[test]
fn what_follows_is_told_in_both_languages() {
    let mut rules = default_rules();
    let mut heavy = rule_with("zz.heavy", Condition::EachSignal(Predicate::Any));
    heavy.muted_by = MutedBy {
        threshold: false,
        repeat: true,
        known_client: true,
        unless_risen: true,
    };
    heavy.not_older_than_days = Some(31);
    let cooldown = |from, outcomes: &[Outcome]| Cooldown {
        days: 90,
        from,
        outcomes: outcomes.iter().copied().collect(),
    };
    heavy.cooldown = Some(cooldown(CooldownFrom::Raising, &[]));
    let mut after_any = rule_with("zz.after_any", Condition::EachSignal(Predicate::Any));
    after_any.cooldown = Some(cooldown(CooldownFrom::Result, &[]));
    let mut after_some = after_any.clone();
    after_some.id = "zz.after_some".parse().expect("a rule id");
    after_some.cooldown = Some(cooldown(
        CooldownFrom::Result,
        &[Outcome::NotTakenUp, Outcome::RepeatedSignal],
    ));
    let mut shown = rule_with("zz.shown", Condition::EachSignal(Predicate::Any));
    shown.effect = Effect::Show;
    shown.sources.kinds = ["rent_arrears".parse().expect("a kind")].into();
    let mut kinds_only = shown.clone();
    kinds_only.id = "zz.kinds".parse().expect("a rule id");
    kinds_only.sources.domains.clear();
    rules.extend([heavy, after_any, after_some, shown, kinds_only]);
    let set = rule_set(rules);
    let mut text = String::new();
    for rule in set.rules() {
        writeln!(text, "{}", rule.id).expect("text");
        for words in both() {
            writeln!(text, "  {}", explain::looks_at(&rule.sources, &words)).expect("text");
            for line in explain::follows(rule, set.settings(), &words) {
                writeln!(text, "  {line}").expect("text");
            }
        }
    }
    expect![[r#"
        debt.consecutive
          Alle signalen over schulden.
          Er komt een taak (gewoon). Binnen 14 dagen na ontvangst. Begin met: brief of bericht. Was er al een taak, dan een stap verder dan toen.
          Geen nieuwe taak als het alleen herhaalt wat in de laatste 90 dagen is opgepakt.
          All signals about debts.
          A task is made (routine). Within 14 days of receipt. Begin with: a letter or message. If there was a task before, go one step further than then.
          No new task when it only repeats what was dealt with in the last 90 days.
        debt.crisis
          Alle signalen over schulden.
          Er komt een taak (spoed). Binnen drie werkdagen na ontvangst. Begin met: bellen.
          All signals about debts.
          A task is made (urgent). Within three working days of receipt. Begin with: a call.
        debt.end_of_supply
          Alle signalen over schulden.
          Er komt een taak (spoed). Binnen drie werkdagen na ontvangst, en niet later dan tien werkdagen voordat de levering stopt. Begin met: bellen.
          All signals about debts.
          A task is made (urgent). Within three working days of receipt, and no later than ten working days before supply ends. Begin with: a call.
        debt.high_amount
          Alle signalen over schulden.
          Er komt een taak (verhoogd). Binnen 14 dagen na ontvangst. Begin met: bellen.
          Geen nieuwe taak als het alleen herhaalt wat in de laatste 90 dagen is opgepakt.
          All signals about debts.
          A task is made (raised). Within 14 days of receipt. Begin with: a call.
          No new task when it only repeats what was dealt with in the last 90 days.
        debt.multiple
          Alle signalen over schulden.
          Er komt een taak (verhoogd). Binnen 14 dagen na ontvangst. Begin met: bellen.
          All signals about debts.
          A task is made (raised). Within 14 days of receipt. Begin with: a call.
        debt.single
          Alle signalen over schulden.
          Er komt een taak (gewoon). Binnen 14 dagen na ontvangst. Begin met: brief of bericht.
          Geen taak als alle bedragen lager zijn dan € 75,00.
          Geen nieuwe taak als het alleen herhaalt wat in de laatste 90 dagen is opgepakt.
          Geen taak als een inwoner hier al hulp krijgt.
          All signals about debts.
          A task is made (routine). Within 14 days of receipt. Begin with: a letter or message.
          No task when all amounts are below €75.00.
          No new task when it only repeats what was dealt with in the last 90 days.
          No task when a resident here gets help already.
        debt.warm_handover
          Alle signalen over schulden.
          Er komt een taak (verhoogd). Binnen één werkdag na ontvangst. Begin met: bellen.
          All signals about debts.
          A task is made (raised). Within one working day of receipt. Begin with: a call.
        safety.meldcode
          Alle signalen over veiligheid.
          Er is dan nu geen contact met dit huishouden.
          De veiligheidsdesk krijgt een taak. Binnen één werkdag na ontvangst.
          All signals about safety.
          There is then no contact with this household for now.
          The safety desk gets a task. Within one working day of receipt.
        zz.after_any
          Alle signalen over schulden.
          Er komt een taak (gewoon). Binnen 14 dagen na ontvangst. Begin met: brief of bericht.
          Na het afronden van een taak maakt deze regel 90 dagen lang geen nieuwe.
          All signals about debts.
          A task is made (routine). Within 14 days of receipt. Begin with: a letter or message.
          For 90 days after a task is closed this rule makes no new one.
        zz.after_some
          Alle signalen over schulden.
          Er komt een taak (gewoon). Binnen 14 dagen na ontvangst. Begin met: brief of bericht.
          Na een taak met resultaat ‘Niet opgepakt: herhaalde melding’ of ‘Niet opgepakt: andere reden’ maakt deze regel 90 dagen lang geen nieuwe.
          All signals about debts.
          A task is made (routine). Within 14 days of receipt. Begin with: a letter or message.
          For 90 days after a task with the result ‘Niet opgepakt: herhaalde melding’ or ‘Niet opgepakt: andere reden’ this rule makes no new one.
        zz.heavy
          Alle signalen over schulden.
          Er komt een taak (gewoon). Binnen 14 dagen na ontvangst. Begin met: brief of bericht.
          Geen nieuwe taak als het alleen herhaalt wat in de laatste 90 dagen is opgepakt.
          Geen taak als een inwoner hier al hulp krijgt.
          Geen taak als het bedrag niet hoger is dan toen er het laatst naar gekeken werd.
          Geen taak als het nieuwste signaal ouder is dan 31 dagen.
          Na het maken van een taak maakt deze regel 90 dagen lang geen nieuwe.
          All signals about debts.
          A task is made (routine). Within 14 days of receipt. Begin with: a letter or message.
          No new task when it only repeats what was dealt with in the last 90 days.
          No task when a resident here gets help already.
          No task when the amount is not higher than when it was last looked at.
          No task when the newest signal is older than 31 days.
          For 90 days after making a task this rule makes no new one.
        zz.kinds
          Signalen van de soort ‘huurachterstand’.
          Dit is alleen om te zien. Er komt geen taak van.
          Signals of the kind ‘huurachterstand’.
          This is only to be seen. It makes no task.
        zz.shown
          Alle signalen over schulden, en signalen van de soort ‘huurachterstand’.
          Dit is alleen om te zien. Er komt geen taak van.
          All signals about debts, and signals of the kind ‘huurachterstand’.
          This is only to be seen. It makes no task.
    "#]].assert_eq(&text);
}
