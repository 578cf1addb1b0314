//! Copies of signals as PostgreSQL's binary rows (`COPY … (FORMAT binary)`): cut where a household ends, read where they are used.

use std::collections::HashMap;
use std::str::FromStr;

use jiff::civil::{Date, date};
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use uuid::Uuid;
use voorveld_domain::{
    AreaId, Cents, DebtorId, Filing, HouseholdId, KindId, MunicipalityCode, PartnerId, Presence,
    Revision, SignalDomain, SignalId, Standing,
};

use super::{Copied, Part, corrupt, household};
use crate::StoreError;
use crate::timelines::TimelineRow;

/// Signature, flags and an empty extension.
pub(super) const HEADER_BYTES: usize = 19;
pub(super) const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
const COLUMNS: usize = 23;
/// Of these columns, the places of those that say what a signal that counts is, and not how and when it came.
const OF_COUNTED: [usize; 15] = [0, 1, 2, 7, 8, 9, 10, 11, 14, 15, 16, 17, 19, 20, 21];
const COUNTED_COLUMNS: usize = OF_COUNTED.len();
/// PostgreSQL counts days and microseconds from here.
const EPOCH: Date = date(2000, 1, 1);
const EPOCH_SECONDS: i64 = 946_684_800;

/// The statement that copies them out, household by household. Dates and instants are written by us; nothing in it came from outside.
pub(super) fn statement(wanted: Copied, part: Part) -> String {
    let whose = part.condition();
    match wanted {
        Copied::Counted { until } => of_counted(&format!(
            "lives_here AND standing = 'counted' AND event_date <= DATE '{until}' AND {whose}"
        )),
        Copied::Everything { before } => {
            let copies = |table: &str| {
                format!(
                    "SELECT household_id, signal_id, municipality, revision, filing, lives_here, standing, partner_id, partner_type, kind, domain,
                        event_date, first_received_at, received_at, amount_cents, crisis, warm_handover, supply_ends_on, age_unknown, debtor_id,
                        area_id, fields, came_at
                     FROM {table} WHERE received_at < TIMESTAMPTZ '{before}' AND {whose}"
                )
            };
            format!(
                "COPY ({} UNION ALL {} ORDER BY household_id, came_at, signal_id) TO STDOUT (FORMAT binary)",
                copies("signals"),
                copies("signal_history")
            )
        }
    }
}

/// The statement that copies out what signals that count are, where this condition holds.
pub(super) fn of_counted(condition: &str) -> String {
    format!(
        "COPY (SELECT household_id, signal_id, municipality, partner_id, partner_type, kind, domain, event_date, amount_cents,
            nullif(crisis, false), nullif(warm_handover, false), supply_ends_on, debtor_id, area_id, fields
         FROM signals WHERE {condition} ORDER BY household_id) TO STDOUT (FORMAT binary)"
    )
}

/// Names that were read: of thousands of signals each comes again and again.
#[derive(Debug, Default)]
pub struct Names {
    partners: HashMap<Box<[u8]>, PartnerId>,
    kinds: HashMap<Box<[u8]>, KindId>,
    domains: HashMap<Box<[u8]>, SignalDomain>,
    areas: HashMap<Box<[u8]>, AreaId>,
}

fn name<T: FromStr + Clone>(
    known: &mut HashMap<Box<[u8]>, T>,
    raw: Option<&[u8]>,
    what: &'static str,
) -> Result<T, StoreError> {
    let raw = raw.unwrap_or_default();
    if let Some(name) = known.get(raw) {
        return Ok(name.clone());
    }
    let name: T = text(Some(raw), what)?
        .parse()
        .map_err(|_| corrupt("signals", what))?;
    known.insert(raw.into(), name.clone());
    Ok(name)
}

/// Whole rows of whole households.
#[derive(Debug, Default)]
pub struct Copies {
    bytes: Vec<u8>,
    /// Where each household begins and how many copies it has.
    starts: Vec<(HouseholdId, usize, usize)>,
}

/// One household's copies, not read yet.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    /// Whose.
    pub household: HouseholdId,
    /// How many.
    pub copies: usize,
    bytes: &'a [u8],
}

