//! The end of a signal by age: from a birthday on it lives nowhere (S3), so it counts nowhere (I5), and then it is erased.
//!
//! Only this room reads birth dates. It writes that day down when it files a signal, and files it once more when the day comes: *moved away* from where it
//! was, to nowhere. Whoever judges sees a move like any other and never learns why, or how old somebody is (I9).

use std::time::Duration;

use voorveld_chassis::Stopwatch;
use voorveld_stage::{StageError, Transaction as _};
use voorveld_store::homes::{Home, NewHome, PastEnd};
use voorveld_store::positions::Step;
use voorveld_wire::signal_v1::{Resolved, VERSION};

use crate::database::{Database, Decisions, Transaction as _};
use crate::decide::unplaced;
use crate::live::{READER, Resolver};
use crate::orders::Orders;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// Most signals that end in one transaction.
const ENDED_MAX: i64 = 1_000;

impl<D: Database> Resolver<D> {
    /// Files what is past its end nowhere, to be produced with what is left over, and notes for erasing what no timeline holds any more. Under the positions
    /// of its partitions: no revision of the same signal is decided on meanwhile.
    pub(crate) async fn end_past_age(&mut self, held: &[Step]) -> Result<(), StageError> {
        let is_early = |since: &Stopwatch| since.elapsed() < LOOK_EVERY;
        if held.is_empty() || self.looked.as_ref().is_some_and(is_early) {
            return Ok(());
        }
        let partitions: Vec<i32> = held.iter().map(|step| step.partition).collect();
        let (now, today) = (self.parts.clock.now(), self.parts.clock.today());
        let mut tx = self.parts.store.begin("end_past_age").await?;
        let past = tx.past_their_end(&partitions, today, ENDED_MAX).await?;
        if !past.is_empty() {
            tx.advance_positions(READER, held, now).await?;
            let mut decisions = Decisions::default();
            let mut orders = Orders::default();
            for one in &past {
                let (home, records) = nowhere(one, now);
                orders.add(&home, None, &records);
                decisions.filed.push(home);
            }
            decisions.to_produce = orders.finish();
            tx.write(&decisions, now).await?;
            tracing::info!(
                signals = past.len(),
                "signals are past the age until which they are kept"
            );
        }
        tx.note_past_their_end(today, now).await?;
        tx.commit().await?;
        let is_all = i64::try_from(past.len()).is_ok_and(|many| many < ENDED_MAX);
        self.looked = is_all.then(Stopwatch::start);
        Ok(())
    }
}

/// The filing of a signal that lives nowhere any more, and the record that says so where it lived.
fn nowhere(past: &PastEnd, now: jiff::Timestamp) -> (NewHome, Vec<Resolved>) {
    let filing = past.home.filing + 1;
    let records: Vec<Resolved> = past
        .home
        .household
        .iter()
        .map(|household| Resolved {
            v: VERSION,
            signal: past.signal.uuid(),
            revision: past.home.revision,
            filing,
            household: household.uuid(),
            lives_here: false,
            municipality: past.municipality.clone(),
            partner: past.partner.clone(),
            kind: past.kind.clone(),
            first_received_at: past.first_received_at,
            received_at: now,
            content: None,
            debtor: None,
            area: None,
            objected: false,
            withdrawn: false,
        })
        .collect();
    let home = NewHome {
        signal: past.signal,
        home: Home {
            revision: past.home.revision,
            filing,
            household: None,
            // It waits for nobody.
            withdrawn: true,
        },
        before: past.home.household,
        unplaced_reason: Some(unplaced::PAST_AGE),
        municipality: past.municipality.clone(),
        partner: past.partner.clone(),
        kind: past.kind.clone(),
        again: None,
        partition: past.partition,
        received_at: past.received_at,
        ends_on: Some(past.ends_on),
    };
    (home, records)
}
