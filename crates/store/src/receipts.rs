//! Signals as the gateway knows them: receipts and revisions (I1, S1, S2).
//!
//! What a claim means for a signal is decided by the gateway; here are the lock, the facts to decide on, and the writing down. Every
//! function takes a whole request or chunk and runs a fixed number of statements.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::copying::{FEW, Rows};
use crate::{Store, StoreError, Tx};

/// The keyed index of a partner's reference.
pub type ReferenceIndex = [u8; 32];
/// The keyed digest of what a revision says.
pub type Digest = [u8; 32];

/// A reference that may be new.
#[derive(Debug, Clone)]
pub struct OfferedReference {
    /// The reference.
    pub index: ReferenceIndex,
    /// The id the signal gets when the reference is new.
    pub signal: Uuid,
    /// CBS code.
    pub municipality: String,
    /// Signal kind.
    pub kind: String,
    /// What the first revision says.
    pub digest: Digest,
}

/// The greatest revision that said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaidIn {
    /// Its number.
    pub revision: u32,
    /// Its receipt.
    pub received_at: Timestamp,
}

/// A signal under lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedReceipt {
    /// The signal.
    pub signal: Uuid,
    /// Its reference.
    pub index: ReferenceIndex,
    /// CBS code.
    pub municipality: String,
    /// Signal kind.
    pub kind: String,
    /// Current revision.
    pub revision: u32,
    /// What the current revision says.
    pub digest: Digest,
    /// Whether the log is known to hold the current revision.
    pub acknowledged: bool,
    /// Why it is withdrawn, while it is.
    pub withdrawn: Option<String>,
    /// First receipt.
    pub first_received_at: Timestamp,
    /// Receipt of the current revision.
    pub received_at: Timestamp,
    /// Whether this transaction made it: the current revision is then still to be written down.
    pub is_new: bool,
    /// What every revision said, the current one too, and in which.
    pub said: HashMap<Digest, SaidIn>,
}

impl LockedReceipt {
    /// As it was just made for a reference that was new.
    fn made(offered: &OfferedReference, now: Timestamp) -> Self {
        let first = SaidIn {
            revision: 1,
            received_at: now,
        };
        Self {
            signal: offered.signal,
            index: offered.index,
            municipality: offered.municipality.clone(),
            kind: offered.kind.clone(),
            revision: first.revision,
            digest: offered.digest,
            acknowledged: false,
            withdrawn: None,
            first_received_at: now,
            received_at: now,
            is_new: true,
            said: HashMap::from([(offered.digest, first)]),
        }
    }
}

/// A revision to write down.
#[derive(Debug, Clone)]
pub struct NewRevision {
    /// The signal.
    pub signal: Uuid,
    /// Its number.
    pub revision: u32,
    /// What it says.
    pub digest: Digest,
    /// Signal kind.
    pub kind: String,
    /// Why the signal is withdrawn by it.
    pub withdrawn: Option<String>,
    /// The request that said so.
    pub request_id: String,
}

/// Where revisions come from.
#[derive(Debug, Clone, Copy)]
pub struct Provenance<'a> {
    /// The partner.
    pub partner: &'a str,
    /// The delivered file, if any.
    pub delivery: Option<Uuid>,
    /// The moment.
    pub now: Timestamp,
    /// The promise with which they come in.
    pub promise: Uuid,
}

/// A number to add to the day's counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntakeCount {
    /// CBS code, empty where none could be read.
    pub municipality: String,
    /// accepted, corrected, withdrawn, unchanged or refused.
    pub outcome: &'static str,
    /// Refusal code, else empty.
    pub code: &'static str,
}

/// A receipt as its partner may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The signal.
    pub signal: Uuid,
    /// CBS code.
    pub municipality: String,
    /// Signal kind.
    pub kind: String,
    /// Current revision.
    pub revision: u32,
    /// Whether the log is known to hold it.
    pub acknowledged: bool,
    /// Why it is withdrawn, while it is.
    pub withdrawn: Option<String>,
    /// Whether somebody has finished with it (K12).
    pub closed: bool,
    /// When its retention was over and everything but this was erased (S5).
    pub erased_at: Option<Timestamp>,
    /// First receipt.
    pub first_received_at: Timestamp,
    /// Receipt of the current revision.
    pub received_at: Timestamp,
}

fn fixed(bytes: &[u8]) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Corrupt {
        table: "signal_receipts",
        what: "an index or digest has 32 bytes",
    })
}

