//! A year in the life: which households fall behind, with whom, and what their partners send about it.
//!
//! Calibrated on the national monitor of early signals: 4 signals a month per 1,000 inhabitants with a peak in March; of the
//! household-months with a signal about half stand alone, 11 in a hundred name several partner types, 40 follow one of the six months before.

use std::collections::{BTreeMap, VecDeque};

use jiff::civil::Date;
use jiff::{Span, ToSpan};
use voorveld_domain::{PartnerType, WithdrawalReason};

use crate::dice::Dice;
use crate::partner::{Format, PARTNERS, Partner};
use crate::place::Household;
use crate::row::{Cell, Fate, FieldValue, Row};
use crate::{Delivery, Plan, Step, Withdrawal, write};

/// Signals a month per 1,000 inhabitants.
const SIGNALS_PER_THOUSAND: u64 = 4;
/// January to December, in hundredths of the mean month.
const SEASON: [u64; 12] = [104, 110, 124, 104, 98, 96, 92, 90, 96, 98, 96, 92];
/// Months in which an earlier signal makes a later one *opeenvolgend* (M1).
const LOOK_BACK_MONTHS: u32 = 6;
/// Streams of dice from here on are months.
const MONTHS_STREAM: u64 = 1 << 41;

/// In thousands: a case in a household that had a signal lately.
const AGAIN: u32 = 410;
/// In thousands: a case in which two partner types signal in one month.
const SEVERAL: u32 = 105;
/// In thousands of those: a third one.
const THIRD: u32 = 150;
/// In thousands: sent with the next month's file.
const LATE: u32 = 50;
/// In thousands: sent again next month with something changed.
const CORRECTED: u32 = 30;
/// In thousands: sent again next month as it was.
const REPEATED: u32 = 20;
/// In thousands: taken back after a while.
const WITHDRAWN: u32 = 40;
/// In thousands: written wrong.
const MISTAKEN: u32 = 12;

/// Makes the steps of the plan, in order of date.
pub(crate) struct Year<'a> {
    plan: &'a Plan,
    households: u32,
    /// (month, household, counted place in [`PARTNERS`]) of what was signalled lately.
    recent: VecDeque<(u32, u32, usize)>,
    /// Rows that wait for a partner's next file.
    held: BTreeMap<usize, Vec<Row>>,
    /// Withdrawals by day.
    withdrawals: BTreeMap<Date, Vec<Withdrawal>>,
    counter: u32,
    month: u32,
    ready: VecDeque<Step>,
}

