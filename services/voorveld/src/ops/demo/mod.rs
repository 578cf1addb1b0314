//! `voorveld demo`: every role in one process, and a year of a municipality that does not exist.
//!
//! Partners deliver over HTTP like anybody; the clock of the roles is put at each simulated day and catches up at the end. What
//! was delivered stays: a second start only opens the doors.

pub mod colleagues;
pub mod settle;
pub mod state;
pub mod told;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::civil::Date;
use voorveld_accounts::hash_password;
use voorveld_chassis::telemetry::LogFilter;
use voorveld_chassis::{Clock, Lifecycle, shutdown_signal};
use voorveld_domain::{Role, UserId};
use voorveld_seal::{ApiKey, Token, write_private};
use voorveld_store::Store;
use voorveld_store::audit::{About, NewAuditEvent};
use voorveld_store::partners::{Partner as PartnerRecord, PartnerError};
use voorveld_store::users::User;
use voorveld_synthetic::{PARTNERS, Partner, Plan};

use super::simulate::send::{Sender, key_file};
use crate::cli::Demo;
use crate::config::Settings;
use crate::roles::{House, Service};
use colleagues::Colleagues;
use settle::Rest;
use state::{Account, DemoFolder, Progress};
use told::Told;

/// At what time of a simulated day partners' files come in.
const DELIVERY_HOUR: i8 = 6;
/// Signals a minute that a simulated partner may send.
const ROWS_PER_MINUTE: u32 = 600_000;
/// At what time colleagues have worked the list on the last day of a month.
const WORK_HOUR: i8 = 14;
/// What one signs in with.
const LOGIN: &str = "demo";
/// What the simulated colleagues sign in with.
const COLLEAGUES_LOGIN: &str = "collegas";
/// How much of a random token makes a password that can be typed over.
const PASSWORD_CHARS: usize = 16;

/// Starts everything, lives through what was not lived through yet, and stays until it is told to stop.
pub async fn run(
    command: Demo,
    mut settings: Settings,
    log_filter: LogFilter,
) -> anyhow::Result<ExitCode> {
    settings.data_dir = command.data;
    if let Some(first) = command.port {
        let doors = &mut settings.doors;
        for (door, port) in [
            &mut doors.gateway,
            &mut doors.outreach,
            &mut doors.console,
            &mut doors.admin,
        ]
        .into_iter()
        .zip(first..)
        {
            door.set_port(port);
        }
    }
    let folder = DemoFolder::open(&settings.data_dir)?;
    let system = Clock::system();
    let progress = if let Some(progress) = folder.progress()? {
        progress
    } else {
        let begun = Progress::begin(&Plan {
            seed: command.seed,
            municipality: *settings
                .municipalities
                .first()
                .expect("settings serve at least one"),
            inhabitants: command.inhabitants,
            months: command.months,
            until: system.today(),
        });
        folder.keep_progress(&begun)?;
        begun
    };
    let plan = progress.plan()?;
    let next_day = plan.steps().nth(progress.steps_done).map(|step| step.day());
    let clock = match next_day {
        Some(day) if !progress.complete => Clock::shifted(moment_of(day, DELIVERY_HOUR, &system)),
        _ => system,
    };

    let lifecycle = Lifecycle::new();
    let mut signals = shutdown_signal();
    let starting = House::start(
        &settings,
        Service::ALL,
        clock.clone(),
        log_filter,
        &lifecycle,
    );
    let house = tokio::select! {
        house = starting => house?,
        _ = futures::StreamExt::next(&mut signals) => return Ok(ExitCode::SUCCESS),
    };
    let store = house.database.store.clone();
    let office = Office {
        folder: &folder,
        settings: &settings,
        house: &house,
        clock: &clock,
    };
    let account = office.account(LOGIN, "Demo", Role::ALL).await?;
    let colleagues = office
        .account(
            COLLEAGUES_LOGIN,
            "Collega (nagebootst)",
            &[Role::TeamMember, Role::SafetyDesk],
        )
        .await?;
    add_partners(&folder, &store, &plan, &clock).await?;
    if !command.json {
        print!("{}", doors(&settings, &account));
    }
    let life = Life {
        sender: Sender::new(
            &format!("http://{}", settings.doors.gateway),
            &folder.partner_keys(),
            &plan,
        )?,
        colleagues: (!command.untouched).then(|| {
            Colleagues::new(
                format!("http://{}", settings.doors.outreach),
                colleagues,
                plan.seed,
            )
        }),
        rest: Rest {
            store,
            log: house.log.clone(),
            clock,
        },
        folder,
        plan,
        progress,
    };
    let (draining, stop) = (lifecycle.draining(), lifecycle.clone());
    let (exit, json, data) = (command.exit, command.json, settings.data_dir.clone());
    lifecycle.spawn_job("demo", async move {
        let told = tokio::select! {
            () = draining.cancelled() => return Ok(()),
            told = life.live() => told?,
        };
        if json {
            println!("{:#}", told.json());
        } else {
            println!("\n{}", told.text());
            println!("Its data stays in {}. Ctrl-C stops it.", data.display());
        }
        if exit {
            stop.drain();
        }
        Ok::<_, anyhow::Error>(())
    });
    let code = lifecycle.run(signals, settings.grace).await;
    house.database.close().await?;
    Ok(code)
}

