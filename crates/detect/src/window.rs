//! A household's signals by calendar month, and which of them came last to make something true.

use voorveld_calendar::YearMonth;
use voorveld_domain::SignalId;

use crate::Signal;
use crate::pattern::within;

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

/// The signal with whose first receipt `true_of` became true of these signals, to stay so, when it is true of all of them. It is asked in
/// order of events. With `only_grows`, `true_of` can only ever turn true when a signal is added.
pub(crate) fn brought_by(
    signals: &[&Signal],
    only_grows: bool,
    true_of: impl Fn(&[&Signal]) -> bool,
) -> Option<SignalId> {
    let mut by_receipt: Vec<&Signal> = signals.to_vec();
    by_receipt.sort_unstable_by_key(|signal| signal.receipt_order());
    let true_of_first = |many: usize| {
        let mut prefix = by_receipt[..many].to_vec();
        prefix.sort_unstable_by_key(|signal| signal.event_order());
        true_of(&prefix)
    };
    let (mut too_few, mut enough) = (0, by_receipt.len());
    if enough == 0 {
        return None;
    }
    if !only_grows {
        while enough > 1 && true_of_first(enough - 1) {
            enough -= 1;
        }
        return Some(by_receipt[enough - 1].id);
    }
    // Between a prefix that is too short and one that is long enough lies the one that became so.
    while enough - too_few > 1 {
        let middle = usize::midpoint(too_few, enough);
        if true_of_first(middle) {
            enough = middle;
        } else {
            too_few = middle;
        }
    }
    Some(by_receipt[enough - 1].id)
}
