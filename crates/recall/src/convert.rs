//! From rows to what `detect` judges and plans with.

use std::collections::BTreeMap;

use voorveld_detect::{Anchor, Closure, Decimal, FieldValue, Ground, KnownTask, Ladder, Signal};
use voorveld_domain::FieldName;
use voorveld_store::StoreError;
use voorveld_store::judgements::{JudgedGround, JudgedTask};
use voorveld_store::timelines::TimelineRow;
use voorveld_wire::signal_v1::FieldValue as WireValue;

/// A stored row as `detect` judges it. Fails on fields that are not what `wire::signal_v1` writes.
pub fn signal(row: &TimelineRow) -> Result<Signal, StoreError> {
    Ok(Signal {
        revision: row.revision,
        filing: row.filing,
        presence: row.presence,
        standing: row.standing,
        id: row.signal,
        partner: row.partner.clone(),
        partner_type: row.partner_type,
        kind: row.kind.clone(),
        domain: row.domain.clone(),
        event_date: row.event_date,
        first_received_at: row.first_received_at,
        received_at: row.received_at,
        amount: row.amount,
        crisis: row.crisis,
        warm_handover: row.warm_handover,
        supply_ends_on: row.supply_ends_on,
        debtor: row.debtor,
        fields: fields(row.fields.as_ref())?,
    })
}

fn fields(
    stored: Option<&serde_json::Value>,
) -> Result<BTreeMap<FieldName, FieldValue>, StoreError> {
    let corrupt = || StoreError::Corrupt {
        table: "signals",
        what: "fields",
    };
    let Some(stored) = stored else {
        return Ok(BTreeMap::new());
    };
    let fields: BTreeMap<String, WireValue> =
        serde_json::from_value(stored.clone()).map_err(|_| corrupt())?;
    fields
        .into_iter()
        .map(|(name, value)| {
            let name = name.parse().map_err(|_| corrupt())?;
            let value = match value {
                WireValue::Number(thousandths) => {
                    FieldValue::Number(Decimal::from_thousandths(thousandths))
                }
                WireValue::Date(day) => FieldValue::Date(day),
                WireValue::Boolean(answer) => FieldValue::Bool(answer),
                WireValue::Code(code) => FieldValue::Code(code.into()),
            };
            Ok((name, value))
        })
        .collect()
}

/// A stored task as `detect` plans with it. Fails on an anchor or evidence that is not in canonical text.
pub fn known_task(task: &JudgedTask) -> Result<KnownTask, StoreError> {
    Ok(KnownTask {
        id: task.id,
        purpose: task.purpose,
        state: task.state,
        urgency: task.urgency,
        due_on: task.due_on,
        ladder_step: u8::try_from(task.ladder_step).unwrap_or(Ladder::LAST_STEP),
        raised_on: task.raised_as_of,
        closed: task.closed.map(|(on, outcome)| Closure { on, outcome }),
        grounds: task
            .grounds
            .iter()
            .map(known_ground)
            .collect::<Result<_, _>>()?,
    })
}

fn known_ground(ground: &JudgedGround) -> Result<Ground, StoreError> {
    Ok(Ground {
        rule: ground.rule.clone(),
        version: ground.version,
        anchor: ground
            .anchor
            .parse::<Anchor>()
            .map_err(|_| StoreError::Corrupt {
                table: "task_grounds",
                what: "anchor",
            })?,
        witnesses: ground.witnesses.clone(),
        evidence: ground
            .evidence
            .iter()
            .map(|text| text.parse())
            .collect::<Result<_, _>>()
            .map_err(|_| StoreError::Corrupt {
                table: "task_grounds",
                what: "evidence",
            })?,
        due_on: ground.due_on,
        added_on: ground.added_as_of,
        repeat: ground.repeat,
    })
}