impl<'a> Year<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Self {
        Self {
            plan,
            households: plan.households(),
            recent: VecDeque::new(),
            held: BTreeMap::new(),
            withdrawals: BTreeMap::new(),
            counter: 0,
            month: 0,
            ready: VecDeque::new(),
        }
    }

    /// The first day of the month now being made.
    fn first_day(&self) -> Date {
        let back = i64::from(self.plan.months) - 1 - i64::from(self.month);
        self.plan
            .until
            .first_of_month()
            .saturating_sub(back.months())
    }

    fn make_month(&mut self) {
        let first = self.first_day();
        let mut dice = Dice::new(self.plan.seed, MONTHS_STREAM + u64::from(self.month));
        let season = SEASON[usize::try_from(first.month() - 1).expect("January is 1")];
        let target = u64::from(self.plan.inhabitants) * SIGNALS_PER_THOUSAND * season / 100_000;
        while self
            .recent
            .front()
            .is_some_and(|(month, ..)| month + LOOK_BACK_MONTHS < self.month)
        {
            self.recent.pop_front();
        }
        let lately = self.recent.len();
        let mut files: BTreeMap<usize, Vec<Row>> = std::mem::take(&mut self.held);
        let mut made = 0;
        while made < target {
            made += self.one_case(first, lately, &mut dice, &mut files);
        }
        for (place, partner) in PARTNERS.iter().enumerate() {
            self.other_domains(place, partner, first, &mut dice, &mut files);
        }
        let mut by_day: BTreeMap<Date, Vec<Step>> = BTreeMap::new();
        for (place, rows) in files {
            let partner = &PARTNERS[place];
            let day = delivery_date(partner, first);
            if !rows.is_empty() {
                by_day
                    .entry(day)
                    .or_default()
                    .push(Step::Deliver(deliver(self.plan, partner, day, &rows)));
            }
        }
        let end = first.last_of_month();
        let later = self
            .withdrawals
            .split_off(&end.tomorrow().expect("no plan reaches year 9999"));
        for (day, withdrawals) in std::mem::replace(&mut self.withdrawals, later) {
            by_day
                .entry(day)
                .or_default()
                .extend(withdrawals.into_iter().map(Step::Withdraw));
        }
        let until = self.plan.until;
        self.ready.extend(
            by_day
                .into_iter()
                .filter(|(day, _)| *day <= until)
                .flat_map(|(_, steps)| steps),
        );
        self.month += 1;
    }

    /// A household that falls behind with one or more partners this month; how many signals that makes.
    fn one_case(
        &mut self,
        first: Date,
        lately: usize,
        dice: &mut Dice,
        files: &mut BTreeMap<usize, Vec<Row>>,
    ) -> u64 {
        let again = lately > 0 && dice.chance(AGAIN);
        let (household, before) = if again {
            let place = dice
                .below(u32::try_from(lately).expect("a month has fewer than 4 thousand million"))
                as usize;
            let (_, household, partner) = self.recent[place];
            (household, Some(partner))
        } else {
            (dice.below(self.households), None)
        };
        let door = Household::of(self.plan.seed, household);
        let mut senders = Vec::with_capacity(3);
        senders.push(match before {
            Some(partner) if dice.chance(600) => partner,
            _ => sender(dice),
        });
        if dice.chance(SEVERAL) {
            let wanted = if dice.chance(THIRD) { 3 } else { 2 };
            while senders.len() < wanted {
                let next = sender(dice);
                if senders.iter().all(|known| counted(*known) != counted(next)) {
                    senders.push(next);
                }
            }
        }
        // One person has the debts in most families; in some each has their own (K13).
        let resident = usize::from(dice.chance(200));
        let made = senders.len() as u64;
        for place in senders {
            self.recent.push_back((self.month, household, place));
            self.signal(place, &door, resident, first, dice, files);
        }
        made
    }

    fn signal(
        &mut self,
        place: usize,
        door: &Household,
        resident: usize,
        first: Date,
        dice: &mut Dice,
        files: &mut BTreeMap<usize, Vec<Row>>,
    ) {
        let partner = &PARTNERS[place];
        let delivered = delivery_date(partner, first);
        let signalled = delivered.saturating_sub(i64::from(dice.below(7)).days());
        let mut row = arrears(
            partner,
            door,
            resident,
            self.plan.municipality.as_str(),
            signalled,
            dice,
        );
        row.reference = self.reference(partner, first);
        spell(&mut row, dice);
        if dice.chance(MISTAKEN) {
            mistake(&mut row, partner, dice);
            files.entry(place).or_default().push(row);
        } else if dice.chance(LATE) {
            self.held.entry(place).or_default().push(row);
        } else {
            if dice.chance(CORRECTED) {
                let later = self.corrected(&row, partner, dice);
                self.held.entry(place).or_default().push(later);
            } else if dice.chance(REPEATED) {
                self.held.entry(place).or_default().push(Row {
                    fate: Fate::Unchanged,
                    ..row.clone()
                });
            } else if dice.chance(WITHDRAWN) {
                let on = delivered.saturating_add(i64::from(dice.between(4, 40)).days());
                let reason = *dice.pick(&[
                    WithdrawalReason::Paid,
                    WithdrawalReason::Paid,
                    WithdrawalReason::Paid,
                    WithdrawalReason::Arranged,
                    WithdrawalReason::Mistaken,
                ]);
                let reference = row.reference.clone();
                self.withdrawals.entry(on).or_default().push(Withdrawal {
                    partner,
                    reference,
                    on,
                    reason,
                });
            }
            files.entry(place).or_default().push(row);
        }
    }

    /// The same signal as it is sent a month later: another amount, or in one of three another front door.
    fn corrected(&self, row: &Row, partner: &Partner, dice: &mut Dice) -> Row {
        let mut row = Row {
            fate: Fate::Corrected,
            ..row.clone()
        };
        if dice.chance(330) && partner.format != Format::Ddas12 {
            let door = Household::of(self.plan.seed, dice.below(self.households));
            row.household = door.index;
            row.street = door.street;
            row.postcode = door.postcode;
            row.house_number = door.number.to_string();
            door.suffix.clone_into(&mut row.suffix);
        } else if let Some(Cell::Good(cents)) = &mut row.amount_cents {
            *cents += dice.between(10, 90) * 100;
        } else {
            row.fate = Fate::Unchanged;
        }
        row
    }

    /// Schools, police and care send too: a care organisation's safety marker counts, the others have no ground by default (S6).
    fn other_domains(
        &mut self,
        place: usize,
        partner: &Partner,
        first: Date,
        dice: &mut Dice,
        files: &mut BTreeMap<usize, Vec<Row>>,
    ) {
        let (kind, fate, per_100_000) = match partner.partner_type {
            PartnerType::Care => ("reporting_code_report", Fate::Accepted, 5),
            PartnerType::School => ("school_absence_16h", Fate::Refused("no_legal_ground"), 10),
            PartnerType::Police => ("police_care_report", Fate::Refused("no_legal_ground"), 10),
            _ => return,
        };
        let many = (u64::from(self.plan.inhabitants) * per_100_000).div_ceil(100_000);
        for _ in 0..many {
            let lately = u32::try_from(self.recent.len()).unwrap_or(u32::MAX);
            let household = if dice.chance(500) && lately > 0 {
                self.recent[dice.below(lately) as usize].1
            } else {
                dice.below(self.households)
            };
            let door = Household::of(self.plan.seed, household);
            let day = delivery_date(partner, first).saturating_sub(i64::from(dice.below(5)).days());
            let mut row = Row::about(
                partner,
                &door,
                0,
                self.plan.municipality.as_str(),
                kind,
                day,
            );
            row.reference = self.reference(partner, first);
            row.fate = fate;
            if partner.partner_type == PartnerType::School {
                row.fields = vec![
                    (
                        "absent_from",
                        FieldValue::Date(day.saturating_sub(27.days())),
                    ),
                    ("absent_until", FieldValue::Date(day)),
                    ("hours", FieldValue::Number(dice.between(16, 60))),
                ];
            }
            if partner.partner_type == PartnerType::Care {
                // Without either there is no ground to send it.
                let acute = dice.chance(600);
                row.fields = vec![
                    ("step", FieldValue::Code("5")),
                    ("acute", FieldValue::Boolean(acute)),
                    (
                        "structural",
                        FieldValue::Boolean(!acute || dice.chance(500)),
                    ),
                ];
            }
            files.entry(place).or_default().push(row);
        }
    }

    fn reference(&mut self, partner: &Partner, first: Date) -> String {
        self.counter += 1;
        format!(
            "{}-{}{:02}-{:06}",
            partner.reference_prefix,
            first.year(),
            first.month(),
            self.counter
        )
    }
}

