//! What became of everything that was delivered, in counts: what `demo --exit` prints and tests wait for. Never people.

use jiff::civil::Date;
use jiff_sqlx::ToSqlx;

use crate::{Store, StoreError};

/// A count of things of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The name: a code or an id of configuration.
    pub name: String,
    /// A second one where there is one (refusal code, reason); else empty.
    pub detail: String,
    /// How many.
    pub count: u64,
}

/// What is still on its way between two places (I2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OnTheWay {
    /// Receipts that the log has not confirmed.
    pub pending_receipts: u64,
    /// Filings that were decided and not yet produced.
    pub unproduced_filings: u64,
    /// Wake-ups that are due.
    pub due_wake_ups: u64,
    /// Deliveries whose rows are still being read.
    pub open_deliveries: u64,
}

impl OnTheWay {
    /// Whether nothing is.
    #[must_use]
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// What became of everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// At the door: outcome, and the refusal code.
    pub intake: Vec<Count>,
    /// Signals that wait for a household, by reason.
    pub unplaced: Vec<Count>,
    /// Records that wait for a person, by stage and reason.
    pub dead_letters: Vec<Count>,
    /// Signals on timelines, by standing.
    pub on_timelines: Vec<Count>,
    /// Households with a signal.
    pub households: u64,
    /// Matches by rule.
    pub matches: Vec<Count>,
    /// Matches that raise nothing, by rule and reason.
    pub suppressed: Vec<Count>,
    /// Matches that were never a ground themselves and whose witnesses are all answered by a closed task, by rule (K4).
    pub answered: Vec<Count>,
    /// Matches that are no ground of a task, not suppressed and not answered; more than none is a fault.
    pub matches_nowhere: u64,
    /// Tasks by the rules that ground them; a task with two grounds counts under both.
    pub tasks_by_rule: Vec<Count>,
    /// Tasks by state.
    pub tasks_by_state: Vec<Count>,
    /// Households that must be left alone now.
    pub holds: u64,
}

impl Store {
    /// Counts everything. For a demo or a test: it reads whole tables.
    pub async fn summary(&self) -> Result<Summary, StoreError> {
        let mut tx = self.begin("summary").await?;
        sqlx::query!("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .execute(&mut *tx.inner)
            .await?;
        let rows = sqlx::query!(
            r#"SELECT topic AS "topic!", name AS "name!", detail AS "detail!", count AS "count!" FROM (
                SELECT 'intake' AS topic, outcome AS name, code AS detail, sum(signals)::bigint AS count
                    FROM intake_counts GROUP BY outcome, code
                UNION ALL
                SELECT 'unplaced', coalesce(home.unplaced_reason, ''), '', count(*)
                    FROM (SELECT DISTINCT ON (signal_id) * FROM signal_homes ORDER BY signal_id, revision DESC, filing DESC) home
                    WHERE home.household_id IS NULL AND NOT home.withdrawn AND NOT home.discarded
                    GROUP BY home.unplaced_reason
                UNION ALL
                SELECT 'dead_letters', stage, reason, count(*) FROM dead_letters WHERE state = 'waiting' GROUP BY stage, reason
                UNION ALL
                SELECT 'on_timelines', standing, '', count(*) FROM signals WHERE lives_here GROUP BY standing
                UNION ALL
                SELECT 'households', '', '', count(DISTINCT household_id) FROM signals WHERE lives_here
                UNION ALL
                SELECT 'matches', rule_id, '', count(*) FROM matches GROUP BY rule_id
                UNION ALL
                SELECT 'suppressed', rule_id, reason, count(*) FROM suppressions GROUP BY rule_id, reason
                UNION ALL
                SELECT CASE WHEN answered THEN 'answered' ELSE 'matches_nowhere' END, CASE WHEN answered THEN rule_id ELSE '' END, '',
                    count(*)
                    FROM (SELECT m.rule_id, m.witnesses <@ ARRAY(SELECT unnest(g.witnesses) FROM task_grounds g JOIN tasks t USING (task_id)
                                WHERE t.state = 'closed' AND g.witnesses && m.witnesses) AS answered
                          FROM matches m JOIN (
                                SELECT household_id, rule_id, anchor FROM matches
                                EXCEPT SELECT household_id, rule_id, anchor FROM suppressions
                                EXCEPT SELECT t.household_id, g.rule_id, g.anchor FROM tasks t JOIN task_grounds g USING (task_id)
                          ) lonely USING (household_id, rule_id, anchor)) alone
                    GROUP BY 1, 2
                UNION ALL
                SELECT 'tasks_by_rule', g.rule_id, '', count(DISTINCT g.task_id) FROM task_grounds g GROUP BY g.rule_id
                UNION ALL
                SELECT 'tasks_by_state', state, '', count(*) FROM tasks GROUP BY state
                UNION ALL
                SELECT 'holds', '', '', count(DISTINCT household_id) FROM holds WHERE lifted_at IS NULL
            ) counted ORDER BY topic, name, detail"#
        )
        .fetch_all(&mut *tx.inner)
        .await?;
        tx.commit().await?;
        let mut summary = Summary::default();
        for row in rows {
            let count = Count {
                name: row.name,
                detail: row.detail,
                count: row.count.max(0).cast_unsigned(),
            };
            let list = match row.topic.as_str() {
                "intake" => &mut summary.intake,
                "unplaced" => &mut summary.unplaced,
                "dead_letters" => &mut summary.dead_letters,
                "on_timelines" => &mut summary.on_timelines,
                "matches" => &mut summary.matches,
                "suppressed" => &mut summary.suppressed,
                "answered" => &mut summary.answered,
                "tasks_by_rule" => &mut summary.tasks_by_rule,
                "tasks_by_state" => &mut summary.tasks_by_state,
                "households" => {
                    summary.households = count.count;
                    continue;
                }
                "matches_nowhere" => {
                    summary.matches_nowhere = count.count;
                    continue;
                }
                _ => {
                    summary.holds = count.count;
                    continue;
                }
            };
            list.push(count);
        }
        Ok(summary)
    }

