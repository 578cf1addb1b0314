//! What a rule asks and what follows, in English.

use std::collections::BTreeSet;

use voorveld_domain::{KindId, SignalDomain};

use super::time::number;
use super::{amount, counted, deadline, ladder_step, outcome, partner_type, term, urgency};
use crate::condition::{
    After, Condition, Counting, FieldTest, Follows, Least, Predicate, Reach, Same, Test, Window,
    Within,
};
use crate::explain::{Asked, Words, capitalised, domain_name, enumerated};
use crate::rule::{CooldownFrom, Effect, Raises, Rule, RuleSettings, Sources};

const DOMAINS: &[(&str, &str)] = &[
    ("debt", "debts"),
    ("school", "school"),
    ("safety", "safety"),
    ("care", "care"),
    ("youth", "youth"),
    ("debt_help", "debt help"),
];

pub(crate) fn condition(condition: &Condition, words: &Words) -> Asked {
    match condition {
        Condition::EachSignal(Predicate::Any) => Asked::plain("Any signal.".into()),
        Condition::EachSignal(Predicate::AnyOf(parts)) => Asked {
            text: "One signal, with at least one of these:".into(),
            parts: parts
                .iter()
                .map(|part| Asked::plain(format!("{}.", capitalised(&phrase(part, true, words)))))
                .collect(),
        },
        Condition::EachSignal(predicate) => {
            Asked::plain(format!("One signal{}.", adjunct(predicate, words)))
        }
        Condition::SingleInMonth {
            partner_types,
            preceding_months,
        } => {
            let types = match partner_types {
                2 => "only one type of partner".to_owned(),
                more => format!("fewer than {} types of partner", number(u32::from(*more))),
            };
            Asked::plain(format!(
                "In a calendar month signals from {types}, and {} no signal at all.",
                before_that(*preceding_months)
            ))
        }
        Condition::ConcurrentInMonth { partner_types } => Asked::plain(format!(
            "In a calendar month signals from at least {} different types of partner.",
            number(u32::from(*partner_types))
        )),
        Condition::ConsecutiveMonths { preceding_months } => Asked::plain(format!(
            "In a calendar month a signal, and {} a signal, too.",
            before_that(*preceding_months)
        )),
        Condition::Within(within) => self::within(within, words),
        Condition::Risen { of, days, by } => {
            let only = match of {
                Predicate::Any => String::new(),
                some => format!(" Only signals{} count.", adjunct(some, words)),
            };
            Asked::plain(format!(
                "An amount at least {} above the one before it, {}: from the same partner, of the same kind and about the same \
                 resident.{only}",
                amount(*by),
                window(Window::Days(*days))
            ))
        }
        Condition::Absence {
            after,
            without,
            within,
        } => absence(after, without, &term(*within), words),
    }
}

pub(crate) fn sources(sources: &Sources, words: &Words) -> String {
    let domains = domain_names(&sources.domains);
    let kinds = kind_names(&sources.kinds, words);
    let kinds = enumerated(&kinds, "and");
    match (domains.is_empty(), sources.kinds.is_empty()) {
        (false, true) => format!("All signals about {}.", enumerated(&domains, "and")),
        (false, false) => format!(
            "All signals about {}, and signals of the kind {kinds}.",
            enumerated(&domains, "and")
        ),
        (true, _) => format!("Signals of the kind {kinds}."),
    }
}

