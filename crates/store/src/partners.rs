//! Partners and their API keys. A key is kept as a hash; rotating leaves the old one valid for a while.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use crate::{Store, StoreError};

/// An organisation that may push signals, as the door knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partner {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// CBS codes it may send for.
    pub municipalities: Vec<String>,
    /// Signal kinds it may send.
    pub kinds: Vec<String>,
    /// Official types it acts as.
    pub partner_types: Vec<String>,
    /// Signals a minute over all doors.
    pub rows_per_minute: u32,
    /// S1: a row without reference is known by what it says instead of refused.
    pub natural_key: bool,
    /// Since when it may not send any more.
    pub disabled_at: Option<Timestamp>,
}

/// An API key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its first part.
    pub prefix: String,
    /// Hash of the whole.
    pub hash: Vec<u8>,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when, once it was rotated or disabled.
    pub expires_at: Option<Timestamp>,
}

/// A partner in a list, with its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerWithKeys {
    /// The partner.
    pub partner: Partner,
    /// Its keys, newest first; the hash serves nobody here and is empty.
    pub keys: Vec<KeyRecord>,
}

/// Why a partner was not changed.
#[derive(Debug, thiserror::Error)]
pub enum PartnerError {
    /// The id is taken.
    #[error("there is a partner with this id already")]
    Exists,
    /// No such partner.
    #[error("there is no partner with this id")]
    Unknown,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for PartnerError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(StoreError::Sql(error))
    }
}

macro_rules! partner {
    ($row:expr) => {
        Partner {
            id: $row.partner_id,
            name: $row.name,
            municipalities: $row.municipalities,
            kinds: $row.kinds,
            partner_types: $row.partner_types,
            rows_per_minute: $row.rows_per_minute.max(0).cast_unsigned(),
            natural_key: $row.natural_key,
            disabled_at: $row.disabled_at.map(jiff_sqlx::Timestamp::to_jiff),
        }
    };
}

impl Store {
    /// Writes a new partner and its first key down.
    pub async fn add_partner(
        &self,
        partner: &Partner,
        key_prefix: &str,
        key_hash: &[u8],
        now: Timestamp,
    ) -> Result<(), PartnerError> {
        let mut tx = self.begin("add_partner").await?;
        let added = sqlx::query!(
            "INSERT INTO partners (partner_id, name, municipalities, kinds, partner_types, rows_per_minute, natural_key, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
            partner.id,
            partner.name,
            &partner.municipalities,
            &partner.kinds,
            &partner.partner_types,
            i32::try_from(partner.rows_per_minute).unwrap_or(i32::MAX),
            partner.natural_key,
            now.to_sqlx() as _,
        )
        .execute(&mut *tx.inner)
        .await?
        .rows_affected();
        if added == 0 {
            return Err(PartnerError::Exists);
        }
        sqlx::query!(
            "INSERT INTO partner_keys (key_prefix, partner_id, secret_hash, created_at) VALUES ($1, $2, $3, $4)",
            key_prefix,
            partner.id,
            key_hash,
            now.to_sqlx() as _,
        )
        .execute(&mut *tx.inner)
        .await?;
        Ok(tx.commit().await?)
    }

    /// Gives a partner a new key; its other keys stay valid until `old_until`.
    pub async fn rotate_partner_key(
        &self,
        partner: &str,
        key_prefix: &str,
        key_hash: &[u8],
        old_until: Timestamp,
        now: Timestamp,
    ) -> Result<(), PartnerError> {
        let mut tx = self.begin("rotate_partner_key").await?;
        let known = sqlx::query_scalar!(
            "SELECT 1 AS one FROM partners WHERE partner_id = $1 FOR UPDATE",
            partner
        )
        .fetch_optional(&mut *tx.inner)
        .await?;
        if known.is_none() {
            return Err(PartnerError::Unknown);
        }
        sqlx::query!(
            "UPDATE partner_keys SET expires_at = LEAST(expires_at, $2) WHERE partner_id = $1",
            partner,
            old_until.to_sqlx() as _,
        )
        .execute(&mut *tx.inner)
        .await?;
        sqlx::query!(
            "INSERT INTO partner_keys (key_prefix, partner_id, secret_hash, created_at) VALUES ($1, $2, $3, $4)",
            key_prefix,
            partner,
            key_hash,
            now.to_sqlx() as _,
        )
        .execute(&mut *tx.inner)
        .await?;
        Ok(tx.commit().await?)
    }

