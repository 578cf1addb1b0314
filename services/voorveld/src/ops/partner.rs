//! `voorveld partner add|list|rotate|disable|cycle|complete`

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::SignedDuration;
use jiff::civil::Date;
use voorveld_chassis::Clock;
use voorveld_domain::{KindId, MunicipalityCode, PartnerId, PartnerType};
use voorveld_seal::{ApiKey, NewApiKey};
use voorveld_store::Store;
use voorveld_store::feeds::{FeedId, Moment, NewMark};
use voorveld_store::partners::Partner as Record;

use voorveld_wire::signal_v1::RESOLVED_TOPIC;

use super::office::{self, moment, table};
use crate::cli::Partner;
use crate::config::Settings;

/// Longest time an old key may go on working.
const OVERLAP_MAX: Duration = Duration::from_hours(90 * 24);

/// Does one of the six.
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
            delivers_every,
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
            store
                .set_delivers_every(id.as_str(), delivers_every)
                .await?;
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
            // Nobody waits any more for what it still had to deliver.
            store
                .wake_without_partner(id.as_str(), at(clock))
                .await
                .context("waking who waited for the partner failed")?;
            note(store, clock, "partner.disabled", &id, &reason).await?;
            println!("partner {id} can send nothing any more; what it sent before stays");
        }
        Partner::Cycle { id, days } => {
            if !store.set_delivers_every(id.as_str(), days).await? {
                bail!("there is no partner {id}");
            }
            let agreed = days.map_or_else(
                || "nothing is agreed on".to_owned(),
                |days| format!("within {days} days"),
            );
            note(store, clock, "partner.cycle", &id, &agreed).await?;
            println!("partner {id} delivers: {agreed}");
        }
        Partner::Complete {
            id,
            through,
            kinds,
            municipality,
            reason,
        } => complete(store, clock, &id, through, &kinds, municipality, &reason).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn at(clock: &Clock) -> Moment<'static> {
    Moment {
        topic: RESOLVED_TOPIC,
        today: clock.today(),
        now: clock.now(),
    }
}

/// Writes down through which day a partner says it has delivered everything, and tells what stands.
async fn complete(
    store: &Store,
    clock: &Clock,
    id: &PartnerId,
    through: Date,
    kinds: &[KindId],
    municipality: Option<MunicipalityCode>,
    reason: &str,
) -> anyhow::Result<()> {
    if clock.today() < through {
        bail!("{through} has yet to come: nobody can have delivered everything up to then");
    }
    let partner = store
        .partners()
        .await?
        .into_iter()
        .map(|listed| listed.partner)
        .find(|partner| partner.id == id.as_str())
        .with_context(|| format!("there is no partner {id}"))?;
    if partner.disabled_at.is_some() {
        bail!("partner {id} is disabled: nothing is expected of it");
    }
    if let Some(other) = kinds
        .iter()
        .find(|kind| !partner.kinds.iter().any(|own| own == kind.as_str()))
    {
        bail!("partner {id} does not send {other}");
    }
    let municipalities: Vec<&String> = partner
        .municipalities
        .iter()
        .filter(|own| municipality.is_none_or(|code| code.as_str() == own.as_str()))
        .collect();
    if municipalities.is_empty() {
        bail!("partner {id} does not send for that municipality");
    }
    let marks: Vec<NewMark> = municipalities
        .into_iter()
        .flat_map(|code| {
            partner
                .kinds
                .iter()
                .filter(|own| kinds.is_empty() || kinds.iter().any(|kind| kind.as_str() == *own))
                .map(|kind| NewMark {
                    feed: FeedId {
                        municipality: code.clone(),
                        partner: partner.id.clone(),
                        kind: kind.clone(),
                    },
                    complete_through: through,
                    delivery: None,
                    by_office: true,
                    given_at: clock.now(),
                })
        })
        .collect();
    note(store, clock, "partner.complete", id, reason).await?;
    store.add_marks(&marks).await?;
    let rows: Vec<Vec<String>> = store
        .said_marks(id.as_str())
        .await?
        .into_iter()
        .filter(|said| marks.iter().any(|mark| mark.feed == said.feed))
        .map(|said| {
            let stands = said.known_through.unwrap_or(through);
            vec![
                said.feed.municipality,
                said.feed.kind,
                stands.to_string(),
                if through < stands {
                    "a later day was said before and stands".to_owned()
                } else {
                    String::new()
                },
            ]
        })
        .collect();
    print!(
        "{}",
        table(&["MUNICIPALITY", "KIND", "COMPLETE THROUGH", ""], &rows)
    );
    Ok(())
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
            delivers_every: Some(31),
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
        act(Partner::Cycle {
            id: "corporatie".parse().unwrap(),
            days: Some(10),
        })
        .await
        .unwrap();
        let silences = store.partner_silences(clock.today()).await.unwrap();
        assert_eq!(silences[0].every_days, Some(10));
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
            [
                "partner.disabled",
                "partner.cycle",
                "partner.rotated",
                "partner.added"
            ]
        );
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn the_office_writes_down_what_a_partner_said_by_telephone(pool: PgPool) {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("voorveld.toml");
        std::fs::write(&empty, "").unwrap();
        let settings = Settings::from_file(&empty).unwrap();
        let store = Store::from_pool(pool);
        let clock = Clock::manual("2026-02-01T10:00:00Z".parse().unwrap());
        let act = async |command| run(command, &settings, &store, &clock).await;
        act(add("rent_arrears", &folder.path().join("a.key")))
            .await
            .unwrap();
        let complete = |through: &str, kinds: Vec<KindId>| Partner::Complete {
            id: "corporatie".parse().unwrap(),
            through: through.parse().unwrap(),
            kinds,
            municipality: None,
            reason: "telefonisch".into(),
        };
        let water = vec!["water_arrears".parse().unwrap()];
        for (command, why) in [
            (complete("2026-02-02", Vec::new()), "has yet to come"),
            (complete("2026-01-31", water), "does not send water_arrears"),
        ] {
            let refused = act(command).await.unwrap_err().to_string();
            assert!(refused.contains(why), "{refused}");
        }
        act(complete("2026-01-31", Vec::new())).await.unwrap();
        act(complete("2025-12-31", Vec::new())).await.unwrap();
        let said = store.said_marks("corporatie").await.unwrap();
        assert_eq!(said.len(), settings.municipalities.len());
        assert!(
            said.iter()
                .all(|one| one.known_through == "2026-01-31".parse().ok())
        );
        let told = store.audit_events(&AuditFilter::default()).await.unwrap();
        assert_eq!(told[0].action, "partner.complete");
        assert_eq!(told[0].reason, "telefonisch");
    }
}