pub(crate) fn follows(rule: &Rule, settings: &RuleSettings) -> Vec<String> {
    let mut told = match &rule.effect {
        Effect::Show => return vec!["This is only to be seen. It makes no task.".into()],
        Effect::Raise(raises) => vec![format!(
            "A task is made ({}). {}",
            urgency(raises.urgency),
            first_step(raises)
        )],
        Effect::Hold(raises) => vec![
            "There is then no contact with this household for now.".into(),
            format!("The safety desk gets a task. {}", deadline(raises.deadline)),
        ],
    };
    if rule.muted_by.threshold
        && let Some(threshold) = settings.threshold
    {
        told.push(format!(
            "No task when all amounts are below {}.",
            amount(threshold)
        ));
    }
    if rule.muted_by.repeat {
        told.push(format!(
            "No new task when it only repeats what was dealt with in the last {} days.",
            settings.repeat_window_days
        ));
    }
    if rule.muted_by.known_client {
        told.push("No task when a resident here gets help already.".into());
    }
    if rule.muted_by.unless_risen {
        told.push("No task when the amount is not higher than when it was last looked at.".into());
    }
    if let Some(days) = rule.not_older_than_days {
        told.push(format!(
            "No task when the newest signal is older than {}.",
            counted(u32::from(days), "day", "days")
        ));
    }
    if let Some(cooldown) = &rule.cooldown {
        let since = match cooldown.from {
            CooldownFrom::Raising => "making a task".to_owned(),
            CooldownFrom::Result if cooldown.outcomes.is_empty() => "a task is closed".to_owned(),
            CooldownFrom::Result => {
                let outcomes: Vec<String> =
                    cooldown.outcomes.iter().map(|one| outcome(*one)).collect();
                format!("a task with the result {}", enumerated(&outcomes, "or"))
            }
        };
        told.push(format!(
            "For {} after {since} this rule makes no new one.",
            counted(u32::from(cooldown.days), "day", "days")
        ));
    }
    told
}

fn first_step(raises: &Raises) -> String {
    let step = ladder_step(raises.ladder.starts_at);
    let up = if raises.ladder.step_up {
        " If there was a task before, go one step further than then."
    } else {
        ""
    };
    format!("{} Begin with: {step}.{up}", deadline(raises.deadline))
}

fn before_that(months: u8) -> String {
    match months {
        1 => "in the calendar month before".into(),
        more => format!("in the {} calendar months before", number(u32::from(more))),
    }
}

fn within(within: &Within, words: &Words) -> Asked {
    let mut asked = test(
        &within.test,
        &format!(" {}", window(within.window)),
        &apart(&within.per),
        words,
    );
    if within.counting == Counting::Anew {
        asked.text = if asked.parts.is_empty() {
            format!(
                "{} After that the count begins anew: each signal counts once.",
                asked.text
            )
        } else {
            format!("Each signal counts once. {}", asked.text)
        };
    }
    asked
}

/// `when` and `per` begin with a space, or are empty.
fn test(asked: &Test, when: &str, per: &str, words: &Words) -> Asked {
    let parts = |tests: &[Test]| {
        tests
            .iter()
            .map(|part| test(part, "", "", words))
            .collect::<Vec<_>>()
    };
    match asked {
        Test::Reaches { of, reach } => Asked::plain(format!(
            "{}{when}.",
            reaches(reach, &adjunct(of, words), per, words)
        )),
        Test::All(tests) => Asked {
            text: format!("All of this{per}{when}:"),
            parts: parts(tests),
        },
        Test::AnyOf(tests) => Asked {
            text: format!("At least one of these{per}{when}:"),
            parts: parts(tests),
        },
        Test::AtLeast { count, of } => Asked {
            text: format!(
                "At least {} of these{per}{when}:",
                number(u32::from(*count))
            ),
            parts: parts(of),
        },
        Test::Sequence(steps) => Asked {
            text: format!("These signals one after the other{per}{when}:"),
            parts: steps
                .iter()
                .enumerate()
                .map(|(index, step)| {
                    let order = if index == 0 { "First" } else { "Then" };
                    Asked::plain(format!("{order} a signal{}.", adjunct(step, words)))
                })
                .collect(),
        },
        Test::Somewhere {
            window: inner,
            test: part,
        } => test(part, &format!(" {}{when}", window(*inner)), per, words),
        Test::Before { months, test: part } => {
            test(part, &format!(" {}", before_that(*months)), per, words)
        }
    }
}

