//! A household between batches as a string of bytes: what judging reads of it, and no more.
//!
//! Names are numbers on lists that belong to the memory. Days, instants and places in the log are told by how far they lie from something near:
//! the id of a signal says to the millisecond when it came in (S1), and most events are of about that day. What a partner sent besides stays in the
//! database, and so do fields that no rule reads. In this order, what is absent taking nothing:
//!
//! ```text
//! household  signals and whether it is crowded, partition, municipality, last place, debtors; its signals; area with whence and when it came
//! signal     marks, id, revision and filing, sender, first receipt, event date, amount, debtor, end of supply, fields, place
//! ```

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use voorveld_calendar::{date_of, day_number};
use voorveld_detect::{Decimal, FieldValue, Signal};
use voorveld_domain::{
    AreaId, Cents, DebtorId, FieldName, Filing, KindId, MunicipalityCode, PartnerId, PartnerType,
    Presence, Revision, SignalDomain, SignalId, Standing,
};

use crate::bytes::{Reader, Writer, millis};
use crate::household::{Kept, Remembered};

/// Names as numbers.
#[derive(Debug, Default)]
pub(crate) struct Names {
    senders: List<Sender>,
    areas: List<AreaId>,
    municipalities: List<MunicipalityCode>,
    /// The fields that rules read, in order.
    fields: Vec<FieldName>,
}

/// Who says what: most signals share this with many others.
type Sender = (PartnerId, PartnerType, KindId, SignalDomain);

/// Each thing once, by number.
#[derive(Debug)]
struct List<T> {
    numbers: BTreeMap<T, u64>,
    things: Vec<T>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self {
            numbers: BTreeMap::new(),
            things: Vec::new(),
        }
    }
}

impl<T: Ord + Clone> List<T> {
    fn number(&mut self, thing: &T) -> u64 {
        if let Some(number) = self.numbers.get(thing) {
            return *number;
        }
        let number = self.things.len() as u64;
        self.numbers.insert(thing.clone(), number);
        self.things.push(thing.clone());
        number
    }

    fn thing(&self, number: usize) -> Option<&T> {
        self.things.get(number)
    }
}

impl Names {
    /// No names yet, for rules that read these fields.
    pub(crate) fn new(fields: &BTreeSet<FieldName>) -> Self {
        Self {
            fields: fields.iter().cloned().collect(),
            ..Self::default()
        }
    }

    /// Whether these are the fields that rules read.
    pub(crate) fn reads(&self, fields: &BTreeSet<FieldName>) -> bool {
        self.fields.iter().eq(fields)
    }

    /// How many there are, apart from fields.
    pub(crate) const fn len(&self) -> usize {
        self.senders.things.len() + self.areas.things.len() + self.municipalities.things.len()
    }

    /// No names any more; what was packed with them is unreadable from here on.
    pub(crate) fn forget(&mut self) {
        *self = Self {
            fields: std::mem::take(&mut self.fields),
            ..Self::default()
        };
    }

    /// How many signals a packed household has.
    pub(crate) fn signals(packed: &[u8]) -> Option<usize> {
        Reader::new(packed).count().map(|head| head / 2)
    }

    /// What is kept of a household. `None`: it contradicts itself, and is better read anew.
    pub(crate) fn pack(&mut self, memory: &Remembered) -> Option<Vec<u8>> {
        let debtors: BTreeSet<DebtorId> = memory.debtors().collect();
        let debtors: Vec<DebtorId> = debtors.into_iter().collect();
        let came_at = memory.came_at();
        let last = came_at.values().copied().max().unwrap_or_default();
        let mut out = Writer::default();
        out.number(memory.timeline.len() as u64 * 2 + u64::from(memory.crowded_told));
        out.signed(memory.partition.into());
        out.number(self.municipalities.number(&memory.municipality));
        out.signed(last);
        out.number(debtors.len() as u64);
        for debtor in &debtors {
            out.id(debtor.uuid());
        }
        for signal in memory.timeline.iter() {
            self.pack_signal(&mut out, signal, &debtors)?;
            let before = last.wrapping_sub(*came_at.get(&signal.id)?);
            out.number(before.cast_unsigned());
        }
        if let Some((received_at, id, area)) = memory.last_area() {
            let place = memory.timeline.iter().position(|signal| signal.id == id)?;
            let signal = memory.timeline.get(id)?;
            out.number(self.areas.number(area));
            out.number(place as u64);
            out.instant(received_at, millis(signal.first_received_at));
        }
        Some(out.end())
    }