fn counter(number: i32) -> Result<u32, StoreError> {
    u32::try_from(number)
        .ok()
        .filter(|number| *number >= 1)
        .ok_or(StoreError::Corrupt {
            table: "signal_receipts",
            what: "revisions count from 1",
        })
}

/// Whether the log is known to hold the current revision of a receipt.
fn is_held(state: &str, promise: Option<Uuid>, open: &HashSet<Uuid>) -> bool {
    match state {
        "promised" => promise.is_some_and(|promise| !open.contains(&promise)),
        // As the release before wrote it.
        state => state == "acknowledged",
    }
}

impl Tx {
    /// Gives every new reference its signal, locks all of them and says what is known of each. References that are only sought get no
    /// signal when they have none.
    ///
    /// New rows are made first and in order, then old rows are locked in order: a transaction that waits for a new row holds
    /// no lock that another could wait for, so two requests with the same references never deadlock.
    pub async fn lock_references(
        &mut self,
        from: Provenance<'_>,
        offered: &[OfferedReference],
        sought: &[ReferenceIndex],
    ) -> Result<HashMap<ReferenceIndex, LockedReceipt>, StoreError> {
        if offered.is_empty() && sought.is_empty() {
            return Ok(HashMap::new());
        }
        let made = self.make_receipts(from, offered).await?;
        let (new, known): (Vec<&OfferedReference>, Vec<&OfferedReference>) =
            offered.iter().partition(|one| made.contains(&one.signal));
        let mut locked: HashMap<ReferenceIndex, LockedReceipt> = new
            .into_iter()
            .map(|one| (one.index, LockedReceipt::made(one, from.now)))
            .collect();
        // What was just made is under lock already.
        let indexes: Vec<Vec<u8>> = known
            .into_iter()
            .map(|one| one.index.to_vec())
            .chain(
                sought
                    .iter()
                    .filter(|index| !locked.contains_key(*index))
                    .map(|index| index.to_vec()),
            )
            .collect();
        if indexes.is_empty() {
            return Ok(locked);
        }
        let rows = sqlx::query!(
            "SELECT signal_id, reference_index, municipality, kind, revision, digest, state, promise_id, withdrawn, first_received_at, received_at
             FROM signal_receipts WHERE partner_id = $1 AND reference_index = ANY($2) ORDER BY reference_index FOR UPDATE",
            from.partner,
            &indexes,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        let promises = rows.iter().filter_map(|row| row.promise_id).collect();
        let open = self.open_among(promises).await?;
        let mut owner = HashMap::with_capacity(rows.len());
        for row in rows {
            let (index, digest) = (fixed(&row.reference_index)?, fixed(&row.digest)?);
            owner.insert(row.signal_id, index);
            let current = SaidIn {
                revision: counter(row.revision)?,
                received_at: row.received_at.to_jiff(),
            };
            let receipt = LockedReceipt {
                signal: row.signal_id,
                index,
                municipality: row.municipality,
                kind: row.kind,
                revision: current.revision,
                digest,
                acknowledged: is_held(&row.state, row.promise_id, &open),
                withdrawn: row.withdrawn,
                first_received_at: row.first_received_at.to_jiff(),
                received_at: current.received_at,
                is_new: false,
                said: HashMap::from([(digest, current)]),
            };
            locked.insert(index, receipt);
        }
        let old: Vec<Uuid> = owner.keys().copied().collect();
        for (signal, digest, said_in) in self.digests_of(&old).await? {
            if let Some(receipt) = locked.get_mut(&owner[&signal]) {
                receipt.said.insert(digest, said_in);
            }
        }
        Ok(locked)
    }

    /// Gives every new reference its receipt, in the order of their indexes. The signals of those that had none.
    async fn make_receipts(
        &mut self,
        from: Provenance<'_>,
        offered: &[OfferedReference],
    ) -> Result<HashSet<Uuid>, StoreError> {
        if FEW <= offered.len() {
            let known = self.references_among(from.partner, offered).await?;
            let mut new: Vec<&OfferedReference> = offered
                .iter()
                .filter(|one| !known.contains(&one.index[..]))
                .collect();
            new.sort_unstable_by_key(|one| one.index);
            if self.copy_receipts(from, &new).await? {
                return Ok(new.into_iter().map(|one| one.signal).collect());
            }
        }
        let indexes: Vec<Vec<u8>> = offered.iter().map(|one| one.index.to_vec()).collect();
        let signals: Vec<Uuid> = offered.iter().map(|one| one.signal).collect();
        let municipalities: Vec<String> =
            offered.iter().map(|one| one.municipality.clone()).collect();
        let kinds: Vec<String> = offered.iter().map(|one| one.kind.clone()).collect();
        let digests: Vec<Vec<u8>> = offered.iter().map(|one| one.digest.to_vec()).collect();
        Ok(sqlx::query_scalar!(
            "INSERT INTO signal_receipts (signal_id, municipality, partner_id, reference_index, kind, revision, digest, state, promise_id,
                delivery_id, first_received_at, received_at)
             SELECT n.signal_id, n.municipality, $6, n.reference_index, n.kind, 1, n.digest, 'promised', $9, $7, $8, $8
             FROM UNNEST($1::uuid[], $2::text[], $3::bytea[], $4::text[], $5::bytea[])
                AS n(signal_id, municipality, reference_index, kind, digest)
             ORDER BY n.reference_index
             ON CONFLICT (partner_id, reference_index) DO NOTHING
             RETURNING signal_id",
            &signals,
            &municipalities,
            &indexes,
            &kinds,
            &digests,
            from.partner,
            from.delivery,
            from.now.to_sqlx() as _,
            from.promise,
        )
        .fetch_all(&mut *self.inner)
        .await?
        .into_iter()
        .collect())
    }