impl Copies {
    /// The first and the last household.
    pub(super) fn ends(&self) -> (HouseholdId, HouseholdId) {
        let first = self.starts.first().expect("a stretch has a household").0;
        (first, self.starts.last().map_or(first, |last| last.0))
    }

    /// The households, in order of id.
    pub fn households(&self) -> impl Iterator<Item = Kept<'_>> {
        self.starts
            .iter()
            .enumerate()
            .map(|(index, (household, start, copies))| {
                let end = self
                    .starts
                    .get(index + 1)
                    .map_or(self.bytes.len(), |next| next.1);
                Kept {
                    household: *household,
                    copies: *copies,
                    bytes: &self.bytes[*start..end],
                }
            })
    }
}

/// Collects rows and cuts them where a household ends.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    bytes: Vec<u8>,
    /// So far the rows are known.
    known: usize,
    starts: Vec<(HouseholdId, usize, usize)>,
    header_seen: bool,
    ended: bool,
}

impl Cutter {
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Takes what came over the line, wherever that cuts a row.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let mut bytes = bytes;
        if !self.header_seen && self.bytes.is_empty() {
            if bytes.len() < HEADER_BYTES || !bytes.starts_with(SIGNATURE) {
                return Err(corrupt("signals", "no binary copy"));
            }
            bytes = &bytes[HEADER_BYTES..];
            self.header_seen = true;
        }
        self.bytes.extend_from_slice(bytes);
        while let Some((household, next)) = self.next_row()? {
            match self.starts.last_mut() {
                Some((last, _, copies)) if *last == household => *copies += 1,
                _ => self.starts.push((household, self.known, 1)),
            }
            self.known = next;
        }
        Ok(())
    }

    /// The next whole row: whose it is and where it ends.
    fn next_row(&mut self) -> Result<Option<(HouseholdId, usize)>, StoreError> {
        let mut row = Fields {
            bytes: &self.bytes[self.known..],
        };
        let Some(fields) = row.int16() else {
            return Ok(None);
        };
        if fields == -1 {
            self.ended = true;
            return Ok(None);
        }
        let Ok(columns @ (COLUMNS | COUNTED_COLUMNS)) = usize::try_from(fields) else {
            return Err(corrupt("signals", "number of columns"));
        };
        let mut first = None;
        if !row.field(&mut first) {
            return Ok(None);
        }
        let whose = household(first.unwrap_or_default())?;
        for _ in 1..columns {
            if !row.field(&mut first) {
                return Ok(None);
            }
        }
        Ok(Some((whose, self.bytes.len() - row.bytes.len())))
    }

    /// All households but the last one, which may go on.
    pub(super) fn cut(&mut self) -> Option<Copies> {
        let (last, start, copies) = self.starts.pop()?;
        let rest = self.bytes.split_off(start);
        self.known -= start;
        let whole = Copies {
            bytes: std::mem::replace(&mut self.bytes, rest),
            starts: std::mem::replace(&mut self.starts, vec![(last, 0, copies)]),
        };
        (!whole.starts.is_empty()).then_some(whole)
    }

    /// What is left at the end.
    pub(super) fn finish(mut self) -> Result<Option<Copies>, StoreError> {
        if self.header_seen && !self.ended {
            return Err(corrupt("signals", "the copy was cut short"));
        }
        self.bytes.truncate(self.known);
        Ok((!self.starts.is_empty()).then_some(Copies {
            bytes: self.bytes,
            starts: self.starts,
        }))
    }
}

impl Kept<'_> {
    /// Reads them, in their order.
    pub fn rows(&self, names: &mut Names) -> Result<Vec<TimelineRow>, StoreError> {
        let mut fields = Fields { bytes: self.bytes };
        let mut rows = Vec::with_capacity(self.copies);
        while !fields.bytes.is_empty() {
            rows.push(row(&fields.row()?, names)?);
        }
        Ok(rows)
    }
}

fn municipality(raw: Option<&[u8]>) -> Result<MunicipalityCode, StoreError> {
    text(raw, "municipality")?
        .parse()
        .map_err(|_| corrupt("signals", "municipality"))
}

