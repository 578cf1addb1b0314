//! Sessions and sign-in throttling.
//!
//! Only hashes of tokens are kept, so a copy of this table signs nobody in.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use crate::users::{User, UserRow};
use crate::{Store, StoreError};

/// A session that is to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    /// Hash of the token in the cookie.
    pub token_hash: Vec<u8>,
    /// Whose.
    pub user: voorveld_domain::UserId,
    /// Hash of the token in its forms.
    pub csrf_hash: Vec<u8>,
    /// When it begins.
    pub created_at: Timestamp,
    /// When it ends, used or not.
    pub expires_at: Timestamp,
}

/// A session that is still good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub user: User,
    /// Hash of the token in its forms.
    pub csrf_hash: Vec<u8>,
    /// When it ends, used or not.
    pub expires_at: Timestamp,
}

impl Store {
    /// Begins a session and forgets the failed attempts of that login.
    pub async fn begin_session(&self, session: &NewSession) -> Result<(), StoreError> {
        let mut tx = self.begin("sign in").await?;
        sqlx::query!(
            "INSERT INTO sessions (token_hash, user_id, csrf_hash, created_at, seen_at, expires_at)
             VALUES ($1, $2, $3, $4, $4, $5)",
            session.token_hash,
            session.user.uuid(),
            session.csrf_hash,
            session.created_at.to_sqlx() as _,
            session.expires_at.to_sqlx() as _,
        )
        .execute(&mut *tx.inner)
        .await?;
        sqlx::query!(
            "DELETE FROM sign_in_failures WHERE login = (SELECT login FROM users WHERE user_id = $1)",
            session.user.uuid(),
        )
        .execute(&mut *tx.inner)
        .await?;
        tx.commit().await
    }

    /// The session behind a token: not ended, seen after `idle_since`, of an account that is not disabled. With `used` it
    /// is seen now.
    pub async fn session(
        &self,
        token_hash: &[u8],
        now: Timestamp,
        idle_since: Timestamp,
        used: bool,
    ) -> Result<Option<Session>, StoreError> {
        let row = sqlx::query!(
            "UPDATE sessions s SET seen_at = CASE WHEN $4 THEN greatest(s.seen_at, $2) ELSE s.seen_at END
             FROM users u
             WHERE s.token_hash = $1 AND $2 < s.expires_at AND $3 < s.seen_at
               AND u.user_id = s.user_id AND u.disabled_at IS NULL
             RETURNING s.csrf_hash, s.expires_at, u.user_id, u.municipality, u.login, u.display_name, u.roles, u.teams,
                       u.created_at, u.disabled_at, u.must_change",
            token_hash,
            now.to_sqlx() as _,
            idle_since.to_sqlx() as _,
            used,
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| {
            Ok(Session {
                user: User::try_from(UserRow {
                    user_id: row.user_id,
                    municipality: row.municipality,
                    login: row.login,
                    display_name: row.display_name,
                    roles: row.roles,
                    teams: row.teams,
                    created_at: row.created_at,
                    disabled_at: row.disabled_at,
                    must_change: row.must_change,
                })?,
                csrf_hash: row.csrf_hash,
                expires_at: row.expires_at.to_jiff(),
            })
        })
        .transpose()
    }

    /// Ends a session.
    pub async fn end_session(&self, token_hash: &[u8]) -> Result<(), StoreError> {
        sqlx::query!("DELETE FROM sessions WHERE token_hash = $1", token_hash)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Writes down that somebody is about to try a password of a login, unless that was done `most` times since an instant: then false.
    /// Counting and writing down happen under a lock of that login, so that attempts sent at once are counted one by one.
    pub async fn begin_attempt(
        &self,
        login: &str,
        now: Timestamp,
        since: Timestamp,
        most: i64,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin("begin an attempt to sign in").await?;
        sqlx::query!(
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
            login,
        )
        .execute(&mut *tx.inner)
        .await?;
        let written = sqlx::query!(
            "INSERT INTO sign_in_failures (login, failed_at)
             SELECT $1, $2 WHERE (SELECT count(*) FROM sign_in_failures WHERE login = $1 AND failed_at > $3) < $4",
            login,
            now.to_sqlx() as _,
            since.to_sqlx() as _,
            most,
        )
        .execute(&mut *tx.inner)
        .await?
        .rows_affected();
        tx.commit().await?;
        Ok(written == 1)
    }

    /// Forgets the attempts of a login: the password was right.
    pub async fn forget_attempts(&self, login: &str) -> Result<(), StoreError> {
        sqlx::query!("DELETE FROM sign_in_failures WHERE login = $1", login)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Empties what has served: ended sessions, failures from before `failures_before`. Says how many rows went.
    pub async fn sweep_sessions(
        &self,
        now: Timestamp,
        idle_since: Timestamp,
        failures_before: Timestamp,
    ) -> Result<u64, StoreError> {
        let sessions = sqlx::query!(
            "DELETE FROM sessions WHERE expires_at <= $1 OR seen_at <= $2",
            now.to_sqlx() as _,
            idle_since.to_sqlx() as _,
        )
        .execute(&self.pool)
        .await?
        .rows_affected();
        let failures = sqlx::query!(
            "DELETE FROM sign_in_failures WHERE failed_at <= $1",
            failures_before.to_sqlx() as _,
        )
        .execute(&self.pool)
        .await?
        .rows_affected();
        Ok(sessions + failures)
    }
}
