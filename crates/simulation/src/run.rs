//! A run: processes, the log, partners and people take turns in an order that the seed decides, until nothing is left to do.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_trait::async_trait;
use prometheus::Registry;
use tokio_util::sync::CancellationToken;
use voorveld_bus::{Log, Record};
use voorveld_chassis::Clock;
use voorveld_correlator as correlator;
use voorveld_correlator::Correlator;
use voorveld_policy::Policy;
use voorveld_resolver as resolver;
use voorveld_resolver::Resolver;
use voorveld_seal::IndexLabel;
use voorveld_stage::{Stage, StageError, Work};
use voorveld_store::positions::Step;
use voorveld_synthetic::Dice;
use voorveld_wire::signal_v1::{RECEIVED_TOPIC, RESOLVED_TOPIC};

use crate::database::SimDatabase;
use crate::log::SimLog;
use crate::partners::{self, Partners};
use crate::people::{Act, POLICIES};
use crate::world::{Faults, Shared};
use crate::{Bug, Report, invariants, replay};

pub(crate) const PARTITIONS: i32 = 3;
/// When every run begins.
pub(crate) const BEGIN: &str = "2025-01-02T10:00:00Z";
/// Longer than anything here sleeps.
const A_WHILE: Duration = Duration::from_secs(61);
/// A run that takes more turns than this to come to rest never does.
const TURNS_TO_REST: u32 = 4_000;

/// So much a reader remembers: everything here, and still households are let go of.
const MEMORY_BYTES: usize = 1 << 20;

/// Counted once for all: nobody looks.
static METRICS: LazyLock<(correlator::Metrics, resolver::Metrics)> = LazyLock::new(|| {
    let registry = Registry::new();
    (
        correlator::Metrics::new(&registry).expect("a registry of our own"),
        resolver::Metrics::new(&registry).expect("a registry of our own"),
    )
});

/// What a run is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub seed: u64,
    pub bug: Option<Bug>,
    /// Whether anything goes wrong.
    pub is_rough: bool,
}

struct Awake(AtomicBool);

impl Wake for Awake {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

type Running = Pin<Box<dyn Future<Output = Result<(), StageError>> + Send>>;

struct Process {
    name: String,
    stage: &'static str,
    running: Running,
    awake: Arc<Awake>,
    draining: CancellationToken,
    /// For so many turns it does nothing, and does not know.
    stalled: u32,
}

/// A work that keeps what it remembers after a commit that failed.
struct Forgetless<W>(W);

#[async_trait]
impl<W: Work> Work for Forgetless<W> {
    async fn batch(&mut self, steps: &[Step], records: &[Record]) -> Result<(), StageError> {
        self.0.batch(steps, records).await
    }

    async fn claimed(&mut self, held: &[Step]) -> Result<(), StageError> {
        self.0.claimed(held).await
    }

    async fn quiet(&mut self, held: &[Step]) -> Result<bool, StageError> {
        self.0.quiet(held).await
    }

    async fn between(&mut self, held: &[Step]) -> Result<(), StageError> {
        self.0.between(held).await
    }