    /// Which of these this partner sent before.
    async fn references_among(
        &mut self,
        partner: &str,
        offered: &[OfferedReference],
    ) -> Result<HashSet<Vec<u8>>, StoreError> {
        let indexes: Vec<&[u8]> = offered.iter().map(|one| &one.index[..]).collect();
        Ok(sqlx::query_scalar!(
            "SELECT reference_index FROM signal_receipts WHERE partner_id = $1 AND reference_index = ANY($2)",
            partner,
            &indexes as _,
        )
        .fetch_all(&mut *self.inner)
        .await?
        .into_iter()
        .collect())
    }

    /// `false`: somebody else sent one of them meanwhile, and none was written.
    async fn copy_receipts(
        &mut self,
        from: Provenance<'_>,
        new: &[&OfferedReference],
    ) -> Result<bool, StoreError> {
        let now = from.now.to_sqlx();
        let mut rows = Rows::default();
        for one in new {
            rows.column(one.signal).column(&one.municipality);
            rows.column(from.partner).column(&one.index[..]);
            rows.column(&one.kind).column(1_i32).column(&one.digest[..]);
            rows.column("promised").column(from.promise);
            rows.column(from.delivery).column(now).column(now).end();
        }
        let into = "signal_receipts (signal_id, municipality, partner_id, reference_index, kind, revision, digest, state, promise_id, \
                    delivery_id, first_received_at, received_at)";
        self.copy_unless_there(into, rows).await
    }