fn debtor(raw: Option<&[u8]>) -> Result<Option<DebtorId>, StoreError> {
    match raw {
        None => Ok(None),
        Some(_) => Ok(Some(DebtorId::from_uuid(uuid(raw, "debtor_id")?))),
    }
}

fn area(raw: Option<&[u8]>, names: &mut Names) -> Result<Option<AreaId>, StoreError> {
    raw.map(|raw| name(&mut names.areas, Some(raw), "area_id"))
        .transpose()
}

/// Fields of binary rows, taken from the front.
pub(super) struct Fields<'a> {
    pub(super) bytes: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn int16(&mut self) -> Option<i16> {
        let (head, rest) = self.bytes.split_first_chunk::<2>()?;
        self.bytes = rest;
        Some(i16::from_be_bytes(*head))
    }

    /// The next field, `None` being NULL. False: it is not there whole.
    pub(super) fn field(&mut self, field: &mut Option<&'a [u8]>) -> bool {
        let Some((head, rest)) = self.bytes.split_first_chunk::<4>() else {
            return false;
        };
        // A length below zero is NULL.
        let Ok(length) = usize::try_from(i32::from_be_bytes(*head)) else {
            (*field, self.bytes) = (None, rest);
            return true;
        };
        let Some((found, rest)) = rest.split_at_checked(length) else {
            return false;
        };
        (*field, self.bytes) = (Some(found), rest);
        true
    }

    /// One row as [`statement`] writes it.
    fn row(&mut self) -> Result<[Option<&'a [u8]>; COLUMNS], StoreError> {
        let mut fields: [Option<&[u8]>; COLUMNS] = [None; COLUMNS];
        let is_whole = match self.int16().map(usize::try_from) {
            Some(Ok(COUNTED_COLUMNS)) => OF_COUNTED
                .iter()
                .all(|place| self.field(&mut fields[*place])),
            Some(Ok(COLUMNS)) => fields.iter_mut().all(|field| self.field(field)),
            _ => false,
        };
        is_whole
            .then_some(fields)
            .ok_or_else(|| corrupt("signals", "row"))
    }
}

/// A column that was left out has the value of a signal that counts.
fn row(fields: &[Option<&[u8]>; COLUMNS], names: &mut Names) -> Result<TimelineRow, StoreError> {
    let [
        whose,
        signal,
        whose_municipality,
        revision,
        filing,
        lives_here,
        standing,
        partner,
        partner_type,
        kind,
        domain,
        event_date,
        first_received_at,
        received_at,
        amount,
        crisis,
        warm_handover,
        supply_ends_on,
        age_unknown,
        whom,
        place,
        own_fields,
        came_at,
    ] = *fields;
    let event_day = event_date.ok_or_else(|| corrupt("signals", "event_date"))?;
    let event_date = day(event_day)?;
    let instant = |field: Option<&[u8]>| match field {
        Some(raw) => moment(raw),
        None => noon(event_day),
    };
    let number = |field: Option<&[u8]>, absent: u32, what: &'static str| match field {
        Some(raw) => int32(raw)
            .and_then(|number| u32::try_from(number).ok())
            .ok_or_else(|| corrupt("signals", what)),
        None => Ok(absent),
    };
    let is = |field: Option<&[u8]>| field.is_some_and(|raw| raw == [1]);
    Ok(TimelineRow {
        household: household(whose.unwrap_or_default())?,
        signal: SignalId::from_uuid(uuid(signal, "signal_id")?),
        municipality: municipality(whose_municipality)?,
        revision: Revision::from_number(number(revision, 1, "revision")?.into())
            .ok_or_else(|| corrupt("signals", "revision"))?,
        filing: Filing::from_number(number(filing, 1, "filing")?.into())
            .ok_or_else(|| corrupt("signals", "filing"))?,
        presence: if lives_here.is_none() || is(lives_here) {
            Presence::LivesHere
        } else {
            Presence::MovedAway
        },
        standing: match standing {
            None => Standing::Counted,
            Some(_) => text(standing, "standing")?
                .parse()
                .map_err(|_| corrupt("signals", "standing"))?,
        },
        partner: name(&mut names.partners, partner, "partner_id")?,
        partner_type: text(partner_type, "partner_type")?
            .parse()
            .map_err(|_| corrupt("signals", "partner_type"))?,
        kind: name(&mut names.kinds, kind, "kind")?,
        domain: name(&mut names.domains, domain, "domain")?,
        event_date,
        first_received_at: instant(first_received_at)?,
        received_at: instant(received_at)?,
        amount: amount
            .map(|raw| {
                int32(raw)
                    .and_then(|cents| Cents::try_from(i64::from(cents)).ok())
                    .ok_or_else(|| corrupt("signals", "amount_cents"))
            })
            .transpose()?,
        crisis: is(crisis),
        warm_handover: is(warm_handover),
        supply_ends_on: supply_ends_on.map(day).transpose()?,
        age_unknown: is(age_unknown),
        debtor: debtor(whom)?,
        area: area(place, names)?,
        fields: own_fields
            .map(|raw| match raw {
                // The version of the binary form of jsonb.
                [1, json @ ..] => serde_json::from_slice(json).ok(),
                _ => None,
            })
            .map(|read| read.ok_or_else(|| corrupt("signals", "fields")))
            .transpose()?,
        request_id: None,
        came_at: match came_at {
            None => 0,
            Some(raw) => raw
                .try_into()
                .map(i64::from_be_bytes)
                .map_err(|_| corrupt("signals", "came_at"))?,
        },
    })
}

