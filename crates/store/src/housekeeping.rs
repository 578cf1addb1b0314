//! What is erased when its time is over: the retentions that stand in the tables' comments and need nobody's judgement.
//!
//! Signals, tasks and identities are not here: their end is a judgement of its own (a signal that expires stops counting, I5).

use jiff::{Timestamp, Zoned};
use jiff_sqlx::ToSqlx;

use crate::{Store, StoreError};

/// How many rows of each sort went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Results per row of deliveries that were complete 14 days ago.
    pub delivery_rows: u64,
    /// Deliveries of 13 months ago.
    pub deliveries: u64,
    /// Sessions past their expiry.
    pub sessions: u64,
    /// Wrong passwords of more than a day ago.
    pub sign_in_failures: u64,
    /// Dead letters decided on 14 days ago.
    pub dead_letters: u64,
    /// API keys that expired 90 days ago.
    pub partner_keys: u64,
    /// Counts per day of 25 months ago.
    pub intake_counts: u64,
    /// What shadows found that have ended.
    pub shadow_matches: u64,
}

impl Swept {
    /// All together.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.delivery_rows
            + self.deliveries
            + self.sessions
            + self.sign_in_failures
            + self.dead_letters
            + self.partner_keys
            + self.intake_counts
            + self.shadow_matches
    }
}

