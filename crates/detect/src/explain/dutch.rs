//! Plain Dutch (B1).

pub(super) mod asks;
pub(super) mod evidence;
pub(super) mod time;

use std::cmp::Ordering;

use jiff::civil::Date;
use voorveld_calendar::{Calendar, Term};

use super::{MayChange, grouped};
use crate::rule::Deadline;
use crate::task::SuppressedBy;
use crate::trail::Fate;
use time::{date_in_words, day_in_words, number};

pub(super) fn euros(cents: i64) -> String {
    format!("€ {}", grouped(cents, '.', ','))
}

pub(super) fn suppression(by: &SuppressedBy) -> String {
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

pub(super) fn fate(fate: &Fate) -> String {
    match fate {
        Fate::OnTask { since, repeat, .. } => {
            let since = date_in_words(*since);
            if *repeat {
                format!("Dit staat sinds {since} bij de open taak. Het herhaalt wat al bekend was.")
            } else {
                format!("Dit is sinds {since} een reden voor de open taak.")
            }
        }
        Fate::Raises { urgency, due_on } => format!(
            "Hier komt een taak van: {}, uiterlijk {}.",
            urgency.label(),
            date_in_words(*due_on)
        ),
        Fate::Joins { .. } => "Dit komt bij de open taak.".into(),
        Fate::Answered => "Geen nieuwe taak: over deze signalen is al een taak afgerond.".into(),
        Fate::Shown => "Dit is alleen om te zien. Er komt geen taak van.".into(),
        Fate::Suppressed(by) => suppression(by),
    }
}

pub(super) fn deadline(deadline: Deadline) -> String {
    match deadline {
        Deadline::Term(term) => format!("Binnen {} na ontvangst.", self::term(term)),
        Deadline::SupplyEnd {
            working_days,
            before_end_working_days,
        } => format!(
            "Binnen {} na ontvangst, en niet later dan {} voordat de levering stopt.",
            term(Term::WorkingDays(working_days)),
            term(Term::WorkingDays(before_end_working_days))
        ),
    }
}

/// `drie werkdagen`, `14 dagen`
fn term(term: Term) -> String {
    let (count, one, more) = match term {
        Term::WorkingDays(count) => (count, "werkdag", "werkdagen"),
        Term::CalendarDays(count) => (count, "dag", "dagen"),
    };
    counted(u32::from(count), one, more)
}

/// `één werkdag`, `drie werkdagen`
fn counted(count: u32, one: &str, more: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { more })
}

pub(super) fn time_left(due_on: Date, today: Date, calendar: &Calendar) -> String {
    let day = day_in_words(due_on);
    let left = calendar.working_days_until(today, due_on);
    match (due_on.cmp(&today), left.abs()) {
        (Ordering::Less, 0) => format!("te laat, het moest op {day}"),
        (Ordering::Less, 1) => format!("1 werkdag te laat, het moest op {day}"),
        (Ordering::Less, late) => format!("{late} werkdagen te laat, het moest op {day}"),
        (Ordering::Equal, _) => format!("vandaag, {day}"),
        (Ordering::Greater, 0) => format!("nog tot en met {day}"),
        (Ordering::Greater, 1) => format!("nog 1 werkdag, tot en met {day}"),
        (Ordering::Greater, left) => format!("nog {left} werkdagen, tot en met {day}"),
    }
}

pub(super) const fn ladder_step(step: u8) -> &'static str {
    match step {
        0 | 1 => "brief of bericht",
        2 => "bellen",
        3 => "huisbezoek",
        _ => "nog een huisbezoek, met een kaartje door de deur",
    }
}

pub(super) fn may_change(what: MayChange) -> String {
    match what {
        MayChange::On(day) => format!(
            "Op {} wordt opnieuw gekeken: dan kan een regel iets anders zeggen, ook zonder nieuw signaal.",
            date_in_words(day)
        ),
        MayChange::Feeds => {
            "Niet elke partner heeft al gezegd dat alles geleverd is. Daarna kan een regel iets anders zeggen.".into()
        }
        MayChange::Expires(day) => format!(
            "Vanaf {} telt een signaal hier niet meer mee: de bewaartermijn is dan voorbij.",
            date_in_words(day)
        ),
        MayChange::Signals => {
            "Komt er een signaal bij, of wordt er een gewijzigd of ingetrokken, dan worden alle regels opnieuw bekeken.".into()
        }
    }
}
