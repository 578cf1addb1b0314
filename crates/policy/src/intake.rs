//! What the door asks of a signal besides its form (S6): a ground, an age, a date it can be of.

use std::collections::BTreeMap;

use jiff::civil::Date;
use voorveld_calendar::{Period, days_between, plus_days};
use voorveld_detect::FieldValue;
use voorveld_domain::FieldName;

use crate::Policy;
use crate::catalogue::SignalKind;
use crate::profiles::{ProfileState, dutch};

/// What of a signal decides whether it may come in. Its form was checked before.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Its kind.
    pub kind: &'a SignalKind,
    /// The event date (T1).
    pub event_date: Date,
    /// When the arrears arose.
    pub arisen_on: Option<Date>,
    /// The partner calls it a crisis.
    pub crisis: bool,
    /// The partner hands the resident over in person.
    pub warm_handover: bool,
    /// The kind's own fields.
    pub fields: &'a BTreeMap<FieldName, FieldValue>,
}

/// What goes with an accepted signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// Its age matters and could not be checked.
    pub age_unknown: bool,
}

/// Why a signal may not come in (S6). `words` says it in plain Dutch; nothing of the signal is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntakeRefusal {
    /// No legal ground is in force for it.
    NoLegalGround {
        /// Why, in plain Dutch.
        because: String,
    },
    /// The arrears are younger than the kind wants.
    TooYoung {
        /// At least so many days.
        min_days: u16,
    },
    /// The arrears are older than the kind allows.
    TooOld {
        /// At most so many days.
        max_days: u16,
    },
    /// Its event is longer ago than signals of its kind are kept.
    OlderThanRetention {
        /// So long they are kept.
        retention_days: u16,
    },
    /// Dated too far ahead.
    InFuture {
        /// At most so many days ahead.
        tolerance_days: u8,
    },
}

impl IntakeRefusal {
    /// Every code.
    pub const CODES: [&'static str; 5] = [
        "no_legal_ground",
        "arrears_too_young",
        "arrears_too_old",
        "older_than_retention",
        "in_future",
    ];

    /// The stable code: what is answered and counted.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoLegalGround { .. } => "no_legal_ground",
            Self::TooYoung { .. } => "arrears_too_young",
            Self::TooOld { .. } => "arrears_too_old",
            Self::OlderThanRetention { .. } => "older_than_retention",
            Self::InFuture { .. } => "in_future",
        }
    }

    /// What is wrong and what to do, in plain Dutch.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::NoLegalGround { because } => {
                format!(
                    "De gemeente mag dit signaal niet ontvangen. {because} Stuur dit signaal niet."
                )
            }
            Self::TooYoung { min_days } => format!(
                "De achterstand is nog geen {min_days} dagen oud. Stuur het signaal opnieuw als de achterstand {min_days} dagen bestaat."
            ),
            Self::TooOld { max_days } => format!(
                "De achterstand is ouder dan {max_days} dagen. Voor deze soort mag dat niet; controleer de ontstaansdatum."
            ),
            Self::OlderThanRetention { retention_days } => format!(
                "Het signaal is ouder dan de bewaartermijn van {retention_days} dagen. Controleer de signaaldatum."
            ),
            Self::InFuture { tolerance_days } => format!(
                "De datum van het signaal ligt meer dan {tolerance_days} dag(en) na vandaag. Controleer de datum."
            ),
        }
    }
}

impl Policy {
    /// Why a kind may not be received now for an event of that day, in the words of its profile or ground; `None`: it may.
    #[must_use]
    pub fn uncovered_because(
        &self,
        kind: &SignalKind,
        event_date: Date,
        today: Date,
    ) -> Option<String> {
        let ground = self
            .grounds()
            .get(&kind.ground)
            .expect("a kind whose ground does not exist was not loaded");
        // The event must fall within the ground, and so must the receiving of it.
        if ground.in_force_on(today) && ground.in_force_on(event_date) {
            return None;
        }
        if let Some(because) = &ground.off_because {
            return Some(because.clone());
        }
        let profile = self
            .profiles()
            .get(&ground.profile)
            .expect("a ground whose profile does not exist was not loaded");
        let profile_days = match &profile.state {
            ProfileState::Off { because } => return Some(because.clone()),
            ProfileState::On { days, .. } => *days,
        };
        let own_days = ground
            .own_days
            .expect("a ground without days says why, or was not loaded");
        let days = [today, event_date];
        let outside = |period: Period| days.into_iter().find(|day| !period.contains(*day));
        let said = if let Some(day) = outside(profile_days) {
            let title = &profile.title;
            if day < profile_days.from() {
                format!(
                    "„{title}” staat hier pas aan vanaf {}.",
                    dutch(profile_days.from())
                )
            } else {
                format!(
                    "„{title}” staat hier uit sinds {}.",
                    dutch(profile_days.to())
                )
            }
        } else if outside(own_days).is_some_and(|day| day < own_days.from()) {
            let since = dutch(own_days.from());
            format!("De grondslag „{}” geldt pas vanaf {since}.", ground.title)
        } else {
            let until = dutch(own_days.to());
            format!(
                "De grondslag „{}” geldt niet meer sinds {until}.",
                ground.title
            )
        };
        Some(said)
    }

