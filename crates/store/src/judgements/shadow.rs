//! What a shadow finds, in a table of its own (M3), and how that compares with what is live.

use uuid::Uuid;
use voorveld_domain::{HouseholdId, MunicipalityCode, RuleId};

use super::written::{MatchRow, uuid_array};
use super::{corrupt, ids};
use crate::{Store, StoreError, Tx};

/// A match of a shadow.
#[derive(Debug, Clone)]
pub struct ShadowRow {
    /// What was found.
    pub found: MatchRow,
    /// Beside the tasks as they are it would have raised one.
    pub raises: bool,
}

/// What a rule finds, live and as a shadow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleComparison {
    /// Which rule.
    pub rule: RuleId,
    /// Its version among the live matches.
    pub live_version: Option<u32>,
    /// Its version among those of the shadow.
    pub shadow_version: Option<u32>,
    /// Live matches.
    pub live: i64,
    /// Matches of the shadow.
    pub shadow: i64,
    /// Households that only the live rule finds.
    pub only_live: i64,
    /// Households that only the shadow finds.
    pub only_shadow: i64,
    /// Households at which the shadow would have raised a task beside those that are there.
    pub would_raise: i64,
}

impl Tx {
    /// Makes what shadows found at these households exactly `rows`, all of this publication; a row that says the same is left alone.
    pub async fn replace_shadow_matches(
        &mut self,
        publication: i64,
        households: &[HouseholdId],
        rows: &[ShadowRow],
    ) -> Result<(), StoreError> {
        let owners: Vec<Uuid> = rows.iter().map(|row| row.found.household.uuid()).collect();
        let texts = |pick: fn(&MatchRow) -> String| {
            rows.iter()
                .map(|row| pick(&row.found))
                .collect::<Vec<String>>()
        };
        let versions: Vec<i32> = rows
            .iter()
            .map(|row| row.found.version.cast_signed())
            .collect();
        let evidence: Vec<serde_json::Value> = rows
            .iter()
            .map(|row| row.found.evidence.clone().into())
            .collect();
        let raises: Vec<bool> = rows.iter().map(|row| row.raises).collect();
        let rules = texts(|row| row.rule.to_string());
        let anchors = texts(|row| row.anchor.clone());
        sqlx::query!(
            "DELETE FROM shadow_matches m USING (
                SELECT publication, household_id, rule_id, anchor FROM shadow_matches WHERE household_id = ANY($2)
                EXCEPT SELECT $1, * FROM UNNEST($3::uuid[], $4::text[], $5::text[])) AS gone
             WHERE m.publication = gone.publication AND m.household_id = gone.household_id AND m.rule_id = gone.rule_id
               AND m.anchor = gone.anchor",
            publication,
            &ids(households),
            &owners,
            &rules,
            &anchors,
        )
        .execute(&mut *self.inner)
        .await?;
        sqlx::query!(
            "INSERT INTO shadow_matches (publication, household_id, rule_id, anchor, municipality, rule_version, witnesses, evidence, raises)
             SELECT $1, n.household_id, n.rule_id, n.anchor, n.municipality, n.rule_version, n.witnesses::uuid[], n.evidence, n.raises
             FROM UNNEST($2::uuid[], $3::text[], $4::text[], $5::text[], $6::int[], $7::text[], $8::jsonb[], $9::bool[])
               AS n (household_id, rule_id, anchor, municipality, rule_version, witnesses, evidence, raises)
             LEFT JOIN (SELECT * FROM shadow_matches WHERE publication = $1 AND household_id = ANY($10)) AS known
                USING (household_id, rule_id, anchor)
             WHERE (known.rule_version, known.witnesses, known.evidence, known.raises)
               IS DISTINCT FROM (n.rule_version, n.witnesses::uuid[], n.evidence, n.raises)
             ON CONFLICT (publication, household_id, rule_id, anchor) DO UPDATE
               SET rule_version = excluded.rule_version, witnesses = excluded.witnesses, evidence = excluded.evidence, raises = excluded.raises",
            publication,
            &owners,
            &rules,
            &anchors,
            &texts(|row| row.municipality.to_string()),
            &versions,
            &texts(|row| uuid_array(&row.witnesses)),
            &evidence,
            &raises,
            &ids(households),
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}

impl Store {
    /// What each rule finds live and in this shadow, of one municipality or of all.
    pub async fn compare_shadow(
        &self,
        publication: i64,
        municipality: Option<MunicipalityCode>,
    ) -> Result<Vec<RuleComparison>, StoreError> {
        sqlx::query!(
            r#"WITH live AS (
                   SELECT rule_id, household_id, count(*) AS matches, max(rule_version) AS version FROM matches
                   WHERE $2::text IS NULL OR municipality = $2 GROUP BY 1, 2),
               shadow AS (
                   SELECT rule_id, household_id, count(*) AS matches, max(rule_version) AS version, bool_or(raises) AS raises
                   FROM shadow_matches WHERE publication = $1 AND ($2::text IS NULL OR municipality = $2) GROUP BY 1, 2)
               SELECT rule_id AS "rule_id!", max(l.version) AS live_version, max(s.version) AS shadow_version,
                      coalesce(sum(l.matches), 0)::bigint AS "live!", coalesce(sum(s.matches), 0)::bigint AS "shadow!",
                      count(*) FILTER (WHERE s.matches IS NULL) AS "only_live!",
                      count(*) FILTER (WHERE l.matches IS NULL) AS "only_shadow!",
                      count(*) FILTER (WHERE s.raises) AS "would_raise!"
               FROM live l FULL JOIN shadow s USING (rule_id, household_id) GROUP BY rule_id ORDER BY rule_id"#,
            publication,
            municipality.map(|code| code.to_string()),
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(|row| {
            let rule = row.rule_id.parse();
            Ok(RuleComparison {
                rule: rule.map_err(|_| corrupt("shadow_matches", "rule_id"))?,
                live_version: row.live_version.map(i32::cast_unsigned),
                shadow_version: row.shadow_version.map(i32::cast_unsigned),
                live: row.live,
                shadow: row.shadow,
                only_live: row.only_live,
                only_shadow: row.only_shadow,
                would_raise: row.would_raise,
            })
        })
        .collect()
    }

