//! Two small documents that show, on the first page a newcomer opens, what becomes of a signal: a DDAS document and a spreadsheet.

use jiff::ToSpan;
use jiff::civil::Date;

use crate::partner::{Partner, partner};
use crate::place::Household;
use crate::row::{Cell, Fate, Row};
use crate::year::deliver;
use crate::{Delivery, Plan};

/// A DDAS v0.9 document of an insurer and a spreadsheet of a landlord, sent on the plan's last day. Two households stand in both
/// (several partner types in one month), one debt is high, one below the usual threshold, one is a crisis, one is too young to be sent.
#[must_use]
pub fn examples(plan: &Plan) -> [Delivery; 2] {
    let insurer = partner("zorgverzekeraar-linde").expect("it stands in the list");
    let landlord = partner("corporatie-molenhof").expect("it stands in the list");
    let day = plan.until;
    // Households from the end of the municipality, so that the simulated year seldom meets them.
    let last = plan.households() - 1;
    let row = |sender: &Partner, back: u32, kind, euros: u32, age_days: i32, reference: &str| {
        let door = Household::of(plan.seed, last.saturating_sub(back));
        let mut row = Row::about(sender, &door, 0, plan.municipality.as_str(), kind, day);
        row.arisen_on = Some(arisen(day, age_days));
        row.amount_cents = Some(Cell::Good(euros * 100));
        reference.clone_into(&mut row.reference);
        row
    };
    let premium = "health_insurance_arrears";
    let document = vec![
        row(insurer, 1, premium, 412, 45, "VOORBEELD-Z-1"),
        row(insurer, 2, premium, 268, 62, "VOORBEELD-Z-2"),
        row(insurer, 3, premium, 48, 40, "VOORBEELD-Z-3"),
        Row {
            fate: Fate::Refused("arrears_too_young"),
            ..row(insurer, 4, premium, 150, 9, "VOORBEELD-Z-4")
        },
    ];
    let rent = "rent_arrears";
    let sheet = vec![
        row(landlord, 1, rent, 1180, 61, "VOORBEELD-H-1"),
        row(landlord, 2, rent, 640, 38, "VOORBEELD-H-2"),
        Row {
            crisis: true,
            ..row(landlord, 5, rent, 2950, 120, "VOORBEELD-H-3")
        },
        row(landlord, 6, "eviction_notice", 3875, 150, "VOORBEELD-H-4"),
        Row {
            warm_handover: true,
            ..row(landlord, 7, rent, 410, 44, "VOORBEELD-H-5")
        },
    ];
    [
        deliver(plan, insurer, day, &document),
        deliver(plan, landlord, day, &sheet),
    ]
    .map(|delivery| Delivery {
        name: format!("voorbeeld-{}", delivery.name),
        ..delivery
    })
}

fn arisen(day: Date, age_days: i32) -> Date {
    day.saturating_sub(age_days.days())
}
