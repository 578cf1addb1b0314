//! Households, residents and addresses. Everything here is invented: names are put together from syllables, streets do not exist,
//! citizen service numbers begin with 9 (none are issued there), and each household is computed from its number alone, so that a
//! municipality of any size costs no memory.

use jiff::civil::Date;

use crate::dice::Dice;

/// Four-digit parts of the postcodes, one per neighbourhood: three in each area of the shipped routing. Valid figures, invented streets.
pub const POSTCODES: [u16; 12] = [
    1011, 1261, 1511, 1761, 1092, 1342, 1592, 1842, 1163, 1413, 1663, 1913,
];
/// What the municipality's town is called.
pub const TOWN: &str = "Voorveld";
/// Addresses in a street.
const STREET_LENGTH: u32 = 96;
/// Letters in postcodes; without those that official postcodes avoid as a pair (SA, SD, SS cannot be made).
const LETTERS: &[u8] = b"ABCEGHJKLMNPRTVWXZ";

const FIRST_PARTS: &[&str] = &[
    "Veen", "Koren", "Brug", "Zand", "Molen", "Berken", "Linde", "Water", "Graven", "Hoog", "Laag",
    "Wester", "Ooster", "Noorder", "Zuider", "Klaver", "Rozen", "Vlas", "Turf", "Kade", "Sluis",
    "Dijk", "Polder", "Heide",
];
const LAST_PARTS: &[&str] = &[
    "land", "winder", "huizen", "slag", "maker", "kamp", "stra", "sma", "veld", "dam", "meijer",
    "wijk", "berg", "man", "hoek", "oord",
];
/// Surnames with what goes wrong between two registers: diacritics, `ij`, double s.
const TRICKY_SURNAMES: &[&str] = &[
    "Coëhoek",
    "Daniëlsma",
    "Noordhoë",
    "Lübberink",
    "Françoijs",
    "Wijßen",
    "Vrijssen",
    "Kruijsveld",
    "Moiïnga",
    "Renéman",
];
const PREFIXES: &[&str] = &["van", "de", "van der", "van den", "ten", "van 't", "ter"];
const STREET_FIRST: &[&str] = &[
    "Vuurtoren",
    "Karekiet",
    "Blauwborst",
    "Windroos",
    "Zonnedauw",
    "Lisdodde",
    "Waterlinie",
    "Pannenkoek",
    "Trekschuit",
    "Hooiberg",
    "Klompen",
    "Stroopwafel",
    "Wolken",
    "Regenboog",
    "IJsvogel",
    "Kievits",
    "Zeepaard",
    "Tulpenbol",
    "Schaats",
    "Vlieger",
];
const STREET_LAST: &[&str] = &[
    "straat", "laan", "weg", "hof", "plein", "kade", "pad", "singel", "dreef", "gracht",
];

/// One who lives there.
#[derive(Clone, PartialEq, Eq)]
pub struct Resident {
    /// Nine digits that pass the eleven-test and belong to nobody.
    pub bsn: String,
    /// `A.B.`
    pub initials: String,
    /// `van der`, or empty.
    pub prefix: String,
    /// Family name.
    pub surname: String,
    /// Birth date.
    pub birth_date: Date,
}

/// One front door.
#[derive(Clone, PartialEq, Eq)]
pub struct Household {
    /// Its number in the municipality, from 0.
    pub index: u32,
    /// Street name.
    pub street: String,
    /// `2511AB`.
    pub postcode: String,
    /// House number.
    pub number: u32,
    /// House letter or suffix, or empty: `A`, `II`, `hs`, `bis`.
    pub suffix: &'static str,
    /// The adults: one in 39 of a hundred households, else two.
    pub residents: Vec<Resident>,
}

