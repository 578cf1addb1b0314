//! What was measured against what a rule wants, in English.

use std::cmp::Ordering;

use super::time::{date_in_words, month_in_words, number, period_in_words, within_period};
use super::{counted, euros, partner_type};
use crate::evidence::{About, Evidence, Measure, Quantity};
use crate::explain::{Words, capitalised, enumerated, month_count, uncapitalised, whole_months};

pub(crate) fn sentence(evidence: &Evidence, words: &Words) -> String {
    let Evidence {
        measure,
        about,
        threshold,
        value,
    } = evidence;
    match measure {
        Measure::PartnerTypes => partner_types(*about, threshold, value),
        Measure::SignalsInMonth => format!(
            "{} there {}.",
            in_days(*about),
            was_or_were(as_count(value), "signal", "signals")
        ),
        Measure::SignalsBefore => signals_before(*about, value),
        Measure::SignalsLookedAt => match value {
            Quantity::Count(0) => "There is no signal that this rule looks at.".into(),
            _ => format!(
                "This rule looks at {}.",
                counted(as_count(value), "signal", "signals")
            ),
        },
        Measure::Amount => amount(threshold, value, ""),
        Measure::AmountAgainst(field) => match threshold {
            Quantity::Absent => format!(
                "The amount cannot be compared: ‘{}’ was not told.",
                words.field(field)
            ),
            _ => amount(
                threshold,
                value,
                &format!(" (calculated from ‘{}’)", words.field(field)),
            ),
        },
        Measure::Kind => format!("Kind of signal: {}.", plain(value, words)),
        Measure::Crisis => match value {
            Quantity::Yes => "The partner calls this a crisis.".into(),
            Quantity::Kind(kind) => {
                format!("This signal (‘{}’) counts as a crisis.", words.kind(kind))
            }
            Quantity::Date(day) => format!(
                "Supply ends on {}. That counts as a crisis.",
                date_in_words(*day)
            ),
            _ => "It is no crisis.".into(),
        },
        Measure::WarmHandover => match value {
            Quantity::Yes => "The partner hands the resident over in person.".into(),
            _ => "There is no handover in person.".into(),
        },
        Measure::SupplyEnd => match value {
            Quantity::Date(day) => format!("Supply ends on {}.", date_in_words(*day)),
            _ => "No end of supply was told.".into(),
        },
        Measure::LastUsefulDay => format!("Help is in time until {}.", plain(value, words)),
        Measure::Field(field) => {
            let name = format!("‘{}’", capitalised(&words.field(field)));
            match (threshold, value) {
                (Quantity::Yes | Quantity::No, Quantity::Absent) => {
                    format!("{name}: not told; needed: {}.", plain(threshold, words))
                }
                (Quantity::Number(limit), Quantity::Absent) => {
                    format!("{name}: not told; limit {limit}.")
                }
                (_, Quantity::Absent) => format!("{name}: not told."),
                (_, Quantity::Code(code)) => format!("{name}: ‘{}’.", words.code(field, code)),
                (Quantity::Number(limit), value) => {
                    format!("{name}: {}; limit {limit}.", plain(value, words))
                }
                (Quantity::Yes | Quantity::No, value) if threshold != value => format!(
                    "{name}: {}; needed: {}.",
                    plain(value, words),
                    plain(threshold, words)
                ),
                (_, value) => format!("{name}: {}.", plain(value, words)),
            }
        }
        Measure::CountWithin => within(*about, threshold, value, "signal", "signals"),
        Measure::KindsWithin => within(
            *about,
            threshold,
            value,
            "kind of signal",
            "kinds of signal",
        ),
        Measure::DomainsWithin => {
            within(*about, threshold, value, "field of life", "fields of life")
        }
        Measure::PartnersWithin => within(*about, threshold, value, "partner", "partners"),
        Measure::PartnerTypesWithin => within(
            *about,
            threshold,
            value,
            "type of partner",
            "types of partner",
        ),
        Measure::DebtorsWithin => within(*about, threshold, value, "resident", "residents"),
        Measure::SumWithin => total(*about, threshold, value, words, "All amounts together"),
        Measure::OwedWithin => total(
            *about,
            threshold,
            value,
            words,
            "The last amount of each partner, together",
        ),
        Measure::LatestWithin => total(*about, threshold, value, words, "The last amount"),
        Measure::MaximumWithin => total(*about, threshold, value, words, "The highest amount"),
        Measure::SumOf(field) => {
            let what = format!("‘{}’, all together", capitalised(&words.field(field)));
            total(*about, threshold, value, words, &what)
        }
        Measure::SumOfLatest(field) => {
            let what = format!(
                "‘{}’, the last of each partner together",
                capitalised(&words.field(field))
            );
            total(*about, threshold, value, words, &what)
        }
        Measure::LatestOf(field) => {
            let what = format!("‘{}’, the last", capitalised(&words.field(field)));
            total(*about, threshold, value, words, &what)
        }
        Measure::MaximumOf(field) => {
            let what = format!("‘{}’, the highest", capitalised(&words.field(field)));
            total(*about, threshold, value, words, &what)
        }
        Measure::PartsThatHold => {
            let days = of_days(*about);
            let parts = match as_count(value) {
                0 => "None of the parts holds".to_owned(),
                1 => "One of the parts holds".to_owned(),
                more => format!("{} of the parts hold", capitalised(&number(more))),
            };
            format!("{parts} {days}; needed: {}.", number(as_count(threshold)))
        }
        Measure::StepsInOrder => format!(
            "{} in the right order {}; needed: {}.",
            capitalised(&counted(as_count(value), "step", "steps")),
            of_days(*about),
            number(as_count(threshold))
        ),
        Measure::RisenFrom => risen(threshold, value, words),
        Measure::Followed => match value {
            Quantity::Yes => format!("What had to follow came: {}.", of_days(*about)),
            _ => format!("What had to follow did not come: {}.", of_days(*about)),
        },
        Measure::TermOver => match value {
            Quantity::Yes => format!("The term ran until {}.", plain(threshold, words)),
            _ => format!("The term still runs, until {}.", plain(threshold, words)),
        },
        Measure::FeedsComplete => match value {
            Quantity::Yes => format!(
                "The partners have delivered everything through {}.",
                plain(threshold, words)
            ),
            Quantity::Date(through) => format!(
                "This may still change: the partners have delivered through {}, needed is through {}.",
                date_in_words(*through),
                plain(threshold, words)
            ),
            _ => format!(
                "This may still change: not every partner has said that everything is delivered through {}.",
                plain(threshold, words)
            ),
        },
    }
}

