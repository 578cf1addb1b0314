//! One cell: what stands in it, in Dutch or international notation.

use jiff::civil::Date;
use voorveld_wire::intake_v1::{FlawCode, clean_text};

/// What a cell holds. Text files hold only text.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// Text as it was typed.
    Text(String),
    /// A spreadsheet's number.
    Number(f64),
    /// A spreadsheet's yes or no.
    Bool(bool),
    /// A spreadsheet's date.
    Date(Date),
    /// Something a spreadsheet would calculate, or an error it ended in.
    Formula,
}

/// Largest whole number that a spreadsheet's number holds exactly.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

impl Cell {
    /// A cell of a text file.
    #[must_use]
    pub fn of_text(raw: &str) -> Self {
        let text = raw.trim();
        if text.is_empty() {
            Self::Empty
        } else if is_formula(text) {
            Self::Formula
        } else {
            Self::Text(text.to_owned())
        }
    }

    /// Whether nothing stands in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// The cell as text: a whole number without decimals, so that a reference or house number survives a spreadsheet.
    pub fn text(&self, max: usize) -> Result<Option<String>, FlawCode> {
        match self {
            Self::Empty => Ok(None),
            Self::Text(text) => clean_text(text, max),
            Self::Number(number) => match whole(*number) {
                Some(number) => Ok(Some(number.to_string())),
                None => Ok(Some(number.to_string())),
            },
            Self::Bool(answer) => Ok(Some(if *answer { "ja" } else { "nee" }.to_owned())),
            Self::Date(date) => Ok(Some(date.to_string())),
            Self::Formula => Err(FlawCode::Formula),
        }
    }

    /// The cell as a date.
    pub fn date(&self) -> Result<Option<Date>, FlawCode> {
        match self {
            Self::Empty => Ok(None),
            Self::Date(date) => Ok(Some(*date)),
            Self::Text(text) => dutch_date(text).map(Some).ok_or(FlawCode::DateFormat),
            Self::Number(_) | Self::Bool(_) => Err(FlawCode::DateFormat),
            Self::Formula => Err(FlawCode::Formula),
        }
    }

    /// The cell as an amount in euros, in cents.
    pub fn euros(&self) -> Result<Option<i64>, FlawCode> {
        match self {
            Self::Empty => Ok(None),
            Self::Text(text) => dutch_euros(text).map(Some).ok_or(FlawCode::AmountFormat),
            Self::Number(number) => whole((number * 100.0).round())
                .map(Some)
                .ok_or(FlawCode::AmountRange),
            Self::Bool(_) | Self::Date(_) => Err(FlawCode::AmountFormat),
            Self::Formula => Err(FlawCode::Formula),
        }
    }

    /// The cell as a whole number.
    pub fn number(&self) -> Result<Option<i64>, FlawCode> {
        match self {
            Self::Empty => Ok(None),
            Self::Text(text) => text.parse().map(Some).map_err(|_| FlawCode::NumberFormat),
            Self::Number(number) => whole(*number).map(Some).ok_or(FlawCode::NumberFormat),
            Self::Bool(_) | Self::Date(_) => Err(FlawCode::NumberFormat),
            Self::Formula => Err(FlawCode::Formula),
        }
    }

    /// The cell as yes or no.
    pub fn boolean(&self) -> Result<Option<bool>, FlawCode> {
        match self {
            Self::Empty => Ok(None),
            Self::Bool(answer) => Ok(Some(*answer)),
            Self::Text(text) => match text.to_lowercase().as_str() {
                "ja" | "j" | "true" | "waar" | "yes" | "y" | "1" => Ok(Some(true)),
                "nee" | "n" | "false" | "onwaar" | "no" | "0" => Ok(Some(false)),
                _ => Err(FlawCode::BooleanFormat),
            },
            Self::Number(number) => match whole(*number) {
                Some(1) => Ok(Some(true)),
                Some(0) => Ok(Some(false)),
                _ => Err(FlawCode::BooleanFormat),
            },
            Self::Date(_) => Err(FlawCode::BooleanFormat),
            Self::Formula => Err(FlawCode::Formula),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "checked to be whole and exactly held"
)]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() <= EXACT_MAX).then_some(number as i64)
}