impl Household {
    /// The household with this number in the municipality of this seed.
    #[must_use]
    pub fn of(seed: u64, index: u32) -> Self {
        let (street_number, slot) = (index / STREET_LENGTH, index % STREET_LENGTH);
        let areas = u32::try_from(POSTCODES.len()).expect("a dozen");
        let (area, in_area) = (street_number % areas, street_number / areas);
        let letters = u32::try_from(LETTERS.len()).expect("a score");
        let (pair, round) = (in_area % (letters * letters), in_area / (letters * letters));
        let (number, suffix) = match street_number % 5 {
            0 => (slot / 3 + 1, ["hs", "I", "II"][(slot % 3) as usize]),
            1 => (slot / 2 + 1, ["", "A"][(slot % 2) as usize]),
            2 if slot % 8 == 7 => (slot, "bis"),
            _ => (slot + 1, ""),
        };
        let letter = |place: u32| char::from(LETTERS[place as usize]);
        let mut dice = Dice::new(seed, STREETS_STREAM + u64::from(street_number));
        let street = format!("{}{}", dice.pick(STREET_FIRST), dice.pick(STREET_LAST));
        let mut dice = Dice::new(seed, u64::from(index));
        let adults = if dice.chance(390) { 1 } else { 2 };
        Self {
            index,
            street,
            postcode: format!(
                "{}{}{}",
                POSTCODES[area as usize],
                letter(pair / letters),
                letter(pair % letters)
            ),
            number: number + round * 2 * STREET_LENGTH,
            suffix,
            residents: (0..adults).map(|_| Resident::thrown(&mut dice)).collect(),
        }
    }
}

/// Streams below this are households.
const STREETS_STREAM: u64 = 1 << 40;

impl Resident {
    fn thrown(dice: &mut Dice) -> Self {
        let surname = if dice.chance(80) {
            (*dice.pick(TRICKY_SURNAMES)).to_owned()
        } else {
            format!("{}{}", dice.pick(FIRST_PARTS), dice.pick(LAST_PARTS))
        };
        let prefix = if dice.chance(330) {
            (*dice.pick(PREFIXES)).to_owned()
        } else {
            String::new()
        };
        let mut initials = String::new();
        for _ in 0..dice.between(1, 3) {
            initials.push(char::from(*dice.pick(b"ABCDEFGHIJKLMNPRSTVW")));
            initials.push('.');
        }
        let year = i16::try_from(dice.between(1942, 2006)).expect("a year");
        let month = i8::try_from(dice.between(1, 12)).expect("a month");
        let day = i8::try_from(dice.between(1, 28)).expect("a day of any month");
        Self {
            bsn: bsn(dice),
            initials,
            prefix,
            surname,
            birth_date: jiff::civil::date(year, month, day),
        }
    }
}

/// Nine digits beginning with 9 that pass the eleven-test.
fn bsn(dice: &mut Dice) -> String {
    loop {
        let mut digits = vec![9];
        digits.extend((0..7).map(|_| dice.below(10)));
        let sum: u32 = digits
            .iter()
            .zip((2..=9).rev())
            .map(|(digit, weight)| digit * weight)
            .sum();
        if sum % 11 < 10 {
            digits.push(sum % 11);
            return digits
                .iter()
                .map(|digit| char::from_digit(*digit, 10).expect("one digit"))
                .collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use voorveld_domain::Bsn;

    use super::*;

    #[test]
    fn no_two_households_share_a_front_door() {
        let doors: BTreeSet<_> = (0..60_000)
            .map(|index| {
                let household = Household::of(1, index);
                (household.postcode, household.number, household.suffix)
            })
            .collect();
        assert_eq!(doors.len(), 60_000);
    }

    #[test]
    fn every_invented_number_passes_the_eleven_test_and_begins_with_nine() {
        for index in 0..500 {
            for resident in Household::of(3, index).residents {
                assert!(resident.bsn.starts_with('9'));
                assert!(Bsn::parse(&resident.bsn).unwrap().passes_eleven_test());
            }
        }
    }
}
