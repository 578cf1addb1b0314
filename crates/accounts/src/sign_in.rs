//! Sessions: how one begins, what keeps it going, how it ends.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use jiff::{SignedDuration, Timestamp};
use prometheus::{IntCounterVec, Opts, Registry};
use tokio::sync::{Semaphore, SemaphorePermit};
use voorveld_chassis::{Clock, Problem, ProblemType, RequestId};
use voorveld_domain::Role;
use voorveld_seal::{CryptoUnavailable, Token};
use voorveld_store::audit::{About, NewAuditEvent, actor_of};
use voorveld_store::sessions::NewSession;
use voorveld_store::users::User;
use voorveld_store::{Store, StoreError};
use zeroize::Zeroizing;

use crate::frame::Notice;
use crate::password::{PasswordRefused, hash_password, login_is_well_formed, verify_password};

/// A session that was not used for so long is over: a laptop left open in a meeting room.
pub const SESSION_IDLE: Duration = Duration::from_mins(30);
/// A session is over after so long, used or not: one working day.
pub const SESSION_MAX: Duration = Duration::from_hours(12);
/// After so many wrong passwords within [`THROTTLE_WINDOW`] a login waits.
pub const THROTTLE_FAILURES: i64 = 10;
/// How long a wrong password counts.
pub const THROTTLE_WINDOW: Duration = Duration::from_mins(15);
/// How long wrong passwords are kept (the table's retention).
const FAILURES_KEPT: Duration = Duration::from_hours(24);
/// How often ended sessions are swept away.
const SWEEP_EVERY: Duration = Duration::from_mins(10);
/// When to come back while the database is away.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// How many passwords are hashed at once: each takes 19 MiB and a core.
const HASHING_AT_ONCE: usize = 2;
/// How many wait for that, less than a second's work: anybody may knock, and who signs in must not wait behind all of them.
pub const HASHING_WAITING_MAX: usize = 32;
/// When to come back when so many wait.
pub const BUSY_RETRY_AFTER: Duration = Duration::from_secs(5);

/// The header of a page that fetches itself again while nobody does anything: it shows who is signed in, and does not keep the session going.
pub const REFRESH_HEADER: &str = "x-voorveld-refresh";

/// A place one signs in to.
#[derive(Debug, Clone, Copy)]
pub struct Door {
    /// The role of the process: in metrics and the cookie's name.
    pub role: &'static str,
    /// What the pages are called.
    pub title: &'static str,
    /// Whom it is for: an account needs one of these.
    pub for_roles: &'static [Role],
    /// Whether browsers come by HTTPS: the cookie is then bound to it.
    pub https: bool,
    /// The page on which the form of a path stands: there somebody is led back to whose session had ended when it was sent.
    pub page_of: fn(&str) -> &str,
}

