//! Households' signals: the greatest copy of each (S3, S4).

use jiff::{Timestamp, civil::Date};
use jiff_sqlx::ToSqlx;
use uuid::Uuid;
use voorveld_domain::{
    AreaId, Cents, DebtorId, Filing, HouseholdId, KindId, MunicipalityCode, PartnerId, PartnerType,
    Presence, Revision, SignalDomain, SignalId, Standing,
};

use crate::copying::Rows;
use crate::{Store, StoreError, Tx};

/// A signal on a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineRow {
    /// Whose timeline.
    pub household: HouseholdId,
    /// Which signal.
    pub signal: SignalId,
    /// Nothing joins across municipalities.
    pub municipality: MunicipalityCode,
    /// S2.
    pub revision: Revision,
    /// S3.
    pub filing: Filing,
    /// S3.
    pub presence: Presence,
    /// S4.
    pub standing: Standing,
    /// Who pushed it.
    pub partner: PartnerId,
    /// As what sort of organisation.
    pub partner_type: PartnerType,
    /// Its kind.
    pub kind: KindId,
    /// What the kind is about.
    pub domain: SignalDomain,
    /// T1.
    pub event_date: Date,
    /// T5.
    pub first_received_at: Timestamp,
    /// T1.
    pub received_at: Timestamp,
    /// Absent or zero is `None`.
    pub amount: Option<Cents>,
    /// M6.
    pub crisis: bool,
    /// Handed over in person.
    pub warm_handover: bool,
    /// M7.
    pub supply_ends_on: Option<Date>,
    /// S6.
    pub age_unknown: bool,
    /// S7.
    pub debtor: Option<DebtorId>,
    /// For routing.
    pub area: Option<AreaId>,
    /// S8, as `wire::signal_v1` writes them.
    pub fields: Option<serde_json::Value>,
    /// The request that brought it.
    pub request_id: Option<String>,
    /// Its place in the household's log order (K2): the offset of the record that brought this copy.
    pub came_at: i64,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "a row as it stands in the table"
)]
struct Raw {
    household_id: Uuid,
    signal_id: Uuid,
    municipality: String,
    revision: i32,
    filing: i32,
    lives_here: bool,
    standing: String,
    partner_id: String,
    partner_type: String,
    kind: String,
    domain: String,
    event_date: jiff_sqlx::Date,
    first_received_at: jiff_sqlx::Timestamp,
    received_at: jiff_sqlx::Timestamp,
    amount_cents: Option<i32>,
    crisis: bool,
    warm_handover: bool,
    supply_ends_on: Option<jiff_sqlx::Date>,
    age_unknown: bool,
    debtor_id: Option<Uuid>,
    area_id: Option<String>,
    fields: Option<serde_json::Value>,
    request_id: Option<String>,
    came_at: i64,
}

fn corrupt(what: &'static str) -> StoreError {
    StoreError::Corrupt {
        table: "signals",
        what,
    }
}

impl TryFrom<Raw> for TimelineRow {
    type Error = StoreError;
    fn try_from(raw: Raw) -> Result<Self, StoreError> {
        Ok(Self {
            household: HouseholdId::from_uuid(raw.household_id),
            signal: SignalId::from_uuid(raw.signal_id),
            municipality: raw
                .municipality
                .parse()
                .map_err(|_| corrupt("municipality"))?,
            revision: Revision::from_number(raw.revision.into())
                .ok_or_else(|| corrupt("revision"))?,
            filing: Filing::from_number(raw.filing.into()).ok_or_else(|| corrupt("filing"))?,
            presence: if raw.lives_here {
                Presence::LivesHere
            } else {
                Presence::MovedAway
            },
            standing: raw.standing.parse().map_err(|_| corrupt("standing"))?,
            partner: raw.partner_id.parse().map_err(|_| corrupt("partner_id"))?,
            partner_type: raw
                .partner_type
                .parse()
                .map_err(|_| corrupt("partner_type"))?,
            kind: raw.kind.parse().map_err(|_| corrupt("kind"))?,
            domain: raw.domain.parse().map_err(|_| corrupt("domain"))?,
            event_date: raw.event_date.to_jiff(),
            first_received_at: raw.first_received_at.to_jiff(),
            received_at: raw.received_at.to_jiff(),
            amount: raw
                .amount_cents
                .map(|cents| Cents::try_from(i64::from(cents)))
                .transpose()
                .map_err(|_| corrupt("amount_cents"))?,
            crisis: raw.crisis,
            warm_handover: raw.warm_handover,
            supply_ends_on: raw.supply_ends_on.map(jiff_sqlx::Date::to_jiff),
            age_unknown: raw.age_unknown,
            debtor: raw.debtor_id.map(DebtorId::from_uuid),
            area: raw
                .area_id
                .map(|area| area.parse())
                .transpose()
                .map_err(|_| corrupt("area_id"))?,
            fields: raw.fields,
            request_id: raw.request_id,
            came_at: raw.came_at,
        })
    }
}

