//! Invented histories and rules. From one number comes one history, so that whoever is told the number has it again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use voorveld_calendar::{Term, days_between, plus_days};
use voorveld_domain::{
    DebtorId, FieldName, Filing, KindId, PartnerId, PartnerType, Presence, Revision, RuleId,
    SignalDomain, Standing,
};

use super::super::world::{cents, debt_signal, default_rules, signal_id};
use super::judge::Told;
use crate::*;

/// Numbers that look thrown; the same ones for the same seed.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..below`.
    pub(super) fn below(&mut self, below: u32) -> u32 {
        u32::try_from(self.next() % u64::from(below)).expect("less than a u32")
    }

    /// Once in so many times.
    pub(super) fn once_in(&mut self, times: u32) -> bool {
        self.below(times) == 0
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let many = u32::try_from(from.len()).expect("a short list");
        &from[usize::try_from(self.below(many)).expect("a short list")]
    }

    pub(super) fn days(&mut self, below: u32) -> i32 {
        i32::try_from(self.below(below)).expect("few days")
    }

    fn small(&mut self, below: u16) -> u16 {
        u16::try_from(self.below(u32::from(below))).expect("small")
    }
}

/// All that is judged at once.
#[derive(Debug, Clone)]
pub(super) struct History {
    pub(super) rules: Vec<Rule>,
    pub(super) settings: RuleSettings,
    pub(super) copies: Vec<Signal>,
    pub(super) told: Told,
    pub(super) as_of: Date,
}

const KINDS_IN_ALL: u32 = 6;

const KINDS: [(&str, &str); KINDS_IN_ALL as usize] = [
    ("rent_arrears", "debt"),
    ("energy_arrears", "debt"),
    ("payment", "debt"),
    ("absence_hours", "school"),
    ("concern", "safety"),
    ("follow_up", "safety"),
];

const PARTNERS: [(&str, PartnerType); 6] = [
    ("landlord-a", PartnerType::Rent),
    ("landlord-b", PartnerType::Rent),
    ("supplier", PartnerType::Energy),
    ("insurer", PartnerType::HealthInsurance),
    ("cak", PartnerType::CakHealthInsurance),
    ("school", PartnerType::School),
];

/// The first day on which something may be dated.
const FROM: Date = date(2024, 9, 20);

/// Everything that is read from text, read once: reading it for each history would take most of the time.
struct Words {
    kinds: Vec<(KindId, SignalDomain)>,
    partners: Vec<(PartnerId, PartnerType)>,
    fields: BTreeMap<&'static str, FieldName>,
    rule_ids: Vec<RuleId>,
    default_rules: Vec<Rule>,
    signal: Signal,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| Words {
    kinds: KINDS
        .iter()
        .map(|(kind, domain)| {
            let domain = domain.parse().expect("a domain");
            (kind.parse().expect("a kind"), domain)
        })
        .collect(),
    partners: PARTNERS
        .iter()
        .map(|(partner, partner_type)| (partner.parse().expect("a partner"), *partner_type))
        .collect(),
    fields: ["hours", "acute", "code", "monthly_rent"]
        .into_iter()
        .map(|name| (name, name.parse().expect("a field")))
        .collect(),
    rule_ids: (0..2)
        .map(|number| {
            format!("pattern.invented_{number}")
                .parse()
                .expect("a rule")
        })
        .collect(),
    default_rules: default_rules(),
    signal: debt_signal(1, PartnerType::Rent, FROM),
});

fn kind(number: u32) -> KindId {
    WORDS.kinds[number as usize].0.clone()
}

fn field(name: &str) -> FieldName {
    WORDS.fields[name].clone()
}

impl History {
    /// The history of this number: a household of a few signals.
    pub(super) fn of(seed: u64) -> Self {
        Self::invented(seed, |dice| dice.below(9))
    }

    /// The same of more signals than are looked through one by one.
    pub(super) fn of_a_crowd(seed: u64) -> Self {
        Self::invented(seed, |dice| 40 + dice.below(60))
    }

