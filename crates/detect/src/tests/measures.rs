//! Every measure in both languages, looked at by eye: a change shows up as a diff.

use std::fmt::Write as _;

use PartnerType::{Energy, Rent, Water};
use Quantity::{Absent, No, Yes};
use expect_test::expect;
use jiff::civil::date;
use voorveld_calendar::Period;
use voorveld_domain::PartnerType;

use super::asked::field;
use super::sentences::both;
use super::world::{cents, signal_id};
use crate::explain;
use crate::*;

fn about_period(from: jiff::civil::Date, to: jiff::civil::Date) -> About {
    About::Period(Period::new(from, to))
}

/// Every measure as it can come out, with its about, threshold and value.
fn measures() -> Vec<Evidence> {
    let month = About::Month("2025-01".parse().expect("a month"));
    let halfyear = about_period(date(2024, 7, 1), date(2025, 1, 1));
    let ninety = About::Period(Period::rolling(90, date(2025, 3, 31)));
    let one_month = about_period(date(2025, 1, 1), date(2025, 2, 1));
    let one_day = About::Period(Period::day(date(2025, 1, 10)));
    let signal = About::Signal(signal_id(1));
    let count = Quantity::Count;
    let day = |d| Quantity::Date(d);
    let money = Quantity::Money;
    let amount = |raw| Quantity::Cents(cents(raw));
    let number = |raw: &str| Quantity::Number(raw.parse().expect("a number"));
    let kind = || Quantity::Kind("rent_arrears".parse().expect("a kind"));
    let types = |types: &[PartnerType]| Quantity::PartnerTypes(types.to_vec());
    [
        (Measure::PartnerTypes, month, count(2), types(&[Rent])),
        (
            Measure::PartnerTypes,
            month,
            count(2),
            types(&[Energy, Rent]),
        ),
        (
            Measure::PartnerTypes,
            month,
            count(3),
            types(&[Energy, Rent]),
        ),
        (
            Measure::PartnerTypes,
            month,
            count(3),
            types(&[Energy, Rent, Water]),
        ),
        (Measure::SignalsInMonth, month, count(1), count(0)),
        (Measure::SignalsInMonth, month, count(1), count(1)),
        (Measure::SignalsInMonth, month, count(1), count(4)),
        (Measure::SignalsBefore, halfyear, count(1), count(0)),
        (Measure::SignalsBefore, halfyear, count(1), count(1)),
        (Measure::SignalsBefore, one_month, count(1), count(3)),
        (
            Measure::SignalsLookedAt,
            About::Household,
            count(1),
            count(0),
        ),
        (
            Measure::SignalsLookedAt,
            About::Household,
            count(1),
            count(2),
        ),
        (Measure::Amount, signal, amount(50_000), amount(123_450)),
        (Measure::Amount, signal, amount(50_000), Absent),
        (
            Measure::AmountAgainst(field()),
            signal,
            amount(122_450),
            amount(123_450),
        ),
        (Measure::AmountAgainst(field()), signal, Absent, amount(1)),
        (Measure::Kind, signal, Absent, kind()),
        (Measure::Crisis, signal, Yes, Yes),
        (Measure::Crisis, signal, Yes, kind()),
        (Measure::Crisis, signal, Yes, day(date(2025, 4, 30))),
        (Measure::Crisis, signal, Yes, No),
        (Measure::WarmHandover, signal, Yes, Yes),
        (Measure::WarmHandover, signal, Yes, No),
        (Measure::SupplyEnd, signal, Absent, day(date(2025, 4, 30))),
        (Measure::SupplyEnd, signal, Absent, Absent),
        (
            Measure::LastUsefulDay,
            signal,
            Absent,
            day(date(2025, 4, 14)),
        ),
        (
            Measure::Field(field()),
            signal,
            number("16"),
            number("16.5"),
        ),
        (Measure::Field(field()), signal, number("16"), Absent),
        (Measure::Field(field()), signal, Yes, Yes),
        (Measure::Field(field()), signal, Yes, No),
        (Measure::Field(field()), signal, Yes, Absent),
        (Measure::Field(field()), signal, Absent, Absent),
        (
            Measure::Field(field()),
            signal,
            Absent,
            Quantity::Code("gas".into()),
        ),
        (
            Measure::Field(field()),
            signal,
            Absent,
            day(date(2025, 4, 30)),
        ),
        (Measure::CountWithin, ninety, count(3), count(0)),
        (Measure::CountWithin, ninety, count(3), count(1)),
        (Measure::CountWithin, one_month, count(3), count(3)),
        (Measure::CountWithin, one_day, count(3), count(13)),
        (Measure::KindsWithin, ninety, count(2), count(1)),
        (Measure::DomainsWithin, ninety, count(2), count(2)),
        (Measure::PartnersWithin, ninety, count(2), count(1)),
        (Measure::PartnerTypesWithin, ninety, count(2), count(2)),
        (Measure::DebtorsWithin, ninety, count(2), count(1)),
        (Measure::SumWithin, ninety, money(100_000), money(1_234_567)),
        (Measure::SumWithin, ninety, money(100_000), Absent),
        (Measure::OwedWithin, halfyear, money(100_000), money(99_999)),
        (Measure::LatestWithin, ninety, money(100_000), money(5)),
        (
            Measure::MaximumWithin,
            ninety,
            money(100_000),
            money(100_000),
        ),
        (
            Measure::SumOf(field()),
            ninety,
            number("16"),
            number("12.5"),
        ),
        (
            Measure::SumOfLatest(field()),
            ninety,
            number("16"),
            number("12.5"),
        ),
        (Measure::LatestOf(field()), ninety, number("16"), Absent),
        (
            Measure::MaximumOf(field()),
            ninety,
            number("16"),
            number("40"),
        ),
        (Measure::PartsThatHold, ninety, count(2), count(0)),
        (Measure::PartsThatHold, ninety, count(2), count(1)),
        (Measure::PartsThatHold, one_month, count(2), count(2)),
        (Measure::StepsInOrder, ninety, count(3), count(0)),
        (Measure::StepsInOrder, ninety, count(3), count(1)),
        (Measure::StepsInOrder, ninety, count(3), count(3)),
        (Measure::RisenFrom, signal, money(20_000), money(25_000)),
        (Measure::RisenFrom, signal, money(25_000), money(20_000)),
        (Measure::RisenFrom, signal, money(20_000), money(20_000)),
        (Measure::RisenFrom, signal, Absent, amount(20_000)),
        (Measure::Followed, ninety, Yes, Yes),
        (Measure::Followed, ninety, Yes, No),
        (Measure::TermOver, signal, day(date(2025, 3, 31)), Yes),
        (Measure::TermOver, signal, day(date(2025, 3, 31)), No),
        (Measure::FeedsComplete, ninety, day(date(2025, 3, 31)), Yes),
        (
            Measure::FeedsComplete,
            ninety,
            day(date(2025, 3, 31)),
            day(date(2025, 2, 28)),
        ),
        (Measure::FeedsComplete, ninety, day(date(2025, 3, 31)), No),
    ]
    .map(|(measure, about, threshold, value)| Evidence {
        measure,
        about,
        threshold,
        value,
    })
    .into()
}

