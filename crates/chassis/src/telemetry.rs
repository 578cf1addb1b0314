//! Logging: one line per event, JSON when nobody is looking, plain text when somebody is.
//!
//! Which words a line may hold is in `docs/logging.md`; never a name, an address, an amount of a household, a body or a
//! token. The filter can be changed while the process runs.

use std::io::{self, IsTerminal};

use serde::Deserialize;
use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

/// What is logged unless told otherwise: the life of the process and one line per request and batch. The notices of a database are
/// about its own commands and tell an operator nothing.
pub const DEFAULT_FILTER: &str = "info,sqlx=warn,sqlx::postgres::notice=error,hyper=warn,h2=warn,\
    rustls=warn,librdkafka=warn,rdkafka=warn";

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Plain text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// One JSON object per line.
    Json,
    /// Plain text.
    Text,
}

/// Where lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogTarget {
    /// Standard output: the roles.
    #[default]
    Stdout,
    /// Standard error: commands, whose standard output is their answer.
    Stderr,
}

/// How to log.
#[derive(Debug, Clone, Default)]
pub struct LogOptions {
    /// How a line looks.
    pub format: LogFormat,
    /// Which lines; [`DEFAULT_FILTER`] when absent.
    pub filter: Option<String>,
    /// Where they go.
    pub target: LogTarget,
}

/// Why logging could not start or change.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not in the `target=level,…` form.
    #[error("the log filter is not valid: {0}")]
    Filter(String),
    /// Something else in this process logs already.
    #[error("logging was already started")]
    AlreadyStarted,
}

/// Shows and changes which lines are logged.
#[derive(Debug, Clone)]
pub struct LogFilter(reload::Handle<EnvFilter, Registry>);

impl LogFilter {
    /// A filter that filters nothing: for tests of what stands around it.
    #[must_use]
    pub fn detached() -> Self {
        let (layer, handle) = reload::Layer::new(EnvFilter::new("info"));
        // The handle is weak: without its layer there is nothing to change.
        std::mem::forget(layer);
        Self(handle)
    }

    /// The filter in force.
    #[must_use]
    pub fn current(&self) -> String {
        self.0
            .with_current(ToString::to_string)
            .unwrap_or_else(|error| error.to_string())
    }

    /// Puts another filter in force, or says why it is not valid.
    pub fn set(&self, filter: &str) -> Result<(), TelemetryError> {
        let filter = parse(filter)?;
        self.0
            .reload(filter)
            .map_err(|error| TelemetryError::Filter(error.to_string()))
    }
}

fn parse(filter: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::builder()
        .parse(filter)
        .map_err(|error| TelemetryError::Filter(error.to_string()))
}

/// Starts logging for the whole process, once.
pub fn init(options: &LogOptions) -> Result<LogFilter, TelemetryError> {
    let filter = parse(options.filter.as_deref().unwrap_or(DEFAULT_FILTER))?;
    let (filter, handle) = reload::Layer::new(filter);
    let lines = match options.target {
        LogTarget::Stdout => lines(options.format, io::stdout().is_terminal(), io::stdout),
        LogTarget::Stderr => lines(options.format, io::stderr().is_terminal(), io::stderr),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init()
        .map_err(|_| TelemetryError::AlreadyStarted)?;
    Ok(LogFilter(handle))
}

fn lines<S, W>(format: LogFormat, terminal: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let base = tracing_subscriber::fmt::layer().with_writer(writer);
    let json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    if json {
        base.json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .boxed()
    } else {
        base.compact()
            .with_ansi(terminal)
            .with_target(false)
            .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_json_line_is_flat_and_names_the_request() {
        let page = Page::default();
        let copy = page.clone();
        let lines = lines(LogFormat::Auto, false, move || copy.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            let span = tracing::info_span!("request", request.id = "r-1");
            span.in_scope(|| tracing::info!(batch.size = 3, "batch committed"));
        });
        let line: serde_json::Value = serde_json::from_slice(&page.0.lock().unwrap()).unwrap();
        assert_eq!(line["message"], "batch committed");
        assert_eq!(line["batch.size"], 3);
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["span"]["request.id"], "r-1");
    }

    #[test]
    fn the_default_filter_is_valid() {
        assert!(parse(DEFAULT_FILTER).is_ok());
        assert!(parse("a=b=c").is_err());
    }
}
