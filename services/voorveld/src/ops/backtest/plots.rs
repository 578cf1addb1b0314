//! Pictures as SVG, drawn by hand: no script, no font and no file from elsewhere. Each has a title and a description, and a table beside it on the page.

use std::fmt::Write as _;

use jiff::civil::Date;

use super::report::TeamReport;

/// Width of a picture in its own units; the page scales it.
const WIDTH: u64 = 720;
const HEIGHT: u64 = 190;
/// Room for the numbers at the left and for the months below.
const LEFT: u64 = 40;
const BOTTOM: u64 = 26;
const TOP: u64 = 12;
const RIGHT: u64 = 8;

/// Text as HTML and SVG take it.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// A place between two points of the picture, in hundredths: SVG takes decimals, and we have no floats to round.
fn hundredths(raw: u64) -> String {
    format!("{}.{:02}", raw / 100, raw % 100)
}

/// A whole number above this that makes a good end of an axis of four parts.
fn round_up(most: u64) -> u64 {
    let mut step = 1;
    loop {
        for times in [4, 8, 12, 16, 20, 24, 32] {
            if most <= step * times {
                return step * times;
            }
        }
        step *= 10;
    }
}

/// A team's weeks: what the rules that are tried raise as columns, the others as a line of steps, what it can do as a dashed line.
pub(super) fn weeks(team: &TeamReport, index: usize, scale: u64, has_published: bool) -> String {
    let weeks = team.weeks.len().max(1) as u64;
    let most = round_up(scale.max(team.capacity_per_week.map_or(0, u64::from)));
    let (inner_width, inner_height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    let x = |week: u64| LEFT * 100 + week * inner_width * 100 / weeks;
    let y = |tasks: u64| (TOP + inner_height) * 100 - tasks.min(most) * inner_height * 100 / most;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"p{index}t p{index}d\"><title id=\"p{index}t\">Taken per week: {}</title>\
         <desc id=\"p{index}d\">{}</desc>",
        escaped(&team.name),
        escaped(&described(team, has_published))
    );
    for part in 0..=4 {
        let tasks = most * part / 4;
        let at = hundredths(y(tasks));
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at}\" y2=\"{at}\"/><text class=\"axis\" x=\"{}\" y=\"{at}\" dy=\"4\" text-anchor=\"end\">{tasks}</text>",
            WIDTH - RIGHT,
            LEFT - 6
        );
    }
    let width = inner_width * 100 / weeks;
    let gap = (width / 6).min(200);
    for (place, week) in team.weeks.iter().enumerate() {
        let place = place as u64;
        if 0 < week.draft {
            let top = y(week.draft);
            let _ = write!(
                svg,
                "<rect class=\"draft\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                hundredths(x(place) + gap),
                hundredths(top),
                hundredths(width.saturating_sub(2 * gap).max(50)),
                hundredths(y(0) - top)
            );
        }
    }
    if has_published {
        let mut path = String::new();
        for (place, week) in team.weeks.iter().enumerate() {
            let place = place as u64;
            let at = hundredths(y(week.published.unwrap_or(0)));
            let begin = if place == 0 { 'M' } else { 'L' };
            let _ = write!(
                path,
                "{begin}{} {at}H{}",
                hundredths(x(place)),
                hundredths(x(place + 1))
            );
        }
        let _ = write!(svg, "<path class=\"published\" d=\"{path}\"/>");
    }
    if let Some(capacity) = team.capacity_per_week {
        let at = hundredths(y(u64::from(capacity)));
        let _ = write!(
            svg,
            "<line class=\"capacity\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at}\" y2=\"{at}\"/>",
            WIDTH - RIGHT
        );
    }
    svg.push_str(&months(team, &x));
    svg.push_str("</svg>");
    svg
}

