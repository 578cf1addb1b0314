//! A partner who is impatient and keeps books: it sends everything again until it has an answer that promises something, and writes down what
//! it was promised.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::civil::Date;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::crew::Crew;
use crate::load::{Event, KINDS, Parcel, SENDER, TYPES};

/// After this long without an answer a partner breaks off and sends the same again.
const BREAKS_OFF: Duration = Duration::from_secs(20);
/// How long after a refusal.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// How long one parcel may take with all that happens meanwhile.
const PATIENCE: Duration = Duration::from_mins(10);
/// More than anybody sends here.
const ROWS_PER_MINUTE: &str = "100000000";

/// What a partner was promised about a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    /// Our id of it.
    pub id: Uuid,
    /// The last revision that was acknowledged.
    pub revision: u64,
    /// It was taken back.
    pub withdrawn: bool,
}

/// The partner.
pub struct Sender {
    client: Client,
    door: String,
    key_file: PathBuf,
    key: String,
    today: Date,
    folder: PathBuf,
    books: Mutex<BTreeMap<usize, Promise>>,
    /// What was answered that should never be.
    surprises: Mutex<Vec<String>>,
    /// Things said and acknowledged.
    pub acknowledged: AtomicU64,
    /// How often something was sent again.
    pub again: AtomicU64,
}

impl Sender {
    /// A partner who was just admitted.
    pub async fn admitted(crew: &Crew, today: Date) -> Self {
        let key_file = crew.folder().join("sender.key");
        let mut arguments = vec![
            "partner",
            "add",
            SENDER,
            "--name",
            "Een nagebootste partner",
        ];
        arguments.extend(KINDS.iter().flat_map(|kind| ["--kind", kind]));
        arguments.extend(TYPES.iter().flat_map(|kind| ["--type", kind]));
        arguments.extend(["--rows-per-minute", ROWS_PER_MINUTE, "--key-file"]);
        arguments.push(key_file.to_str().unwrap());
        crew.run(&arguments).await;
        Self {
            client: Client::builder().timeout(BREAKS_OFF).build().unwrap(),
            door: crew.door.clone(),
            key: std::fs::read_to_string(&key_file)
                .unwrap()
                .trim()
                .to_owned(),
            key_file,
            today,
            folder: crew.folder().to_owned(),
            books: Mutex::default(),
            surprises: Mutex::default(),
            acknowledged: AtomicU64::new(0),
            again: AtomicU64::new(0),
        }
    }

    /// What it was promised, by its own number of the signal.
    pub fn books(&self) -> BTreeMap<usize, Promise> {
        self.books.lock().unwrap().clone()
    }

    /// It sends again what came after these books.
    pub fn go_back_to(&self, books: BTreeMap<usize, Promise>) {
        *self.books.lock().unwrap() = books;
    }

    /// What was answered that should never be.
    pub fn surprises(&self) -> Vec<String> {
        self.surprises.lock().unwrap().clone()
    }

    /// Sends a parcel until all of it is acknowledged.
    pub async fn send(&self, crew: &Crew, parcel: &Parcel) {
        let sent = timeout(PATIENCE, async {
            match parcel {
                Parcel::List(events) => self.list(events).await,
                Parcel::File(events) => self.file(crew, events).await,
                Parcel::One(event) => self.one(event).await,
            }
        });
        assert!(
            sent.await.is_ok(),
            "a parcel did not come through in {PATIENCE:?}; {:?}",
            self.surprises()
        );
    }

    async fn list(&self, events: &[Event]) {
        while !self.offer_list(events).await {
            self.again.fetch_add(1, Ordering::Relaxed);
            sleep(TRY_AGAIN_AFTER).await;
        }
    }

    async fn offer_list(&self, events: &[Event]) -> bool {
        let bodies: Vec<Value> = events.iter().map(|event| self.body(event)).collect();
        let Some(answer) = self
            .ask(Method::POST, "/v1/signals", &Value::from(bodies))
            .await
        else {
            return false;
        };
        let results = answer["results"].as_array().unwrap();
        assert_eq!(results.len(), events.len());
        for (event, result) in events.iter().zip(results) {
            self.note(event, result);
        }
        true
    }

    async fn one(&self, event: &Event) {
        while !self.offer_one(event).await {
            self.again.fetch_add(1, Ordering::Relaxed);
            sleep(TRY_AGAIN_AFTER).await;
        }
    }