#[test]
fn every_measure_is_told_in_both_languages() {
    let [dutch, english] = both();
    let mut text = String::new();
    for one in measures() {
        let (nl, en) = (
            explain::sentence(&one, &dutch),
            explain::sentence(&one, &english),
        );
        assert_ne!(nl, en);
        writeln!(text, "{nl}\n    {en}").expect("text");
    }
    expect![[r#"
        In januari 2025 kwam er alleen een signaal van Huur. Vanaf twee soorten partners heet het meervoudig.
            In January 2025 only one type of partner (rent) sent a signal. From two types of partner on it is called multiple.
        Twee verschillende soorten partners (Energie en Huur) stuurden in januari 2025 een signaal.
            Two different types of partner (energy and rent) sent a signal in January 2025.
        In januari 2025 kwamen er signalen van twee soorten partners (Energie en Huur). Vanaf drie heet het meervoudig.
            In January 2025 there were signals from two types of partner (energy and rent). From three on it is called multiple.
        Drie verschillende soorten partners (Energie, Huur en Water) stuurden in januari 2025 een signaal.
            Three different types of partner (energy, rent and water) sent a signal in January 2025.
        In januari 2025 kwam er geen signaal.
            In January 2025 there were no signals.
        In januari 2025 kwam er een signaal.
            In January 2025 there was one signal.
        In januari 2025 kwamen er vier signalen.
            In January 2025 there were four signals.
        In de zes maanden daarvoor (juli tot en met december 2024) kwam er geen signaal.
            In the six months before that (July to December 2024) there was no signal.
        In de zes maanden daarvoor (juli tot en met december 2024) kwam er ook al een signaal.
            In the six months before that (July to December 2024) there was a signal, too.
        In de maand daarvoor (januari 2025) kwamen er ook al drie signalen.
            In the month before that (January 2025) there were three signals, too.
        Er is geen signaal waar deze regel naar kijkt.
            There is no signal that this rule looks at.
        Deze regel kijkt naar twee signalen.
            This rule looks at two signals.
        Bedrag € 1.234,50; drempel € 500,00.
            Amount €1,234.50; threshold €500.00.
        Er is geen bedrag gemeld; drempel € 500,00.
            No amount was told; threshold €500.00.
        Bedrag € 1.234,50; drempel € 1.224,50 (berekend met: kale huur per maand).
            Amount €1,234.50; threshold €1,224.50 (calculated from ‘kale huur per maand’).
        Het bedrag is niet te vergelijken: kale huur per maand is niet gemeld.
            The amount cannot be compared: ‘kale huur per maand’ was not told.
        Soort signaal: huurachterstand.
            Kind of signal: ‘huurachterstand’.
        De partner noemt dit een crisis.
            The partner calls this a crisis.
        Dit signaal (huurachterstand) geldt als crisis.
            This signal (‘huurachterstand’) counts as a crisis.
        De levering stopt op 30 april 2025. Dat geldt als crisis.
            Supply ends on 30 April 2025. That counts as a crisis.
        Het is geen crisis.
            It is no crisis.
        De partner draagt de inwoner persoonlijk over.
            The partner hands the resident over in person.
        Er is geen warme overdracht.
            There is no handover in person.
        De levering stopt op 30 april 2025.
            Supply ends on 30 April 2025.
        Er is geen einde van de levering gemeld.
            No end of supply was told.
        Hulp is op tijd tot en met 14 april 2025.
            Help is in time until 14 April 2025.
        Kale huur per maand: 16,5; grens 16.
            ‘Kale huur per maand’: 16.5; limit 16.
        Kale huur per maand: niet gemeld; grens 16.
            ‘Kale huur per maand’: not told; limit 16.
        Kale huur per maand: ja.
            ‘Kale huur per maand’: yes.
        Kale huur per maand: nee; nodig: ja.
            ‘Kale huur per maand’: no; needed: yes.
        Kale huur per maand: niet gemeld; nodig: ja.
            ‘Kale huur per maand’: not told; needed: yes.
        Kale huur per maand: niet gemeld.
            ‘Kale huur per maand’: not told.
        Kale huur per maand: gas.
            ‘Kale huur per maand’: ‘gas’.
        Kale huur per maand: 30 april 2025.
            ‘Kale huur per maand’: 30 April 2025.
        Geen signalen van januari tot en met maart 2025; nodig: drie.
            No signals from January to March 2025; needed: three.
        Eén signaal van januari tot en met maart 2025; nodig: drie.
            One signal from January to March 2025; needed: three.
        Drie signalen in januari 2025; nodig: drie.
            Three signals in January 2025; needed: three.
        13 signalen op 10 januari 2025; nodig: drie.
            13 signals on 10 January 2025; needed: three.
        Eén soort signaal van januari tot en met maart 2025; nodig: twee.
            One kind of signal from January to March 2025; needed: two.
        Twee leefgebieden van januari tot en met maart 2025; nodig: twee.
            Two fields of life from January to March 2025; needed: two.
        Eén partner van januari tot en met maart 2025; nodig: twee.
            One partner from January to March 2025; needed: two.
        Twee soorten partners van januari tot en met maart 2025; nodig: twee.
            Two types of partner from January to March 2025; needed: two.
        Eén inwoner van januari tot en met maart 2025; nodig: twee.
            One resident from January to March 2025; needed: two.
        Alle bedragen samen van januari tot en met maart 2025: € 12.345,67; nodig: € 1.000,00.
            All amounts together from January to March 2025: €12,345.67; needed: €1,000.00.
        Alle bedragen samen van januari tot en met maart 2025: niets gemeld; nodig: € 1.000,00.
            All amounts together from January to March 2025: nothing told; needed: €1,000.00.
        Het laatste bedrag van elke partner, samen van juli tot en met december 2024: € 999,99; nodig: € 1.000,00.
            The last amount of each partner, together from July to December 2024: €999.99; needed: €1,000.00.
        Het laatste bedrag van januari tot en met maart 2025: € 0,05; nodig: € 1.000,00.
            The last amount from January to March 2025: €0.05; needed: €1,000.00.
        Het hoogste bedrag van januari tot en met maart 2025: € 1.000,00; nodig: € 1.000,00.
            The highest amount from January to March 2025: €1,000.00; needed: €1,000.00.
        Kale huur per maand, alles samen van januari tot en met maart 2025: 12,5; nodig: 16.
            ‘Kale huur per maand’, all together from January to March 2025: 12.5; needed: 16.
        Kale huur per maand, het laatste van elke partner samen van januari tot en met maart 2025: 12,5; nodig: 16.
            ‘Kale huur per maand’, the last of each partner together from January to March 2025: 12.5; needed: 16.
        Kale huur per maand, het laatste van januari tot en met maart 2025: niets gemeld; nodig: 16.
            ‘Kale huur per maand’, the last from January to March 2025: nothing told; needed: 16.
        Kale huur per maand, het hoogste van januari tot en met maart 2025: 40; nodig: 16.
            ‘Kale huur per maand’, the highest from January to March 2025: 40; needed: 16.
        Geen van de onderdelen klopt van januari tot en met maart 2025; nodig: twee.
            None of the parts holds from January to March 2025; needed: two.
        Eén van de onderdelen klopt van januari tot en met maart 2025; nodig: twee.
            One of the parts holds from January to March 2025; needed: two.
        Twee van de onderdelen kloppen in januari 2025; nodig: twee.
            Two of the parts hold in January 2025; needed: two.
        Geen stappen in de goede volgorde van januari tot en met maart 2025; nodig: drie.
            No steps in the right order from January to March 2025; needed: three.
        Eén stap in de goede volgorde van januari tot en met maart 2025; nodig: drie.
            One step in the right order from January to March 2025; needed: three.
        Drie stappen in de goede volgorde van januari tot en met maart 2025; nodig: drie.
            Three steps in the right order from January to March 2025; needed: three.
        Het bedrag ging van € 200,00 naar € 250,00: € 50,00 hoger.
            The amount went from €200.00 to €250.00: €50.00 higher.
        Het bedrag ging van € 250,00 naar € 200,00: € 50,00 lager.
            The amount went from €250.00 to €200.00: €50.00 lower.
        Het bedrag ging van € 200,00 naar € 200,00: even hoog.
            The amount went from €200.00 to €200.00: the same.
        Bedrag € 200,00; er is geen eerder bedrag om mee te vergelijken.
            Amount €200.00; there is no earlier amount to compare it with.
        Wat moest volgen, kwam er: van januari tot en met maart 2025.
            What had to follow came: from January to March 2025.
        Wat moest volgen, kwam er niet: van januari tot en met maart 2025.
            What had to follow did not come: from January to March 2025.
        De termijn liep tot en met 31 maart 2025.
            The term ran until 31 March 2025.
        De termijn loopt nog, tot en met 31 maart 2025.
            The term still runs, until 31 March 2025.
        De partners hebben alles geleverd tot en met 31 maart 2025.
            The partners have delivered everything through 31 March 2025.
        Dit kan nog veranderen: de partners hebben geleverd tot en met 28 februari 2025, nodig is tot en met 31 maart 2025.
            This may still change: the partners have delivered through 28 February 2025, needed is through 31 March 2025.
        Dit kan nog veranderen: niet elke partner heeft gezegd dat alles geleverd is tot en met 31 maart 2025.
            This may still change: not every partner has said that everything is delivered through 31 March 2025.
    "#]].assert_eq(&text);
}
