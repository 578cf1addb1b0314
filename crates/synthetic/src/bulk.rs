//! One very large file, written as it is made: for measurements.

use std::io::{self, Write};

use jiff::ToSpan;

use crate::Plan;
use crate::dice::Dice;
use crate::partner::{Format, PARTNERS, Partner};
use crate::place::Household;
use crate::year::arrears;

/// A collector that sends the arrears of every fixed-cost partner in one file.
pub const BULK_PARTNER: Partner = Partner {
    id: "verzamelaar",
    name: "Verzamelaar (nagebootst)",
    partner_type: voorveld_domain::PartnerType::Energy,
    kinds: &[
        "rent_arrears",
        "energy_arrears",
        "water_arrears",
        "health_insurance_arrears",
    ],
    format: Format::DutchCsvUtf8,
    delivery_day: 1,
    share: 0,
    reference_prefix: "VZ",
    knows_bsn: false,
};

/// Streams of dice from here on are rows of a bulk file.
const BULK_STREAM: u64 = 1 << 42;

/// Writes a Dutch CSV of exactly `rows` good rows, spread over the plan's months and households, in constant memory. Of these, `crowd` are
/// about one front door: an institution that nobody excluded (K14).
pub fn bulk_csv(plan: &Plan, rows: u32, crowd: u32, out: &mut impl Write) -> io::Result<()> {
    let mut sheet = crate::write::csv_writer(&BULK_PARTNER, out)?;
    let mut dice = Dice::new(plan.seed, BULK_STREAM);
    let first = plan
        .until
        .first_of_month()
        .saturating_sub((i64::from(plan.months) - 1).months());
    let span = first.until(plan.until).map_or(1, |span| span.get_days());
    let days = u32::try_from(span).unwrap_or(1).max(1);
    let senders: Vec<&Partner> = PARTNERS
        .iter()
        .filter(|partner| 100 <= partner.share)
        .collect();
    for number in 0..rows {
        let partner = *dice.pick(&senders);
        let door = Household::of(plan.seed, dice.below(plan.households()));
        let door = if is_of_the_crowd(number, rows, crowd) {
            Household::of(plan.seed, 0)
        } else {
            door
        };
        // In order of date, as a year would come.
        let day = u32::try_from(u64::from(number) * u64::from(days) / u64::from(rows)).unwrap_or(0);
        let signalled = first.saturating_add(i64::from(day).days());
        let mut row = loop {
            let row = arrears(
                partner,
                &door,
                0,
                plan.municipality.as_str(),
                signalled,
                &mut dice,
            );
            if BULK_PARTNER.kinds.contains(&row.kind) {
                break row;
            }
        };
        row.bsn.clear();
        row.reference = format!("{}-{number:08}", BULK_PARTNER.reference_prefix);
        sheet.row(&row)?;
    }
    sheet.finish()
}

/// Spreads `crowd` rows evenly over all.
fn is_of_the_crowd(number: u32, rows: u32, crowd: u32) -> bool {
    let before = |number: u32| u64::from(number) * u64::from(crowd) / u64::from(rows.max(1));
    before(number) < before(number + 1)
}
