//! Who opened or changed what, when and why.
//!
//! An entry is written in the transaction of what it tells, or committed before anything is shown (I9). It holds ids of ours and
//! codes, never a name.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;
use voorveld_domain::{HouseholdId, MunicipalityCode, TaskId, UserId};

use crate::{Store, StoreError, Tx};

/// Most entries one reading gives.
pub const AUDIT_PAGE_MAX: i64 = 10_000;

/// The task and the household that an entry belongs to, beside what it was done to: the opening of a signal is found again by the task
/// in which it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct About {
    /// In which task.
    pub task: Option<TaskId>,
    /// At which household.
    pub household: Option<HouseholdId>,
}

/// What to write down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAuditEvent {
    /// When it happened.
    pub happened_at: Timestamp,
    /// Where, when it concerns one municipality.
    pub municipality: Option<MunicipalityCode>,
    /// Who: a user id, or `cli:<system user>`.
    pub actor: String,
    /// What was done, e.g. `identity.opened`.
    pub action: &'static str,
    /// What sort of thing it was done to: task, household, signal, user, partner, dead_letter.
    pub subject_kind: &'static str,
    /// Which one: an id of ours, never a name.
    pub subject_id: String,
    /// Where it belongs.
    pub about: About,
    /// Why, as a code or a colleague's own words about their work.
    pub reason: String,
    /// The request in which it happened.
    pub request_id: Option<String>,
}

/// Which entries to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only of this municipality.
    pub municipality: Option<MunicipalityCode>,
    /// From this instant.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub until: Option<Timestamp>,
    /// Only by this actor: a login, a user id or `cli:<system user>`.
    pub actor: Option<String>,
    /// Only this action.
    pub action: Option<String>,
    /// Only about this subject, or in this task or household.
    pub subject_id: Option<String>,
    /// At most so many, newest first; 0 is [`AUDIT_PAGE_MAX`].
    pub limit: u32,
}

/// An entry as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Rises with each entry.
    pub audit_id: i64,
    /// When it happened.
    pub happened_at: Timestamp,
    /// Where.
    pub municipality: Option<String>,
    /// Who.
    pub actor: String,
    /// The login of who, when it was a colleague.
    pub login: Option<String>,
    /// What.
    pub action: String,
    /// To what sort of thing.
    pub subject_kind: String,
    /// To which one.
    pub subject_id: String,
    /// Where it belongs.
    pub about: About,
    /// Why.
    pub reason: String,
    /// In which request.
    pub request_id: Option<String>,
}

/// How a colleague is named in the log.
#[must_use]
pub fn actor_of(user: UserId) -> String {
    user.to_string()
}

impl Tx {
    /// Writes entries down; they are there when the transaction commits.
    pub async fn record_audit(&mut self, events: &[NewAuditEvent]) -> Result<(), StoreError> {
        let happened_at: Vec<_> = events
            .iter()
            .map(|event| event.happened_at.to_sqlx())
            .collect();
        let municipalities: Vec<Option<String>> = events
            .iter()
            .map(|event| event.municipality.map(|code| code.to_string()))
            .collect();
        let actors: Vec<String> = events.iter().map(|event| event.actor.clone()).collect();
        let actions: Vec<String> = events.iter().map(|event| event.action.to_owned()).collect();
        let kinds: Vec<String> = events
            .iter()
            .map(|event| event.subject_kind.to_owned())
            .collect();
        let subjects: Vec<String> = events
            .iter()
            .map(|event| event.subject_id.clone())
            .collect();
        let tasks: Vec<Option<Uuid>> = events
            .iter()
            .map(|event| event.about.task.map(TaskId::uuid))
            .collect();
        let households: Vec<Option<Uuid>> = events
            .iter()
            .map(|event| event.about.household.map(HouseholdId::uuid))
            .collect();
        let reasons: Vec<String> = events.iter().map(|event| event.reason.clone()).collect();
        let requests: Vec<Option<String>> = events
            .iter()
            .map(|event| event.request_id.clone())
            .collect();
        sqlx::query!(
            "INSERT INTO audit_events
                 (happened_at, municipality, actor, action, subject_kind, subject_id, reason, request_id, task_id, household_id)
             SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
                                  $7::text[], $8::text[], $9::uuid[], $10::uuid[])",
            &happened_at as _,
            &municipalities as _,
            &actors,
            &actions,
            &kinds,
            &subjects,
            &reasons,
            &requests as _,
            &tasks as _,
            &households as _,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}

impl Store {
    /// Writes one entry down by itself.
    pub async fn record_audit(&self, event: NewAuditEvent) -> Result<(), StoreError> {
        let mut tx = self.begin("audit").await?;
        tx.record_audit(&[event]).await?;
        tx.commit().await
    }

