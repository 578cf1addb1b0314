//! `voorveld push FILE`: a partner's command line. Sends a file, follows it, shows the refused rows, and makes a file of them to correct.
//!
//! The gateway keeps no refused row. It says which row and what to do; here, where the sender's own file is, the two come together.

mod correct;
mod letters;
mod target;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use futures::TryStreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::io::AsyncBufReadExt;
use tokio_util::io::{ReaderStream, StreamReader};
use voorveld_chassis::Secret;
use voorveld_domain::KindId;

use self::target::Target;
use super::office::table;
use crate::cli::{EXIT_OK, EXIT_ROWS_REFUSED, Push};

/// How long to wait before asking again how far a delivery is.
const POLL_EVERY: Duration = Duration::from_millis(250);
/// How long a gateway that does not answer is asked again.
const POLL_PATIENCE: u32 = 120;
/// Most refused rows on the screen; the file to correct has them all.
const SHOWN_MAX: usize = 50;

/// What kind of file it is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Text with a separator.
    Csv,
    /// A spreadsheet.
    Xlsx,
    /// One signal a line.
    Ndjson,
    /// A DDAS document.
    Ddas,
}

impl Shape {
    fn of(file: &Path) -> anyhow::Result<Self> {
        let ending = file
            .extension()
            .and_then(|ending| ending.to_str())
            .map(str::to_lowercase);
        match ending.as_deref() {
            Some("csv" | "txt") => Ok(Self::Csv),
            Some("xlsx") => Ok(Self::Xlsx),
            Some("ndjson" | "jsonl") => Ok(Self::Ndjson),
            Some("json") => Ok(Self::Ddas),
            _ => bail!("the name must end in .csv, .xlsx, .ndjson or .json (DDAS)"),
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Ndjson => "application/x-ndjson",
            Self::Ddas => "application/json",
        }
    }

    /// Whether the file to correct says what to do beside each row.
    const fn has_room_for_remarks(self) -> bool {
        matches!(self, Self::Csv | Self::Xlsx)
    }

    /// How the file to correct ends: a spreadsheet comes back as text that a spreadsheet program opens.
    const fn ending(self) -> &'static str {
        match self {
            Self::Csv | Self::Xlsx => "csv",
            Self::Ndjson => "ndjson",
            Self::Ddas => "json",
        }
    }
}

/// What the gateway says of a refused row.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RefusedRow {
    /// As the sender counts.
    pub row: u64,
    /// What was wrong.
    #[serde(default)]
    pub problems: Vec<Remark>,
}

/// One thing that was wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Remark {
    /// The column by the sender's own heading.
    pub column: String,
    /// What is wrong.
    pub code: String,
    /// What to do.
    pub what_to_do: String,
}

impl RefusedRow {
    /// All that is wrong in one text.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = String::new();
        for problem in &self.problems {
            if !words.is_empty() {
                words.push(' ');
            }
            if !problem.column.is_empty() {
                let _ = write!(words, "{}: ", problem.column);
            }
            words.push_str(&problem.what_to_do);
        }
        words
    }
}

