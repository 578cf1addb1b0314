//! How far the feeds are complete: what partners say, when it takes effect, and who is silent for too long.
//!
//! A mark takes effect when everything of its feed that came before it is in a place where the rules see it, or never will (S5). Batches that
//! judge by marks and the transaction that makes one effective exclude each other, so that no household that waits is passed over.

mod watch;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use crate::wake_ups::FEED;
use crate::{Store, StoreError, Tx};

pub use watch::{FeedFacts, PartnerSilence};

/// A record that is not in its place after this long never will be by itself: the log has forgotten it (docs/topics.md), and what it told is
/// found elsewhere, or was erased.
const LOG_REMEMBERS: SignedDuration = SignedDuration::from_hours(14 * 24);
/// Who holds it alone makes marks effective; who shares it judges by them. Any number, as long as nobody else takes the same.
const JUDGING_BY_FEEDS: i64 = 0x6665_6564;

/// A feed: what one partner may send of one kind for one municipality.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FeedId {
    /// CBS code.
    pub municipality: String,
    /// Who.
    pub partner: String,
    /// What.
    pub kind: String,
}

/// A mark to write down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMark {
    /// Of which feed.
    pub feed: FeedId,
    /// The last day of which everything is delivered.
    pub complete_through: Date,
    /// The delivery it was said with, which must be written down already or in the same transaction.
    pub delivery: Option<Uuid>,
    /// Whether the office wrote it down for a partner that said so otherwise.
    pub by_office: bool,
    /// When it was said.
    pub given_at: Timestamp,
}

/// What was said about a feed, as its partner may read it: nothing of what became of signals (K12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaidMark {
    /// Of which feed.
    pub feed: FeedId,
    /// The day that was said; of a feed of which nothing was said, none.
    pub complete_through: Option<Date>,
    /// The furthest day that was ever said, and holds: a mark never goes back.
    pub known_through: Option<Date>,
    /// When that was said.
    pub given_at: Option<Timestamp>,
    /// With which delivery.
    pub delivery: Option<Uuid>,
}

/// A feed as the rules go by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedState {
    /// Which.
    pub feed: FeedId,
    /// The last day through which it is complete; none: never said, or not yet in effect.
    pub complete_through: Option<Date>,
}

/// A mark with since when the rules go by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveMark {
    /// Of which feed.
    pub feed: FeedId,
    /// The last day of which everything is delivered.
    pub complete_through: Date,
    /// Since when.
    pub effective_at: Timestamp,
    /// Its turn among acts and judgements without a record. `None`: not noted then; the instant must do.
    pub turn: Option<i64>,
}

/// What came of looking at the marks that wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MarksSettled {
    /// Marks whose delivery broke off.
    pub lapsed: u64,
    /// Marks that took effect.
    pub effective: u64,
    /// Households woken for it.
    pub woken: u64,
    /// Marks that still wait.
    pub waiting: i64,
}

/// The day that is judged when a mark takes effect, where wake-ups are taken, and now.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// The topic whose partitions' owners judge.
    pub topic: &'a str,
    /// Today.
    pub today: Date,
    /// Now.
    pub now: Timestamp,
}

impl Store {
    /// Writes marks down; each waits to take effect.
    pub async fn add_marks(&self, marks: &[NewMark]) -> Result<(), StoreError> {
        let mut tx = self.begin("add_marks").await?;
        tx.add_marks(marks).await?;
        tx.commit().await
    }

