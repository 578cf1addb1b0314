//! `voorveld partner add|list|rotate|disable`

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::SignedDuration;
use voorveld_chassis::Clock;
use voorveld_domain::{KindId, MunicipalityCode, PartnerId, PartnerType};
use voorveld_seal::{ApiKey, NewApiKey};
use voorveld_store::Store;
use voorveld_store::partners::Partner as Record;

use super::office::{self, moment, table};
use crate::cli::Partner;
use crate::config::Settings;

/// Longest time an old key may go on working.
const OVERLAP_MAX: Duration = Duration::from_hours(90 * 24);

/// Does one of the four.
pub async fn run(
    command: Partner,
    settings: &Settings,
    store: &Store,
    clock: &Clock,
) -> anyhow::Result<ExitCode> {
    match command {
        Partner::Add {
            id,
            name,
            municipalities,
            kinds,
            partner_types,
            rows_per_minute,
            natural_key,
            key_file,
        } => {
            let partner_types = partner_types_for(settings, &kinds, partner_types)?;
            let record = Record {
                id: id.to_string(),
                name,
                municipalities: check_municipalities(settings, &municipalities)?,
                kinds: kinds.iter().map(ToString::to_string).collect(),
                partner_types: partner_types
                    .into_iter()
                    .map(|known| known.code().to_owned())
                    .collect(),
                rows_per_minute,
                natural_key,
                disabled_at: None,
            };
            let key = ApiKey::generate()?;
            let kept = keep_key(&key, key_file.as_deref())?;
            let added = store
                .add_partner(&record, &key.prefix, &key.hash, clock.now())
                .await;
            if let (Err(_), Some(file)) = (&added, &key_file) {
                // The key in it belongs to nobody.
                std::fs::remove_file(file).context("removing the unused key file failed")?;
            }
            added.with_context(|| format!("adding partner {id} failed"))?;
            note(
                store,
                clock,
                "partner.added",
                &id,
                "added at the command line",
            )
            .await?;
            println!("partner {id} was added\n{kept}");
        }
        Partner::List => list(store, clock).await?,
        Partner::Rotate {
            id,
            overlap_hours,
            key_file,
        } => {
            let overlap = Duration::from_hours(u64::from(overlap_hours));
            if OVERLAP_MAX < overlap {
                bail!("an old key may go on working for at most 90 days");
            }
            let now = clock.now();
            let old_until =
                now + SignedDuration::try_from(overlap).context("an overlap of hours")?;
            let key = ApiKey::generate()?;
            let kept = keep_key(&key, key_file.as_deref())?;
            store
                .rotate_partner_key(id.as_str(), &key.prefix, &key.hash, old_until, now)
                .await
                .with_context(|| format!("rotating the key of partner {id} failed"))?;
            note(
                store,
                clock,
                "partner.rotated",
                &id,
                "rotated at the command line",
            )
            .await?;
            println!(
                "partner {id} has a new key; older ones work until {}\n{kept}",
                moment(clock, old_until)
            );
        }
        Partner::Disable { id, reason } => {
            store
                .disable_partner(id.as_str(), clock.now())
                .await
                .with_context(|| format!("disabling partner {id} failed"))?;
            note(store, clock, "partner.disabled", &id, &reason).await?;
            println!("partner {id} can send nothing any more; what it sent before stays");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The official types a partner acts as: those that were asked for, else the usual one of each kind.
fn partner_types_for(
    settings: &Settings,
    kinds: &[KindId],
    asked: Vec<PartnerType>,
) -> anyhow::Result<Vec<PartnerType>> {
    let policy = office::policy(settings)?;
    let mut usual = BTreeSet::new();
    for id in kinds {
        let Some(kind) = policy.catalogue().get(id) else {
            let known: Vec<&str> = policy
                .catalogue()
                .iter()
                .map(|kind| kind.id.as_str())
                .collect();
            bail!(
                "there is no signal kind {id}; choose from {}",
                known.join(", ")
            );
        };
        if asked.is_empty() {
            usual.insert(kind.default_partner_type());
        } else if !asked.iter().any(|known| kind.partner_types.contains(known)) {
            let fitting: Vec<&str> = kind
                .partner_types
                .iter()
                .map(|known| known.code())
                .collect();
            bail!("{id} is sent by partners of type {}", fitting.join(", "));
        }
    }
    Ok(if asked.is_empty() {
        usual.into_iter().collect()
    } else {
        asked
    })
}

fn check_municipalities(
    settings: &Settings,
    asked: &[MunicipalityCode],
) -> anyhow::Result<Vec<String>> {
    if asked.is_empty() {
        return Ok(settings
            .municipalities
            .iter()
            .map(ToString::to_string)
            .collect());
    }
    if let Some(foreign) = asked
        .iter()
        .find(|code| !settings.municipalities.contains(code))
    {
        bail!("municipality {foreign} is not served by this installation");
    }
    Ok(asked.iter().map(ToString::to_string).collect())
}

/// Puts a key where it was asked for and says so. It is shown or written once and kept nowhere.
fn keep_key(key: &NewApiKey, file: Option<&Path>) -> anyhow::Result<String> {
    if let Some(file) = file {
        voorveld_seal::write_private(file, &format!("{}\n", *key.shown_once))?;
        return Ok(format!("its API key is in {}", file.display()));
    }
    Ok(format!(
        "its API key, shown this once and kept nowhere:\n\n  {}\n",
        *key.shown_once
    ))
}

async fn note(
    store: &Store,
    clock: &Clock,
    action: &'static str,
    id: &PartnerId,
    reason: &str,
) -> anyhow::Result<()> {
    let entry = office::entry(
        clock.now(),
        None,
        action,
        ("partner", id.to_string()),
        reason,
    );
    store
        .record_audit(entry)
        .await
        .context("writing the audit log failed")
}

async fn list(store: &Store, clock: &Clock) -> anyhow::Result<()> {
    let now = clock.now();
    let rows: Vec<Vec<String>> = store
        .partners()
        .await?
        .into_iter()
        .map(|listed| {
            let keys: Vec<String> = listed
                .keys
                .iter()
                .filter(|key| key.expires_at.is_none_or(|end| now < end))
                .map(|key| match key.expires_at {
                    Some(end) => format!("{} until {}", key.prefix, moment(clock, end)),
                    None => format!("{} since {}", key.prefix, clock.date_of(key.created_at)),
                })
                .collect();
            let state = listed.partner.disabled_at.map_or_else(
                || "active".to_owned(),
                |since| format!("disabled {}", clock.date_of(since)),
            );
            vec![
                listed.partner.id,
                listed.partner.name,
                state,
                listed.partner.municipalities.join(" "),
                listed.partner.kinds.join(" "),
                listed.partner.rows_per_minute.to_string(),
                keys.join(", "),
            ]
        })
        .collect();
    print!(
        "{}",
        table(
            &[
                "PARTNER",
                "NAME",
                "STATE",
                "MUNICIPALITIES",
                "KINDS",
                "PER MINUTE",
                "KEYS"
            ],
            &rows
        )
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use sqlx::PgPool;
    use voorveld_store::audit::AuditFilter;

    fn add(kind: &str, key_file: &Path) -> Partner {
        Partner::Add {
            id: "corporatie".parse().unwrap(),
            name: "Corporatie Voorbeeld".into(),
            municipalities: Vec::new(),
            kinds: vec![kind.parse().unwrap()],
            partner_types: Vec::new(),
            rows_per_minute: 1_000,
            natural_key: false,
            key_file: Some(key_file.to_owned()),
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_partner_comes_and_goes_and_the_audit_log_tells(pool: PgPool) {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("voorveld.toml");
        std::fs::write(&empty, "").unwrap();
        let settings = Settings::from_file(&empty).unwrap();
        let store = Store::from_pool(pool);
        let clock = Clock::manual("2026-02-01T10:00:00Z".parse().unwrap());
        let act = async |command| run(command, &settings, &store, &clock).await;

        let first = folder.path().join("first.key");
        let unknown = act(add("no_such_kind", &first)).await.unwrap_err();
        assert!(unknown.to_string().contains("rent_arrears"), "{unknown}");
        assert!(!first.exists(), "no key without a partner");

        act(add("rent_arrears", &first)).await.unwrap();
        assert_eq!(
            first.metadata().unwrap().permissions().mode() & 0o777,
            0o600
        );
        let listed = store.partners().await.unwrap().remove(0);
        assert_eq!(
            listed.partner.partner_types,
            ["rent"],
            "the usual type of its kind"
        );
        let presented = std::fs::read_to_string(&first).unwrap();
        let key = ApiKey::parse(presented.trim()).unwrap();
        assert_eq!(listed.keys[0].prefix, key.prefix());

        let twice = folder.path().join("twice.key");
        act(add("rent_arrears", &twice)).await.unwrap_err();
        assert!(!twice.exists(), "a key of nobody is not kept");

        act(Partner::Rotate {
            id: "corporatie".parse().unwrap(),
            overlap_hours: 1,
            key_file: Some(folder.path().join("second.key")),
        })
        .await
        .unwrap();
        act(Partner::Disable {
            id: "corporatie".parse().unwrap(),
            reason: "overeenkomst afgelopen".into(),
        })
        .await
        .unwrap();
        let listed = store.partners().await.unwrap().remove(0);
        assert_eq!(listed.partner.disabled_at, Some(clock.now()));
        assert!(
            listed
                .keys
                .iter()
                .all(|key| key.expires_at == Some(clock.now()))
        );

        let told = store.audit_events(&AuditFilter::default()).await.unwrap();
        let told: Vec<&str> = told.iter().map(|event| event.action.as_str()).collect();
        assert_eq!(
            told,
            ["partner.disabled", "partner.rotated", "partner.added"]
        );
    }
}
