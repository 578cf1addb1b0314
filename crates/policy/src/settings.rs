//! What a municipality sets for everything together (`settings.yaml`).

use serde::Deserialize;
use voorveld_domain::Cents;

use crate::error::PolicyErrors;
use crate::yaml::{Euros, Located, read_whole};

const SETTINGS_FILE: &str = "settings.yaml";
/// Furthest a signal may be dated ahead.
const FUTURE_TOLERANCE_MAX_DAYS: u8 = 31;
/// Longest window for repeats.
const REPEAT_WINDOW_MAX_DAYS: u16 = 730;
/// Longest that a signal can be called fresh, and longest window for attempts to reach somebody.
const OUTREACH_MAX_DAYS: u16 = 365;
/// Most attempts before giving up may be proposed. More than anybody makes.
const ATTEMPTS_MAX: u8 = 20;

/// What goes for everything together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Below this a lone signal raises nothing (K5). `None`: no threshold. †
    pub threshold: Option<Cents>,
    /// How long after a result a signal can still be a repeat (K6). †
    pub repeat_window_days: u16,
    /// Whether CAK Zorgverzekeringen and Zorg are one type (M1). †
    pub cak_is_zorg: bool,
    /// How many days after today a signal may be dated (S6). †
    pub future_tolerance_days: u8,
    /// `debt.freshness`: how many days old the newest signal of a task may be before the partner is asked first. `None`: never said. †
    pub ask_partner_after_days: Option<u16>,
    /// `debt.ladder`: when a team may end a task because nobody was reached. `None`: never proposed. †
    pub no_contact: Option<NoContact>,
}

/// How often, and within how many days, somebody was tried to be reached before *definitief geen contact* is proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoContact {
    /// So many attempts that reached nobody.
    pub after_attempts: u8,
    /// Within so many days.
    pub within_days: u16,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsFile {
    threshold_euros: Euros,
    repeat_window_days: u16,
    cak_counts_as_health_insurance: bool,
    future_tolerance_days: u8,
    ask_partner_after_days: Option<u16>,
    no_contact: Option<NoContact>,
}

impl Settings {
    pub(crate) fn read(text: &str, errors: &mut PolicyErrors) -> Option<Self> {
        let item: Located<SettingsFile> = read_whole(SETTINGS_FILE, text, errors)?;
        let file = &item.value;
        if file.future_tolerance_days > FUTURE_TOLERANCE_MAX_DAYS {
            errors.push(
                SETTINGS_FILE,
                Some(item.line_of("future_tolerance_days")),
                format_args!("expected at most {FUTURE_TOLERANCE_MAX_DAYS} days"),
            );
        }
        if !(1..=REPEAT_WINDOW_MAX_DAYS).contains(&file.repeat_window_days) {
            errors.push(
                SETTINGS_FILE,
                Some(item.line_of("repeat_window_days")),
                format_args!("expected 1 to {REPEAT_WINDOW_MAX_DAYS} days"),
            );
        }
        if let Some(days) = file.ask_partner_after_days
            && !(1..=OUTREACH_MAX_DAYS).contains(&days)
        {
            errors.push(
                SETTINGS_FILE,
                Some(item.line_of("ask_partner_after_days")),
                format_args!("expected 1 to {OUTREACH_MAX_DAYS} days"),
            );
        }
        if let Some(no_contact) = file.no_contact
            && !((1..=ATTEMPTS_MAX).contains(&no_contact.after_attempts)
                && (1..=OUTREACH_MAX_DAYS).contains(&no_contact.within_days))
        {
            errors.push(
                SETTINGS_FILE,
                Some(item.line_of("no_contact")),
                format_args!(
                    "expected 1 to {ATTEMPTS_MAX} attempts within 1 to {OUTREACH_MAX_DAYS} days"
                ),
            );
        }
        Some(Self {
            threshold: file.threshold_euros.0,
            repeat_window_days: file.repeat_window_days,
            cak_is_zorg: file.cak_counts_as_health_insurance,
            future_tolerance_days: file.future_tolerance_days,
            ask_partner_after_days: file.ask_partner_after_days,
            no_contact: file.no_contact,
        })
    }
}