    /// Closes the door to a partner: it and all its keys, as of now.
    pub async fn disable_partner(&self, partner: &str, now: Timestamp) -> Result<(), PartnerError> {
        let mut tx = self.begin("disable_partner").await?;
        let changed = sqlx::query!(
            "UPDATE partners SET disabled_at = COALESCE(disabled_at, $2) WHERE partner_id = $1",
            partner,
            now.to_sqlx() as _,
        )
        .execute(&mut *tx.inner)
        .await?
        .rows_affected();
        if changed == 0 {
            return Err(PartnerError::Unknown);
        }
        sqlx::query!(
            "UPDATE partner_keys SET expires_at = LEAST(expires_at, $2) WHERE partner_id = $1",
            partner,
            now.to_sqlx() as _,
        )
        .execute(&mut *tx.inner)
        .await?;
        Ok(tx.commit().await?)
    }

    /// All partners with their keys, by id.
    pub async fn partners(&self) -> Result<Vec<PartnerWithKeys>, StoreError> {
        let partners = sqlx::query!(
            "SELECT partner_id, name, municipalities, kinds, partner_types, rows_per_minute, natural_key, disabled_at
             FROM partners ORDER BY partner_id"
        )
        .fetch_all(&self.pool)
        .await?;
        let keys = sqlx::query!(
            "SELECT key_prefix, partner_id, created_at, expires_at FROM partner_keys ORDER BY created_at DESC, key_prefix"
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(partners
            .into_iter()
            .map(|row| {
                let partner = partner!(row);
                let keys = keys
                    .iter()
                    .filter(|key| key.partner_id == partner.id)
                    .map(|key| KeyRecord {
                        prefix: key.key_prefix.clone(),
                        hash: Vec::new(),
                        created_at: key.created_at.to_jiff(),
                        expires_at: key.expires_at.map(jiff_sqlx::Timestamp::to_jiff),
                    })
                    .collect();
                PartnerWithKeys { partner, keys }
            })
            .collect())
    }

    /// The partner a key belongs to, whether the key is still good or not: the caller compares hash and time.
    pub async fn partner_by_key_prefix(
        &self,
        prefix: &str,
    ) -> Result<Option<(Partner, KeyRecord)>, StoreError> {
        let row = sqlx::query!(
            "SELECT p.partner_id, name, municipalities, kinds, partner_types, rows_per_minute, natural_key, disabled_at,
                    key_prefix, secret_hash, k.created_at, expires_at
             FROM partner_keys k JOIN partners p USING (partner_id) WHERE key_prefix = $1",
            prefix
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| {
            let key = KeyRecord {
                prefix: row.key_prefix,
                hash: row.secret_hash,
                created_at: row.created_at.to_jiff(),
                expires_at: row.expires_at.map(jiff_sqlx::Timestamp::to_jiff),
            };
            (partner!(row), key)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;
    use sqlx::PgPool;

    fn partner(id: &str) -> Partner {
        Partner {
            id: id.into(),
            name: "Woningstichting Voorbeeld".into(),
            municipalities: vec!["0518".into()],
            kinds: vec!["rent_arrears".into()],
            partner_types: vec!["rent".into()],
            rows_per_minute: 1_000,
            natural_key: false,
            disabled_at: None,
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_rotated_key_stays_valid_for_the_overlap_and_a_disabled_partner_has_none(
        pool: PgPool,
    ) {
        let store = Store::from_pool(pool);
        let now: Timestamp = "2026-02-01T10:00:00Z".parse().unwrap();
        let later = now + 24.hours();
        store
            .add_partner(&partner("a"), "aaaa", b"one", now)
            .await
            .unwrap();
        assert!(matches!(
            store.add_partner(&partner("a"), "bbbb", b"x", now).await,
            Err(PartnerError::Exists)
        ));
        store
            .rotate_partner_key("a", "cccc", b"two", later, now)
            .await
            .unwrap();
        let (found, old) = store.partner_by_key_prefix("aaaa").await.unwrap().unwrap();
        assert_eq!((found, old.expires_at), (partner("a"), Some(later)));
        let (_, new) = store.partner_by_key_prefix("cccc").await.unwrap().unwrap();
        assert_eq!((new.hash, new.expires_at), (b"two".to_vec(), None));
        store.disable_partner("a", now).await.unwrap();
        let listed = store.partners().await.unwrap();
        assert_eq!(listed[0].partner.disabled_at, Some(now));
        assert!(listed[0].keys.iter().all(|key| key.expires_at == Some(now)));
        for unknown in [
            store.disable_partner("b", now).await,
            store
                .rotate_partner_key("b", "dddd", b"x", later, now)
                .await,
        ] {
            assert!(matches!(unknown, Err(PartnerError::Unknown)));
        }
        assert_eq!(store.partner_by_key_prefix("bbbb").await.unwrap(), None);
    }
}
