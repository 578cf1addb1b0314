//! Registrations: objections, known clients, exclusions, and who heeds them.
//!
//! The correlator reads what stands in the transaction that judges, and whoever writes one wakes every household it touches: either the judgement saw
//! it or the wake-up comes after it. A lock that judgements share and acts take alone makes that true also for a person's signal that is being
//! judged at a household for the first time.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;
use uuid::Uuid;
use voorveld_domain::{
    DebtorId, FileCode, HoldReason, HouseholdId, MunicipalityCode, RegistrationKind,
    RegistrationReason, RevocationReason, SignalId, TaskId, UserId,
};

use crate::judgements::NewHold;
use crate::{Store, StoreError, Tx};

/// Most registrations on one page of the list.
pub const REGISTRATIONS_PAGE: i64 = 100;
/// Key of the lock between judgements and acts. Any number that nobody else uses.
const ACTS_LOCK: i64 = 0x766f_6f72_7665_6c64;

/// Something to write down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRegistration {
    /// Made by who fills in the form.
    pub id: Uuid,
    /// CBS code.
    pub municipality: MunicipalityCode,
    /// At which household.
    pub household: HouseholdId,
    /// About whom; nobody in particular is the household.
    pub debtor: Option<DebtorId>,
    /// Why; says the kind, too.
    pub reason: RegistrationReason,
    /// Where more stands.
    pub file_code: Option<FileCode>,
    /// Since which day.
    pub since: Date,
    /// Until which day, that one included.
    pub until: Option<Date>,
    /// Who: a user id, or `cli:<system user>`.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// What was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Which one.
    pub id: Uuid,
    /// CBS code.
    pub municipality: MunicipalityCode,
    /// At which household.
    pub household: HouseholdId,
    /// About whom; nobody in particular is the household.
    pub debtor: Option<DebtorId>,
    /// Why; says the kind, too.
    pub reason: RegistrationReason,
    /// Where more stands.
    pub file_code: Option<String>,
    /// Since which day.
    pub since: Date,
    /// Until which day, that one included.
    pub until: Option<Date>,
    /// Who: a user id, or `cli:<system user>`.
    pub recorded_by: String,
    /// What colleagues call who did.
    pub recorded_by_name: Option<String>,
    /// When.
    pub recorded_at: Timestamp,
    /// When and why it was revoked.
    pub revoked: Option<(Timestamp, RevocationReason)>,
}

impl Registration {
    /// Whether the rules heed it on a day.
    #[must_use]
    pub fn stands(&self, today: Date) -> bool {
        self.revoked.is_none() && self.until.is_none_or(|last| today <= last)
    }
}

/// What the rules must heed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandingRegistration {
    /// At which household it was written down.
    pub household: HouseholdId,
    /// About whom; nobody in particular is the household.
    pub debtor: Option<DebtorId>,
    /// Why.
    pub reason: RegistrationReason,
    /// Until which day, that one included.
    pub until: Option<Date>,
}

/// A registration with when it stood, for a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedRegistration {
    /// Which one.
    pub id: Uuid,
    /// What stood.
    pub standing: StandingRegistration,
    /// From when on.
    pub recorded_at: Timestamp,
    /// Until when; none: it was not revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Whom a registration can be about, found by an id that a colleague has at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// The household.
    pub household: HouseholdId,
    /// The person that a signal names, when a signal was asked for.
    pub debtor: Option<DebtorId>,
    /// The task, when a task was asked for.
    pub task: Option<TaskId>,
}

/// What became of writing one down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registered {
    /// It is written down; these households must be judged again.
    New(Vec<HouseholdId>),
    /// The same was sent before, or it stands already.
    Already,
}

/// What became of revoking one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revoked {
    /// It stands no more; these households must be judged again.
    Done(Registration, Vec<HouseholdId>),
    /// It does not stand (any more).
    NotStanding,
    /// It holds the household, and the safety desk alone lifts a hold (K11).
    DeskOnly,
}

struct Row {
    registration_id: Uuid,
    municipality: String,
    household_id: Uuid,
    debtor_id: Option<Uuid>,
    reason: String,
    file_code: Option<String>,
    since: jiff_sqlx::Date,
    until: Option<jiff_sqlx::Date>,
    recorded_by: String,
    recorded_by_name: Option<String>,
    recorded_at: jiff_sqlx::Timestamp,
    revoked_at: Option<jiff_sqlx::Timestamp>,
    revoked_why: Option<String>,
}

