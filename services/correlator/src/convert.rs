//! Between what is read and stored and what `detect` judges.

use std::fmt;

use jiff::Timestamp;
use uuid::Uuid;
use voorveld_detect::Ground;
use voorveld_domain::{
    Cents, DebtorId, Filing, HouseholdId, Presence, Revision, SignalId, Standing,
};
pub(crate) use voorveld_recall::{known_task, signal};
use voorveld_store::judgements::JudgedGround;
use voorveld_store::timelines::TimelineRow;
use voorveld_wire::signal_v1::{Content, Resolved};

/// Why a record that parses is no signal: poison, as a code.
pub(crate) type BadRecord = &'static str;

/// A record as a row for its household's timeline. What a withdrawal or a moved-away record does not say is taken from the copy that is known.
pub(crate) fn row(
    record: &Resolved,
    known: Option<&TimelineRow>,
    request_id: Option<&str>,
    came_at: i64,
) -> Result<TimelineRow, BadRecord> {
    let revision = Revision::from_number(record.revision.into()).ok_or("bad_revision")?;
    let filing = Filing::from_number(record.filing.into()).ok_or("bad_filing")?;
    let presence = if record.lives_here {
        Presence::LivesHere
    } else {
        Presence::MovedAway
    };
    let standing = if record.withdrawn {
        Standing::Withdrawn
    } else if record.objected {
        Standing::Objected
    } else {
        Standing::Counted
    };
    let base = TimelineRow {
        household: HouseholdId::from_uuid(record.household),
        signal: SignalId::from_uuid(record.signal),
        municipality: record
            .municipality
            .parse()
            .map_err(|_| "bad_municipality")?,
        revision,
        filing,
        presence,
        standing,
        partner: record.partner.parse().map_err(|_| "bad_partner")?,
        partner_type: voorveld_domain::PartnerType::Other,
        kind: record.kind.parse().map_err(|_| "bad_kind")?,
        domain: "unknown".parse().map_err(|_| "bad_domain")?,
        event_date: voorveld_calendar::amsterdam_date(record.first_received_at),
        first_received_at: record.first_received_at,
        received_at: record.received_at,
        amount: None,
        crisis: false,
        warm_handover: false,
        supply_ends_on: None,
        age_unknown: false,
        debtor: None,
        area: None,
        fields: None,
        request_id: request_id.map(str::to_owned),
        came_at,
    };
    match (&record.content, known) {
        (Some(content), _) => with_content(base, record, content),
        (None, Some(known)) => Ok(TimelineRow {
            partner_type: known.partner_type,
            domain: known.domain.clone(),
            event_date: known.event_date,
            amount: known.amount,
            crisis: known.crisis,
            warm_handover: known.warm_handover,
            supply_ends_on: known.supply_ends_on,
            age_unknown: known.age_unknown,
            debtor: known.debtor,
            area: known.area.clone(),
            fields: known.fields.clone(),
            ..base
        }),
        // Taken back or moved on before anything was known of it here: it counts for nothing and only stands as a mark.
        (None, None) => Ok(base),
    }
}

fn with_content(
    base: TimelineRow,
    record: &Resolved,
    content: &Content,
) -> Result<TimelineRow, BadRecord> {
    Ok(TimelineRow {
        partner_type: content
            .partner_type
            .parse()
            .map_err(|_| "bad_partner_type")?,
        domain: content.domain.parse().map_err(|_| "bad_domain")?,
        event_date: content.event_date,
        amount: content
            .amount_cents
            .map(|cents| Cents::try_from(i64::from(cents)))
            .transpose()
            .map_err(|_| "bad_amount")?,
        crisis: content.crisis,
        warm_handover: content.warm_handover,
        supply_ends_on: content.supply_ends_on,
        age_unknown: content.age_unknown,
        debtor: record.debtor.map(DebtorId::from_uuid),
        area: record
            .area
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|_| "bad_area")?,
        fields: if content.fields.is_empty() {
            None
        } else {
            serde_json::to_value(&content.fields).ok()
        },
        ..base
    })
}

/// A ground as it is stored.
pub(crate) fn judged_ground(ground: &Ground) -> JudgedGround {
    JudgedGround {
        rule: ground.rule.clone(),
        version: ground.version,
        anchor: ground.anchor.to_string(),
        witnesses: ground.witnesses.clone(),
        evidence: ground.evidence.iter().map(ToString::to_string).collect(),
        due_on: ground.due_on,
        added_as_of: ground.added_on,
        repeat: ground.repeat,
    }
}

/// The namespace of task ids. Never change it: ids are stored.
const TASK_NAMESPACE: Uuid = Uuid::from_u128(0x9c2b_7d10_4e5f_4a63_8f7e_21d6_b0c4_5a38);

/// The id of a task by what raised it: the same records raise the same tasks, however they are batched and however often we crash (K2).
pub(crate) fn task_id(
    household: HouseholdId,
    purpose: voorveld_domain::Purpose,
    cause: &str,
) -> voorveld_domain::TaskId {
    let name = format!("{household}/{purpose}/{cause}");
    voorveld_domain::TaskId::from_uuid(Uuid::new_v5(&TASK_NAMESPACE, name.as_bytes()))
}

/// A copy of a signal, by which a record names what it raised: signal, revision, filing, and whether it lives here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CopyOf {
    signal: SignalId,
    revision: Revision,
    filing: Filing,
    presence: Presence,
}

impl CopyOf {
    pub(crate) const fn row(row: &TimelineRow) -> Self {
        Self {
            signal: row.signal,
            revision: row.revision,
            filing: row.filing,
            presence: row.presence,
        }
    }
}

/// Never change it: ids of tasks are made of it.
impl fmt::Display for CopyOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}/{}",
            self.signal,
            self.revision.get(),
            self.filing.get(),
            u8::from(self.presence == Presence::LivesHere)
        )
    }
}

/// T2: the day of a record, never lower than the household's last.
pub(crate) fn as_of(received_at: Timestamp, last: Option<jiff::civil::Date>) -> jiff::civil::Date {
    let day = voorveld_calendar::amsterdam_date(received_at);
    last.map_or(day, |last| last.max(day))
}
