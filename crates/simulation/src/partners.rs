//! What comes in, and the book in which this is kept: whatever became of a signal is compared with what was said here, and never with what a stage made of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{LazyLock, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use uuid::Uuid;
use voorveld_bus::Outgoing;
use voorveld_domain::{Address, MunicipalityCode};
use voorveld_linkage::normalise;
use voorveld_seal::{IndexLabel, IndexSecret, Opener, OpeningKey, Sealer};
use voorveld_store::households::BlindKey;
use voorveld_synthetic::Dice;
use voorveld_wire::signal_v1::{
    Content, FieldValue, Received, SealedIdentity, VERSION, seal_context, signal_key,
};

/// The kinds that are sent: with their domain, partner type and how many days back their events may lie.
const KINDS: [(&str, &str, &str, u32); 8] = [
    ("rent_arrears", "debt", "rent", 1_090),
    ("energy_arrears", "debt", "energy", 90),
    ("water_arrears", "debt", "water", 20),
    ("health_insurance_arrears", "debt", "health_insurance", 20),
    ("supply_end_notice", "debt", "energy", 10),
    ("gp_concern", "care", "gp", 364),
    ("reporting_code_report", "safety", "care", 5),
    ("known_debt_client", "debt_help", "debt_help", 5),
];
/// Front doors; so few that signals meet.
const DOORS: u32 = 5;
/// Persons who can be told apart; the last is nobody.
const PERSONS: u32 = 5;
/// Invented, and right by the elfproef.
const BSNS: [&str; 4] = ["111222333", "123456782", "999999990", "100000009"];
pub(crate) const MUNICIPALITY: &str = "0518";

/// Made once: only what is derived from the secret decides anything, and that is always the same.
static OPENING: LazyLock<String> = LazyLock::new(|| {
    let key = OpeningKey::generate().expect("randomness");
    key.to_text().to_string()
});
static ENVELOPES: LazyLock<Mutex<HashMap<Sealed, String>>> = LazyLock::new(Mutex::default);

pub(crate) fn opener() -> Opener {
    Opener::new([OpeningKey::from_text(&OPENING).expect("our own key")])
}

pub(crate) fn indexes() -> IndexSecret {
    let title = "voorveld index secret v1 (private: every index key derives from it)";
    let key = STANDARD.encode([7; 32]);
    IndexSecret::from_text(&format!("{title}\nkey: {key}\n")).expect("the text of a key file")
}

/// What is sealed: of which signal and revision, and whom and where it names.
type Sealed = (Uuid, u32, Door, u32);

/// Where a signal says that it belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Door {
    /// A front door.
    Number(u32),
    /// An institution, where nothing is joined across persons (K14).
    Institution,
    /// It does not say.
    Nowhere,
}

impl Door {
    fn address(self) -> Option<(String, String)> {
        match self {
            Self::Number(number) => Some(("1234 AB".to_owned(), (number + 1).to_string())),
            Self::Institution => Some(("1234 AB".to_owned(), "99".to_owned())),
            Self::Nowhere => None,
        }
    }
}

pub(crate) fn municipality() -> MunicipalityCode {
    MUNICIPALITY.parse().expect("a code")
}

/// The institution, as it stands on the list of excluded addresses.
pub(crate) fn institution() -> BlindKey {
    let (postcode, house_number) = Door::Institution.address().expect("it has one");
    let address = Address {
        postcode: Some(postcode),
        house_number: Some(house_number),
        ..Address::default()
    };
    let normal = normalise(&address).expect("an address");
    let index = indexes().key(IndexLabel::Addresses);
    let code = municipality();
    (code, voorveld_resolver::address_key(&index, &code, &normal))
}

/// What was said last of a signal.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub last: Received,
    pub door: Door,
    pub person: u32,
    kind: usize,
    /// Every record that was ever sent of it.
    sent: Vec<Outgoing>,
}

/// All partners together, with their book.
pub(crate) struct Partners {
    pub book: BTreeMap<Uuid, Said>,
    dice: Dice,
    nonsense: u32,
}

impl Partners {
    pub fn new(dice: Dice) -> Self {
        Self {
            book: BTreeMap::new(),
            dice,
            nonsense: 0,
        }
    }

    fn content(&mut self, kind: usize, today: Date) -> Content {
        let (kind, domain, partner_type, days_back) = KINDS[kind];
        // Early by a day, at most; late by much.
        let back = i64::from(self.dice.below(days_back)) - 1;
        let event_date = today.saturating_sub(back.days());
        let mut fields = BTreeMap::new();
        if kind == "rent_arrears" && self.dice.chance(600) {
            let rent = i64::from(self.dice.between(90, 900)) * 1_000;
            fields.insert("monthly_rent".to_owned(), FieldValue::Number(rent));
        }
        if kind == "reporting_code_report" {
            let is_acute = self.dice.chance(500);
            fields.insert("acute".to_owned(), FieldValue::Boolean(is_acute));
        }
        if kind == "known_debt_client" && self.dice.chance(700) {
            let until = event_date.saturating_add(40.days());
            fields.insert("known_until".to_owned(), FieldValue::Date(until));
        }
        Content {
            partner_type: partner_type.to_owned(),
            domain: domain.to_owned(),
            event_date,
            arisen_on: None,
            age_unknown: self.dice.chance(100),
            amount_cents: self
                .dice
                .chance(900)
                .then(|| self.dice.between(2_000, 90_000)),
            crisis: self.dice.chance(30),
            warm_handover: self.dice.chance(30),
            supply_ends_on: (kind == "supply_end_notice")
                .then(|| event_date.saturating_add(30.days())),
            fields,
        }
    }