    async fn offer_one(&self, event: &Event) -> bool {
        let id = || self.books.lock().unwrap()[&event.signal].id;
        let (method, path, body) = match (&event.said, event.known) {
            (Some(_), false) => (Method::POST, "/v1/signals".to_owned(), self.body(event)),
            (Some(_), true) => (
                Method::PUT,
                format!("/v1/signals/{}", id()),
                self.body(event),
            ),
            (None, _) => (
                Method::POST,
                format!("/v1/signals/{}/withdrawal", id()),
                json!({ "reason": "paid" }),
            ),
        };
        let answer = self.ask(method, &path, &body).await;
        if let Some(answer) = &answer {
            self.note(event, answer);
        }
        answer.is_some()
    }

    /// The body of an answer that promises something; `None` when nothing was promised.
    async fn ask(&self, method: Method, path: &str, body: &Value) -> Option<Value> {
        let request = self
            .client
            .request(method, format!("{}{path}", self.door))
            .bearer_auth(&self.key)
            .json(body);
        let answer = request.send().await.ok()?;
        let status = answer.status();
        if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS {
            return None;
        }
        let answer = answer.json::<Value>().await.ok()?;
        if status.is_success() {
            return Some(answer);
        }
        self.surprise(format!("{path}: {status} {answer}"));
        None
    }

    fn surprise(&self, what: String) {
        let mut surprises = self.surprises.lock().unwrap();
        if surprises.len() < 20 {
            surprises.push(what);
        }
    }

    /// `voorveld push`, again and again until the file came through whole.
    async fn file(&self, crew: &Crew, events: &[Event]) {
        let name = Uuid::new_v4();
        let file = self.folder.join(format!("{name}.ndjson"));
        let mut lines = String::new();
        for event in events {
            writeln!(lines, "{}", self.body(event)).unwrap();
        }
        std::fs::write(&file, lines).unwrap();
        for attempt in 0.. {
            let out = self.folder.join(format!("{name}-{attempt}.out"));
            let receipts = self.folder.join(format!("{name}-{attempt}.csv"));
            let [file, key, out, told] = [&file, &self.key_file, &out, &receipts]
                .map(|path| path.to_str().unwrap().to_owned());
            let arguments = [
                "push",
                &file,
                "--url",
                &self.door,
                "--key-file",
                &key,
                "--out",
                &out,
                "--receipts",
                &told,
            ];
            let pushed = timeout(3 * BREAKS_OFF, crew.try_to_run(&arguments)).await;
            match pushed.ok().and_then(|output| output.status.code()) {
                Some(0) => {
                    let told = std::fs::read_to_string(&receipts).unwrap();
                    self.note_receipts(events, &told);
                    return;
                }
                Some(3) => {
                    let told = std::fs::read_to_string(&receipts).unwrap_or_default();
                    self.surprise(format!("push: rows were refused: {told}"));
                }
                _ => {}
            }
            self.again.fetch_add(1, Ordering::Relaxed);
            sleep(TRY_AGAIN_AFTER).await;
        }
    }

    fn note_receipts(&self, events: &[Event], told: &str) {
        let rows = told.lines().skip(1).map(|line| {
            let cells: Vec<&str> = line.split(';').collect();
            json!({ "outcome": cells[1], "id": cells[2], "revision": cells[3].parse::<u64>().ok() })
        });
        let rows: Vec<Value> = rows.collect();
        assert_eq!(rows.len(), events.len(), "{told}");
        for (event, row) in events.iter().zip(&rows) {
            self.note(event, row);
        }
    }

    fn note(&self, event: &Event, result: &Value) {
        let id = result["id"].as_str().and_then(|id| id.parse().ok());
        let (Some(id), Some(revision)) = (id, result["revision"].as_u64()) else {
            self.surprise(format!("signal {}: {result}", event.signal));
            return;
        };
        let promise = Promise {
            id,
            revision,
            withdrawn: event.said.is_none(),
        };
        let before = self.books.lock().unwrap().insert(event.signal, promise);
        if let Some(before) = before
            && (before.id != id || revision < before.revision)
        {
            self.surprise(format!("{before:?} became {promise:?}"));
        }
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
    }

    fn body(&self, event: &Event) -> Value {
        let said = event.said.as_ref().expect("a withdrawal has no content");
        said.body(event.signal, self.today)
    }
}