impl Store {
    /// One household's signals, those that no longer count too, for people who look.
    pub async fn timeline(&self, household: HouseholdId) -> Result<Vec<TimelineRow>, StoreError> {
        let mut tx = self.begin("timeline").await?;
        tx.timelines(&[household]).await
    }
}

impl Tx {
    /// All signals of these households, in order of household and signal.
    pub async fn timelines(
        &mut self,
        households: &[HouseholdId],
    ) -> Result<Vec<TimelineRow>, StoreError> {
        if households.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<Uuid> = households
            .iter()
            .map(|household| household.uuid())
            .collect();
        sqlx::query_as!(
            Raw,
            "SELECT household_id, signal_id, municipality, revision, filing, lives_here, standing, partner_id, partner_type, kind, domain,
                event_date, first_received_at, received_at, amount_cents, crisis, warm_handover, supply_ends_on, age_unknown, debtor_id,
                area_id, fields, request_id, came_at
             FROM signals WHERE household_id = ANY($1) ORDER BY household_id, signal_id",
            &ids,
        )
        .fetch_all(&mut *self.inner)
        .await?
        .into_iter()
        .map(TimelineRow::try_from)
        .collect()
    }

    /// Keeps copies that a greater one supersedes. Costs nothing when there are none, as with signals that are new.
    pub async fn keep_superseded(&mut self, rows: &[TimelineRow]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let columns = Columns::of(rows);
        sqlx::query!(
            "INSERT INTO signal_history (household_id, signal_id, municipality, revision, filing, lives_here, standing, partner_id,
                partner_type, kind, domain, event_date, first_received_at, received_at, amount_cents, crisis, warm_handover, supply_ends_on,
                age_unknown, debtor_id, area_id, fields, request_id, came_at)
             SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::int[], $6::bool[], $7::text[], $8::text[], $9::text[],
                $10::text[], $11::text[], $12::date[], $13::timestamptz[], $14::timestamptz[], $15::int[], $16::bool[], $17::bool[],
                $18::date[], $19::bool[], $20::uuid[], $21::text[], $22::jsonb[], $23::text[], $24::bigint[])
             ON CONFLICT DO NOTHING",
            &columns.households,
            &columns.signals,
            &columns.municipalities,
            &columns.revisions,
            &columns.filings,
            &columns.lives_here,
            &columns.standings,
            &columns.partners,
            &columns.partner_types,
            &columns.kinds,
            &columns.domains,
            &columns.event_dates as _,
            &columns.first_received_at as _,
            &columns.received_at as _,
            &columns.amounts as _,
            &columns.crises,
            &columns.handovers,
            &columns.supply_ends as _,
            &columns.ages_unknown,
            &columns.debtors as _,
            &columns.areas as _,
            &columns.fields as _,
            &columns.requests as _,
            &columns.came_at,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// Writes copies of signals of which their household had none.
    pub async fn add_timelines(&mut self, rows: &[&TimelineRow]) -> Result<(), StoreError> {
        let mut new = Rows::default();
        for row in rows {
            new.column(row.household.uuid()).column(row.signal.uuid());
            new.column(row.municipality.as_str());
            new.column(row.revision.get().cast_signed());
            new.column(row.filing.get().cast_signed());
            new.column(row.presence == Presence::LivesHere);
            new.column(row.standing.code()).column(row.partner.as_str());
            new.column(row.partner_type.code())
                .column(row.kind.as_str());
            new.column(row.domain.as_str());
            new.column(row.event_date.to_sqlx());
            new.column(row.first_received_at.to_sqlx());
            new.column(row.received_at.to_sqlx());
            new.column(row.amount.map(|amount| amount.get().cast_signed()));
            new.column(row.crisis).column(row.warm_handover);
            new.column(row.supply_ends_on.map(ToSqlx::to_sqlx));
            new.column(row.age_unknown);
            new.column(row.debtor.map(DebtorId::uuid));
            new.column(row.area.as_ref().map(AreaId::as_str));
            new.column(row.fields.as_ref());
            new.column(row.request_id.as_deref())
                .column(row.came_at)
                .end();
        }
        let into = "signals (household_id, signal_id, municipality, revision, filing, lives_here, standing, partner_id, partner_type, kind, domain, \
                    event_date, first_received_at, received_at, amount_cents, crisis, warm_handover, supply_ends_on, age_unknown, debtor_id, area_id, \
                    fields, request_id, came_at)";
        self.copy(into, new).await
    }