impl Iterator for Year<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        while self.ready.is_empty() && self.month < self.plan.months {
            self.make_month();
        }
        self.ready.pop_front()
    }
}

/// When this partner's file of the month comes.
fn delivery_date(partner: &Partner, first: Date) -> Date {
    first.saturating_add(Span::new().days(i64::from(partner.delivery_day) - 1))
}

fn sender(dice: &mut Dice) -> usize {
    let weights: Vec<u32> = PARTNERS.iter().map(|partner| partner.share).collect();
    dice.weighted(&weights)
}

fn counted(place: usize) -> voorveld_domain::CountedType {
    PARTNERS[place].partner_type.counted(true)
}

/// What this partner would say of this household's arrears.
pub(crate) fn arrears(
    partner: &Partner,
    door: &Household,
    resident: usize,
    municipality: &str,
    signalled: Date,
    dice: &mut Dice,
) -> Row {
    let ddas = partner.format.is_ddas();
    let (kind, age_from, age_to, small, large) = match partner.partner_type {
        PartnerType::Rent if !ddas && dice.chance(12) => ("eviction_notice", 60, 150, 900, 4000),
        PartnerType::Rent => ("rent_arrears", 31, 120, 250, 2200),
        PartnerType::Energy if !ddas && dice.chance(250) => {
            ("supply_end_notice", 60, 150, 200, 1400)
        }
        PartnerType::Energy => ("energy_arrears", 31, 110, 60, 900),
        PartnerType::Water => ("water_arrears", 31, 110, 30, 260),
        PartnerType::CakHealthInsurance => ("cak_health_insurance_arrears", 190, 320, 700, 2500),
        _ if !ddas && dice.chance(6) => ("health_insurance_end", 60, 95, 400, 1500),
        _ => ("health_insurance_arrears", 32, 68, 45, 850),
    };
    let mut row = Row::about(partner, door, resident, municipality, kind, signalled);
    row.arisen_on =
        Some(signalled.saturating_sub(i64::from(dice.between(age_from, age_to)).days()));
    // The smaller of two throws: many small debts, few large ones.
    let euros = dice.between(small, large).min(dice.between(small, large));
    let cents = if ddas { 0 } else { dice.below(100) };
    row.amount_cents = Some(Cell::Good(euros * 100 + cents));
    row.crisis =
        matches!(kind, "rent_arrears" | "energy_arrears" | "water_arrears") && dice.chance(8);
    row.warm_handover = kind != "supply_end_notice" && dice.chance(10);
    if kind == "rent_arrears" && dice.chance(700) {
        row.fields = vec![("monthly_rent", FieldValue::Number(dice.between(420, 980)))];
    }
    if kind == "supply_end_notice" {
        row.supply_ends_on = Some(signalled.saturating_add(i64::from(dice.between(29, 42)).days()));
    }
    row
}

