//! The feeds as operations looks at them: how far each is, what it waits for, and which partner is silent.

use jiff::civil::Date;
use jiff_sqlx::ToSqlx;

use crate::{Store, StoreError};

/// Half cycles that a partner may be silent: one and a half times what was agreed on† (ops.partner_silence).
const SILENT_HALF_CYCLES: i32 = 3;

/// A feed as operations looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedFacts {
    /// Who.
    pub partner: String,
    /// What the partner is called.
    pub partner_name: String,
    /// What it sends.
    pub kind: String,
    /// Through which day the rules take it as complete.
    pub complete_through: Option<Date>,
    /// A further day that was said and does not hold yet.
    pub waiting_through: Option<Date>,
    /// Signals of this feed without a household, for which that day waits.
    pub unplaced: i64,
}

/// When a partner last let hear of itself, against what was agreed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerSilence {
    /// Who.
    pub partner: String,
    /// Within how many days it means to deliver, if that was agreed.
    pub every_days: Option<i32>,
    /// The last day on which it sent or said anything, or was registered.
    pub heard_on: Date,
    /// Silent for more than one and a half times what was agreed.
    pub is_silent: bool,
}

impl Store {
    /// The feeds of a municipality, for operations.
    pub async fn feed_facts(&self, municipality: &str) -> Result<Vec<FeedFacts>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT p.partner_id, p.name, k.kind AS "kind!",
                      (SELECT max(f.complete_through) FROM feed_marks f
                       WHERE f.municipality = $1 AND f.partner_id = p.partner_id AND f.kind = k.kind AND f.effective_at IS NOT NULL) AS through,
                      (SELECT max(f.complete_through) FROM feed_marks f
                       WHERE f.municipality = $1 AND f.partner_id = p.partner_id AND f.kind = k.kind
                         AND f.effective_at IS NULL AND f.lapsed_at IS NULL) AS waiting,
                      coalesce(u.signals, 0) AS "unplaced!"
               FROM partners p CROSS JOIN UNNEST(p.kinds) AS k (kind)
               LEFT JOIN (
                    SELECT h.partner_id, h.kind, count(*) AS signals FROM signal_homes h
                    WHERE h.household_id IS NULL AND NOT h.withdrawn AND NOT h.discarded AND h.municipality = $1
                      AND NOT EXISTS (SELECT 1 FROM signal_homes later WHERE later.signal_id = h.signal_id
                                        AND (later.revision, later.filing) > (h.revision, h.filing))
                    GROUP BY h.partner_id, h.kind) AS u ON u.partner_id = p.partner_id AND u.kind = k.kind
               WHERE p.disabled_at IS NULL AND $1 = ANY(p.municipalities)
               ORDER BY p.name, p.partner_id, k.kind"#,
            municipality,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| {
                let through = row.through.map(jiff_sqlx::Date::to_jiff);
                FeedFacts {
                    partner: row.partner_id,
                    partner_name: row.name,
                    kind: row.kind,
                    complete_through: through,
                    waiting_through: row
                        .waiting
                        .map(jiff_sqlx::Date::to_jiff)
                        .filter(|waiting| through < Some(*waiting)),
                    unplaced: row.unplaced,
                }
            })
            .collect())
    }

    /// Since when each partner that may send has been silent. Saying that there was nothing is not silence.
    pub async fn partner_silences(&self, today: Date) -> Result<Vec<PartnerSilence>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT partner_id AS "partner!", delivers_every_days, heard_on AS "heard_on!",
                      coalesce(2 * ($1::date - heard_on) > $2 * delivers_every_days, false) AS "is_silent!"
               FROM (SELECT p.partner_id, p.delivers_every_days,
                        greatest((p.created_at AT TIME ZONE 'Europe/Amsterdam')::date,
                            (SELECT max(c.day) FROM intake_counts c WHERE c.partner_id = p.partner_id),
                            (SELECT (max(d.received_at) AT TIME ZONE 'Europe/Amsterdam')::date FROM deliveries d
                             WHERE d.partner_id = p.partner_id),
                            (SELECT (max(f.given_at) AT TIME ZONE 'Europe/Amsterdam')::date FROM feed_marks f
                             WHERE f.partner_id = p.partner_id)) AS heard_on
                     FROM partners p WHERE p.disabled_at IS NULL) AS heard
               ORDER BY partner_id"#,
            today.to_sqlx() as _,
            SILENT_HALF_CYCLES,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| PartnerSilence {
                partner: row.partner,
                every_days: row.delivers_every_days,
                heard_on: row.heard_on.to_jiff(),
                is_silent: row.is_silent,
            })
            .collect())
    }

    /// Writes down within how many days a partner means to deliver; `None`: nothing is agreed on. `false`: there is no such partner.
    pub async fn set_delivers_every(
        &self,
        partner: &str,
        days: Option<u16>,
    ) -> Result<bool, StoreError> {
        let changed = sqlx::query!(
            "UPDATE partners SET delivers_every_days = $2 WHERE partner_id = $1",
            partner,
            days.map(i32::from),
        )
        .execute(&self.pool)
        .await?
        .rows_affected();
        Ok(changed == 1)
    }
}
