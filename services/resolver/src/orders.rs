//! What was decided and is to be produced: kept with the decision, and read again by whoever finds it left over.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use voorveld_bus::Outgoing;
use voorveld_store::StoreError;
use voorveld_store::homes::{NewHome, ToProduce, Unproduced};
use voorveld_wire::signal_v1::{Resolved, household_key};

/// A line of [`ToProduce::records`]: what one filing has to produce.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    request_id: Option<&'a str>,
    records: &'a [Resolved],
}

/// A line as it is read again.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LineRead {
    request_id: Option<String>,
    records: Vec<Resolved>,
}

/// What a batch has to produce, by partition.
#[derive(Default)]
pub struct Orders {
    by_partition: BTreeMap<i32, ToProduce>,
}

impl Orders {
    /// Adds what a filing has to produce; nothing where it has no records.
    pub fn add(&mut self, home: &NewHome, request_id: Option<&str>, records: &[Resolved]) {
        if records.is_empty() {
            return;
        }
        let order = self
            .by_partition
            .entry(home.partition)
            .or_insert_with(|| ToProduce {
                partition: home.partition,
                ..ToProduce::default()
            });
        order.filings.push(home.id());
        let line = Line {
            request_id,
            records,
        };
        serde_json::to_writer(&mut order.records, &line).expect("plain values are JSON");
        order.records.push(b'\n');
    }

    /// All of it.
    pub fn finish(self) -> Vec<ToProduce> {
        self.by_partition.into_values().collect()
    }
}

/// A record on its way to the log.
pub fn to_log(record: &Resolved, request_id: Option<String>) -> Outgoing {
    Outgoing {
        key: Bytes::from(household_key(record.household)),
        value: Bytes::from(record.write()),
        request_id,
    }
}

/// What was left over, on its way to the log, in the order in which it was decided.
pub fn left_over(one: &Unproduced) -> Result<Vec<Outgoing>, StoreError> {
    let lines = serde_json::Deserializer::from_slice(&one.records).into_iter::<LineRead>();
    let mut outgoing = Vec::new();
    for line in lines {
        let line = line.map_err(|_| StoreError::Corrupt {
            table: "filings_to_produce",
            what: "records are lines of what is to be produced",
        })?;
        let records = line.records.iter();
        outgoing.extend(records.map(|record| to_log(record, line.request_id.clone())));
    }
    Ok(outgoing)
}