    fn forget(&mut self) {}
}

/// The parts of a correlator that begins by this policy.
pub(crate) fn correlator_of(
    database: &SimDatabase,
    clock: &Clock,
    policy: Arc<Policy>,
) -> correlator::Parts<SimDatabase> {
    correlator::Parts {
        store: database.clone(),
        log: log_of(database),
        policy,
        clock: clock.clone(),
        metrics: METRICS.0.clone(),
        owner: database.process.clone(),
        cached_bytes: correlator::DEFAULT_CACHED_BYTES,
    }
}

fn log_of(database: &SimDatabase) -> Log {
    Log::of(Arc::new(SimLog {
        shared: database.shared.clone(),
        process: database.process.clone(),
    }))
}

/// The parts of a resolver on any database.
pub(crate) fn resolver_of<D>(
    store: D,
    log: Log,
    clock: &Clock,
    fresh_id: resolver::FreshId,
) -> resolver::Parts<D> {
    let indexes = partners::indexes();
    resolver::Parts {
        store,
        log,
        opener: partners::opener(),
        address_index: indexes.key(IndexLabel::Addresses),
        person_index: indexes.key(IndexLabel::Persons),
        area_of: Arc::new(|_, digits| POLICIES[0].routing().area(Some(digits)).clone()),
        ends_on: Arc::new(|_, _, _| None),
        excluded: Vec::new(),
        clock: clock.clone(),
        fresh_id,
        metrics: METRICS.1.clone(),
        owner: String::new(),
    }
}

struct Run {
    setting: Setting,
    shared: Shared,
    clock: Clock,
    dice: Dice,
    partners: Partners,
    processes: Vec<Process>,
    started: u32,
    /// How often commits and statements fail, in a measure of its own.
    roughness: u32,
    /// How many processes of each stage there should be.
    wanted: [(&'static str, usize); 2],
}

/// What is counted.
pub(crate) fn metrics() -> &'static (correlator::Metrics, resolver::Metrics) {
    &METRICS
}

/// Lives through a run and says what came of it.
pub(crate) fn live_through(setting: Setting) -> Report {
    live_with(setting).1
}

/// Lives through a run, and gives the world at its end besides.
pub(crate) fn live_with(setting: Setting) -> (Shared, Report) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime of one thread");
    runtime.block_on(async {
        let mut run = Run::new(setting);
        run.live().await;
        run.processes.clear();
        let is_unbroken = run.is_unbroken();
        if is_unbroken {
            replay::compare(&run.shared, &run.clock).await;
        }
        let shared = run.shared.clone();
        let world = &mut *run.shared.world();
        let report = Report {
            seed: setting.seed,
            trail: std::mem::take(&mut world.trail),
            violations: std::mem::take(&mut world.violations),
            tasks: world.tables.tasks.len(),
            matches: world.tables.matches.len(),
        };
        (shared, report)
    })
}

impl Run {
    fn new(setting: Setting) -> Self {
        let mut dice = Dice::new(setting.seed, 1);
        let partitions = usize::try_from(PARTITIONS).expect("few");
        let shared = Shared::new(setting.seed, partitions);
        {
            let world = &mut *shared.world();
            world.bug = setting.bug;
            world.tables.excluded.insert(partners::institution());
            // The files of the first start.
            world.act(&Act::Publish(0), BEGIN.parse().expect("an instant"));
        }
        let roughness = 1 + dice.below(4);
        // Each is one reader: a process has two of a stage.
        let mut many = || 1 + dice.below(4) as usize;
        let wanted = if setting.is_rough {
            [(resolver::STAGE, many()), (correlator::STAGE, many())]
        } else {
            [(resolver::STAGE, 1), (correlator::STAGE, 1)]
        };
        Self {
            setting,
            shared,
            clock: Clock::manual(BEGIN.parse().expect("an instant")),
            dice,
            partners: Partners::new(Dice::new(setting.seed, 3)),
            processes: Vec::new(),
            started: 0,
            roughness,
            wanted,
        }
    }

    async fn live(&mut self) {
        let mut events = 5 + self.dice.below(14);
        while 0 < events && self.is_unbroken() {
            self.settle_faults();
            self.start_missing();
            match self.dice.below(1_000) {
                0..610 => self.process_turn(),
                610..800 => self.log_turn(),
                800..835 => {
                    events -= 1;
                    self.partner_turn();
                }
                835..890 => self.person_turn(),
                890..930 => self.moving_turn(),
                930..950 => self.a_while_passes().await,
                950..962 => self.days_pass(),
                962..970 => self.publishing_turn(),
                _ if !self.setting.is_rough => {}
                970..980 => self.crash(),
                980..990 => self.stall(),
                990..996 => {
                    let world = &mut *self.shared.world();
                    world.faults.outage = !world.faults.outage;
                    let told = format!("outage: {}", world.faults.outage);
                    world.note(told);
                }
                _ => {}
            }
            self.check();
        }
        self.come_to_rest().await;
        if self.is_unbroken() {
            invariants::at_rest(&mut self.shared.world(), &self.partners.book);
        }
    }

    fn is_unbroken(&self) -> bool {
        self.shared.world().violations.is_empty()
    }

    fn settle_faults(&mut self) {
        let world = &mut *self.shared.world();
        let outage = world.faults.outage;
        world.faults = if self.setting.is_rough {
            Faults {
                statement: 2 * self.roughness,
                commit: 25 * self.roughness,
                answer: 20 * self.roughness,
                outage,
            }
        } else {
            Faults::default()
        };
    }

    fn check(&mut self) {
        let world = &mut *self.shared.world();
        if std::mem::take(&mut world.changed) {
            invariants::always(world);
        }
    }

    fn start_missing(&mut self) {
        for (stage, wanted) in self.wanted {
            let there = self.processes.iter().filter(|one| one.stage == stage);
            if there.count() < wanted {
                self.start(stage);
            }
        }
    }

