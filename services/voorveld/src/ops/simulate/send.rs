//! The partners' side of the door: over HTTP, with a key each, like any partner.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use voorveld_chassis::Secret;
use voorveld_synthetic::{Delivery, LedgerRow, PARTNERS, Plan, Step, Withdrawal};

/// How long to wait before asking again whether a delivery is complete.
const POLL_EVERY: Duration = Duration::from_millis(25);
/// How often a gateway that says "later" is believed.
const ATTEMPTS: u32 = 60;
/// The wait when a gateway says "later" without saying when.
const LATER: Duration = Duration::from_secs(2);

/// All results at once, one a line.
const NDJSON: &str = "application/x-ndjson";

/// A signal by its sender and the sender's reference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sent {
    /// The partner.
    pub partner: String,
    /// Its reference.
    pub reference: String,
}

/// A gateway, from the outside.
#[derive(Debug, Clone)]
pub struct GatewayDoor {
    client: reqwest::Client,
    base: String,
}

/// Sends the steps of a plan, one by one.
#[derive(Debug)]
pub struct Sender {
    door: GatewayDoor,
    keys: BTreeMap<String, Secret>,
    /// What will be taken back one day: only of those the id is remembered.
    withdrawn_later: HashSet<Sent>,
    ids: HashMap<Sent, Uuid>,
}

/// What became of a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answered {
    /// Rows sent; 1 for a withdrawal.
    pub rows: u64,
    /// Rows that became something else than they should, as far as the door says: file, row, what, instead of what.
    pub surprises: Vec<String>,
}

#[derive(Deserialize)]
struct DeliveryState {
    state: String,
    problem: Option<String>,
}

#[derive(Deserialize)]
struct RowAnswer {
    row: u64,
    outcome: String,
    id: Option<Uuid>,
    #[serde(default)]
    problems: Vec<Code>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

/// The key file of a partner, as `voorveld partner add --key-file` writes it.
#[must_use]
pub fn key_file(folder: &Path, partner: &str) -> std::path::PathBuf {
    folder.join(format!("{partner}.key"))
}

impl GatewayDoor {
    /// The gateway at `base`, without `/v1`.
    #[must_use]
    pub fn new(base: &str) -> Self {
        Self {
            client: reqwest::Client::new(),
            base: base.trim_end_matches('/').to_owned(),
        }
    }

    /// Where it is, without `/v1`.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Delivers a file, waits until every row has its result, and says where the delivery is.
    pub async fn deliver(
        &self,
        key: &Secret,
        content_type: &str,
        file: Bytes,
    ) -> anyhow::Result<String> {
        let url = format!("{}/v1/deliveries", self.base);
        let answer = self
            .ask(key, || {
                self.client
                    .post(&url)
                    .header(CONTENT_TYPE, content_type)
                    .body(file.clone())
            })
            .await?;
        ensure!(
            answer.status() == StatusCode::ACCEPTED,
            "the gateway answered {}",
            answer.status()
        );
        let location = answer
            .headers()
            .get(LOCATION)
            .context("the answer says no location")?
            .to_str()?;
        let place = if location.starts_with('/') {
            format!("{}{location}", self.base)
        } else {
            location.to_owned()
        };
        loop {
            let state: DeliveryState = self
                .ask(key, || self.client.get(&place))
                .await?
                .json()
                .await?;
            match state.state.as_str() {
                "complete" => return Ok(place),
                "receiving" => tokio::time::sleep(POLL_EVERY).await,
                other => bail!("it is {other}: {}", state.problem.unwrap_or_default()),
            }
        }
    }

    async fn results(&self, key: &Secret, place: &str) -> anyhow::Result<BTreeMap<u64, RowAnswer>> {
        let url = format!("{place}/results");
        let text = self
            .ask(key, || self.client.get(&url).header(ACCEPT, NDJSON))
            .await?
            .text()
            .await?;
        let mut rows = BTreeMap::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let row: RowAnswer =
                serde_json::from_str(line).context("a result per row is not what was expected")?;
            rows.insert(row.row, row);
        }
        Ok(rows)
    }

    /// Asks, and asks again where the gateway says "later".
    async fn ask(
        &self,
        key: &Secret,
        request: impl Fn() -> RequestBuilder,
    ) -> anyhow::Result<Response> {
        for _ in 0..ATTEMPTS {
            let answer = request().bearer_auth(key.expose()).send().await?;
            match answer.status() {
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                    let later = answer
                        .headers()
                        .get(RETRY_AFTER)
                        .and_then(|seconds| seconds.to_str().ok()?.parse().ok())
                        .map_or(LATER, Duration::from_secs);
                    tokio::time::sleep(later).await;
                }
                status if status.is_success() => return Ok(answer),
                status => {
                    // A problem never repeats a personal value, so it may be shown.
                    let problem = answer.text().await.unwrap_or_default();
                    bail!("the gateway answered {status}: {problem}");
                }
            }
        }
        bail!("the gateway said \"later\" {ATTEMPTS} times")
    }
}

