//! Plain English. The municipality's names of kinds, fields and codes stay Dutch, in quotes.

pub(super) mod asks;
pub(super) mod evidence;
pub(super) mod time;

use std::cmp::Ordering;

use jiff::civil::Date;
use voorveld_calendar::{Calendar, Term};
use voorveld_domain::{Cents, Outcome, PartnerType, Purpose, Urgency};

use super::{MayChange, grouped};
use crate::rule::Deadline;
use crate::task::SuppressedBy;
use crate::trail::Fate;
use time::{date_in_words, day_in_words, number};

pub(super) fn euros(cents: i64) -> String {
    format!("€{}", grouped(cents, ',', '.'))
}

fn amount(cents: Cents) -> String {
    euros(i64::from(cents.get()))
}

pub(super) fn suppression(by: &SuppressedBy) -> String {
    match by {
        SuppressedBy::Threshold { threshold, highest } => format!(
            "No task: the highest amount is {}. That is below the threshold of {}, and there is no other type of partner and no \
             earlier signal.",
            amount(*highest),
            amount(*threshold)
        ),
        SuppressedBy::Repeat { .. } => {
            "No task: this repeats a signal that was dealt with a short while ago, and the amount is not higher.".into()
        }
        SuppressedBy::KnownClient => {
            "No task: a resident here already gets help with debts or other help.".into()
        }
        // The reasons are on the official list, in Dutch.
        SuppressedBy::Excluded { reason } => format!(
            "No task: it was registered that nobody makes contact here ({}).",
            reason.label()
        ),
        SuppressedBy::Cooldown { until } => format!(
            "No task: this rule made a task a short while ago. From {} on it can do so again.",
            date_in_words(*until)
        ),
        SuppressedBy::TooOld { newest, limit_days } => format!(
            "No task: the newest signal is of {}. That is more than {limit_days} days ago.",
            date_in_words(*newest)
        ),
        SuppressedBy::BeforeActivation => {
            "No task: the signals were there before this rule came into force.".into()
        }
        SuppressedBy::NotRisen => {
            "No task: the amount is not higher than when it was last looked at.".into()
        }
    }
}

pub(super) fn fate(fate: &Fate) -> String {
    match fate {
        Fate::OnTask { since, repeat, .. } => {
            let since = date_in_words(*since);
            if *repeat {
                format!("This is on the open task since {since}. It repeats what was known.")
            } else {
                format!("This is a reason for the open task since {since}.")
            }
        }
        Fate::Raises { urgency, due_on } => format!(
            "This becomes a task: {}, by {} at the latest.",
            self::urgency(*urgency),
            date_in_words(*due_on)
        ),
        Fate::Joins { .. } => "This joins the open task.".into(),
        Fate::Answered => "No new task: a task about these signals was closed before.".into(),
        Fate::Shown => "This is only to be seen. It makes no task.".into(),
        Fate::Suppressed(by) => suppression(by),
    }
}

pub(super) fn deadline(deadline: Deadline) -> String {
    match deadline {
        Deadline::Term(term) => format!("Within {} of receipt.", self::term(term)),
        Deadline::SupplyEnd {
            working_days,
            before_end_working_days,
        } => format!(
            "Within {} of receipt, and no later than {} before supply ends.",
            term(Term::WorkingDays(working_days)),
            term(Term::WorkingDays(before_end_working_days))
        ),
    }
}

/// `three working days`, `14 days`
fn term(term: Term) -> String {
    let (count, one, more) = match term {
        Term::WorkingDays(count) => (count, "working day", "working days"),
        Term::CalendarDays(count) => (count, "day", "days"),
    };
    counted(u32::from(count), one, more)
}

/// `one working day`, `three working days`
fn counted(count: u32, one: &str, more: &str) -> String {
    if count == 0 {
        return format!("no {more}");
    }
    format!("{} {}", number(count), if count == 1 { one } else { more })
}

pub(super) fn time_left(due_on: Date, today: Date, calendar: &Calendar) -> String {
    let day = day_in_words(due_on);
    let left = calendar.working_days_until(today, due_on);
    match (due_on.cmp(&today), left.abs()) {
        (Ordering::Less, 0) => format!("too late, it was due on {day}"),
        (Ordering::Less, 1) => format!("1 working day late, it was due on {day}"),
        (Ordering::Less, late) => format!("{late} working days late, it was due on {day}"),
        (Ordering::Equal, _) => format!("today, {day}"),
        (Ordering::Greater, 0) => format!("until {day}"),
        (Ordering::Greater, 1) => format!("1 working day left, until {day}"),
        (Ordering::Greater, left) => format!("{left} working days left, until {day}"),
    }
}

pub(super) const fn ladder_step(step: u8) -> &'static str {
    match step {
        0 | 1 => "a letter or message",
        2 => "a call",
        3 => "a visit",
        _ => "another visit, with a card through the door",
    }
}

pub(super) fn may_change(what: MayChange) -> String {
    match what {
        MayChange::On(day) => format!(
            "On {} the rules are looked at again: one may then say something else, even without a new signal.",
            date_in_words(day)
        ),
        MayChange::Feeds => {
            "Not every partner has said yet that everything is delivered. After that a rule may say something else.".into()
        }
        MayChange::Expires(day) => format!(
            "From {} on a signal here no longer counts: its retention is over then.",
            date_in_words(day)
        ),
        MayChange::Signals => {
            "When a signal comes in, changes or is taken back, all rules are looked at again.".into()
        }
    }
}

pub(super) const fn urgency(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Routine => "routine",
        Urgency::Raised => "raised",
        Urgency::Crisis => "urgent",
        Urgency::Escalated => "immediate",
    }
}

pub(super) const fn purpose(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::DebtHelp => "Early help with debts",
        Purpose::SchoolAttendance => "Compulsory education",
        Purpose::YouthIndex => "Youth reference index",
        Purpose::JointHelp => "One family, one plan",
        Purpose::Safety => "Safety",
    }
}

pub(super) const fn partner_type(partner_type: PartnerType) -> &'static str {
    match partner_type {
        PartnerType::Energy => "energy",
        PartnerType::Rent => "rent",
        PartnerType::Mortgage => "mortgage",
        PartnerType::CakHealthInsurance => "CAK health insurance",
        PartnerType::HealthInsurance => "health insurance",
        PartnerType::Water => "water",
        PartnerType::Duo => "student finance (DUO)",
        PartnerType::TaxAdministration => "tax administration",
        PartnerType::CakContribution => "CAK contributions",
        PartnerType::Other => "other",
        PartnerType::BenefitsOffice => "benefits office",
        PartnerType::School => "school",
        PartnerType::Police => "police",
        PartnerType::Gp => "general practitioner",
        PartnerType::YouthHealth => "youth health care",
        PartnerType::DebtHelp => "debt help",
        PartnerType::Care => "care and support",
    }
}

/// Outcomes are the official list, which is Dutch.
fn outcome(outcome: Outcome) -> String {
    format!("‘{}’", outcome.label())
}
