//! Running a process: lifecycle, settings, telemetry, admin port, problem+json, clock.
//!
//! Would be needed by a process about bicycles too; it knows nothing of signals, households or tasks.

pub mod admin;
pub mod clock;
pub mod http;
pub mod lifecycle;
pub mod problem;
pub mod retry;
pub mod secret;
pub mod settings;
pub mod telemetry;
mod undisturbed;

pub use clock::{Clock, Stopwatch};
pub use http::RequestId;
pub use lifecycle::{Lifecycle, shutdown_signal};
pub use problem::{Problem, ProblemDetail, ProblemType};
pub use secret::Secret;
pub use undisturbed::undisturbed;
