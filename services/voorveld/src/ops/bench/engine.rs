//! `voorveld bench engine`: the engine alone, on one core, against a loop written by hand for two rules. What it reads is made up as it goes;
//! no database, no log, no network.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use voorveld_chassis::Stopwatch;
use voorveld_policy::Policy;
use voorveld_synthetic::engine::{Load, Runs, measure, rules_in_sql, write};

use super::machine::Machine;
use super::spread::spread_row;
use crate::cli::BenchEngine;
use crate::ops::office::table;

/// Measures, or with `--write` writes what can be checked elsewhere.
pub fn run(asked: &BenchEngine) -> anyhow::Result<ExitCode> {
    let load = Load {
        seed: asked.seed,
        signals: asked.signals,
        households: asked.households,
    };
    let policy = Policy::shipped();
    if let Some(folder) = &asked.write {
        return write_out(&load, &policy, folder);
    }
    let (machine, rules) = (Machine::this(), policy.rules());
    let runs = measure(&load, rules, policy.calendar(), asked.runs, &seconds)?;
    let (two_rules, all_rules) = runs.ratios();
    if asked.json {
        let told = serde_json::json!({
            "machine": machine,
            "signals": load.signals,
            "households": load.households,
            "matches": runs.matches,
            "defaultRules": rules.rules().len(),
            "byHandSeconds": runs.by_hand,
            "twoRulesSeconds": runs.two_rules,
            "defaultRulesSeconds": runs.all_rules,
            "twoRulesRatio": two_rules,
            "defaultRulesRatio": all_rules,
        });
        println!("{told:#}");
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{machine}\n{} signals of {} households, fed one by one on one core, {} runs\n",
        load.signals, load.households, asked.runs
    );
    print!("{}", told(&runs, rules.rules().len()));
    println!(
        "\nthe engine takes {two_rules:.2} times as long as the loop written by hand, with the same {} matches and witnesses; with all \
         default rules {all_rules:.2} times",
        runs.matches
    );
    Ok(ExitCode::SUCCESS)
}

fn seconds(work: &mut dyn FnMut()) -> f64 {
    let begin = Stopwatch::start();
    work();
    begin.elapsed().as_secs_f64()
}

fn told(runs: &Runs, default_rules: usize) -> String {
    let all = format!("engine, all {default_rules} default rules, s");
    table(
        &["", "median", "least to most"],
        &[
            spread_row("loop written by hand, s", &runs.by_hand, 3),
            spread_row("engine, the same two rules, s", &runs.two_rules, 3),
            spread_row(&all, &runs.all_rules, 3),
        ],
    )
}

fn write_out(load: &Load, policy: &Policy, folder: &Path) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(folder).context("making the folder failed")?;
    let open = |name: &str| {
        File::create(folder.join(name))
            .map(BufWriter::new)
            .with_context(|| format!("writing {name} failed"))
    };
    let rules = rules_in_sql(policy.rules());
    let written = write(
        load,
        &rules,
        policy.calendar(),
        open("signals.csv")?,
        open("matches.csv")?,
    )?;
    println!(
        "{} records in signals.csv, {} matches of {} rules in matches.csv",
        written.records,
        written.matches,
        rules.rules().len()
    );
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_run_tells_its_figures() {
        let load = Load {
            seed: 3,
            signals: 500,
            households: 60,
        };
        let policy = Policy::shipped();
        let runs = measure(&load, policy.rules(), policy.calendar(), 2, &seconds)
            .expect("they say the same");
        assert!(told(&runs, 8).contains("engine, all 8 default rules, s"));
    }
}
