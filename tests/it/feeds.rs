//! Late, early and never: what a feed that is not complete may be concluded from, and what a signal months late still does.

use std::path::Path;
use std::sync::Arc;

use jiff::civil::{Date, date};
use sqlx::PgPool;
use tempfile::TempDir;
use voorveld::cli::Push;
use voorveld_chassis::Lifecycle;
use voorveld_correlator::preview::{self, Fate};
use voorveld_detect::explain::{self, Words};
use voorveld_domain::HouseholdId;
use voorveld_policy::Policy;
use voorveld_seal::ApiKey;
use voorveld_store::feeds::{FeedId, NewMark};
use voorveld_store::partners::Partner;
use voorveld_tests::copy_policy;

use crate::backtest::replayed_otherwise;
use crate::stages::{Sent, Stages};

/// A kind of our own: what came in, at the sender of the arrears.
const KIND: &str = "
  - id: payment_received
    name: Betaling ontvangen
    domain: payment
    partner_types: [rent, energy]
    ground: wgs-fixed-costs
    amount: optional
    retention_days: 1095
";

/// A rule of our own: no payment within thirty days.
const RULE: &str = "id: debt.no_payment
version: 1
title: Geen betaling na een achterstand
explanation: Na een huurachterstand kwam er binnen dertig dagen geen betaling binnen.
purpose: debt_help
legal_basis: wgs-early-signals
looks_at: { kinds: [rent_arrears, payment_received] }
when:
  absence: { after: { kind: [rent_arrears] }, without: { of: { kind: [payment_received] } }, within: { calendar_days: 30 } }
raises:
  urgency: raised
  deadline: { calendar_days: 14 }
  ladder: { starts_at: 2 }
retention_days: 1095
examples:
  - name: Zonder betaling komt er een taak als alles geleverd is
    signals:
      - { kind: rent_arrears, on: 2025-01-06, amount: 450 }
    complete_through: 2025-02-28
    judged_on: 2025-02-28
    expect: { match: true, task: true }
  - name: Met een betaling niet
    signals:
      - { kind: rent_arrears, on: 2025-01-06, amount: 450 }
      - { kind: payment_received, on: 2025-01-20 }
    complete_through: 2025-02-28
    judged_on: 2025-02-28
    expect: { match: false }
";

/// The policy of the release with these two, and of its rules only that of two kinds of partners in a month, which here looks sixty days back.
fn policy(folder: &Path) -> Policy {
    copy_policy(folder, |name, text| match name {
        "signals.yaml" => Some(format!("{}\n{KIND}", text.trim_end())),
        "legal.yaml" => Some(text.replace(
            "          - rent_arrears\n",
            "          - rent_arrears\n          - payment_received\n",
        )),
        "debt.multiple.yaml" => Some(text.replace(
            "\nretention_days:",
            "\nnot_older_than_days: 60\nretention_days:",
        )),
        name if name.starts_with("debt.") || name.starts_with("safety.") => None,
        _ => Some(text.to_owned()),
    });
    std::fs::write(folder.join("rules/debt.no_payment.yaml"), RULE).unwrap();
    Policy::load(folder).unwrap()
}

async fn stages(pool: PgPool, today: &str) -> (Stages, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut stages = Stages::new(pool, today).await;
    stages.policy = Arc::new(policy(folder.path()));
    stages.start().await;
    (stages, folder)
}

fn partner(id: &str, partner_type: &str, kinds: &[&str]) -> Partner {
    Partner {
        id: id.into(),
        name: id.into(),
        municipalities: vec!["0518".into()],
        kinds: kinds.iter().map(|&kind| kind.into()).collect(),
        partner_types: vec![partner_type.into()],
        rows_per_minute: 1_000_000,
        natural_key: false,
        disabled_at: None,
    }
}

/// Admits a partner; its key.
async fn admit(stages: &Stages, partner: &Partner) -> ApiKeyText {
    let key = ApiKey::generate().unwrap();
    stages
        .store
        .add_partner(partner, &key.prefix, &key.hash, stages.clock.now())
        .await
        .unwrap();
    ApiKeyText(key.shown_once.to_string())
}

struct ApiKeyText(String);