/// Whether a spreadsheet would run this text. A negative number is no formula; it is refused by its own name.
fn is_formula(text: &str) -> bool {
    match text.as_bytes() {
        [b'=' | b'@' | b'+', ..] => true,
        [b'-', rest @ ..] => {
            !rest
                .iter()
                .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',' | b' '))
                || !rest.iter().any(u8::is_ascii_digit)
        }
        _ => false,
    }
}

/// `31-12-2026`, `1-2-2026`, `31/12/2026`, `31.12.2026` and `2026-12-31`. A year has four digits: two would be guessing.
fn dutch_date(text: &str) -> Option<Date> {
    let parts: Vec<&str> = text.split(['-', '/', '.']).collect();
    let [first, second, third] = parts[..] else {
        return None;
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !parts.iter().all(|part| digits(part)) {
        return None;
    }
    let (year, month, day) = match (first.len(), third.len()) {
        (4, 1..=2) if text.contains('-') => (first, second, third),
        (1..=2, 4) => (third, second, first),
        _ => return None,
    };
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

/// A number as it is written in the Netherlands.
struct Written {
    is_negative: bool,
    whole: String,
    decimals: String,
}

/// `1.234,50`, `€ 450`, `450,-`, `450.00`, `1234`, in cents.
fn dutch_euros(text: &str) -> Option<i64> {
    let number = written(text, 2)?;
    let cents: i64 = format!("{}{:0<2}", number.whole, number.decimals)
        .parse()
        .ok()?;
    Some(if number.is_negative { -cents } else { cents })
}

/// The same, with up to three decimals, as a program writes it: `1234.5`.
pub fn dutch_number(text: &str) -> Option<String> {
    let number = written(text, 3)?;
    let sign = if number.is_negative { "-" } else { "" };
    let mark = if number.decimals.is_empty() { "" } else { "." };
    Some(format!("{sign}{}{mark}{}", number.whole, number.decimals))
}

/// A point with exactly three digits behind it parts thousands, as in Dutch, unless there is nothing before it to be thousands of.
fn written(text: &str, most_decimals: usize) -> Option<Written> {
    let bare = text
        .trim_start_matches("EUR")
        .trim_start_matches(['€', '\u{20ac}'])
        .trim();
    let bare = bare
        .strip_suffix(",-")
        .or_else(|| bare.strip_suffix(",--"))
        .or_else(|| bare.strip_suffix(",\u{2013}"))
        .unwrap_or(bare);
    let (is_negative, bare) = match bare.strip_prefix('-') {
        Some(rest) => (true, rest.trim()),
        None => (false, bare),
    };
    let (whole, decimals) = match (bare.rsplit_once(','), bare.rsplit_once('.')) {
        (Some((whole, decimals)), _) => (thousands(whole)?, decimals),
        (None, Some((whole, decimals))) if decimals.len() != 3 || whole == "0" => {
            (whole.to_owned(), decimals)
        }
        (None, _) => (thousands(bare)?, ""),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let fits = (1..=12).contains(&whole.len())
        && decimals.len() <= most_decimals
        && digits(&whole)
        && digits(decimals);
    fits.then(|| Written {
        is_negative,
        whole,
        decimals: decimals.to_owned(),
    })
}

/// Takes the points out of `1.234.567`, when they stand where thousands part.
fn thousands(text: &str) -> Option<String> {
    let mut groups = text.split(['.', '\u{a0}']);
    let first = groups.next()?;
    let mut whole = first.to_owned();
    for group in groups {
        if group.len() != 3 || first.len() > 3 {
            return None;
        }
        whole.push_str(group);
    }
    Some(whole)
}

/// A spreadsheet's number as text. It counts in halves and says 650.3000000000001 where somebody typed 650,3.
pub fn sheet_number(number: f64) -> String {
    let thousandths = (number * 1_000.0).round();
    if thousandths.abs() <= EXACT_MAX && (number * 1_000.0 - thousandths).abs() < 1e-6 {
        (thousandths / 1_000.0).to_string()
    } else {
        number.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn amounts_read_as_they_are_written_in_the_netherlands() {
        for (text, cents) in [
            ("450", Some(45_000)),
            ("450,5", Some(45_050)),
            ("1.234,50", Some(123_450)),
            ("1.234", Some(123_400)),
            ("1.234.567,00", Some(123_456_700)),
            ("450.00", Some(45_000)),
            ("450.5", Some(45_050)),
            ("€ 450", Some(45_000)),
            ("EUR 450,-", Some(45_000)),
            ("€450,–", Some(45_000)),
            ("-12,50", Some(-1_250)),
            ("0", Some(0)),
            ("", None),
            ("1,234,50", None),
            ("12.34,5", None),
            ("1.2345", None),
            ("450,123", None),
            ("0.125", None),
            ("veel", None),
            ("1e3", None),
            ("99999999999999", None),
        ] {
            assert_eq!(dutch_euros(text), cents, "{text}");
        }
        for (text, number) in [
            ("1.250", Some("1250")),
            ("1.250,5", Some("1250.5")),
            ("1.250.000", Some("1250000")),
            ("1,250", Some("1.250")),
            ("0.125", Some("0.125")),
            ("650.5", Some("650.5")),
            ("€ 650,-", Some("650")),
            ("-12,5", Some("-12.5")),
            ("1.2345", None),
            ("1,2345", None),
            ("1.25.000", None),
            ("veel", None),
        ] {
            assert_eq!(dutch_number(text).as_deref(), number, "{text}");
        }
        assert_eq!(sheet_number(650.1 + 0.2), "650.3");
        assert_eq!(sheet_number(1_250.0), "1250");
        assert_eq!(sheet_number(0.1234), "0.1234");
        assert_eq!(Cell::Number(450.5).euros(), Ok(Some(45_050)));
        assert_eq!(Cell::Number(19.99).euros(), Ok(Some(1_999)));
        assert_eq!(Cell::Number(1e300).euros(), Err(FlawCode::AmountRange));
    }

    #[test]
    fn dates_read_as_they_are_written_in_the_netherlands() {
        for text in ["31-12-2026", "31/12/2026", "31.12.2026", "2026-12-31"] {
            assert_eq!(dutch_date(text), Some(date(2026, 12, 31)), "{text}");
        }
        assert_eq!(dutch_date("1-2-2026"), Some(date(2026, 2, 1)));
        for text in [
            "31-12-26",
            "2026/12/31",
            "30-2-2026",
            "12-31-2026",
            "x",
            "1-2",
            "1-2-3-4",
            "+1-2-2026",
        ] {
            assert_eq!(dutch_date(text), None, "{text}");
        }
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_a_formula() {
        for text in ["=1+1", "@SUM(A1)", "+31", "-cmd|' /C calc'!A0", "-"] {
            assert_eq!(Cell::of_text(text), Cell::Formula, "{text}");
        }
        for text in ["-12,50", "a=b", "12-A"] {
            assert_eq!(Cell::of_text(text), Cell::Text(text.into()), "{text}");
        }
    }

    #[test]
    fn a_number_that_was_a_text_stays_whole() {
        assert_eq!(
            Cell::Number(123_456_782.0).text(20),
            Ok(Some("123456782".into()))
        );
        assert_eq!(Cell::Number(1.5).text(20), Ok(Some("1.5".into())));
        assert_eq!(
            Cell::Text("a\u{7}".into()).text(20),
            Err(FlawCode::TextNotAllowed)
        );
        assert_eq!(Cell::Text("abc".into()).text(2), Err(FlawCode::TooLong));
        assert_eq!(Cell::Number(2.0).boolean(), Err(FlawCode::BooleanFormat));
        assert_eq!(Cell::Text("Ja".into()).boolean(), Ok(Some(true)));
    }
}