fn int32(raw: &[u8]) -> Option<i32> {
    raw.try_into().map(i32::from_be_bytes).ok()
}

fn uuid(raw: Option<&[u8]>, what: &'static str) -> Result<Uuid, StoreError> {
    Uuid::from_slice(raw.unwrap_or_default()).map_err(|_| corrupt("signals", what))
}

fn text<'a>(raw: Option<&'a [u8]>, what: &'static str) -> Result<&'a str, StoreError> {
    raw.and_then(|raw| std::str::from_utf8(raw).ok())
        .ok_or_else(|| corrupt("signals", what))
}

fn day(raw: &[u8]) -> Result<Date, StoreError> {
    int32(raw)
        .and_then(|days| EPOCH.checked_add(days.days()).ok())
        .ok_or_else(|| corrupt("signals", "a date"))
}

fn moment(raw: &[u8]) -> Result<Timestamp, StoreError> {
    raw.try_into()
        .ok()
        .map(i64::from_be_bytes)
        .and_then(|micros| {
            let since = SignedDuration::from_micros(micros);
            Timestamp::from_second(EPOCH_SECONDS)
                .ok()?
                .checked_add(since)
                .ok()
        })
        .ok_or_else(|| corrupt("signals", "an instant"))
}

/// Noon in UTC of a day: the same day in Amsterdam, whatever the season.
fn noon(day: &[u8]) -> Result<Timestamp, StoreError> {
    int32(day)
        .and_then(|days| {
            Timestamp::from_second(EPOCH_SECONDS + i64::from(days) * 86_400 + 43_200).ok()
        })
        .ok_or_else(|| corrupt("signals", "a date"))
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;
    use tokio::sync::mpsc;

    use super::*;
    use crate::Store;
    use crate::held::Lent;
    use crate::history::Stretch;
    use crate::history::tests::copy;

    async fn read(store: &Store, wanted: Copied) -> Vec<TimelineRow> {
        read_in(1, store, wanted).await
    }

    async fn read_in(parts: i64, store: &Store, wanted: Copied) -> Vec<TimelineRow> {
        let (send, mut receive) = mpsc::channel::<Stretch>(64);
        store.read_in_parts(parts, wanted, send).await.unwrap();
        let mut rows = Vec::new();
        while let Some(stretch) = receive.recv().await {
            for kept in stretch.copies.households() {
                let of = kept.rows(&mut Names::default()).unwrap();
                assert_eq!(of.len(), kept.copies);
                assert!(of.iter().all(|row| row.household == kept.household));
                rows.extend(of);
            }
        }
        rows
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_was_known_before_is_read_with_what_is_known_now(pool: PgPool) {
        let store = Store::from_pool(pool);
        let bare = TimelineRow {
            amount: None,
            supply_ends_on: None,
            debtor: None,
            area: None,
            fields: None,
            presence: Presence::LivesHere,
            standing: Standing::Counted,
            ..copy(2, 5, 1)
        };
        let mut tx = store.begin("test").await.unwrap();
        tx.keep_superseded(&[copy(1, 4, 1), copy(1, 4, 2)])
            .await
            .unwrap();
        // The same batch once more, as after a crash.
        tx.keep_superseded(&[copy(1, 4, 2)]).await.unwrap();
        tx.write_timelines(&[copy(1, 4, 3), bare.clone()])
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let before = |text: &str| Copied::Everything {
            before: text.parse().unwrap(),
        };
        assert_eq!(
            read(&store, before("2025-03-31T00:00:00Z")).await,
            [copy(1, 4, 1), copy(1, 4, 2), copy(1, 4, 3), bare.clone()]
        );
        assert!(
            read(&store, before("2025-03-30T00:00:00Z"))
                .await
                .is_empty()
        );

        let counted = read(
            &store,
            Copied::Counted {
                until: date(1999, 12, 31),
            },
        )
        .await;
        assert_eq!(counted.len(), 1);
        assert_eq!(
            (counted[0].signal, counted[0].event_date),
            (bare.signal, bare.event_date)
        );
        let until = date(1999, 12, 30);
        assert!(read(&store, Copied::Counted { until }).await.is_empty());
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn parts_together_are_everything_in_the_same_order(pool: PgPool) {
        let store = Store::from_pool(pool);
        let rows: Vec<TimelineRow> = (0..60)
            .map(|n| copy((n / 2 * 0x0777) << 112, n, 1))
            .collect();
        let mut tx = store.begin("test").await.unwrap();
        tx.write_timelines(&rows).await.unwrap();
        tx.commit().await.unwrap();
        let wanted = Copied::Everything {
            before: Timestamp::MAX,
        };
        let whole = read(&store, wanted).await;
        assert_eq!(whole.len(), rows.len());
        for parts in [2, 3, 7, 16] {
            assert!(read_in(parts, &store, wanted).await == whole, "{parts}");
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn rows_are_whole_wherever_the_line_cuts_them(pool: PgPool) {
        use futures::TryStreamExt as _;
        let store = Store::from_pool(pool.clone());
        let rows: Vec<TimelineRow> = (1..40)
            .flat_map(|household| {
                (1..4).map(move |signal| copy(household, household * 10 + signal, 1))
            })
            .collect();
        let mut tx = store.begin("test").await.unwrap();
        tx.write_timelines(&rows).await.unwrap();
        tx.commit().await.unwrap();
        let wanted = Copied::Everything {
            before: Timestamp::MAX,
        };
        let mut connection = Lent::of(&pool).await.unwrap();
        let bytes: Vec<u8> = connection
            .copy_out(&statement(wanted, Part::all(1)[0]))
            .await
            .unwrap()
            .try_fold(Vec::new(), |mut all, piece| {
                all.extend_from_slice(&piece);
                std::future::ready(Ok(all))
            })
            .await
            .unwrap();
        let mut cutter = Cutter::default();
        let mut found = Vec::new();
        for (index, piece) in bytes.chunks(23).enumerate() {
            cutter.add(piece).unwrap();
            if index % 50 == 49
                && let Some(copies) = cutter.cut()
            {
                found.push(copies);
            }
        }
        found.extend(cutter.finish().unwrap());
        assert!(5 < found.len(), "it was cut");
        let read: Vec<TimelineRow> = found
            .iter()
            .flat_map(|copies| {
                copies
                    .households()
                    .flat_map(|kept| kept.rows(&mut Names::default()).unwrap())
                    .collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(read.len(), rows.len());
        assert!(rows.iter().all(|row| read.contains(row)));

        let mut short = Cutter::default();
        short.add(&bytes[..bytes.len() - 30]).unwrap();
        assert!(
            short.finish().is_err(),
            "a copy that was cut short is no history"
        );
    }
}
