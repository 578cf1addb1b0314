//! `voorveld queue list|show|retry|correct|discard`: every queue has a way out (I2).
//!
//! Two queues are one list: dead letters (a record that could not be read) and signals without a household. What is shown says why
//! something is stuck, never whom it is about.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use uuid::Uuid;
use voorveld_bus::{Log, Outgoing};
use voorveld_chassis::Clock;
use voorveld_domain::{Address, MunicipalityCode, Purpose};
use voorveld_policy::Policy;
use voorveld_seal::Sealer;
use voorveld_store::Store;
use voorveld_store::queue::{DeadLetter, Discard, UnplacedSignal};
use voorveld_wire::signal_v1::{
    RECEIVED_TOPIC, Received, SealedIdentity, seal_context, signal_key,
};

use super::office::{self, moment, table};
use crate::cli::Queue;
use crate::config::Settings;
use crate::database::Database;
use crate::keys;

/// An address file is a line of JSON; more is another file.
const ADDRESS_MAX_BYTES: u64 = 4_096;

/// Something stuck.
enum Entry {
    Dead(Box<DeadLetter>),
    Unplaced(Box<UnplacedSignal>),
}

/// Does one of the five.
pub async fn run(
    command: Queue,
    settings: &Settings,
    database: &Database,
    clock: &Clock,
) -> anyhow::Result<ExitCode> {
    let store = &database.store;
    match command {
        Queue::List { json } => list(store, clock, json).await?,
        Queue::Show { entry } => show(&find(store, entry).await?, clock),
        Queue::Retry { entry, reason } => {
            let log = database.log(settings)?;
            match find(store, entry).await? {
                Entry::Dead(letter) => retry_dead(store, &log, clock, &letter, &reason).await?,
                Entry::Unplaced(signal) => {
                    let envelope = envelope_of(store, &signal).await?;
                    offer_again(&log, &signal, &envelope).await?;
                    note(store, clock, "queue.retried", &signal, &reason).await?;
                }
            }
            println!("{entry} is offered again; look at `voorveld queue list` in a moment");
        }
        Queue::Correct {
            entry,
            address_file,
            reason,
        } => {
            let Entry::Unplaced(signal) = find(store, entry).await? else {
                bail!(
                    "{entry} is a dead letter: it cannot be corrected, only retried or discarded"
                );
            };
            let address = read_address(address_file.as_deref())?;
            let log = database.log(settings)?;
            correct(store, &log, clock, settings, &signal, address, &reason).await?;
            println!("{entry} is offered again with its new address");
        }
        Queue::Discard { entry, reason } => {
            let policy = office::policy_in_force(settings, store).await?;
            discard(store, clock, &policy, entry, &reason).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn find(store: &Store, id: Uuid) -> anyhow::Result<Entry> {
    if let Some(signal) = store.unplaced(Some(id)).await?.into_iter().next() {
        return Ok(Entry::Unplaced(Box::new(signal)));
    }
    store
        .dead_letter(id)
        .await?
        .map(|letter| Entry::Dead(Box::new(letter)))
        .with_context(|| format!("{id} is not in a queue (any more)"))
}

async fn list(store: &Store, clock: &Clock, json: bool) -> anyhow::Result<()> {
    let dead = store.dead_letters().await?;
    let unplaced = store.unplaced(None).await?;
    let listed = i64::try_from(dead.len() + unplaced.len()).context("a page is small")?;
    let more = (store.queue_size().await? - listed).max(0);
    if json {
        for letter in &dead {
            let line = serde_json::json!({
                "id": letter.id, "queue": "dead_letter", "since": letter.died_at, "reason": letter.reason,
                "stage": letter.stage, "withdrawal": letter.withdrawal, "requestId": letter.request_id,
            });
            println!("{line}");
        }
        for signal in &unplaced {
            let line = serde_json::json!({
                "id": signal.signal, "queue": "unplaced", "since": signal.decided_at, "reason": signal.reason,
                "municipality": signal.municipality, "partner": signal.partner, "kind": signal.kind,
            });
            println!("{line}");
        }
        if 0 < more {
            // Beside the lines: a script that reads them must not meet a sentence.
            eprintln!("and {more} more; the oldest of each queue are listed");
        }
        return Ok(());
    }
    let mut rows: Vec<_> = dead
        .iter()
        .map(|letter| {
            let what = if letter.withdrawal {
                format!("{} (takes a signal back)", letter.stage)
            } else {
                letter.stage.clone()
            };
            (
                letter.died_at,
                "dead letter",
                letter.id,
                what,
                letter.reason.clone(),
            )
        })
        .chain(unplaced.iter().map(|signal| {
            (
                signal.decided_at,
                "no household",
                signal.signal,
                format!("{} {}", signal.partner, signal.kind),
                signal.reason.clone().unwrap_or_default(),
            )
        }))
        .collect();
    rows.sort();
    if rows.is_empty() {
        println!("nothing is stuck");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(since, queue, id, what, reason)| {
            vec![
                moment(clock, since),
                queue.to_owned(),
                id.to_string(),
                what,
                reason,
            ]
        })
        .collect();
    print!("{}", table(&["SINCE", "QUEUE", "ID", "WHAT", "WHY"], &rows));
    if 0 < more {
        println!("and {more} more; the oldest of each queue are listed");
    }
    Ok(())
}

fn show(entry: &Entry, clock: &Clock) {
    let lines = match entry {
        Entry::Dead(letter) => vec![
            ("queue", "dead letter".to_owned()),
            ("id", letter.id.to_string()),
            ("since", moment(clock, letter.died_at)),
            ("why", letter.reason.clone()),
            ("stage", letter.stage.clone()),
            (
                "where",
                format!("{}/{} at {}", letter.topic, letter.partition, letter.offset),
            ),
            ("size", format!("{} bytes", letter.payload.len())),
            ("request", letter.request_id.clone().unwrap_or_default()),
            (
                "withdrawal",
                if letter.withdrawal {
                    "yes: a signal goes on counting until this is mended"
                } else {
                    "no"
                }
                .to_owned(),
            ),
            (
                "ways out",
                "retry (after the cause is gone), discard".to_owned(),
            ),
        ],
        Entry::Unplaced(signal) => vec![
            ("queue", "no household".to_owned()),
            ("signal", signal.signal.to_string()),
            ("revision", signal.revision.to_string()),
            ("since", moment(clock, signal.decided_at)),
            ("why", signal.reason.clone().unwrap_or_default()),
            ("partner", signal.partner.clone()),
            ("kind", signal.kind.clone()),
            ("municipality", signal.municipality.clone()),
            (
                "ways out",
                "retry, correct (another address), discard; or the partner sends a correction"
                    .to_owned(),
            ),
        ],
    };
    for (name, value) in lines {
        println!("{name:<13} {value}");
    }
}

/// Durable first, decided after: a crash between the two offers it twice, which leaves no trace (I4).
async fn retry_dead(
    store: &Store,
    log: &Log,
    clock: &Clock,
    letter: &DeadLetter,
    reason: &str,
) -> anyhow::Result<()> {
    let again = Outgoing {
        key: Bytes::from(letter.key.clone()),
        value: Bytes::from(letter.payload.clone()),
        request_id: letter.request_id.clone(),
    };
    log.append(&letter.topic, vec![again])
        .await
        .context("writing to the log failed")?;
    decide_dead(store, clock, letter.id, "retried", "queue.retried", reason).await
}

async fn decide_dead(
    store: &Store,
    clock: &Clock,
    id: Uuid,
    state: &str,
    action: &'static str,
    reason: &str,
) -> anyhow::Result<()> {
    let now = clock.now();
    let mut tx = store.begin("decide about a dead letter").await?;
    if !tx
        .decide_dead_letter(id, state, &office::actor(), reason, now)
        .await?
    {
        bail!("somebody else decided about {id} meanwhile");
    }
    let entry = office::entry(now, None, action, ("dead_letter", id.to_string()), reason);
    tx.record_audit(&[entry]).await?;
    Ok(tx.commit().await?)
}

async fn envelope_of(store: &Store, signal: &UnplacedSignal) -> anyhow::Result<Vec<u8>> {
    store
        .sealed_identity(signal.signal, signal.revision)
        .await?
        .context("its identity was erased: only the partner can send it again")
}

async fn offer_again(log: &Log, signal: &UnplacedSignal, envelope: &[u8]) -> anyhow::Result<()> {
    let record = signal
        .record
        .clone()
        .context("nothing is kept to offer again: only the partner can send it again")?;
    let mut received: Received =
        serde_json::from_value(record).context("what is kept is not a record of this release")?;
    received.sealed = Some(STANDARD.encode(envelope));
    received.again = true;
    let record = Outgoing {
        key: Bytes::from(signal_key(signal.signal)),
        value: Bytes::from(received.write()),
        request_id: None,
    };
    log.append(RECEIVED_TOPIC, vec![record])
        .await
        .context("writing to the log failed")?;
    Ok(())
}

async fn note(
    store: &Store,
    clock: &Clock,
    action: &'static str,
    signal: &UnplacedSignal,
    reason: &str,
) -> anyhow::Result<()> {
    let municipality: Option<MunicipalityCode> = signal.municipality.parse().ok();
    let subject = ("signal", signal.signal.to_string());
    let entry = office::entry(clock.now(), municipality, action, subject, reason);
    Ok(store.record_audit(entry).await?)
}

/// An address as it is read for a correction.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AddressLine {
    postcode: String,
    house_number: String,
    suffix: Option<String>,
    street: Option<String>,
    town: Option<String>,
}

fn read_address(file: Option<&Path>) -> anyhow::Result<Address> {
    let mut text = String::new();
    let read = match file {
        Some(file) => std::fs::File::open(file)
            .and_then(|file| file.take(ADDRESS_MAX_BYTES).read_to_string(&mut text)),
        None => std::io::stdin()
            .take(ADDRESS_MAX_BYTES)
            .read_to_string(&mut text),
    };
    read.context("reading the address failed")?;
    parse_address(&text)
}

fn parse_address(text: &str) -> anyhow::Result<Address> {
    // The parser's own words could repeat what was typed.
    let Ok(line) = serde_json::from_str::<AddressLine>(text) else {
        bail!(
            "the address must be a line of JSON with postcode, houseNumber and, where there is one, suffix"
        );
    };
    let address = Address {
        street: line.street,
        postcode: Some(line.postcode),
        house_number: Some(line.house_number),
        suffix: line.suffix,
        town: line.town,
    };
    voorveld_linkage::normalise(&address).context("the address cannot be used")?;
    Ok(address)
}

/// Opens the identity, puts the address in, and seals it anew; logged before it is opened (I9).
async fn correct(
    store: &Store,
    log: &Log,
    clock: &Clock,
    settings: &Settings,
    signal: &UnplacedSignal,
    address: Address,
    reason: &str,
) -> anyhow::Result<()> {
    let files = settings.key_files()?;
    let opener = keys::opener(&files)?;
    let request = Sealer::new(keys::sealing_key(&files)?).for_request()?;
    let envelope = envelope_of(store, signal).await?;
    note(store, clock, "queue.corrected", signal, reason).await?;
    let context = seal_context(signal.signal, signal.revision);
    let plain = opener
        .open(&envelope, &context)
        .context("opening the envelope failed")?;
    let mut identity: SealedIdentity = serde_json::from_slice(&plain)
        .ok()
        .context("the envelope holds no identity of this release")?;
    identity.street = address.street;
    identity.postcode = address.postcode;
    identity.house_number = address.house_number;
    identity.suffix = address.suffix;
    identity.town = address.town;
    let plain = zeroize::Zeroizing::new(
        serde_json::to_vec(&identity).context("an identity of plain text is JSON")?,
    );
    let sealed = request.seal(&context, &plain)?;
    offer_again(log, signal, sealed.as_bytes()).await
}

/// Kinds that mark unsafety: the safety desk judges each before operations may set it aside (K11).
fn desk_kinds(policy: &Policy) -> Vec<String> {
    policy
        .catalogue()
        .iter()
        .filter(|kind| kind.domain.as_str() == Purpose::Safety.code())
        .map(|kind| kind.id.to_string())
        .collect()
}

async fn discard(
    store: &Store,
    clock: &Clock,
    policy: &Policy,
    id: Uuid,
    reason: &str,
) -> anyhow::Result<()> {
    match find(store, id).await? {
        Entry::Dead(letter) => {
            decide_dead(
                store,
                clock,
                letter.id,
                "discarded",
                "queue.discarded",
                reason,
            )
            .await?;
        }
        Entry::Unplaced(signal) => {
            let mut tx = store.begin("discard").await?;
            match tx
                .discard_unplaced(signal.signal, &desk_kinds(policy))
                .await?
            {
                Discard::Done => {}
                Discard::NotThere => bail!("{id} is not in a queue (any more)"),
                Discard::DeskFirst => bail!(
                    "{id} is for the safety desk: it can be set aside when the desk has judged it"
                ),
            }
            let municipality = signal.municipality.parse().ok();
            let subject = ("signal", signal.signal.to_string());
            tx.record_audit(&[office::entry(
                clock.now(),
                municipality,
                "queue.discarded",
                subject,
                reason,
            )])
            .await?;
            tx.commit().await?;
        }
    }
    println!("{id} is set aside for good");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::PgPool;
    use voorveld_store::audit::AuditFilter;

    const ACTOR_IN_THE_WAY: &str =
        "ALTER TABLE audit_events ADD CONSTRAINT nobody CHECK (actor NOT LIKE 'cli:%') NOT VALID";

    #[sqlx::test(migrations = "../../migrations")]
    async fn an_entry_beyond_the_list_is_found_and_what_is_decided_is_logged_with_it(pool: PgPool) {
        sqlx::query(
            "INSERT INTO dead_letters (dead_letter_id, stage, topic, partition, record_offset, record_key, payload, reason,
                                       withdrawal, state, died_at)
             SELECT lpad(to_hex(n), 32, '0')::uuid, 'resolver', 'signals.received', 0, n, '', '', 'unreadable', false, 'waiting',
                    '2026-01-01Z'::timestamptz + n * interval '1 minute'
             FROM generate_series(1, 205) AS n",
        )
        .execute(&pool)
        .await
        .unwrap();
        let store = Store::from_pool(pool.clone());
        let clock = Clock::manual("2026-02-01T10:00:00Z".parse().unwrap());
        let last = Uuid::from_u128(205);
        assert_eq!(store.dead_letters().await.unwrap().len(), 200);
        assert_eq!(store.queue_size().await.unwrap(), 205);
        let policy = Policy::shipped();
        // Without its entry in the audit log nothing is decided.
        sqlx::query(ACTOR_IN_THE_WAY).execute(&pool).await.unwrap();
        discard(&store, &clock, &policy, last, "kapot")
            .await
            .unwrap_err();
        assert_eq!(store.queue_size().await.unwrap(), 205);
        sqlx::query("ALTER TABLE audit_events DROP CONSTRAINT nobody")
            .execute(&pool)
            .await
            .unwrap();
        discard(&store, &clock, &policy, last, "kapot")
            .await
            .unwrap();
        assert_eq!(store.queue_size().await.unwrap(), 204);
        let told = store.audit_events(&AuditFilter::default()).await.unwrap();
        assert_eq!(told[0].subject_id, last.to_string());
        discard(&store, &clock, &policy, last, "nog eens")
            .await
            .unwrap_err();
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_marker_is_set_aside_only_after_the_safety_desk_judged_it(pool: PgPool) {
        sqlx::query(
            "INSERT INTO signal_homes (signal_id, revision, filing, municipality, partner_id, kind, unplaced_reason, withdrawn,
                                       partition, placed, received_at, decided_at)
             SELECT lpad(to_hex(n), 32, '0')::uuid, 1, 1, '0518', 'p', kind, 'no_address', false, 0, true, now(), now()
             FROM (VALUES (1, 'reporting_code_report'), (2, 'rent_arrears')) AS v (n, kind)",
        )
        .execute(&pool)
        .await
        .unwrap();
        let store = Store::from_pool(pool.clone());
        let clock = Clock::manual("2026-02-01T10:00:00Z".parse().unwrap());
        let policy = Policy::shipped();
        let [marker, debt] = [1, 2].map(Uuid::from_u128);
        discard(&store, &clock, &policy, debt, "dubbel")
            .await
            .unwrap();
        let early = discard(&store, &clock, &policy, marker, "dubbel")
            .await
            .unwrap_err();
        assert!(early.to_string().contains("for the safety desk"), "{early}");
        sqlx::query("UPDATE signal_homes SET judged_at = now(), judged_why = 'mistaken'")
            .execute(&pool)
            .await
            .unwrap();
        discard(&store, &clock, &policy, marker, "dubbel")
            .await
            .unwrap();
        assert_eq!(store.queue_size().await.unwrap(), 0);
    }

    #[test]
    fn an_address_line_is_checked_and_never_repeated() {
        let good = r#"{"postcode":"1234 AB","houseNumber":"12","suffix":"a"}"#;
        assert!(parse_address(good).is_ok());
        for bad in [
            "GEHEIM",
            r#"{"postcode":"GEHEIM","houseNumber":"12"}"#,
            r#"{"postcode":"1234AB","houseNumber":"12","name":"GEHEIM"}"#,
        ] {
            let error = format!("{:#}", parse_address(bad).unwrap_err());
            assert!(!error.contains("GEHEIM"), "{error}");
        }
    }
}
