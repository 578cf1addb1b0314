//! A household's signals by calendar month, and which of them came last to make something true.

use smallvec::SmallVec;
use voorveld_calendar::{Calendar, Period, YearMonth, date_of};
use voorveld_domain::SignalId;

use crate::condition::Window;
use crate::lens::Seen;

/// Signals of one household: most have few enough to need no allocation.
pub(crate) type Few<'s> = SmallVec<[&'s Seen; 16]>;

impl Window {
    /// The window that ends with the day of this number; of calendar months, that ends with its month.
    pub(crate) fn ending_on(self, day: i32, calendar: &Calendar) -> Period {
        match self {
            // The one that is asked most needs no date.
            Self::Days(days) => Period::numbered(day + 1 - i32::from(days), day + 1),
            _ => self.ending(date_of(day), calendar),
        }
    }
}

/// The signals of one calendar month, and all of the same household before and after, in order of events.
pub(crate) struct Month<'a> {
    pub(crate) at: YearMonth,
    pub(crate) signals: &'a [&'a Seen],
    all: &'a [&'a Seen],
}

impl<'a> Month<'a> {
    /// The signals in the calendar months before this one.
    pub(crate) fn preceding(&self, months: u8) -> &'a [&'a Seen] {
        let month = self.at.number();
        let first = month - i32::from(months);
        let from = self.all.partition_point(|seen| seen.month < first);
        let to = self.all.partition_point(|seen| seen.month < month);
        &self.all[from..to]
    }
}

/// Every calendar month with a signal, in order. `signals` is in order of events.
pub(crate) fn months<'a>(signals: &'a [&'a Seen]) -> impl Iterator<Item = Month<'a>> {
    signals
        .chunk_by(|a, b| a.month == b.month)
        .map(move |chunk| Month {
            at: YearMonth::numbered(chunk[0].month),
            signals: chunk,
            all: signals,
        })
}

/// The signals within a period, of signals in order of events.
pub(crate) fn within<'v, 's>(signals: &'v [&'s Seen], period: Period) -> &'v [&'s Seen] {
    let from = signals.partition_point(|seen| seen.day < period.from_number());
    let to = signals.partition_point(|seen| seen.day < period.to_number());
    &signals[from..to.max(from)]
}

/// The signal with whose first receipt `true_of` became true of these signals, to stay so, when it is true of all of them. It is asked in
/// order of events. With `only_grows`, `true_of` can only ever turn true when a signal is added.
pub(crate) fn brought_by(
    signals: &[&Seen],
    only_grows: bool,
    true_of: impl Fn(&[&Seen]) -> bool,
) -> Option<SignalId> {
    let mut by_receipt: Vec<&Seen> = signals.to_vec();
    let all = by_receipt.len();
    if all == 0 {
        return None;
    }
    let true_of_first = |first: &[&Seen]| {
        let mut first = first.to_vec();
        first.sort_unstable_by_key(|seen| seen.event_order());
        true_of(&first)
    };
    let (mut too_few, mut enough) = (0, all);
    if !only_grows {
        by_receipt.sort_by_key(|seen| seen.receipt_order());
        while enough > 1 && true_of_first(&by_receipt[..enough - 1]) {
            enough -= 1;
        }
        return Some(by_receipt[enough - 1].id);
    }
    // Of many signals the first few are enough as a rule: each step looks at more than the one before it, and only those are put in order.
    let mut step = FIRST_FEW;
    while step < all {
        by_receipt.select_nth_unstable_by_key(step, |seen| seen.receipt_order());
        if true_of_first(&by_receipt[..step]) {
            enough = step;
            break;
        }
        too_few = step;
        step *= 4;
    }
    by_receipt[..enough].sort_unstable_by_key(|seen| seen.receipt_order());
    // Between a prefix that is too short and one that is long enough lies the one that became so.
    while enough - too_few > 1 {
        let middle = usize::midpoint(too_few, enough);
        if true_of_first(&by_receipt[..middle]) {
            enough = middle;
        } else {
            too_few = middle;
        }
    }
    Some(by_receipt[enough - 1].id)
}

/// How many of the signals that came first are looked at first.
const FIRST_FEW: usize = 8;