fn corrupt(what: &'static str) -> StoreError {
    StoreError::Corrupt {
        table: "registrations",
        what,
    }
}

impl TryFrom<Row> for Registration {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Self, StoreError> {
        let revoked = match (row.revoked_at, row.revoked_why) {
            (Some(at), Some(why)) => {
                let why = why.parse().map_err(|_| corrupt("revoked_why"))?;
                Some((at.to_jiff(), why))
            }
            (None, None) => None,
            _ => return Err(corrupt("revoked_at and revoked_why go together")),
        };
        Ok(Self {
            id: row.registration_id,
            municipality: row
                .municipality
                .parse()
                .map_err(|_| corrupt("municipality"))?,
            household: HouseholdId::from_uuid(row.household_id),
            debtor: row.debtor_id.map(DebtorId::from_uuid),
            reason: row.reason.parse().map_err(|_| corrupt("reason"))?,
            file_code: row.file_code,
            since: row.since.to_jiff(),
            until: row.until.map(jiff_sqlx::Date::to_jiff),
            recorded_by: row.recorded_by,
            recorded_by_name: row.recorded_by_name,
            recorded_at: row.recorded_at.to_jiff(),
            revoked,
        })
    }
}

/// The columns of a [`Row`]; what follows narrows and sorts.
macro_rules! registrations_where {
    ($rest:literal, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"SELECT r.registration_id AS "registration_id!", r.municipality AS "municipality!", r.household_id AS "household_id!",
                      r.debtor_id AS "debtor_id?", r.reason AS "reason!", r.file_code AS "file_code?", r.since AS "since!: _",
                      r.until AS "until?: _", r.recorded_by AS "recorded_by!", u.display_name AS "recorded_by_name?",
                      r.recorded_at AS "recorded_at!: _", r.revoked_at AS "revoked_at?: _", r.revoked_why AS "revoked_why?"
               FROM registrations r LEFT JOIN users u ON u.user_id::text = r.recorded_by
               WHERE "# + $rest,
            $($argument),+
        )
    };
}

impl Store {
    /// Registrations of a municipality, newest first: `page` counts from 0, `only_standing` leaves out what was revoked or is past its last day.
    /// One more than [`REGISTRATIONS_PAGE`] says that there are more.
    pub async fn registrations(
        &self,
        municipality: MunicipalityCode,
        only_standing: Option<Date>,
        page: i64,
    ) -> Result<Vec<Registration>, StoreError> {
        registrations_where!(
            "r.municipality = $1
               AND ($2::date IS NULL OR (r.revoked_at IS NULL AND (r.until IS NULL OR $2 <= r.until)))
             ORDER BY r.recorded_at DESC, r.registration_id OFFSET $3 LIMIT $4",
            municipality.as_str(),
            only_standing.map(ToSqlx::to_sqlx) as Option<jiff_sqlx::Date>,
            page * REGISTRATIONS_PAGE,
            REGISTRATIONS_PAGE + 1,
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(Registration::try_from)
        .collect()
    }

    /// Whom this id names: a task, a household, or a signal where it lives now.
    pub async fn subject(
        &self,
        municipality: MunicipalityCode,
        id: Uuid,
    ) -> Result<Option<Subject>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT household_id AS "household_id!", debtor_id, task_id FROM (
                   SELECT household_id, NULL::uuid AS debtor_id, task_id, 1 AS turn FROM tasks
                   WHERE task_id = $1 AND municipality = $2
                   UNION ALL
                   SELECT household_id, debtor_id, NULL, 2 FROM signals
                   WHERE signal_id = $1 AND municipality = $2 AND lives_here
                     AND household_id = (SELECT h.household_id FROM signal_homes h WHERE h.signal_id = $1
                                         ORDER BY revision DESC, filing DESC LIMIT 1)
                   UNION ALL
                   SELECT household_id, NULL, NULL, 3 FROM households WHERE household_id = $1 AND municipality = $2) s
               ORDER BY turn LIMIT 1"#,
            id,
            municipality.as_str(),
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| Subject {
            household: HouseholdId::from_uuid(row.household_id),
            debtor: row.debtor_id.map(DebtorId::from_uuid),
            task: row.task_id.map(TaskId::from_uuid),
        }))
    }
}

