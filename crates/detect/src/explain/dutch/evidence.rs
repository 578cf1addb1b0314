//! What was measured against what a rule wants, in Dutch.

use std::cmp::Ordering;

use super::time::{date_in_words, month_in_words, number, period_in_words, within_period};
use super::{counted, euros};
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
        Measure::SignalsInMonth => format!("{} {}.", in_days(*about), came(value)),
        Measure::SignalsBefore => signals_before(*about, value),
        Measure::SignalsLookedAt => match value {
            Quantity::Count(0) => "Er is geen signaal waar deze regel naar kijkt.".into(),
            _ => format!(
                "Deze regel kijkt naar {}.",
                counted(as_count(value), "signaal", "signalen")
            ),
        },
        Measure::Amount => amount(threshold, value, ""),
        Measure::AmountAgainst(field) => match threshold {
            Quantity::Absent => format!(
                "Het bedrag is niet te vergelijken: {} is niet gemeld.",
                words.field(field)
            ),
            _ => amount(
                threshold,
                value,
                &format!(" (berekend met: {})", words.field(field)),
            ),
        },
        Measure::Kind => format!("Soort signaal: {}.", plain(value, words)),
        Measure::Crisis => match value {
            Quantity::Yes => "De partner noemt dit een crisis.".into(),
            Quantity::Kind(kind) => {
                format!("Dit signaal ({}) geldt als crisis.", words.kind(kind))
            }
            Quantity::Date(day) => format!(
                "De levering stopt op {}. Dat geldt als crisis.",
                date_in_words(*day)
            ),
            _ => "Het is geen crisis.".into(),
        },
        Measure::WarmHandover => match value {
            Quantity::Yes => "De partner draagt de inwoner persoonlijk over.".into(),
            _ => "Er is geen warme overdracht.".into(),
        },
        Measure::SupplyEnd => match value {
            Quantity::Date(day) => format!("De levering stopt op {}.", date_in_words(*day)),
            _ => "Er is geen einde van de levering gemeld.".into(),
        },
        Measure::LastUsefulDay => {
            format!("Hulp is op tijd tot en met {}.", plain(value, words))
        }
        Measure::Field(field) => {
            let name = capitalised(&words.field(field));
            match (threshold, value) {
                (Quantity::Yes | Quantity::No, Quantity::Absent) => {
                    format!("{name}: niet gemeld; nodig: {}.", plain(threshold, words))
                }
                (Quantity::Number(limit), Quantity::Absent) => {
                    format!("{name}: niet gemeld; grens {}.", decimal(*limit))
                }
                (_, Quantity::Absent) => format!("{name}: niet gemeld."),
                (_, Quantity::Code(code)) => format!("{name}: {}.", words.code(field, code)),
                (Quantity::Number(limit), value) => {
                    format!(
                        "{name}: {}; grens {}.",
                        plain(value, words),
                        decimal(*limit)
                    )
                }
                (Quantity::Yes | Quantity::No, value) if threshold != value => format!(
                    "{name}: {}; nodig: {}.",
                    plain(value, words),
                    plain(threshold, words)
                ),
                (_, value) => format!("{name}: {}.", plain(value, words)),
            }
        }
        Measure::CountWithin => within(*about, threshold, value, "signaal", "signalen"),
        Measure::KindsWithin => within(
            *about,
            threshold,
            value,
            "soort signaal",
            "soorten signalen",
        ),
        Measure::DomainsWithin => within(*about, threshold, value, "leefgebied", "leefgebieden"),
        Measure::PartnersWithin => within(*about, threshold, value, "partner", "partners"),
        Measure::PartnerTypesWithin => within(
            *about,
            threshold,
            value,
            "soort partner",
            "soorten partners",
        ),
        Measure::DebtorsWithin => within(*about, threshold, value, "inwoner", "inwoners"),
        Measure::SumWithin => total(*about, threshold, value, words, "Alle bedragen samen"),
        Measure::OwedWithin => total(
            *about,
            threshold,
            value,
            words,
            "Het laatste bedrag van elke partner, samen",
        ),
        Measure::LatestWithin => total(*about, threshold, value, words, "Het laatste bedrag"),
        Measure::MaximumWithin => total(*about, threshold, value, words, "Het hoogste bedrag"),
        Measure::SumOf(field) => {
            let what = format!("{}, alles samen", capitalised(&words.field(field)));
            total(*about, threshold, value, words, &what)
        }
        Measure::SumOfLatest(field) => {
            let what = format!(
                "{}, het laatste van elke partner samen",
                capitalised(&words.field(field))
            );
            total(*about, threshold, value, words, &what)
        }
        Measure::LatestOf(field) => {
            let what = format!("{}, het laatste", capitalised(&words.field(field)));
            total(*about, threshold, value, words, &what)
        }
        Measure::MaximumOf(field) => {
            let what = format!("{}, het hoogste", capitalised(&words.field(field)));
            total(*about, threshold, value, words, &what)
        }
        Measure::PartsThatHold => {
            let days = of_days(*about);
            let parts = match as_count(value) {
                0 => "Geen van de onderdelen klopt".to_owned(),
                1 => "Eén van de onderdelen klopt".to_owned(),
                more => format!("{} van de onderdelen kloppen", capitalised(&number(more))),
            };
            format!("{parts} {days}; nodig: {}.", number(as_count(threshold)))
        }
        Measure::StepsInOrder => format!(
            "{} in de goede volgorde {}; nodig: {}.",
            none_or(as_count(value), "stap", "stappen"),
            of_days(*about),
            number(as_count(threshold))
        ),
        Measure::RisenFrom => risen(threshold, value, words),
        Measure::Followed => match value {
            Quantity::Yes => format!("Wat moest volgen, kwam er: {}.", of_days(*about)),
            _ => format!("Wat moest volgen, kwam er niet: {}.", of_days(*about)),
        },
        Measure::TermOver => match value {
            Quantity::Yes => format!("De termijn liep tot en met {}.", plain(threshold, words)),
            _ => format!(
                "De termijn loopt nog, tot en met {}.",
                plain(threshold, words)
            ),
        },
        Measure::FeedsComplete => match value {
            Quantity::Yes => format!(
                "De partners hebben alles geleverd tot en met {}.",
                plain(threshold, words)
            ),
            Quantity::Date(through) => format!(
                "Dit kan nog veranderen: de partners hebben geleverd tot en met {}, nodig is tot en met {}.",
                date_in_words(*through),
                plain(threshold, words)
            ),
            _ => format!(
                "Dit kan nog veranderen: niet elke partner heeft gezegd dat alles geleverd is tot en met {}.",
                plain(threshold, words)
            ),
        },
    }
}