fn reaches(reach: &Reach, of: &str, per: &str, words: &Words) -> String {
    let comma = if of.is_empty() { "" } else { "," };
    let least = |count: &u16, one: &str, more: &str| {
        let different = if *count == 1 { "" } else { "different " };
        format!(
            "at least {} {different}{}",
            number(u32::from(*count)),
            if *count == 1 { one } else { more }
        )
    };
    match reach {
        Reach::Count(count) => format!(
            "At least {}{of}{per}",
            counted(u32::from(*count), "signal", "signals")
        ),
        Reach::Kinds(n) => format!("Signals{of}{per} of {}", least(n, "kind", "kinds")),
        Reach::Domains(n) => format!(
            "Signals{of}{per}{comma} about {}",
            least(n, "field of life", "fields of life")
        ),
        Reach::Partners(n) => format!("Signals{of}{per} from {}", least(n, "partner", "partners")),
        Reach::PartnerTypes(n) => format!(
            "Signals{of}{per} from {}",
            least(n, "type of partner", "types of partner")
        ),
        Reach::Debtors(n) => {
            format!(
                "Signals{of}{per}{comma} about {}",
                least(n, "resident", "residents")
            )
        }
        Reach::Sum(least) => sum("together", least, of, per, words),
        Reach::SumOfLatest(least) => {
            sum("the last of each partner, together", least, of, per, words)
        }
        Reach::Latest(least) => sum("the last", least, of, per, words),
        Reach::Maximum(least) => sum("the highest", least, of, per, words),
    }
}

fn sum(which: &str, least: &Least, of: &str, per: &str, words: &Words) -> String {
    let (what, least) = match least {
        Least::Amount(least) => ("Amounts".to_owned(), amount(*least)),
        Least::Field { name, least } => (format!("‘{}’", words.field(name)), least.to_string()),
    };
    let whose = if of.is_empty() && per.is_empty() {
        String::new()
    } else {
        format!(" of signals{of}{per}")
    };
    format!("{what}{whose} ({which}): at least {least}")
}

fn window(window: Window) -> String {
    match window {
        Window::Days(1) => "on one day".into(),
        Window::Days(days) => format!("within {} days", number(u32::from(days))),
        Window::WorkingDays(1) => "on one working day".into(),
        Window::WorkingDays(days) => format!("within {} working days", number(u32::from(days))),
        Window::SchoolWeeks(1) => "in one school week".into(),
        Window::SchoolWeeks(weeks) => format!("within {} school weeks", number(u32::from(weeks))),
        Window::CalendarMonths(1) => "in one calendar month".into(),
        Window::CalendarMonths(months) => {
            format!("in {} calendar months in a row", number(u32::from(months)))
        }
    }
}

fn apart(per: &BTreeSet<Same>) -> String {
    per.iter()
        .map(|same| match same {
            Same::Partner => " from the same partner",
            Same::Kind => " of the same kind",
            Same::Debtor => " about the same resident",
        })
        .collect()
}

fn absence(after: &After, without: &Follows, within: &str, words: &Words) -> Asked {
    let lower = if without.lower_amount {
        " with a lower amount"
    } else {
        ""
    };
    let not_followed = format!(
        "no signal{}{}{lower} came within {within}",
        adjunct(&without.of, words),
        apart(&without.same)
    );
    let certain =
        "This is certain only when the partners have delivered everything about those days.";
    match after {
        After::Signal(first) => Asked::plain(format!(
            "After a signal{} {not_followed}. {certain}",
            adjunct(first, words)
        )),
        After::Pattern(pattern) => Asked {
            text: "This, in this order:".into(),
            parts: vec![
                self::within(pattern, words),
                Asked::plain(format!("After that {not_followed}. {certain}")),
            ],
        },
    }
}

