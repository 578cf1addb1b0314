//! What each command does, one file per command. A command's answer goes to standard output, its log to standard error.

pub mod audit;
pub mod backtest;
pub mod bench;
pub mod check;
pub mod demo;
pub mod explain;
pub mod keys;
pub mod migrate;
pub mod office;
pub mod partner;
pub mod push;
pub mod queue;
pub mod registration;
pub mod retention;
pub mod rules;
pub mod simulate;
pub mod user;

use std::process::ExitCode;

use anyhow::Context;
use voorveld_chassis::Clock;
use voorveld_chassis::telemetry::{self, LogFilter, LogOptions, LogTarget};

use crate::cli::{Cli, Command, EXIT_USAGE, Schema};
use crate::config::{Settings, Telemetry};
use crate::database::Database;
use crate::roles::{self, Service};

/// Does what was asked and says how it ended.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let settings = match Settings::load(&cli.global) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("voorveld: {:#}", anyhow::Error::new(error));
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the runtime failed")?;
    runtime.block_on(dispatch(cli.command, settings))
}

async fn dispatch(command: Command, settings: Settings) -> anyhow::Result<ExitCode> {
    let target = if is_role(&command) {
        LogTarget::Stdout
    } else {
        LogTarget::Stderr
    };
    let filter = log_to(&settings.telemetry, target)?;
    match command {
        Command::Gateway => roles::run(&settings, &[Service::Gateway], filter).await,
        Command::Resolver => roles::run(&settings, &[Service::Resolver], filter).await,
        Command::Correlator => roles::run(&settings, &[Service::Correlator], filter).await,
        Command::Outreach => roles::run(&settings, &[Service::Outreach], filter).await,
        Command::Console => roles::run(&settings, &[Service::Console], filter).await,
        Command::All => roles::run(&settings, Service::ALL, filter).await,
        Command::Demo(asked) => demo::run(asked, settings, filter).await,
        Command::Simulate(asked) => simulate::run(&asked).await,
        Command::Push(asked) => push::run(&asked).await,
        Command::Migrate => migrate::run(&settings).await,
        Command::Check(asked) => Ok(check::run(&asked, &settings, Clock::system().today())),
        Command::Schema(Schema::Rules) => {
            print!("{}", voorveld_policy::rule_schema());
            Ok(ExitCode::SUCCESS)
        }
        Command::Keys(command) => keys::run(&command),
        Command::Openapi => openapi(&settings),
        Command::Bench(command) => bench::run(command, settings, filter).await,
        Command::Partner(command) => {
            at_desk(&settings, async |database, clock| {
                partner::run(command, &settings, &database.store, clock).await
            })
            .await
        }
        Command::User(command) => {
            at_desk(&settings, async |database, clock| {
                user::run(command, &settings, &database.store, clock).await
            })
            .await
        }
        Command::Queue(command) => {
            at_desk(&settings, async |database, clock| {
                queue::run(command, &settings, database, clock).await
            })
            .await
        }
        Command::Rules(command) => {
            at_desk(&settings, async |database, clock| {
                rules::run(command, &settings, &database.store, clock).await
            })
            .await
        }
        Command::Registration(command) => {
            at_desk(&settings, async |database, clock| {
                registration::run(command, &settings, &database.store, clock).await
            })
            .await
        }
        Command::Retention => {
            at_desk(&settings, async |database, clock| {
                retention::run(&settings, &database.store, clock).await
            })
            .await
        }
        Command::Audit(asked) => {
            at_desk(&settings, async |database, clock| {
                audit::run(asked, &database.store, clock).await
            })
            .await
        }
        Command::Backtest(asked) => {
            at_desk(&settings, async |database, clock| {
                backtest::run(&asked, &settings, &database.store, clock).await
            })
            .await
        }
        Command::Explain(asked) => {
            at_desk(&settings, async |database, clock| {
                explain::run(&asked, &settings, &database.store, clock).await
            })
            .await
        }
    }
}

const fn is_role(command: &Command) -> bool {
    matches!(
        command,
        Command::Gateway
            | Command::Resolver
            | Command::Correlator
            | Command::Outreach
            | Command::Console
            | Command::All
    )
}

/// Opens the database for one command and closes it again, whatever comes of the command.
async fn at_desk(
    settings: &Settings,
    act: impl AsyncFnOnce(&Database, &Clock) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let database = Database::open_known(settings).await?;
    let ended = act(&database, &Clock::system()).await;
    database.close().await?;
    ended
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
