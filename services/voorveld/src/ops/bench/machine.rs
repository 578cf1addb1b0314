//! On what was measured, and what this process used of it. From `/proc`, so on Linux only; elsewhere the answers are absent.

use serde::Serialize;

/// The machine and the versions, printed above every figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// Cores that this process may use.
    pub cores: usize,
    /// What the processor calls itself.
    pub processor: Option<String>,
    /// Memory of the machine, in bytes.
    pub memory_bytes: Option<u64>,
    /// This release.
    pub voorveld: &'static str,
    /// Whether it was built for speed.
    pub optimised: bool,
    /// The database's version, as it says itself; none when nothing but the engine runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres: Option<String>,
    /// Which log carries the records, if any does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

/// What a process has used since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Seconds of processor time, in the program and in the kernel for it.
    pub cpu_seconds: f64,
    /// Most memory it ever held at once, in bytes.
    pub peak_bytes: u64,
}

impl Machine {
    /// This machine, with what only a started house knows.
    #[must_use]
    pub fn with_house(postgres: String, log: String) -> Self {
        Self {
            postgres: Some(postgres),
            log: Some(log),
            ..Self::this()
        }
    }

    /// This machine.
    #[must_use]
    pub fn this() -> Self {
        let processor = std::fs::read_to_string("/proc/cpuinfo")
            .ok()
            .and_then(|text| value_of(&text, "model name").map(str::to_owned));
        let memory_bytes = std::fs::read_to_string("/proc/meminfo")
            .ok()
            .and_then(|text| kibibytes(&text, "MemTotal"));
        Self {
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            processor,
            memory_bytes,
            voorveld: env!("CARGO_PKG_VERSION"),
            optimised: !cfg!(debug_assertions),
            postgres: None,
            log: None,
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} cores, {}, {} GiB; voorveld {}{}",
            self.cores,
            self.processor.as_deref().unwrap_or("unknown processor"),
            self.memory_bytes.unwrap_or(0) >> 30,
            self.voorveld,
            if self.optimised {
                ""
            } else {
                " (a debug build: its figures mean little)"
            }
        )?;
        if let Some(postgres) = &self.postgres {
            write!(f, ", PostgreSQL {postgres}")?;
        }
        if let Some(log) = &self.log {
            write!(f, ", {log}")?;
        }
        Ok(())
    }
}

impl Usage {
    /// What this process has used.
    #[must_use]
    pub fn now() -> Self {
        let ticks = std::fs::read_to_string("/proc/self/stat")
            .ok()
            .and_then(|text| ticks(&text))
            .unwrap_or(0);
        let peak = std::fs::read_to_string("/proc/self/status")
            .ok()
            .and_then(|text| kibibytes(&text, "VmHWM"));
        Self {
            cpu_seconds: seconds(ticks),
            peak_bytes: peak.unwrap_or(0),
        }
    }
}

/// Seconds of processor time of a process, its children and those of them that have ended.
#[must_use]
pub fn cpu_seconds_of_family(process: u32) -> f64 {
    let children = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok())
        .filter(|text| parent(text) == Some(process))
        .filter_map(|text| ticks(&text))
        .sum::<u64>();
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let own = ticks(&text).unwrap_or(0) + ticks_of_ended(&text).unwrap_or(0);
    seconds(own + children)
}

/// What this process holds now, in bytes.
#[must_use]
pub fn held_bytes() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|text| kibibytes(&text, "VmRSS"))
        .unwrap_or(0)
}

/// The most that this process ever held is from now on the most since now. Where the kernel does not let us, it stays what it was.
pub fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

#[expect(
    clippy::cast_precision_loss,
    reason = "no process runs for 2^52 ticks of its clock"
)]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

fn value_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then_some(value.trim())
    })
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let number = value_of(text, name)?.strip_suffix(" kB")?.trim();
    number
        .parse::<u64>()
        .ok()
        .map(|kibibytes| kibibytes * 1_024)
}

/// `utime` and `stime`: the 12th and 13th value after the name in brackets, which may hold anything.
fn ticks(text: &str) -> Option<u64> {
    Some(value_behind_name(text, 11)? + value_behind_name(text, 12)?)
}

/// `cutime` and `cstime`: of children that have ended.
fn ticks_of_ended(text: &str) -> Option<u64> {
    Some(value_behind_name(text, 13)? + value_behind_name(text, 14)?)
}

/// `ppid`: whose child it is.
fn parent(text: &str) -> Option<u32> {
    value_behind_name(text, 1)?.try_into().ok()
}

fn value_behind_name(text: &str, place: usize) -> Option<u64> {
    let (_, values) = text.rsplit_once(')')?;
    values.split_ascii_whitespace().nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_a_name_with_brackets() {
        let text = "42 (odd) name) S 1 1 1 0 -1 4194560 9 0 0 0 120 30 0 0 20 0 1 0 5";
        assert_eq!(ticks(text), Some(150));
        assert_eq!(parent(text), Some(1));
        assert_eq!(ticks_of_ended(text), Some(0));
        assert_eq!(ticks("nothing"), None);
    }

    #[test]
    fn sizes_are_read_in_bytes() {
        assert_eq!(kibibytes("VmHWM:\t    2048 kB\n", "VmHWM"), Some(2 << 20));
        assert_eq!(kibibytes("VmHWM:\t    2048 kB\n", "VmRSS"), None);
    }

    #[test]
    fn a_process_uses_something() {
        let used = Usage::now();
        assert!(used.peak_bytes > 0 || !std::path::Path::new("/proc/self/status").exists());
    }
}
