//! Whatever a household is, it reads back as it was.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use proptest::prelude::*;
use uuid::Uuid;
use voorveld_calendar::{date_of, day_number};
use voorveld_detect::{Decimal, FieldValue, Signal};
use voorveld_domain::{
    AreaId, Cents, DebtorId, FieldName, Filing, PartnerType, Presence, Revision, SignalId, Standing,
};

use super::Names;
use crate::household::{Kept, Remembered};

fn slug<T: std::str::FromStr<Err: std::fmt::Debug>>(raw: &str) -> T {
    raw.parse().expect("a literal slug")
}

/// The fields that rules read; a third one is there that none does.
fn fields_read() -> BTreeSet<FieldName> {
    ["acute", "monthly_rent"].map(slug).into()
}

fn instants() -> impl Strategy<Value = Timestamp> {
    let seconds = prop_oneof![
        1_700_000_000..1_800_000_000_i64,
        Timestamp::MIN.as_second()..=Timestamp::MAX.as_second(),
    ];
    let nanos = prop_oneof![
        Just(0),
        (0..1_000_000_i32).prop_map(|micros| micros * 1_000),
        0..1_000_000_000_i32
    ];
    (seconds, nanos).prop_map(|(seconds, nanos)| {
        Timestamp::new(seconds, nanos).unwrap_or(Timestamp::UNIX_EPOCH)
    })
}

fn days() -> impl Strategy<Value = Date> {
    prop_oneof![
        19_700..21_000_i32,
        day_number(Date::MIN)..=day_number(Date::MAX)
    ]
    .prop_map(date_of)
}

fn ids() -> impl Strategy<Value = Uuid> {
    prop_oneof![
        // As the gateway gives them out.
        (1_700_000_000_000..1_800_000_000_000_u64, any::<[u8; 10]>()).prop_map(|(millis, rest)| {
            uuid::Builder::from_unix_timestamp_millis(millis, &rest).into_uuid()
        }),
        any::<u128>().prop_map(Uuid::from_u128),
    ]
}

fn values() -> impl Strategy<Value = FieldValue> {
    prop_oneof![
        any::<i64>().prop_map(|raw| FieldValue::Number(Decimal::from_thousandths(raw))),
        days().prop_map(FieldValue::Date),
        any::<bool>().prop_map(FieldValue::Bool),
        "[a-zé_]{0,40}".prop_map(|code| FieldValue::Code(code.into())),
    ]
}

fn signals() -> impl Strategy<Value = Signal> {
    let order = (
        1..=i64::from(u32::MAX),
        prop_oneof![Just(1), 1..=i64::from(u32::MAX)],
        any::<bool>(),
        prop::sample::select(Standing::ALL),
        ids(),
    );
    let sender = (
        prop::sample::select(&["woonstede", "a-1"][..]),
        prop::sample::select(PartnerType::ALL),
        prop::sample::select(&["rent_arrears", "known_debt_client"][..]),
        prop::sample::select(&["debt", "safety"][..]),
    );
    let when = (days(), instants(), prop::option::of(days()));
    let what = (
        prop::option::of(prop_oneof![
            Just(1),
            Just(i64::from(Cents::MAX.get())),
            1..=90_000_i64
        ]),
        any::<bool>(),
        any::<bool>(),
        // Few, so that one person is named more than once.
        prop::option::of(prop_oneof![0..3_u128, any::<u128>()]),
        prop::collection::btree_map(
            prop::sample::select(&["acute", "monthly_rent", "unread"][..]),
            values(),
            0..4,
        ),
    );
    (order, sender, when, what).prop_map(
        |(
            (revision, filing, lives_here, standing, id),
            (partner, partner_type, kind, domain),
            (event_date, first_received_at, supply_ends_on),
            (cents, crisis, warm_handover, debtor, fields),
        )| Signal {
            revision: Revision::from_number(revision).expect("from 1"),
            filing: Filing::from_number(filing).expect("from 1"),
            presence: if lives_here {
                Presence::LivesHere
            } else {
                Presence::MovedAway
            },
            standing,
            id: SignalId::from_uuid(id),
            partner: slug(partner),
            partner_type,
            kind: slug(kind),
            domain: slug(domain),
            event_date,
            first_received_at,
            received_at: first_received_at,
            amount: cents.map(|cents| Cents::try_from(cents).expect("an amount")),
            crisis,
            warm_handover,
            supply_ends_on,
            debtor: debtor.map(|debtor| DebtorId::from_uuid(Uuid::from_u128(debtor))),
            fields: fields
                .into_iter()
                .map(|(name, value)| (slug(name), value))
                .collect(),
        },
    )
}

fn households() -> impl Strategy<Value = Remembered> {
    let places = prop_oneof![0..5_000_000_i64, any::<i64>()];
    (
        prop::collection::vec((signals(), places), 0..8),
        any::<i32>(),
        prop::sample::select(&["0518", "0000", "1980"][..]),
        any::<bool>(),
        prop::option::of((any::<prop::sample::Index>(), instants())),
    )
        .prop_map(|(signals, partition, municipality, crowded_told, area)| {
            let mut memory = Remembered {
                crowded_told,
                ..Remembered::new(partition, slug(municipality))
            };
            let mut kept = Kept::default();
            for (signal, came_at) in signals {
                if memory.timeline.get(signal.id).is_none() {
                    kept.came_at.push((signal.id, came_at));
                    memory.timeline.absorb(signal);
                }
            }
            kept.came_at.sort_unstable();
            kept.area = area
                .filter(|_| !kept.came_at.is_empty())
                .map(|(which, at)| {
                    let (signal, _) = *which.get(&kept.came_at);
                    (at, signal, slug::<AreaId>("noord"))
                });
            memory.kept = kept;
            memory
        })
}

proptest! {
    #[test]
    fn a_household_reads_back_as_it_was_but_for_fields_that_no_rule_reads(
        memory in households(),
        before in households(),
    ) {
        let mut names = Names::new(&fields_read());
        // Another household has given its names their numbers.
        names.pack(&before);
        let packed = names.pack(&memory).expect("does not contradict itself");
        prop_assert_eq!(Names::signals(&packed), Some(memory.timeline.len()));
        let back = names.unpack(&packed).expect("reads back");
        let read = fields_read();
        let read_only = |mut signal: Signal| {
            signal.fields.retain(|name, _| read.contains(name));
            signal
        };
        let timeline = memory.timeline.iter().cloned().map(read_only).collect();
        prop_assert_eq!(back, Remembered { timeline, ..memory });
        for cut in 0..packed.len() {
            // Whatever that says, it does not panic.
            let _ = names.unpack(&packed[..cut]);
        }
    }
}