impl Tx {
    /// What stands about these households and these persons. Until this transaction ends nobody writes down or revokes anything: who does so
    /// afterwards sees what this transaction wrote and wakes it.
    pub async fn standing_registrations(
        &mut self,
        households: &[HouseholdId],
        debtors: &BTreeSet<DebtorId>,
    ) -> Result<Vec<StandingRegistration>, StoreError> {
        sqlx::query!("SELECT pg_advisory_xact_lock_shared($1)", ACTS_LOCK)
            .execute(&mut *self.inner)
            .await?;
        let households: Vec<Uuid> = households.iter().map(|one| one.uuid()).collect();
        let debtors: Vec<Uuid> = debtors.iter().map(|debtor| debtor.uuid()).collect();
        // What one batch touches is much more than what ever stands, so the table is read and not searched.
        sqlx::query!(
            r#"SELECT household_id AS "household_id!", debtor_id, reason AS "reason!", until FROM registrations
               WHERE revoked_at IS NULL AND ((debtor_id IS NULL AND household_id = ANY($1)) OR debtor_id = ANY($2))
               ORDER BY recorded_at, registration_id"#,
            &households,
            &debtors,
        )
        .fetch_all(&mut *self.inner)
        .await?
        .into_iter()
        .map(|row| {
            Ok(StandingRegistration {
                household: HouseholdId::from_uuid(row.household_id),
                debtor: row.debtor_id.map(DebtorId::from_uuid),
                reason: row.reason.parse().map_err(|_| corrupt("reason"))?,
                until: row.until.map(jiff_sqlx::Date::to_jiff),
            })
        })
        .collect()
    }

    /// Everything that was registered and is kept, in the order in which it was written down.
    pub async fn recorded_registrations(
        &mut self,
    ) -> Result<Vec<RecordedRegistration>, StoreError> {
        sqlx::query!(
            r#"SELECT registration_id AS "registration_id!", household_id AS "household_id!", debtor_id, reason AS "reason!", until,
                      recorded_at AS "recorded_at!", revoked_at
               FROM registrations ORDER BY recorded_at, registration_id"#,
        )
        .fetch_all(&mut *self.inner)
        .await?
        .into_iter()
        .map(|row| {
            Ok(RecordedRegistration {
                id: row.registration_id,
                standing: StandingRegistration {
                    household: HouseholdId::from_uuid(row.household_id),
                    debtor: row.debtor_id.map(DebtorId::from_uuid),
                    reason: row.reason.parse().map_err(|_| corrupt("reason"))?,
                    until: row.until.map(jiff_sqlx::Date::to_jiff),
                },
                recorded_at: row.recorded_at.to_jiff(),
                revoked_at: row.revoked_at.map(jiff_sqlx::Timestamp::to_jiff),
            })
        })
        .collect()
    }