fn sent(signal: u128, kind: &'static str, day: Date, house: Option<&'static str>) -> Sent {
    Sent {
        signal,
        revision: 1,
        kind,
        day,
        cents: Some(45_000),
        house,
        withdrawn: false,
        bsn: None,
    }
}

/// A day comes: whoever was to be judged by then is.
async fn come(stages: &Stages, day: Date) {
    stages
        .clock
        .set(format!("{day}T10:00:00Z").parse().unwrap());
    stages.settle().await;
    stages
        .until_none(&format!(
            "SELECT count(*) FROM wake_ups WHERE due <= '{day}'"
        ))
        .await;
}

/// Looks after the marks, and lets whoever is woken be judged.
async fn look(stages: &Stages) {
    stages.settle().await;
    voorveld_correlator::feeds::settle(&stages.store, &stages.clock)
        .await
        .unwrap();
    come(stages, stages.clock.today()).await;
}

async fn say(stages: &Stages, partner: &str, through: Date) {
    let mark = NewMark {
        feed: FeedId {
            municipality: "0518".into(),
            partner: partner.into(),
            kind: "payment_received".into(),
        },
        complete_through: through,
        delivery: None,
        by_office: true,
        given_at: stages.clock.now(),
    };
    stages.store.add_marks(&[mark]).await.unwrap();
}

/// Every task by its rules and state.
async fn tasks(stages: &Stages) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT (SELECT string_agg(g.rule_id, ' ' ORDER BY g.rule_id) FROM task_grounds g WHERE g.task_id = t.task_id)
            || ' ' || state || ' ' || raised_as_of
         FROM tasks t ORDER BY 1",
    )
    .fetch_all(&stages.pool)
    .await
    .unwrap()
}

/// What the rule says of the only household with arrears, in words.
async fn words(stages: &Stages) -> String {
    let household: String =
        sqlx::query_scalar("SELECT household_id::text FROM signals WHERE kind = 'rent_arrears'")
            .fetch_one(&stages.pool)
            .await
            .unwrap();
    let rules = stages.policy.rules();
    let today = stages.clock.today();
    let household = HouseholdId::from_uuid(household.parse().unwrap());
    let recalled = voorveld_recall::recall(&stages.store, &stages.retention(), household, today)
        .await
        .unwrap()
        .unwrap();
    let evaluation = voorveld_detect::evaluate(
        rules,
        &recalled.timeline,
        stages.policy.calendar(),
        &recalled.feeds,
        today,
    );
    let id = "debt.no_payment".parse().unwrap();
    let found = evaluation
        .verdicts
        .iter()
        .find(|verdict| verdict.rule == id)
        .unwrap();
    explain::verdict(rules.get(&id).unwrap(), found, &Words::default())
}