    fn door(&mut self) -> Door {
        match self.dice.below(20) {
            0 => Door::Nowhere,
            1 => Door::Institution,
            _ => Door::Number(self.dice.below(DOORS)),
        }
    }

    /// Sends something: a signal, a correction, a move, a withdrawal, the same again, or nonsense. Says in words what, and gives the record.
    pub fn send(&mut self, now: Timestamp, today: Date) -> (String, Outgoing) {
        let known = u32::try_from(self.book.len()).expect("few");
        let what = if known == 0 { 0 } else { self.dice.below(100) };
        if what < 52 {
            return self.first(now, today);
        }
        if what < 54 {
            self.nonsense += 1;
            let record = Outgoing {
                key: self.nonsense.to_string().into(),
                value: "{".into(),
                request_id: None,
            };
            return ("nonsense".to_owned(), record);
        }
        let nth = self.dice.below(known) as usize;
        let mut said = self.book.values().nth(nth).expect("one of them").clone();
        if what < 68 {
            let record = self.dice.pick(&said.sent).clone();
            return (format!("{} again", short(said.last.signal)), record);
        }
        said.last.again = false;
        let told = if said.last.content.is_some() && said.door == Door::Nowhere && what < 90 {
            // A colleague offers it again with an address.
            said.last.again = true;
            said.door = Door::Number(self.dice.below(DOORS));
            "offered again"
        } else {
            said.last.revision += 1;
            said.last.received_at = now;
            if 90 <= what && said.last.content.is_some() {
                said.last.content = None;
                said.last.withdrawn = Some("paid".to_owned());
                "withdrawn"
            } else {
                said.last.withdrawn = None;
                if said.last.content.is_none() || what < 80 {
                    said.last.content = Some(self.content(said.kind, today));
                }
                if 76 <= what {
                    said.door = self.door();
                }
                "corrected"
            }
        };
        let told = format!(
            "{} {told}, revision {}, at {:?}",
            short(said.last.signal),
            said.last.revision,
            said.door
        );
        let record = self.keep(said);
        (told, record)
    }

    fn first(&mut self, now: Timestamp, today: Date) -> (String, Outgoing) {
        let kind = self.dice.weighted(&[30, 24, 12, 20, 4, 5, 2, 3]);
        let number = self.book.len() as u128 + 1;
        let signal =
            Uuid::from_u128(number.wrapping_mul(0x0192_f3a1_7c4d_7b21_8e5f_3a91_c2d4_e6f7));
        let partner = format!("{}-{}", KINDS[kind].2.replace('_', "-"), self.dice.below(2));
        let said = Said {
            last: Received {
                v: VERSION,
                signal,
                revision: 1,
                municipality: MUNICIPALITY.to_owned(),
                partner,
                kind: KINDS[kind].0.to_owned(),
                first_received_at: now,
                received_at: now,
                content: Some(self.content(kind, today)),
                sealed: None,
                withdrawn: None,
                again: false,
            },
            door: self.door(),
            person: self.dice.below(PERSONS),
            kind,
            sent: Vec::new(),
        };
        let told = format!(
            "{} first, {} at {:?}",
            short(signal),
            KINDS[kind].0,
            said.door
        );
        let record = self.keep(said);
        (told, record)
    }

    fn keep(&mut self, mut said: Said) -> Outgoing {
        let mut received = said.last.clone();
        received.sealed = received
            .content
            .is_some()
            .then(|| envelope(received.signal, received.revision, said.door, said.person));
        let record = Outgoing {
            key: signal_key(received.signal).into(),
            value: received.write().into(),
            request_id: Some(format!("sim-{}", received.revision)),
        };
        said.sent.push(record.clone());
        self.book.insert(said.last.signal, said);
        record
    }
}

/// Enough of an id to tell it from the few others.
pub(crate) fn short(id: Uuid) -> String {
    id.simple().to_string()[..6].to_owned()
}

/// Sealing costs more than everything else here, and the same is sealed in thousands of runs.
fn envelope(signal: Uuid, revision: u32, door: Door, person: u32) -> String {
    let key = (signal, revision, door, person);
    let mut known = ENVELOPES.lock().unwrap_or_else(PoisonError::into_inner);
    let sealed = known.entry(key).or_insert_with(|| {
        let opening = OpeningKey::from_text(&OPENING).expect("our own key");
        let address = door.address();
        let identity = SealedIdentity {
            surname: Some("Voorbeeld".into()),
            bsn: BSNS.get(person as usize).map(|bsn| (*bsn).to_owned()),
            postcode: address.as_ref().map(|(postcode, _)| postcode.clone()),
            house_number: address.map(|(_, number)| number),
            ..SealedIdentity::default()
        };
        let plain = serde_json::to_vec(&identity).expect("JSON");
        let door_key = Sealer::new(opening.sealing_key().clone());
        let request = door_key.for_request().expect("randomness");
        let context = seal_context(signal, revision);
        let sealed = request.seal(&context, &plain).expect("seals");
        STANDARD.encode(sealed.as_bytes())
    });
    sealed.clone()
}