    /// What was kept of a household. `None`: these bytes are none.
    pub(crate) fn unpack(&self, packed: &[u8]) -> Option<Remembered> {
        let mut from = Reader::new(packed);
        let head = from.count()?;
        let partition = i32::try_from(from.signed()?).ok()?;
        let municipality = *self.municipalities.thing(from.count()?)?;
        let last = from.signed()?;
        let debtors: Vec<DebtorId> = (0..from.count()?)
            .map(|_| Some(DebtorId::from_uuid(from.id()?)))
            .collect::<Option<_>>()?;
        let mut kept = Kept::default();
        let mut signals: Vec<Signal> = Vec::with_capacity(head / 2);
        for _ in 0..head / 2 {
            let signal = self.unpack_signal(&mut from, &debtors)?;
            let came_at = last.wrapping_sub(from.number()?.cast_signed());
            kept.came_at.push((signal.id, came_at));
            signals.push(signal);
        }
        if !from.is_at_end() {
            let area = self.areas.thing(from.count()?)?.clone();
            let signal = signals.get(from.count()?)?;
            let received_at = from.instant(millis(signal.first_received_at))?;
            kept.area = Some((received_at, signal.id, area));
        }
        Some(Remembered {
            timeline: signals.into_iter().collect(),
            kept,
            crowded_told: head % 2 == 1,
            ..Remembered::new(partition, municipality)
        })
    }

    fn pack_signal(
        &mut self,
        out: &mut Writer,
        signal: &Signal,
        debtors: &[DebtorId],
    ) -> Option<()> {
        let read = |(name, value)| Some((self.fields.binary_search(name).ok()?, value));
        let fields: Vec<(usize, &FieldValue)> = signal.fields.iter().filter_map(read).collect();
        let is_later = signal.revision != Revision::FIRST || signal.filing != Filing::FIRST;
        let standing = Standing::ALL
            .iter()
            .position(|standing| *standing == signal.standing)?;
        let marks = [
            (AMOUNT, signal.amount.is_some()),
            (DEBTOR, signal.debtor.is_some()),
            (FIELDS, !fields.is_empty()),
            (LATER, is_later),
            (CRISIS, signal.crisis),
            (WARM_HANDOVER, signal.warm_handover),
            (SUPPLY_END, signal.supply_ends_on.is_some()),
            (MOVED_AWAY, signal.presence == Presence::MovedAway),
        ];
        let marks = marks.iter().filter(|(_, is_so)| *is_so);
        out.number(marks.fold(standing as u64 * STANDINGS, |all, (mark, _)| all | mark));
        out.id(signal.id.uuid());
        if is_later {
            out.number(signal.revision.get().into());
            out.number(signal.filing.get().into());
        }
        out.number(self.senders.number(&(
            signal.partner.clone(),
            signal.partner_type,
            signal.kind.clone(),
            signal.domain.clone(),
        )));
        out.instant(signal.first_received_at, millis_of(signal.id));
        let day = i64::from(day_number(signal.event_date));
        out.signed(day - day_of(signal.first_received_at));
        if let Some(amount) = signal.amount {
            out.number(amount.get().into());
        }
        if let Some(debtor) = signal.debtor {
            out.number(debtors.binary_search(&debtor).ok()? as u64);
        }
        if let Some(end) = signal.supply_ends_on {
            out.signed(i64::from(day_number(end)) - day);
        }
        if !fields.is_empty() {
            out.number(fields.len() as u64);
        }
        for (name, value) in fields {
            out.number(name as u64);
            pack_value(out, value);
        }
        Some(())
    }