    /// Which of these promises are open. To be asked once the receipts are locked: a statement that waited for a lock does not see what was promised
    /// meanwhile.
    async fn open_among(&mut self, promises: HashSet<Uuid>) -> Result<HashSet<Uuid>, StoreError> {
        if promises.is_empty() {
            return Ok(HashSet::new());
        }
        let promises: Vec<Uuid> = promises.into_iter().collect();
        let open = sqlx::query_scalar!(
            "SELECT promise_id FROM open_promises WHERE promise_id = ANY($1)",
            &promises,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        Ok(open.into_iter().collect())
    }

    /// What the revisions of signals said, the greatest last.
    async fn digests_of(
        &mut self,
        signals: &[Uuid],
    ) -> Result<Vec<(Uuid, Digest, SaidIn)>, StoreError> {
        if signals.is_empty() {
            return Ok(Vec::new());
        }
        sqlx::query!(
            "SELECT signal_id, revision, digest, received_at FROM signal_revisions WHERE signal_id = ANY($1) ORDER BY signal_id, revision",
            signals
        )
        .fetch_all(&mut *self.inner)
        .await?
        .into_iter()
        .map(|row| {
            let said_in = SaidIn {
                revision: counter(row.revision)?,
                received_at: row.received_at.to_jiff(),
            };
            Ok((row.signal_id, fixed(&row.digest)?, said_in))
        })
        .collect()
    }

    /// Locks one signal of this partner and says what is known of it; one that was erased is known no more.
    pub async fn lock_receipt(
        &mut self,
        partner: &str,
        signal: Uuid,
    ) -> Result<Option<LockedReceipt>, StoreError> {
        let Some(row) = sqlx::query!(
            "SELECT reference_index, municipality, kind, revision, digest, state, promise_id, withdrawn, first_received_at, received_at
             FROM signal_receipts WHERE partner_id = $1 AND signal_id = $2 AND erased_at IS NULL FOR UPDATE",
            partner,
            signal,
        )
        .fetch_optional(&mut *self.inner)
        .await?
        else {
            return Ok(None);
        };
        let open = self
            .open_among(row.promise_id.into_iter().collect())
            .await?;
        let said = self
            .digests_of(&[signal])
            .await?
            .into_iter()
            .map(|(_, digest, said_in)| (digest, said_in))
            .collect();
        Ok(Some(LockedReceipt {
            signal,
            index: fixed(&row.reference_index)?,
            municipality: row.municipality,
            kind: row.kind,
            revision: counter(row.revision)?,
            digest: fixed(&row.digest)?,
            acknowledged: is_held(&row.state, row.promise_id, &open),
            withdrawn: row.withdrawn,
            first_received_at: row.first_received_at.to_jiff(),
            received_at: row.received_at.to_jiff(),
            is_new: false,
            said,
        }))
    }

    /// Writes new revisions down, pending, and makes the greatest of each signal its current one. In the order given, which is the order of
    /// their numbers. `again`: signals whose current revision was promised before and is promised anew, since nobody knows whether the log holds it.
    pub async fn promise(
        &mut self,
        from: Provenance<'_>,
        revisions: &[NewRevision],
        again: &[Uuid],
    ) -> Result<(), StoreError> {
        if revisions.is_empty() && again.is_empty() {
            return Ok(());
        }
        let signals: Vec<Uuid> = revisions.iter().map(|new| new.signal).collect();
        let numbers: Vec<i32> = revisions
            .iter()
            .map(|new| new.revision.cast_signed())
            .collect();
        let digests: Vec<Vec<u8>> = revisions.iter().map(|new| new.digest.to_vec()).collect();
        let requests: Vec<String> = revisions.iter().map(|new| new.request_id.clone()).collect();
        sqlx::query!(
            "WITH promised AS (
                 INSERT INTO open_promises (promise_id, signals, promised_at)
                 SELECT $6, array_agg(DISTINCT signal_id), $5 FROM UNNEST($1::uuid[] || $7::uuid[]) AS n (signal_id)
             ), anew AS (
                 UPDATE signal_receipts SET state = 'promised', promise_id = $6 WHERE signal_id = ANY($7)
             )
             INSERT INTO signal_revisions (signal_id, revision, digest, request_id, received_at)
             SELECT n.*, $5 FROM UNNEST($1::uuid[], $2::int[], $3::bytea[], $4::text[]) AS n",
            &signals,
            &numbers,
            &digests,
            &requests,
            from.now.to_sqlx() as _,
            from.promise,
            again,
        )
        .execute(&mut *self.inner)
        .await?;
        // The first revision stands in the receipt already.
        let later: Vec<&NewRevision> = revisions.iter().filter(|new| new.revision > 1).collect();
        if later.is_empty() {
            return Ok(());
        }
        let signals: Vec<Uuid> = later.iter().map(|new| new.signal).collect();
        let numbers: Vec<i32> = later.iter().map(|new| new.revision.cast_signed()).collect();
        let digests: Vec<Vec<u8>> = later.iter().map(|new| new.digest.to_vec()).collect();
        let kinds: Vec<String> = later.iter().map(|new| new.kind.clone()).collect();
        let reasons: Vec<Option<String>> = later.iter().map(|new| new.withdrawn.clone()).collect();
        sqlx::query!(
            "UPDATE signal_receipts r
             SET revision = n.revision, digest = n.digest, kind = n.kind, withdrawn = n.withdrawn, state = 'promised', promise_id = $8,
                 received_at = $6, delivery_id = $7
             FROM (SELECT DISTINCT ON (signal_id) * FROM UNNEST($1::uuid[], $2::int[], $3::bytea[], $4::text[], $5::text[])
                       AS u(signal_id, revision, digest, kind, withdrawn) ORDER BY signal_id, revision DESC) n
             WHERE r.signal_id = n.signal_id",
            &signals,
            &numbers,
            &digests,
            &kinds,
            &reasons as _,
            from.now.to_sqlx() as _,
            from.delivery,
            from.promise,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Notes what the log holds and counts what came of a request, with whatever else this transaction does.
    pub async fn settle(&mut self, settled: &Settled<'_>) -> Result<(), StoreError> {
        settled.write(&mut *self.inner).await
    }
}

/// What came of a request or a chunk of a file, once the log holds what was new in it.
#[derive(Debug, Clone, Copy)]
pub struct Settled<'a> {
    /// The promise that the log holds now. A signal that was promised anew meanwhile waits for that promise.
    pub kept: Option<Uuid>,
    /// Who sent it.
    pub partner: &'a str,
    /// On whose counts it goes.
    pub day: Date,
    /// What to add to them.
    pub counts: &'a HashMap<IntakeCount, u64>,
}

impl Settled<'_> {
    /// In one statement, so that a repeat counts once.
    async fn write(&self, executor: impl PgExecutor<'_>) -> Result<(), StoreError> {
        // In order, so that two requests of one partner meet the rows in the same order.
        let mut ordered: Vec<(&IntakeCount, &u64)> = self.counts.iter().collect();
        ordered.sort_unstable();
        let municipalities: Vec<String> = ordered
            .iter()
            .map(|(count, _)| count.municipality.clone())
            .collect();
        let outcomes: Vec<String> = ordered
            .iter()
            .map(|(count, _)| count.outcome.to_owned())
            .collect();
        let codes: Vec<String> = ordered
            .iter()
            .map(|(count, _)| count.code.to_owned())
            .collect();
        let numbers: Vec<i64> = ordered
            .iter()
            .map(|(_, number)| i64::try_from(**number).unwrap_or(i64::MAX))
            .collect();
        sqlx::query!(
            "WITH kept AS (DELETE FROM open_promises WHERE promise_id = $1)
             INSERT INTO intake_counts AS c (day, partner_id, municipality, outcome, code, signals)
             SELECT $2, $3, n.* FROM UNNEST($4::text[], $5::text[], $6::text[], $7::bigint[]) AS n
             ON CONFLICT (day, partner_id, municipality, outcome, code) DO UPDATE SET signals = c.signals + EXCLUDED.signals",
            self.kept,
            self.day.to_sqlx() as _,
            self.partner,
            &municipalities,
            &outcomes,
            &codes,
            &numbers,
        )
        .execute(executor)
        .await?;
        Ok(())
    }
}