/// Two registers seldom write a name or a front door alike. None of this changes who or where it is.
fn spell(row: &mut Row, dice: &mut Dice) {
    match dice.below(100) {
        0..=3 => row.surname = plain(&row.surname),
        4 | 5 => {
            let whole = format!("{} {}", row.prefix, row.surname);
            whole.trim().clone_into(&mut row.surname);
            row.prefix.clear();
        }
        6 | 7 => row.surname = row.surname.replace("ij", "y"),
        8 => row.surname = row.surname.to_uppercase(),
        _ => {}
    }
    if dice.chance(250) {
        let (digits, letters) = row.postcode.split_at(4);
        row.postcode = format!("{digits} {letters}");
    } else if dice.chance(50) {
        row.postcode = row.postcode.to_lowercase();
    }
    if row.suffix == "A" {
        match dice.below(4) {
            0 => "a".clone_into(&mut row.suffix),
            1 => (row.house_number, row.suffix) = (format!("{}A", row.house_number), String::new()),
            2 => {
                (row.house_number, row.suffix) = (format!("{}-a", row.house_number), String::new());
            }
            _ => {}
        }
    }
}

fn plain(name: &str) -> String {
    name.chars()
        .map(|letter| match letter {
            'ë' | 'é' => 'e',
            'ï' => 'i',
            'ü' => 'u',
            'ç' => 'c',
            other => other,
        })
        .collect()
}

/// What goes wrong in real files, and what must then become of the row.
fn mistake(row: &mut Row, partner: &Partner, dice: &mut Dice) {
    let Cell::Good(signalled) = row.signalled_on else {
        return;
    };
    let choices = if partner.format.is_ddas() { 5 } else { 9 };
    match dice.below(choices) {
        0 => {
            row.arisen_on = Some(signalled.saturating_sub(12.days()));
            row.crisis = false;
            row.warm_handover = false;
            let checked = !matches!(
                row.kind,
                "supply_end_notice" | "eviction_notice" | "health_insurance_end"
            );
            row.fate = if checked {
                Fate::Refused("arrears_too_young")
            } else {
                Fate::Accepted
            };
        }
        1 => {
            row.signalled_on = Cell::Good(signalled.saturating_add(400.days()));
            row.fate = Fate::Refused("in_future");
        }
        2 if partner.format != Format::Ddas12 => {
            row.postcode.clear();
            row.house_number.clear();
            row.suffix.clear();
            row.street.clear();
            row.fate = Fate::Unplaced("no_address");
        }
        3 if partner.knows_bsn => {
            // Two digits swapped at the keyboard: a warning, not a refusal (S6).
            let last = if row.bsn.ends_with('0') { "1" } else { "0" };
            row.bsn.replace_range(8..9, last);
        }
        5 => {
            row.reference.clear();
            row.fate = Fate::Refused("reference_missing");
        }
        6 => {
            row.amount_cents = Some(Cell::Nonsense("onbekend"));
            let ndjson = partner.format == Format::Ndjson;
            row.fate = Fate::Refused(if ndjson {
                "wrong_type"
            } else {
                "amount_format"
            });
        }
        7 => {
            "9998".clone_into(&mut row.municipality);
            row.fate = Fate::Refused("municipality_not_served");
        }
        8 => {
            row.signalled_on = Cell::Nonsense("31-02-2026");
            row.fate = Fate::Refused("date_format");
        }
        _ => row.arisen_on = None, // accepted, age unknown (S6)
    }
}

pub(crate) fn deliver(plan: &Plan, partner: &'static Partner, day: Date, rows: &[Row]) -> Delivery {
    let bytes = write::file(partner, plan.municipality.as_str(), day, rows);
    let name = format!("{}-{day}.{}", partner.id, partner.format.extension());
    let first_row = partner.format.first_row();
    let ledger = rows
        .iter()
        .zip(first_row..)
        .map(|(row, number)| crate::LedgerRow {
            row: number,
            reference: row.reference.clone(),
            kind: row.kind,
            household: row.household,
            fate: match row.fate {
                // v1.2 names the client by BSN alone: no address until a registry answers.
                Fate::Accepted if partner.format == Format::Ddas12 => Fate::Unplaced("no_address"),
                fate => fate,
            },
        })
        .collect();
    Delivery {
        partner,
        day,
        name,
        bytes,
        ledger,
    }
}
