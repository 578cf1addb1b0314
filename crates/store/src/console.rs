//! What operations looks at: counts and ages, read when somebody looks, never people.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use voorveld_domain::MunicipalityCode;

use crate::{Store, StoreError};

/// The periods that [`PartnerIntake`] counts over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntakePeriods {
    /// Today.
    pub day: Date,
    /// The first day of the last seven.
    pub week_from: Date,
    /// The first day of the last thirty.
    pub month_from: Date,
}

/// What came in from a partner with one outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerIntake {
    /// Who.
    pub partner: String,
    /// What it is called.
    pub partner_name: String,
    /// accepted, corrected, withdrawn, unchanged, refused; none for a partner that sent nothing.
    pub outcome: Option<String>,
    /// Refusal code, else empty.
    pub code: String,
    /// Today.
    pub day: i64,
    /// In the last seven days.
    pub week: i64,
    /// In the last thirty days.
    pub month: i64,
    /// The last day with such a row.
    pub last_day: Option<Date>,
}

/// Receipts that were promised but not yet acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingReceipts {
    /// Whose.
    pub partner: String,
    /// How many.
    pub signals: i64,
    /// Since when the oldest waits.
    pub oldest: Timestamp,
}

/// How far a stage is in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagePosition {
    /// Which stage.
    pub stage: String,
    /// Which topic it reads.
    pub topic: String,
    /// Which partition.
    pub partition: i32,
    /// The next record it takes.
    pub next_offset: i64,
    /// Which process has it.
    pub owner: String,
    /// When it moved last.
    pub updated_at: Timestamp,
}

/// Things that wait for a person or for the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// What sort: a stage, or a reason.
    pub what: String,
    /// How many.
    pub count: i64,
    /// Since when the oldest waits.
    pub oldest: Timestamp,
}

/// A team's open work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamLoad {
    /// Which team.
    pub team: String,
    /// Nobody has it.
    pub open: i64,
    /// Somebody has it.
    pub claimed: i64,
    /// Past its deadline.
    pub overdue: i64,
    /// Waits for a person because its grounds are gone (K10).
    pub flagged: i64,
    /// The earliest deadline.
    pub earliest_due: Option<Date>,
}