/// The names of months below the weeks in which they begin, as many as there is room for.
fn months(team: &TeamReport, x: &impl Fn(u64) -> u64) -> String {
    const NAMES: [&str; 12] = [
        "jan", "feb", "mrt", "apr", "mei", "jun", "jul", "aug", "sep", "okt", "nov", "dec",
    ];
    /// About as wide as a letter is, with some room.
    const LETTER: u64 = 7 * 100;
    let mut text = String::new();
    let mut before: Option<Date> = None;
    let mut free_from = 0;
    for (place, week) in team.weeks.iter().enumerate() {
        let sunday = voorveld_calendar::plus_days(week.monday, 6);
        let is_new = before.is_none_or(|before| before.month() != sunday.month());
        before = Some(sunday);
        let at = x(place as u64);
        if !is_new {
            continue;
        }
        let name = NAMES[usize::try_from(sunday.month() - 1).unwrap_or(0)];
        let name = if sunday.month() == 1 {
            format!("{name} {}", sunday.year())
        } else {
            name.to_owned()
        };
        let width = (name.len() as u64 + 1) * LETTER;
        if at < free_from || WIDTH * 100 < at + width {
            continue;
        }
        free_from = at + width;
        let _ = write!(
            text,
            "<text class=\"axis\" x=\"{}\" y=\"{}\">{name}</text>",
            hundredths(at),
            HEIGHT - 8
        );
    }
    text
}

fn described(team: &TeamReport, has_published: bool) -> String {
    let draft = team.work(false);
    let most = draft.iter().max().copied().unwrap_or(0);
    let mut text = format!(
        "Het concept geeft samen {} taken, op het drukst {most} in een week.",
        draft.iter().sum::<u64>()
    );
    if has_published {
        let published = team.work(true);
        let _ = write!(
            text,
            " De gepubliceerde regels geven er {}, op het drukst {}.",
            published.iter().sum::<u64>(),
            published.iter().max().copied().unwrap_or(0)
        );
    }
    if let Some(capacity) = team.capacity_per_week {
        let _ = write!(text, " Het team kan er {capacity} per week.");
    }
    text
}

/// Two bars below each other per line: how many of each hundred, in tenths.
pub(super) struct Pair {
    pub name: String,
    /// Tenths of a per cent.
    pub draft: u64,
    /// The same.
    pub published: Option<u64>,
}

/// A picture of shares.
pub(super) fn shares(pairs: &[Pair], id: &str, title: &str) -> String {
    const ROW: u64 = 44;
    const NAMES: u64 = 190;
    const NUMBERS: u64 = 64;
    let height = ROW * pairs.len() as u64 + 6;
    let most = pairs
        .iter()
        .flat_map(|pair| [Some(pair.draft), pair.published])
        .flatten()
        .max()
        .unwrap_or(0)
        .max(1);
    let room = WIDTH - NAMES - NUMBERS;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{id}t {id}d\"><title id=\"{id}t\">{}</title><desc id=\"{id}d\">{}</desc>",
        escaped(title),
        escaped(
            &pairs
                .iter()
                .map(|pair| format!("{}: {}.", pair.name, percent(pair.draft)))
                .collect::<Vec<_>>()
                .join(" ")
        )
    );
    for (index, pair) in pairs.iter().enumerate() {
        let top = index as u64 * ROW + 6;
        let _ = write!(
            svg,
            "<text class=\"name\" x=\"0\" y=\"{}\">{}</text>",
            top + 18,
            escaped(&pair.name)
        );
        let bars = [
            (Some(pair.draft), "draft", 0),
            (pair.published, "before", 16),
        ];
        for (share, class, down) in bars {
            let Some(share) = share else { continue };
            let width = share * room / most;
            let _ = write!(
                svg,
                "<rect class=\"{class}\" x=\"{NAMES}\" y=\"{}\" width=\"{}\" height=\"13\"/><text class=\"axis\" x=\"{}\" y=\"{}\">{}</text>",
                top + down,
                width.max(1),
                NAMES + width + 6,
                top + down + 11,
                percent(share)
            );
        }
    }
    svg.push_str("</svg>");
    svg
}

/// Tenths of a per cent as people write it.
pub(super) fn percent(tenths: u64) -> String {
    format!("{},{}%", tenths / 10, tenths % 10)
}

/// Tenths of a per cent, rounded; nothing of nothing is nothing.
pub(super) fn share(part: u64, whole: u64) -> u64 {
    (part * 1_000 + whole / 2).checked_div(whole).unwrap_or(0)
}
