//! `voorveld check`

use std::process::ExitCode;

use jiff::civil::Date;
use voorveld_policy::{CheckReport, Policy, ProfileState};

use super::office;
use crate::cli::Check;
use crate::config::Settings;

/// Reads the policy whole, runs the rules' own examples and warns of what will not hold for long. Settings were checked before.
#[must_use]
pub fn run(asked: &Check, settings: &Settings, today: Date) -> ExitCode {
    let mut settings = settings.clone();
    settings.policy_dir = asked.policy.clone().or(settings.policy_dir);
    let place = settings.policy_dir.as_ref().map_or_else(
        || "the policy of this release".to_owned(),
        |folder| folder.display().to_string(),
    );
    let policy = match &settings.policy_dir {
        Some(folder) => Policy::load(folder),
        None => Ok(Policy::shipped()),
    };
    let policy = match policy {
        Ok(policy) => policy,
        Err(errors) => {
            eprintln!("{place} is not valid:");
            for error in errors.iter() {
                eprintln!("  {error}");
            }
            return ExitCode::FAILURE;
        }
    };
    let report = voorveld_policy::check(&policy);
    if asked.quiet {
        print!("{}", only_faults(&report));
    } else {
        let kinds = policy.catalogue().iter().count();
        println!(
            "settings: valid; {} municipalities are served",
            settings.municipalities.len()
        );
        println!(
            "{place}: valid; {kinds} signal kinds, {} teams\n",
            policy.routing().teams().count()
        );
        print!("{}", profiles(&policy));
        println!("{}\n", school_weeks(&policy));
        println!("{report}");
        println!("rule set {}", policy.rules().hash());
    }
    for warning in voorveld_policy::warnings(&policy, today) {
        eprintln!("warning: {warning}");
    }
    if report.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What is switched on, with its grounds and who decided so.
fn profiles(policy: &Policy) -> String {
    let rows: Vec<Vec<String>> = policy
        .profiles()
        .iter()
        .map(|profile| {
            let (state, by) = match &profile.state {
                ProfileState::On { days, by } if days.to() == Date::MAX => {
                    (format!("aan vanaf {}", days.from()), by.clone())
                }
                ProfileState::On { days, by } => {
                    let state = format!("aan van {} tot {}", days.from(), days.to());
                    (state, by.clone())
                }
                ProfileState::Off { .. } => ("uit".to_owned(), String::new()),
            };
            let grounds = policy.grounds().of_profile(&profile.id);
            let grounds: Vec<&str> = grounds.map(|ground| ground.id.as_str()).collect();
            vec![
                profile.id.clone(),
                profile.title.clone(),
                state,
                grounds.join(", "),
                by,
            ]
        })
        .collect();
    office::table(
        &["PROFILE", "TITLE", "STATE", "GROUNDS", "DECIDED BY"],
        &rows,
    )
}

fn school_weeks(policy: &Policy) -> String {
    match policy.calendar().school_table() {
        Some(table) => {
            let last = voorveld_calendar::plus_days(table.known().to(), -1);
            format!(
                "school weeks: region {}, known from {} until {last}",
                table.region().label(),
                table.known().from()
            )
        }
        None => "school weeks: not known; set `school_region` in calendar.yaml".to_owned(),
    }
}

/// What does not hold, as a table.
pub(super) fn only_faults(report: &CheckReport) -> String {
    let rows: Vec<Vec<String>> = report
        .rules
        .iter()
        .flat_map(|rule| rule.examples.iter().map(move |example| (rule, example)))
        .flat_map(|(rule, example)| {
            example.faults.iter().map(move |fault| {
                vec![
                    format!("{}:{}", rule.file, example.line),
                    rule.rule.to_string(),
                    example.name.clone(),
                    fault.clone(),
                ]
            })
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    office::table(&["WHERE", "RULE", "EXAMPLE", "WHAT DOES NOT HOLD"], &rows)
}
