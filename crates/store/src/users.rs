//! Accounts of colleagues.

use std::fmt;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use voorveld_domain::{MunicipalityCode, Role, TeamId, UserId};

use crate::audit::NewAuditEvent;
use crate::{Store, StoreError};

/// The constraint that says that a login is taken.
pub const LOGIN_TAKEN: &str = "users_login_key";

/// A colleague's account. Prints as its id: a colleague has a name too.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Who, for good.
    pub id: UserId,
    /// The one municipality this account works for.
    pub municipality: MunicipalityCode,
    /// What one types to sign in.
    pub login: String,
    /// What colleagues see.
    pub display_name: String,
    /// What this account may do.
    pub roles: Vec<Role>,
    /// Whose tasks it sees.
    pub teams: Vec<TeamId>,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when, if it ended.
    pub disabled_at: Option<Timestamp>,
    /// Whether the password must be changed before anything else.
    pub must_change: bool,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "User({}, …)", self.id)
    }
}

impl User {
    /// Whether this account has a role.
    #[must_use]
    pub fn has_role(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether this account is in a team.
    #[must_use]
    pub fn is_in(&self, team: &str) -> bool {
        self.teams.iter().any(|own| own.as_str() == team)
    }
}

/// A user row, checked on its way in.
pub(crate) struct UserRow {
    pub user_id: uuid::Uuid,
    pub municipality: String,
    pub login: String,
    pub display_name: String,
    pub roles: Vec<String>,
    pub teams: Vec<String>,
    pub created_at: jiff_sqlx::Timestamp,
    pub disabled_at: Option<jiff_sqlx::Timestamp>,
    pub must_change: bool,
}

impl TryFrom<UserRow> for User {
    type Error = StoreError;
    fn try_from(row: UserRow) -> Result<Self, StoreError> {
        let corrupt = |what| StoreError::Corrupt {
            table: "users",
            what,
        };
        Ok(Self {
            id: UserId::from_uuid(row.user_id),
            municipality: row
                .municipality
                .parse()
                .map_err(|_| corrupt("municipality"))?,
            login: row.login,
            display_name: row.display_name,
            roles: row
                .roles
                .iter()
                .map(|role| role.parse())
                .collect::<Result<_, _>>()
                .map_err(|_| corrupt("roles"))?,
            teams: row
                .teams
                .iter()
                .map(|team| team.parse())
                .collect::<Result<_, _>>()
                .map_err(|_| corrupt("teams"))?,
            created_at: row.created_at.to_jiff(),
            disabled_at: row.disabled_at.map(jiff_sqlx::Timestamp::to_jiff),
            must_change: row.must_change,
        })
    }
}

impl Store {
    /// Adds an account; a login that is taken is a unique violation of [`LOGIN_TAKEN`].
    pub async fn add_user(
        &self,
        user: &User,
        password_hash: &str,
        audit: NewAuditEvent,
    ) -> Result<(), StoreError> {
        let roles: Vec<String> = user.roles.iter().map(|role| role.code().into()).collect();
        let teams: Vec<String> = user.teams.iter().map(ToString::to_string).collect();
        let mut tx = self.begin("add user").await?;
        sqlx::query!(
            "INSERT INTO users (user_id, municipality, login, display_name, password_hash, roles, teams, created_at,
                                disabled_at, must_change)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL, $9)",
            user.id.uuid(),
            user.municipality.as_str(),
            user.login,
            user.display_name,
            password_hash,
            &roles,
            &teams,
            user.created_at.to_sqlx() as _,
            user.must_change,
        )
        .execute(&mut *tx.inner)
        .await?;
        tx.record_audit(&[audit]).await?;
        tx.commit().await
    }

    /// All accounts, by login; of one municipality when one is named.
    pub async fn users(
        &self,
        municipality: Option<MunicipalityCode>,
    ) -> Result<Vec<User>, StoreError> {
        sqlx::query_as!(
            UserRow,
            "SELECT user_id, municipality, login, display_name, roles, teams, created_at, disabled_at, must_change
             FROM users WHERE $1::text IS NULL OR municipality = $1 ORDER BY login",
            municipality.map(|code| code.to_string()),
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(User::try_from)
        .collect()
    }

    /// The account with this login and its password hash.
    pub async fn user_by_login(&self, login: &str) -> Result<Option<(User, String)>, StoreError> {
        let row = sqlx::query!(
            "SELECT user_id, municipality, login, display_name, password_hash, roles, teams, created_at, disabled_at,
                    must_change
             FROM users WHERE login = $1",
            login,
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| {
            let user = User::try_from(UserRow {
                user_id: row.user_id,
                municipality: row.municipality,
                login: row.login,
                display_name: row.display_name,
                roles: row.roles,
                teams: row.teams,
                created_at: row.created_at,
                disabled_at: row.disabled_at,
                must_change: row.must_change,
            })?;
            Ok((user, row.password_hash))
        })
        .transpose()
    }

    /// Ends an account and signs it out everywhere. False: there is no such active account.
    pub async fn disable_user(
        &self,
        login: &str,
        at: Timestamp,
        audit: NewAuditEvent,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin("disable user").await?;
        let ended = sqlx::query_scalar!(
            "UPDATE users SET disabled_at = $2 WHERE login = $1 AND disabled_at IS NULL RETURNING user_id",
            login,
            at.to_sqlx() as _,
        )
        .fetch_optional(&mut *tx.inner)
        .await?;
        let Some(user_id) = ended else {
            return Ok(false);
        };
        sqlx::query!("DELETE FROM sessions WHERE user_id = $1", user_id)
            .execute(&mut *tx.inner)
            .await?;
        tx.record_audit(&[audit]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Gives an account a new password that must be changed at the next sign-in, forgets its failed attempts and signs it out everywhere.
    /// One that was disabled is opened again with `reopen`, else left alone. False: there is no such account to reset.
    pub async fn reset_password(
        &self,
        login: &str,
        password_hash: &str,
        reopen: bool,
        audit: NewAuditEvent,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin("reset password").await?;
        let found = sqlx::query_scalar!(
            "UPDATE users SET password_hash = $2, must_change = true, disabled_at = NULL
             WHERE login = $1 AND (disabled_at IS NULL OR $3) RETURNING user_id",
            login,
            password_hash,
            reopen,
        )
        .fetch_optional(&mut *tx.inner)
        .await?;
        let Some(user_id) = found else {
            return Ok(false);
        };
        sqlx::query!("DELETE FROM sessions WHERE user_id = $1", user_id)
            .execute(&mut *tx.inner)
            .await?;
        sqlx::query!("DELETE FROM sign_in_failures WHERE login = $1", login)
            .execute(&mut *tx.inner)
            .await?;
        tx.record_audit(&[audit]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// A colleague changes the own password: every other session ends, the one with `keep` stays.
    pub async fn change_password(
        &self,
        user: UserId,
        password_hash: &str,
        keep: &[u8],
        audit: NewAuditEvent,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin("change password").await?;
        sqlx::query!(
            "UPDATE users SET password_hash = $2, must_change = false WHERE user_id = $1",
            user.uuid(),
            password_hash,
        )
        .execute(&mut *tx.inner)
        .await?;
        sqlx::query!(
            "DELETE FROM sessions WHERE user_id = $1 AND token_hash <> $2",
            user.uuid(),
            keep,
        )
        .execute(&mut *tx.inner)
        .await?;
        tx.record_audit(&[audit]).await?;
        tx.commit().await
    }
}
