//! Days, numbers, amounts and lists of words in both languages, each of them looked at by eye.

use std::fmt::Write as _;

use expect_test::expect;
use jiff::civil::{Date, date};
use voorveld_calendar::{Calendar, Period, Term, plus_days};
use voorveld_domain::{PartnerType, Purpose, Urgency};

use crate::explain::{self, Language, Words};
use crate::*;

/// The same in Dutch and in English, a line each.
fn in_both<T>(all: impl IntoIterator<Item = T>, say: impl Fn(&T, Language) -> String) -> String {
    let mut text = String::new();
    for one in all {
        let [dutch, english] = Language::ALL.map(|language| say(&one, language));
        writeln!(text, "{dutch} | {english}").expect("strings take text");
    }
    text
}

fn words(language: Language) -> Words {
    Words::default().in_language(language)
}

#[test]
fn a_language_has_its_code() {
    for (language, code) in [(Language::Dutch, "nl"), (Language::English, "en")] {
        assert_eq!(language.code(), code);
        assert_eq!(Language::from_code(code), Some(language));
    }
    assert_eq!(Language::from_code("fy"), None);
}

#[test]
fn months_and_weekdays_have_their_names() {
    let months = (1..=12).map(|month| date(2025, month, 3));
    expect![[r#"
        3 januari 2025 | 3 January 2025
        3 februari 2025 | 3 February 2025
        3 maart 2025 | 3 March 2025
        3 april 2025 | 3 April 2025
        3 mei 2025 | 3 May 2025
        3 juni 2025 | 3 June 2025
        3 juli 2025 | 3 July 2025
        3 augustus 2025 | 3 August 2025
        3 september 2025 | 3 September 2025
        3 oktober 2025 | 3 October 2025
        3 november 2025 | 3 November 2025
        3 december 2025 | 3 December 2025
    "#]]
    .assert_eq(&in_both(months, |day, language| {
        explain::date_in_words(*day, language)
    }));
    let week = (0..7).map(|days| plus_days(date(2025, 3, 3), days));
    expect![[r#"
        vandaag, maandag 3 maart 2025 | today, Monday 3 March 2025
        vandaag, dinsdag 4 maart 2025 | today, Tuesday 4 March 2025
        vandaag, woensdag 5 maart 2025 | today, Wednesday 5 March 2025
        vandaag, donderdag 6 maart 2025 | today, Thursday 6 March 2025
        vandaag, vrijdag 7 maart 2025 | today, Friday 7 March 2025
        vandaag, zaterdag 8 maart 2025 | today, Saturday 8 March 2025
        vandaag, zondag 9 maart 2025 | today, Sunday 9 March 2025
    "#]]
    .assert_eq(&in_both(week, |day, language| {
        explain::time_left(*day, *day, &Calendar::national(), &words(language))
    }));
}

#[test]
fn numbers_are_words_as_far_as_those_go() {
    let terms = (0..=14).map(|days| Deadline::Term(Term::CalendarDays(days)));
    expect![[r#"
        Binnen nul dagen na ontvangst. | Within no days of receipt.
        Binnen één dag na ontvangst. | Within one day of receipt.
        Binnen twee dagen na ontvangst. | Within two days of receipt.
        Binnen drie dagen na ontvangst. | Within three days of receipt.
        Binnen vier dagen na ontvangst. | Within four days of receipt.
        Binnen vijf dagen na ontvangst. | Within five days of receipt.
        Binnen zes dagen na ontvangst. | Within six days of receipt.
        Binnen zeven dagen na ontvangst. | Within seven days of receipt.
        Binnen acht dagen na ontvangst. | Within eight days of receipt.
        Binnen negen dagen na ontvangst. | Within nine days of receipt.
        Binnen tien dagen na ontvangst. | Within ten days of receipt.
        Binnen elf dagen na ontvangst. | Within eleven days of receipt.
        Binnen twaalf dagen na ontvangst. | Within twelve days of receipt.
        Binnen 13 dagen na ontvangst. | Within 13 days of receipt.
        Binnen 14 dagen na ontvangst. | Within 14 days of receipt.
    "#]]
    .assert_eq(&in_both(terms, |term, language| {
        explain::deadline(term, &words(language))
    }));
}

#[test]
fn a_period_is_a_day_or_months_or_days_up_to_and_including() {
    let days = |from: Date, to: Date| Period::new(from, to);
    let (january, february) = (date(2025, 1, 1), date(2025, 2, 1));
    let periods = [
        days(january, january),
        days(january, date(2025, 1, 2)),
        days(january, date(2025, 1, 3)),
        days(january, february),
        days(date(2025, 1, 2), february),
        days(january, date(2025, 2, 2)),
        days(january, date(2025, 4, 1)),
        days(date(2024, 11, 1), february),
    ];
    expect![[r#"
        1 januari 2025 | 1 January 2025
        1 januari 2025 | 1 January 2025
        1 januari 2025 tot en met 2 januari 2025 | 1 January 2025 to 2 January 2025
        januari 2025 | January 2025
        2 januari 2025 tot en met 31 januari 2025 | 2 January 2025 to 31 January 2025
        1 januari 2025 tot en met 1 februari 2025 | 1 January 2025 to 1 February 2025
        januari tot en met maart 2025 | January to March 2025
        november 2024 tot en met januari 2025 | November 2024 to January 2025
    "#]]
    .assert_eq(&in_both(periods, |period, language| {
        explain::period_in_words(*period, language)
    }));
}

#[test]
fn amounts_are_grouped_by_thousands() {
    let amounts = [0, 5, 99, 100, 99_999, 100_000, 123_456_789, -1, -150_000];
    expect![[r#"
        € 0,00 | €0.00
        € 0,05 | €0.05
        € 0,99 | €0.99
        € 1,00 | €1.00
        € 999,99 | €999.99
        € 1.000,00 | €1,000.00
        € 1.234.567,89 | €1,234,567.89
        € -0,01 | €-0.01
        € -1.500,00 | €-1,500.00
    "#]]
    .assert_eq(&in_both(amounts, |cents, language| {
        explain::euros(*cents, language)
    }));
}

#[test]
fn lists_have_their_words() {
    expect![[r#"
        Energie | energy
        Huur | rent
        Hypotheek | mortgage
        CAK Zorgverzekeringen | CAK health insurance
        Zorg | health insurance
        Water | water
        DUO | student finance (DUO)
        Belastingdienst | tax administration
        CAK Eigen bijdrage | CAK contributions
        Overige | other
        Dienst Toeslagen | benefits office
        School | school
        Politie | police
        Huisarts | general practitioner
        Jeugdgezondheidszorg | youth health care
        Schuldhulpverlening | debt help
        Zorg en ondersteuning | care and support
    "#]]
    .assert_eq(&in_both(PartnerType::ALL, |one, language| {
        explain::partner_type(**one, language).into()
    }));
    expect![[r#"
        Vroegsignalering schulden | Early help with debts
        Leerplicht | Compulsory education
        Verwijsindex | Youth reference index
        Eén gezin, één plan | One family, one plan
        Veiligheid | Safety
    "#]]
    .assert_eq(&in_both(Purpose::ALL, |one, language| {
        explain::purpose(**one, language).into()
    }));
    expect![[r#"
        gewoon | routine
        verhoogd | raised
        spoed | urgent
        direct | immediate
    "#]]
    .assert_eq(&in_both(Urgency::ALL, |one, language| {
        explain::urgency(**one, language).into()
    }));
    expect![[r#"
        Ja | Yes
        Nee | No
    "#]]
    .assert_eq(&in_both([true, false], |yes, language| {
        explain::answer(*yes, language).into()
    }));
    expect![[r#"
        brief of bericht | a letter or message
        brief of bericht | a letter or message
        bellen | a call
        huisbezoek | a visit
        nog een huisbezoek, met een kaartje door de deur | another visit, with a card through the door
        nog een huisbezoek, met een kaartje door de deur | another visit, with a card through the door
    "#]].assert_eq(&in_both(0..=5, |step, language| {
        explain::ladder_step(*step, language).into()
    }));
}
