//! Work that goes on to its end though nobody waits for it any more.

use std::future::{self, Future};
use std::panic::resume_unwind;

use tracing::Instrument as _;

/// Runs this to its end, and waits for it. Who stops waiting (a partner hangs up, a reader is told to let go) stops only the waiting: for a conversation
/// with a server that must not break off in the middle of a sentence. It panics where the work panics.
///
/// It is no background work: it must be short and end by itself, for nobody is left to stop it.
pub async fn undisturbed<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    #[expect(
        clippy::disallowed_methods,
        reason = "who calls waits for it; where nobody does any more, it ends by itself"
    )]
    let working = tokio::spawn(work.in_current_span());
    match working.await {
        Ok(done) => done,
        Err(broken) => match broken.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime is being taken down, and this waiting with it.
            Err(_) => future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_has_begun_ends_though_nobody_waits() {
        let (go_on, told) = oneshot::channel::<()>();
        let (say, said) = oneshot::channel();
        let mut waiting = Box::pin(undisturbed(async move {
            told.await.expect("is told");
            say.send("done").expect("somebody listens");
        }));
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(waiting);
        go_on.send(()).expect("it is still at work");
        assert_eq!(said.await, Ok("done"));
    }

    #[tokio::test]
    #[should_panic(expected = "as it was")]
    async fn a_panic_is_the_callers() {
        undisturbed(async { panic!("as it was") }).await;
    }
}
