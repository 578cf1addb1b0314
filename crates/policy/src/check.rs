//! Running every rule's own examples with the live code, for `voorveld check`, and what it warns of besides.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use voorveld_calendar::{Period, days_between, plus_days};
use voorveld_detect::{Effect, Rule, RuleSet};
use voorveld_domain::RuleId;

use crate::Policy;
use crate::profiles::told;

/// So long before the table of school holidays ends it is said that it ends: a school year is published years ahead, and somebody must have
/// the time to put it in.
pub const SCHOOL_TABLE_WARNING_DAYS: i32 = 180;

/// Something that is right today and asks for attention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Which file it is about.
    pub file: String,
    /// What it is.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.message)
    }
}

/// What of a sound policy asks for attention on a day: a table that ends, a rule whose ground has ended or not begun (I7), a hold that is off
/// (I10).
#[must_use]
pub fn warnings(policy: &Policy, today: Date) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if let Some(message) = school_table_ends(policy, today) {
        warnings.push(Warning {
            file: "calendar.yaml".to_owned(),
            message,
        });
    }
    for of_rule in &policy.examples {
        let Some(rule) = policy.rules().get(&of_rule.rule) else {
            continue;
        };
        if rule.in_force.contains(today) {
            continue;
        }
        let ground = policy
            .grounds()
            .get(&rule.legal_basis)
            .expect("a rule whose ground does not exist was not loaded");
        let when = if today < rule.in_force.from() {
            "has not begun"
        } else {
            "has ended"
        };
        warnings.push(Warning {
            file: of_rule.file.clone(),
            message: format!(
                "rule `{}` has no ground today: ground `{}` ({}), profile `{}`, is in force {} and {when}",
                rule.id,
                ground.id,
                ground.article,
                ground.profile,
                told(rule.in_force),
            ),
        });
    }
    for (rule, profile) in policy.rules_that_are_off() {
        if matches!(rule.effect, Effect::Hold(_)) {
            warnings.push(Warning {
                file: "profiles.yaml".to_owned(),
                message: format!(
                    "profile `{}` is off, and with it rule `{}`: no marker stops contact at a household",
                    profile.id, rule.id
                ),
            });
        }
    }
    warnings
}

fn school_table_ends(policy: &Policy, today: Date) -> Option<String> {
    let known = policy.calendar().school_weeks_known()?;
    let (first, last) = (known.from(), plus_days(known.to(), -1));
    let after = "later weeks count as school weeks";
    if today < first {
        Some(format!("school holidays are known from {first} only"))
    } else if last < today {
        Some(format!(
            "school holidays are known until {last}, which is past: {after}"
        ))
    } else if days_between(today, last) < SCHOOL_TABLE_WARNING_DAYS {
        Some(format!(
            "school holidays are known until {last}, in {} days: {after}. Add the next school year",
            days_between(today, last)
        ))
    } else {
        None
    }
}

/// What came of all examples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// Rule by rule, in order of file name.
    pub rules: Vec<RuleReport>,
}

/// What came of the examples of one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleReport {
    /// Which rule.
    pub rule: RuleId,
    /// In which version.
    pub version: u32,
    /// Its title.
    pub title: String,
    /// The profile that keeps it from judging; `None`: it judges.
    pub off_by: Option<String>,
    /// In which file.
    pub file: String,
    /// Example by example.
    pub examples: Vec<ExampleReport>,
}

/// What came of one example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExampleReport {
    /// What the example is called.
    pub name: String,
    /// On which line it stands.
    pub line: usize,
    /// What did not come out as it says; empty: all did.
    pub faults: Vec<String>,
}

impl CheckReport {
    /// Whether every example came out as it says.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures() == 0
    }

    /// How many examples there are.
    #[must_use]
    pub fn examples(&self) -> usize {
        self.rules.iter().map(|rule| rule.examples.len()).sum()
    }

    /// How many did not come out as they say.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.rules
            .iter()
            .flat_map(|rule| &rule.examples)
            .filter(|example| !example.faults.is_empty())
            .count()
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for rule in &self.rules {
            write!(f, "{} v{} – {}", rule.rule, rule.version, rule.title)?;
            match &rule.off_by {
                Some(profile) => writeln!(f, " – uit (profiel {profile})")?,
                None => writeln!(f)?,
            }
            for example in &rule.examples {
                let mark = if example.faults.is_empty() {
                    "ok  "
                } else {
                    "FAIL"
                };
                writeln!(f, "  {mark} {}", example.name)?;
                for fault in &example.faults {
                    writeln!(f, "       {}:{}: {fault}", rule.file, example.line)?;
                }
            }
        }
        write!(
            f,
            "{} rules, {} examples, {} failed",
            self.rules.len(),
            self.examples(),
            self.failures()
        )
    }
}

/// The same rules, as if their grounds had always held. An example is a story on paper with days of its own: the day on which a municipality begins
/// is no part of it, and must not make the examples of the release fail. What that day does is told by [`warnings`].
fn on_paper(rules: &RuleSet) -> RuleSet {
    let always = Period::new(Date::MIN, Date::MAX);
    let rules_on_paper = rules.rules().iter().cloned().map(|rule| Rule {
        in_force: always,
        ..rule
    });
    RuleSet::new(
        rules_on_paper.collect(),
        rules.settings().clone(),
        rules.hash(),
    )
    .expect("the same rules made a set before")
}

/// Runs every example of every rule, each with all rules that are on; those of a profile that is off as if that one were on.
#[must_use]
pub fn check(policy: &Policy) -> CheckReport {
    let on = on_paper(policy.rules());
    let off: BTreeMap<&str, RuleSet> = policy
        .rules_as_if_on
        .iter()
        .map(|(profile, rules)| (profile.as_str(), on_paper(rules)))
        .collect();
    let rules = policy
        .examples
        .iter()
        .map(|of_rule| {
            let off = off.get(of_rule.profile.as_str());
            let rules = off.unwrap_or(&on);
            let rule = rules
                .get(&of_rule.rule)
                .expect("examples are kept with their rule");
            RuleReport {
                rule: rule.id.clone(),
                version: rule.version,
                title: rule.title.clone(),
                off_by: off.is_some().then(|| of_rule.profile.clone()),
                file: of_rule.file.clone(),
                examples: of_rule
                    .examples
                    .iter()
                    .map(|(line, example)| ExampleReport {
                        name: example.name.clone(),
                        line: *line,
                        faults: example.run(&rule.id, rules, policy),
                    })
                    .collect(),
            }
        })
        .collect();
    CheckReport { rules }
}
