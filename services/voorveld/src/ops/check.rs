//! `voorveld check`

use std::process::ExitCode;

use voorveld_policy::{CheckReport, Policy};

use super::office;
use crate::cli::Check;
use crate::config::Settings;

/// Reads the policy whole and runs the rules' own examples. Settings were checked before.
#[must_use]
pub fn run(asked: &Check, settings: &Settings) -> ExitCode {
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
        println!("{report}");
        println!("rule set {}", policy.rules().hash());
    }
    if report.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn only_faults(report: &CheckReport) -> String {
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
