//! Rules that are published while everything runs: picked up without a restart, run beside as a shadow, taken out, and their backlog worked off.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::civil::date;
use sqlx::PgPool;
use tempfile::TempDir;
use voorveld::cli::{Rules, RulesBacklog, RulesPublish, RulesRetire};
use voorveld::config::Settings;
use voorveld_correlator::preview::{self, Fate};
use voorveld_correlator::published;
use voorveld_domain::RuleId;
use voorveld_policy::Policy;
use voorveld_store::audit::{AuditEvent, AuditFilter};
use voorveld_tests::copy_policy;

use crate::stages::{Sent, Stages};

const BY: &str = "A. Adviseur";

fn rent(signal: u128, house: &'static str, cents: u32) -> Sent {
    Sent {
        signal,
        revision: 1,
        kind: "rent_arrears",
        day: date(2025, 1, 5),
        cents: Some(cents),
        house: Some(house),
        withdrawn: false,
        bsn: None,
    }
}

/// The shipped policy without the rules of a month, and with a high amount from so many euros on.
fn policy_folder(version: u32, euros: u32) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_policy(folder.path(), |name, text| match name {
        "debt.single.yaml"
        | "debt.multiple.yaml"
        | "debt.consecutive.yaml"
        | "debt.repeat_higher.yaml" => None,
        "debt.high_amount.yaml" => Some(
            text.replace("version: 1", &format!("version: {version}"))
                .replace("amount_at_least: 500", &format!("amount_at_least: {euros}"))
                .replace("amount: 500 }", &format!("amount: {euros} }}")),
        ),
        _ => Some(text.to_owned()),
    });
    folder
}

/// A house in which a high amount begins at 700 euros, and the folder of a second version in which it begins at 500.
async fn house(pool: PgPool) -> (Stages, TempDir) {
    let mut stages = Stages::new(pool, "2025-01-20").await;
    stages.policy = Arc::new(Policy::load(policy_folder(1, 700).path()).unwrap());
    published::install(&stages.store, &stages.policy, stages.clock.now(), |_| {
        Vec::new()
    })
    .await
    .unwrap();
    stages.start().await;
    (stages, policy_folder(2, 500))
}

async fn act(stages: &Stages, command: Rules) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("voorveld.toml");
    std::fs::write(&file, "").unwrap();
    let settings = Settings::from_file(&file).unwrap();
    voorveld::ops::rules::run(command, &settings, &stages.store, &stages.clock).await?;
    Ok(())
}

fn publish(folder: &TempDir, shadow: bool) -> Rules {
    Rules::Publish(RulesPublish {
        policy: Some(PathBuf::from(folder.path())),
        reason: "een lagere grens".to_owned(),
        by: BY.to_owned(),
        shadow,
        yes: true,
        dry_run: false,
    })
}

fn retire(what: &str) -> Rules {
    Rules::Retire(RulesRetire {
        what: what.to_owned(),
        reason: "niet meer nodig".to_owned(),
        by: BY.to_owned(),
        yes: true,
        dry_run: false,
    })
}

/// Waits until every partition runs what was published last, and everybody was judged by it.
async fn until_in_force(stages: &Stages) {
    stages
        .until_none(
            "SELECT count(*) FROM (SELECT DISTINCT ON (partition) bundle FROM rule_activations ORDER BY partition, activation DESC) a
             WHERE bundle IS DISTINCT FROM (SELECT bundle FROM rule_publications WHERE mode = 'live' ORDER BY publication DESC LIMIT 1)",
        )
        .await;
    stages.until_none("SELECT count(*) FROM wake_ups").await;
}

async fn tasks(stages: &Stages) -> BTreeSet<String> {
    stages
        .texts(
            "SELECT array_to_string(g.witnesses, ',') || ' ' || g.rule_id || ' v' || g.rule_version || ' ' || t.state
             FROM tasks t JOIN task_grounds g USING (task_id)",
        )
        .await
}

fn told(signal: u128, what: &str) -> String {
    format!("{} {what}", uuid::Uuid::from_u128(signal))
}

