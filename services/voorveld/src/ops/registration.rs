//! `voorveld registration add|list|revoke`: objections, known clients and exclusions at a command line, as the office writes them down.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Context, bail};
use uuid::Uuid;
use voorveld_chassis::Clock;
use voorveld_domain::{HouseholdId, MunicipalityCode, RevocationReason};
use voorveld_store::audit::About;
use voorveld_store::registrations::{
    NewRegistration, REGISTRATIONS_PAGE, Registered, Registration, Revoked, Subject,
};
use voorveld_store::wake_ups::WakeUp;
use voorveld_store::{Store, Tx};
use voorveld_wire::signal_v1::{RESOLVED_TOPIC, household_key};

use super::office::{self, table};
use crate::cli::{self, RegistrationAdd};
use crate::config::Settings;

/// Does one of the three.
pub async fn run(
    command: cli::Registration,
    settings: &Settings,
    store: &Store,
    clock: &Clock,
) -> anyhow::Result<ExitCode> {
    match command {
        cli::Registration::Add(asked) => {
            let id = add(&asked, settings, store, clock).await?;
            println!("registered as {id}; the household is judged again within seconds");
        }
        cli::Registration::List { all, json } => {
            print!("{}", list(all, json, settings, store, clock).await?);
        }
        cli::Registration::Revoke { id, reason } => {
            revoke(id, reason, settings, store, clock).await?;
            println!("{id} is revoked; the household is judged again within seconds");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(
    asked: &RegistrationAdd,
    settings: &Settings,
    store: &Store,
    clock: &Clock,
) -> anyhow::Result<Uuid> {
    let (municipality, subject) = find(asked.subject, settings, store).await?;
    let debtor = if asked.person {
        let debtor = subject.debtor;
        Some(debtor.context("--person needs the id of a signal whose person can be told apart")?)
    } else {
        None
    };
    if asked.reason.is_hold() && debtor.is_some() {
        bail!("{} is about a household: leave --person out", asked.reason);
    }
    if asked.until.is_some() && !asked.reason.may_end() {
        bail!(
            "{} stands until it is revoked: leave --until out",
            asked.reason
        );
    }
    let (now, today) = (clock.now(), clock.today());
    if asked.since.is_some_and(|since| today < since) {
        bail!("--since lies in the future");
    }
    if asked.until.is_some_and(|until| until < today) {
        bail!("--until lies in the past");
    }
    let id = Uuid::new_v4();
    let mut tx = store.begin("register").await?;
    tx.lock_tasks_of(subject.household).await?;
    let registered = tx
        .register(&NewRegistration {
            id,
            municipality,
            household: subject.household,
            debtor,
            reason: asked.reason,
            file_code: asked.file_code.clone(),
            since: asked.since.unwrap_or(today),
            until: asked.until,
            by: office::actor(),
            at: now,
        })
        .await?;
    let Registered::New(touched) = registered else {
        bail!("the same stands already; see `voorveld registration list`");
    };
    let mut entry = office::entry(
        now,
        Some(municipality),
        "registration.added",
        ("registration", id.to_string()),
        &format!("{}: {}", asked.reason.kind(), asked.reason),
    );
    entry.about = About {
        task: subject.task,
        household: Some(subject.household),
    };
    tx.record_audit(&[entry]).await?;
    wake(&mut tx, &touched, "registration", settings, clock).await?;
    tx.commit().await?;
    Ok(id)
}

async fn list(
    all: bool,
    json: bool,
    settings: &Settings,
    store: &Store,
    clock: &Clock,
) -> anyhow::Result<String> {
    let today = clock.today();
    let mut rows = Vec::new();
    for municipality in &settings.municipalities {
        for page in 0.. {
            let found = store
                .registrations(*municipality, (!all).then_some(today), page)
                .await?;
            let more = usize::try_from(REGISTRATIONS_PAGE)? < found.len();
            rows.extend(found.into_iter().take(usize::try_from(REGISTRATIONS_PAGE)?));
            if !more {
                break;
            }
        }
    }
    // Why a household is held is the safety desk's to know (K11).
    rows.retain(|row| !row.reason.is_hold());
    if json {
        let mut text = String::new();
        for row in &rows {
            writeln!(text, "{}", as_json(row))?;
        }
        return Ok(text);
    }
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.since.to_string(),
                row.until.map(|until| until.to_string()).unwrap_or_default(),
                row.reason.kind().code().to_owned(),
                row.reason.code().to_owned(),
                if row.debtor.is_some() {
                    "person"
                } else {
                    "household"
                }
                .to_owned(),
                row.revoked
                    .map(|(_, why)| why.code().to_owned())
                    .unwrap_or_default(),
                row.file_code.clone().unwrap_or_default(),
                row.id.to_string(),
            ]
        })
        .collect();
    Ok(table(
        &[
            "SINCE", "UNTIL", "KIND", "REASON", "ABOUT", "REVOKED", "FILE", "ID",
        ],
        &lines,
    ))
}

fn as_json(row: &Registration) -> serde_json::Value {
    serde_json::json!({
        "id": row.id,
        "municipality": row.municipality.to_string(),
        "householdId": row.household.uuid(),
        "ofPerson": row.debtor.is_some(),
        "kind": row.reason.kind().code(),
        "reason": row.reason.code(),
        "fileCode": row.file_code,
        "since": row.since,
        "until": row.until,
        "recordedBy": row.recorded_by,
        "recordedAt": row.recorded_at,
        "revokedAt": row.revoked.map(|(at, _)| at),
        "revokedWhy": row.revoked.map(|(_, why)| why.code()),
    })
}

