//! Households, the keyed address and person indexes, sealed identities. All keys are keyed hashes: nothing here says who or where.
//!
//! Keys are looked up one by one (`LATERAL`, which `OFFSET 0` keeps apart): of a join by four columns PostgreSQL expects a single row, and then compares
//! each row of the index with each key of the batch.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;
use voorveld_domain::{DebtorId, HouseholdId, MunicipalityCode};

use crate::copying::{FEW, Rows};
use crate::{StoreError, Tx};

/// A keyed hash of something personal, within a municipality.
pub type BlindKey = (MunicipalityCode, [u8; 32]);

/// Under which key and normaliser the blind keys were made; rotating either re-indexes and renames nobody.
#[derive(Debug, Clone)]
pub struct IndexVersion {
    /// Id of the index key.
    pub key_id: String,
    /// Version of the normaliser.
    pub normaliser: i32,
}

/// An address at which nothing is joined across persons (K14).
#[derive(Debug, Clone)]
pub struct ExcludedAddress {
    /// The keyed address.
    pub key: BlindKey,
    /// Code: `institution`, `shelter`, `too_many_residents`.
    pub reason: String,
}

/// An envelope to keep.
#[derive(Debug, Clone)]
pub struct SealedRow {
    /// The signal.
    pub signal: Uuid,
    /// The revision it was sealed for.
    pub revision: u32,
    /// The envelope.
    pub envelope: Vec<u8>,
    /// When the revision came in.
    pub received_at: Timestamp,
}

/// The columns of [`Tx::copy_keyed`].
const ADDRESSES: &str =
    "address_index (municipality, key_id, normaliser_version, address_key, household_id)";
const PERSONS: &str =
    "debtor_index (municipality, key_id, normaliser_version, person_key, debtor_id)";

