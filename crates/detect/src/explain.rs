//! Why, in plain Dutch (B1): sentences made from evidence, never the other way round.
//!
//! Knows no household and no person: it says what was measured and what the rule wants. The names of kinds and fields are the
//! municipality's ([`Words`]); without one, the identifier is read out.

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday};
use voorveld_calendar::{Calendar, Period, Term, YearMonth};
use voorveld_domain::{Cents, FieldName, KindId};

use crate::evidence::{About, Evidence, Measure, Quantity};
use crate::matched::Verdict;
use crate::rule::{Deadline, Rule};
use crate::task::SuppressedBy;

/// The municipality's own names for kinds and fields, from `config/signals.yaml`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// Dutch names of kinds, e.g. *huurachterstand*.
    pub kinds: BTreeMap<KindId, String>,
    /// Dutch names of fields, e.g. *kale huur per maand*.
    pub fields: BTreeMap<FieldName, String>,
}

impl Words {
    fn kind(&self, kind: &KindId) -> String {
        self.kinds
            .get(kind)
            .cloned()
            .unwrap_or_else(|| kind.as_str().replace('_', " "))
    }

    fn field(&self, field: &FieldName) -> String {
        self.fields
            .get(field)
            .cloned()
            .unwrap_or_else(|| field.as_str().replace('_', " "))
    }
}

/// One rule's judgement: `Meervoudig: ja. Twee verschillende soorten partners …`
#[must_use]
pub fn verdict(rule: &Rule, verdict: &Verdict, words: &Words) -> String {
    let answer = if verdict.fired { "ja" } else { "nee" };
    format!(
        "{}: {answer}. {}",
        rule.title,
        all_evidence(&verdict.why, words)
    )
}

/// Several measures, one sentence each, in one line.
#[must_use]
pub fn all_evidence(evidence: &[Evidence], words: &Words) -> String {
    let sentences: Vec<String> = evidence.iter().map(|e| sentence(e, words)).collect();
    sentences.join(" ")
}