async fn revoke(
    id: Uuid,
    why: RevocationReason,
    settings: &Settings,
    store: &Store,
    clock: &Clock,
) -> anyhow::Result<()> {
    let now = clock.now();
    for municipality in &settings.municipalities {
        let mut tx = store.begin("revoke a registration").await?;
        let revoked = tx
            .revoke_registration(*municipality, id, &office::actor(), why, now)
            .await?;
        let (registration, touched) = match revoked {
            Revoked::NotStanding => continue,
            Revoked::DeskOnly => bail!("this one is lifted by the safety desk, on its own page"),
            Revoked::Done(registration, touched) => (registration, touched),
        };
        let subject = ("registration", id.to_string());
        let mut entry = office::entry(
            now,
            Some(*municipality),
            "registration.revoked",
            subject,
            why.code(),
        );
        entry.about.household = Some(registration.household);
        tx.record_audit(&[entry]).await?;
        wake(&mut tx, &touched, "registration_revoked", settings, clock).await?;
        tx.commit().await?;
        return Ok(());
    }
    bail!("no registration {id} stands; see `voorveld registration list --all`")
}

/// Whom this id names, in the municipalities that are served.
async fn find(
    id: Uuid,
    settings: &Settings,
    store: &Store,
) -> anyhow::Result<(MunicipalityCode, Subject)> {
    for municipality in &settings.municipalities {
        if let Some(subject) = store.subject(*municipality, id).await? {
            return Ok((*municipality, subject));
        }
    }
    bail!("{id} is no task, no signal with a household, and no household")
}

async fn wake(
    tx: &mut Tx,
    households: &[HouseholdId],
    reason: &str,
    settings: &Settings,
    clock: &Clock,
) -> anyhow::Result<()> {
    let partitions = settings.log.partitions;
    let wake_ups: Vec<WakeUp> = households
        .iter()
        .map(|household| WakeUp {
            due: clock.today(),
            household: *household,
            partition: voorveld_bus::partition_of(&household_key(household.uuid()), partitions),
            reason: reason.to_owned(),
        })
        .collect();
    Ok(tx.ask_for_judgements(RESOLVED_TOPIC, &wake_ups).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::PgPool;
    use voorveld_domain::RegistrationReason;
    use voorveld_store::audit::AuditFilter;

    #[sqlx::test(migrations = "../../migrations")]
    async fn the_office_registers_lists_and_revokes(pool: PgPool) {
        let [household, signal, debtor] = [1, 2, 3].map(Uuid::from_u128);
        sqlx::raw_sql(
            "INSERT INTO households VALUES ('00000000-0000-0000-0000-000000000001', '0518', now());
             INSERT INTO signals (household_id, signal_id, municipality, revision, filing, lives_here, standing, partner_id, partner_type, kind,
                domain, event_date, first_received_at, received_at, crisis, warm_handover, debtor_id)
             VALUES ('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002', '0518', 1, 1, true, 'counted', 'p', 'rent',
                'rent_arrears', 'debt', '2026-01-20', now(), now(), false, false, '00000000-0000-0000-0000-000000000003');
             INSERT INTO signal_homes (signal_id, revision, filing, municipality, partner_id, kind, household_id, withdrawn, partition, placed,
                received_at, decided_at)
             VALUES ('00000000-0000-0000-0000-000000000002', 1, 1, '0518', 'p', 'rent_arrears', '00000000-0000-0000-0000-000000000001', false, 0,
                true, now(), now())",
        )
        .execute(&pool)
        .await
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("voorveld.toml");
        std::fs::write(&empty, "").unwrap();
        let settings = Settings::from_file(&empty).unwrap();
        let store = Store::from_pool(pool.clone());
        let clock = Clock::manual("2026-02-01T10:00:00Z".parse().unwrap());
        let asked = |subject, person, reason| RegistrationAdd {
            subject,
            person,
            reason,
            since: None,
            until: None,
            file_code: None,
        };
        let say = async |asked: RegistrationAdd| add(&asked, &settings, &store, &clock).await;
        let nobody = say(asked(debtor, false, RegistrationReason::Deceased)).await;
        assert!(nobody.unwrap_err().to_string().contains("no household"));
        let whole = say(asked(household, true, RegistrationReason::Deceased)).await;
        assert!(whole.unwrap_err().to_string().contains("--person"));
        let id = say(asked(signal, true, RegistrationReason::ByResident))
            .await
            .unwrap();
        let again = say(asked(signal, true, RegistrationReason::ByResident)).await;
        assert!(again.unwrap_err().to_string().contains("stands already"));
        let listed = list(false, false, &settings, &store, &clock).await.unwrap();
        assert!(listed.contains("by_resident") && listed.contains(&id.to_string()));
        assert!(!listed.contains(&debtor.to_string()));
        let why = RevocationReason::TakenBack;
        revoke(id, why, &settings, &store, &clock).await.unwrap();
        let late = revoke(id, why, &settings, &store, &clock).await;
        assert!(late.unwrap_err().to_string().contains("list --all"));
        let woken: Vec<String> = sqlx::query_scalar("SELECT reason FROM wake_ups ORDER BY reason")
            .fetch_all(&pool)
            .await
            .unwrap();
        assert_eq!(woken, ["registration", "registration_revoked"]);
        let told = store.audit_events(&AuditFilter::default()).await.unwrap();
        let told: Vec<&str> = told.iter().map(|event| event.action.as_str()).collect();
        assert_eq!(told, ["registration.revoked", "registration.added"]);
    }
}
