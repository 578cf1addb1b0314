//! All rules on a task's page: who sees which, in which words.

use axum::http::StatusCode;
use sqlx::PgPool;
use uuid::Uuid;
use voorveld_detect::explain::Language;
use voorveld_domain::{HouseholdId, Purpose, Role};
use voorveld_policy::Policy;
use voorveld_recall::{Retention, Sight, recall};

use super::house::{House, SeededTask};

const TEAM: &[Role] = &[Role::TeamMember];

/// A task of Anna's team with one rent signal on it, of a known person.
async fn with_rent(pool: PgPool) -> (House, SeededTask) {
    let house = House::open(pool).await;
    house.colleague("anna", TEAM, &["wijkteam-noord"]).await;
    let task = house.task("wijkteam-noord", "2025-11-27").await;
    let debtor = Some(Uuid::from_u128(7));
    let rent = house
        .signal(&task, debtor, "2025-11-10", 45_000, "Voorbeeld")
        .await;
    house
        .ground(&task, "debt.single", "Eén soort signaal.", &[rent])
        .await;
    (house, task)
}

/// Every sentence that the trail of this household tells.
async fn told(house: &House, task: &SeededTask, sight: Sight, language: Language) -> Vec<String> {
    let policy = Policy::shipped();
    let household = HouseholdId::from_uuid(task.household);
    let today = house.clock.today();
    let recalled = recall(
        &house.store,
        &Retention::of(policy.rules()),
        household,
        today,
    )
    .await
    .unwrap();
    let words = policy.words().in_language(language);
    let trail = recalled
        .unwrap()
        .trail(sight, policy.rules(), policy.calendar(), &words, today);
    let mut sentences = trail.may_change;
    for rule in trail.rules {
        sentences.push(rule.title);
        sentences.push(rule.asks.text);
        sentences.extend(rule.asks.parts.into_iter().map(|part| part.text));
        sentences.extend(rule.follows);
        sentences.extend(rule.nearest.into_iter().map(|one| one.words));
        for found in rule.matches {
            sentences.push(found.outcome);
            sentences.extend(found.measured.into_iter().map(|one| one.words));
        }
    }
    sentences
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_task_tells_every_rule_of_its_purpose_in_the_words_of_the_trail(pool: PgPool) {
    let (house, task) = with_rent(pool).await;
    let mut anna = house.browser("anna").await;
    for (path, language, silent) in [
        (
            task.page(),
            Language::Dutch,
            "In november 2025 kwam er alleen een signaal van Huur.",
        ),
        (
            format!("{}?taal=en", task.page()),
            Language::English,
            "In November 2025 only one type of partner (rent) sent a signal.",
        ),
    ] {
        let page = anna.get(&path).await.body;
        let sentences = told(&house, &task, Sight::of_task(Purpose::DebtHelp), language).await;
        assert!(20 < sentences.len());
        for sentence in sentences {
            assert!(page.contains(&sentence), "{sentence}\n{page}");
        }
        assert!(page.contains(silent), "{page}");
    }
    let dutch = anna.get(&task.page()).await.body;
    assert!(dutch.contains("<details>") && !dutch.contains("<details open>"));
    assert!(dutch.contains("Persoon A: Huurachterstand (Huur), 10 november 2025, € 450,00"));
    let english = anna.get(&format!("{}?taal=en", task.page())).await.body;
    assert!(english.contains("<details open>") && english.contains("lang=\"en\""));
    assert!(english.contains("Person A: Huurachterstand (rent), 10 November 2025, €450.00"));
    // No words of ours from elsewhere on the page, and nothing else for a language nobody speaks.
    let other = anna.get(&format!("{}?taal=x", task.page())).await.body;
    assert!(other.contains("Alle regels") && !other.contains("All rules"));
}

#[sqlx::test(migrations = "../../migrations")]
async fn another_purpose_and_safety_never_show_among_the_rules(pool: PgPool) {
    let (house, task) = with_rent(pool).await;
    house.marker(&task, None, "Voorbeeld").await;
    house
        .run("UPDATE signals SET fields = '{\"acute\": {\"boolean\": true}}' WHERE kind = 'reporting_code_report'")
        .await;
    let mut anna = house.browser("anna").await;
    let page = anna.get(&task.page()).await.body;
    assert!(page.contains("Alle regels") && page.contains("debt.single"));
    for hidden in [
        "meldcode",
        "onveilig",
        "safety",
        "veiligheidsdesk",
        "Meldcode",
    ] {
        assert!(!page.contains(hidden), "{hidden}\n{page}");
    }

    // Under a hold nothing is told at all (K11).
    house.hold(&task).await;
    let page = anna.get(&task.page()).await.body;
    assert!(page.contains("Nu geen contact") && !page.contains("Alle regels"));
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_came_after_a_task_ended_is_not_told_on_it(pool: PgPool) {
    let (house, task) = with_rent(pool).await;
    let mut anna = house.browser("anna").await;
    anna.post(&format!("{}/oppakken", task.page()), &[("version", "1")])
        .await;
    let page = anna.get(&task.page()).await.body;
    assert!(page.contains("Alle regels"));
    let done = anna
        .post(
            &format!("{}/afronden", task.page()),
            &[("version", "2"), ("outcome", "needs_no_help")],
        )
        .await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    let page = anna.get(&task.page()).await.body;
    assert!(page.contains("Resultaat") && !page.contains("Alle regels"));
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_task_of_an_earlier_version_says_so_and_what_it_said(pool: PgPool) {
    let (house, task) = with_rent(pool).await;
    house
        .run(
            "UPDATE task_grounds SET rule_version = 7,
                 evidence = '[\"signals_in_month;month:2025-10;count:1;count:4\"]' WHERE rule_id = 'debt.single'",
        )
        .await;
    let gone = house
        .signal(&task, None, "2025-11-11", 45_000, "Voorbeeld")
        .await;
    house
        .ground(&task, "debt.long_gone", "Een oude regel.", &[gone])
        .await;
    house
        .run(
            "UPDATE task_grounds SET evidence = '[\"crisis;household;yes;yes\"]' WHERE rule_id = 'debt.long_gone'",
        )
        .await;
    let mut anna = house.browser("anna").await;
    let page = anna.get(&task.page()).await.body;
    assert!(
        page.contains(
            "Deze taak staat op een eerdere versie van deze regel. Toen stond er: “In oktober 2025 kwamen er vier signalen.” (versie 7"
        ),
        "{page}"
    );
    assert!(
        page.contains("“De partner noemt dit een crisis.” (regel debt.long_gone, versie 1"),
        "{page}"
    );
    assert!(
        page.contains("Onbekende persoon: Huurachterstand"),
        "{page}"
    );
}

#[sqlx::test(migrations = "../../migrations")]
async fn rules_that_cannot_be_told_keep_nobody_from_the_task(pool: PgPool) {
    let (house, task) = with_rent(pool).await;
    house.run("UPDATE task_grounds SET evidence = '{}'").await;
    let mut anna = house.browser("anna").await;
    let page = anna.get(&task.page()).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("Oppakken") && page.body.contains("nu niet te tonen"));
}

#[sqlx::test(migrations = "../../migrations")]
async fn of_a_signal_that_is_not_on_the_task_only_its_being_there_is_told(pool: PgPool) {
    let (house, task) = with_rent(pool).await;
    house
        .signal(
            &task,
            Some(Uuid::from_u128(8)),
            "2025-03-04",
            4_321,
            "Ander",
        )
        .await;
    let mut anna = house.browser("anna").await;
    for (path, there, threshold) in [
        (
            task.page(),
            "Een andere persoon: Huurachterstand (Huur), 4 maart 2025</li>",
            "Geen taak: elk bedrag is lager dan de drempel",
        ),
        (
            format!("{}?taal=en", task.page()),
            "Another person: Huurachterstand (rent), 4 March 2025</li>",
            "No task: every amount is below the threshold",
        ),
    ] {
        let page = anna.get(&path).await.body;
        assert!(page.contains(there) && page.contains(threshold), "{page}");
        assert!(!page.contains("43,21") && !page.contains("43.21"), "{page}");
    }
}