impl Sender {
    /// A sender to the gateway at `base` (without `/v1`), with the keys of all partners in `keys`.
    pub fn new(base: &str, keys: &Path, plan: &Plan) -> anyhow::Result<Self> {
        let keys = PARTNERS
            .iter()
            .map(|partner| {
                let file = key_file(keys, partner.id);
                let key = Secret::from_file(&file)
                    .with_context(|| format!("partner {} has no key", partner.id))?;
                Ok((partner.id.to_owned(), key))
            })
            .collect::<anyhow::Result<_>>()?;
        let withdrawn_later = plan
            .steps()
            .filter_map(|step| match step {
                Step::Withdraw(withdrawal) => Some(sent(&withdrawal)),
                Step::Deliver(_) => None,
            })
            .collect();
        Ok(Self {
            door: GatewayDoor::new(base),
            keys,
            withdrawn_later,
            ids: HashMap::new(),
        })
    }

    /// What must be remembered to go on another time.
    #[must_use]
    pub fn memory(&self) -> Vec<(Sent, Uuid)> {
        let mut memory: Vec<_> = self
            .ids
            .iter()
            .map(|(sent, id)| (sent.clone(), *id))
            .collect();
        memory.sort();
        memory
    }

    /// Goes on where an earlier sender stopped.
    pub fn remember(&mut self, memory: impl IntoIterator<Item = (Sent, Uuid)>) {
        self.ids.extend(memory);
    }

    /// Does one step and waits for its answer.
    pub async fn step(&mut self, step: &Step) -> anyhow::Result<Answered> {
        match step {
            Step::Deliver(delivery) => self
                .deliver(delivery)
                .await
                .with_context(|| format!("delivering {} failed", delivery.name)),
            Step::Withdraw(withdrawal) => self
                .withdraw(withdrawal)
                .await
                .with_context(|| format!("a withdrawal of {} failed", withdrawal.partner.id)),
        }
    }

    /// Delivers a file and waits until every row has its result.
    pub async fn deliver(&mut self, delivery: &Delivery) -> anyhow::Result<Answered> {
        let partner = delivery.partner.id;
        let key = &self.keys[partner];
        let place = self
            .door
            .deliver(
                key,
                delivery.partner.format.content_type(),
                delivery.bytes.clone().into(),
            )
            .await?;
        let rows = self.door.results(key, &place).await?;
        for line in &delivery.ledger {
            let sent = Sent {
                partner: partner.to_owned(),
                reference: line.reference.clone(),
            };
            if let Some(id) = rows.get(&line.row).and_then(|row| row.id)
                && self.withdrawn_later.contains(&sent)
            {
                self.ids.insert(sent, id);
            }
        }
        Ok(Answered {
            rows: delivery.ledger.len() as u64,
            surprises: delivery
                .ledger
                .iter()
                .filter_map(|line| surprise(line, rows.get(&line.row)))
                .map(|what| format!("{}: {what}", delivery.name))
                .collect(),
        })
    }

    async fn withdraw(&mut self, withdrawal: &Withdrawal) -> anyhow::Result<Answered> {
        let id = self
            .ids
            .remove(&sent(withdrawal))
            .context("it was never accepted")?;
        let door = &self.door;
        let url = format!("{}/v1/signals/{id}/withdrawal", door.base);
        let body = serde_json::json!({ "reason": withdrawal.reason.code() });
        door.ask(&self.keys[withdrawal.partner.id], || {
            door.client.post(&url).json(&body)
        })
        .await?;
        Ok(Answered {
            rows: 1,
            surprises: Vec::new(),
        })
    }
}

fn sent(withdrawal: &Withdrawal) -> Sent {
    Sent {
        partner: withdrawal.partner.id.to_owned(),
        reference: withdrawal.reference.clone(),
    }
}

/// What is odd about a row's answer, without its reference.
fn surprise(line: &LedgerRow, answer: Option<&RowAnswer>) -> Option<String> {
    let expected = line.fate.at_the_door();
    let Some(answer) = answer else {
        return Some(format!(
            "row {} has no result instead of {expected}",
            line.row
        ));
    };
    let codes: Vec<&str> = answer
        .problems
        .iter()
        .map(|problem| problem.code.as_str())
        .collect();
    let as_it_should =
        answer.outcome == expected && (expected != "refused" || codes.contains(&line.fate.code()));
    (!as_it_should).then(|| {
        format!(
            "row {} is {} {} instead of {expected} {}",
            line.row,
            answer.outcome,
            codes.join(" "),
            line.fate.code()
        )
    })
}