    /// Writes the greatest copies; each (household, signal) at most once in `rows`.
    pub async fn write_timelines(&mut self, rows: &[TimelineRow]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let columns = Columns::of(rows);
        sqlx::query!(
            "INSERT INTO signals AS s (household_id, signal_id, municipality, revision, filing, lives_here, standing, partner_id, partner_type,
                kind, domain, event_date, first_received_at, received_at, amount_cents, crisis, warm_handover, supply_ends_on, age_unknown,
                debtor_id, area_id, fields, request_id, came_at)
             SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::int[], $6::bool[], $7::text[], $8::text[], $9::text[],
                $10::text[], $11::text[], $12::date[], $13::timestamptz[], $14::timestamptz[], $15::int[], $16::bool[], $17::bool[],
                $18::date[], $19::bool[], $20::uuid[], $21::text[], $22::jsonb[], $23::text[], $24::bigint[])
             ON CONFLICT (household_id, signal_id) DO UPDATE SET
                revision = excluded.revision, filing = excluded.filing, lives_here = excluded.lives_here, standing = excluded.standing,
                partner_type = excluded.partner_type, kind = excluded.kind, domain = excluded.domain, event_date = excluded.event_date,
                received_at = excluded.received_at, amount_cents = excluded.amount_cents, crisis = excluded.crisis,
                warm_handover = excluded.warm_handover, supply_ends_on = excluded.supply_ends_on, age_unknown = excluded.age_unknown,
                debtor_id = excluded.debtor_id, area_id = excluded.area_id, fields = excluded.fields, request_id = excluded.request_id,
                came_at = excluded.came_at",
            &columns.households,
            &columns.signals,
            &columns.municipalities,
            &columns.revisions,
            &columns.filings,
            &columns.lives_here,
            &columns.standings,
            &columns.partners,
            &columns.partner_types,
            &columns.kinds,
            &columns.domains,
            &columns.event_dates as _,
            &columns.first_received_at as _,
            &columns.received_at as _,
            &columns.amounts as _,
            &columns.crises,
            &columns.handovers,
            &columns.supply_ends as _,
            &columns.ages_unknown,
            &columns.debtors as _,
            &columns.areas as _,
            &columns.fields as _,
            &columns.requests as _,
            &columns.came_at,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }
}

/// Copies side by side, as `UNNEST` takes them.
struct Columns {
    households: Vec<Uuid>,
    signals: Vec<Uuid>,
    municipalities: Vec<String>,
    revisions: Vec<i32>,
    filings: Vec<i32>,
    lives_here: Vec<bool>,
    standings: Vec<String>,
    partners: Vec<String>,
    partner_types: Vec<String>,
    kinds: Vec<String>,
    domains: Vec<String>,
    event_dates: Vec<jiff_sqlx::Date>,
    first_received_at: Vec<jiff_sqlx::Timestamp>,
    received_at: Vec<jiff_sqlx::Timestamp>,
    amounts: Vec<Option<i32>>,
    crises: Vec<bool>,
    handovers: Vec<bool>,
    supply_ends: Vec<Option<jiff_sqlx::Date>>,
    ages_unknown: Vec<bool>,
    debtors: Vec<Option<Uuid>>,
    areas: Vec<Option<String>>,
    fields: Vec<Option<serde_json::Value>>,
    requests: Vec<Option<String>>,
    came_at: Vec<i64>,
}

impl Columns {
    fn of(rows: &[TimelineRow]) -> Self {
        let uuids = |pick: fn(&TimelineRow) -> Uuid| rows.iter().map(pick).collect::<Vec<Uuid>>();
        let words =
            |pick: fn(&TimelineRow) -> String| rows.iter().map(pick).collect::<Vec<String>>();
        let numbers = |pick: fn(&TimelineRow) -> i32| rows.iter().map(pick).collect::<Vec<i32>>();
        let flags = |pick: fn(&TimelineRow) -> bool| rows.iter().map(pick).collect::<Vec<bool>>();
        let instants = |pick: fn(&TimelineRow) -> Timestamp| {
            rows.iter()
                .map(|row| pick(row).to_sqlx())
                .collect::<Vec<jiff_sqlx::Timestamp>>()
        };
        Self {
            households: uuids(|row| row.household.uuid()),
            signals: uuids(|row| row.signal.uuid()),
            municipalities: words(|row| row.municipality.to_string()),
            revisions: numbers(|row| row.revision.get().cast_signed()),
            filings: numbers(|row| row.filing.get().cast_signed()),
            lives_here: flags(|row| row.presence == Presence::LivesHere),
            standings: words(|row| row.standing.code().to_owned()),
            partners: words(|row| row.partner.to_string()),
            partner_types: words(|row| row.partner_type.code().to_owned()),
            kinds: words(|row| row.kind.to_string()),
            domains: words(|row| row.domain.to_string()),
            event_dates: rows.iter().map(|row| row.event_date.to_sqlx()).collect(),
            first_received_at: instants(|row| row.first_received_at),
            received_at: instants(|row| row.received_at),
            amounts: rows
                .iter()
                .map(|row| row.amount.map(|amount| amount.get().cast_signed()))
                .collect(),
            crises: flags(|row| row.crisis),
            handovers: flags(|row| row.warm_handover),
            supply_ends: rows
                .iter()
                .map(|row| row.supply_ends_on.map(ToSqlx::to_sqlx))
                .collect(),
            ages_unknown: flags(|row| row.age_unknown),
            debtors: rows
                .iter()
                .map(|row| row.debtor.map(DebtorId::uuid))
                .collect(),
            areas: rows
                .iter()
                .map(|row| row.area.as_ref().map(ToString::to_string))
                .collect(),
            fields: rows.iter().map(|row| row.fields.clone()).collect(),
            requests: rows.iter().map(|row| row.request_id.clone()).collect(),
            came_at: rows.iter().map(|row| row.came_at).collect(),
        }
    }
}