/// Signing in cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cryptographic library.
    #[error(transparent)]
    Crypto(#[from] CryptoUnavailable),
    /// Hashing a password.
    #[error("hashing a password failed")]
    Hashing(#[from] PasswordRefused),
    /// A hashing thread or its queue is gone.
    #[error("the hashing threads are gone")]
    Threads,
    /// A metric of this name is already there.
    #[error("registering the metrics of a door failed")]
    Metrics(#[from] prometheus::Error),
}

impl AccountsError {
    /// Whether trying again later may help: the database is away.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_transient())
    }

    /// What a program is told; what is ours to mend is logged here, once.
    #[must_use]
    pub fn into_problem(self) -> Problem {
        if self.is_transient() {
            tracing::warn!(error = %self, "the database does not answer");
            Problem::new(ProblemType::Unavailable).retry_after(RETRY_AFTER)
        } else {
            Problem::internal(self)
        }
    }

    /// What a reader is told; what is ours to mend is logged here, once.
    #[must_use]
    pub fn into_notice(self) -> Notice {
        if self.is_transient() {
            tracing::warn!(error = %self, "the database does not answer");
            Notice::unavailable()
        } else {
            Notice::internal(self)
        }
    }
}

/// Why somebody is not signed in. Says the same for an unknown login, a wrong password and an ended account.
#[derive(Debug, thiserror::Error)]
pub enum SignInRefused {
    /// Login and password do not belong together.
    #[error("login and password do not belong together")]
    Wrong,
    /// Too many wrong passwords: wait.
    #[error("too many wrong passwords")]
    Throttled,
    /// Too many sign in at this moment.
    #[error("too many passwords wait to be hashed")]
    Busy,
    /// The account is not for this door.
    #[error("the account has none of the roles of this door")]
    NotForYou,
    /// It cannot be told now.
    #[error(transparent)]
    Failed(#[from] AccountsError),
}

/// Why a password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeRefused {
    /// The current password is another.
    #[error("the current password is another")]
    Wrong,
    /// Too many wrong passwords: wait.
    #[error("too many wrong passwords")]
    Throttled,
    /// Too many sign in at this moment.
    #[error("too many passwords wait to be hashed")]
    Busy,
    /// The new password is the old one.
    #[error("the new password is the old one")]
    Same,
    /// The new password is not taken.
    #[error(transparent)]
    New(PasswordRefused),
    /// It cannot be done now.
    #[error(transparent)]
    Failed(#[from] AccountsError),
}

impl From<StoreError> for SignInRefused {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<StoreError> for ChangeRefused {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// A session that has just begun.
#[derive(Debug, Clone)]
pub struct Begun {
    /// The session's token.
    pub token: Token,
    /// Whose.
    pub user: User,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
}

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Who.
    pub user: User,
    /// When the session ends at the latest.
    pub expires_at: Timestamp,
    token: Token,
    csrf_hash: Vec<u8>,
    by_cookie: bool,
}

impl SignedIn {
    /// The token that every form of this session carries.
    #[must_use]
    pub fn csrf(&self) -> String {
        self.token.derived(CSRF).expose().to_owned()
    }

    /// Whether a form or header carries this session's token.
    #[must_use]
    pub fn csrf_fits(&self, presented: Option<&str>) -> bool {
        presented
            .and_then(Token::parse)
            .is_some_and(|token| token.verify(&self.csrf_hash))
    }

    /// Whether the browser sent the session along by itself, so that a change needs the form's token too.
    #[must_use]
    pub const fn by_cookie(&self) -> bool {
        self.by_cookie
    }
}

const CSRF: &str = "csrf";

/// The accounts behind one door. Copies are handles.
#[derive(Debug, Clone)]
pub struct Accounts {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    clock: Clock,
    door: Door,
    /// Verified for an unknown login, so that the answer takes as long as for a known one.
    nobody: String,
    hashing: Semaphore,
    /// Those that are hashed and those that wait for it.
    places: Semaphore,
    sign_ins: IntCounterVec,
}

impl Accounts {
    /// Opens a door.
    pub fn new(
        store: Store,
        clock: Clock,
        door: Door,
        registry: &Registry,
    ) -> Result<Self, AccountsError> {
        let sign_ins = IntCounterVec::new(
            Opts::new(
                format!("voorveld_{}_sign_ins_total", door.role),
                "Attempts to sign in, by outcome",
            ),
            &["outcome"],
        )?;
        registry.register(Box::new(sign_ins.clone()))?;
        let nobody = hash_password(Token::generate()?.expose())?;
        Ok(Self {
            inner: Arc::new(Inner {
                store,
                clock,
                door,
                nobody,
                hashing: Semaphore::new(HASHING_AT_ONCE),
                places: Semaphore::new(HASHING_AT_ONCE + HASHING_WAITING_MAX),
                sign_ins,
            }),
        })
    }

    /// The door these accounts are behind.
    #[must_use]
    pub fn door(&self) -> &Door {
        &self.inner.door
    }

    /// The session cookie's name. `__Host-` lets browsers hold it to HTTPS, this host and no other path.
    #[must_use]
    pub fn cookie_name(&self) -> String {
        let prefix = if self.inner.door.https { "__Host-" } else { "" };
        format!("{prefix}voorveld-{}", self.inner.door.role)
    }

    /// The `Set-Cookie` of a value that lives so long; scripts cannot read it, other sites cannot make a browser post with it.
    #[must_use]
    pub(crate) fn set_cookie(&self, name: &str, value: &str, lives: Duration) -> String {
        let secure = if self.inner.door.https {
            "; Secure"
        } else {
            ""
        };
        format!(
            "{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}{secure}",
            lives.as_secs()
        )
    }

    /// Begins a session for who knows the password.
    pub async fn sign_in(&self, login: &str, password: &str) -> Result<Begun, SignInRefused> {
        let outcome = self.try_sign_in(login, password).await;
        let label = match &outcome {
            Ok(_) => "begun",
            Err(SignInRefused::Wrong) => "wrong",
            Err(SignInRefused::Throttled) => "throttled",
            Err(SignInRefused::Busy) => "busy",
            Err(SignInRefused::NotForYou) => "not_for_you",
            Err(SignInRefused::Failed(_)) => "failed",
        };
        self.inner.sign_ins.with_label_values(&[label]).inc();
        outcome
    }

    async fn try_sign_in(&self, login: &str, password: &str) -> Result<Begun, SignInRefused> {
        let login = login.trim().to_lowercase();
        // Nobody has such a login, and its shape says so to anybody: nothing is kept secret by hashing for it.
        if !login_is_well_formed(&login) {
            return Err(SignInRefused::Wrong);
        }
        let _place = self.place().ok_or(SignInRefused::Busy)?;
        if !self.begin_attempt(&login).await? {
            return Err(SignInRefused::Throttled);
        }
        let known = self.inner.store.user_by_login(&login).await?;
        let (user, hash) = match known {
            Some((user, hash)) if user.disabled_at.is_none() => (Some(user), hash),
            _ => (None, self.inner.nobody.clone()),
        };
        let fits = self.verify(password, hash).await?;
        let Some(user) = user.filter(|_| fits) else {
            return Err(SignInRefused::Wrong);
        };
        let door = &self.inner.door;
        if !door.for_roles.iter().any(|role| user.has_role(*role)) {
            self.inner.store.forget_attempts(&login).await?;
            return Err(SignInRefused::NotForYou);
        }
        let token = Token::generate().map_err(AccountsError::from)?;
        let created_at = self.inner.clock.now();
        let expires_at = plus(created_at, SESSION_MAX);
        self.inner
            .store
            .begin_session(&NewSession {
                token_hash: token.hash().to_vec(),
                user: user.id,
                csrf_hash: token.derived(CSRF).hash().to_vec(),
                created_at,
                expires_at,
            })
            .await?;
        tracing::info!(user.id = %user.id, role = door.role, "signed in");
        Ok(Begun {
            token,
            user,
            expires_at,
        })
    }

    /// A place among those whose password is hashed; none when too many wait for one.
    fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.inner.places.try_acquire().ok()
    }

    /// Counts an attempt before its password is looked at, so that many sent at once are not all looked at. The right password makes it
    /// forgotten. False: this login must wait.
    async fn begin_attempt(&self, login: &str) -> Result<bool, StoreError> {
        let now = self.inner.clock.now();
        let since = minus(now, THROTTLE_WINDOW);
        self.inner
            .store
            .begin_attempt(login, now, since, THROTTLE_FAILURES)
            .await
    }

    async fn verify(&self, password: &str, hash: String) -> Result<bool, AccountsError> {
        let password = Zeroizing::new(password.to_owned());
        self.hashing(move || verify_password(&password, &hash))
            .await
    }

    async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AccountsError> {
        let _turn = self
            .inner
            .hashing
            .acquire()
            .await
            .map_err(|_| AccountsError::Threads)?;
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| AccountsError::Threads)
    }

    /// Who sends this request, if anybody is signed in: by `Authorization: Bearer`, else by the door's cookie.
    pub async fn who(&self, headers: &HeaderMap) -> Result<Option<SignedIn>, AccountsError> {
        let bearer = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        let by_cookie = bearer.is_none();
        let presented = match bearer {
            Some(token) => Token::parse(token.trim()),
            None => cookie(headers, &self.cookie_name()).and_then(Token::parse),
        };
        let Some(token) = presented else {
            return Ok(None);
        };
        let now = self.inner.clock.now();
        let session = self
            .inner
            .store
            .session(
                &token.hash(),
                now,
                minus(now, SESSION_IDLE),
                !headers.contains_key(REFRESH_HEADER),
            )
            .await?;
        let door = &self.inner.door;
        Ok(session
            .filter(|session| {
                door.for_roles
                    .iter()
                    .any(|role| session.user.has_role(*role))
            })
            .map(|session| SignedIn {
                user: session.user,
                expires_at: session.expires_at,
                token,
                csrf_hash: session.csrf_hash,
                by_cookie,
            }))
    }

    /// Ends a session.
    pub async fn sign_out(&self, who: &SignedIn) -> Result<(), AccountsError> {
        Ok(self.inner.store.end_session(&who.token.hash()).await?)
    }

    /// Changes the own password; every other session of this colleague ends.
    pub async fn change_password(
        &self,
        who: &SignedIn,
        current: &str,
        new: &str,
    ) -> Result<(), ChangeRefused> {
        let login = &who.user.login;
        let _place = self.place().ok_or(ChangeRefused::Busy)?;
        if !self.begin_attempt(login).await? {
            return Err(ChangeRefused::Throttled);
        }
        let hash = match self.inner.store.user_by_login(login).await? {
            Some((_, hash)) => hash,
            None => self.inner.nobody.clone(),
        };
        if !self.verify(current, hash).await? {
            return Err(ChangeRefused::Wrong);
        }
        self.inner.store.forget_attempts(login).await?;
        if current == new {
            return Err(ChangeRefused::Same);
        }
        let new = Zeroizing::new(new.to_owned());
        let hash = self
            .hashing(move || hash_password(&new))
            .await?
            .map_err(ChangeRefused::New)?;
        let audit = NewAuditEvent {
            happened_at: self.inner.clock.now(),
            municipality: Some(who.user.municipality),
            actor: actor_of(who.user.id),
            action: "user.password_changed",
            subject_kind: "user",
            subject_id: who.user.id.to_string(),
            about: About::default(),
            reason: "own_account".to_owned(),
            request_id: RequestId::current().map(|id| id.to_string()),
        };
        self.inner
            .store
            .change_password(who.user.id, &hash, &who.token.hash(), audit)
            .await?;
        Ok(())
    }

    /// Sweeps ended sessions and old failures away until told to stop. What it cannot do now it does the next time.
    pub async fn keep_swept(&self, draining: impl Future<Output = ()>) {
        tokio::pin!(draining);
        loop {
            let now = self.inner.clock.now();
            let swept = self
                .inner
                .store
                .sweep_sessions(now, minus(now, SESSION_IDLE), minus(now, FAILURES_KEPT))
                .await;
            if let Err(error) = swept {
                tracing::warn!(%error, "sweeping ended sessions failed; trying again later");
            }
            tokio::select! {
                () = &mut draining => return,
                () = self.inner.clock.sleep(SWEEP_EVERY) => {}
            }
        }
    }
}

/// The value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
}

fn plus(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by)
        .ok()
        .and_then(|by| at.checked_add(by).ok())
        .unwrap_or(Timestamp::MAX)
}

fn minus(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by)
        .ok()
        .and_then(|by| at.checked_sub(by).ok())
        .unwrap_or(Timestamp::MIN)
}