    /// Whether a kind may be received on a day, for an event of that day.
    #[must_use]
    pub fn is_covered(&self, kind: &SignalKind, day: Date) -> bool {
        self.uncovered_because(kind, day, day).is_none()
    }

    /// Whether its age matters and nobody said since when: it is accepted and marked.
    #[must_use]
    pub fn is_age_unknown(&self, claim: &Claim<'_>) -> bool {
        matches!(age_refusal(claim), Age::Unknown)
    }

    /// Whether a signal may come in today, and if not all that is against it (S6).
    pub fn admit(&self, claim: &Claim<'_>, today: Date) -> Result<Admitted, Vec<IntakeRefusal>> {
        let kind = claim.kind;
        let mut refusals = Vec::new();
        if let Some(because) = self.uncovered_because(kind, claim.event_date, today) {
            refusals.push(IntakeRefusal::NoLegalGround { because });
        } else if !kind.only_with_any.is_empty()
            && !kind
                .only_with_any
                .iter()
                .any(|name| claim.fields.get(name) == Some(&FieldValue::Bool(true)))
        {
            let labels: Vec<&str> = kind
                .only_with_any
                .iter()
                .filter_map(|name| kind.field(name.as_str()))
                .map(|field| field.label.as_str())
                .collect();
            refusals.push(IntakeRefusal::NoLegalGround {
                because: format!(
                    "Er is alleen een grondslag bij: {}.",
                    labels.join(" of ").to_lowercase()
                ),
            });
        }
        let tolerance_days = self.settings().future_tolerance_days;
        if claim.event_date > plus_days(today, i32::from(tolerance_days)) {
            refusals.push(IntakeRefusal::InFuture { tolerance_days });
        }
        if plus_days(claim.event_date, i32::from(kind.retention_days)) <= today {
            refusals.push(IntakeRefusal::OlderThanRetention {
                retention_days: kind.retention_days,
            });
        }
        let age_unknown = match age_refusal(claim) {
            Age::Fits => false,
            Age::Unknown => true,
            Age::Refused(refusal) => {
                refusals.push(refusal);
                false
            }
        };
        if refusals.is_empty() {
            Ok(Admitted { age_unknown })
        } else {
            Err(refusals)
        }
    }
}

enum Age {
    Fits,
    Unknown,
    Refused(IntakeRefusal),
}