fn partner_types(about: About, threshold: &Quantity, value: &Quantity) -> String {
    let Quantity::PartnerTypes(types) = value else {
        return String::new();
    };
    let names: Vec<&str> = types.iter().map(|known| known.label()).collect();
    let days = in_days(about);
    let wanted = as_count(threshold);
    let found = u32::try_from(names.len()).unwrap_or(u32::MAX);
    if wanted <= found {
        format!(
            "{} verschillende soorten partners ({}) stuurden {} een signaal.",
            capitalised(&number(found)),
            enumerated(&names, "en"),
            uncapitalised(&days)
        )
    } else if found == 1 {
        format!(
            "{days} kwam er alleen een signaal van {}. Vanaf {} soorten partners heet het meervoudig.",
            names[0],
            number(wanted)
        )
    } else {
        format!(
            "{days} kwamen er signalen van {} soorten partners ({}). Vanaf {} heet het meervoudig.",
            number(found),
            enumerated(&names, "en"),
            number(wanted)
        )
    }
}

fn signals_before(about: About, value: &Quantity) -> String {
    let About::Period(period) = about else {
        return format!("Daarvoor {}.", came(value));
    };
    let stretch = match whole_months(period).map(month_count) {
        Some(1) | None => "de maand".to_owned(),
        Some(months) => format!("de {} maanden", number(months)),
    };
    let what = match as_count(value) {
        0 => "kwam er geen signaal".to_owned(),
        1 => "kwam er ook al een signaal".to_owned(),
        more => format!("kwamen er ook al {} signalen", number(more)),
    };
    format!(
        "In {stretch} daarvoor ({}) {what}.",
        period_in_words(period)
    )
}

fn amount(threshold: &Quantity, value: &Quantity, how: &str) -> String {
    let threshold = plain(threshold, &Words::default());
    match value {
        Quantity::Cents(cents) => format!("Bedrag {cents}; drempel {threshold}{how}."),
        _ => format!("Er is geen bedrag gemeld; drempel {threshold}{how}."),
    }
}

fn risen(before: &Quantity, value: &Quantity, words: &Words) -> String {
    let (Quantity::Money(low), Quantity::Money(high)) = (before, value) else {
        return format!(
            "Bedrag {}; er is geen eerder bedrag om mee te vergelijken.",
            plain(value, words)
        );
    };
    let change = match high.cmp(low) {
        Ordering::Less => format!("{} lager", euros(low - high)),
        Ordering::Equal => "even hoog".to_owned(),
        Ordering::Greater => format!("{} hoger", euros(high - low)),
    };
    format!(
        "Het bedrag ging van {} naar {}: {change}.",
        euros(*low),
        euros(*high)
    )
}

fn within(about: About, threshold: &Quantity, value: &Quantity, one: &str, more: &str) -> String {
    format!(
        "{} {}; nodig: {}.",
        none_or(as_count(value), one, more),
        of_days(about),
        number(as_count(threshold))
    )
}

/// `Geen signalen`, `Eén signaal`, `Drie signalen`
fn none_or(count: u32, one: &str, more: &str) -> String {
    match count {
        0 => format!("Geen {more}"),
        some => capitalised(&counted(some, one, more)),
    }
}

fn total(
    about: About,
    threshold: &Quantity,
    value: &Quantity,
    words: &Words,
    what: &str,
) -> String {
    let found = match value {
        Quantity::Absent => "niets gemeld".to_owned(),
        value => plain(value, words),
    };
    format!(
        "{what} {}: {found}; nodig: {}.",
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

fn came(value: &Quantity) -> String {
    match as_count(value) {
        0 => "kwam er geen signaal".into(),
        1 => "kwam er een signaal".into(),
        count => format!("kwamen er {} signalen", number(count)),
    }
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
        About::Household | About::Signal(_) => "Hier".into(),
    }
}

pub(super) fn decimal(number: crate::Decimal) -> String {
    number.to_string().replace('.', ",")
}

fn plain(quantity: &Quantity, words: &Words) -> String {
    match quantity {
        Quantity::Absent => "onbekend".into(),
        Quantity::Yes => "ja".into(),
        Quantity::No => "nee".into(),
        Quantity::Count(count) => number(*count),
        Quantity::Cents(cents) => cents.to_string(),
        Quantity::Money(cents) => euros(*cents),
        Quantity::Number(number) => decimal(*number),
        Quantity::Date(day) => date_in_words(*day),
        Quantity::PartnerTypes(types) => {
            let names: Vec<&str> = types.iter().map(|known| known.label()).collect();
            if names.is_empty() {
                "geen".into()
            } else {
                enumerated(&names, "en")
            }
        }
        Quantity::Kind(kind) => words.kind(kind),
        Quantity::Code(code) => code.replace('_', " "),
    }
}