    /// Locks the open tasks of a household, as every change to them does.
    pub async fn lock_tasks_of(&mut self, household: HouseholdId) -> Result<(), StoreError> {
        sqlx::query!(
            "SELECT task_id FROM tasks WHERE household_id = $1 AND state IN ('open', 'claimed')
             ORDER BY household_id, purpose, task_id FOR UPDATE",
            household.uuid(),
        )
        .fetch_all(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Writes a registration down. One that holds ([`RegistrationReason::is_hold`]) holds the household and tells its open tasks, in words that
    /// are the same for every hold (K11). Take the lock of the household's tasks first, as every change does.
    pub async fn register(&mut self, new: &NewRegistration) -> Result<Registered, StoreError> {
        self.act_alone().await?;
        // What ran out makes room for a new one.
        sqlx::query!(
            "UPDATE registrations SET revoked_at = $5, revoked_by = $6, revoked_why = 'ended'
             WHERE municipality = $1 AND reason = $4 AND revoked_at IS NULL
               AND until < ($5::timestamptz AT TIME ZONE 'Europe/Amsterdam')::date
               AND ((debtor_id IS NULL AND $3::uuid IS NULL AND household_id = $2) OR debtor_id = $3)",
            new.municipality.as_str(),
            new.household.uuid(),
            new.debtor.map(DebtorId::uuid),
            new.reason.code(),
            new.at.to_sqlx() as _,
            new.by,
        )
        .execute(&mut *self.inner)
        .await?;
        let written = sqlx::query!(
            "INSERT INTO registrations (registration_id, municipality, household_id, debtor_id, kind, reason, file_code, since, until,
                recorded_by, recorded_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
            new.id,
            new.municipality.as_str(),
            new.household.uuid(),
            new.debtor.map(DebtorId::uuid),
            new.reason.kind().code(),
            new.reason.code(),
            new.file_code.as_ref().map(FileCode::as_str),
            new.since.to_sqlx() as jiff_sqlx::Date,
            new.until.map(ToSqlx::to_sqlx) as Option<jiff_sqlx::Date>,
            new.by,
            new.at.to_sqlx() as _,
        )
        .execute(&mut *self.inner)
        .await?
        .rows_affected();
        if written == 0 {
            return Ok(Registered::Already);
        }
        if new.reason.is_hold() {
            self.hold_by_hand(new).await?;
        }
        let touched = self.touched(new.household, new.debtor).await?;
        if !new.reason.is_hold() {
            self.note_places(new.id, &touched, true).await?;
        }
        Ok(Registered::New(touched))
    }

    /// Revokes a registration that stands.
    pub async fn revoke_registration(
        &mut self,
        municipality: MunicipalityCode,
        id: Uuid,
        by: &str,
        why: RevocationReason,
        at: Timestamp,
    ) -> Result<Revoked, StoreError> {
        self.act_alone().await?;
        let Some(registration) = self.registration(municipality, id).await? else {
            return Ok(Revoked::NotStanding);
        };
        if registration.revoked.is_some() {
            return Ok(Revoked::NotStanding);
        }
        if registration.reason.is_hold() {
            return Ok(Revoked::DeskOnly);
        }
        sqlx::query!(
            "UPDATE registrations SET revoked_by = $2, revoked_at = $3, revoked_why = $4
             WHERE registration_id = $1 AND revoked_at IS NULL",
            id,
            by,
            at.to_sqlx() as _,
            why.code(),
        )
        .execute(&mut *self.inner)
        .await?;
        let touched = self
            .touched(registration.household, registration.debtor)
            .await?;
        self.note_places(id, &touched, false).await?;
        Ok(Revoked::Done(registration, touched))
    }

    /// One registration, standing or not.
    pub async fn registration(
        &mut self,
        municipality: MunicipalityCode,
        id: Uuid,
    ) -> Result<Option<Registration>, StoreError> {
        registrations_where!(
            "r.municipality = $1 AND r.registration_id = $2",
            municipality.as_str(),
            id,
        )
        .fetch_optional(&mut *self.inner)
        .await?
        .map(Registration::try_from)
        .transpose()
    }

    /// Notes in the history of the task at which it was written down: the kind only.
    pub async fn tell_registered(
        &mut self,
        task: TaskId,
        kind: RegistrationKind,
        actor: UserId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO task_events (task_id, happened_at, actor, event, detail) VALUES ($1, $2, $3, 'registered', $4)",
            task.uuid(),
            at.to_sqlx() as _,
            actor.uuid(),
            serde_json::json!({ "kind": kind.code() }),
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Waits for the judgements that are being made, and lets none begin before this transaction ends.
    async fn act_alone(&mut self) -> Result<(), StoreError> {
        sqlx::query!("SELECT pg_advisory_xact_lock($1)", ACTS_LOCK)
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Notes where in the order of each household that it touches a registration begins or ceases to stand (K2): every judgement that was made did
    /// not see this act, and every later one does.
    async fn note_places(
        &mut self,
        id: Uuid,
        touched: &[HouseholdId],
        stands: bool,
    ) -> Result<(), StoreError> {
        let households: Vec<Uuid> = touched.iter().map(|one| one.uuid()).collect();
        sqlx::query!(
            "INSERT INTO registration_places (registration_id, household_id, came_before, stands)
             SELECT $1, n.household_id, (SELECT coalesce(max(s.came_at) + 1, 0) FROM signals s WHERE s.household_id = n.household_id), $3
             FROM UNNEST($2::uuid[]) AS n (household_id)",
            id,
            &households,
            stands,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// The households that a registration touches: its own, and wherever signals of the person live.
    async fn touched(
        &mut self,
        household: HouseholdId,
        debtor: Option<DebtorId>,
    ) -> Result<Vec<HouseholdId>, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT household_id AS "household!" FROM signals WHERE debtor_id = $2
               UNION SELECT $1::uuid ORDER BY 1"#,
            household.uuid(),
            debtor.map(DebtorId::uuid),
        )
        .fetch_all(&mut *self.inner)
        .await?
        .into_iter()
        .map(HouseholdId::from_uuid)
        .collect())
    }

    async fn hold_by_hand(&mut self, new: &NewRegistration) -> Result<(), StoreError> {
        let hold = NewHold {
            id: Uuid::new_v4(),
            municipality: new.municipality,
            household: new.household,
            reason: HoldReason::UnsafeToVisit,
            signal: None::<SignalId>,
        };
        self.hold(&[hold], new.at).await?;
        // Without an actor: who reads it must not learn that a colleague and not a report is behind it.
        sqlx::query!(
            "INSERT INTO task_events (task_id, happened_at, actor, event, detail)
             SELECT task_id, $2, NULL, 'held', '{}'::jsonb FROM tasks
             WHERE household_id = $1 AND state IN ('open', 'claimed') AND purpose <> 'safety' ORDER BY task_id",
            new.household.uuid(),
            new.at.to_sqlx() as _,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}

/// What was registered about this household and these persons and not revoked, oldest first.
pub(crate) async fn registrations_about(
    connection: &mut PgConnection,
    household: HouseholdId,
    debtors: &[DebtorId],
) -> Result<Vec<Registration>, StoreError> {
    let debtors: Vec<Uuid> = debtors.iter().map(|debtor| debtor.uuid()).collect();
    registrations_where!(
        "r.revoked_at IS NULL AND ((r.debtor_id IS NULL AND r.household_id = $1) OR r.debtor_id = ANY($2))
         ORDER BY r.recorded_at, r.registration_id",
        household.uuid(),
        &debtors,
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(Registration::try_from)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use sqlx::PgPool;

    const HOME: HouseholdId = HouseholdId::from_uuid(Uuid::from_u128(1));
    const ELSEWHERE: HouseholdId = HouseholdId::from_uuid(Uuid::from_u128(2));
    const PERSON: DebtorId = DebtorId::from_uuid(Uuid::from_u128(3));

    fn now() -> Timestamp {
        "2026-02-01T10:00:00Z".parse().unwrap()
    }

    fn town() -> MunicipalityCode {
        "0518".parse().unwrap()
    }

    fn new(number: u128, debtor: Option<DebtorId>, reason: RegistrationReason) -> NewRegistration {
        NewRegistration {
            id: Uuid::from_u128(number),
            municipality: town(),
            household: HOME,
            debtor,
            reason,
            file_code: Some("Z-26/1".parse().unwrap()),
            since: date(2026, 2, 1),
            until: None,
            by: "cli:test".to_owned(),
            at: now(),
        }
    }

    async fn register(store: &Store, new: &NewRegistration) -> Registered {
        let mut tx = store.begin("test").await.unwrap();
        let registered = tx.register(new).await.unwrap();
        tx.commit().await.unwrap();
        registered
    }

    async fn signal(pool: &PgPool, household: HouseholdId, signal: u128) {
        sqlx::query(
            "INSERT INTO signals (household_id, signal_id, municipality, revision, filing, lives_here, standing, partner_id,
                partner_type, kind, domain, event_date, first_received_at, received_at, crisis, warm_handover, debtor_id)
             VALUES ($1, $2, '0518', 1, 1, true, 'counted', 'p', 'rent', 'rent_arrears', 'debt', '2026-01-20', now(), now(), false, false, $3)",
        )
        .bind(household.uuid())
        .bind(Uuid::from_u128(signal))
        .bind(PERSON.uuid())
        .execute(pool)
        .await
        .unwrap();
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_person_is_heeded_wherever_their_signals_live(pool: PgPool) {
        signal(&pool, HOME, 10).await;
        signal(&pool, ELSEWHERE, 11).await;
        let store = Store::from_pool(pool);
        let objection = new(20, Some(PERSON), RegistrationReason::ByResident);
        let registered = register(&store, &objection).await;
        assert_eq!(registered, Registered::New(vec![HOME, ELSEWHERE]));
        assert_eq!(register(&store, &objection).await, Registered::Already);
        let twice = new(21, Some(PERSON), RegistrationReason::ByResident);
        assert_eq!(register(&store, &twice).await, Registered::Already);
        let mut tx = store.begin("test").await.unwrap();
        let persons = BTreeSet::from([PERSON]);
        let standing = tx.standing_registrations(&[ELSEWHERE], &persons).await;
        assert_eq!(standing.unwrap().len(), 1);
        let nobody = BTreeSet::new();
        let standing = tx.standing_registrations(&[HOME], &nobody).await;
        assert_eq!(
            standing.unwrap(),
            [],
            "it is about the person, not the household"
        );
        drop(tx);
        let mut tx = store.begin("test").await.unwrap();
        let why = RevocationReason::TakenBack;
        let revoked = tx.revoke_registration(town(), objection.id, "u", why, now());
        let Revoked::Done(_, touched) = revoked.await.unwrap() else {
            panic!("it stood");
        };
        assert_eq!(touched, [HOME, ELSEWHERE]);
        let again = tx.revoke_registration(town(), objection.id, "u", why, now());
        assert_eq!(again.await.unwrap(), Revoked::NotStanding);
        tx.commit().await.unwrap();
        assert!(matches!(register(&store, &twice).await, Registered::New(_)));
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_ran_out_makes_room_and_another_municipality_is_not_reached(pool: PgPool) {
        let store = Store::from_pool(pool);
        let mut client = new(20, None, RegistrationReason::DebtHelp);
        client.until = Some(date(2026, 2, 10));
        assert!(matches!(
            register(&store, &client).await,
            Registered::New(_)
        ));
        let mut next = new(21, None, RegistrationReason::DebtHelp);
        assert_eq!(register(&store, &next).await, Registered::Already);
        next.at = "2026-02-11T10:00:00Z".parse().unwrap();
        assert!(matches!(register(&store, &next).await, Registered::New(_)));
        let listed = store.registrations(town(), None, 0).await.unwrap();
        let revoked: Vec<_> = listed
            .iter()
            .map(|one| one.revoked.map(|(_, why)| why))
            .collect();
        assert_eq!(revoked, [None, Some(RevocationReason::Ended)]);
        let standing = store
            .registrations(town(), Some(date(2026, 2, 11)), 0)
            .await;
        assert_eq!(standing.unwrap().len(), 1);
        let other: MunicipalityCode = "0307".parse().unwrap();
        assert_eq!(store.registrations(other, None, 0).await.unwrap(), []);
        let mut tx = store.begin("test").await.unwrap();
        let revoked =
            tx.revoke_registration(other, next.id, "u", RevocationReason::Mistaken, now());
        assert_eq!(revoked.await.unwrap(), Revoked::NotStanding);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn unsafe_to_visit_is_a_hold_that_the_desk_lifts(pool: PgPool) {
        let store = Store::from_pool(pool);
        let unsafe_visit = new(20, None, RegistrationReason::UnsafeToVisit);
        assert!(matches!(
            register(&store, &unsafe_visit).await,
            Registered::New(_)
        ));
        let mut tx = store.begin("test").await.unwrap();
        let held = tx.active_holds(&[HOME]).await.unwrap();
        assert_eq!(held[&HOME], HoldReason::UnsafeToVisit);
        drop(tx);
        let mut tx = store.begin("test").await.unwrap();
        let revoked =
            tx.revoke_registration(town(), unsafe_visit.id, "u", RevocationReason::Ended, now());
        assert_eq!(revoked.await.unwrap(), Revoked::DeskOnly);
        let hold = store.desk_holds(town()).await.unwrap().rows.remove(0);
        let by = voorveld_domain::UserId::from_uuid(Uuid::from_u128(9));
        let lifted = tx.lift_hold(town(), hold.id, &hold.seen, by, "safe_again", now());
        assert_eq!(lifted.await.unwrap(), crate::holds::Lift::Lifted(HOME));
        tx.commit().await.unwrap();
        let listed = store.registrations(town(), None, 0).await.unwrap();
        assert_eq!(
            listed[0].revoked.map(|(_, why)| why),
            Some(RevocationReason::Ended)
        );
    }

    /// A judgement of a household where the person was never seen is under way when the person objects.
    #[sqlx::test(migrations = "../../migrations")]
    async fn an_act_waits_for_the_judgements_that_did_not_see_it(pool: PgPool) {
        let store = Store::from_pool(pool.clone());
        let mut judging = store.begin("judge").await.unwrap();
        let persons = BTreeSet::from([PERSON]);
        let seen = judging.standing_registrations(&[ELSEWHERE], &persons).await;
        assert_eq!(seen.unwrap(), []);
        let objection = new(20, Some(PERSON), RegistrationReason::ByResident);
        let judged = async {
            signal(&pool, ELSEWHERE, 11).await;
            judging.commit().await.unwrap();
        };
        let (registered, ()) = tokio::join!(register(&store, &objection), judged);
        assert_eq!(registered, Registered::New(vec![HOME, ELSEWHERE]));
    }
}
