//! `voorveld explain`: what is known of a household and what each rule says of it, fired or silent. Calls what live calls (I6), and says it in
//! the words of the task page.
//!
//! Who explains a task sees what the purpose of the task covers and no more (K1), and why a household is held only when that is asked for
//! with a reason (I10, K11). Each look is in the audit log.

mod json;
mod print;

use std::process::ExitCode;

use anyhow::{Context, bail};
use jiff::civil::Date;
use voorveld_chassis::Clock;
use voorveld_detect::explain::Words;
use voorveld_detect::trail::Trail;
use voorveld_domain::{HoldReason, HouseholdId, Purpose, SignalId, TaskId};
use voorveld_recall::{Retention, Sight, recall};
use voorveld_store::Store;
use voorveld_store::audit::About;
use voorveld_store::timelines::TimelineRow;

use super::office;
use crate::cli::Explain;
use crate::config::Settings;

/// Prints signals and verdicts, silent ones too; ids and facts, never who lives there.
pub async fn run(
    asked: &Explain,
    settings: &Settings,
    store: &Store,
    clock: &Clock,
) -> anyhow::Result<ExitCode> {
    print!("{}", explained(asked, settings, store, clock).await?);
    Ok(ExitCode::SUCCESS)
}

/// What is told of a household.
struct Explained {
    household: HouseholdId,
    as_of: Date,
    /// Of a task: what it is for, and then nothing else is told.
    purpose: Option<Purpose>,
    with_safety: bool,
    /// No outreach there now. The reason is only told with safety (K11).
    held: Option<HoldReason>,
    /// The signals one may see.
    rows: Vec<TimelineRow>,
    trail: Trail,
    words: Words,
}

async fn explained(
    asked: &Explain,
    settings: &Settings,
    store: &Store,
    clock: &Clock,
) -> anyhow::Result<String> {
    let (household, about, purpose) = household(asked, settings, store).await?;
    if purpose == Some(Purpose::Safety) && !asked.with_safety {
        bail!("this task is of the safety desk: add --with-safety and a --reason");
    }
    let sight = match purpose {
        // With --with-safety a task of the desk is all there is to see.
        Some(purpose) => Sight::of_task(purpose),
        None => Sight::whole(asked.with_safety),
    };
    let as_of = asked.as_of.unwrap_or_else(|| clock.today());
    let policy = office::policy_in_force(settings, store).await?;
    let recalled = recall(store, &Retention::of(policy.rules()), household, as_of)
        .await?
        .with_context(|| format!("nothing was ever filed at household {household}"))?;
    let action = if asked.with_safety {
        "household.explained_with_safety"
    } else {
        "household.explained"
    };
    let subject = ("household", household.to_string());
    let reason = asked.reason.as_deref().unwrap_or("no reason given");
    let municipality = recalled.rows.first().map(|row| row.municipality);
    let mut entry = office::entry(clock.now(), municipality, action, subject, reason);
    entry.about = about;
    // Before anything is shown (I9).
    store.record_audit(entry).await?;

    let words = policy.words().in_language(asked.language.into());
    let trail = recalled.trail(sight, policy.rules(), policy.calendar(), &words, as_of);
    let told = Explained {
        household,
        as_of,
        purpose,
        with_safety: asked.with_safety,
        held: recalled.guards.held,
        rows: recalled
            .rows
            .into_iter()
            .filter(|row| sight.shows(row, policy.rules()))
            .collect(),
        trail,
        words,
    };
    if asked.json {
        return Ok(format!("{:#}\n", json::of(&told)));
    }
    Ok(print::of(&told)?)
}