    fn invented(seed: u64, how_many: impl FnOnce(&mut Dice) -> u32) -> Self {
        let mut dice = Dice::new(seed);
        let dice = &mut dice;
        let span = *dice.pick(&[4, 20, 70, 250]);
        let mut rules: Vec<Rule> = (0..2).map(|number| invented_rule(dice, number)).collect();
        if dice.once_in(4) {
            rules.extend(WORDS.default_rules.iter().cloned());
        }
        let mut settings = RuleSettings {
            cak_is_zorg: !dice.once_in(3),
            ..RuleSettings::default()
        };
        if dice.once_in(3) {
            settings.crisis_kinds = BTreeSet::from([kind(dice.below(6))]);
        }
        if dice.once_in(4) {
            let days = 20 + dice.small(200);
            settings.retention_days.insert(kind(dice.below(6)), days);
        }
        let many = how_many(dice);
        let copies = (1..=many)
            .flat_map(|number| invented_copies(dice, number, span))
            .collect();
        let last = days_between(FROM, plus_days(FROM, dice.days(span) + 1));
        Self {
            told: invented_feeds(dice, last),
            rules,
            settings,
            copies,
            as_of: plus_days(FROM, dice.days(span + 90)),
        }
    }

    pub(super) fn rule_set(&self) -> RuleSet {
        RuleSet::new(
            self.rules.clone(),
            self.settings.clone(),
            RuleSetHash([0; 32]),
        )
        .expect("rules are invented sound")
    }

    pub(super) fn timeline(&self) -> Timeline {
        self.copies.iter().cloned().collect()
    }

    pub(super) fn feeds(&self) -> Feeds {
        let mut feeds = Feeds::default();
        for (partner, kind) in &self.told.senders {
            feeds.expect(partner, kind);
        }
        for (partner, kind, through) in &self.told.marks {
            feeds.mark(partner, kind, *through);
        }
        feeds
    }
}

fn invented_feeds(dice: &mut Dice, last: i32) -> Told {
    let mut told = Told::default();
    let many = dice.below(3);
    for number in 0..KINDS_IN_ALL {
        for _ in 0..many {
            let (partner, _) = dice.pick(&WORDS.partners).clone();
            if !dice.once_in(8) {
                told.senders.push((partner.clone(), kind(number)));
            }
            if !dice.once_in(8) {
                let through = plus_days(FROM, last - 20 + dice.days(140));
                told.marks.push((partner, kind(number), through));
            }
        }
    }
    told
}

/// One signal in one copy, or in more of which one wins.
pub(super) fn invented_copies(dice: &mut Dice, number: u32, span: u32) -> Vec<Signal> {
    let mut copies = vec![invented_signal(dice, number, span)];
    while dice.once_in(5) {
        let mut copy = invented_signal(dice, number, span);
        let last = copies.last().expect("one is there");
        (copy.revision, copy.filing) = (last.revision, last.filing.next());
        if dice.once_in(2) {
            (copy.revision, copy.filing) = (last.revision.next(), Filing::FIRST);
        }
        copies.push(copy);
    }
    if dice.once_in(10) {
        let mut copy = dice.pick(&copies).clone();
        copy.presence = Presence::MovedAway;
        copies.push(copy);
    }
    // Any order will do.
    if dice.once_in(2) {
        copies.reverse();
    }
    copies
}

fn invented_signal(dice: &mut Dice, number: u32, span: u32) -> Signal {
    let event_date = plus_days(FROM, dice.days(span));
    let (partner, partner_type) = dice.pick(&WORDS.partners).clone();
    let (kind, domain) = dice.pick(&WORDS.kinds).clone();
    let late = if dice.once_in(3) { dice.days(60) } else { 0 };
    let received = instant(plus_days(event_date, late));
    let mut fields = BTreeMap::new();
    if !dice.once_in(3) {
        let hours = i64::from(dice.below(12)) * 1_000 - 2_000;
        fields.insert(
            field("hours"),
            FieldValue::Number(Decimal::from_thousandths(hours)),
        );
    }
    match dice.below(6) {
        0 => drop(fields.insert(field("acute"), FieldValue::Bool(dice.once_in(2)))),
        1 => drop(fields.insert(field("acute"), FieldValue::Number(Decimal::whole(1)))),
        2 => drop(fields.insert(field("code"), FieldValue::Code("a".into()))),
        3 => drop(fields.insert(field("code"), FieldValue::Code("b".into()))),
        4 => drop(fields.insert(
            field("monthly_rent"),
            FieldValue::Number(Decimal::whole(100)),
        )),
        _ => {}
    }
    let mut signal = Signal {
        revision: Revision::FIRST,
        filing: Filing::FIRST,
        partner,
        partner_type,
        kind,
        domain,
        event_date,
        first_received_at: received,
        received_at: received,
        amount: (!dice.once_in(4)).then(|| cents(i64::from(dice.below(5) + 1) * 10_000)),
        crisis: dice.once_in(12),
        warm_handover: dice.once_in(12),
        supply_ends_on: dice.once_in(12).then(|| plus_days(event_date, 30)),
        debtor: debtor(dice.below(3)),
        fields,
        ..WORDS.signal.clone()
    };
    // Ids do not go up with the days.
    signal.id = signal_id(number * 37 % 101);
    if dice.once_in(12) {
        signal.standing = *dice.pick(&[Standing::Withdrawn, Standing::Objected]);
    }
    signal
}