fn partner_types(about: About, threshold: &Quantity, value: &Quantity) -> String {
    let Quantity::PartnerTypes(types) = value else {
        return String::new();
    };
    let names: Vec<&str> = types.iter().map(|known| partner_type(*known)).collect();
    let days = in_days(about);
    let wanted = as_count(threshold);
    let found = u32::try_from(names.len()).unwrap_or(u32::MAX);
    if wanted <= found {
        format!(
            "{} different types of partner ({}) sent a signal {}.",
            capitalised(&number(found)),
            enumerated(&names, "and"),
            uncapitalised(&days)
        )
    } else if found == 1 {
        format!(
            "{days} only one type of partner ({}) sent a signal. From {} types of partner on it is called multiple.",
            names[0],
            number(wanted)
        )
    } else {
        format!(
            "{days} there were signals from {} types of partner ({}). From {} on it is called multiple.",
            number(found),
            enumerated(&names, "and"),
            number(wanted)
        )
    }
}

fn signals_before(about: About, value: &Quantity) -> String {
    let what = match as_count(value) {
        0 => "was no signal".to_owned(),
        1 => "was a signal, too".to_owned(),
        more => format!("were {} signals, too", number(more)),
    };
    let About::Period(period) = about else {
        return format!("Before that there {what}.");
    };
    let stretch = match whole_months(period).map(month_count) {
        Some(1) | None => "the month".to_owned(),
        Some(months) => format!("the {} months", number(months)),
    };
    format!(
        "In {stretch} before that ({}) there {what}.",
        period_in_words(period)
    )
}

fn amount(threshold: &Quantity, value: &Quantity, how: &str) -> String {
    let threshold = plain(threshold, &Words::default());
    match value {
        Quantity::Cents(cents) => format!(
            "Amount {}; threshold {threshold}{how}.",
            super::amount(*cents)
        ),
        _ => format!("No amount was told; threshold {threshold}{how}."),
    }
}

fn risen(before: &Quantity, value: &Quantity, words: &Words) -> String {
    let (Quantity::Money(low), Quantity::Money(high)) = (before, value) else {
        return format!(
            "Amount {}; there is no earlier amount to compare it with.",
            plain(value, words)
        );
    };
    let change = match high.cmp(low) {
        Ordering::Less => format!("{} lower", euros(low - high)),
        Ordering::Equal => "the same".to_owned(),
        Ordering::Greater => format!("{} higher", euros(high - low)),
    };
    format!(
        "The amount went from {} to {}: {change}.",
        euros(*low),
        euros(*high)
    )
}

fn within(about: About, threshold: &Quantity, value: &Quantity, one: &str, more: &str) -> String {
    format!(
        "{} {}; needed: {}.",
        capitalised(&counted(as_count(value), one, more)),
        of_days(about),
        number(as_count(threshold))
    )
}

fn total(
    about: About,
    threshold: &Quantity,
    value: &Quantity,
    words: &Words,
    what: &str,
) -> String {
    let found = match value {
        Quantity::Absent => "nothing told".to_owned(),
        value => plain(value, words),
    };
    format!(
        "{what} {}: {found}; needed: {}.",
        of_days(about),
        plain(threshold, words)
    )
}

fn of_days(about: About) -> String {
    match about {
        About::Period(period) => within_period(period),
        other => uncapitalised(&in_days(other)),
    }
}

fn was_or_were(count: u32, one: &str, more: &str) -> String {
    let verb = if count == 1 { "was" } else { "were" };
    format!("{verb} {}", counted(count, one, more))
}

fn as_count(quantity: &Quantity) -> u32 {
    match quantity {
        Quantity::Count(count) => *count,
        _ => 0,
    }
}

fn in_days(about: About) -> String {
    match about {
        About::Month(month) => format!("In {}", month_in_words(month)),
        About::Period(period) => capitalised(&within_period(period)),
        About::Household | About::Signal(_) => "Here".into(),
    }
}

fn plain(quantity: &Quantity, words: &Words) -> String {
    match quantity {
        Quantity::Absent => "unknown".into(),
        Quantity::Yes => "yes".into(),
        Quantity::No => "no".into(),
        Quantity::Count(count) => number(*count),
        Quantity::Cents(cents) => super::amount(*cents),
        Quantity::Money(cents) => euros(*cents),
        Quantity::Number(number) => number.to_string(),
        Quantity::Date(day) => date_in_words(*day),
        Quantity::PartnerTypes(types) => {
            let names: Vec<&str> = types.iter().map(|known| partner_type(*known)).collect();
            if names.is_empty() {
                "none".into()
            } else {
                enumerated(&names, "and")
            }
        }
        Quantity::Kind(kind) => format!("‘{}’", words.kind(kind)),
        Quantity::Code(code) => format!("‘{}’", code.replace('_', " ")),
    }
}