#[sqlx::test(migrations = "../migrations")]
async fn what_did_not_come_is_concluded_when_the_file_says_that_it_was_all(pool: PgPool) {
    let (mut stages, folder) = stages(pool, "2025-06-02").await;
    let kinds = ["rent_arrears", "payment_received"];
    let key = admit(&stages, &partner("verhuurder", "rent", &kinds)).await;
    let door = Lifecycle::new();
    let url = stages.open_door(&door).await;
    std::fs::write(folder.path().join("key"), &key.0).unwrap();
    let push = async |name: &str, rows: &str, through: Option<Date>| {
        let file = folder.path().join(format!("{name}.csv"));
        let headings = "Kenmerk;Soort;Gemeentecode;Signaaldatum;Ontstaansdatum;Bedrag;Achternaam;Postcode;Huisnummer";
        std::fs::write(&file, format!("{headings}\n{rows}")).unwrap();
        let push = Push {
            file,
            url: url.clone(),
            key_file: folder.path().join("key"),
            kind: None,
            municipality: None,
            complete_through: through,
            complete_kinds: through
                .map(|_| "payment_received".parse().unwrap())
                .into_iter()
                .collect(),
            out: None,
            receipts: None,
        };
        voorveld::ops::push::run(&push).await.unwrap();
        stages.settle().await;
    };
    push(
        "juni",
        "A-1;rent_arrears;0518;1-6-2025;1-4-2025;450;Voorbeeld;1234AB;1\n",
        None,
    )
    .await;
    // Delivered through the second day of the term: that is not all of it.
    push(
        "half",
        "B-1;payment_received;0518;2-6-2025;;20;Voorbeeld;1234AB;99\n",
        Some(date(2025, 6, 2)),
    )
    .await;
    look(&stages).await;
    assert!(words(&stages).await.contains("De termijn loopt nog"));
    come(&stages, date(2025, 7, 2)).await;
    assert!(tasks(&stages).await.is_empty(), "it may still come");
    let said = words(&stages).await;
    assert!(said.contains("Dit kan nog veranderen"), "{said}");
    assert_eq!(
        stages
            .texts("SELECT count(*)::text FROM household_judgements WHERE awaits_feeds")
            .await,
        ["1".to_owned()].into()
    );
    push(
        "juli",
        "B-2;payment_received;0518;28-6-2025;;20;Voorbeeld;1234AB;99\n",
        Some(date(2025, 6, 30)),
    )
    .await;
    look(&stages).await;
    assert_eq!(
        tasks(&stages).await,
        ["debt.no_payment open 2025-07-02"],
        "on the day on which it was said"
    );
    // Who publishes is shown what an owner would judge, by the feeds as they are (I6).
    let now = stages.clock.now();
    let shown = preview::publication(&stages.store, &stages.policy, &stages.policy, now).await;
    let shown = shown.unwrap();
    assert_eq!(shown.tasks, [(Fate::Kept, 1)].into());
    let quarter = shown.quarter[&"debt.no_payment".parse().unwrap()];
    assert_eq!((quarter.live, quarter.draft), (1, 1));
    // It came after all, and late: nobody had the task, so it goes (K10).
    come(&stages, date(2025, 7, 4)).await;
    push(
        "laat",
        "A-2;payment_received;0518;20-6-2025;;450;Voorbeeld;1234AB;1\n",
        None,
    )
    .await;
    assert_eq!(
        tasks(&stages).await,
        ["debt.no_payment withdrawn 2025-07-02"]
    );
    assert!(stages.matches().await.is_empty());
    door.drain();
    stages.stop(true).await;
    // Also where a day was looked at and a mark took effect in the same instant.
    assert_eq!(replayed_otherwise(&stages).await, [""; 0]);
}