    fn start(&mut self, stage: &'static str) {
        // Who cannot read what is published does not start.
        let Some(policy) = self.shared.world().readable_policy() else {
            return;
        };
        self.started += 1;
        let process = format!("{stage} {}", self.started);
        let database = SimDatabase {
            shared: self.shared.clone(),
            process: process.clone(),
        };
        let draining = CancellationToken::new();
        let running: Running = if stage == resolver::STAGE {
            let ids = self.shared.clone();
            let log = log_of(&database);
            let fresh_id = Arc::new(move || {
                let world = &mut *ids.world();
                let id = world.fresh_id();
                world.given.push(id);
                id
            });
            let parts = resolver_of(database.clone(), log, &self.clock, fresh_id);
            let work = Resolver::new(parts, draining.clone());
            let stage = self.stage(database, stage, RECEIVED_TOPIC, &METRICS.1.reading);
            Box::pin(stage.run(work, draining.clone()))
        } else {
            let work = Correlator::new(correlator::Parts {
                cached_bytes: MEMORY_BYTES,
                ..correlator_of(&database, &self.clock, policy)
            });
            let stage = self.stage(database, stage, RESOLVED_TOPIC, &METRICS.0.reading);
            if self.setting.bug == Some(Bug::CacheKept) {
                Box::pin(stage.run(Forgetless(work), draining.clone()))
            } else {
                Box::pin(stage.run(work, draining.clone()))
            }
        };
        self.shared.world().note(format!("{process} starts"));
        self.processes.push(Process {
            name: process,
            stage,
            running,
            awake: Arc::new(Awake(AtomicBool::new(true))),
            draining,
            stalled: 0,
        });
    }

    fn stage(
        &self,
        database: SimDatabase,
        name: &'static str,
        topic: &'static str,
        metrics: &voorveld_stage::Metrics,
    ) -> Stage<SimDatabase> {
        Stage {
            name,
            topic,
            owner: database.process.clone(),
            log: log_of(&database),
            store: database,
            clock: self.clock.clone(),
            metrics: metrics.clone(),
        }
    }

    /// One of those that can go on does, as far as to where it waits.
    fn process_turn(&mut self) {
        for process in &mut self.processes {
            process.stalled = process.stalled.saturating_sub(1);
        }
        let able: Vec<usize> = (0..self.processes.len())
            .filter(|index| self.processes[*index].stalled == 0)
            .filter(|index| self.processes[*index].awake.0.load(Ordering::Relaxed))
            .collect();
        if !able.is_empty() {
            let index = *self.dice.pick(&able);
            // Others come between any two statements, and seldom between all of them.
            for _ in 0..=self.dice.below(8) {
                let is_there = self.processes.get(index);
                if is_there.is_some_and(|one| one.awake.0.load(Ordering::Relaxed)) {
                    self.go_on(index);
                }
            }
        }
    }