    fn unpack_signal(&self, from: &mut Reader<'_>, debtors: &[DebtorId]) -> Option<Signal> {
        let marks = from.number()?;
        let is = |mark| marks & mark != 0;
        let id = SignalId::from_uuid(from.id()?);
        let (revision, filing) = if is(LATER) {
            let revision = i64::try_from(from.number()?).ok()?;
            let filing = i64::try_from(from.number()?).ok()?;
            (
                Revision::from_number(revision)?,
                Filing::from_number(filing)?,
            )
        } else {
            (Revision::FIRST, Filing::FIRST)
        };
        let (partner, partner_type, kind, domain) = self.senders.thing(from.count()?)?.clone();
        let first_received_at = from.instant(millis_of(id))?;
        let day = day_of(first_received_at).checked_add(from.signed()?)?;
        let amount = if is(AMOUNT) {
            Some(Cents::try_from(i64::try_from(from.number()?).ok()?).ok()?)
        } else {
            None
        };
        let debtor = if is(DEBTOR) {
            Some(*debtors.get(from.count()?)?)
        } else {
            None
        };
        let supply_ends_on = if is(SUPPLY_END) {
            Some(date(day.checked_add(from.signed()?)?)?)
        } else {
            None
        };
        let mut fields = BTreeMap::new();
        if is(FIELDS) {
            for _ in 0..from.count()? {
                let name = self.fields.get(from.count()?)?.clone();
                fields.insert(name, unpack_value(from)?);
            }
        }
        Some(Signal {
            revision,
            filing,
            presence: if is(MOVED_AWAY) {
                Presence::MovedAway
            } else {
                Presence::LivesHere
            },
            standing: *Standing::ALL.get(usize::try_from(marks / STANDINGS).ok()?)?,
            id,
            partner,
            partner_type,
            kind,
            domain,
            event_date: date(day)?,
            first_received_at,
            // Nothing that is judged asks when a revision came in, and a copy is never set beside another one without its row.
            received_at: first_received_at,
            amount,
            crisis: is(CRISIS),
            warm_handover: is(WARM_HANDOVER),
            supply_ends_on,
            debtor,
            fields,
        })
    }
}

// What a signal has or is, one bit each; above them the number of its standing. The first seven fit in one byte with a signal that counts.
const AMOUNT: u64 = 1;
const DEBTOR: u64 = 1 << 1;
const FIELDS: u64 = 1 << 2;
const LATER: u64 = 1 << 3;
const CRISIS: u64 = 1 << 4;
const WARM_HANDOVER: u64 = 1 << 5;
const SUPPLY_END: u64 = 1 << 6;
const MOVED_AWAY: u64 = 1 << 7;
const STANDINGS: u64 = 1 << 8;

const NUMBER: u64 = 0;
const DATE: u64 = 1;
const NO: u64 = 2;
const YES: u64 = 3;
const CODE: u64 = 4;

fn pack_value(out: &mut Writer, value: &FieldValue) {
    match value {
        FieldValue::Number(number) => {
            out.number(NUMBER);
            out.signed(number.thousandths());
        }
        FieldValue::Date(day) => {
            out.number(DATE);
            out.signed(day_number(*day).into());
        }
        FieldValue::Bool(false) => out.number(NO),
        FieldValue::Bool(true) => out.number(YES),
        FieldValue::Code(code) => {
            out.number(CODE);
            out.text(code);
        }
    }
}

fn unpack_value(from: &mut Reader<'_>) -> Option<FieldValue> {
    Some(match from.number()? {
        NUMBER => FieldValue::Number(Decimal::from_thousandths(from.signed()?)),
        DATE => FieldValue::Date(date(from.signed()?)?),
        NO => FieldValue::Bool(false),
        YES => FieldValue::Bool(true),
        CODE => FieldValue::Code(from.text()?.into()),
        _ => return None,
    })
}

/// When an id of our own was given out, in milliseconds since 1970 (`UUIDv7`); of any other, some number.
fn millis_of(id: SignalId) -> i64 {
    let (high, _) = id.uuid().as_u64_pair();
    (high >> 16).cast_signed()
}

/// The number of the day of an instant, as far as it matters here: in Greenwich.
fn day_of(at: Timestamp) -> i64 {
    millis(at).div_euclid(MILLIS_PER_DAY)
}

const MILLIS_PER_DAY: i64 = 86_400_000;

fn date(number: i64) -> Option<Date> {
    i32::try_from(number).ok().map(date_of)
}

#[cfg(test)]
mod tests;
