//! What is counted of households whatever rules say, gathered in memory: so that whole copies are read only of those that rules can say something of.
//!
//! A few columns, in no order, cost the database a third of what whole rows in order of household cost it; putting them in order is done here.

use std::collections::HashMap;
use std::fmt::Write as _;

use jiff::civil::Date;
use uuid::Uuid;
use voorveld_domain::{AreaId, DebtorId, HouseholdId, PartnerType, SignalId};

use super::copies::{self, Fields, HEADER_BYTES, SIGNATURE};
use super::{Part, corrupt};
use crate::StoreError;

/// Gathered apart by the first bits of the household's id, which is random: each heap is put in order by itself, in the cache of a processor.
const HEAPS: usize = 1 << HEAP_BITS;
const HEAP_BITS: u32 = 6;
const COLUMNS: usize = 7;
/// PostgreSQL counts days from 2000, everybody else from 1970.
const DAYS_TO_2000: i32 = 10_957;
/// No area.
const NOWHERE: u32 = u32::MAX;
/// No debtor: an id of one is random, and never nil.
const NOBODY: [u8; 16] = [0; 16];

/// Of a signal that counts, what is counted whatever rules say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glance<'a> {
    /// Which signal.
    pub signal: SignalId,
    /// T1, in days since 1970.
    pub day: i32,
    /// By whom.
    pub partner_type: PartnerType,
    /// S7.
    pub debtor: Option<DebtorId>,
    /// For routing.
    pub area: Option<&'a AreaId>,
}

/// A row as it is kept here; its household comes first, in the order of the database.
#[derive(Debug, Clone, Copy)]
struct Row {
    household: [u8; 16],
    signal: [u8; 16],
    debtor: [u8; 16],
    page: u32,
    nth: u16,
    partner_type: PartnerType,
    day: i32,
    area: u32,
}

/// Where a row lies: its page, and which row of that. It lies there as long as somebody sees it.
type Place = (u32, u16);

/// Some pages of the table: `from` to before `until`, or all that follow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pages {
    from: i64,
    until: Option<i64>,
}

impl Pages {
    /// Every page of a table of so many, in so many stretches.
    pub(super) fn all(pages: i64, stretches: i64) -> impl Iterator<Item = Self> {
        (0..stretches).map(move |nth| Self {
            from: pages * nth / stretches,
            until: (nth + 1 < stretches).then(|| pages * (nth + 1) / stretches),
        })
    }
}

/// The statement that copies them out. Days and numbers are written by us; nothing in it came from outside.
pub(super) fn statement(until: Date, part: Part, pages: Pages) -> String {
    let whose = part.condition();
    let before = pages
        .until
        .map_or_else(String::new, |page| format!("AND ctid < '({page},0)'::tid"));
    format!(
        "COPY (SELECT household_id, signal_id, debtor_id, ctid, event_date, partner_type, area_id
         FROM signals WHERE lives_here AND standing = 'counted' AND event_date <= DATE '{until}' AND {whose}
            AND '({},0)'::tid <= ctid {before}) TO STDOUT (FORMAT binary)",
        pages.from
    )
}

/// One connection's rows, wherever its messages cut them.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// What is left: no whole row.
    rest: Vec<u8>,
    header_seen: bool,
    ended: bool,
}

impl Line {
    /// That nothing was cut short.
    pub(super) fn finish(&self) -> Result<(), StoreError> {
        if self.ended && self.rest.is_empty() {
            Ok(())
        } else {
            Err(corrupt("signals", "the copy was cut short"))
        }
    }
}

/// Rows as they came, in heaps.
#[derive(Debug)]
pub(super) struct Gathered {
    heaps: Vec<Vec<Row>>,
    areas: Vec<AreaId>,
    numbers: HashMap<Box<[u8]>, u32>,
}

impl Default for Gathered {
    fn default() -> Self {
        Self {
            heaps: vec![Vec::new(); HEAPS],
            areas: Vec::new(),
            numbers: HashMap::new(),
        }
    }
}

impl Gathered {
    /// Takes what came over the line.
    pub(super) fn add(&mut self, line: &mut Line, came: &[u8]) -> Result<(), StoreError> {
        let mut rest = std::mem::take(&mut line.rest);
        let mut bytes = if rest.is_empty() {
            came
        } else {
            rest.extend_from_slice(came);
            &rest
        };
        if !line.header_seen {
            if bytes.len() < HEADER_BYTES || !bytes.starts_with(SIGNATURE) {
                return Err(corrupt("signals", "no binary copy"));
            }
            (line.header_seen, bytes) = (true, &bytes[HEADER_BYTES..]);
        }
        while !line.ended {
            let mut fields = Fields { bytes };
            match fields.int16().map(usize::try_from) {
                None => break,
                Some(Ok(COLUMNS)) => {}
                Some(Ok(_)) => return Err(corrupt("signals", "number of columns")),
                Some(Err(_)) => {
                    (line.ended, bytes) = (true, fields.bytes);
                    break;
                }
            }
            let mut row: [Option<&[u8]>; COLUMNS] = [None; COLUMNS];
            if !row.iter_mut().all(|field| fields.field(field)) {
                break;
            }
            self.put(row)?;
            bytes = fields.bytes;
        }
        line.rest = bytes.to_vec();
        Ok(())
    }