    /// A handful of households that a rule finds only live, and of those it finds only in the shadow.
    pub async fn shadow_differences(
        &self,
        publication: i64,
        rule: &RuleId,
        limit: i64,
    ) -> Result<(Vec<HouseholdId>, Vec<HouseholdId>), StoreError> {
        let households = |rows: Vec<Uuid>| {
            rows.into_iter()
                .map(HouseholdId::from_uuid)
                .collect::<Vec<_>>()
        };
        let only_live = sqlx::query_scalar!(
            "SELECT DISTINCT m.household_id FROM matches m WHERE m.rule_id = $2 AND NOT EXISTS (
                 SELECT 1 FROM shadow_matches s WHERE s.publication = $1 AND s.household_id = m.household_id AND s.rule_id = m.rule_id)
             ORDER BY 1 LIMIT $3",
            publication,
            rule.as_str(),
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        let only_shadow = sqlx::query_scalar!(
            "SELECT DISTINCT s.household_id FROM shadow_matches s WHERE s.publication = $1 AND s.rule_id = $2 AND NOT EXISTS (
                 SELECT 1 FROM matches m WHERE m.household_id = s.household_id AND m.rule_id = s.rule_id)
             ORDER BY 1 LIMIT $3",
            publication,
            rule.as_str(),
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok((households(only_live), households(only_shadow)))
    }

    /// In how many partitions a shadow runs.
    pub async fn shadow_partitions(&self, publication: i64) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT count(*) AS "n!" FROM shadow_activations WHERE publication = $1"#,
            publication,
        )
        .fetch_one(&self.pool)
        .await?)
    }
}