/// The doors to open and the account to open them with.
fn doors(settings: &Settings, account: &Account) -> String {
    let doors = &settings.doors;
    format!(
        "\nVoorveld is running, with a municipality in which nobody exists.\n\n  \
         worklists         http://{}/\n  \
         operations        http://{}/\n  \
         partners' door    http://{}/v1/openapi.json\n  \
         health, metrics   http://{}/metrics\n\n  \
         sign in as        {}\n  \
         with password     {}\n\n",
        doors.outreach, doors.console, doors.gateway, doors.admin, account.login, account.password
    )
}

/// An hour of a day, or now when that is still to come.
fn moment_of(day: Date, hour: i8, system: &Clock) -> jiff::Timestamp {
    let moment = day
        .at(hour, 0, 0, 0)
        .in_tz(voorveld_chassis::clock::CIVIL_ZONE)
        .expect("the zone database is built in")
        .timestamp();
    moment.min(system.now())
}

/// What one needs to make accounts.
struct Office<'a> {
    folder: &'a DemoFolder,
    settings: &'a Settings,
    house: &'a House,
    clock: &'a Clock,
}

impl Office<'_> {
    /// An account of this demo in every team; made at the first start.
    async fn account(&self, login: &str, name: &str, roles: &[Role]) -> anyhow::Result<Account> {
        let store = &self.house.database.store;
        if let Some(account) = self.folder.account(login)?
            && store.user_by_login(login).await?.is_some()
        {
            return Ok(account);
        }
        let token = Token::generate()?;
        let letters = token.expose().chars().filter(char::is_ascii_alphanumeric);
        let account = Account {
            login: login.to_owned(),
            password: letters.take(PASSWORD_CHARS).collect(),
        };
        let hash = hash_password(&account.password)?;
        let (now, municipality) = (
            self.clock.now(),
            self.settings.municipalities.first().copied(),
        );
        let user = User {
            id: UserId::from_uuid(uuid::Uuid::now_v7()),
            municipality: municipality.expect("settings serve at least one"),
            login: login.to_owned(),
            display_name: name.to_owned(),
            roles: roles.to_vec(),
            teams: self
                .house
                .policy
                .routing()
                .teams()
                .map(|team| team.id.clone())
                .collect(),
            created_at: now,
            disabled_at: None,
            must_change: false,
        };
        let entry = NewAuditEvent {
            happened_at: now,
            municipality,
            actor: "cli:demo".to_owned(),
            action: "user.added",
            subject_kind: "user",
            subject_id: user.id.to_string(),
            about: About::default(),
            reason: "account of a demo".to_owned(),
            request_id: None,
        };
        store
            .add_user(&user, &hash, entry)
            .await
            .with_context(|| format!("adding the account {login} failed"))?;
        self.folder.keep_account(&account)?;
        Ok(account)
    }
}