const MATCHES: &str = "SELECT household_id || ' ' || rule_id || ' v' || rule_version || ' ' || anchor || ' ' || \
     array_to_string(witnesses, ',') || ' ' || evidence FROM matches";
const SHADOW_MATCHES: &str = "SELECT household_id || ' ' || rule_id || ' v' || rule_version || ' ' || anchor || ' ' || \
     array_to_string(witnesses, ',') || ' ' || evidence FROM shadow_matches";

#[sqlx::test(migrations = "../migrations")]
async fn a_new_version_is_picked_up_without_a_restart_and_its_backlog_is_an_act_of_its_own(
    pool: PgPool,
) {
    let (mut stages, second) = house(pool).await;
    stages
        .send(&[rent(1, "12", 80_000), rent(2, "14", 60_000)])
        .await;
    stages.settle().await;
    let first = told(1, "debt.high_amount v1 open");
    assert_eq!(tasks(&stages).await, [first.clone()].into());

    act(&stages, publish(&second, false)).await.unwrap();
    until_in_force(&stages).await;
    assert_eq!(
        tasks(&stages).await,
        [first.clone()].into(),
        "a task keeps the version that raised it, and what came before a version raises nothing"
    );
    let versions = stages
        .texts("SELECT DISTINCT rule_id || ' v' || rule_version FROM matches")
        .await;
    assert_eq!(versions, ["debt.high_amount v2".to_owned()].into());
    stages.send(&[rent(3, "16", 60_000)]).await;
    stages.settle().await;
    let third = told(3, "debt.high_amount v2 open");
    let both: BTreeSet<String> = [first.clone(), third.clone()].into();
    assert_eq!(tasks(&stages).await, both);

    // The backlog: what is shown is what is raised then.
    let rule: RuleId = "debt.high_amount".parse().unwrap();
    let policy = Policy::load(second.path()).unwrap();
    let today = stages.clock.today();
    let shown = preview::backlog(&stages.store, &policy, (&rule, 2), today);
    let shown = shown.await.unwrap();
    assert_eq!((shown.households, shown.total()), (1, 1));
    let backlog = |dry_run: bool| {
        Rules::Backlog(RulesBacklog {
            rule: rule.clone(),
            reason: Some("ook wat er al lag".to_owned()),
            by: Some(BY.to_owned()),
            yes: !dry_run,
            dry_run,
        })
    };
    act(&stages, backlog(true)).await.unwrap();
    assert_eq!(tasks(&stages).await, both, "looking changes nothing");
    act(&stages, backlog(false)).await.unwrap();
    stages
        .until_none("SELECT 3 - count(*) FROM tasks WHERE state = 'open'")
        .await;
    let second = told(2, "debt.high_amount v2 open");
    assert_eq!(tasks(&stages).await, [first, second, third].into());
    let again = preview::backlog(&stages.store, &policy, (&rule, 2), today);
    assert_eq!(again.await.unwrap().households, 0);
    // Each owner notes from which record on, also where nothing was raised.
    stages
        .until_none("SELECT 4 - count(DISTINCT partition) FROM backlog_activations")
        .await;

    act(&stages, Rules::List { json: false }).await.unwrap();
    let told = stages.store.audit_events(&AuditFilter::default()).await;
    let told: Vec<String> = told
        .unwrap()
        .into_iter()
        .map(|event| event.action)
        .collect();
    assert_eq!(told, ["rules.backlog_worked_off", "rules.published"]);
    stages.stop(true).await;

    // An owner that starts with other files judges by what was published.
    stages.start().await;
    stages.send(&[rent(4, "18", 60_000)]).await;
    stages.settle().await;
    assert_eq!(tasks(&stages).await.len(), 4);
    let sets = stages
        .texts("SELECT DISTINCT rule_set FROM rule_activations")
        .await;
    assert_eq!(sets.len(), 2);
    stages.stop(true).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_shadow_raises_nothing_and_finds_what_it_would_find_live(pool: PgPool) {
    let (mut stages, second) = house(pool).await;
    stages
        .send(&[rent(1, "12", 80_000), rent(2, "14", 60_000)])
        .await;
    stages.settle().await;
    act(&stages, publish(&second, true)).await.unwrap();
    stages
        .until_none("SELECT 4 - count(*) FROM shadow_activations")
        .await;
    stages.until_none("SELECT count(*) FROM wake_ups").await;
    stages
        .send(&[rent(3, "16", 60_000), rent(4, "18", 90_000)])
        .await;
    stages.settle().await;
    assert_eq!(
        tasks(&stages).await,
        [1, 4]
            .map(|signal| told(signal, "debt.high_amount v1 open"))
            .into(),
        "a shadow raises nothing"
    );
    let shadow = stages.store.in_force().await.unwrap().shadow.unwrap();
    let compared = stages.store.compare_shadow(shadow.publication, None).await;
    let [rule] = &compared.unwrap()[..] else {
        panic!("one rule finds anything");
    };
    assert_eq!(
        (rule.live, rule.shadow, rule.only_live, rule.only_shadow),
        (2, 4, 0, 2)
    );
    // Not at 14, which came before the shadow, nor at 18, which has a live task.
    assert_eq!(rule.would_raise, 1);
    act(&stages, Rules::Compare { json: false }).await.unwrap();

    let found = stages.texts(SHADOW_MATCHES).await;
    act(&stages, publish(&second, false)).await.unwrap();
    until_in_force(&stages).await;
    assert_eq!(stages.texts(MATCHES).await, found);
    assert_eq!(stages.store.in_force().await.unwrap().shadow, None);
    stages.send(&[rent(5, "20", 60_000)]).await;
    stages.settle().await;
    assert!(
        stages.texts(SHADOW_MATCHES).await.is_empty(),
        "no shadow runs any more"
    );
    stages.stop(true).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_rule_that_is_taken_out_takes_its_matches_and_unclaimed_tasks_along(pool: PgPool) {
    let (mut stages, _) = house(pool).await;
    stages
        .send(&[rent(1, "12", 80_000), rent(2, "14", 80_000)])
        .await;
    stages.settle().await;
    sqlx::query(
        "UPDATE tasks SET state = 'claimed' WHERE household_id = (SELECT household_id FROM signals WHERE signal_id = $1)",
    )
    .bind(uuid::Uuid::from_u128(2))
    .execute(&stages.pool)
    .await
    .unwrap();
    let rule: RuleId = "debt.high_amount".parse().unwrap();
    let without = stages.policy.bundle().without_rule(&rule).unwrap();
    let without = Policy::of_bundle(&without).unwrap();
    let shown = preview::publication(&stages.store, &stages.policy, &without, stages.clock.now());
    let shown = shown.await.unwrap();
    assert_eq!(
        shown.tasks,
        [(Fate::Withdrawn, 1), (Fate::Flagged, 1)].into()
    );
    let quarter = shown.quarter[&rule];
    assert_eq!((quarter.live, quarter.draft, quarter.lost), (2, 0, 2));

    act(&stages, retire("debt.high_amount")).await.unwrap();
    until_in_force(&stages).await;
    assert!(stages.matches().await.is_empty());
    let became = stages
        .texts("SELECT state || ' ' || flagged FROM tasks")
        .await;
    assert_eq!(
        became,
        ["claimed true", "withdrawn false"]
            .map(str::to_owned)
            .into()
    );
    let refused = act(&stages, retire("debt.high_amount")).await.unwrap_err();
    assert!(refused.to_string().contains("no rule"), "{refused}");
    act(&stages, retire("shadow")).await.unwrap_err();
    stages.stop(true).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_published_version_is_never_published_with_another_content(pool: PgPool) {
    let (mut stages, _) = house(pool).await;
    let other = policy_folder(1, 500);
    let refused = act(&stages, publish(&other, false)).await.unwrap_err();
    assert!(refused.to_string().contains("higher version"), "{refused}");
    let refused = act(&stages, publish(&other, true)).await.unwrap_err();
    assert!(refused.to_string().contains("higher version"), "{refused}");
    assert_eq!(stages.store.publications().await.unwrap().len(), 1);
    stages.stop(true).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_bundle_of_a_later_release_leaves_the_rules_as_they_are(pool: PgPool) {
    let (mut stages, second) = house(pool).await;
    let store = stages.store.clone();
    let mut tx = store.begin("test").await.unwrap();
    let later = voorveld_store::publications::NewPublication {
        mode: voorveld_store::publications::Mode::Live,
        bundle: "later",
        files: &[("weather.yaml".to_owned(), "rain: true".to_owned())].into(),
        rule_set: "later",
        content: &serde_json::json!({}),
        by: BY,
        reason: "een nieuwere versie",
    };
    tx.publish(&later, stages.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    // Longer than an owner takes to look.
    stages.send(&[rent(1, "12", 60_000)]).await;
    stages.settle().await;
    tokio::time::sleep(2 * voorveld_correlator::LOOK_FOR_RULES_EVERY).await;
    stages.send(&[rent(2, "14", 80_000)]).await;
    stages.settle().await;
    assert_eq!(
        tasks(&stages).await,
        [told(2, "debt.high_amount v1 open")].into(),
        "judging goes on by the rules that can be read"
    );
    // And what can be read is picked up again.
    let policy = Policy::load(second.path()).unwrap();
    let seen = store.in_force().await.unwrap();
    let asked = published::Asked {
        policy: &policy,
        mode: voorveld_store::publications::Mode::Live,
        by: BY,
        reason: "terug",
    };
    published::publish(&store, asked, &seen, stages.clock.now(), |_| Vec::new())
        .await
        .unwrap();
    until_in_force(&stages).await;
    stages.send(&[rent(3, "16", 60_000)]).await;
    stages.settle().await;
    assert_eq!(tasks(&stages).await.len(), 2);
    stages.stop(true).await;
}

/// The shipped policy with the reference index switched on from a day, by a role.
fn folder_with_profile_on() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_policy(folder.path(), |name, text| {
        if name != "profiles.yaml" {
            return Some(text.to_owned());
        }
        let (before, rest) = text.split_once("  - id: P2\n").unwrap();
        let (profile, after) = rest.split_once("  - id: P2-address\n").unwrap();
        let (kept, _) = profile.split_once("    off_because:").unwrap();
        Some(format!(
            "{before}  - id: P2\n{kept}    on: {{ since: 2025-02-01, by: \"Directeur Jeugd\" }}\n\n  - id: P2-address\n{after}"
        ))
    });
    folder
}

#[sqlx::test(migrations = "../migrations")]
async fn a_profile_that_is_switched_on_is_in_the_audit_trail_with_who_and_when(pool: PgPool) {
    let stages = Stages::new(pool, "2025-01-20").await;
    let shipped = Policy::shipped();
    let now = stages.clock.now();
    published::install(&stages.store, &shipped, now, |_| Vec::new())
        .await
        .unwrap();
    let folder = folder_with_profile_on();

    act(&stages, publish(&folder, true)).await.unwrap();
    assert!(
        profile_changes(&stages).await.is_empty(),
        "a shadow switches nothing on"
    );
    act(&stages, publish(&folder, false)).await.unwrap();
    let told = profile_changes(&stages).await;
    assert!(!told.is_empty());
    for event in &told {
        assert_eq!(
            (event.subject_kind.as_str(), event.subject_id.as_str()),
            ("profile", "P2"),
            "and no other profile: {}",
            event.reason
        );
        assert_eq!(event.happened_at, now);
        assert!(event.actor.starts_with("cli:"), "{}", event.actor);
        assert!(event.reason.contains(BY) && event.reason.contains("een lagere grens"));
    }
    let all: String = told.iter().map(|event| event.reason.as_str()).collect();
    assert!(all.contains("2025-02-01"), "from which day: {all}");
    assert!(all.contains("Directeur Jeugd"), "who decided so: {all}");
}

async fn profile_changes(stages: &Stages) -> Vec<AuditEvent> {
    let told = stages.store.audit_events(&AuditFilter::default()).await;
    let mut told = told.unwrap();
    told.retain(|event| event.action == "profile.changed");
    told
}