impl Tx {
    /// The household of each keyed address; one that was never seen gets the proposed id. Two owners that propose for the same address get the same answer.
    pub async fn households_of(
        &mut self,
        version: &IndexVersion,
        proposed: &[(BlindKey, HouseholdId)],
        now: Timestamp,
    ) -> Result<HashMap<BlindKey, HouseholdId>, StoreError> {
        if proposed.is_empty() {
            return Ok(HashMap::new());
        }
        let (municipalities, keys) = blind_columns(proposed.iter().map(|(key, _)| key));
        let found = sqlx::query!(
            "SELECT a.municipality, a.address_key, a.household_id FROM UNNEST($3::text[], $4::bytea[]) AS k (municipality, address_key)
             CROSS JOIN LATERAL (SELECT * FROM address_index a
                WHERE a.municipality = k.municipality AND a.key_id = $1 AND a.normaliser_version = $2 AND a.address_key = k.address_key OFFSET 0) AS a",
            version.key_id,
            version.normaliser,
            &municipalities,
            &keys,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        let mut households: HashMap<BlindKey, HouseholdId> = HashMap::with_capacity(proposed.len());
        for row in found {
            households.insert(
                blind_key(&row.municipality, &row.address_key)?,
                HouseholdId::from_uuid(row.household_id),
            );
        }
        let mut fresh: Vec<&(BlindKey, HouseholdId)> = proposed
            .iter()
            .filter(|(key, _)| !households.contains_key(key))
            .collect();
        if fresh.is_empty() {
            return Ok(households);
        }
        // In key order, so that two owners that meet here wait for each other instead of deadlocking.
        fresh.sort_unstable_by_key(|(key, _)| *key);
        let proposals = fresh
            .iter()
            .map(|(key, household)| (*key, household.uuid()));
        let (ids, municipalities): (Vec<Uuid>, Vec<String>) = if self
            .copy_keyed(ADDRESSES, version, proposals)
            .await?
        {
            households.extend(fresh.iter().copied().copied());
            fresh
                .iter()
                .map(|((municipality, _), household)| (household.uuid(), municipality.to_string()))
                .unzip()
        } else {
            self.settle_addresses(version, &fresh, &mut households)
                .await?
        };
        sqlx::query!(
            "INSERT INTO households (household_id, municipality, first_seen_at)
             SELECT h.id, h.municipality, $3 FROM UNNEST($1::uuid[], $2::text[]) AS h (id, municipality)",
            &ids,
            &municipalities,
            now.to_sqlx() as _,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(households)
    }

    /// Whom or what nobody had met yet, by key. `false`: too few to copy, or another owner met one of them meanwhile; nothing was written.
    async fn copy_keyed(
        &mut self,
        into: &str,
        version: &IndexVersion,
        fresh: impl ExactSizeIterator<Item = (BlindKey, Uuid)>,
    ) -> Result<bool, StoreError> {
        if fresh.len() < FEW {
            return Ok(false);
        }
        let mut rows = Rows::default();
        for ((municipality, key), id) in fresh {
            rows.column(municipality.as_str());
            rows.column(&version.key_id).column(version.normaliser);
            rows.column(&key[..]).column(id).end();
        }
        self.copy_unless_there(into, rows).await
    }

    /// The same one by one: where another owner met the same address first, its proposal stands. Ours that do stand, with their municipalities.
    async fn settle_addresses(
        &mut self,
        version: &IndexVersion,
        fresh: &[&(BlindKey, HouseholdId)],
        households: &mut HashMap<BlindKey, HouseholdId>,
    ) -> Result<(Vec<Uuid>, Vec<String>), StoreError> {
        let (municipalities, keys) = blind_columns(fresh.iter().map(|(key, _)| key));
        let ids: Vec<Uuid> = fresh
            .iter()
            .map(|(_, household)| household.uuid())
            .collect();
        let settled = sqlx::query!(
            "INSERT INTO address_index AS a (municipality, key_id, normaliser_version, address_key, household_id)
             SELECT n.municipality, $1, $2, n.address_key, n.household_id
             FROM UNNEST($3::text[], $4::bytea[], $5::uuid[]) AS n (municipality, address_key, household_id)
             ON CONFLICT (municipality, key_id, normaliser_version, address_key)
               DO UPDATE SET household_id = a.household_id
             RETURNING municipality, address_key, household_id",
            version.key_id,
            version.normaliser,
            &municipalities,
            &keys,
            &ids,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        for row in &settled {
            households.insert(
                blind_key(&row.municipality, &row.address_key)?,
                HouseholdId::from_uuid(row.household_id),
            );
        }
        // Where another owner met the same address first, its proposal stands and ours leaves no trace.
        let ours: HashSet<Uuid> = ids.into_iter().collect();
        Ok(settled
            .into_iter()
            .filter(|row| ours.contains(&row.household_id))
            .map(|row| (row.household_id, row.municipality))
            .unzip())
    }

    /// The random id of each keyed person that was seen before (S7).
    pub async fn known_debtors(
        &mut self,
        version: &IndexVersion,
        persons: &[BlindKey],
    ) -> Result<HashMap<BlindKey, DebtorId>, StoreError> {
        if persons.is_empty() {
            return Ok(HashMap::new());
        }
        let (municipalities, keys) = blind_columns(persons.iter());
        let rows = sqlx::query!(
            "SELECT d.municipality, d.person_key, d.debtor_id FROM UNNEST($3::text[], $4::bytea[]) AS k (municipality, person_key)
             CROSS JOIN LATERAL (SELECT * FROM debtor_index d
                WHERE d.municipality = k.municipality AND d.key_id = $1 AND d.normaliser_version = $2 AND d.person_key = k.person_key OFFSET 0) AS d",
            version.key_id,
            version.normaliser,
            &municipalities,
            &keys,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok((
                    blind_key(&row.municipality, &row.person_key)?,
                    DebtorId::from_uuid(row.debtor_id),
                ))
            })
            .collect()
    }

    /// The random id of each keyed person of whom [`Tx::known_debtors`] knew none (S7): the proposed one, unless another owner proposed its own meanwhile.
    /// Whoever is known all the same has a row rewritten for nothing.
    pub async fn new_debtors(
        &mut self,
        version: &IndexVersion,
        proposed: &[(BlindKey, DebtorId)],
    ) -> Result<HashMap<BlindKey, DebtorId>, StoreError> {
        let mut debtors = HashMap::with_capacity(proposed.len());
        if proposed.is_empty() {
            return Ok(debtors);
        }
        // In key order, so that two owners that meet here wait for each other instead of deadlocking.
        let mut fresh: Vec<&(BlindKey, DebtorId)> = proposed.iter().collect();
        fresh.sort_unstable_by_key(|(key, _)| *key);
        let proposals = fresh.iter().map(|(key, debtor)| (*key, debtor.uuid()));
        if self.copy_keyed(PERSONS, version, proposals).await? {
            return Ok(fresh.into_iter().copied().collect());
        }
        let (municipalities, keys) = blind_columns(fresh.iter().map(|(key, _)| key));
        let ids: Vec<Uuid> = fresh.iter().map(|(_, debtor)| debtor.uuid()).collect();
        let rows = sqlx::query!(
            "INSERT INTO debtor_index AS d (municipality, key_id, normaliser_version, person_key, debtor_id)
             SELECT n.municipality, $1, $2, n.person_key, n.debtor_id
             FROM UNNEST($3::text[], $4::bytea[], $5::uuid[]) AS n (municipality, person_key, debtor_id)
             ON CONFLICT (municipality, key_id, normaliser_version, person_key)
               DO UPDATE SET debtor_id = d.debtor_id
             RETURNING municipality, person_key, debtor_id",
            version.key_id,
            version.normaliser,
            &municipalities,
            &keys,
            &ids,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        for row in rows {
            debtors.insert(
                blind_key(&row.municipality, &row.person_key)?,
                DebtorId::from_uuid(row.debtor_id),
            );
        }
        Ok(debtors)
    }

    /// Which of these keyed addresses are excluded (K14).
    pub async fn excluded_among(
        &mut self,
        version: &IndexVersion,
        addresses: &[BlindKey],
    ) -> Result<Vec<BlindKey>, StoreError> {
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        let (municipalities, keys) = blind_columns(addresses.iter());
        let rows = sqlx::query!(
            "SELECT e.municipality, e.address_key FROM UNNEST($3::text[], $4::bytea[]) AS k (municipality, address_key)
             CROSS JOIN LATERAL (SELECT * FROM excluded_addresses e
                WHERE e.municipality = k.municipality AND e.key_id = $1 AND e.normaliser_version = $2 AND e.address_key = k.address_key OFFSET 0) AS e",
            version.key_id,
            version.normaliser,
            &municipalities,
            &keys,
        )
        .fetch_all(&mut *self.inner)
        .await?;
        rows.iter()
            .map(|row| blind_key(&row.municipality, &row.address_key))
            .collect()
    }

    /// Makes the list of excluded addresses exactly this one, and says how many came on and went off it.
    pub async fn exclude_addresses(
        &mut self,
        version: &IndexVersion,
        addresses: &[ExcludedAddress],
        now: Timestamp,
    ) -> Result<(u64, u64), StoreError> {
        let (municipalities, keys) = blind_columns(addresses.iter().map(|address| &address.key));
        let reasons: Vec<String> = addresses
            .iter()
            .map(|address| address.reason.clone())
            .collect();
        let gone = sqlx::query!(
            "DELETE FROM excluded_addresses AS e WHERE e.key_id <> $1 OR e.normaliser_version <> $2 OR NOT EXISTS (
                SELECT FROM UNNEST($3::text[], $4::bytea[]) AS n (municipality, address_key)
                WHERE n.municipality = e.municipality AND n.address_key = e.address_key)",
            version.key_id,
            version.normaliser,
            &municipalities,
            &keys,
        )
        .execute(&mut *self.inner)
        .await?;
        let come = sqlx::query!(
            "INSERT INTO excluded_addresses (municipality, key_id, normaliser_version, address_key, reason, added_at)
             SELECT n.municipality, $1, $2, n.address_key, n.reason, $6
             FROM UNNEST($3::text[], $4::bytea[], $5::text[]) AS n (municipality, address_key, reason)
             ON CONFLICT DO NOTHING",
            version.key_id,
            version.normaliser,
            &municipalities,
            &keys,
            &reasons,
            now.to_sqlx() as _,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok((come.rows_affected(), gone.rows_affected()))
    }

    /// Keeps envelopes; the same one twice is kept once.
    pub async fn keep_sealed(&mut self, rows: &[SealedRow]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        if self.copy_sealed(rows).await? {
            return Ok(());
        }
        let signals: Vec<Uuid> = rows.iter().map(|row| row.signal).collect();
        let revisions: Vec<i32> = rows.iter().map(|row| row.revision.cast_signed()).collect();
        let envelopes: Vec<Vec<u8>> = rows.iter().map(|row| row.envelope.clone()).collect();
        let received: Vec<jiff_sqlx::Timestamp> =
            rows.iter().map(|row| row.received_at.to_sqlx()).collect();
        sqlx::query!(
            "INSERT INTO sealed_identities AS kept (signal_id, revision, envelope, received_at)
             SELECT * FROM UNNEST($1::uuid[], $2::int[], $3::bytea[], $4::timestamptz[])
             ON CONFLICT (signal_id, revision) DO UPDATE SET envelope = excluded.envelope",
            &signals,
            &revisions,
            &envelopes,
            &received as _,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// `false`: too few to copy, or one is kept already; nothing was written.
    async fn copy_sealed(&mut self, sealed: &[SealedRow]) -> Result<bool, StoreError> {
        if sealed.len() < FEW {
            return Ok(false);
        }
        let mut rows = Rows::default();
        for one in sealed {
            rows.column(one.signal).column(one.revision.cast_signed());
            rows.column(&one.envelope);
            rows.column(one.received_at.to_sqlx()).end();
        }
        let into = "sealed_identities (signal_id, revision, envelope, received_at)";
        self.copy_unless_there(into, rows).await
    }
}

fn blind_columns<'a>(keys: impl Iterator<Item = &'a BlindKey>) -> (Vec<String>, Vec<Vec<u8>>) {
    keys.map(|(municipality, key)| (municipality.to_string(), key.to_vec()))
        .unzip()
}

fn blind_key(municipality: &str, key: &[u8]) -> Result<BlindKey, StoreError> {
    let corrupt = |what| StoreError::Corrupt {
        table: "address_index",
        what,
    };
    Ok((
        municipality
            .parse()
            .map_err(|_| corrupt("a municipality code has four digits"))?,
        key.try_into()
            .map_err(|_| corrupt("a blind key has 32 bytes"))?,
    ))
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::Store;
    use crate::copying::tests::until_blocked;

    fn version() -> IndexVersion {
        IndexVersion {
            key_id: "k".to_owned(),
            normaliser: 1,
        }
    }

    fn key(number: usize) -> BlindKey {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        ("0518".parse().unwrap(), key)
    }

    fn household(number: usize) -> HouseholdId {
        HouseholdId::from_uuid(Uuid::from_u128(number as u128))
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn of_two_who_propose_for_an_address_one_leaves_no_trace(pool: PgPool) {
        propose_for_the_same(1, &pool).await;
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn of_two_who_propose_for_many_addresses_one_leaves_no_trace(pool: PgPool) {
        propose_for_the_same(FEW, &pool).await;
    }

    /// Two owners, each with `many` addresses for itself, and as many that both meet.
    async fn propose_for_the_same(many: usize, pool: &PgPool) {
        let store = Store::from_pool(pool.clone());
        let now = "2025-01-19T10:00:00Z".parse().unwrap();
        let ours: Vec<_> = (0..2 * many).map(|at| (key(at), household(at))).collect();
        let theirs: Vec<_> = (many..3 * many)
            .map(|at| (key(at), household(at + 10 * many)))
            .collect();
        let mut first = store.begin("first").await.unwrap();
        let settled = first.households_of(&version(), &ours, now).await.unwrap();
        assert_eq!(settled, ours.iter().copied().collect());
        let second = async {
            let mut second = store.begin("second").await.unwrap();
            let settled = second
                .households_of(&version(), &theirs, now)
                .await
                .unwrap();
            second.commit().await.unwrap();
            settled
        };
        let committing = async {
            until_blocked(1, pool).await;
            first.commit().await.unwrap();
        };
        let (settled, ()) = tokio::join!(second, committing);
        let met_first = ours.iter().skip(many).copied();
        let met_by_them_alone = theirs.iter().skip(many).copied();
        let expected: HashMap<_, _> = met_first.chain(met_by_them_alone).collect();
        assert_eq!(
            settled, expected,
            "the first's household at the addresses of both"
        );
        let there: Vec<(Uuid, bool)> = sqlx::query_as(
            "SELECT household_id, EXISTS (SELECT FROM address_index a WHERE a.household_id = h.household_id) FROM households h ORDER BY 1",
        )
        .fetch_all(pool)
        .await
        .unwrap();
        let expected: Vec<_> = (0..2 * many)
            .chain(12 * many..13 * many)
            .map(|id| (household(id).uuid(), true))
            .collect();
        assert_eq!(there, expected);
    }

    /// Two owners, one of which has everything in the order of its keys and the other the other way round, do `propose` while somebody holds the key in
    /// the middle: whoever begins at either end gets as far as that.
    async fn meet_in_the_middle(
        many: usize,
        pool: &PgPool,
        propose: impl AsyncFn(&mut Tx, Vec<usize>) -> Result<(), StoreError>,
    ) {
        let store = Store::from_pool(pool.clone());
        let mut in_the_middle = store.begin("in the middle").await.unwrap();
        propose(&mut in_the_middle, vec![many / 2]).await.unwrap();
        let meet = async |numbers: Vec<usize>| {
            let mut tx = store.begin("test").await?;
            propose(&mut tx, numbers).await?;
            tx.commit().await
        };
        let letting_go = async {
            until_blocked(2, pool).await;
            drop(in_the_middle);
        };
        let forth = meet((0..many).collect());
        let back = meet((0..many).rev().collect());
        let (forth, back, ()) = tokio::join!(forth, back, letting_go);
        forth.and(back).unwrap();
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn owners_that_meet_the_same_addresses_in_another_order_do_not_deadlock(pool: PgPool) {
        for (many, key_id) in [(50, "few"), (2 * FEW, "many")] {
            meet_in_the_middle(many, &pool, async |tx, numbers| {
                let version = IndexVersion {
                    key_id: key_id.to_owned(),
                    normaliser: 1,
                };
                let one = |at: usize| (key(at), HouseholdId::from_uuid(Uuid::new_v4()));
                let proposed: Vec<_> = numbers.into_iter().map(one).collect();
                let now = "2025-01-19T10:00:00Z".parse().unwrap();
                tx.households_of(&version, &proposed, now).await.map(drop)
            })
            .await;
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn owners_that_meet_the_same_persons_in_another_order_do_not_deadlock(pool: PgPool) {
        for (many, key_id) in [(50, "few"), (2 * FEW, "many")] {
            meet_in_the_middle(many, &pool, async |tx, numbers| {
                let version = IndexVersion {
                    key_id: key_id.to_owned(),
                    normaliser: 1,
                };
                let one = |at: usize| (key(at), DebtorId::from_uuid(Uuid::new_v4()));
                let proposed: Vec<_> = numbers.into_iter().map(one).collect();
                tx.new_debtors(&version, &proposed).await.map(drop)
            })
            .await;
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_person_whom_another_owner_met_meanwhile_keeps_that_name(pool: PgPool) {
        let store = Store::from_pool(pool);
        let debtor = |number: usize| DebtorId::from_uuid(Uuid::from_u128(number as u128));
        for many in [1, FEW] {
            let first: Vec<_> = (0..many).map(|at| (key(at), debtor(at))).collect();
            let again: Vec<_> = (0..2 * many)
                .map(|at| (key(at), debtor(at + 10 * FEW)))
                .collect();
            let mut tx = store.begin("test").await.unwrap();
            let made = tx.new_debtors(&version(), &first).await.unwrap();
            assert_eq!(made, first.iter().copied().collect());
            let settled = tx.new_debtors(&version(), &again).await.unwrap();
            let expected = first.iter().chain(&again[many..]).copied().collect();
            assert_eq!(settled, expected);
            let known = [key(0), key(2 * many - 1), key(2 * many)];
            let known = tx.known_debtors(&version(), &known).await.unwrap();
            let expected = [(key(0), debtor(0)), again[2 * many - 1]];
            assert_eq!(known, HashMap::from(expected));
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn an_envelope_is_kept_once_in_its_last_form(pool: PgPool) {
        let store = Store::from_pool(pool);
        for many in [1, FEW] {
            let sealed = |numbers: std::ops::Range<usize>, envelope: &[u8]| -> Vec<SealedRow> {
                let row = |number| SealedRow {
                    signal: household(number).uuid(),
                    revision: 1,
                    envelope: envelope.to_vec(),
                    received_at: "2025-01-19T10:00:00Z".parse().unwrap(),
                };
                numbers.map(row).collect()
            };
            let mut tx = store.begin("test").await.unwrap();
            tx.keep_sealed(&sealed(0..2 * many, b"first"))
                .await
                .unwrap();
            tx.keep_sealed(&sealed(many..3 * many, b"again"))
                .await
                .unwrap();
            let kept: Vec<(Vec<u8>, i64)> = sqlx::query_as(
                "SELECT envelope, count(*) FROM sealed_identities GROUP BY 1 ORDER BY 1",
            )
            .fetch_all(&mut *tx.inner)
            .await
            .unwrap();
            let many = i64::try_from(many).unwrap();
            assert_eq!(
                kept,
                [(b"again".to_vec(), 2 * many), (b"first".to_vec(), many)]
            );
        }
    }
}
