use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use calamine::Reader;
use jiff::civil::date;

use super::*;

fn plan(seed: u64) -> Plan {
    Plan {
        seed,
        municipality: "0518".parse().unwrap(),
        inhabitants: 50_000,
        months: 12,
        until: date(2026, 11, 22),
    }
}

fn deliveries(plan: &Plan) -> Vec<Delivery> {
    plan.steps()
        .filter_map(|step| match step {
            Step::Deliver(delivery) => Some(delivery),
            Step::Withdraw(_) => None,
        })
        .collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let (one, again, other) = (
        deliveries(&plan(7)),
        deliveries(&plan(7)),
        deliveries(&plan(8)),
    );
    assert_eq!(one.len(), again.len());
    for (left, right) in one.iter().zip(&again) {
        assert!(
            left.name == right.name && left.bytes == right.bytes,
            "{}",
            left.name
        );
    }
    assert!(
        one.iter()
            .zip(&other)
            .any(|(left, right)| left.bytes != right.bytes)
    );
}

#[test]
fn steps_come_in_order_and_none_after_the_last_day() {
    let plan = plan(7);
    let days: Vec<_> = plan.steps().map(|step| step.day()).collect();
    assert!(days.is_sorted());
    assert!(*days.last().unwrap() <= plan.until);
}

#[test]
fn volumes_and_shares_are_those_of_the_national_monitor() {
    let plan = plan(7);
    // household -> month -> counted partner types; only what the door takes.
    let mut cases: BTreeMap<u32, BTreeMap<(i16, i8), BTreeSet<voorveld_domain::CountedType>>> =
        BTreeMap::new();
    let mut by_type: BTreeMap<_, u32> = BTreeMap::new();
    let (mut all, mut supply_ends) = (0, 0);
    for delivery in deliveries(&plan) {
        let counted = delivery.partner.partner_type.counted(true);
        if delivery.partner.share == 0 {
            continue;
        }
        for row in delivery
            .ledger
            .iter()
            .filter(|row| matches!(row.fate, Fate::Accepted))
        {
            all += 1;
            *by_type.entry(counted).or_default() += 1;
            supply_ends += u32::from(row.kind == "supply_end_notice");
            let month = (delivery.day.year(), delivery.day.month());
            cases
                .entry(row.household)
                .or_default()
                .entry(month)
                .or_default()
                .insert(counted);
        }
    }
    assert!((2_200..2_700).contains(&all), "200 a month: {all}");
    let per_cent = |part: u32, whole: u32| part * 100 / whole;
    let share = |id: &str| {
        per_cent(
            by_type[&partner(id).unwrap().partner_type.counted(true)],
            all,
        )
    };
    assert!((37..=44).contains(&share("zorgverzekeraar-linde")));
    assert!((17..=23).contains(&share("corporatie-de-brug")));
    assert!((16..=22).contains(&share("waterbedrijf-de-bron")));
    assert!((17..=23).contains(&share("energie-lichtpunt")));
    let of_energy = per_cent(
        supply_ends,
        by_type[&partner("energie-lichtpunt")
            .unwrap()
            .partner_type
            .counted(true)],
    );
    assert!(
        (19..=31).contains(&of_energy),
        "a quarter of energy announces the end: {of_energy}"
    );

    let number = |(year, month): (i16, i8)| i32::from(year) * 12 + i32::from(month);
    let half_way = number((2026, 6));
    let (mut total, mut several, mut following, mut alone) = (0, 0, 0, 0);
    for months in cases.values() {
        for (month, types) in months
            .iter()
            .filter(|(month, _)| half_way <= number(**month))
        {
            total += 1;
            let again = months
                .keys()
                .any(|before| (number(*month) - 6..number(*month)).contains(&number(*before)));
            several += u32::from(1 < types.len());
            following += u32::from(again);
            alone += u32::from(!again && types.len() == 1);
        }
    }
    assert!(
        (9..=15).contains(&per_cent(several, total)),
        "meervoudig {several} of {total}"
    );
    assert!(
        (34..=46).contains(&per_cent(following, total)),
        "opeenvolgend {following} of {total}"
    );
    assert!(
        (45..=56).contains(&per_cent(alone, total)),
        "enkelvoudig {alone} of {total}"
    );
}

#[test]
fn every_sort_of_step_and_fate_happens_in_a_year() {
    let plan = plan(7);
    assert!(plan.steps().any(|step| matches!(step, Step::Withdraw(_))));
    let fates: BTreeSet<_> = deliveries(&plan)
        .into_iter()
        .flat_map(|delivery| delivery.ledger.into_iter().map(|row| row.fate))
        .collect();
    for fate in [
        Fate::Accepted,
        Fate::Corrected,
        Fate::Unchanged,
        Fate::Unplaced("no_address"),
        Fate::Refused("no_legal_ground"),
        Fate::Refused("arrears_too_young"),
    ] {
        assert!(fates.contains(&fate), "{fate:?} of {fates:?}");
    }
}

#[test]
fn a_withdrawn_reference_was_sent_before() {
    let mut sent = BTreeSet::new();
    for step in plan(7).steps() {
        match step {
            Step::Deliver(delivery) => {
                sent.extend(
                    delivery
                        .ledger
                        .into_iter()
                        .map(|row| (delivery.partner.id, row.reference)),
                );
            }
            Step::Withdraw(withdrawal) => {
                assert!(sent.contains(&(withdrawal.partner.id, withdrawal.reference)));
            }
        }
    }
}

#[test]
fn each_format_reads_back_with_as_many_rows_as_the_ledger() {
    for delivery in deliveries(&plan(7)) {
        let rows = match delivery.partner.format {
            Format::DutchCsvWindows1252 | Format::DutchCsvUtf8 => csv_rows(&delivery.bytes, b';'),
            Format::EnglishCsv => csv_rows(&delivery.bytes, b','),
            Format::Xlsx => {
                let mut book = calamine::Xlsx::new(Cursor::new(&delivery.bytes)).unwrap();
                book.worksheet_range("Signalen").unwrap().height() - 1
            }
            Format::Ndjson => std::str::from_utf8(&delivery.bytes)
                .unwrap()
                .lines()
                .count(),
            Format::Ddas09 | Format::Ddas12 => {
                let document: serde_json::Value = serde_json::from_slice(&delivery.bytes).unwrap();
                document["leveringen"][0]["vroegsignalen"]
                    .as_array()
                    .unwrap()
                    .len()
            }
        };
        assert_eq!(rows, delivery.ledger.len(), "{}", delivery.name);
    }
}

fn csv_rows(bytes: &[u8], delimiter: u8) -> usize {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .from_reader(bytes);
    reader.byte_records().map(Result::unwrap).count()
}

#[test]
fn a_bulk_file_has_exactly_the_rows_asked_for() {
    let mut bytes = Vec::new();
    bulk_csv(&plan(7), 2_500, 0, &mut bytes).unwrap();
    assert_eq!(csv_rows(&bytes, b';'), 2_500);
}

#[test]
fn the_examples_share_households_and_show_a_refusal() {
    let [document, sheet] = examples(&plan(7));
    let homes = |delivery: &Delivery| {
        delivery
            .ledger
            .iter()
            .map(|row| row.household)
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(homes(&document).intersection(&homes(&sheet)).count(), 2);
    assert!(
        document
            .ledger
            .iter()
            .any(|row| matches!(row.fate, Fate::Refused(_)))
    );
}
