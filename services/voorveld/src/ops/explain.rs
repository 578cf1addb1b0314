//! `voorveld explain`: what is known of a household and what each rule says of it. Calls what live calls (I6).
//!
//! Who explains a task sees what the purpose of the task covers and no more (K1), and why a household is held only when that is asked for
//! with a reason (I10, K11). Each look is in the audit log.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Context, bail};
use voorveld_chassis::Clock;
use voorveld_detect::{Rule, RuleSet, Timeline, explain};
use voorveld_domain::{HouseholdId, Presence, Purpose, SignalId, TaskId};
use voorveld_store::Store;
use voorveld_store::audit::About;
use voorveld_store::timelines::TimelineRow;

use super::office::{self, table};
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

/// Which part of a household one may look at.
#[derive(Debug, Clone, Copy)]
struct Scope {
    /// Only what the rules of this purpose lean on.
    purpose: Option<Purpose>,
    /// And what only the safety desk may know.
    with_safety: bool,
}

impl Scope {
    fn covers(self, rule: &Rule) -> bool {
        if rule.purpose == Purpose::Safety {
            self.with_safety
        } else {
            self.purpose.is_none_or(|purpose| purpose == rule.purpose)
        }
    }

    fn shows(self, row: &TimelineRow, rules: &RuleSet) -> bool {
        let looked_at = |rule: &&Rule| {
            rule.sources.domains.contains(&row.domain) || rule.sources.kinds.contains(&row.kind)
        };
        let mut readers = rules.rules().iter().filter(looked_at);
        let is_marker = row.domain.as_str() == Purpose::Safety.code();
        match self.purpose {
            _ if is_marker => self.with_safety,
            Some(_) => readers.any(|rule| self.covers(rule)),
            // Of a whole household also what no rule reads (any more).
            None => readers.all(|rule| self.covers(rule)),
        }
    }
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
    let scope = Scope {
        // With --with-safety a task of the desk is all there is to see.
        purpose,
        with_safety: asked.with_safety,
    };
    let as_of = asked.as_of.unwrap_or_else(|| clock.today());
    let policy = office::policy_in_force(settings, store).await?;
    let rules = policy.rules();
    let words = voorveld_correlator::words(&policy);
    let rows = store.timeline(household).await?;
    let municipality = rows.first().map(|row| row.municipality);
    let feeds = match municipality {
        Some(municipality) => voorveld_correlator::feeds::of(store, municipality, None).await?,
        None => voorveld_detect::Feeds::default(),
    };
    let found = voorveld_correlator::explain::household(
        store,
        rules,
        policy.calendar(),
        &feeds,
        &voorveld_correlator::retention(&policy),
        household,
        as_of,
    )
    .await?
    .with_context(|| format!("nothing was ever filed at household {household}"))?;
    let evaluation = found.evaluation;
    let action = if asked.with_safety {
        "household.explained_with_safety"
    } else {
        "household.explained"
    };
    let subject = ("household", household.to_string());
    let reason = asked.reason.as_deref().unwrap_or("no reason given");
    let mut entry = office::entry(clock.now(), municipality, action, subject, reason);
    entry.about = about;
    // Before anything is shown (I9).
    store.record_audit(entry).await?;

    let mut text = String::new();
    writeln!(text, "Huishouden {household}, beoordeeld op {as_of}")?;
    if let Some(purpose) = purpose {
        writeln!(text, "Alleen wat bij deze taak hoort: {}", purpose.label())?;
    }
    if !asked.with_safety {
        writeln!(text, "Zonder wat alleen de veiligheidsdesk mag weten")?;
    }
    writeln!(text, "\nSignalen")?;
    let lines: Vec<Vec<String>> = rows
        .iter()
        .filter(|row| scope.shows(row, rules))
        .map(|row| {
            let kind = words.kinds.get(&row.kind).cloned();
            vec![
                row.event_date.to_string(),
                row.partner.to_string(),
                kind.unwrap_or_else(|| row.kind.to_string()),
                row.amount
                    .map(|amount| amount.to_string())
                    .unwrap_or_default(),
                counted(row, &found.timeline).to_owned(),
                row.signal.to_string(),
            ]
        })
        .collect();
    text.push_str(&table(
        &["DATUM", "PARTNER", "SOORT", "BEDRAG", "TELT MEE", "SIGNAAL"],
        &lines,
    ));

    writeln!(text, "\nRegels (verzameling {})", rules.hash())?;
    for verdict in &evaluation.verdicts {
        if let Some(rule) = rules.get(&verdict.rule).filter(|rule| scope.covers(rule)) {
            writeln!(
                text,
                "- {} v{}: {}",
                rule.id,
                rule.version,
                explain::verdict(rule, verdict, &words)
            )?;
        }
    }
    writeln!(text, "\nMatches")?;
    let mut matches = evaluation
        .matches
        .iter()
        .filter(|found| {
            rules
                .get(&found.rule)
                .is_some_and(|rule| scope.covers(rule))
        })
        .peekable();
    if matches.peek().is_none() {
        writeln!(text, "- geen")?;
    }
    for found in matches {
        let witnesses: Vec<String> = found.witnesses.iter().map(ToString::to_string).collect();
        writeln!(
            text,
            "- {} v{} ({}): {}",
            found.rule,
            found.version,
            found.anchor,
            witnesses.join(", ")
        )?;
    }
    Ok(text)
}

fn counted(row: &TimelineRow, judged: &Timeline) -> &'static str {
    match row.presence {
        Presence::LivesHere => judged
            .get(row.signal)
            .map_or(row.standing, |signal| signal.standing)
            .label(),
        Presence::MovedAway => "verhuisd naar een ander huishouden",
    }
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
        assert_eq!(told, [safety, plain, plain]);
    }
}
