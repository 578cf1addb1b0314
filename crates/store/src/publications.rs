//! What was published, by whom and why; which bundle is in force and which runs beside it as a shadow; backlogs that are worked off.
//!
//! Rows are only added: the database itself refuses to change one.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use voorveld_domain::RuleId;

use crate::{Store, StoreError, Tx};

/// The lock that those who publish take, one after another. A number of our own; nothing else takes it.
const PUBLISHING: i64 = 0x766f_6f72_7275_6c65;

/// How a bundle was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// It judges.
    Live,
    /// It is judged beside the live one and raises nothing.
    Shadow,
}

impl Mode {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Shadow => "shadow",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Mode {
    type Err = ();
    fn from_str(code: &str) -> Result<Self, ()> {
        match code {
            "live" => Ok(Self::Live),
            "shadow" => Ok(Self::Shadow),
            _ => Err(()),
        }
    }
}

/// A publication that counts now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its number.
    pub publication: i64,
    /// The content hash of its bundle.
    pub bundle: String,
    /// The content hash of its rules.
    pub rule_set: String,
}

/// What counts now: looked at between batches, so it is one small query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InForce {
    /// The last live publication. `None`: nothing was published yet.
    pub live: Option<Standing>,
    /// The shadow that runs beside it.
    pub shadow: Option<Standing>,
    /// The number of the last backlog that somebody had worked off; 0: none.
    pub backlog: i64,
}

/// A publication as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Its number, rising.
    pub publication: i64,
    /// How.
    pub mode: Mode,
    /// The content hash of its bundle.
    pub bundle: String,
    /// The content hash of its rules.
    pub rule_set: String,
    /// Who answers for it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// When it ended, of a shadow that runs no more.
    pub ended_at: Option<Timestamp>,
}

/// What to publish.
#[derive(Debug, Clone)]
pub struct NewPublication<'a> {
    /// How.
    pub mode: Mode,
    /// The content hash of the bundle.
    pub bundle: &'a str,
    /// Its files: text by name.
    pub files: &'a BTreeMap<String, String>,
    /// The content hash of the rules.
    pub rule_set: &'a str,
    /// `{rule id: {version, digest}}` of the rules.
    pub content: &'a serde_json::Value,
    /// Who answers for it.
    pub by: &'a str,
    /// Why.
    pub reason: &'a str,
}

/// What judges a partition now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// The partition.
    pub partition: i32,
    /// The content hash of the rules.
    pub rule_set: String,
    /// The content hash of the bundle; `None`: from before anything was published.
    pub bundle: Option<String>,
}

fn corrupt(what: &'static str) -> StoreError {
    StoreError::Corrupt {
        table: "rule_publications",
        what,
    }
}

impl Store {
    /// What counts now.
    pub async fn in_force(&self) -> Result<InForce, StoreError> {
        self.begin("in_force").await?.in_force().await
    }

    /// The files of a bundle, or `None` when it was never published.
    pub async fn bundle(
        &self,
        bundle: &str,
    ) -> Result<Option<BTreeMap<String, String>>, StoreError> {
        sqlx::query_scalar!("SELECT files FROM policy_bundles WHERE bundle = $1", bundle)
            .fetch_optional(&self.pool)
            .await?
            .map(|files| {
                serde_json::from_value(files).map_err(|_| StoreError::Corrupt {
                    table: "policy_bundles",
                    what: "files",
                })
            })
            .transpose()
    }

