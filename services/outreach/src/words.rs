//! Dutch words for dates, deadlines, households and history.

use jiff::civil::{Date, Weekday};
use voorveld_calendar::Calendar;
use voorveld_domain::{ContactChannel, DayPart, HouseholdId, Outcome, RegistrationKind};
use voorveld_store::tasks::TaskEvent;

use crate::duties::{Count, Ladder, Stale};

/// No vowels and nothing that looks like something else: a code that cannot become a word and can be read aloud.
const LABEL_ALPHABET: &[u8; 24] = b"23456789BCDFGHJKLMNPQRST";
const LABEL_CHARS: usize = 6;

const WEEKDAYS: [&str; 7] = [
    "maandag",
    "dinsdag",
    "woensdag",
    "donderdag",
    "vrijdag",
    "zaterdag",
    "zondag",
];
const MONTHS: [&str; 12] = [
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

/// What a household is called before anybody knows who it is: six signs that follow from its random id, as `K7D-4QM`.
pub(crate) fn household_label(household: HouseholdId) -> String {
    let mut rest = household.uuid().as_u128();
    let base = LABEL_ALPHABET.len() as u128;
    let mut label = String::with_capacity(LABEL_CHARS + 1);
    for position in 0..LABEL_CHARS {
        if position == LABEL_CHARS / 2 {
            label.push('-');
        }
        let digit = usize::try_from(rest % base).expect("a remainder is below its divisor");
        label.push(char::from(LABEL_ALPHABET[digit]));
        rest /= base;
    }
    label
}

fn weekday(date: Date) -> &'static str {
    let index = match date.weekday() {
        Weekday::Monday => 0,
        Weekday::Tuesday => 1,
        Weekday::Wednesday => 2,
        Weekday::Thursday => 3,
        Weekday::Friday => 4,
        Weekday::Saturday => 5,
        Weekday::Sunday => 6,
    };
    WEEKDAYS[index]
}

fn month(date: Date) -> &'static str {
    let index = usize::try_from(date.month() - 1).expect("months are 1 to 12");
    MONTHS[index]
}

/// `27 november`, with the year where it is not this year.
pub(crate) fn day(date: Date, today: Date) -> String {
    let short = format!("{} {}", date.day(), month(date));
    if date.year() == today.year() {
        short
    } else {
        format!("{short} {}", date.year())
    }
}

/// `donderdag 27 november`, with the year where it is not this year.
pub(crate) fn weekday_and_day(date: Date, today: Date) -> String {
    format!("{} {}", weekday(date), day(date, today))
}

fn working_days(count: i32) -> String {
    match count {
        1 => "1 werkdag".to_owned(),
        more => format!("{more} werkdagen"),
    }
}

/// By when: `uiterlijk donderdag 27 november, nog 3 werkdagen`, `vandaag, …`, or how late it is (T5).
pub(crate) fn deadline(calendar: &Calendar, today: Date, due: Date) -> String {
    let on = weekday_and_day(due, today);
    if due == today {
        return format!("vandaag, {on}");
    }
    let left = calendar.working_days_until(today, due);
    if today < due {
        format!("uiterlijk {on}, nog {}", working_days(left))
    } else if left == 0 {
        format!("{on}, net te laat")
    } else {
        format!("{on}, {} te laat", working_days(-left))
    }
}

/// What the step of the ladder advises (K7): a letter, a call, a visit, a card.
pub(crate) const fn ladder_advice(step: i32) -> &'static str {
    match step {
        ..=1 => "Stuur een brief of bericht.",
        2 => "Bel, of ga langs.",
        3 => "Ga langs.",
        _ => "Ga op een ander dagdeel langs en doe een kaartje in de bus.",
    }
}

/// What comes next on the ladder, with the parts of the day that were passed over.
pub(crate) fn next_step(ladder: &Ladder) -> String {
    let advice = ladder_advice(ladder.step);
    if ladder.untried.is_empty() {
        return advice.to_owned();
    }
    let parts: Vec<String> = ladder
        .untried
        .iter()
        .map(|part| part.label().to_lowercase())
        .collect();
    format!("{advice} Nog niet geprobeerd: {}.", parts.join(" en "))
}

/// `debt.freshness` with its figures.
pub(crate) fn ask_partner(stale: Stale, today: Date) -> String {
    format!(
        "Vraag eerst bij de partner na of de achterstand er nog is. Het nieuwste signaal is van {}, {} dagen geleden.",
        day(stale.newest_on, today),
        stale.days
    )
}

fn attempts(count: usize) -> String {
    match count {
        1 => "1 poging".to_owned(),
        more => format!("{more} pogingen"),
    }
}