impl Store {
    /// Erases what is past its retention; each table by itself, so that one that is locked does not keep the others.
    pub async fn sweep(&self, now: &Zoned) -> Result<Swept, StoreError> {
        let ago = |span: jiff::Span| now.saturating_sub(span);
        let instant =
            |span: jiff::Span| -> jiff_sqlx::Timestamp { ago(span).timestamp().to_sqlx() };
        let fortnight = instant(jiff::Span::new().days(14));
        let present: jiff_sqlx::Timestamp = Timestamp::to_sqlx(now.timestamp());
        let delivery_rows = sqlx::query!(
            "DELETE FROM delivery_rows r USING deliveries d WHERE d.delivery_id = r.delivery_id AND d.completed_at < $1",
            fortnight,
        )
        .execute(&self.pool)
        .await?
        .rows_affected();
        let deliveries = sqlx::query!(
            "DELETE FROM deliveries d WHERE d.received_at < $1
             AND NOT EXISTS (SELECT 1 FROM deliveries later WHERE later.same_as = d.delivery_id AND later.received_at >= $1)",
            instant(jiff::Span::new().months(13)),
        )
        .execute(&self.pool)
        .await?
        .rows_affected();
        let sessions = sqlx::query!("DELETE FROM sessions WHERE expires_at < $1", present)
            .execute(&self.pool)
            .await?
            .rows_affected();
        let sign_in_failures = sqlx::query!(
            "DELETE FROM sign_in_failures WHERE failed_at < $1",
            instant(jiff::Span::new().days(1))
        )
        .execute(&self.pool)
        .await?
        .rows_affected();
        let dead_letters = sqlx::query!(
            "DELETE FROM dead_letters WHERE state <> 'waiting' AND decided_at < $1",
            fortnight
        )
        .execute(&self.pool)
        .await?
        .rows_affected();
        let partner_keys = sqlx::query!(
            "DELETE FROM partner_keys WHERE expires_at < $1",
            instant(jiff::Span::new().days(90))
        )
        .execute(&self.pool)
        .await?
        .rows_affected();
        let intake_counts = sqlx::query!(
            "DELETE FROM intake_counts WHERE day < $1",
            ago(jiff::Span::new().months(25)).date().to_sqlx() as jiff_sqlx::Date,
        )
        .execute(&self.pool)
        .await?
        .rows_affected();
        let shadow_matches = sqlx::query!(
            "DELETE FROM shadow_matches m USING shadow_ends e WHERE e.publication = m.publication"
        )
        .execute(&self.pool)
        .await?
        .rows_affected();
        Ok(Swept {
            delivery_rows,
            deliveries,
            sessions,
            sign_in_failures,
            dead_letters,
            partner_keys,
            intake_counts,
            shadow_matches,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::PgPool;

    /// Each table with a row just past its retention and one that may stay a little longer. Invented.
    const ROWS: &str = "
        INSERT INTO partners VALUES ('p', 'P', '{0518}', '{}', '{}', 1, false, now(), NULL);
        INSERT INTO deliveries (delivery_id, partner_id, format, state, received_at, updated_at, completed_at) VALUES
            ('00000000-0000-0000-0000-000000000001', 'p', 'csv', 'complete', '2025-01-01', '2025-01-01', '2025-01-01'),
            ('00000000-0000-0000-0000-000000000002', 'p', 'csv', 'complete', '2026-03-01', '2026-03-01', '2026-03-01'),
            ('00000000-0000-0000-0000-000000000003', 'p', 'csv', 'complete', '2026-03-20', '2026-03-20', '2026-03-20');
        INSERT INTO delivery_rows (delivery_id, row_number, outcome) VALUES
            ('00000000-0000-0000-0000-000000000002', 1, 'accepted'), ('00000000-0000-0000-0000-000000000003', 1, 'accepted');
        INSERT INTO users VALUES ('00000000-0000-0000-0000-000000000009', '0518', 'u', 'U', 'x', '{}', '{}', now(), NULL, false);
        INSERT INTO sessions VALUES ('a', '00000000-0000-0000-0000-000000000009', 'a', '2026-03-31', '2026-03-31', '2026-03-31'),
            ('b', '00000000-0000-0000-0000-000000000009', 'b', '2026-03-31', '2026-03-31', '2026-04-02');
        INSERT INTO sign_in_failures VALUES ('u', '2026-03-30'), ('u', '2026-03-31 20:00Z');
        INSERT INTO dead_letters (dead_letter_id, stage, topic, partition, record_offset, record_key, payload, reason, withdrawal, state, died_at, decided_at) VALUES
            ('00000000-0000-0000-0000-000000000001', 's', 't', 0, 1, '', '', 'r', false, 'discarded', '2026-01-01', '2026-03-01'),
            ('00000000-0000-0000-0000-000000000002', 's', 't', 0, 2, '', '', 'r', false, 'discarded', '2026-01-01', '2026-03-30'),
            ('00000000-0000-0000-0000-000000000003', 's', 't', 0, 3, '', '', 'r', false, 'waiting', '2026-01-01', NULL);
        INSERT INTO partner_keys VALUES ('a', 'p', '', '2025-01-01', '2025-12-01'), ('b', 'p', '', '2025-01-01', '2026-03-01'),
            ('c', 'p', '', '2025-01-01', NULL);
        INSERT INTO policy_bundles VALUES ('b', '{}', '2026-01-01');
        INSERT INTO rule_sets VALUES ('r', '{}', '2026-01-01');
        INSERT INTO rule_publications (bundle, rule_set, mode, published_by, published_at, reason) VALUES
            ('b', 'r', 'shadow', 'x', '2026-01-01', 'y'), ('b', 'r', 'shadow', 'x', '2026-01-01', 'y');
        INSERT INTO shadow_ends VALUES (1, 'x', '2026-02-01', 'y');
        INSERT INTO shadow_matches VALUES (1, '00000000-0000-0000-0000-000000000001', 'r', '2026-01', '0518', 1, '{}', '[]', false),
            (2, '00000000-0000-0000-0000-000000000001', 'r', '2026-01', '0518', 1, '{}', '[]', false);
        INSERT INTO intake_counts VALUES ('2024-02-01', 'p', '', 'accepted', '', 1), ('2024-04-01', 'p', '', 'accepted', '', 1)";

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_is_past_its_retention_goes_and_the_rest_stays(pool: PgPool) {
        sqlx::raw_sql(ROWS).execute(&pool).await.expect("rows");
        let store = Store::from_pool(pool);
        let now: Zoned = "2026-04-01T00:00:00+02:00[Europe/Amsterdam]"
            .parse()
            .expect("an instant");
        let one_each = Swept {
            delivery_rows: 1,
            deliveries: 1,
            sessions: 1,
            sign_in_failures: 1,
            dead_letters: 1,
            partner_keys: 1,
            intake_counts: 1,
            shadow_matches: 1,
        };
        assert_eq!(store.sweep(&now).await.expect("sweeps"), one_each);
        assert_eq!(store.sweep(&now).await.expect("sweeps").total(), 0);
    }
}