impl Store {
    /// Notes what the log holds and counts what came of a request.
    pub async fn settle(&self, settled: &Settled<'_>) -> Result<(), StoreError> {
        settled.write(&self.pool).await
    }

    /// The receipt of a signal of this partner.
    pub async fn receipt(
        &self,
        partner: &str,
        signal: Uuid,
    ) -> Result<Option<Receipt>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT municipality, kind, revision, withdrawn, first_received_at, received_at, signal_is_closed(signal_id) AS "closed!", erased_at,
                (state = 'acknowledged' OR state = 'promised' AND NOT EXISTS (SELECT 1 FROM open_promises p WHERE p.promise_id = r.promise_id))
                    AS "acknowledged!"
             FROM signal_receipts r WHERE partner_id = $1 AND signal_id = $2"#,
            partner,
            signal,
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| {
            Ok(Receipt {
                signal,
                municipality: row.municipality,
                kind: row.kind,
                revision: counter(row.revision)?,
                acknowledged: row.acknowledged,
                withdrawn: row.withdrawn,
                closed: row.closed,
                erased_at: row.erased_at.map(jiff_sqlx::Timestamp::to_jiff),
                first_received_at: row.first_received_at.to_jiff(),
                received_at: row.received_at.to_jiff(),
            })
        })
        .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::PgPool;

    const GROUND: &str = "INSERT INTO task_grounds (task_id, rule_id, anchor, rule_version, rule_set, witnesses, evidence, words, due_on,
            added_as_of)
         VALUES ($1, 'debt.single', 'a', 1, 'x', ARRAY[$2::uuid], '{}', '', '2026-03-01', '2026-02-01')";

    fn now() -> Timestamp {
        "2026-02-01T10:00:00Z".parse().unwrap()
    }

    async fn store(pool: PgPool) -> Store {
        sqlx::query(
            "INSERT INTO partners VALUES ('a', 'A', '{0518}', '{rent_arrears}', '{rent}', 10, false, now(), NULL)",
        )
        .execute(&pool)
        .await
        .unwrap();
        Store::from_pool(pool)
    }

    fn offer(index: u8, digest: u8) -> OfferedReference {
        OfferedReference {
            index: [index; 32],
            signal: Uuid::now_v7(),
            municipality: "0518".into(),
            kind: "rent_arrears".into(),
            digest: [digest; 32],
        }
    }

    fn from() -> Provenance<'static> {
        Provenance {
            partner: "a",
            delivery: None,
            now: now(),
            promise: Uuid::now_v7(),
        }
    }

    fn revision(signal: Uuid, revision: u32, digest: u8, withdrawn: Option<&str>) -> NewRevision {
        NewRevision {
            signal,
            revision,
            digest: [digest; 32],
            kind: "rent_arrears".into(),
            withdrawn: withdrawn.map(str::to_owned),
            request_id: "test".into(),
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_reference_keeps_its_signal_and_remembers_what_every_revision_said(pool: PgPool) {
        let store = store(pool).await;
        let first = offer(1, 1);
        let mut tx = store.begin("test").await.unwrap();
        let locked = tx
            .lock_references(from(), &[first.clone(), offer(2, 2)], &[[2; 32], [3; 32]])
            .await
            .unwrap();
        assert!(locked[&[1; 32]].is_new && locked[&[2; 32]].is_new);
        assert_eq!(locked.len(), 2, "what was only sought is not made");
        tx.promise(
            from(),
            &[
                revision(first.signal, 1, 1, None),
                revision(first.signal, 2, 3, None),
                revision(first.signal, 3, 4, Some("paid")),
            ],
            &[],
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();

        let mut tx = store.begin("test").await.unwrap();
        let locked = tx
            .lock_references(from(), &[], &[[1; 32]])
            .await
            .unwrap()
            .remove(&[1; 32])
            .unwrap();
        assert_eq!(
            (locked.signal, locked.revision, locked.is_new),
            (first.signal, 3, false)
        );
        assert_eq!(locked.withdrawn.as_deref(), Some("paid"));
        let said_in = |revision| SaidIn {
            revision,
            received_at: now(),
        };
        assert_eq!(
            locked.said,
            HashMap::from([
                ([1; 32], said_in(1)),
                ([3; 32], said_in(2)),
                ([4; 32], said_in(3))
            ]),
            "every revision counts for S2"
        );
        drop(tx);
        let mut tx = store.begin("test").await.unwrap();
        assert_eq!(
            tx.lock_receipt("a", first.signal).await.unwrap(),
            Some(locked)
        );
        assert_eq!(tx.lock_receipt("b", first.signal).await.unwrap(), None);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn of_many_references_that_two_requests_bring_each_is_one_signal(pool: PgPool) {
        let store = store(pool.clone()).await;
        let offers = |numbers: std::ops::Range<usize>| -> Vec<OfferedReference> {
            let numbered = |number: usize| {
                let mut offered = offer(0, 1);
                offered.index[..8].copy_from_slice(&number.to_be_bytes());
                offered
            };
            numbers.map(numbered).collect()
        };
        let (ours, theirs) = (offers(0..2 * FEW), offers(FEW..3 * FEW));
        let mut first = store.begin("first").await.unwrap();
        let locked = first.lock_references(from(), &ours, &[]).await.unwrap();
        assert!(ours.iter().all(|one| locked[&one.index].is_new));
        let second = async {
            let mut second = store.begin("second").await.unwrap();
            let locked = second.lock_references(from(), &theirs, &[]).await.unwrap();
            second.commit().await.unwrap();
            locked
        };
        let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')";
        let committing = async {
            while !sqlx::query_scalar::<_, bool>(waits)
                .fetch_one(&pool)
                .await
                .unwrap()
            {}
            first.commit().await.unwrap();
        };
        let (locked, ()) = tokio::join!(second, committing);
        let is_whose = |offered: &[OfferedReference], is_new: bool| {
            let receipt = |one: &OfferedReference| &locked[&one.index];
            let is_so = |one| receipt(one).signal == one.signal && receipt(one).is_new == is_new;
            offered.iter().all(is_so)
        };
        assert_eq!(locked.len(), 2 * FEW);
        assert!(is_whose(&ours[FEW..], false), "whose the first was");
        assert!(is_whose(&theirs[FEW..], true));

        let mut third = store.begin("third").await.unwrap();
        let offered = offers(0..4 * FEW);
        let locked = third.lock_references(from(), &offered, &[]).await.unwrap();
        let new = offered.iter().filter(|one| locked[&one.index].is_new);
        assert_eq!(
            new.map(|one| one.signal).collect::<Vec<_>>(),
            offered[3 * FEW..]
                .iter()
                .map(|one| one.signal)
                .collect::<Vec<_>>()
        );
        assert_eq!(locked[&ours[0].index].signal, ours[0].signal);
    }

    fn settled(kept: Option<Uuid>, counts: &HashMap<IntakeCount, u64>) -> Settled<'_> {
        Settled {
            kept,
            partner: "a",
            day: jiff::civil::date(2026, 2, 1),
            counts,
        }
    }

    impl Store {
        async fn kept(&self, promise: Uuid) {
            let nothing = HashMap::new();
            self.settle(&settled(Some(promise), &nothing))
                .await
                .unwrap();
        }

        async fn is_acknowledged(&self, signal: Uuid) -> bool {
            let said = self.receipt("a", signal).await.unwrap().unwrap();
            let pending: i64 =
                sqlx::query_scalar("SELECT count(*) FROM pending_receipts WHERE signal_id = $1")
                    .bind(signal)
                    .fetch_one(&self.pool)
                    .await
                    .unwrap();
            assert_eq!(said.acknowledged, pending == 0);
            said.acknowledged
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_was_promised_anew_waits_for_that_promise(pool: PgPool) {
        let store = store(pool).await;
        let (first, second) = (offer(1, 1), offer(2, 2));
        let (one, two, three) = (from(), from(), from());
        let mut tx = store.begin("test").await.unwrap();
        tx.lock_references(one, &[first.clone(), second.clone()], &[])
            .await
            .unwrap();
        let said = [
            revision(first.signal, 1, 1, None),
            revision(second.signal, 1, 2, None),
        ];
        tx.promise(one, &said, &[]).await.unwrap();
        tx.commit().await.unwrap();
        // Corrected, and said again, while nobody knows whether the log holds the first.
        let mut tx = store.begin("test").await.unwrap();
        let locked = tx
            .lock_references(two, std::slice::from_ref(&first), &[second.index])
            .await
            .unwrap();
        assert!(locked.values().all(|receipt| !receipt.acknowledged));
        let corrected = [revision(first.signal, 2, 3, None)];
        tx.promise(two, &corrected, &[]).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = store.begin("test").await.unwrap();
        tx.lock_receipt("a", second.signal).await.unwrap();
        tx.promise(three, &[], &[second.signal]).await.unwrap();
        tx.commit().await.unwrap();

        let both = async || {
            (
                store.is_acknowledged(first.signal).await,
                store.is_acknowledged(second.signal).await,
            )
        };
        store.kept(one.promise).await;
        assert_eq!(both().await, (false, false));
        store.kept(two.promise).await;
        assert_eq!(both().await, (true, false));
        store.kept(three.promise).await;
        assert_eq!(both().await, (true, true));
        let mut tx = store.begin("test").await.unwrap();
        let locked = tx
            .lock_references(from(), &[], &[first.index])
            .await
            .unwrap();
        assert!(locked[&first.index].acknowledged);
        assert_eq!(store.receipt("b", first.signal).await.unwrap(), None);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn who_waited_for_a_receipt_sees_what_was_promised_meanwhile(pool: PgPool) {
        let store = store(pool.clone()).await;
        let one = offer(1, 1);
        let mut tx = store.begin("test").await.unwrap();
        let before = from();
        tx.lock_references(before, std::slice::from_ref(&one), &[])
            .await
            .unwrap();
        let said = [revision(one.signal, 1, 1, None)];
        tx.promise(before, &said, &[]).await.unwrap();
        tx.commit().await.unwrap();
        store.kept(before.promise).await;

        let mut correcting = store.begin("test").await.unwrap();
        correcting.lock_receipt("a", one.signal).await.unwrap();
        let waiting = async |by_reference: bool| {
            let mut tx = store.begin("test").await.unwrap();
            let receipt = if by_reference {
                let found = tx.lock_references(from(), &[], &[one.index]).await;
                found.unwrap().remove(&one.index)
            } else {
                tx.lock_receipt("a", one.signal).await.unwrap()
            };
            let receipt = receipt.unwrap();
            (receipt.revision, receipt.acknowledged)
        };
        let correct = async {
            // Both stand before the lock, with what they saw before.
            loop {
                let blocked: i64 = sqlx::query_scalar(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
                )
                .fetch_one(&pool)
                .await
                .unwrap();
                if blocked == 2 {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            let again = [revision(one.signal, 2, 2, None)];
            correcting.promise(from(), &again, &[]).await.unwrap();
            correcting.commit().await.unwrap();
        };
        let (by_reference, by_signal, ()) = tokio::join!(waiting(true), waiting(false), correct);
        assert_eq!((by_reference, by_signal), ((2, false), (2, false)));
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_the_release_before_wrote_is_read_as_it_meant_it(pool: PgPool) {
        let store = store(pool.clone()).await;
        let (held, waits) = (offer(1, 1), offer(2, 2));
        let mut tx = store.begin("test").await.unwrap();
        let made = from();
        tx.lock_references(made, &[held.clone(), waits.clone()], &[])
            .await
            .unwrap();
        let said = [
            revision(held.signal, 1, 1, None),
            revision(waits.signal, 1, 2, None),
        ];
        tx.promise(made, &said, &[]).await.unwrap();
        tx.commit().await.unwrap();
        let write = async |signal: Uuid, state: &str| {
            sqlx::query("UPDATE signal_receipts SET state = $2 WHERE signal_id = $1")
                .bind(signal)
                .bind(state)
                .execute(&pool)
                .await
                .unwrap();
        };
        write(held.signal, "acknowledged").await;
        write(waits.signal, "pending").await;
        let both = async || {
            let mut tx = store.begin("test").await.unwrap();
            let locked = tx
                .lock_references(from(), &[], &[held.index, waits.index])
                .await
                .unwrap();
            for one in [&held, &waits] {
                assert_eq!(
                    locked[&one.index].acknowledged,
                    store.is_acknowledged(one.signal).await
                );
            }
            (
                locked[&held.index].acknowledged,
                locked[&waits.index].acknowledged,
            )
        };
        assert_eq!(both().await, (true, false));
        store.kept(made.promise).await;
        assert_eq!(both().await, (true, false));
        let mut tx = store.begin("test").await.unwrap();
        let again = from();
        tx.promise(again, &[], &[waits.signal]).await.unwrap();
        tx.commit().await.unwrap();
        store.kept(again.promise).await;
        assert_eq!(both().await, (true, true));
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_partner_learns_that_a_task_ended_and_never_that_the_safety_desk_had_it(
        pool: PgPool,
    ) {
        let store = store(pool.clone()).await;
        let (plain, safe) = (offer(1, 1), offer(2, 2));
        let mut tx = store.begin("test").await.unwrap();
        tx.lock_references(from(), &[plain.clone(), safe.clone()], &[])
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let task = async |purpose: &str, signal: Uuid| {
            let task = Uuid::now_v7();
            sqlx::query(
                "INSERT INTO tasks (task_id, municipality, household_id, purpose, state, urgency, ladder_step, due_on, team_id, area_id,
                    raised_as_of, raised_at)
                 VALUES ($1, '0518', $2, $3, 'open', 'routine', 1, '2026-03-01', 'noord', 'noord', '2026-02-01', now())",
            )
            .bind(task)
            .bind(Uuid::now_v7())
            .bind(purpose)
            .execute(&pool)
            .await
            .unwrap();
            sqlx::query(GROUND)
                .bind(task)
                .bind(signal)
                .execute(&pool)
                .await
                .unwrap();
            task
        };
        let end = async |task: Uuid| {
            sqlx::query("UPDATE tasks SET state = 'closed' WHERE task_id = $1")
                .bind(task)
                .execute(&pool)
                .await
                .unwrap();
        };
        let closed = async |signal| store.receipt("a", signal).await.unwrap().unwrap().closed;
        let first = task("debt_help", plain.signal).await;
        assert!(!closed(plain.signal).await);
        end(first).await;
        assert!(closed(plain.signal).await);
        task("joint_help", plain.signal).await;
        assert!(
            !closed(plain.signal).await,
            "another task still leans on it"
        );
        let desk = task("safety", safe.signal).await;
        end(desk).await;
        assert!(!closed(safe.signal).await);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn two_requests_with_the_same_references_in_another_order_do_not_deadlock(pool: PgPool) {
        let store = store(pool).await;
        let forth: Vec<_> = (0..50).map(|n| offer(n, n)).collect();
        let back: Vec<_> = (0..50).rev().map(|n| offer(n, n)).collect();
        let take = async |offers: Vec<OfferedReference>| {
            let mut tx = store.begin("test").await?;
            let locked = tx.lock_references(from(), &offers, &[]).await?;
            let made = locked.values().filter(|one| one.is_new).count();
            tx.commit().await?;
            Ok::<usize, StoreError>(made)
        };
        let (one, two) = tokio::join!(take(forth), take(back));
        assert_eq!(one.unwrap() + two.unwrap(), 50);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn counts_add_up(pool: PgPool) {
        let store = store(pool.clone()).await;
        let count = IntakeCount {
            municipality: "0518".into(),
            outcome: "refused",
            code: "too_old",
        };
        for number in [2, 3] {
            let counts = HashMap::from([(count.clone(), number)]);
            store.settle(&settled(None, &counts)).await.unwrap();
        }
        let sum: i64 = sqlx::query_scalar("SELECT signals FROM intake_counts")
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(sum, 5);
    }
}