/// Partners and their keys; made at the first start. A key that got lost is replaced.
async fn add_partners(
    folder: &DemoFolder,
    store: &Store,
    plan: &Plan,
    clock: &Clock,
) -> anyhow::Result<()> {
    for partner in PARTNERS {
        let file = key_file(&folder.partner_keys(), partner.id);
        if file.exists() {
            continue;
        }
        let key = ApiKey::generate()?;
        let now = clock.now();
        match store
            .add_partner(&record(partner, plan), &key.prefix, &key.hash, now)
            .await
        {
            Err(PartnerError::Exists) => {
                store
                    .rotate_partner_key(partner.id, &key.prefix, &key.hash, now, now)
                    .await?;
            }
            added => added?,
        }
        write_private(&file, &key.shown_once)?;
    }
    Ok(())
}

fn record(partner: &Partner, plan: &Plan) -> PartnerRecord {
    PartnerRecord {
        id: partner.id.to_owned(),
        name: partner.name.to_owned(),
        municipalities: vec![plan.municipality.to_string()],
        kinds: partner.kinds.iter().map(ToString::to_string).collect(),
        partner_types: vec![partner.partner_type.code().to_owned()],
        rows_per_minute: ROWS_PER_MINUTE,
        natural_key: false,
        disabled_at: None,
    }
}

/// A year to live through.
struct Life {
    sender: Sender,
    colleagues: Option<Colleagues>,
    rest: Rest,
    folder: DemoFolder,
    plan: Plan,
    progress: Progress,
}

impl Life {
    /// Lives through what was not lived through yet, waits until all has come to rest, and tells what became of it.
    async fn live(mut self) -> anyhow::Result<Told> {
        if !self.progress.complete {
            self.year().await?;
            self.rest.clock.catch_up();
            self.progress.complete = true;
            self.folder.keep_progress(&self.progress)?;
        }
        self.rest.reached().await?;
        let store = &self.rest.store;
        Ok(Told {
            summary: store.summary().await?,
            on_the_way: store.on_the_way(self.rest.clock.today()).await?,
            surprises: self.progress.surprises,
        })
    }

    async fn year(&mut self) -> anyhow::Result<()> {
        self.sender.remember(self.progress.memory.drain(..));
        let resumed = self.progress.steps_done;
        let system = Clock::system();
        let bar = bar(self.plan.steps().count(), resumed);
        let mut before: Option<Date> = None;
        for (number, step) in self.plan.clone().steps().enumerate().skip(resumed) {
            let day = step.day();
            if let Some(before) = before.filter(|before| before.month() != day.month()) {
                bar.set_message(format!(
                    "{}: colleagues work the list",
                    before.strftime("%Y-%m")
                ));
                self.work(before.last_of_month()).await?;
            }
            if before != Some(day) {
                self.rest.clock.set(moment_of(day, DELIVERY_HOUR, &system));
                bar.set_message(day.to_string());
                before = Some(day);
            }
            let answered = self.sender.step(&step).await?;
            // A step that was cut off last time changes nothing now, which is as it should be.
            if number != resumed || resumed == 0 {
                self.progress.surprises.extend(answered.surprises);
            }
            self.progress.steps_done = number + 1;
            self.progress.memory = self.sender.memory();
            self.folder.keep_progress(&self.progress)?;
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(())
    }
}

impl Life {
    /// A working day of the simulated colleagues, between two months.
    async fn work(&mut self, day: Date) -> anyhow::Result<()> {
        self.rest
            .clock
            .set(moment_of(day, WORK_HOUR, &Clock::system()));
        self.rest.reached().await?;
        if let Some(colleagues) = &self.colleagues {
            colleagues
                .work(day)
                .await
                .context("the simulated colleagues failed")?;
            self.rest.reached().await?;
        }
        Ok(())
    }
}

/// A bar on standard error, where that is a terminal.
fn bar(steps: usize, done: usize) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64).with_position(done as u64);
    let style = ProgressStyle::with_template("  a year passes {bar:40} {pos}/{len}  {msg}")
        .expect("the template is fixed");
    bar.set_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
