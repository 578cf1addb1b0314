//! `voorveld simulate`: a municipality that does not exist, as files or straight to a gateway.

pub mod files;
pub mod send;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::ExitCode;

use anyhow::Context;
use voorveld_chassis::Clock;
use voorveld_synthetic::{BULK_PARTNER, Plan, bulk_csv};

use crate::cli::Simulate;

/// Makes what was asked for and says what it made.
pub async fn run(command: &Simulate) -> anyhow::Result<ExitCode> {
    let plan = Plan {
        seed: command.seed,
        municipality: command.municipality,
        inhabitants: command.inhabitants,
        months: command.months,
        until: command.until.unwrap_or_else(|| Clock::system().today()),
    };
    if let Some(rows) = command.rows {
        let folder = command
            .out
            .as_deref()
            .context("--rows writes a file: say where with --out")?;
        std::fs::create_dir_all(folder)
            .with_context(|| format!("making {} failed", folder.display()))?;
        let path = folder.join(format!("{}-{}.csv", BULK_PARTNER.id, plan.until));
        let mut file = BufWriter::new(
            File::create_new(&path).with_context(|| format!("making {} failed", path.display()))?,
        );
        bulk_csv(&plan, rows, 0, &mut file)?;
        file.flush()?;
        files::write_partners(folder, &plan, &[BULK_PARTNER])?;
        println!("{rows} rows in {}", path.display());
        return Ok(ExitCode::SUCCESS);
    }
    if let (Some(to), Some(keys)) = (&command.to, &command.keys) {
        let mut sender = send::Sender::new(to, keys, &plan)?;
        let (mut rows, mut surprises) = (0, Vec::new());
        for step in plan.steps() {
            let answered = sender.step(&step).await?;
            rows += answered.rows;
            surprises.extend(answered.surprises);
        }
        println!(
            "{rows} rows and withdrawals sent to {to}; {} became something else than they should",
            surprises.len()
        );
        for surprise in &surprises {
            println!("  {surprise}");
        }
    }
    if let Some(folder) = &command.out {
        let made = files::write(&plan, folder)?;
        println!(
            "{} files with {} rows and {} withdrawals in {}",
            made.files,
            made.rows,
            made.withdrawals,
            folder.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}