    fn go_on(&mut self, index: usize) {
        let process = &mut self.processes[index];
        process.awake.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&process.awake));
        let mut context = Context::from_waker(&waker);
        let polled = {
            // Nothing is counted against it: the runtime would else make it wait for reasons of its own.
            let unconstrained = tokio::task::unconstrained(process.running.as_mut());
            std::pin::pin!(unconstrained).poll(&mut context)
        };
        if let Poll::Ready(ended) = polled {
            let process = self.processes.remove(index);
            let world = &mut *self.shared.world();
            match ended {
                Ok(()) if process.draining.is_cancelled() => {
                    world.note(format!("{} has drained", process.name));
                }
                Ok(()) => world.violated(format!("{} ends unasked", process.name)),
                Err(error) => world.violated(format!("{} gives up: {error}", process.name)),
            }
        }
    }

    fn log_turn(&mut self) {
        let seats: Vec<usize> = {
            let world = self.shared.world();
            let of = |(stage, _): (&str, usize)| world.seats_of(stage);
            self.wanted.into_iter().flat_map(of).collect()
        };
        if !seats.is_empty() {
            let seat = *self.dice.pick(&seats);
            self.shared.world().serve(seat);
        }
    }

    fn partner_turn(&mut self) {
        self.clock.advance(Duration::from_secs(1));
        let (told, record) = self.partners.send(self.clock.now(), self.clock.today());
        let world = &mut *self.shared.world();
        let places = world.append(RECEIVED_TOPIC, &[record]);
        world.note(format!("partner: {told} {places:?}"));
    }

    fn person_turn(&mut self) {
        let now = self.clock.now();
        let world = &mut *self.shared.world();
        // Without faults the same is done again elsewhere, where not everything can be.
        let is_possible = |act: &Act| self.setting.is_rough || !matches!(act, Act::Lift(_));
        if let Some(act) = world.think_of_act(&mut self.dice, now)
            && is_possible(&act)
            && world.act(&act, now)
        {
            world.note(format!("somebody: {act:?}"));
        }
    }

    fn publishing_turn(&mut self) {
        if !self.setting.is_rough {
            return;
        }
        let act = match self.dice.below(4) {
            0 => Act::Publish(0),
            1 => Act::Publish(1),
            2 => Act::PublishUnlawful,
            _ => return,
        };
        let world = &mut *self.shared.world();
        world.act(&act, self.clock.now());
        world.note(format!("{act:?}"));
    }

    /// A partition goes to another reader, or to one at last.
    fn moving_turn(&mut self) {
        let stage = self.dice.pick(&self.wanted).0;
        let partition = self.dice.below(PARTITIONS.unsigned_abs()).cast_signed();
        let told = !self.setting.is_rough || self.dice.chance(600);
        let world = &mut *self.shared.world();
        let seats = world.seats_of(stage);
        if seats.is_empty() {
            return;
        }
        let partition = world
            .unread_partition(stage, PARTITIONS)
            .unwrap_or(partition);
        let to = *self.dice.pick(&seats);
        world.assign(partition, to, told);
    }

    async fn a_while_passes(&mut self) {
        tokio::time::advance(A_WHILE).await;
        self.clock.advance(A_WHILE);
    }

    fn days_pass(&mut self) {
        let most = if self.dice.chance(100) { 300 } else { 20 };
        let days = 1 + self.dice.below(most);
        self.clock
            .advance(Duration::from_hours(24 * u64::from(days)));
        let now = self.clock.now();
        let world = &mut *self.shared.world();
        world.note(format!("it is {now}"));
        world.act(&Act::WakeExpired, now);
    }

    fn pick_process(&mut self) -> Option<usize> {
        let many = u32::try_from(self.processes.len()).expect("few");
        (0 < many).then(|| self.dice.below(many) as usize)
    }

    /// A process ends: in an orderly way, or in the middle of whatever it does.
    fn crash(&mut self) {
        let Some(index) = self.pick_process() else {
            return;
        };
        if self.dice.chance(250) {
            // First whatever it slept for: of two things that are there at once the runtime picks one by chance.
            self.go_on(index);
            if let Some(process) = self.processes.get(index) {
                self.shared
                    .world()
                    .note(format!("{} is to drain", process.name));
                process.draining.cancel();
            }
            return;
        }
        let process = self.processes.remove(index);
        self.shared
            .world()
            .note(format!("{} is gone", process.name));
    }

    fn stall(&mut self) {
        if let Some(index) = self.pick_process() {
            let process = &mut self.processes[index];
            process.stalled = 20 + self.dice.below(300);
            self.shared.world().note(format!("{} stalls", process.name));
        }
    }

    /// Nothing goes wrong any more: what was begun is brought to its end.
    async fn come_to_rest(&mut self) {
        {
            let world = &mut *self.shared.world();
            world.faults = Faults::default();
            world.note("nothing goes wrong any more");
            if world.readable_policy().is_none() {
                world.act(&Act::Publish(1), self.clock.now());
            }
        }
        for process in &mut self.processes {
            process.stalled = 0;
        }
        for _ in 0..TURNS_TO_REST {
            if !self.is_unbroken() || self.is_at_rest() {
                return;
            }
            self.start_missing();
            let mut is_busy = false;
            for index in (0..self.processes.len()).rev() {
                if self.processes[index].awake.0.load(Ordering::Relaxed) {
                    is_busy = true;
                    self.go_on(index);
                }
            }
            {
                let world = &mut *self.shared.world();
                for (stage, _) in self.wanted {
                    let seats = world.seats_of(stage);
                    if let (Some(partition), Some(first)) =
                        (world.unread_partition(stage, PARTITIONS), seats.first())
                    {
                        is_busy |= world.assign(partition, *first, true);
                    }
                    for seat in seats {
                        is_busy |= world.serve(seat);
                    }
                }
            }
            self.check();
            if !is_busy {
                self.a_while_passes().await;
            }
        }
        let world = &mut *self.shared.world();
        world.violated("it does not come to rest");
    }

    fn is_at_rest(&self) -> bool {
        let world = self.shared.world();
        let is_read = |stage: &str, topic: &str| {
            (0..PARTITIONS).all(|partition| {
                world.end_of(topic, partition) == world.tables.next_of(stage, partition)
            })
        };
        let all: Vec<i32> = (0..PARTITIONS).collect();
        is_read(resolver::STAGE, RECEIVED_TOPIC)
            && world.tables.unproduced(None).is_empty()
            && is_read(correlator::STAGE, RESOLVED_TOPIC)
            && world.tables.due(&all, self.clock.today(), &[]).is_empty()
            && world.rules_are_settled(PARTITIONS)
    }
}