/// Midnight, so that receipts are often the same instant.
fn instant(day: Date) -> Timestamp {
    let days = i64::from(days_between(date(1970, 1, 1), day));
    Timestamp::from_second(days * 86_400).expect("an instant within the calendar")
}

fn debtor(number: u32) -> Option<DebtorId> {
    (0 < number).then(|| DebtorId::from_uuid(uuid::Uuid::from_u128(u128::from(number))))
}

pub(super) fn invented_rule(dice: &mut Dice, number: usize) -> Rule {
    let mut rule = WORDS.default_rules[0].clone();
    rule.id = WORDS.rule_ids[number].clone();
    rule.muted_by = MutedBy::default();
    rule.effect = Effect::Show;
    rule.sources = Sources {
        domains: BTreeSet::new(),
        kinds: (0..KINDS_IN_ALL).map(kind).collect(),
    };
    if dice.once_in(3) {
        rule.sources.kinds.remove(&kind(dice.below(6)));
    }
    if dice.once_in(8) {
        rule.sources = Sources {
            domains: BTreeSet::from([WORDS.kinds[0].1.clone()]),
            kinds: BTreeSet::from([kind(4)]),
        };
    }
    rule.condition = loop {
        let condition = invented_condition(dice);
        if condition.fault().is_none() {
            break condition;
        }
    };
    rule
}

fn invented_condition(dice: &mut Dice) -> Condition {
    match dice.below(14) {
        0 => Condition::EachSignal(invented_predicate(dice, 2)),
        1 => Condition::SingleInMonth {
            partner_types: 2 + u8::from(dice.once_in(3)),
            preceding_months: 1 + u8::from(dice.once_in(2)) * 5,
        },
        2 => match dice.below(2) {
            0 => Condition::ConcurrentInMonth {
                partner_types: 2 + u8::from(dice.once_in(3)),
            },
            _ => Condition::ConsecutiveMonths {
                preceding_months: 1 + u8::from(dice.once_in(2)) * 5,
            },
        },
        3 => Condition::Risen {
            of: invented_predicate(dice, 1),
            days: 2 + dice.small(80),
            by: cents(i64::from(1 + dice.below(2) * 10_000)),
        },
        4..=6 => Condition::Absence {
            after: if dice.once_in(2) {
                After::Signal(invented_predicate(dice, 1))
            } else {
                After::Pattern(invented_within(dice, false))
            },
            without: Follows {
                of: invented_predicate(dice, 2),
                same: invented_same(dice),
                lower_amount: dice.once_in(4),
            },
            within: if dice.once_in(2) {
                Term::WorkingDays(1 + dice.small(20))
            } else {
                Term::CalendarDays(1 + dice.small(40))
            },
        },
        7..=9 => Condition::Within(invented_within(dice, true)),
        _ => Condition::Within(invented_within(dice, false)),
    }
}

fn invented_same(dice: &mut Dice) -> BTreeSet<Same> {
    [Same::Partner, Same::Kind, Same::Debtor]
        .into_iter()
        .filter(|_| dice.once_in(4))
        .collect()
}

fn invented_within(dice: &mut Dice, monthly: bool) -> Within {
    let window = invented_window(dice, monthly);
    Within {
        window,
        test: invented_test(dice, 3, monthly),
        counting: if !monthly && dice.once_in(3) {
            Counting::Anew
        } else {
            Counting::Runs
        },
        per: if !monthly && dice.once_in(4) {
            invented_same(dice)
        } else {
            BTreeSet::new()
        },
    }
}

fn invented_window(dice: &mut Dice, monthly: bool) -> Window {
    if monthly {
        return Window::CalendarMonths(1 + u8::from(dice.once_in(2)) * 2);
    }
    match dice.below(5) {
        0 => Window::WorkingDays(1 + dice.small(25)),
        1 => Window::SchoolWeeks(1 + dice.small(5)),
        _ => Window::Days(*dice.pick(&[1, 2, 5, 10, 30, 60])),
    }
}