#[sqlx::test(migrations = "../migrations")]
async fn a_mark_waits_for_a_signal_that_waits_for_its_household(pool: PgPool) {
    let (mut stages, _folder) = stages(pool, "2025-06-02").await;
    admit(
        &stages,
        &partner(
            "partner-rent",
            "rent",
            &["rent_arrears", "payment_received"],
        ),
    )
    .await;
    let payment = sent(2, "payment_received", date(2025, 6, 20), None);
    stages
        .send(&[
            sent(1, "rent_arrears", date(2025, 6, 1), Some("1")),
            payment.clone(),
        ])
        .await;
    come(&stages, date(2025, 7, 2)).await;
    say(&stages, "partner-rent", date(2025, 6, 30)).await;
    look(&stages).await;
    assert!(tasks(&stages).await.is_empty());
    assert!(words(&stages).await.contains("Dit kan nog veranderen"));
    // Somebody finds out whose it is: it was the payment that everybody waited for.
    stages
        .correct(&Sent {
            house: Some("1"),
            ..payment
        })
        .await;
    look(&stages).await;
    assert_eq!(
        stages
            .texts("SELECT count(*)::text FROM feed_marks WHERE effective_at IS NOT NULL")
            .await,
        ["1".to_owned()].into()
    );
    assert!(tasks(&stages).await.is_empty(), "nothing was concluded");
    assert!(words(&stages).await.contains("Wat moest volgen, kwam"));
    stages.stop(true).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn everybody_who_may_send_it_is_waited_for(pool: PgPool) {
    let (mut stages, _folder) = stages(pool, "2025-06-02").await;
    for (id, partner_type) in [("partner-rent", "rent"), ("partner-energy", "energy")] {
        admit(&stages, &partner(id, partner_type, &["payment_received"])).await;
    }
    stages
        .send(&[sent(1, "rent_arrears", date(2025, 6, 1), Some("1"))])
        .await;
    come(&stages, date(2025, 7, 2)).await;
    say(&stages, "partner-rent", date(2025, 6, 30)).await;
    look(&stages).await;
    assert!(tasks(&stages).await.is_empty(), "the other may still");
    come(&stages, date(2025, 7, 10)).await;
    say(&stages, "partner-energy", date(2025, 6, 29)).await;
    look(&stages).await;
    assert!(tasks(&stages).await.is_empty(), "a day short");
    let said = words(&stages).await;
    assert!(
        said.contains("hebben geleverd tot en met 29 juni 2025"),
        "{said}"
    );
    say(&stages, "partner-energy", date(2025, 6, 30)).await;
    look(&stages).await;
    assert_eq!(tasks(&stages).await, ["debt.no_payment open 2025-07-10"]);
    stages.stop(true).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn who_sends_no_more_is_not_waited_for(pool: PgPool) {
    let (mut stages, _folder) = stages(pool, "2025-06-02").await;
    for (id, partner_type) in [("partner-rent", "rent"), ("partner-energy", "energy")] {
        admit(&stages, &partner(id, partner_type, &["payment_received"])).await;
    }
    stages
        .send(&[sent(1, "rent_arrears", date(2025, 6, 1), Some("1"))])
        .await;
    come(&stages, date(2025, 7, 2)).await;
    say(&stages, "partner-rent", date(2025, 6, 30)).await;
    look(&stages).await;
    assert!(tasks(&stages).await.is_empty());
    let moment = voorveld_store::feeds::Moment {
        topic: voorveld_wire::signal_v1::RESOLVED_TOPIC,
        today: stages.clock.today(),
        now: stages.clock.now(),
    };
    let wake = stages.store.wake_without_partner("partner-energy", moment);
    assert_eq!(wake.await.unwrap(), 0, "it still may send");
    stages
        .store
        .disable_partner("partner-energy", stages.clock.now())
        .await
        .unwrap();
    let wake = stages.store.wake_without_partner("partner-energy", moment);
    assert_eq!(wake.await.unwrap(), 1);
    come(&stages, date(2025, 7, 2)).await;
    assert_eq!(tasks(&stages).await, ["debt.no_payment open 2025-07-02"]);
    stages.stop(true).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn two_partners_a_month_apart_speak_of_one_month_and_one_months_late_still_makes_it_so(
    pool: PgPool,
) {
    let (mut stages, _folder) = stages(pool, "2025-01-20").await;
    stages
        .send(&[sent(1, "rent_arrears", date(2025, 1, 10), Some("1"))])
        .await;
    come(&stages, date(2025, 3, 20)).await;
    stages
        .send(&[sent(2, "rent_arrears", date(2025, 3, 10), Some("2"))])
        .await;
    come(&stages, date(2025, 4, 25)).await;
    assert!(stages.matches().await.is_empty());
    // Delivered a month after the other, about the same month: meervoudig, and young enough to act on.
    stages
        .send(&[sent(3, "energy_arrears", date(2025, 3, 28), Some("2"))])
        .await;
    come(&stages, date(2025, 6, 20)).await;
    let march = format!(
        "debt.multiple 2025-03 {},{}",
        uuid::Uuid::from_u128(2),
        uuid::Uuid::from_u128(3)
    );
    assert_eq!(stages.matches().await, [march.clone()].into());
    assert_eq!(tasks(&stages).await, ["debt.multiple open 2025-04-25"]);
    // Five months late: January becomes meervoudig all the same (I4), but what is older than sixty days raises nothing (K8), and that is told.
    stages
        .send(&[sent(4, "energy_arrears", date(2025, 1, 15), Some("1"))])
        .await;
    stages.settle().await;
    let january = format!(
        "debt.multiple 2025-01 {},{}",
        uuid::Uuid::from_u128(1),
        uuid::Uuid::from_u128(4)
    );
    assert_eq!(stages.matches().await, [january, march].into());
    assert_eq!(tasks(&stages).await, ["debt.multiple open 2025-04-25"]);
    assert_eq!(
        stages
            .texts("SELECT anchor || ' ' || reason FROM suppressions")
            .await,
        ["2025-01 too_old".to_owned()].into()
    );
    stages.stop(true).await;
}