    /// Reads the log, newest first.
    pub async fn audit_events(&self, filter: &AuditFilter) -> Result<Vec<AuditEvent>, StoreError> {
        let limit = match i64::from(filter.limit) {
            0 => AUDIT_PAGE_MAX,
            asked => asked.min(AUDIT_PAGE_MAX),
        };
        let subject = filter
            .subject_id
            .as_deref()
            .and_then(|subject| Uuid::try_parse(subject).ok());
        let rows = sqlx::query!(
            r#"SELECT e.audit_id, e.happened_at, e.municipality, e.actor, u.login AS "login?", e.action, e.subject_kind,
                      e.subject_id, e.reason, e.request_id, e.task_id, e.household_id
               FROM audit_events e
               LEFT JOIN users u ON u.user_id::text = e.actor
               WHERE ($1::text IS NULL OR e.municipality = $1)
                 AND ($2::timestamptz IS NULL OR e.happened_at >= $2)
                 AND ($3::timestamptz IS NULL OR e.happened_at < $3)
                 AND ($4::text IS NULL OR e.actor = $4 OR u.login = $4)
                 AND ($5::text IS NULL OR e.action = $5)
                 AND ($6::text IS NULL OR e.subject_id = $6 OR e.task_id = $7 OR e.household_id = $7)
               ORDER BY e.audit_id DESC
               LIMIT $8"#,
            filter.municipality.map(|code| code.to_string()),
            filter.from.map(ToSqlx::to_sqlx) as Option<jiff_sqlx::Timestamp>,
            filter.until.map(ToSqlx::to_sqlx) as Option<jiff_sqlx::Timestamp>,
            filter.actor,
            filter.action,
            filter.subject_id,
            subject,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| AuditEvent {
                audit_id: row.audit_id,
                happened_at: row.happened_at.to_jiff(),
                municipality: row.municipality,
                actor: row.actor,
                login: row.login,
                action: row.action,
                subject_kind: row.subject_kind,
                subject_id: row.subject_id,
                about: About {
                    task: row.task_id.map(TaskId::from_uuid),
                    household: row.household_id.map(HouseholdId::from_uuid),
                },
                reason: row.reason,
                request_id: row.request_id,
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::PgPool;

    fn opened(at: &str, subject: &str) -> NewAuditEvent {
        NewAuditEvent {
            happened_at: at.parse().expect("an instant"),
            municipality: "0518".parse().ok(),
            actor: "cli:test".into(),
            action: "identity.opened",
            subject_kind: "signal",
            subject_id: subject.into(),
            about: About::default(),
            reason: "contact".into(),
            request_id: None,
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn the_log_is_read_newest_first_and_by_what_one_asks(pool: PgPool) {
        let store = Store::from_pool(pool);
        let mut tx = store.begin("test").await.unwrap();
        tx.record_audit(&[
            opened("2026-01-01T10:00:00Z", "a"),
            opened("2026-01-02T10:00:00Z", "b"),
        ])
        .await
        .unwrap();
        tx.commit().await.unwrap();
        let subjects = async |filter: AuditFilter| -> Vec<String> {
            let events = store.audit_events(&filter).await.unwrap();
            events.into_iter().map(|event| event.subject_id).collect()
        };
        assert_eq!(subjects(AuditFilter::default()).await, ["b", "a"]);
        let until = AuditFilter {
            until: "2026-01-02T10:00:00Z".parse().ok(),
            ..AuditFilter::default()
        };
        assert_eq!(subjects(until).await, ["a"]);
        let other = AuditFilter {
            municipality: "0363".parse().ok(),
            ..AuditFilter::default()
        };
        assert!(subjects(other).await.is_empty());
        let (task, household) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut within = opened("2026-01-03T10:00:00Z", "c");
        within.about = About {
            task: Some(TaskId::from_uuid(task)),
            household: Some(HouseholdId::from_uuid(household)),
        };
        store.record_audit(within).await.unwrap();
        for id in [task, household] {
            let about = AuditFilter {
                subject_id: Some(id.to_string()),
                ..AuditFilter::default()
            };
            assert_eq!(subjects(about).await, ["c"]);
        }
        let by = AuditFilter {
            until: "2026-01-03T10:00:00Z".parse().ok(),
            actor: Some("cli:test".into()),
            limit: 1,
            ..AuditFilter::default()
        };
        assert_eq!(subjects(by).await, ["b"]);
    }
}
