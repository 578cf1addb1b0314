//! What each command does, one file per command. A command's answer goes to standard output, its log to standard error.

pub mod audit;
pub mod check;
pub mod demo;
pub mod explain;
pub mod keys;
pub mod migrate;
pub mod office;
pub mod partner;
pub mod push;
pub mod queue;
pub mod simulate;
pub mod user;

use std::process::ExitCode;

use anyhow::Context;
use voorveld_chassis::Clock;
use voorveld_chassis::settings::SettingsError;
use voorveld_chassis::telemetry::{self, LogFilter, LogOptions, LogTarget};

use crate::cli::{Cli, Command, EXIT_USAGE, Global};
use crate::config::{Settings, Telemetry};
use crate::roles::{self, Database, Service};

/// Does what was asked and says how it ended.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let settings = match Settings::load(&cli.global) {
        Ok(settings) => settings,
        Err(error) => return Ok(refuse_settings(error)),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the runtime failed")?;
    runtime.block_on(dispatch(cli.command, cli.global, settings))
}

fn refuse_settings(error: SettingsError) -> ExitCode {
    eprintln!("voorveld: {:#}", anyhow::Error::new(error));
    ExitCode::from(EXIT_USAGE)
}

async fn dispatch(
    command: Command,
    _global: Global,
    settings: Settings,
) -> anyhow::Result<ExitCode> {
    let role = match &command {
        Command::Gateway => Some(&[Service::Gateway][..]),
        Command::Resolver => Some(&[Service::Resolver][..]),
        Command::Correlator => Some(&[Service::Correlator][..]),
        Command::Outreach => Some(&[Service::Outreach][..]),
        Command::Console => Some(&[Service::Console][..]),
        Command::All => Some(Service::ALL),
        _ => None,
    };
    if let Some(services) = role {
        let filter = log_to(&settings.telemetry, LogTarget::Stdout)?;
        return roles::run(&settings, services, filter).await;
    }
    let filter = log_to(&settings.telemetry, LogTarget::Stderr)?;
    match command {
        Command::Migrate => return migrate::run(&settings).await,
        Command::Keys(command) => return keys::run(&command),
        Command::Check(asked) => return Ok(check::run(&asked, &settings)),
        Command::Openapi => return openapi(&settings),
        Command::Demo(asked) => return demo::run(asked, settings, filter).await,
        Command::Simulate(asked) => return simulate::run(&asked).await,
        Command::Push(asked) => return push::run(&asked).await,
        _ => {}
    }
    let clock = Clock::system();
    let database = Database::open_known(&settings).await?;
    let store = &database.store;
    let code = match command {
        Command::Partner(command) => partner::run(command, &settings, store, &clock).await,
        Command::User(command) => user::run(command, &settings, store, &clock).await,
        Command::Queue(command) => queue::run(command, &settings, &database, &clock).await,
        Command::Audit(asked) => audit::run(asked, store, &clock).await,
        Command::Explain(asked) => explain::run(&asked, &settings, store, &clock).await,
        _ => anyhow::bail!("this command is not part of this build"),
    };
    database.close().await?;
    code
}

/// `voorveld openapi`
fn openapi(settings: &Settings) -> anyhow::Result<ExitCode> {
    let document = voorveld_gateway::openapi(settings.doors.gateway_url.as_deref());
    println!("{}", document.to_pretty_json()?);
    Ok(ExitCode::SUCCESS)
}

/// Starts logging. Commands are quiet unless something is wrong or a filter was asked for.
fn log_to(telemetry: &Telemetry, target: LogTarget) -> anyhow::Result<LogFilter> {
    let quiet = (target == LogTarget::Stderr).then(|| "warn".to_owned());
    let options = LogOptions {
        format: telemetry.format,
        filter: telemetry.filter.clone().or(quiet),
        target,
    };
    Ok(telemetry::init(&options)?)
}