    /// What was said about each feed of a partner, feeds of which nothing was said included.
    pub async fn said_marks(&self, partner: &str) -> Result<Vec<SaidMark>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT m.code AS "municipality!", k.kind AS "kind!", said.complete_through AS "complete_through?",
                      said.given_at AS "given_at?", said.delivery_id
               FROM partners p, UNNEST(p.municipalities) AS m (code), UNNEST(p.kinds) AS k (kind)
               LEFT JOIN LATERAL (
                    SELECT f.complete_through, f.given_at, f.delivery_id
                    FROM feed_marks f LEFT JOIN deliveries d USING (delivery_id)
                    WHERE f.municipality = m.code AND f.partner_id = p.partner_id AND f.kind = k.kind
                      AND f.lapsed_at IS NULL AND d.state IS DISTINCT FROM 'interrupted'
                    ORDER BY f.complete_through DESC, f.given_at LIMIT 1) AS said ON true
               WHERE p.partner_id = $1
               ORDER BY 1, 2"#,
            partner,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| {
                let through = row.complete_through.map(jiff_sqlx::Date::to_jiff);
                SaidMark {
                    feed: FeedId {
                        municipality: row.municipality,
                        partner: partner.to_owned(),
                        kind: row.kind,
                    },
                    complete_through: through,
                    known_through: through,
                    given_at: row.given_at.map(jiff_sqlx::Timestamp::to_jiff),
                    delivery: row.delivery_id,
                }
            })
            .collect())
    }

    /// What was said with a delivery, and for each feed the furthest day that holds.
    pub async fn marks_of_delivery(&self, delivery: Uuid) -> Result<Vec<SaidMark>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT f.municipality, f.partner_id, f.kind, f.complete_through, f.given_at,
                      (SELECT max(o.complete_through) FROM feed_marks o LEFT JOIN deliveries d USING (delivery_id)
                       WHERE o.municipality = f.municipality AND o.partner_id = f.partner_id AND o.kind = f.kind
                         AND o.lapsed_at IS NULL AND d.state IS DISTINCT FROM 'interrupted') AS known_through
               FROM feed_marks f WHERE f.delivery_id = $1 ORDER BY f.municipality, f.kind"#,
            delivery,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| SaidMark {
                feed: FeedId {
                    municipality: row.municipality,
                    partner: row.partner_id,
                    kind: row.kind,
                },
                complete_through: Some(row.complete_through.to_jiff()),
                known_through: row.known_through.map(jiff_sqlx::Date::to_jiff),
                given_at: Some(row.given_at.to_jiff()),
                delivery: Some(delivery),
            })
            .collect())
    }

    /// Every feed that is expected, of partners that may send, and how far it is complete by the marks in effect at that moment.
    pub async fn feeds(
        &self,
        municipality: Option<&str>,
        at: Option<Timestamp>,
    ) -> Result<Vec<FeedState>, StoreError> {
        read(&self.pool, municipality, at).await
    }

    /// Every mark that took effect, in that order.
    pub async fn effective_marks(&self) -> Result<Vec<EffectiveMark>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT municipality, partner_id, kind, complete_through, effective_at AS "effective_at!", turn FROM feed_marks
               WHERE effective_at IS NOT NULL ORDER BY turn NULLS FIRST, effective_turn"#,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| EffectiveMark {
                feed: FeedId {
                    municipality: row.municipality,
                    partner: row.partner_id,
                    kind: row.kind,
                },
                complete_through: row.complete_through.to_jiff(),
                effective_at: row.effective_at.to_jiff(),
                turn: row.turn,
            })
            .collect())
    }

    /// Makes each mark effective whose feed has everything in its place that came before it, and wakes in the same transaction whoever waits for
    /// a feed there. Lets marks lapse whose delivery broke off.
    pub async fn settle_marks(&self, moment: Moment<'_>) -> Result<MarksSettled, StoreError> {
        let now: jiff_sqlx::Timestamp = moment.now.to_sqlx();
        let lapsed = sqlx::query!(
            "UPDATE feed_marks AS f SET lapsed_at = $1 FROM deliveries d
             WHERE d.delivery_id = f.delivery_id AND d.state = 'interrupted' AND f.effective_at IS NULL AND f.lapsed_at IS NULL",
            now,
        )
        .execute(&self.pool)
        .await?
        .rows_affected();
        let ready = self.ready_marks(moment.now).await?;
        let (mut effective, mut woken) = (0, 0);
        if !ready.is_empty() {
            let mut tx = self.begin("settle_marks").await?;
            sqlx::query!("SELECT pg_advisory_xact_lock($1)", JUDGING_BY_FEEDS)
                .fetch_one(&mut *tx.inner)
                .await?;
            let municipalities = sqlx::query_scalar!(
                "UPDATE feed_marks SET effective_at = $2, effective_turn = nextval('feed_marks_turns'),
                        turn = nextval('task_events_event_id_seq')
                 WHERE mark_id = ANY($1) AND effective_at IS NULL AND lapsed_at IS NULL RETURNING municipality",
                &ready,
                now,
            )
            .fetch_all(&mut *tx.inner)
            .await?;
            effective = municipalities.len() as u64;
            woken = tx.wake_who_awaits_feeds(&municipalities, moment).await?;
            tx.commit().await?;
        }
        let waiting = sqlx::query_scalar!(
            r#"SELECT count(*) AS "waiting!" FROM feed_marks WHERE effective_at IS NULL AND lapsed_at IS NULL"#
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(MarksSettled {
            lapsed,
            effective,
            woken,
            waiting,
        })
    }

    /// Wakes whoever waits for a feed where this partner sent: it sends no more, so nobody waits for it any more.
    pub async fn wake_without_partner(
        &self,
        partner: &str,
        moment: Moment<'_>,
    ) -> Result<u64, StoreError> {
        let mut tx = self.begin("wake_without_partner").await?;
        sqlx::query!("SELECT pg_advisory_xact_lock($1)", JUDGING_BY_FEEDS)
            .fetch_one(&mut *tx.inner)
            .await?;
        let municipalities = sqlx::query_scalar!(
            r#"SELECT UNNEST(municipalities) AS "code!" FROM partners WHERE partner_id = $1 AND disabled_at IS NOT NULL"#,
            partner,
        )
        .fetch_all(&mut *tx.inner)
        .await?;
        let woken = tx.wake_who_awaits_feeds(&municipalities, moment).await?;
        tx.commit().await?;
        Ok(woken)
    }

    /// Marks for which nothing of their feed is on its way any more. On its way is what is pending, without a household and not discarded,
    /// decided but not produced, or not yet on its timeline; and, since nobody knows whose it is, any dead letter that waits for a decision. What was
    /// erased is in no place any more and on its way to none.
    async fn ready_marks(&self, now: Timestamp) -> Result<Vec<i64>, StoreError> {
        let remembered: jiff_sqlx::Timestamp = (now - LOG_REMEMBERS).to_sqlx();
        Ok(sqlx::query_scalar!(
            r#"SELECT f.mark_id
               FROM feed_marks f LEFT JOIN deliveries d USING (delivery_id),
                    LATERAL (SELECT coalesce(d.completed_at, f.given_at) AS until) AS came
               WHERE f.effective_at IS NULL AND f.lapsed_at IS NULL AND (d.delivery_id IS NULL OR d.state = 'complete')
                 AND NOT EXISTS (SELECT 1 FROM dead_letters WHERE state = 'waiting')
                 AND NOT EXISTS (
                    SELECT 1 FROM pending_receipts r
                    WHERE r.erased_at IS NULL AND r.partner_id = f.partner_id AND r.kind = f.kind AND r.municipality = f.municipality
                      AND r.first_received_at <= came.until)
                 AND NOT EXISTS (
                    SELECT 1 FROM unproduced_filings h
                    WHERE h.partner_id = f.partner_id AND h.kind = f.kind AND h.municipality = f.municipality
                      AND h.received_at <= came.until)
                 AND NOT EXISTS (
                    SELECT 1 FROM signal_homes h
                    WHERE h.household_id IS NULL AND NOT h.withdrawn AND NOT h.discarded
                      AND h.partner_id = f.partner_id AND h.kind = f.kind AND h.municipality = f.municipality AND h.received_at <= came.until
                      AND NOT EXISTS (SELECT 1 FROM signal_homes later WHERE later.signal_id = h.signal_id
                                        AND (later.revision, later.filing) > (h.revision, h.filing)))
                 AND NOT EXISTS (
                    SELECT 1 FROM signal_receipts r
                    WHERE r.erased_at IS NULL AND r.partner_id = f.partner_id AND r.kind = f.kind AND r.municipality = f.municipality
                      AND r.first_received_at <= came.until AND r.received_at > $1
                      AND NOT EXISTS (
                        SELECT 1 FROM signal_homes h
                        WHERE h.signal_id = r.signal_id AND h.revision >= r.revision
                          AND (h.household_id IS NULL OR EXISTS (
                                SELECT 1 FROM signals s WHERE s.household_id = h.household_id AND s.signal_id = h.signal_id
                                  AND (s.revision, s.filing) >= (h.revision, h.filing)))
                          AND NOT EXISTS (SELECT 1 FROM signal_homes later WHERE later.signal_id = h.signal_id
                                            AND (later.revision, later.filing) > (h.revision, h.filing))))
               ORDER BY f.mark_id"#,
            remembered,
        )
        .fetch_all(&self.pool)
        .await?)
    }
}