/// `before` is for windows of months only.
fn invented_test(dice: &mut Dice, depth: u32, monthly: bool) -> Test {
    let several = |dice: &mut Dice| -> Vec<Test> {
        (0..2 + dice.below(2))
            .map(|_| invented_test(dice, depth - 1, monthly))
            .collect()
    };
    if depth == 0 {
        return reaches(dice);
    }
    match dice.below(13) {
        0..=4 => reaches(dice),
        5 => Test::All(several(dice)),
        6 => Test::AnyOf(several(dice)),
        7 => {
            let of = several(dice);
            Test::AtLeast {
                count: 1 + u8::try_from(dice.below(2)).expect("small"),
                of,
            }
        }
        8 | 9 => Test::Sequence(
            (0..2 + dice.below(2))
                .map(|_| invented_predicate(dice, 1))
                .collect(),
        ),
        10 => {
            let months = dice.once_in(3);
            Test::Somewhere {
                window: invented_window(dice, months),
                test: Box::new(invented_test(dice, depth - 1, months && monthly)),
            }
        }
        _ if monthly => Test::Before {
            months: 1 + u8::try_from(dice.below(6)).expect("small"),
            test: Box::new(invented_test(dice, depth - 1, monthly)),
        },
        _ => reaches(dice),
    }
}

fn reaches(dice: &mut Dice) -> Test {
    Test::Reaches {
        of: invented_predicate(dice, 1),
        reach: invented_reach(dice),
    }
}

fn invented_reach(dice: &mut Dice) -> Reach {
    let least = 1 + dice.small(3);
    let sum = if dice.once_in(2) {
        Least::Amount(cents(i64::from(1 + dice.below(8)) * 10_000))
    } else {
        Least::Field {
            name: field("hours"),
            least: Decimal::whole(i32::try_from(dice.below(16)).expect("small") - 1),
        }
    };
    match dice.below(12) {
        0..=2 => Reach::Count(least),
        3 => Reach::Kinds(least),
        4 => Reach::Domains(least),
        5 => Reach::Partners(least),
        6 => Reach::PartnerTypes(least),
        7 => Reach::Debtors(least),
        8 => Reach::Sum(sum),
        9 => Reach::SumOfLatest(sum),
        10 => Reach::Latest(sum),
        _ => Reach::Maximum(sum),
    }
}

fn invented_predicate(dice: &mut Dice, depth: u32) -> Predicate {
    let several = |dice: &mut Dice| -> Vec<Predicate> {
        (0..2)
            .map(|_| invented_predicate(dice, depth - 1))
            .collect()
    };
    if depth == 0 || dice.once_in(2) {
        return lone_predicate(dice);
    }
    match dice.below(4) {
        0 => Predicate::All(several(dice)),
        1 => Predicate::AnyOf(several(dice)),
        2 => Predicate::Not(Box::new(invented_predicate(dice, depth - 1))),
        _ => lone_predicate(dice),
    }
}

fn lone_predicate(dice: &mut Dice) -> Predicate {
    match dice.below(16) {
        0..=3 => Predicate::Any,
        4..=6 => {
            let (one, other) = (dice.below(6), dice.below(6));
            Predicate::Kind(BTreeSet::from([kind(one), kind(other)]))
        }
        7 | 8 => Predicate::Domain(BTreeSet::from([dice
            .pick(&KINDS)
            .1
            .parse()
            .expect("a domain")])),
        9 => Predicate::PartnerType(BTreeSet::from([dice.pick(&WORDS.partners).1])),
        10 => Predicate::Crisis,
        11 => match dice.below(2) {
            0 => Predicate::WarmHandover,
            _ => Predicate::SupplyEnd,
        },
        12 => Predicate::AmountAtLeast(cents(20_000)),
        13 => Predicate::AmountAtLeastTimes {
            times: 2,
            field: field("monthly_rent"),
        },
        14 => Predicate::Field {
            name: field(["acute", "code"][usize::from(dice.once_in(2))]),
            test: match dice.below(3) {
                0 => FieldTest::Present,
                1 => FieldTest::Is(true),
                _ => FieldTest::CodeIn(BTreeSet::from(["a".into()])),
            },
        },
        _ => Predicate::Field {
            name: field("hours"),
            test: match dice.below(2) {
                0 => FieldTest::AtLeast(Decimal::whole(4)),
                _ => FieldTest::Below(Decimal::whole(4)),
            },
        },
    }
}