    fn put(&mut self, row: [Option<&[u8]>; COLUMNS]) -> Result<(), StoreError> {
        let [household, signal, debtor, place, day, partner_type, area] = row;
        let id = |raw: Option<&[u8]>, what| {
            raw.and_then(|raw| raw.try_into().ok())
                .ok_or_else(|| corrupt("signals", what))
        };
        let household: [u8; 16] = id(household, "household_id")?;
        let (page, nth) = place
            .and_then(place_of)
            .ok_or_else(|| corrupt("signals", "ctid"))?;
        let row = Row {
            household,
            signal: id(signal, "signal_id")?,
            debtor: match debtor {
                None => NOBODY,
                Some(_) => id(debtor, "debtor_id")?,
            },
            page,
            nth,
            partner_type: partner_type
                .and_then(|raw| std::str::from_utf8(raw).ok()?.parse().ok())
                .ok_or_else(|| corrupt("signals", "partner_type"))?,
            day: day
                .and_then(|raw| raw.try_into().ok())
                .map(|raw| i32::from_be_bytes(raw).saturating_add(DAYS_TO_2000))
                .ok_or_else(|| corrupt("signals", "event_date"))?,
            area: match area {
                None => NOWHERE,
                Some(raw) => self.number(raw)?,
            },
        };
        self.heaps[usize::from(household[0] >> (u8::BITS - HEAP_BITS))].push(row);
        Ok(())
    }

    fn number(&mut self, raw: &[u8]) -> Result<u32, StoreError> {
        if let Some(number) = self.numbers.get(raw) {
            return Ok(*number);
        }
        let wrong = || corrupt("signals", "area_id");
        let area = std::str::from_utf8(raw).map_err(|_| wrong())?;
        self.areas.push(area.parse().map_err(|_| wrong())?);
        let number = u32::try_from(self.areas.len() - 1).map_err(|_| wrong())?;
        self.numbers.insert(raw.into(), number);
        Ok(number)
    }

    /// Shows every household, in order of id, and answers for each heap the statement that copies those out that are wanted.
    pub(super) fn shown_to<W>(self, mut wants: W) -> impl Iterator<Item = String>
    where
        W: FnMut(HouseholdId, &[Glance<'_>]) -> bool,
    {
        let areas = self.areas;
        self.heaps.into_iter().filter_map(move |mut heap| {
            heap.sort_unstable_by_key(|row| row.household);
            let (mut glances, mut places) = (Vec::new(), Vec::new());
            for rows in heap.chunk_by(|one, next| one.household == next.household) {
                glances.clear();
                glances.extend(rows.iter().map(|row| row.glance(&areas)));
                let household = HouseholdId::from_uuid(Uuid::from_bytes(rows[0].household));
                if wants(household, &glances) {
                    places.extend(rows.iter().map(|row| (row.page, row.nth)));
                }
            }
            (!places.is_empty()).then(|| whole_rows_at(&places))
        })
    }
}

impl Row {
    fn glance<'a>(&self, areas: &'a [AreaId]) -> Glance<'a> {
        let debtor = (self.debtor != NOBODY).then(|| Uuid::from_bytes(self.debtor));
        Glance {
            signal: SignalId::from_uuid(Uuid::from_bytes(self.signal)),
            day: self.day,
            partner_type: self.partner_type,
            debtor: debtor.map(DebtorId::from_uuid),
            area: usize::try_from(self.area)
                .ok()
                .and_then(|area| areas.get(area)),
        }
    }
}

fn place_of(raw: &[u8]) -> Option<Place> {
    let (page, nth) = raw.split_first_chunk::<4>()?;
    let nth = nth.try_into().ok()?;
    Some((u32::from_be_bytes(*page), u16::from_be_bytes(nth)))
}