impl Tx {
    /// Writes marks down; each waits to take effect.
    pub async fn add_marks(&mut self, marks: &[NewMark]) -> Result<(), StoreError> {
        if marks.is_empty() {
            return Ok(());
        }
        let words = |pick: fn(&NewMark) -> &str| {
            let picked = marks.iter().map(|mark| pick(mark).to_owned());
            picked.collect::<Vec<String>>()
        };
        let days: Vec<jiff_sqlx::Date> = marks
            .iter()
            .map(|mark| mark.complete_through.to_sqlx())
            .collect();
        let deliveries: Vec<Option<Uuid>> = marks.iter().map(|mark| mark.delivery).collect();
        let given: Vec<jiff_sqlx::Timestamp> =
            marks.iter().map(|mark| mark.given_at.to_sqlx()).collect();
        sqlx::query!(
            "INSERT INTO feed_marks (municipality, partner_id, kind, complete_through, delivery_id, given_by, given_at)
             SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::date[], $5::uuid[], $6::text[], $7::timestamptz[])",
            &words(|mark| &mark.feed.municipality),
            &words(|mark| &mark.feed.partner),
            &words(|mark| &mark.feed.kind),
            &days as _,
            &deliveries as _,
            &words(|mark| if mark.by_office { "office" } else { "partner" }),
            &given as _,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// The feeds as [`Store::feeds`] tells them, now, with what to name them by next time; nothing when they are those that were `known` by that
    /// name. Until this transaction ends no mark takes effect.
    pub async fn feeds_to_judge_by(
        &mut self,
        known: Option<&str>,
    ) -> Result<Option<(String, Vec<FeedState>)>, StoreError> {
        sqlx::query!("SELECT pg_advisory_xact_lock_shared($1)", JUDGING_BY_FEEDS)
            .fetch_one(&mut *self.inner)
            .await?;
        // There are few partners and any number of marks: whoever judges a hundred batches a second asks for all of them only when something changed.
        let version = sqlx::query_scalar!(
            r#"SELECT concat_ws(' ', (SELECT max(effective_turn) FROM feed_marks),
                (SELECT md5(string_agg(concat_ws(' ', partner_id, municipalities::text, kinds::text), ' ' ORDER BY partner_id))
                 FROM partners WHERE disabled_at IS NULL)) AS "version!""#
        )
        .fetch_one(&mut *self.inner)
        .await?;
        if known == Some(version.as_str()) {
            return Ok(None);
        }
        let feeds = read(&mut *self.inner, None, None).await?;
        Ok(Some((version, feeds)))
    }