/// Which household is meant, what the audit log calls it, and the purpose of the task that was named.
async fn household(
    asked: &Explain,
    settings: &Settings,
    store: &Store,
) -> anyhow::Result<(HouseholdId, About, Option<Purpose>)> {
    let at = |household: HouseholdId| About {
        household: Some(household),
        ..About::default()
    };
    if let Some(id) = asked.household {
        let household = HouseholdId::from_uuid(id);
        return Ok((household, at(household), None));
    }
    if let Some(signal) = asked.signal {
        let mut tx = store.begin("explain").await?;
        let homes = tx.homes(&[signal]).await?;
        let home = homes
            .get(&signal)
            .with_context(|| format!("there is no signal {}", SignalId::from_uuid(signal)))?;
        let household = home.household.with_context(|| {
            format!("signal {signal} has no household; see `voorveld queue show {signal}`")
        })?;
        return Ok((household, at(household), None));
    }
    if let Some(task) = asked.task {
        for municipality in &settings.municipalities {
            if let Some(found) = store.task(*municipality, TaskId::from_uuid(task)).await? {
                let about = About {
                    task: Some(found.id),
                    household: Some(found.household),
                };
                return Ok((found.household, about, Some(found.purpose)));
            }
        }
        bail!("there is no task {task}");
    }
    bail!("say which household, signal or task")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::PgPool;
    use uuid::Uuid;
    use voorveld_store::audit::AuditFilter;

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_task_is_explained_within_its_purpose_and_each_look_is_logged(pool: PgPool) {
        let [household, debt, marker, task, desk_task] = [1, 2, 3, 4, 5].map(Uuid::from_u128);
        for (signal, kind, domain, cents) in [
            (debt, "rent_arrears", "debt", Some(45_000)),
            (marker, "reporting_code_report", "safety", None),
        ] {
            sqlx::query(
                "INSERT INTO signals (household_id, signal_id, municipality, revision, filing, lives_here, standing, partner_id,
                     partner_type, kind, domain, event_date, first_received_at, received_at, amount_cents, crisis, warm_handover)
                 VALUES ($1, $2, '0518', 1, 1, true, 'counted', 'p', 'rent', $3, $4, '2026-01-20', '2026-01-20Z', '2026-01-20Z',
                     $5, false, false)",
            )
            .bind(household)
            .bind(signal)
            .bind(kind)
            .bind(domain)
            .bind(cents)
            .execute(&pool)
            .await
            .unwrap();
        }
        for (task, purpose) in [(task, "debt_help"), (desk_task, "safety")] {
            sqlx::query(
                "INSERT INTO tasks (task_id, municipality, household_id, purpose, state, urgency, ladder_step, due_on, team_id,
                     area_id, raised_as_of, raised_at)
                 VALUES ($1, '0518', $2, $3, 'open', 'routine', 1, '2026-02-20', 't', 'a', '2026-01-20', now())",
            )
            .bind(task)
            .bind(household)
            .bind(purpose)
            .execute(&pool)
            .await
            .unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("voorveld.toml");
        std::fs::write(&empty, "").unwrap();
        let settings = Settings::from_file(&empty).unwrap();
        let store = Store::from_pool(pool);
        let clock = Clock::manual("2026-02-01T10:00:00Z".parse().unwrap());
        let asked = Explain {
            household: None,
            signal: None,
            task: None,
            as_of: None,
            with_safety: false,
            reason: None,
            language: crate::cli::SpokenLanguage::Nl,
            json: false,
        };
        let say = async |asked: Explain| explained(&asked, &settings, &store, &clock).await;
        let of = |id| Explain {
            task: Some(id),
            ..asked.clone()
        };
        let whole = Explain {
            household: Some(household),
            ..asked.clone()
        };
        for limited in [of(task), whole.clone()] {
            let text = say(limited).await.unwrap();
            assert!(
                text.contains(&debt.to_string()) && text.contains("debt.single"),
                "{text}"
            );
            for hidden in [marker.to_string().as_str(), "meldcode", "safety"] {
                assert!(!text.contains(hidden), "{text}");
            }
        }
        // Silent rules say what came nearest, in the language that was asked for.
        let text = say(of(task)).await.unwrap();
        assert!(
            text.contains("debt.multiple v1, Meerdere soorten signalen in één maand: nee"),
            "{text}"
        );
        assert!(
            text.contains(
                "Vraagt: In een kalendermaand signalen van minstens twee verschillende soorten partners."
            ) && text.contains(
                "Kwam het dichtst in de buurt: In januari 2026 kwam er alleen een signaal van Huur."
            ),
            "{text}"
        );
        let english = say(Explain {
            language: crate::cli::SpokenLanguage::En,
            ..of(task)
        });
        let text = english.await.unwrap();
        assert!(
            text.contains(
                "Came nearest: In January 2026 only one type of partner (rent) sent a signal."
            ),
            "{text}"
        );
        let document = say(Explain {
            json: true,
            ..of(task)
        });
        let document: serde_json::Value = serde_json::from_str(&document.await.unwrap()).unwrap();
        assert_eq!(document["purpose"], "debt_help");
        assert_eq!(document["signals"].as_array().unwrap().len(), 1);
        let single = document["rules"]
            .as_array()
            .unwrap()
            .iter()
            .find(|rule| rule["id"] == "debt.single")
            .unwrap();
        assert_eq!(single["fired"], true);
        assert_eq!(single["matches"][0]["anchor"], "2026-01");
        assert_eq!(single["matches"][0]["through"], "2026-01-31");
        assert_eq!(single["matches"][0]["signals"][0], debt.to_string());

        let refused = say(of(desk_task)).await.unwrap_err();
        assert!(refused.to_string().contains("--with-safety"));
        let open = Explain {
            with_safety: true,
            reason: Some("verzoek van de desk".to_owned()),
            ..of(desk_task)
        };
        let text = say(open).await.unwrap();
        assert!(text.contains(&marker.to_string()) && text.contains("safety.meldcode"));
        assert!(!text.contains("debt.single"), "{text}");

        let told = store.audit_events(&AuditFilter::default()).await.unwrap();
        let told: Vec<(&str, &str)> = told
            .iter()
            .map(|event| (event.action.as_str(), event.reason.as_str()))
            .collect();
        let plain = ("household.explained", "no reason given");
        let safety = ("household.explained_with_safety", "verzoek van de desk");
        assert_eq!(told, [safety, plain, plain, plain, plain, plain]);
    }
}
