//! Batches of one reader in several transactions at once.

use std::future::Future;

use async_trait::async_trait;
use futures::future::join_all;
use voorveld_bus::Record;
use voorveld_store::positions::Step;

use crate::{StageError, Work};

/// How many transactions of a reader are under way at once: while one waits for the database, another is thought about. More of them make smaller
/// sets, which cost more a record.
pub const LANES: usize = 2;

/// Work that is divided over lanes by partition. Each lane commits what it did with its own steps, in a transaction of its own (I3); no two lanes ever
/// have records of one partition.
pub struct Lanes<W> {
    lanes: Vec<W>,
    /// What is committed of a batch that did not end well in every lane: it is not done again when the batch is.
    committed: Vec<Step>,
}

/// One lane's part of something.
struct Part<'a, W> {
    lane: &'a mut W,
    steps: Vec<Step>,
}

impl<W: Work> Lanes<W> {
    /// One lane for each of these; at least one.
    #[must_use]
    pub const fn new(lanes: Vec<W>) -> Self {
        Self {
            lanes,
            committed: Vec::new(),
        }
    }

    /// The lanes that have a part in these steps.
    fn parts<'a>(&'a mut self, steps: &[Step]) -> Vec<Part<'a, W>> {
        let count = self.lanes.len();
        let parts = self.lanes.iter_mut().enumerate().map(|(nth, lane)| Part {
            lane,
            steps: steps
                .iter()
                .filter(|step| lane_of(step.partition, count) == nth)
                .copied()
                .collect(),
        });
        parts.filter(|part| !part.steps.is_empty()).collect()
    }

    /// Does the same in every lane that has a part in it, all at once.
    async fn each<'a, T, F>(
        &'a mut self,
        held: &[Step],
        what: impl Fn(Part<'a, W>) -> F,
    ) -> Result<Vec<T>, StageError>
    where
        F: Future<Output = Result<T, StageError>>,
    {
        let done = join_all(self.parts(held).into_iter().map(what)).await;
        all_of(done)
    }
}

fn lane_of(partition: i32, lanes: usize) -> usize {
    usize::try_from(partition).unwrap_or(0) % lanes.max(1)
}

/// What all of them did, or the fault that weighs most: one that repeating does not mend is not hidden by one that it does.
fn all_of<T>(done: Vec<Result<T, StageError>>) -> Result<Vec<T>, StageError> {
    let (mut fine, mut worst) = (Vec::with_capacity(done.len()), None::<StageError>);
    for one in done {
        match one {
            Ok(one) => fine.push(one),
            Err(error) => {
                if worst.as_ref().is_none_or(StageError::is_transient) {
                    worst = Some(error);
                }
            }
        }
    }
    worst.map_or(Ok(fine), Err)
}

#[async_trait]
impl<W: Work> Work for Lanes<W> {
    async fn batch(&mut self, steps: &[Step], records: &[Record]) -> Result<(), StageError> {
        let left: Vec<Step> = steps
            .iter()
            .filter(|step| !self.committed.contains(step))
            .copied()
            .collect();
        let done = join_all(self.parts(&left).into_iter().map(|part| async move {
            let own: Vec<Record> = records
                .iter()
                .filter(|record| {
                    part.steps
                        .iter()
                        .any(|step| step.partition == record.partition)
                })
                .cloned()
                .collect();
            part.lane.batch(&part.steps, &own).await?;
            Ok(part.steps)
        }))
        .await;
        let committed = done.iter().flatten().flatten().copied();
        self.committed.extend(committed);
        all_of(done)?;
        self.committed.clear();
        Ok(())
    }

    async fn claimed(&mut self, held: &[Step]) -> Result<(), StageError> {
        self.committed.clear();
        let claimed = self.each(
            held,
            |part| async move { part.lane.claimed(&part.steps).await },
        );
        claimed.await.map(drop)
    }

    async fn quiet(&mut self, held: &[Step]) -> Result<bool, StageError> {
        let quiet = self.each(
            held,
            |part| async move { part.lane.quiet(&part.steps).await },
        );
        Ok(quiet.await?.contains(&true))
    }

    async fn between(&mut self, held: &[Step]) -> Result<(), StageError> {
        let between = self.each(
            held,
            |part| async move { part.lane.between(&part.steps).await },
        );
        between.await.map(drop)
    }

