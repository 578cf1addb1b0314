//! A stored year that nobody sent, to measure with.

use crate::{Store, StoreError};

impl Store {
    /// Fills an empty database with a year of signals (2025), in order of arrival: the mix of kinds of the national figures, drawn over so many
    /// households by a hash, so that the same numbers give the same year. For a database that is thrown away.
    pub async fn invent_a_year(&self, signals: u32, households: u32) -> Result<(), StoreError> {
        let mut tx = self.begin("invent a year").await?;
        sqlx::query!(
            "INSERT INTO signals (household_id, signal_id, municipality, revision, filing, lives_here, standing, partner_id, partner_type, kind,
                domain, event_date, first_received_at, received_at, amount_cents, crisis, warm_handover, age_unknown, debtor_id, area_id, came_at)
             SELECT md5('household ' || n.household)::uuid, md5('signal ' || n.n)::uuid, lpad((n.household % 342)::text, 4, '0'), 1, 1, true,
                'counted', k.partner || '-' || n.household % 342, k.partner_type, k.kind, 'debt', n.day, n.day + interval '9 hours',
                n.day + interval '9 hours', 2000 + n.roll % 80000, false, false, false,
                CASE WHEN n.roll % 10 > 0 THEN md5('debtor ' || n.household || n.roll % 2)::uuid END,
                (ARRAY['noord', 'oost', 'zuid', 'west'])[1 + n.household % 4], n.n
             FROM (SELECT n, mod(hashint8extended(n, 1) & 2147483647, $2::bigint) AS household, (hashint8extended(n, 2) & 2147483647)::int AS roll,
                          DATE '2025-01-01' + (n * 365 / $1::bigint)::int AS day
                   FROM generate_series(0, $1::bigint - 1) AS n) AS n
             CROSS JOIN LATERAL (SELECT
                CASE WHEN roll % 100 < 41 THEN 'zorgverzekeraar' WHEN roll % 100 < 61 THEN 'verhuurder' WHEN roll % 100 < 81 THEN 'energie' ELSE 'water' END AS partner,
                CASE WHEN roll % 100 < 41 THEN 'health_insurance' WHEN roll % 100 < 61 THEN 'rent' WHEN roll % 100 < 81 THEN 'energy' ELSE 'water' END AS partner_type,
                CASE WHEN roll % 100 < 41 THEN 'health_insurance_arrears' WHEN roll % 100 < 61 THEN 'rent_arrears' WHEN roll % 100 < 81 THEN 'energy_arrears' ELSE 'water_arrears' END AS kind) AS k",
            i64::from(signals),
            i64::from(households),
        )
        .execute(&mut *tx.inner)
        .await?;
        tx.commit().await?;
        // As a database that has been in use for a while has done long ago.
        sqlx::query("VACUUM (ANALYZE) signals")
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
