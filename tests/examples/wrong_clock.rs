//! One role of the house with a clock that is wrong: it jumps to and fro within today, as its seed says. The fault harness starts it in the
//! place of `voorveld <role>`; the program itself has no such setting.
//!
//! ```text
//! wrong_clock SEED ROLE --config FILE
//! ```

use std::convert::Infallible;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::ToSpan;
use voorveld::config::Settings;
use voorveld::roles::{House, Service};
use voorveld_chassis::telemetry::{self, LogOptions};
use voorveld_chassis::{Clock, Lifecycle, shutdown_signal};
use voorveld_synthetic::Dice;

/// Between two jumps.
const JUMP_MILLIS: (u32, u32) = (200, 1_500);
/// A jump lands in a minute of today, away from midnight: terms count in days, and these must stay the same.
const MINUTES: (u32, u32) = (5, 23 * 60 + 50);

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [seed, role, _, file] = arguments.as_slice() else {
        bail!("wrong_clock SEED ROLE --config FILE");
    };
    let settings = Settings::from_file(&PathBuf::from(file))?;
    let service = Service::ALL
        .iter()
        .find(|service| service.name() == role)
        .context("there is no such role")?;
    let filter = telemetry::init(&LogOptions::default())?;
    let clock = Clock::shifted(Clock::system().now());
    let lifecycle = Lifecycle::new();
    lifecycle.spawn("clock", jump(clock.clone(), seed.parse()?));
    let house = House::start(&settings, &[*service], clock, filter, &lifecycle).await?;
    let code = lifecycle.run(shutdown_signal(), settings.grace).await;
    house.database.close().await?;
    Ok(code)
}

async fn jump(clock: Clock, seed: u64) -> Result<(), Infallible> {
    let mut dice = Dice::new(seed, 0);
    loop {
        let pause = dice.between(JUMP_MILLIS.0, JUMP_MILLIS.1);
        tokio::time::sleep(Duration::from_millis(pause.into())).await;
        let system = Clock::system();
        let midnight = system.local(system.now()).start_of_day();
        let minute = i64::from(dice.between(MINUTES.0, MINUTES.1));
        if let Ok(there) = midnight
            .checked_add(minute.minutes())
            .and_then(|there| there.in_tz(voorveld_chassis::clock::CIVIL_ZONE))
        {
            clock.set(there.timestamp());
        }
    }
}