/// What stands behind *signal*, with a space before it; nothing for any signal.
fn adjunct(predicate: &Predicate, words: &Words) -> String {
    match predicate {
        Predicate::Any => String::new(),
        some => {
            let phrase = phrase(some, true, words);
            let comma = if phrase.starts_with("not ") { "," } else { "" };
            format!("{comma} {phrase}")
        }
    }
}

/// What must be true of a signal, or with `holds` false must not, so that it can stand behind *a signal* and *signals* alike.
fn phrase(predicate: &Predicate, holds: bool, words: &Words) -> String {
    let not = if holds { "" } else { "not " };
    let with = if holds { "with" } else { "without" };
    match (predicate, holds) {
        (Predicate::Any, true) => "of whatever kind".into(),
        (Predicate::Any, false) => "of no kind at all".into(),
        (Predicate::All(parts), true) | (Predicate::AnyOf(parts), false) => {
            joined(parts, holds, "and", words)
        }
        (Predicate::AnyOf(parts), true) | (Predicate::All(parts), false) => {
            joined(parts, holds, "or", words)
        }
        (Predicate::Not(part), _) => phrase(part, !holds, words),
        (Predicate::Kind(kinds), _) => format!(
            "{not}of the kind {}",
            enumerated(&kind_names(kinds, words), "or")
        ),
        (Predicate::Domain(domains), _) => {
            format!("{not}about {}", enumerated(&domain_names(domains), "or"))
        }
        (Predicate::PartnerType(types), _) => {
            let names: Vec<&str> = types.iter().map(|known| partner_type(*known)).collect();
            format!(
                "{not}from a partner of the type {}",
                enumerated(&names, "or")
            )
        }
        (Predicate::Crisis, true) => "about a threatening situation (crisis)".into(),
        (Predicate::Crisis, false) => "without a threatening situation (crisis)".into(),
        (Predicate::WarmHandover, _) => format!("{with} a handover in person"),
        (Predicate::SupplyEnd, _) => format!("{with} a date on which supply ends"),
        (Predicate::AmountAtLeast(least), _) => {
            format!("{with} an amount of {} or more", amount(*least))
        }
        (Predicate::AmountAtLeastTimes { times, field }, _) => format!(
            "{with} an amount of at least {} times ‘{}’",
            number(u32::from(*times)),
            words.field(field)
        ),
        (Predicate::Field { name, test }, _) => {
            let field = words.field(name);
            let answer = match test {
                FieldTest::Present => format!("was {not}told"),
                FieldTest::Is(true) => format!("is {not}‘yes’"),
                FieldTest::Is(false) => format!("is {not}‘no’"),
                FieldTest::AtLeast(least) => format!("is {not}{least} or more"),
                FieldTest::Below(limit) => format!("is {not}below {limit}"),
                FieldTest::CodeIn(codes) => {
                    let names: Vec<String> = codes
                        .iter()
                        .map(|code| format!("‘{}’", words.code(name, code)))
                        .collect();
                    format!("is {not}{}", enumerated(&names, "or"))
                }
            };
            format!("in which ‘{field}’ {answer}")
        }
    }
}

fn joined(parts: &[Predicate], holds: bool, and: &str, words: &Words) -> String {
    let phrases: Vec<String> = parts
        .iter()
        .map(|part| {
            let text = phrase(part, holds, words);
            if matches!(part, Predicate::All(_) | Predicate::AnyOf(_)) {
                format!("({text})")
            } else {
                text
            }
        })
        .collect();
    phrases.join(&format!(" {and} "))
}

fn kind_names(kinds: &BTreeSet<KindId>, words: &Words) -> Vec<String> {
    kinds
        .iter()
        .map(|kind| format!("‘{}’", words.kind(kind)))
        .collect()
}

fn domain_names(domains: &BTreeSet<SignalDomain>) -> Vec<String> {
    domains
        .iter()
        .map(|domain| domain_name(domain, DOMAINS))
        .collect()
}
