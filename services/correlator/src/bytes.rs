//! Numbers, ids and instants in as few bytes as they need.
//!
//! Nothing of it leaves the process, so no version of it is promised to anybody.

use jiff::Timestamp;
use uuid::Uuid;

const NANOS_PER_MILLI: i128 = 1_000_000;
const NANOS_PER_MICRO: u64 = 1_000;

/// Bytes that are being written.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

/// Bytes that are being read. `None`: they are not what a [`Writer`] wrote.
pub(crate) struct Reader<'a>(&'a [u8]);

impl Writer {
    /// What was written.
    pub(crate) fn end(self) -> Vec<u8> {
        self.0
    }

    /// Seven bits to a byte, the low ones first; the eighth says that more follow.
    pub(crate) fn number(&mut self, mut number: u64) {
        while 0x7F < number {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }

    /// A number that may be negative, near zero in few bytes: 0, -1, 1, -2 and so on.
    pub(crate) fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    /// As they are; whoever reads them knows how many.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn id(&mut self, id: Uuid) {
        self.bytes(id.as_bytes());
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes(text.as_bytes());
    }

    /// An instant near one in milliseconds. PostgreSQL keeps microseconds, so a finer one takes a byte more.
    pub(crate) fn instant(&mut self, at: Timestamp, near_millis: i64) {
        let rest = at.as_nanosecond().rem_euclid(NANOS_PER_MILLI);
        let nanos = u64::try_from(rest).expect("below a million");
        self.signed(millis(at).wrapping_sub(near_millis));
        if nanos.is_multiple_of(NANOS_PER_MICRO) {
            self.number(nanos / NANOS_PER_MICRO * 2);
        } else {
            self.number(nanos * 2 + 1);
        }
    }
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// How many bytes are left.
    pub(crate) const fn left(&self) -> usize {
        self.0.len()
    }

    pub(crate) const fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(crate) fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// A number of things, or which of them.
    pub(crate) fn count(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    pub(crate) fn id(&mut self) -> Option<Uuid> {
        Uuid::from_slice(self.bytes(16)?).ok()
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let length = self.count()?;
        std::str::from_utf8(self.bytes(length)?).ok()
    }

    pub(crate) fn instant(&mut self, near_millis: i64) -> Option<Timestamp> {
        let millis = near_millis.wrapping_add(self.signed()?);
        let rest = self.number()?;
        let nanos = if rest & 1 == 0 {
            rest / 2 * NANOS_PER_MICRO
        } else {
            rest / 2
        };
        let nanos = i128::from(millis) * NANOS_PER_MILLI + i128::from(nanos);
        Timestamp::from_nanosecond(nanos).ok()
    }
}

/// An instant in whole milliseconds since 1970, rounded down.
pub(crate) fn millis(at: Timestamp) -> i64 {
    let millis = at.as_nanosecond().div_euclid(NANOS_PER_MILLI);
    i64::try_from(millis).expect("no instant lies that far away")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_and_small_ones_are_short() {
        for (number, bytes) in [
            (0, 1),
            (1, 1),
            (-1, 1),
            (63, 1),
            (-64, 1),
            (64, 2),
            (1_000_000, 3),
            (i64::MAX, 10),
            (i64::MIN, 10),
        ] {
            let mut writer = Writer::default();
            writer.signed(number);
            let written = writer.end();
            assert_eq!(written.len(), bytes, "{number}");
            let mut reader = Reader::new(&written);
            assert_eq!(reader.signed(), Some(number));
            assert!(reader.is_at_end());
            for cut in 0..written.len() {
                assert_eq!(Reader::new(&written[..cut]).signed(), None);
            }
        }
        assert_eq!(Reader::new(&[0xFF; 12]).number(), None, "never ends");
    }

    #[test]
    fn instants_read_back_to_the_nanosecond() {
        for text in [
            "2026-03-01T09:30:00.123456Z",
            "2026-03-01T09:30:00.123456789Z",
            "2026-03-01T09:30:00Z",
            "1969-12-31T23:59:59.999999999Z",
            "-009999-01-03T00:00:00Z",
            "9999-12-30T22:00:00.999999999Z",
        ] {
            let at: Timestamp = text.parse().expect(text);
            for near in [0, millis(at), i64::MAX, i64::MIN] {
                let mut writer = Writer::default();
                writer.instant(at, near);
                let written = writer.end();
                assert_eq!(Reader::new(&written).instant(near), Some(at), "{text}");
            }
        }
    }
}