/// `debt.ladder` with its figures.
pub(crate) fn counted(count: Count) -> String {
    let (asked, days) = (
        usize::from(count.asked.after_attempts),
        count.asked.within_days,
    );
    let made = attempts(count.attempts);
    if count.attempts < asked {
        format!(
            "{made} binnen {days} dagen, nog niemand bereikt. Na {} kunt u stoppen.",
            attempts(asked)
        )
    } else if count.offers().is_none() {
        format!(
            "{made} binnen {days} dagen, nog niemand bereikt. Bel of ga nog een keer langs op een ander dagdeel voordat u stopt."
        )
    } else {
        format!("{made} binnen {days} dagen, op verschillende dagdelen, en niemand bereikt.")
    }
}

/// The same in a few words, for a list.
pub(crate) fn unreached(count: Count) -> String {
    format!("{} keer niet bereikt", count.attempts)
}

/// A line of history in words.
pub(crate) fn event(event: &TaskEvent) -> String {
    let text = |key: &str| event.detail.get(key).and_then(serde_json::Value::as_str);
    match event.event.as_str() {
        "raised" => "Taak gemaakt".to_owned(),
        "joined" => "Nieuwe reden bij deze taak gekomen".to_owned(),
        "annotated" => "Een van de redenen is vervallen".to_owned(),
        "flagged" => "Alle redenen zijn vervallen".to_owned(),
        "withdrawn" => "Vervallen: er is geen reden meer".to_owned(),
        "merged" => "Samengevoegd met een andere taak".to_owned(),
        "claimed" => "Opgepakt".to_owned(),
        "released" => "Teruggegeven aan het team".to_owned(),
        "reopened" => "Afronden ongedaan gemaakt".to_owned(),
        "held" => "Nu geen contact".to_owned(),
        "lifted" => "Contact mag weer".to_owned(),
        "registered" => {
            let kind = text("kind").and_then(|code| code.parse::<RegistrationKind>().ok());
            kind.map_or_else(
                || "Vastgelegd".to_owned(),
                |kind| format!("Vastgelegd: {}", kind.label()),
            )
        }
        "closed" => {
            let outcome = text("outcome").and_then(|code| code.parse::<Outcome>().ok());
            outcome.map_or_else(
                || "Afgerond".to_owned(),
                |outcome| format!("Afgerond: {}", outcome.label()),
            )
        }
        "contact" => {
            let channel = text("channel").and_then(|code| code.parse::<ContactChannel>().ok());
            let reached = event
                .detail
                .get("reached")
                .and_then(serde_json::Value::as_bool);
            let mut words = "Contactpoging".to_owned();
            if let Some(channel) = channel {
                words = format!("{words}: {}", channel.label());
            }
            match reached {
                Some(true) => words + ", bereikt",
                Some(false) => words + ", niet bereikt",
                None => words,
            }
        }
        _ => "Bijgewerkt".to_owned(),
    }
}

/// A contact attempt in words.
pub(crate) fn attempt(channel: &str, day_part: &str) -> String {
    let channel = channel
        .parse::<ContactChannel>()
        .map_or("Contact", ContactChannel::label);
    let day_part = day_part.parse::<DayPart>().map_or("", DayPart::label);
    if day_part.is_empty() {
        channel.to_owned()
    } else {
        format!("{channel}, {}", day_part.to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use uuid::Uuid;

    #[test]
    fn a_deadline_reads_as_people_say_it() {
        let calendar = Calendar::national();
        let monday = date(2025, 11, 24);
        for (due, words) in [
            (
                date(2025, 11, 27),
                "uiterlijk donderdag 27 november, nog 3 werkdagen",
            ),
            (
                date(2025, 11, 25),
                "uiterlijk dinsdag 25 november, nog 1 werkdag",
            ),
            (date(2025, 11, 24), "vandaag, maandag 24 november"),
            (
                date(2025, 11, 20),
                "donderdag 20 november, 2 werkdagen te laat",
            ),
            (
                date(2026, 1, 2),
                "uiterlijk vrijdag 2 januari 2026, nog 26 werkdagen",
            ),
        ] {
            assert_eq!(deadline(&calendar, monday, due), words);
        }
        let saturday = date(2025, 11, 22);
        assert_eq!(
            deadline(&calendar, saturday, date(2025, 11, 21)),
            "vrijdag 21 november, net te laat"
        );
    }

    #[test]
    fn a_household_is_called_by_six_signs_that_stay_the_same() {
        let household = HouseholdId::from_uuid(Uuid::from_u128(0x0123_4567_89ab_cdef));
        let label = household_label(household);
        assert_eq!(label, household_label(household));
        assert_eq!(label.len(), 7);
        assert!(
            label
                .chars()
                .all(|c| c == '-' || LABEL_ALPHABET.contains(&(c as u8)))
        );
        assert_ne!(
            label,
            household_label(HouseholdId::from_uuid(Uuid::from_u128(1)))
        );
    }
}