    fn forget(&mut self) {
        self.lanes.iter_mut().for_each(Work::forget);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use std::sync::{Arc, Mutex};
    use voorveld_bus::BusError;

    use super::*;

    /// What a lane was asked to commit, by lane.
    type Asked = Arc<Mutex<Vec<(usize, Vec<i32>, usize)>>>;

    struct Lane {
        nth: usize,
        asked: Asked,
        /// The faults with which it answers, the last one first.
        faults: Vec<StageError>,
        has_more: bool,
    }

    impl Lane {
        fn note(&self, steps: &[Step], records: usize) {
            let partitions = steps.iter().map(|step| step.partition).collect();
            let mut asked = self.asked.lock().unwrap();
            asked.push((self.nth, partitions, records));
        }
    }

    #[async_trait]
    impl Work for Lane {
        async fn batch(&mut self, steps: &[Step], records: &[Record]) -> Result<(), StageError> {
            self.note(steps, records.len());
            self.faults.pop().map_or(Ok(()), Err)
        }

        async fn claimed(&mut self, held: &[Step]) -> Result<(), StageError> {
            self.note(held, 0);
            Ok(())
        }

        async fn quiet(&mut self, held: &[Step]) -> Result<bool, StageError> {
            self.note(held, 0);
            Ok(self.has_more)
        }

        async fn between(&mut self, held: &[Step]) -> Result<(), StageError> {
            self.note(held, 0);
            self.faults.pop().map_or(Ok(()), Err)
        }

        fn forget(&mut self) {
            self.note(&[], 0);
        }
    }

    fn lanes(faults: [Vec<StageError>; 2]) -> (Lanes<Lane>, Asked) {
        let asked = Asked::default();
        let lane = |(nth, faults)| Lane {
            nth,
            asked: Arc::clone(&asked),
            faults,
            has_more: nth == 1,
        };
        let lanes = faults.into_iter().enumerate().map(lane).collect();
        (Lanes::new(lanes), asked)
    }

    fn step(partition: i32) -> Step {
        Step {
            partition,
            from: 0,
            to: 1,
            epoch: 7,
        }
    }

    fn record(partition: i32) -> Record {
        Record {
            partition,
            offset: 0,
            key: Bytes::new(),
            value: Bytes::new(),
            request_id: None,
            appended_at_ms: 0,
        }
    }

    fn taken(asked: &Asked) -> Vec<(usize, Vec<i32>, usize)> {
        std::mem::take(&mut *asked.lock().unwrap())
    }

    fn passing() -> StageError {
        StageError::Bus(BusError::Unavailable {
            doing: "testing",
            source: "gone".into(),
        })
    }

    #[tokio::test]
    async fn each_lane_has_its_own_partitions() {
        let (mut lanes, asked) = lanes([vec![], vec![]]);
        let steps = [0, 1, 2, 5].map(step);
        let records = [0, 1, 1, 2, 5].map(record);
        lanes.batch(&steps, &records).await.unwrap();
        assert_eq!(taken(&asked), [(0, vec![0, 2], 2), (1, vec![1, 5], 3)]);
        lanes.claimed(&steps[1..2]).await.unwrap();
        assert_eq!(taken(&asked), [(1, vec![1], 0)]);
        assert!(lanes.quiet(&steps).await.unwrap());
        assert!(!lanes.quiet(&steps[..1]).await.unwrap());
        lanes.between(&steps[..2]).await.unwrap();
        taken(&asked);
        lanes.forget();
        assert_eq!(taken(&asked), [(0, vec![], 0), (1, vec![], 0)]);
    }

    #[tokio::test]
    async fn what_one_lane_committed_is_not_done_again_when_the_other_failed() {
        let (mut lanes, asked) = lanes([vec![], vec![passing(), passing()]]);
        let (steps, records) = ([0, 1].map(step), [0, 1].map(record));
        assert!(
            lanes
                .batch(&steps, &records)
                .await
                .unwrap_err()
                .is_transient()
        );
        assert!(lanes.batch(&steps, &records).await.is_err());
        lanes.batch(&steps, &records).await.unwrap();
        let (first, second) = ((0, vec![0], 1), (1, vec![1], 1));
        assert_eq!(
            taken(&asked),
            [
                first.clone(),
                second.clone(),
                second.clone(),
                second.clone()
            ]
        );
        // The next batch is another one, even where it looks alike.
        lanes.batch(&steps, &records).await.unwrap();
        assert_eq!(taken(&asked), [first, second]);
    }

    #[tokio::test]
    async fn what_was_committed_is_forgotten_with_the_claim() {
        let (mut lanes, asked) = lanes([vec![], vec![passing()]]);
        let (steps, records) = ([0, 1].map(step), [0, 1].map(record));
        lanes.batch(&steps, &records).await.unwrap_err();
        lanes.claimed(&steps).await.unwrap();
        taken(&asked);
        lanes.batch(&steps, &records).await.unwrap();
        assert_eq!(taken(&asked).len(), 2);
    }

    #[tokio::test]
    async fn a_fault_that_stays_is_not_hidden_by_one_that_passes() {
        for faults in [
            [vec![passing()], vec![StageError::Refused("no".into())]],
            [vec![StageError::Refused("no".into())], vec![passing()]],
        ] {
            let (mut lanes, _) = lanes(faults);
            let error = lanes.between(&[0, 1].map(step)).await.unwrap_err();
            assert!(!error.is_transient(), "{error}");
        }
    }
}