/// One measure as a sentence.
#[must_use]
pub fn sentence(evidence: &Evidence, words: &Words) -> String {
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
            _ => format!("Deze regel kijkt naar {}.", plain(value, words)),
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
                (_, Quantity::Absent) => format!("{name}: niet gemeld."),
                (Quantity::Absent | Quantity::Yes | Quantity::No, value) => {
                    format!("{name}: {}.", plain(value, words))
                }
                (threshold, value) => format!(
                    "{name}: {}; grens {}.",
                    plain(value, words),
                    plain(threshold, words)
                ),
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
            "Het laatste bedrag van elke partner samen",
        ),
        Measure::LatestWithin => total(*about, threshold, value, words, "Het laatste bedrag"),
        Measure::MaximumWithin => total(*about, threshold, value, words, "Het hoogste bedrag"),
        Measure::SumOf(field) => {
            let what = format!("{} samen", capitalised(&words.field(field)));
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
        Measure::PartsThatHold => format!(
            "{} van de onderdelen klopt {}; nodig: {}.",
            capitalised(&number_in_words(as_count(value))),
            of_days(*about),
            number_in_words(as_count(threshold))
        ),
        Measure::StepsInOrder => format!(
            "{} {} na elkaar {}; nodig: {}.",
            capitalised(&number_in_words(as_count(value))),
            if as_count(value) == 1 {
                "stap"
            } else {
                "stappen"
            },
            of_days(*about),
            number_in_words(as_count(threshold))
        ),
        Measure::RisenFrom => match threshold {
            Quantity::Absent => format!(
                "Bedrag {}; er is geen eerder bedrag om mee te vergelijken.",
                plain(value, words)
            ),
            before => format!(
                "Het bedrag ging van {} naar {}.",
                plain(before, words),
                plain(value, words)
            ),
        },
        Measure::Followed => match value {
            Quantity::Yes => format!("Wat moest volgen, kwam {}.", of_days(*about)),
            _ => format!("Wat moest volgen, kwam niet {}.", of_days(*about)),
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

/// Why a match raised nothing.
#[must_use]
pub fn suppression(by: &SuppressedBy) -> String {
    match by {
        SuppressedBy::Threshold { threshold, highest } => format!(
            "Geen taak: het hoogste bedrag is {highest}. Dat is lager dan de drempel van {threshold}, en er is geen andere \
             soort partner en geen eerder signaal."
        ),
        SuppressedBy::Repeat { .. } => {
            "Geen taak: dit herhaalt een signaal dat kort geleden al is opgepakt, en het bedrag is \
             niet hoger."
                .into()
        }
        SuppressedBy::KnownClient => {
            "Geen taak: een inwoner hier krijgt al hulp bij schulden of andere hulp.".into()
        }
        SuppressedBy::Excluded { reason } => format!(
            "Geen taak: hier is vastgelegd dat niemand contact zoekt ({}).",
            reason.label()
        ),
        SuppressedBy::Cooldown { until } => format!(
            "Geen taak: deze regel maakte kort geleden al een taak. Vanaf {} kan dat weer.",
            date_in_words(*until)
        ),
        SuppressedBy::TooOld { newest, limit_days } => format!(
            "Geen taak: het nieuwste signaal is van {}. Dat is meer dan {limit_days} dagen geleden.",
            date_in_words(*newest)
        ),
        SuppressedBy::BeforeActivation => {
            "Geen taak: de signalen waren er al voordat deze regel ging gelden.".into()
        }
        SuppressedBy::NotRisen => {
            "Geen taak: het bedrag is niet hoger dan toen er het laatst naar gekeken werd.".into()
        }
    }
}

/// By when a rule wants its task looked at.
#[must_use]
pub fn deadline(deadline: &Deadline) -> String {
    let days = |n: u16, one: &str, more: &str| {
        format!(
            "{} {}",
            number_in_words(u32::from(n)),
            if n == 1 { one } else { more }
        )
    };
    match deadline {
        Deadline::Term(Term::WorkingDays(n)) => {
            format!("Binnen {} na ontvangst.", days(*n, "werkdag", "werkdagen"))
        }
        Deadline::Term(Term::CalendarDays(n)) => {
            format!("Binnen {} na ontvangst.", days(*n, "dag", "dagen"))
        }
        Deadline::SupplyEnd {
            working_days,
            before_end_working_days,
        } => format!(
            "Binnen {} na ontvangst, en niet later dan {} voordat de levering stopt.",
            days(*working_days, "werkdag", "werkdagen"),
            days(*before_end_working_days, "werkdag", "werkdagen")
        ),
    }
}

/// How much of a term is left: `nog 3 werkdagen, tot en met donderdag 24 april 2025`.
#[must_use]
pub fn time_left(due_on: Date, today: Date, calendar: &Calendar) -> String {
    let day = day_in_words(due_on);
    let left = calendar.working_days_until(today, due_on);
    if due_on == today {
        return format!("vandaag, {day}");
    }
    if due_on < today {
        return match -left {
            0 => format!("te laat, het moest op {day}"),
            1 => format!("1 werkdag te laat, het moest op {day}"),
            late => format!("{late} werkdagen te laat, het moest op {day}"),
        };
    }
    match left {
        0 => format!("nog tot en met {day}"),
        1 => format!("nog 1 werkdag, tot en met {day}"),
        _ => format!("nog {left} werkdagen, tot en met {day}"),
    }
}

/// A step on the ladder of channels.
#[must_use]
pub const fn ladder_step(step: u8) -> &'static str {
    match step {
        0 | 1 => "brief of bericht",
        2 => "bellen",
        3 => "huisbezoek",
        _ => "nog een huisbezoek, met een kaartje door de deur",
    }
}

/// `3 januari 2025`
#[must_use]
pub fn date_in_words(day: Date) -> String {
    format!("{} {} {}", day.day(), month_name(day.month()), day.year())
}

/// `donderdag 24 april 2025`
#[must_use]
pub fn day_in_words(day: Date) -> String {
    let weekday = match day.weekday() {
        Weekday::Monday => "maandag",
        Weekday::Tuesday => "dinsdag",
        Weekday::Wednesday => "woensdag",
        Weekday::Thursday => "donderdag",
        Weekday::Friday => "vrijdag",
        Weekday::Saturday => "zaterdag",
        Weekday::Sunday => "zondag",
    };
    format!("{weekday} {}", date_in_words(day))
}

/// `januari 2025`
#[must_use]
pub fn month_in_words(month: YearMonth) -> String {
    format!("{} {}", month_name(month.month()), month.year())
}

/// `juli tot en met december 2024` for whole months, else `2 maart 2025 tot en met 31 maart 2025`.
#[must_use]
pub fn period_in_words(period: Period) -> String {
    let last = voorveld_calendar::plus_days(period.to(), -1);
    if last <= period.from() {
        return date_in_words(period.from());
    }
    if period.from().day() != 1 || period.to().day() != 1 {
        return format!(
            "{} tot en met {}",
            date_in_words(period.from()),
            date_in_words(last)
        );
    }
    let (first, last) = (YearMonth::of(period.from()), YearMonth::of(last));
    if first == last {
        month_in_words(first)
    } else if first.year() == last.year() {
        format!(
            "{} tot en met {}",
            month_name(first.month()),
            month_in_words(last)
        )
    } else {
        format!(
            "{} tot en met {}",
            month_in_words(first),
            month_in_words(last)
        )
    }
}

/// `twee`; from thirteen on, figures.
#[must_use]
pub fn number_in_words(number: u32) -> String {
    const WORDS: [&str; 13] = [
        "nul", "één", "twee", "drie", "vier", "vijf", "zes", "zeven", "acht", "negen", "tien",
        "elf", "twaalf",
    ];
    usize::try_from(number)
        .ok()
        .and_then(|index| WORDS.get(index))
        .map_or_else(|| number.to_string(), |word| (*word).to_owned())
}

fn month_name(month: i8) -> &'static str {
    const NAMES: [&str; 12] = [
        "januari",
        "februari",
        "maart",
        "april",
        "mei",
        "juni",
        "juli",
        "augustus",
        "september",
        "oktober",
        "november",
        "december",
    ];
    usize::try_from(month - 1)
        .ok()
        .and_then(|index| NAMES.get(index))
        .expect("a month is from 1 to 12")
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
            capitalised(&number_in_words(found)),
            enumerated(&names),
            uncapitalised(&days)
        )
    } else if found == 1 {
        format!(
            "{days} kwam er alleen een signaal van {}. Vanaf {} soorten partners heet het meervoudig.",
            names[0],
            number_in_words(wanted)
        )
    } else {
        format!(
            "{days} kwamen er signalen van {} soorten partners ({}). Vanaf {} heet het meervoudig.",
            number_in_words(found),
            enumerated(&names),
            number_in_words(wanted)
        )
    }
}