impl Store {
    /// What every active partner of this municipality sent, by outcome.
    pub async fn partner_intake(
        &self,
        municipality: MunicipalityCode,
        periods: IntakePeriods,
    ) -> Result<Vec<PartnerIntake>, StoreError> {
        Ok(sqlx::query!(
            r#"SELECT p.partner_id, p.name, c.outcome AS "outcome?", coalesce(c.code, '') AS "code!",
                      coalesce(sum(c.signals) FILTER (WHERE c.day = $2), 0)::bigint AS "day!",
                      coalesce(sum(c.signals) FILTER (WHERE c.day >= $3), 0)::bigint AS "week!",
                      coalesce(sum(c.signals) FILTER (WHERE c.day >= $4), 0)::bigint AS "month!",
                      max(c.day) AS last_day
               FROM partners p
               LEFT JOIN intake_counts c ON c.partner_id = p.partner_id AND c.municipality IN ($1, '')
               WHERE $1 = ANY(p.municipalities) AND (p.disabled_at IS NULL OR c.day >= $4)
               GROUP BY p.partner_id, p.name, c.outcome, c.code
               ORDER BY p.name, p.partner_id, c.outcome, c.code"#,
            municipality.as_str(),
            periods.day.to_sqlx() as _,
            periods.week_from.to_sqlx() as _,
            periods.month_from.to_sqlx() as _,
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(|row| PartnerIntake {
            partner: row.partner_id,
            partner_name: row.name,
            outcome: row.outcome,
            code: row.code,
            day: row.day,
            week: row.week,
            month: row.month,
            last_day: row.last_day.map(jiff_sqlx::Date::to_jiff),
        })
        .collect())
    }

    /// Receipts that are still pending, by partner (I1, S5).
    pub async fn pending_receipts(
        &self,
        municipality: MunicipalityCode,
    ) -> Result<Vec<PendingReceipts>, StoreError> {
        Ok(sqlx::query!(
            r#"SELECT partner_id AS "partner_id!", count(*) AS "signals!", min(received_at) AS "oldest!: jiff_sqlx::Timestamp"
               FROM pending_receipts WHERE municipality = $1
               GROUP BY partner_id ORDER BY partner_id"#,
            municipality.as_str(),
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(|row| PendingReceipts {
            partner: row.partner_id,
            signals: row.signals,
            oldest: row.oldest.to_jiff(),
        })
        .collect())
    }

    /// How far each stage is.
    pub async fn all_positions(&self) -> Result<Vec<StagePosition>, StoreError> {
        Ok(sqlx::query!(
            "SELECT stage, topic, partition, next_offset, owner, updated_at FROM partition_positions
             ORDER BY stage, topic, partition",
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(|row| StagePosition {
            stage: row.stage,
            topic: row.topic,
            partition: row.partition,
            next_offset: row.next_offset,
            owner: row.owner,
            updated_at: row.updated_at.to_jiff(),
        })
        .collect())
    }

    /// Dead letters nobody has decided about, by stage.
    pub async fn waiting_dead_letters(&self) -> Result<Vec<Waiting>, StoreError> {
        Ok(sqlx::query!(
            r#"SELECT stage, count(*) AS "count!", min(died_at) AS "oldest!: jiff_sqlx::Timestamp"
               FROM dead_letters WHERE state = 'waiting' GROUP BY stage ORDER BY stage"#,
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(|row| Waiting {
            what: row.stage,
            count: row.count,
            oldest: row.oldest.to_jiff(),
        })
        .collect())
    }

    /// Signals without a household that nobody has decided about, by reason.
    pub async fn waiting_unplaced(
        &self,
        municipality: MunicipalityCode,
    ) -> Result<Vec<Waiting>, StoreError> {
        Ok(sqlx::query!(
            r#"SELECT coalesce(h.unplaced_reason, '') AS "reason!", count(*) AS "count!",
                      min(h.decided_at) AS "oldest!: jiff_sqlx::Timestamp"
               FROM signal_homes h
               WHERE h.household_id IS NULL AND NOT h.withdrawn AND NOT h.discarded AND h.municipality = $1
                 AND NOT EXISTS (SELECT 1 FROM signal_homes later WHERE later.signal_id = h.signal_id
                                   AND (later.revision, later.filing) > (h.revision, h.filing))
               GROUP BY 1 ORDER BY 2 DESC, 1"#,
            municipality.as_str(),
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(|row| Waiting {
            what: row.reason,
            count: row.count,
            oldest: row.oldest.to_jiff(),
        })
        .collect())
    }

    /// Decided filings that are still to be produced to the next topic.
    pub async fn waiting_unproduced(&self) -> Result<Option<Waiting>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT count(*) AS "count!", min(decided_at) AS "oldest: jiff_sqlx::Timestamp"
               FROM unproduced_filings"#,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(row.oldest.map(|oldest| Waiting {
            what: "unproduced".to_owned(),
            count: row.count,
            oldest: oldest.to_jiff(),
        }))
    }

    /// Open work per team.
    pub async fn team_loads(
        &self,
        municipality: MunicipalityCode,
        today: Date,
    ) -> Result<Vec<TeamLoad>, StoreError> {
        Ok(sqlx::query!(
            r#"SELECT team_id, count(*) FILTER (WHERE state = 'open') AS "open!",
                      count(*) FILTER (WHERE state = 'claimed') AS "claimed!",
                      count(*) FILTER (WHERE due_on < $2) AS "overdue!",
                      count(*) FILTER (WHERE flagged) AS "flagged!", min(due_on) AS earliest
               FROM tasks WHERE municipality = $1 AND state IN ('open', 'claimed')
               GROUP BY team_id ORDER BY team_id"#,
            municipality.as_str(),
            today.to_sqlx() as _,
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(|row| TeamLoad {
            team: row.team_id,
            open: row.open,
            claimed: row.claimed,
            overdue: row.overdue,
            flagged: row.flagged,
            earliest_due: row.earliest.map(jiff_sqlx::Date::to_jiff),
        })
        .collect())
    }

    /// How many households are held now; never why.
    pub async fn active_holds(&self, municipality: MunicipalityCode) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT count(DISTINCT household_id) AS "count!" FROM holds
               WHERE lifted_at IS NULL AND municipality = $1"#,
            municipality.as_str(),
        )
        .fetch_one(&self.pool)
        .await?)
    }
}
