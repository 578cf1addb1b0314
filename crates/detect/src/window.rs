//! Slicing a household's signals into months and rolling windows. Event time only; half-open everywhere (T3).

use voorveld_calendar::{Period, YearMonth, days_between};
use voorveld_domain::SignalId;

use crate::Signal;

/// The signals of one calendar month, and all of the same household before and after, in order of events.
pub(crate) struct Month<'a> {
    pub(crate) at: YearMonth,
    pub(crate) signals: &'a [&'a Signal],
    all: &'a [&'a Signal],
}

impl<'a> Month<'a> {
    /// The signals in the calendar months before this one.
    pub(crate) fn preceding(&self, months: u8) -> &'a [&'a Signal] {
        within(self.all, self.at.preceding(months))
    }
}

/// Every calendar month with a signal, in order. `signals` is in order of events.
pub(crate) fn months<'a>(signals: &'a [&'a Signal]) -> impl Iterator<Item = Month<'a>> {
    signals
        .chunk_by(|a, b| YearMonth::of(a.event_date) == YearMonth::of(b.event_date))
        .map(move |chunk| Month {
            at: YearMonth::of(chunk[0].event_date),
            signals: chunk,
            all: signals,
        })
}

fn within<'a>(signals: &'a [&'a Signal], period: Period) -> &'a [&'a Signal] {
    let from = signals.partition_point(|signal| signal.event_date < period.from());
    let to = signals.partition_point(|signal| signal.event_date < period.to());
    &signals[from..to]
}

/// A maximal run of overlapping satisfied rolling windows (M2).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run<'a> {
    /// All signals in it, in order of events.
    pub(crate) signals: &'a [&'a Signal],
    /// The signal that completes its first window.
    pub(crate) completed_by: SignalId,
    /// All days of its windows.
    pub(crate) period: Period,
    /// The fullest of its windows, the first one among equals, and what it reached.
    pub(crate) fullest: (Period, u32),
}

/// All runs of windows of `days` days, ending with a signal, in which `reached` comes to `least`. `signals` is in order of events.
pub(crate) fn runs<'a>(
    signals: &'a [&'a Signal],
    days: u16,
    least: u16,
    reached: impl Fn(&[&Signal]) -> u32,
) -> Vec<Run<'a>> {
    let mut runs: Vec<Run<'a>> = Vec::new();
    let mut begin = 0;
    // Index of the first signal of the run that is being made, and the date on which its last satisfied window ends.
    let mut open: Option<(usize, jiff::civil::Date)> = None;
    for (end, last) in signals.iter().enumerate() {
        let window = Period::rolling(days, last.event_date);
        while signals[begin].event_date < window.from() {
            begin += 1;
        }
        let value = reached(&signals[begin..=end]);
        if value < u32::from(least) {
            continue;
        }
        match (open, runs.last_mut()) {
            (Some((first, before)), Some(run))
                if days_between(before, last.event_date) < i32::from(days) =>
            {
                run.signals = &signals[first..=end];
                run.period = run.period.hull(&window);
                if run.fullest.1 < value {
                    run.fullest = (window, value);
                }
                open = Some((first, last.event_date));
            }
            _ => {
                runs.push(Run {
                    signals: &signals[begin..=end],
                    completed_by: last.id,
                    period: window,
                    fullest: (window, value),
                });
                open = Some((begin, last.event_date));
            }
        }
    }
    runs
}

/// The signal with whose first receipt `true_of` became true of these signals, when it is true of all of them. `true_of` may only
/// ever turn true when a signal is added; it is asked in order of events.
pub(crate) fn brought_by(
    signals: &[&Signal],
    true_of: impl Fn(&[&Signal]) -> bool,
) -> Option<SignalId> {
    let mut by_receipt: Vec<&Signal> = signals.to_vec();
    by_receipt.sort_unstable_by_key(|signal| signal.receipt_order());
    let (mut too_few, mut enough) = (0, by_receipt.len());
    if enough == 0 {
        return None;
    }
    // Between a prefix that is too short and one that is long enough lies the one that became so.
    while enough - too_few > 1 {
        let middle = usize::midpoint(too_few, enough);
        let mut prefix = by_receipt[..middle].to_vec();
        prefix.sort_unstable_by_key(|signal| signal.event_order());
        if true_of(&prefix) {
            enough = middle;
        } else {
            too_few = middle;
        }
    }
    Some(by_receipt[enough - 1].id)
}