fn signals_before(about: About, value: &Quantity) -> String {
    let About::Period(period) = about else {
        return format!("Daarvoor {}.", came(value));
    };
    let last = voorveld_calendar::plus_days(period.to(), -1);
    let months = (i32::from(last.year()) - i32::from(period.from().year())) * 12
        + i32::from(last.month() - period.from().month())
        + 1;
    let stretch = match u32::try_from(months) {
        Ok(1) | Err(_) => "de maand".to_owned(),
        Ok(months) => format!("de {} maanden", number_in_words(months)),
    };
    let what = match value {
        Quantity::Count(0) => "kwam er geen signaal".to_owned(),
        Quantity::Count(1) => "kwam er ook al een signaal".to_owned(),
        other => format!(
            "kwamen er ook al {} signalen",
            number_in_words(as_count(other))
        ),
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

fn within(about: About, threshold: &Quantity, value: &Quantity, one: &str, more: &str) -> String {
    let days = of_days(about);
    let found = as_count(value);
    let noun = if found == 1 { one } else { more };
    format!(
        "{} {noun} {days}; nodig: {}.",
        capitalised(&number_in_words(found)),
        number_in_words(as_count(threshold))
    )
}

fn total(
    about: About,
    threshold: &Quantity,
    value: &Quantity,
    words: &Words,
    what: &str,
) -> String {
    match value {
        Quantity::Absent => format!(
            "{what} {}: niets gemeld; nodig: {}.",
            of_days(about),
            plain(threshold, words)
        ),
        value => format!(
            "{what} {}: {}; nodig: {}.",
            of_days(about),
            plain(value, words),
            plain(threshold, words)
        ),
    }
}

fn of_days(about: About) -> String {
    match about {
        About::Period(period) => format!("van {}", period_in_words(period)),
        other => uncapitalised(&in_days(other)),
    }
}

fn came(value: &Quantity) -> String {
    match as_count(value) {
        0 => "kwam er geen signaal".into(),
        1 => "kwam er een signaal".into(),
        count => format!("kwamen er {} signalen", number_in_words(count)),
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
        About::Period(period) => format!("In {}", period_in_words(period)),
        About::Household | About::Signal(_) => "Hier".into(),
    }
}

fn plain(quantity: &Quantity, words: &Words) -> String {
    match quantity {
        Quantity::Absent => "onbekend".into(),
        Quantity::Yes => "ja".into(),
        Quantity::No => "nee".into(),
        Quantity::Count(count) => number_in_words(*count),
        Quantity::Cents(cents) => cents.to_string(),
        Quantity::Money(cents) => money(*cents),
        Quantity::Number(number) => number.to_string().replace('.', ","),
        Quantity::Date(day) => date_in_words(*day),
        Quantity::PartnerTypes(types) => {
            let names: Vec<&str> = types.iter().map(|known| known.label()).collect();
            enumerated(&names)
        }
        Quantity::Kind(kind) => words.kind(kind),
        Quantity::Code(code) => code.replace('_', " "),
    }
}

/// An amount together; past what one amount can be, in whole euros.
fn money(cents: i64) -> String {
    Cents::try_from(cents).map_or_else(|_| format!("€ {}", cents / 100), |fits| fits.to_string())
}

fn enumerated(names: &[&str]) -> String {
    match names {
        [] => "geen".into(),
        [one] => (*one).into(),
        [most @ .., last] => format!("{} en {last}", most.join(", ")),
    }
}

fn capitalised(text: &str) -> String {
    if let Some(rest) = text.strip_prefix("één") {
        // A Dutch capital takes one accent here, not two.
        return format!("Eén{rest}");
    }
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

fn uncapitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(chars).collect()
    })
}