/// The statement that copies whole rows out of these places, household by household.
fn whole_rows_at(places: &[Place]) -> String {
    let mut listed = String::with_capacity(places.len() * 16);
    for (page, nth) in places {
        let comma = if listed.is_empty() { "" } else { "," };
        // Writing to a String does not fail.
        let _ = write!(listed, "{comma}\"({page},{nth})\"");
    }
    copies::of_counted(&format!("ctid = ANY ('{{{listed}}}'::tid[])"))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use sqlx::PgPool;
    use tokio::sync::mpsc;

    use super::*;
    use crate::Store;
    use crate::history::tests::{copy, counted};
    use crate::history::{Names, Stretch};
    use crate::timelines::TimelineRow;

    /// What is seen of these, in parts, and whose copies are handed over: those of households with an even number.
    async fn seen_and_handed_over(
        store: &Store,
        parts: i64,
    ) -> (Vec<(HouseholdId, Vec<SignalId>)>, Vec<TimelineRow>) {
        let (send, mut receive) = mpsc::channel::<Stretch>(64);
        let mut seen = Vec::new();
        let look = |household: HouseholdId, glances: &[Glance<'_>]| {
            let mut signals: Vec<SignalId> = glances.iter().map(|one| one.signal).collect();
            signals.sort_unstable();
            seen.push((household, signals));
            household.uuid().as_u128() >> 112 & 2 == 0
        };
        store
            .glance_in_parts(parts, date(2025, 12, 31), look, send)
            .await
            .unwrap();
        let mut rows = Vec::new();
        while let Some(stretch) = receive.recv().await {
            for kept in stretch.copies.households() {
                rows.extend(kept.rows(&mut Names::default()).unwrap());
            }
        }
        (seen, rows)
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn every_household_is_shown_and_the_wanted_are_handed_over(pool: PgPool) {
        let store = Store::from_pool(pool);
        let all: Vec<TimelineRow> = (0..60)
            .map(|n| counted((n / 2 * 0x0777) << 112, n))
            .collect();
        let mut tx = store.begin("test").await.unwrap();
        tx.write_timelines(&all).await.unwrap();
        // What does not count is not shown.
        tx.write_timelines(&[copy(0x0777 << 112, 99, 1)])
            .await
            .unwrap();
        tx.commit().await.unwrap();
        for parts in [1, 2, 5] {
            let (seen, handed_over) = seen_and_handed_over(&store, parts).await;
            let households: Vec<HouseholdId> = seen.iter().map(|(one, _)| *one).collect();
            assert!(households.is_sorted());
            assert_eq!(households.len(), 30);
            for (household, signals) in &seen {
                let of = all.iter().filter(|row| row.household == *household);
                assert_eq!(*signals, of.map(|row| row.signal).collect::<Vec<_>>());
            }
            let wanted: Vec<&TimelineRow> = all
                .iter()
                .filter(|row| row.household.uuid().as_u128() >> 112 & 2 == 0)
                .collect();
            assert!(10 < wanted.len() && wanted.len() < 50);
            assert_eq!(handed_over.len(), wanted.len());
            assert!(handed_over.is_sorted_by_key(|row| row.household));
            for row in wanted {
                assert!(
                    handed_over
                        .iter()
                        .any(|one| (one.signal, one.event_date, one.amount)
                            == (row.signal, row.event_date, row.amount))
                );
            }
        }
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_glance_says_what_is_stored(pool: PgPool) {
        let store = Store::from_pool(pool);
        let bare = TimelineRow {
            debtor: None,
            area: None,
            event_date: date(1969, 12, 31),
            ..counted(7, 1)
        };
        let mut tx = store.begin("test").await.unwrap();
        tx.write_timelines(&[bare, counted(7, 2)]).await.unwrap();
        tx.commit().await.unwrap();
        let mut seen = Vec::new();
        let look = |_, glances: &[Glance<'_>]| {
            let mut glances = glances.to_vec();
            glances.sort_unstable_by_key(|one| one.day);
            seen.extend(glances.iter().map(|one| {
                let area = one.area.map(ToString::to_string);
                (one.day, one.partner_type, one.debtor, area)
            }));
            false
        };
        let (send, mut receive) = mpsc::channel::<Stretch>(64);
        store
            .glance_in_parts(1, date(2025, 12, 31), look, send)
            .await
            .unwrap();
        assert!(receive.recv().await.is_none());
        let whole = counted(7, 2);
        assert_eq!(
            seen,
            [
                (-1, PartnerType::Rent, None, None),
                (
                    10_956,
                    PartnerType::Rent,
                    whole.debtor,
                    Some("noord".to_owned())
                )
            ]
        );
    }

    #[test]
    fn rows_are_whole_wherever_the_line_cuts_them() {
        let mut bytes = SIGNATURE.to_vec();
        bytes.resize(HEADER_BYTES, 0);
        for n in 0..5_u8 {
            bytes.extend(7_i16.to_be_bytes());
            for field in [
                Some(vec![n; 16]),
                Some(vec![9; 16]),
                None,
                Some(vec![0, 0, 0, n, 0, 1]),
                Some(vec![0, 0, 0, n]),
                Some(b"rent".to_vec()),
                Some(b"noord".to_vec()),
            ] {
                let length = field
                    .as_ref()
                    .map_or(-1, |field| i32::try_from(field.len()).unwrap());
                bytes.extend(length.to_be_bytes());
                bytes.extend(field.unwrap_or_default());
            }
        }
        bytes.extend((-1_i16).to_be_bytes());
        for length in [19, 20, 23, 71, bytes.len()] {
            let (mut gathered, mut line) = (Gathered::default(), Line::default());
            for piece in bytes.chunks(length) {
                gathered.add(&mut line, piece).unwrap();
            }
            line.finish().unwrap();
            let statements: Vec<String> = gathered.shown_to(|_, _| true).collect();
            assert_eq!(statements.len(), 2, "a heap of four, a heap of one");
            assert!(statements[0].contains("\"(2,1)\",\"(3,1)\""));
        }
        let (mut gathered, mut line) = (Gathered::default(), Line::default());
        gathered.add(&mut line, &bytes[..bytes.len() - 1]).unwrap();
        assert!(line.finish().is_err(), "a copy that was cut short");
    }
}
