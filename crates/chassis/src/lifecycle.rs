//! Starting and stopping a process.
//!
//! Every background task has a name and belongs to a [`Lifecycle`]. A signal asks all of them to finish what they hold
//! (*drain*); after the grace period, or at a second signal, what is left is dropped (*abort*). A task that errs, panics
//! or ends unasked takes the rest down in the same orderly way and makes the process exit with 1.

use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{FutureExt, Stream, StreamExt};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// How long aborted tasks get to be dropped before the process leaves without them.
const ABORT_PATIENCE: Duration = Duration::from_secs(2);

/// The tasks of a process and how they end. Copies are handles to the same process.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    drain: CancellationToken,
    abort: CancellationToken,
    tasks: TaskTracker,
    leave: CancellationToken,
    last: TaskTracker,
    failed: AtomicBool,
}

enum End {
    Done,
    Erred(String),
    Panicked(String),
    Aborted,
}

impl Lifecycle {
    /// A process with nothing in it yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a task for as long as the process lives. It must watch [`Lifecycle::draining`] and end after it; ending
    /// before, with an error, or by panic stops the process with exit 1.
    pub fn spawn<F, E>(&self, name: &'static str, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let span = tracing::info_span!("task", task.name = name);
        self.inner.tasks.spawn(
            async move {
                let end = inner.watch(task).await;
                inner.settle(name, &end, false);
            }
            .instrument(span),
        );
    }

    /// Runs a task that goes on while the others finish, such as the admin port: a process that drains must still be able
    /// to say so. It watches [`Lifecycle::leaving`].
    pub fn spawn_last<F, E>(&self, name: &'static str, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let span = tracing::info_span!("task", task.name = name);
        self.inner.last.spawn(
            async move {
                let end = inner.watch(task).await;
                inner.settle(name, &end, false);
            }
            .instrument(span),
        );
    }

    /// Runs a piece of work that ends by itself, such as the reading of one uploaded file. The process waits for it when
    /// it drains; only an error or a panic stops the process.
    pub fn spawn_job<F, E>(&self, name: &'static str, job: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        self.inner.tasks.spawn(
            async move {
                let end = inner.watch(job).await;
                inner.settle(name, &end, true);
            }
            .in_current_span(),
        );
    }

    /// Cancelled when the process must take nothing new and finish what it holds.
    #[must_use]
    pub fn draining(&self) -> CancellationToken {
        self.inner.drain.clone()
    }

    /// Cancelled when all other tasks have ended.
    #[must_use]
    pub fn leaving(&self) -> CancellationToken {
        self.inner.leave.clone()
    }

    /// Cancelled when there is no time left to finish.
    #[must_use]
    pub fn aborting(&self) -> CancellationToken {
        self.inner.abort.clone()
    }

    /// Asks the process to stop in an orderly way, as the first signal does.
    pub fn drain(&self) {
        self.inner.drain.cancel();
    }

    /// Waits for a signal, a failing task or [`Lifecycle::drain`]; then lets the tasks finish within `grace`.
    pub async fn run<S>(&self, mut signals: S, grace: Duration) -> ExitCode
    where
        S: Stream<Item = &'static str> + Unpin,
    {
        tokio::select! {
            Some(name) = signals.next() => {
                tracing::info!(signal = name, "stopping: finishing what is in hand");
                self.drain();
            }
            () = self.inner.drain.cancelled() => tracing::info!("stopping: finishing what is in hand"),
        }
        let finished = tokio::select! {
            () = self.finish() => true,
            Some(name) = signals.next() => {
                tracing::warn!(signal = name, "second signal: dropping what is left");
                false
            }
            () = tokio::time::sleep(grace) => {
                tracing::error!(grace_seconds = grace.as_secs(), "not finished within the grace period: dropping what is left");
                false
            }
        };
        if !finished {
            self.inner.abort.cancel();
            if tokio::time::timeout(ABORT_PATIENCE, self.finish())
                .await
                .is_err()
            {
                tracing::error!(
                    left = self.inner.tasks.len() + self.inner.last.len(),
                    "tasks that cannot be dropped are left behind"
                );
            }
            return ExitCode::FAILURE;
        }
        if self.inner.failed.load(Ordering::SeqCst) {
            ExitCode::FAILURE
        } else {
            tracing::info!("stopped");
            ExitCode::SUCCESS
        }
    }
}

impl Lifecycle {
    /// Waits for all tasks, then for those that go last.
    async fn finish(&self) {
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        self.inner.leave.cancel();
        self.inner.last.close();
        self.inner.last.wait().await;
    }
}

impl Inner {
    async fn watch<F, E>(&self, task: F) -> End
    where
        F: Future<Output = Result<(), E>>,
        E: Display,
    {
        tokio::select! {
            biased;
            () = self.abort.cancelled() => End::Aborted,
            ended = AssertUnwindSafe(task).catch_unwind() => match ended {
                Ok(Ok(())) => End::Done,
                Ok(Err(error)) => End::Erred(format!("{error:#}")),
                Err(panic) => End::Panicked(panic_text(panic.as_ref()).to_owned()),
            },
        }
    }