    /// The bundles whose hash begins like this, oldest first.
    pub async fn bundles_like(&self, start: &str) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar!(
            "SELECT bundle FROM policy_bundles WHERE starts_with(bundle, $1) ORDER BY first_published_at",
            start
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Everything that was published, newest first.
    pub async fn publications(&self) -> Result<Vec<Publication>, StoreError> {
        sqlx::query!(
            r#"SELECT p.publication, p.mode, p.bundle, p.rule_set, p.published_by, p.published_at, p.reason, e.ended_at AS "ended_at?"
               FROM rule_publications p LEFT JOIN shadow_ends e USING (publication) ORDER BY p.publication DESC"#,
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(|row| {
            Ok(Publication {
                publication: row.publication,
                mode: row.mode.parse().map_err(|()| corrupt("mode"))?,
                bundle: row.bundle,
                rule_set: row.rule_set,
                by: row.published_by,
                at: row.published_at.to_jiff(),
                reason: row.reason,
                ended_at: row.ended_at.map(jiff_sqlx::Timestamp::to_jiff),
            })
        })
        .collect()
    }

    /// What judges each partition of a topic now, those that were ever judged.
    pub async fn running(&self, topic: &str) -> Result<Vec<Running>, StoreError> {
        Ok(sqlx::query!(
            "SELECT DISTINCT ON (partition) partition, rule_set, bundle FROM rule_activations WHERE topic = $1
             ORDER BY partition, activation DESC",
            topic,
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(|row| Running {
            partition: row.partition,
            rule_set: row.rule_set,
            bundle: row.bundle,
        })
        .collect())
    }

    /// Whether every partition that is judged has taken up every backlog that was asked for.
    pub async fn backlogs_are_taken_up(&self, topic: &str) -> Result<bool, StoreError> {
        let missing = sqlx::query_scalar!(
            r#"SELECT EXISTS (
                   SELECT 1 FROM (SELECT DISTINCT partition FROM rule_activations WHERE topic = $1) p, rule_backlogs b
                   WHERE NOT EXISTS (SELECT 1 FROM backlog_activations a
                       WHERE a.topic = $1 AND a.partition = p.partition AND a.backlog = b.backlog)) AS "missing!""#,
            topic,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(!missing)
    }
}

impl Tx {
    /// Waits for whoever publishes now; nobody else does until this transaction ends.
    pub async fn lock_publishing(&mut self) -> Result<(), StoreError> {
        sqlx::query!("SELECT pg_advisory_xact_lock($1)", PUBLISHING)
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// What counts now, as this transaction sees it.
    pub async fn in_force(&mut self) -> Result<InForce, StoreError> {
        let rows = sqlx::query!(
            "SELECT DISTINCT ON (p.mode) p.publication, p.mode, p.bundle, p.rule_set FROM rule_publications p
             WHERE NOT EXISTS (SELECT 1 FROM shadow_ends e WHERE e.publication = p.publication)
             ORDER BY p.mode, p.publication DESC",
        )
        .fetch_all(&mut *self.inner)
        .await?;
        let backlog =
            sqlx::query_scalar!(r#"SELECT coalesce(max(backlog), 0) AS "n!" FROM rule_backlogs"#)
                .fetch_one(&mut *self.inner)
                .await?;
        let mut in_force = InForce {
            backlog,
            ..InForce::default()
        };
        for row in rows {
            let standing = Some(Standing {
                publication: row.publication,
                bundle: row.bundle,
                rule_set: row.rule_set,
            });
            match row.mode.parse().map_err(|()| corrupt("mode"))? {
                Mode::Live => in_force.live = standing,
                Mode::Shadow => in_force.shadow = standing,
            }
        }
        Ok(in_force)
    }

    /// Publishes, under [`Tx::lock_publishing`]. A shadow ends the shadow before it, of which there is one at a time; a live publication ends the
    /// shadow that ran the same bundle. Gives the number.
    pub async fn publish(
        &mut self,
        new: &NewPublication<'_>,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let before = self.in_force().await?.shadow;
        sqlx::query!(
            "INSERT INTO rule_sets (rule_set, content, first_seen_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            new.rule_set,
            new.content,
            now.to_sqlx() as _,
        )
        .execute(&mut *self.inner)
        .await?;
        let files = serde_json::to_value(new.files).map_err(|_| StoreError::Corrupt {
            table: "policy_bundles",
            what: "files",
        })?;
        sqlx::query!(
            "INSERT INTO policy_bundles (bundle, files, first_published_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            new.bundle,
            files,
            now.to_sqlx() as _,
        )
        .execute(&mut *self.inner)
        .await?;
        let publication = sqlx::query_scalar!(
            "INSERT INTO rule_publications (bundle, rule_set, mode, published_by, published_at, reason)
             VALUES ($1, $2, $3, $4, $5, $6) RETURNING publication",
            new.bundle,
            new.rule_set,
            new.mode.code(),
            new.by,
            now.to_sqlx() as _,
            new.reason,
        )
        .fetch_one(&mut *self.inner)
        .await?;
        if let Some(shadow) = before
            && (new.mode == Mode::Shadow || shadow.bundle == new.bundle)
        {
            self.end_shadow(shadow.publication, new.by, new.reason, now)
                .await?;
        }
        Ok(publication)
    }

    /// Ends a shadow and forgets what it found. An owner that is judging at this moment may still write a row; the sweep takes it
    /// ([`Store::sweep`]), and nobody looks at it.
    pub async fn end_shadow(
        &mut self,
        publication: i64,
        by: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO shadow_ends (publication, ended_by, ended_at, reason) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            publication,
            by,
            now.to_sqlx() as _,
            reason,
        )
        .execute(&mut *self.inner)
        .await?;
        sqlx::query!(
            "DELETE FROM shadow_matches WHERE publication = $1",
            publication
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Has the backlog of a rule's version worked off: each owner of a partition takes it up between two batches. Gives its number.
    pub async fn ask_backlog(
        &mut self,
        rule: &RuleId,
        version: u32,
        by: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!(
            "INSERT INTO rule_backlogs (rule_id, rule_version, asked_by, asked_at, reason) VALUES ($1, $2, $3, $4, $5) RETURNING backlog",
            rule.as_str(),
            version.cast_signed(),
            by,
            now.to_sqlx() as _,
            reason,
        )
        .fetch_one(&mut *self.inner)
        .await?)
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;

    const NOW: &str = "2026-03-01T10:00:00Z";

    async fn publish(store: &Store, mode: Mode, bundle: &str) -> i64 {
        let mut tx = store.begin("test").await.unwrap();
        tx.lock_publishing().await.unwrap();
        let new = NewPublication {
            mode,
            bundle,
            files: &[("settings.yaml".to_owned(), bundle.to_owned())].into(),
            rule_set: &format!("rules of {bundle}"),
            content: &serde_json::json!({}),
            by: "A. Adviseur",
            reason: "test",
        };
        let number = tx.publish(&new, NOW.parse().unwrap()).await.unwrap();
        tx.commit().await.unwrap();
        number
    }

    async fn in_force(store: &Store) -> (Option<String>, Option<String>) {
        let now = store.in_force().await.unwrap();
        let bundle = |one: Option<Standing>| one.map(|one| one.bundle);
        (bundle(now.live), bundle(now.shadow))
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn the_last_live_publication_is_in_force_also_when_it_was_before(pool: PgPool) {
        let store = Store::from_pool(pool);
        assert_eq!(store.in_force().await.unwrap(), InForce::default());
        for bundle in ["a", "b", "a"] {
            publish(&store, Mode::Live, bundle).await;
            assert_eq!(in_force(&store).await, (Some(bundle.to_owned()), None));
        }
        let kept = store.bundle("a").await.unwrap().unwrap();
        assert_eq!(kept["settings.yaml"], "a");
        assert_eq!(store.bundle("c").await.unwrap(), None);
        assert_eq!(store.publications().await.unwrap().len(), 3);
        assert_eq!(store.bundles_like("a").await.unwrap(), ["a"]);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn one_shadow_runs_at_a_time_and_ends_when_it_goes_live(pool: PgPool) {
        let store = Store::from_pool(pool);
        publish(&store, Mode::Live, "a").await;
        let first = publish(&store, Mode::Shadow, "b").await;
        publish(&store, Mode::Shadow, "c").await;
        let both = |shadow: Option<&str>| (Some("a".to_owned()), shadow.map(str::to_owned));
        assert_eq!(in_force(&store).await, both(Some("c")));
        publish(&store, Mode::Live, "a").await;
        assert_eq!(in_force(&store).await, both(Some("c")));
        publish(&store, Mode::Live, "c").await;
        // The one before it does not come back.
        assert_eq!(in_force(&store).await, (Some("c".to_owned()), None));
        let told = store.publications().await.unwrap();
        let first = told.iter().find(|one| one.publication == first).unwrap();
        assert_eq!((first.mode, first.ended_at.is_some()), (Mode::Shadow, true));
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_was_published_can_be_changed_by_nobody(pool: PgPool) {
        let store = Store::from_pool(pool.clone());
        publish(&store, Mode::Live, "a").await;
        let shadow = publish(&store, Mode::Shadow, "b").await;
        let mut tx = store.begin("test").await.unwrap();
        let now = NOW.parse().unwrap();
        tx.end_shadow(shadow, "x", "y", now).await.unwrap();
        let rule = "debt.single".parse().unwrap();
        tx.ask_backlog(&rule, 1, "x", "y", now).await.unwrap();
        tx.commit().await.unwrap();
        for change in [
            "UPDATE policy_bundles SET files = '{}'",
            "DELETE FROM policy_bundles",
            "UPDATE rule_publications SET reason = 'other'",
            "DELETE FROM rule_publications",
            "DELETE FROM shadow_ends",
            "UPDATE rule_backlogs SET rule_version = 2",
        ] {
            let refused = sqlx::query(change).execute(&pool).await.unwrap_err();
            let told = refused.as_database_error().unwrap().message().to_owned();
            assert!(told.contains("never changed"), "{change}: {told}");
        }
    }
}