/// What became of a row.
#[derive(Debug, Deserialize)]
struct ReceivedRow {
    row: u64,
    outcome: String,
    id: Option<String>,
    revision: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delivery {
    id: String,
    state: String,
    rows: Rows,
    not_imported: u64,
    up_to_row: Option<u64>,
    problem: Option<String>,
    same_as: Option<String>,
    /// What was said with it; an older gateway says nothing.
    #[serde(default)]
    completeness: Vec<Feed>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feed {
    municipality: String,
    kind: String,
    complete_through: Option<String>,
    remark: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Rows {
    total: u64,
    read: u64,
    accepted: u64,
    corrected: u64,
    unchanged: u64,
    refused: u64,
}

#[derive(Debug, Deserialize)]
struct Problem {
    detail: String,
    #[serde(default)]
    errors: Vec<ProblemError>,
}

#[derive(Debug, Deserialize)]
struct ProblemError {
    detail: String,
}

struct Gateway {
    client: Client,
    base: String,
    key: Secret,
}

/// Sends the file, waits for its end, and says what became of it.
pub async fn run(asked: &Push) -> anyhow::Result<ExitCode> {
    deliver(asked).await.map(ExitCode::from)
}

async fn deliver(asked: &Push) -> anyhow::Result<u8> {
    let shape = Shape::of(&asked.file)?;
    let gateway = Gateway {
        client: Client::builder()
            .build()
            .context("preparing to send failed")?,
        base: asked.url.trim_end_matches('/').to_owned(),
        key: Secret::from_file(&asked.key_file).context("reading the API key failed")?,
    };
    // Whatever will be written is made room for first: once the file is sent, its answers must not get lost for want of a name.
    let targets = Targets::of(asked, shape)?;
    let place = gateway.send(asked, shape).await?;
    let delivery = gateway.follow(&place).await?;
    tell(&delivery);
    if let Some(receipts) = targets.receipts {
        let path = gateway.receipts(&place, receipts).await?;
        println!("Wat er van elke regel werd, staat in {}.", path.display());
    }
    if delivery.state != "complete" {
        bail!(
            "delivery {} stopped after row {} ({}); send the same file again to finish it",
            delivery.id,
            delivery.up_to_row.unwrap_or(0),
            delivery.problem.as_deref().unwrap_or("no reason given"),
        );
    }
    if delivery.rows.refused == 0 {
        return Ok(EXIT_OK);
    }
    let refused = gateway.refused(&place).await?;
    show(&refused);
    // The file is delivered, and this much was refused: what goes wrong from here on does not change that.
    if let Err(error) = keep(asked, shape, &refused, targets.out, targets.remarks) {
        eprintln!("writing the refused rows to a file failed: {error:#}");
    }
    Ok(EXIT_ROWS_REFUSED)
}

/// The files that may be written, with room for each.
struct Targets {
    out: Target,
    /// What to do about each refused row, where the file to correct has no room for it.
    remarks: Target,
    receipts: Option<Target>,
}

impl Targets {
    fn of(asked: &Push, shape: Shape) -> anyhow::Result<Self> {
        let (out, path) = if let Some(out) = &asked.out {
            (Target::named(out.clone())?, out.clone())
        } else {
            let path = beside(&asked.file, shape);
            let out = Target::beside(path.clone())
                .context("say with --out where the refused rows may be written")?;
            (out, path)
        };
        Ok(Self {
            out,
            remarks: Target::beside(path.with_extension("opmerkingen.csv"))?,
            receipts: asked.receipts.clone().map(Target::named).transpose()?,
        })
    }
}

/// Writes the file to correct, and beside it what to do where it does not say so itself.
fn keep(
    asked: &Push,
    shape: Shape,
    refused: &[RefusedRow],
    mut out: Target,
    mut remarks: Target,
) -> anyhow::Result<()> {
    let written = correct::write(&asked.file, shape, refused, &mut out.writer());
    if written.is_err() || !shape.has_room_for_remarks() {
        correct::write_remarks(refused, &mut remarks.writer())?;
        let path = remarks.keep()?;
        println!("Wat er aan elke regel mis is, staat in {}.", path.display());
    }
    written?;
    let path = out.keep()?;
    println!(
        "De afgekeurde regels staan in {}. Verbeter ze en stuur dat bestand.",
        path.display()
    );
    Ok(())
}

/// `signalen.csv` → `signalen.te-verbeteren.csv`.
fn beside(file: &Path, shape: Shape) -> PathBuf {
    file.with_extension(format!("te-verbeteren.{}", shape.ending()))
}

fn tell(delivery: &Delivery) {
    println!("Levering {}.", delivery.id);
    if let Some(earlier) = &delivery.same_as {
        println!("Dit bestand hebt u eerder geleverd, als {earlier}.");
    }
    let rows = &delivery.rows;
    println!(
        "{} regels: {} nieuw, {} gewijzigd, {} al bekend, {} afgekeurd.",
        rows.total, rows.accepted, rows.corrected, rows.unchanged, rows.refused
    );
    if delivery.not_imported > 0 {
        println!(
            "{} onderdelen gaan over wat een ander systeem deed; die nemen wij niet over.",
            delivery.not_imported
        );
    }
    for feed in &delivery.completeness {
        let (kind, municipality) = (&feed.kind, &feed.municipality);
        match (&feed.complete_through, &feed.remark) {
            (Some(day), None) => {
                println!("{kind} is volledig tot en met {day} (gemeente {municipality}).");
            }
            (_, Some(remark)) => println!("{kind} (gemeente {municipality}): {remark}"),
            (None, None) => {}
        }
    }
}

fn show(refused: &[RefusedRow]) {
    let lines: Vec<Vec<String>> = refused
        .iter()
        .flat_map(|row| {
            row.problems.iter().map(|problem| {
                vec![
                    row.row.to_string(),
                    problem.column.clone(),
                    problem.code.clone(),
                    problem.what_to_do.clone(),
                ]
            })
        })
        .collect();
    let shown = lines.len().min(SHOWN_MAX);
    println!(
        "{}",
        table(&["regel", "kolom", "code", "wat te doen"], &lines[..shown])
    );
    if shown < lines.len() {
        println!(
            "… en nog {}. Ze staan allemaal in het bestand.",
            lines.len() - shown
        );
    }
}

fn bar(length: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("the template is a constant");
    ProgressBar::new(length).with_style(style)
}

impl Gateway {
    fn key(&self) -> &str {
        self.key.expose().trim()
    }

    /// Uploads the file and answers where it can be followed.
    async fn send(&self, asked: &Push, shape: Shape) -> anyhow::Result<String> {
        let file = tokio::fs::File::open(&asked.file)
            .await
            .with_context(|| format!("opening {} failed", asked.file.display()))?;
        let length = file.metadata().await?.len();
        let bar = bar(length, "versturen {bar:40} {bytes}/{total_bytes}");
        let counted = bar.clone();
        let body = ReaderStream::new(file).inspect_ok(move |part| counted.inc(part.len() as u64));
        let mut query: Vec<(&str, &str)> = Vec::new();
        if let Some(kind) = &asked.kind {
            query.push(("kind", kind.as_str()));
        }
        if let Some(municipality) = &asked.municipality {
            query.push(("municipality", municipality.as_str()));
        }
        let through = asked.complete_through.map(|day| day.to_string());
        if let Some(through) = &through {
            query.push(("completeThrough", through));
        }
        let kinds: Vec<&str> = asked.complete_kinds.iter().map(KindId::as_str).collect();
        let kinds = kinds.join(",");
        if !kinds.is_empty() {
            query.push(("kinds", &kinds));
        }
        let query: Vec<String> = query
            .iter()
            // Slugs with commas, a code of four digits and a date need no escaping.
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut url = format!("{}/v1/deliveries", self.base);
        if !query.is_empty() {
            url = format!("{url}?{}", query.join("&"));
        }
        let answer = self
            .client
            .post(url)
            .bearer_auth(self.key())
            .header(CONTENT_TYPE, shape.media_type())
            .body(reqwest::Body::wrap_stream(body))
            .send()
            .await
            .context("sending the file failed")?;
        bar.finish_and_clear();
        if answer.status() != StatusCode::ACCEPTED {
            return Err(refusal(answer).await);
        }
        let place = answer
            .headers()
            .get(LOCATION)
            .and_then(|place| place.to_str().ok())
            .context("the gateway did not say where the delivery is")?;
        Ok(if place.starts_with('/') {
            format!("{}{place}", self.base)
        } else {
            place.to_owned()
        })
    }

    /// Waits until the delivery has ended.
    async fn follow(&self, place: &str) -> anyhow::Result<Delivery> {
        let mut progress: Option<ProgressBar> = None;
        let mut silent = 0;
        loop {
            let answer = self.client.get(place).bearer_auth(self.key()).send().await;
            let delivery: Delivery = match answer {
                Ok(answer) if answer.status() == StatusCode::OK => answer.json().await?,
                Ok(answer) if !answer.status().is_server_error() => {
                    return Err(refusal(answer).await);
                }
                // The gateway restarts, or its database does: the delivery is still there.
                Ok(_) | Err(_) if silent < POLL_PATIENCE => {
                    silent += 1;
                    tokio::time::sleep(POLL_EVERY).await;
                    continue;
                }
                Ok(answer) => return Err(refusal(answer).await),
                Err(error) => return Err(error).context("following the delivery failed"),
            };
            silent = 0;
            let bar = progress.get_or_insert_with(|| {
                bar(delivery.rows.total, "verwerken {bar:40} {pos}/{len} regels")
            });
            bar.set_position(delivery.rows.read);
            if delivery.state != "receiving" {
                bar.finish_and_clear();
                return Ok(delivery);
            }
            tokio::time::sleep(POLL_EVERY).await;
        }
    }

    /// The refused rows of an ended delivery.
    async fn refused(&self, place: &str) -> anyhow::Result<Vec<RefusedRow>> {
        let mut refused = Vec::new();
        self.results(&format!("{place}/results?outcome=refused"), |row| {
            refused.push(row);
            Ok(())
        })
        .await?;
        Ok(refused)
    }

    /// Writes down what became of each row.
    async fn receipts(&self, place: &str, mut target: Target) -> anyhow::Result<PathBuf> {
        let mut writer = target.writer();
        writer.write_all(letters::BOM)?;
        let mut table = correct::table(writer);
        table.write_record(["regel", "uitkomst", "id", "revisie"])?;
        self.results(&format!("{place}/results"), |row: ReceivedRow| {
            let revision = row.revision.map(|number| number.to_string());
            table.write_record([
                &row.row.to_string(),
                &row.outcome,
                row.id.as_deref().unwrap_or(""),
                revision.as_deref().unwrap_or(""),
            ])?;
            Ok(())
        })
        .await?;
        table.flush()?;
        drop(table);
        target.keep()
    }

    /// Reads results as they stream by.
    async fn results<T: DeserializeOwned>(
        &self,
        place: &str,
        mut take: impl FnMut(T) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let answer = self
            .client
            .get(place)
            .bearer_auth(self.key())
            .header(ACCEPT, "application/x-ndjson")
            .send()
            .await
            .context("reading the results failed")?;
        if answer.status() != StatusCode::OK {
            return Err(refusal(answer).await);
        }
        let parts = answer.bytes_stream().map_err(std::io::Error::other);
        let mut lines = StreamReader::new(parts).lines();
        while let Some(line) = lines
            .next_line()
            .await
            .context("reading the results failed")?
        {
            let row =
                serde_json::from_str(&line).context("the gateway's results are not as agreed")?;
            take(row)?;
        }
        Ok(())
    }
}

/// What the gateway says when it says no, in its own words.
async fn refusal(answer: Response) -> anyhow::Error {
    let status = answer.status();
    match answer.json::<Problem>().await {
        Ok(problem) => {
            let mut words = problem.detail;
            for error in problem.errors {
                words.push(' ');
                words.push_str(&error.detail);
            }
            anyhow::anyhow!("{words} ({status})")
        }
        Err(_) => anyhow::anyhow!("the gateway answered {status}"),
    }
}

#[cfg(test)]
mod tests;