    /// What is still on its way on this day, apart from what the stages have not read yet.
    pub async fn on_the_way(&self, today: Date) -> Result<OnTheWay, StoreError> {
        let row = sqlx::query!(
            r#"SELECT
                (SELECT count(*) FROM pending_receipts) AS "pending_receipts!",
                (SELECT count(*) FROM unproduced_filings) AS "unproduced_filings!",
                (SELECT count(*) FROM wake_ups WHERE due <= $1) AS "due_wake_ups!",
                (SELECT count(*) FROM deliveries WHERE state = 'receiving') AS "open_deliveries!""#,
            today.to_sqlx() as _,
        )
        .fetch_one(&self.pool)
        .await?;
        let count = |number: i64| number.max(0).cast_unsigned();
        Ok(OnTheWay {
            pending_receipts: count(row.pending_receipts),
            unproduced_filings: count(row.unproduced_filings),
            due_wake_ups: count(row.due_wake_ups),
            open_deliveries: count(row.open_deliveries),
        })
    }

    /// How far a stage is in a topic: `(partition, next offset)`, by partition.
    pub async fn positions_of(
        &self,
        stage: &str,
        topic: &str,
    ) -> Result<Vec<(i32, i64)>, StoreError> {
        let rows = sqlx::query!(
            "SELECT partition, next_offset FROM partition_positions WHERE stage = $1 AND topic = $2 ORDER BY partition",
            stage,
            topic,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.partition, row.next_offset))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_match_that_is_nowhere_is_counted_and_one_with_a_reason_is_not(pool: PgPool) {
        sqlx::raw_sql(
            "INSERT INTO matches (household_id, rule_id, anchor, municipality, rule_version, rule_set, witnesses, evidence)
             SELECT gen_random_uuid(), 'debt.single', '2026-0' || n, '0518', 1, 'x', ARRAY[gen_random_uuid()], '[]' FROM generate_series(1, 3) n;
             INSERT INTO suppressions (household_id, rule_id, anchor, municipality, reason, as_of)
             SELECT household_id, rule_id, anchor, municipality, 'threshold', '2026-01-01' FROM matches WHERE anchor = '2026-01'",
        )
        .execute(&pool)
        .await
        .unwrap();
        let summary = Store::from_pool(pool).summary().await.unwrap();
        assert_eq!(summary.matches_nowhere, 2);
        assert_eq!(summary.matches[0].count, 3);
        assert_eq!(
            (
                summary.suppressed[0].detail.as_str(),
                summary.suppressed[0].count
            ),
            ("threshold", 1)
        );
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn only_wake_ups_that_are_due_are_on_the_way(pool: PgPool) {
        sqlx::raw_sql(
            "INSERT INTO wake_ups (topic, partition, household_id, due, reason)
             VALUES ('t', 0, gen_random_uuid(), '2026-01-02', 'cooldown')",
        )
        .execute(&pool)
        .await
        .unwrap();
        let store = Store::from_pool(pool);
        let on = async |day| {
            store
                .on_the_way(jiff::civil::date(2026, 1, day))
                .await
                .unwrap()
        };
        assert!(on(1).await.is_nothing());
        assert_eq!(on(2).await.due_wake_ups, 1);
    }
}