    /// Asks for a judgement of every household of these municipalities that waits for a feed.
    async fn wake_who_awaits_feeds(
        &mut self,
        municipalities: &[String],
        moment: Moment<'_>,
    ) -> Result<u64, StoreError> {
        let woken = sqlx::query!(
            "INSERT INTO wake_ups (topic, partition, household_id, due, reason)
             SELECT $1, partition, household_id, $3, $4 FROM household_judgements
             WHERE awaits_feeds AND municipality = ANY($2) AND partition IS NOT NULL
             ON CONFLICT DO NOTHING",
            moment.topic,
            municipalities,
            moment.today.to_sqlx() as _,
            FEED,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(woken.rows_affected())
    }
}

async fn read<'c>(
    from: impl sqlx::PgExecutor<'c>,
    municipality: Option<&str>,
    at: Option<Timestamp>,
) -> Result<Vec<FeedState>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT m.code AS "municipality!", p.partner_id, k.kind AS "kind!",
                  (SELECT f.complete_through FROM feed_marks f
                   WHERE f.municipality = m.code AND f.partner_id = p.partner_id AND f.kind = k.kind
                     AND f.effective_at IS NOT NULL AND ($2::timestamptz IS NULL OR f.effective_at <= $2)
                   ORDER BY f.complete_through DESC LIMIT 1) AS through
           FROM partners p, UNNEST(p.municipalities) AS m (code), UNNEST(p.kinds) AS k (kind)
           WHERE p.disabled_at IS NULL AND ($1::text IS NULL OR m.code = $1)"#,
        municipality,
        at.map(ToSqlx::to_sqlx) as _,
    )
    .fetch_all(from)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| FeedState {
            feed: FeedId {
                municipality: row.municipality,
                partner: row.partner_id,
                kind: row.kind,
            },
            complete_through: row.through.map(jiff_sqlx::Date::to_jiff),
        })
        .collect())
}

#[cfg(test)]
mod tests;
