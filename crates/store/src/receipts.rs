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
        // Known when it was looked for, and erased before it was locked. To make it now, with others under lock, is to wait out of order.
        if offered.iter().any(|one| !locked.contains_key(&one.index)) {
            return Err(StoreError::Gone {
                table: "signal_receipts",
            });
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
        let promised = revisions.iter().map(|new| &new.signal).chain(again);
        let promised: Vec<Uuid> = promised.copied().collect();
        let (inserted, copied) = if revisions.len() < FEW {
            (revisions, &[][..])
        } else {
            (&[][..], revisions)
        };
        let signals: Vec<Uuid> = inserted.iter().map(|new| new.signal).collect();
        let numbers: Vec<i32> = inserted
            .iter()
            .map(|new| new.revision.cast_signed())
            .collect();
        let digests: Vec<Vec<u8>> = inserted.iter().map(|new| new.digest.to_vec()).collect();
        let requests: Vec<String> = inserted.iter().map(|new| new.request_id.clone()).collect();
        sqlx::query!(
            "WITH promised AS (
                 INSERT INTO open_promises (promise_id, signals, promised_at)
                 SELECT $6, array_agg(DISTINCT signal_id), $5 FROM UNNEST($8::uuid[]) AS n (signal_id)
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
            &promised,
        )
        .execute(&mut *self.inner)
        .await?;
        self.copy_revisions(copied, from.now).await?;
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

    async fn copy_revisions(
        &mut self,
        revisions: &[NewRevision],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut rows = Rows::default();
        for new in revisions {
            rows.column(new.signal).column(new.revision.cast_signed());
            rows.column(&new.digest[..]).column(&new.request_id);
            rows.column(now.to_sqlx()).end();
        }
        let into = "signal_revisions (signal_id, revision, digest, request_id, received_at)";
        self.copy(into, rows).await
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
mod tests;