    fn settle(&self, name: &'static str, end: &End, may_end: bool) {
        let asked = may_end || self.drain.is_cancelled();
        match end {
            End::Done if asked => tracing::debug!(task.name = name, "task ended"),
            End::Done => self.fail(name, "ended unasked", ""),
            End::Erred(error) => self.fail(name, "failed", error),
            End::Panicked(text) => self.fail(name, "panicked", text),
            End::Aborted => tracing::warn!(task.name = name, "task dropped before it had finished"),
        }
    }

    fn fail(&self, name: &'static str, how: &'static str, error: &str) {
        self.failed.store(true, Ordering::SeqCst);
        tracing::error!(
            task.name = name,
            error,
            "task {name} {how}: the process stops"
        );
        self.drain.cancel();
    }
}

/// The words of a panic, if it had any.
fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}

/// Ctrl-C and SIGTERM, as often as they come.
#[must_use]
pub fn shutdown_signal() -> BoxStream<'static, &'static str> {
    fn listen(kind: SignalKind, name: &'static str) -> BoxStream<'static, &'static str> {
        match signal(kind) {
            Ok(stream) => futures::stream::unfold(stream, move |mut stream| async move {
                stream.recv().await.map(|()| (name, stream))
            })
            .boxed(),
            Err(error) => {
                tracing::error!(%error, signal = name, "listening for a signal failed");
                futures::stream::pending().boxed()
            }
        }
    }
    futures::stream::select(
        listen(SignalKind::interrupt(), "SIGINT"),
        listen(SignalKind::terminate(), "SIGTERM"),
    )
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use tokio::sync::oneshot;

    const GRACE: Duration = Duration::from_secs(30);

    fn one_signal() -> BoxStream<'static, &'static str> {
        futures::stream::iter(["SIGTERM"])
            .chain(futures::stream::pending())
            .boxed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_lets_tasks_finish_what_they_hold() {
        let lifecycle = Lifecycle::new();
        let (done, finished) = oneshot::channel();
        let draining = lifecycle.draining();
        lifecycle.spawn("worker", async move {
            draining.cancelled().await;
            tokio::time::sleep(Duration::from_secs(5)).await;
            done.send(()).unwrap();
            Ok::<_, Infallible>(())
        });
        let code = lifecycle.run(one_signal(), GRACE).await;
        assert_eq!(code, ExitCode::SUCCESS);
        finished.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_fails_panics_or_ends_unasked_stops_the_others_with_exit_one() {
        for how in 0..3 {
            let lifecycle = Lifecycle::new();
            let draining = lifecycle.draining();
            let (done, finished) = oneshot::channel();
            lifecycle.spawn("good", async move {
                draining.cancelled().await;
                done.send(()).unwrap();
                Ok::<_, Infallible>(())
            });
            lifecycle.spawn("bad", async move {
                match how {
                    0 => Err("broken"),
                    1 => panic!("a planted panic"),
                    _ => Ok(()),
                }
            });
            let code = lifecycle.run(futures::stream::pending(), GRACE).await;
            assert_eq!(code, ExitCode::FAILURE, "case {how}");
            finished.await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_goes_last_still_answers_while_the_others_finish() {
        let lifecycle = Lifecycle::new();
        let (ask, mut asked) = tokio::sync::mpsc::channel::<oneshot::Sender<()>>(1);
        let leaving = lifecycle.leaving();
        lifecycle.spawn_last("porter", async move {
            loop {
                tokio::select! {
                    Some(answer) = asked.recv() => answer.send(()).unwrap(),
                    () = leaving.cancelled() => return Ok::<_, Infallible>(()),
                }
            }
        });
        let draining = lifecycle.draining();
        lifecycle.spawn("worker", async move {
            draining.cancelled().await;
            let (answer, answered) = oneshot::channel();
            ask.send(answer).await.unwrap();
            answered.await
        });
        let code = lifecycle.run(one_signal(), GRACE).await;
        assert_eq!(code, ExitCode::SUCCESS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_may_end_by_itself() {
        let lifecycle = Lifecycle::new();
        let (done, finished) = oneshot::channel();
        lifecycle.spawn_job("job", async move {
            done.send(()).unwrap();
            Ok::<_, Infallible>(())
        });
        finished.await.unwrap();
        assert!(!lifecycle.draining().is_cancelled());
        lifecycle.drain();
        let code = lifecycle.run(futures::stream::pending(), GRACE).await;
        assert_eq!(code, ExitCode::SUCCESS);
    }

    #[tokio::test(start_paused = true)]
    async fn the_grace_period_and_a_second_signal_end_a_task_that_does_not_listen() {
        let twice = futures::stream::iter(["SIGINT", "SIGINT"])
            .chain(futures::stream::pending())
            .boxed();
        for signals in [one_signal(), twice] {
            let lifecycle = Lifecycle::new();
            lifecycle.spawn("deaf", std::future::pending::<Result<(), Infallible>>());
            let code = lifecycle.run(signals, GRACE).await;
            assert_eq!(code, ExitCode::FAILURE);
            assert!(lifecycle.aborting().is_cancelled());
        }
    }
}