fn age_refusal(claim: &Claim<'_>) -> Age {
    let limits = claim.kind.age;
    let exempt = claim.crisis
        || claim.warm_handover
        || claim.kind.is_crisis
        || claim.kind.is_supply_end()
        || (limits.min.is_none() && limits.max.is_none());
    if exempt {
        return Age::Fits;
    }
    let Some(arisen_on) = claim.arisen_on else {
        return Age::Unknown;
    };
    let age = days_between(arisen_on, claim.event_date);
    match (limits.min, limits.max) {
        (Some(min_days), _) if age < i32::from(min_days) => {
            Age::Refused(IntakeRefusal::TooYoung { min_days })
        }
        (_, Some(max_days)) if age > i32::from(max_days) => {
            Age::Refused(IntakeRefusal::TooOld { max_days })
        }
        _ => Age::Fits,
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn claim<'a>(
        policy: &'a Policy,
        kind: &str,
        fields: &'a BTreeMap<FieldName, FieldValue>,
    ) -> Claim<'a> {
        Claim {
            kind: policy.catalogue().find(kind).unwrap(),
            event_date: date(2025, 3, 1),
            arisen_on: Some(date(2025, 1, 1)),
            crisis: false,
            warm_handover: false,
            fields,
        }
    }

    fn codes(result: Result<Admitted, Vec<IntakeRefusal>>) -> Vec<&'static str> {
        result
            .err()
            .unwrap_or_default()
            .iter()
            .map(IntakeRefusal::code)
            .collect()
    }

    #[test]
    fn the_age_of_arrears_is_checked_at_its_edges() {
        let policy = Policy::shipped();
        let none = BTreeMap::new();
        let today = date(2025, 3, 2);
        for (kind, arisen_on, expected) in [
            ("rent_arrears", date(2025, 1, 30), None), // 30 days
            ("rent_arrears", date(2025, 1, 31), Some("arrears_too_young")), // 29 days
            ("rent_arrears", date(2023, 1, 1), None),
            ("health_insurance_arrears", date(2025, 1, 30), None),
            ("health_insurance_arrears", date(2024, 11, 21), None), // 100 days
            (
                "health_insurance_arrears",
                date(2024, 11, 20),
                Some("arrears_too_old"),
            ), // 101 days
            (
                "cak_health_insurance_arrears",
                date(2025, 1, 1),
                Some("arrears_too_young"),
            ),
            ("mortgage_arrears", date(2025, 2, 28), None),
        ] {
            let mut claim = claim(&policy, kind, &none);
            claim.arisen_on = Some(arisen_on);
            assert_eq!(
                codes(policy.admit(&claim, today)),
                Vec::from_iter(expected),
                "{kind} {arisen_on}"
            );
            // Never for a crisis or a warm handover.
            for (crisis, warm_handover) in [(true, false), (false, true)] {
                let exempt = Claim {
                    crisis,
                    warm_handover,
                    ..claim
                };
                assert_eq!(
                    policy.admit(&exempt, today),
                    Ok(Admitted { age_unknown: false })
                );
            }
            // Unknown is accepted and marked, where age matters.
            let unknown = Claim {
                arisen_on: None,
                ..claim
            };
            let age_unknown = kind != "mortgage_arrears";
            assert_eq!(policy.admit(&unknown, today), Ok(Admitted { age_unknown }));
            assert_eq!(policy.is_age_unknown(&unknown), age_unknown);
        }
    }

    #[test]
    fn dates_have_edges_too() {
        let policy = Policy::shipped();
        let none = BTreeMap::new();
        let claim = claim(&policy, "rent_arrears", &none);
        for (today, expected) in [
            (date(2025, 2, 27), &["in_future"][..]),
            (date(2025, 2, 28), &[]),
            (date(2028, 2, 28), &[]),
            (date(2028, 2, 29), &["older_than_retention"]),
        ] {
            assert_eq!(codes(policy.admit(&claim, today)), expected, "{today}");
        }
    }

    #[test]
    fn what_has_no_ground_is_refused_in_its_own_words() {
        let policy = Policy::shipped();
        let none = BTreeMap::new();
        let today = date(2025, 3, 2);
        for kind in policy.catalogue().iter() {
            let expected = kind.domain.as_str() == "debt" && kind.id.as_str() != "other_arrears"
                || kind.domain.as_str() == "safety";
            assert_eq!(policy.is_covered(kind, today), expected, "{}", kind.id);
        }
        let refused = policy
            .admit(&claim(&policy, "other_arrears", &none), today)
            .unwrap_err();
        assert_eq!(refused[0].code(), "no_legal_ground");
        assert!(refused[0].words().contains("gemeentelijke belastingen"));
        // Before the law was there.
        let mut early = claim(&policy, "rent_arrears", &none);
        early.event_date = date(2020, 12, 31);
        assert_eq!(
            codes(policy.admit(&early, today)),
            [
                "no_legal_ground",
                "older_than_retention",
                "arrears_too_young"
            ]
        );
    }

    #[test]
    fn a_report_without_a_safety_marker_has_no_ground() {
        let policy = Policy::shipped();
        let today = date(2025, 3, 2);
        let fields = |acute: bool, structural: bool| {
            BTreeMap::from([
                ("acute".parse().unwrap(), FieldValue::Bool(acute)),
                ("structural".parse().unwrap(), FieldValue::Bool(structural)),
            ])
        };
        for (acute, structural, admitted) in [
            (false, false, false),
            (true, false, true),
            (false, true, true),
        ] {
            let fields = fields(acute, structural);
            let result = policy.admit(&claim(&policy, "reporting_code_report", &fields), today);
            assert_eq!(result.is_ok(), admitted);
        }
    }
}
