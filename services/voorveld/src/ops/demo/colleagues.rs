//! Simulated colleagues: once a month they work the list through the same API as anybody, so that a demo shows what came of tasks and not only tasks.
//!
//! By the national figures about one in four is reached, and one in three of those takes help. The safety desk judges what was reported and lets contact begin
//! again.

use anyhow::{Context, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::civil::Date;
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use voorveld_domain::{ContactChannel, DayPart, Outcome, Urgency};
use voorveld_synthetic::Dice;

use super::state::Account;

/// In thousands: an open task that is taken up in a month, when it is urgent.
const URGENT_TAKEN_UP: u32 = 990;
/// In thousands: the same for the others.
const TAKEN_UP: u32 = 850;
/// In thousands: a task taken up that also ends in that month.
const ENDED: u32 = 850;
/// In thousands: somebody is spoken to.
const REACHED: u32 = 250;
/// In thousands of those reached: help is accepted.
const ACCEPTED: u32 = 333;
/// In thousands: a report about safety that turns out to need Veilig Thuis.
const HANDED_OVER: u32 = 600;
/// Colleagues at work at the same time.
const AT_ONCE: usize = 4;
/// Streams of dice from here on are months of colleagues' work.
const COLLEAGUES_STREAM: u64 = 1 << 43;

/// The colleagues of every team.
#[derive(Debug)]
pub struct Colleagues {
    client: Client,
    base: String,
    account: Account,
    seed: u64,
}

#[derive(Deserialize)]
struct Session {
    token: String,
}

#[derive(Deserialize)]
struct List {
    tasks: Vec<Task>,
    more: bool,
}

#[derive(Deserialize)]
struct Task {
    id: String,
    version: i32,
    urgency: Option<Coded>,
}

#[derive(Deserialize)]
struct Coded {
    code: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SafetyList {
    tasks: Vec<Task>,
    holds: Vec<Hold>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hold {
    id: String,
    task: Option<String>,
    seen: String,
}

impl Task {
    fn is_urgent(&self) -> bool {
        let urgency = self
            .urgency
            .as_ref()
            .and_then(|urgency| urgency.code.parse().ok());
        urgency.is_some_and(|urgency: Urgency| Urgency::Crisis <= urgency)
    }
}

/// What one task comes to, thrown before anything is sent.
struct Course {
    channel: ContactChannel,
    day_part: DayPart,
    reached: bool,
    outcome: Option<Outcome>,
}

impl Colleagues {
    /// Colleagues who use outreach at `base` with this account.
    #[must_use]
    pub fn new(base: String, account: Account, seed: u64) -> Self {
        Self {
            client: Client::new(),
            base,
            account,
            seed,
        }
    }

    /// Works the list once: what was left over, then what is open. Says how many tasks that were.
    pub async fn work(&self, today: Date) -> anyhow::Result<usize> {
        let month =
            u64::from(today.year().unsigned_abs()) * 12 + u64::from(today.month().unsigned_abs());
        let mut dice = Dice::new(self.seed, COLLEAGUES_STREAM + month);
        let credentials = json!({ "login": self.account.login, "password": self.account.password });
        let answer = self
            .client
            .post(self.url("/session"))
            .json(&credentials)
            .send()
            .await?;
        ensure!(
            answer.status().is_success(),
            "signing in was answered with {}",
            answer.status()
        );
        let session: Session = answer.json().await?;
        // First, since whom nobody may visit is on no list.
        let judged = self.judge_safety(&session, &mut dice).await?;
        let mut taken_up = Vec::new();
        for task in self.tasks(&session, "mine").await? {
            taken_up.push((task, false, Course::thrown(&mut dice)));
        }
        for task in self.tasks(&session, "open").await? {
            let course = Course::thrown(&mut dice);
            let chance = if task.is_urgent() {
                URGENT_TAKEN_UP
            } else {
                TAKEN_UP
            };
            if dice.chance(chance) {
                taken_up.push((task, true, course));
            }
        }
        let many = taken_up.len() + judged;
        stream::iter(taken_up)
            .map(|(task, is_new, course)| self.handle(&session, task, is_new, course, today))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        Ok(many)
    }

    /// The safety desk judges every household that is held, ends its task and lets contact begin again. Says how many those were.
    async fn judge_safety(&self, session: &Session, dice: &mut Dice) -> anyhow::Result<usize> {
        let answer = self
            .client
            .get(self.url("/safety"))
            .bearer_auth(&session.token)
            .send()
            .await?;
        let found: SafetyList = answer.error_for_status()?.json().await?;
        for hold in &found.holds {
            let (outcome, reason) = if dice.chance(HANDED_OVER) {
                (Outcome::ReferredWithoutContact, "handed_over")
            } else {
                (Outcome::WrongfulSignal, "no_unsafety")
            };
            let task = found
                .tasks
                .iter()
                .find(|task| hold.task.as_ref() == Some(&task.id));
            if let Some(task) = task {
                let body = json!({ "version": task.version });
                if let Some(version) = self.act(session, &task.id, "claim", &body).await? {
                    let result = json!({ "version": version, "outcome": outcome.code() });
                    self.act(session, &task.id, "result", &result).await?;
                }
            }
            let lift = json!({ "seen": hold.seen, "reason": reason });
            let url = self.url(&format!("/safety/holds/{}/lift", hold.id));
            let answer = self
                .client
                .post(url)
                .bearer_auth(&session.token)
                .json(&lift)
                .send()
                .await?;
            // A report that came in meanwhile is judged next month.
            if answer.status() != StatusCode::CONFLICT {
                answer.error_for_status()?;
            }
        }
        Ok(found.holds.len())
    }

    async fn tasks(&self, session: &Session, list: &str) -> anyhow::Result<Vec<Task>> {
        let mut tasks = Vec::new();
        for page in 1_u32.. {
            let url = self.url(&format!("/tasks?list={list}&page={page}"));
            let answer = self
                .client
                .get(url)
                .bearer_auth(&session.token)
                .send()
                .await?;
            let list: List = answer.error_for_status()?.json().await?;
            tasks.extend(list.tasks);
            if !list.more {
                break;
            }
        }
        Ok(tasks)
    }

    async fn handle(
        &self,
        session: &Session,
        task: Task,
        is_new: bool,
        course: Course,
        today: Date,
    ) -> anyhow::Result<()> {
        let mut version = task.version;
        if is_new {
            let body = json!({ "version": version });
            // Somebody was first, or the household must be left alone now: that happens to colleagues too.
            match self.act(session, &task.id, "claim", &body).await? {
                Some(claimed) => version = claimed,
                None => return Ok(()),
            }
        }
        let attempt = json!({
            "triedOn": today.to_string(),
            "channel": course.channel.code(),
            "dayPart": course.day_part.code(),
            "reached": course.reached,
        });
        if let Some(tried) = self
            .act(session, &task.id, "contact-attempts", &attempt)
            .await?
        {
            version = tried;
        }
        if let Some(outcome) = course.outcome {
            self.act(
                session,
                &task.id,
                "result",
                &json!({ "version": version, "outcome": outcome.code() }),
            )
            .await?;
        }
        Ok(())
    }

    /// Does one thing with a task; the new version, or nothing when it could not be done (any more).
    async fn act(
        &self,
        session: &Session,
        task: &str,
        what: &str,
        body: &Value,
    ) -> anyhow::Result<Option<i32>> {
        let url = self.url(&format!("/tasks/{task}/{what}"));
        let answer = self
            .client
            .post(url)
            .bearer_auth(&session.token)
            .json(body)
            .send()
            .await?;
        if matches!(
            answer.status(),
            StatusCode::CONFLICT | StatusCode::NOT_FOUND | StatusCode::FORBIDDEN
        ) {
            return Ok(None);
        }
        let view: Value = answer.error_for_status()?.json().await?;
        let version = view
            .get("version")
            .or_else(|| view["task"].get("version"))
            .and_then(Value::as_i64);
        let version = version.and_then(|version| i32::try_from(version).ok());
        Ok(Some(version.context("a task says no version")?))
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.base)
    }
}

impl Course {
    fn thrown(dice: &mut Dice) -> Self {
        let channels = [
            ContactChannel::Letter,
            ContactChannel::Telephone,
            ContactChannel::Telephone,
            ContactChannel::HomeVisit,
        ];
        let reached = dice.chance(REACHED);
        let outcomes: &[Outcome] = match (reached, reached && dice.chance(ACCEPTED)) {
            (_, true) => &[
                Outcome::QuickFix,
                Outcome::FinancialHelp,
                Outcome::FinancialHelp,
                Outcome::OtherHelp,
            ],
            (true, false) => &[
                Outcome::NeedsNoHelp,
                Outcome::PaidOrArranged,
                Outcome::PaidOrArranged,
            ],
            (false, _) => &[
                Outcome::NoContact,
                Outcome::NoContact,
                Outcome::NoContact,
                Outcome::NotTakenUp,
            ],
        };
        Self {
            channel: *dice.pick(&channels),
            day_part: *dice.pick(DayPart::ALL),
            reached,
            outcome: dice.chance(ENDED).then(|| *dice.pick(outcomes)),
        }
    }
}
