//! What a rule asks and what follows, in Dutch.

use std::collections::BTreeSet;

use voorveld_domain::{KindId, SignalDomain};

use super::evidence::decimal;
use super::time::number;
use super::{counted, deadline, euros, ladder_step, term};
use crate::condition::{
    After, Condition, Counting, FieldTest, Follows, Least, Predicate, Reach, Same, Test, Window,
    Within,
};
use crate::explain::{Asked, Words, capitalised, domain_name, enumerated};
use crate::rule::{CooldownFrom, Effect, Raises, Rule, RuleSettings, Sources};

const DOMAINS: &[(&str, &str)] = &[
    ("debt", "schulden"),
    ("school", "school"),
    ("safety", "veiligheid"),
    ("care", "zorg"),
    ("youth", "jeugd"),
    ("debt_help", "schuldhulp"),
];

pub(crate) fn condition(condition: &Condition, words: &Words) -> Asked {
    match condition {
        Condition::EachSignal(Predicate::Any) => Asked::plain("Elk signaal.".into()),
        Condition::EachSignal(Predicate::AnyOf(parts)) => Asked {
            text: "Eén signaal, met minstens één van deze dingen:".into(),
            parts: parts
                .iter()
                .map(|part| Asked::plain(format!("{}.", capitalised(&phrase(part, true, words)))))
                .collect(),
        },
        Condition::EachSignal(predicate) => {
            Asked::plain(format!("Eén signaal{}.", adjunct(predicate, words)))
        }
        Condition::SingleInMonth {
            partner_types,
            preceding_months,
        } => {
            let types = match partner_types {
                2 => "maar één soort partner".to_owned(),
                more => format!("minder dan {} soorten partners", number(u32::from(*more))),
            };
            Asked::plain(format!(
                "In een kalendermaand signalen van {types}, en {} geen enkel signaal.",
                before_that(*preceding_months)
            ))
        }
        Condition::ConcurrentInMonth { partner_types } => Asked::plain(format!(
            "In een kalendermaand signalen van minstens {} verschillende soorten partners.",
            number(u32::from(*partner_types))
        )),
        Condition::ConsecutiveMonths { preceding_months } => Asked::plain(format!(
            "In een kalendermaand een signaal, en {} ook al een signaal.",
            before_that(*preceding_months)
        )),
        Condition::Within(within) => self::within(within, words),
        Condition::Risen { of, days, by } => {
            let only = match of {
                Predicate::Any => String::new(),
                some => format!(" Alleen signalen{} tellen mee.", adjunct(some, words)),
            };
            Asked::plain(format!(
                "Een bedrag dat minstens {by} hoger is dan het vorige, {}: van dezelfde partner, van dezelfde soort en over dezelfde \
                 inwoner.{only}",
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
    let kinds = enumerated(&kinds, "en");
    match (domains.is_empty(), sources.kinds.is_empty()) {
        (false, true) => format!("Alle signalen over {}.", enumerated(&domains, "en")),
        (false, false) => format!(
            "Alle signalen over {}, en signalen van de soort {kinds}.",
            enumerated(&domains, "en")
        ),
        (true, _) => format!("Signalen van de soort {kinds}."),
    }
}

pub(crate) fn follows(rule: &Rule, settings: &RuleSettings) -> Vec<String> {
    let mut told = match &rule.effect {
        Effect::Show => return vec!["Dit is alleen om te zien. Er komt geen taak van.".into()],
        Effect::Raise(raises) => vec![format!(
            "Er komt een taak ({}). {}",
            raises.urgency.label(),
            first_step(raises)
        )],
        Effect::Hold(raises) => vec![
            "Er is dan nu geen contact met dit huishouden.".into(),
            format!(
                "De veiligheidsdesk krijgt een taak. {}",
                deadline(raises.deadline)
            ),
        ],
    };
    if rule.muted_by.threshold
        && let Some(threshold) = settings.threshold
    {
        told.push(format!(
            "Geen taak als alle bedragen lager zijn dan {threshold}."
        ));
    }
    if rule.muted_by.repeat {
        told.push(format!(
            "Geen nieuwe taak als het alleen herhaalt wat in de laatste {} dagen is opgepakt.",
            settings.repeat_window_days
        ));
    }
    if rule.muted_by.known_client {
        told.push("Geen taak als een inwoner hier al hulp krijgt.".into());
    }
    if rule.muted_by.unless_risen {
        told.push(
            "Geen taak als het bedrag niet hoger is dan toen er het laatst naar gekeken werd."
                .into(),
        );
    }
    if let Some(days) = rule.not_older_than_days {
        told.push(format!(
            "Geen taak als het nieuwste signaal ouder is dan {}.",
            counted(u32::from(days), "dag", "dagen")
        ));
    }
    if let Some(cooldown) = &rule.cooldown {
        let since = match cooldown.from {
            CooldownFrom::Raising => "Na het maken van een taak".to_owned(),
            CooldownFrom::Result if cooldown.outcomes.is_empty() => {
                "Na het afronden van een taak".to_owned()
            }
            CooldownFrom::Result => {
                let outcomes: Vec<String> = cooldown
                    .outcomes
                    .iter()
                    .map(|outcome| format!("‘{}’", outcome.label()))
                    .collect();
                format!("Na een taak met resultaat {}", enumerated(&outcomes, "of"))
            }
        };
        told.push(format!(
            "{since} maakt deze regel {} lang geen nieuwe.",
            counted(u32::from(cooldown.days), "dag", "dagen")
        ));
    }
    told
}

fn first_step(raises: &Raises) -> String {
    let step = ladder_step(raises.ladder.starts_at);
    let up = if raises.ladder.step_up {
        " Was er al een taak, dan een stap verder dan toen."
    } else {
        ""
    };
    format!("{} Begin met: {step}.{up}", deadline(raises.deadline))
}

fn before_that(months: u8) -> String {
    match months {
        1 => "in de kalendermaand daarvoor".into(),
        more => format!("in de {} kalendermaanden daarvoor", number(u32::from(more))),
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
                "{} Daarna begint het tellen opnieuw: elk signaal telt één keer mee.",
                asked.text
            )
        } else {
            format!("Elk signaal telt één keer mee. {}", asked.text)
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
            text: format!("Dit alles{per}{when}:"),
            parts: parts(tests),
        },
        Test::AnyOf(tests) => Asked {
            text: format!("Minstens één hiervan{per}{when}:"),
            parts: parts(tests),
        },
        Test::AtLeast { count, of } => Asked {
            text: format!("Minstens {} hiervan{per}{when}:", number(u32::from(*count))),
            parts: parts(of),
        },
        Test::Sequence(steps) => Asked {
            text: format!("Deze signalen na elkaar{per}{when}:"),
            parts: steps
                .iter()
                .enumerate()
                .map(|(index, step)| {
                    let order = if index == 0 { "Eerst" } else { "Daarna" };
                    Asked::plain(format!("{order} een signaal{}.", adjunct(step, words)))
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
        let different = if *count == 1 { "" } else { "verschillende " };
        format!(
            "minstens {} {different}{}",
            number(u32::from(*count)),
            if *count == 1 { one } else { more }
        )
    };
    match reach {
        Reach::Count(count) => format!(
            "Minstens {}{of}{per}",
            counted(u32::from(*count), "signaal", "signalen")
        ),
        Reach::Kinds(n) => format!("Signalen{of}{per} van {}", least(n, "soort", "soorten")),
        Reach::Domains(n) => format!(
            "Signalen{of}{per}{comma} over {}",
            least(n, "leefgebied", "leefgebieden")
        ),
        Reach::Partners(n) => format!("Signalen{of}{per} van {}", least(n, "partner", "partners")),
        Reach::PartnerTypes(n) => format!(
            "Signalen{of}{per} van {}",
            least(n, "soort partner", "soorten partners")
        ),
        Reach::Debtors(n) => format!(
            "Signalen{of}{per}{comma} over {}",
            least(n, "inwoner", "inwoners")
        ),
        Reach::Sum(least) => sum("samen", least, of, per, words),
        Reach::SumOfLatest(least) => {
            sum("van elke partner het laatste, samen", least, of, per, words)
        }
        Reach::Latest(least) => sum("het laatste", least, of, per, words),
        Reach::Maximum(least) => sum("het hoogste", least, of, per, words),
    }
}

fn sum(which: &str, least: &Least, of: &str, per: &str, words: &Words) -> String {
    let (what, least) = match least {
        Least::Amount(least) => ("Bedragen".to_owned(), euros(i64::from(least.get()))),
        Least::Field { name, least } => (format!("‘{}’", words.field(name)), decimal(*least)),
    };
    let whose = if of.is_empty() && per.is_empty() {
        String::new()
    } else {
        format!(" van signalen{of}{per}")
    };
    format!("{what}{whose} ({which}): minstens {least}")
}

fn window(window: Window) -> String {
    match window {
        Window::Days(1) => "op één dag".into(),
        Window::Days(days) => format!("binnen {} dagen", number(u32::from(days))),
        Window::WorkingDays(1) => "op één werkdag".into(),
        Window::WorkingDays(days) => format!("binnen {} werkdagen", number(u32::from(days))),
        Window::SchoolWeeks(1) => "in één schoolweek".into(),
        Window::SchoolWeeks(weeks) => format!("binnen {} schoolweken", number(u32::from(weeks))),
        Window::CalendarMonths(1) => "in één kalendermaand".into(),
        Window::CalendarMonths(months) => {
            format!(
                "in {} kalendermaanden achter elkaar",
                number(u32::from(months))
            )
        }
    }
}

fn apart(per: &BTreeSet<Same>) -> String {
    per.iter()
        .map(|same| match same {
            Same::Partner => " van dezelfde partner",
            Same::Kind => " van dezelfde soort",
            Same::Debtor => " over dezelfde inwoner",
        })
        .collect()
}

fn absence(after: &After, without: &Follows, within: &str, words: &Words) -> Asked {
    let lower = if without.lower_amount {
        " met een lager bedrag"
    } else {
        ""
    };
    let not_followed = format!(
        "binnen {within} geen signaal{}{}{lower}",
        adjunct(&without.of, words),
        apart(&without.same)
    );
    let certain = "Dit staat pas vast als de partners alles over die dagen hebben geleverd.";
    match after {
        After::Signal(first) => Asked::plain(format!(
            "Na een signaal{} kwam er {not_followed}. {certain}",
            adjunct(first, words)
        )),
        After::Pattern(pattern) => Asked {
            text: "Dit, in deze volgorde:".into(),
            parts: vec![
                self::within(pattern, words),
                Asked::plain(format!("Daarna kwam er {not_followed}. {certain}")),
            ],
        },
    }
}

/// What stands behind *signaal*, with a space before it; nothing for any signal.
fn adjunct(predicate: &Predicate, words: &Words) -> String {
    match predicate {
        Predicate::Any => String::new(),
        some => {
            let phrase = phrase(some, true, words);
            let comma = if phrase.starts_with("niet ") { "," } else { "" };
            format!("{comma} {phrase}")
        }
    }
}

/// What must be true of a signal, or with `holds` false must not, so that it can stand behind *een signaal* and *signalen* alike.
fn phrase(predicate: &Predicate, holds: bool, words: &Words) -> String {
    let not = if holds { "" } else { "niet " };
    match (predicate, holds) {
        (Predicate::Any, true) => "van welke soort dan ook".into(),
        (Predicate::Any, false) => "van geen enkele soort".into(),
        (Predicate::All(parts), true) | (Predicate::AnyOf(parts), false) => {
            joined(parts, holds, "en", words)
        }
        (Predicate::AnyOf(parts), true) | (Predicate::All(parts), false) => {
            joined(parts, holds, "of", words)
        }
        (Predicate::Not(part), _) => phrase(part, !holds, words),
        (Predicate::Kind(kinds), _) => format!(
            "{not}van de soort {}",
            enumerated(&kind_names(kinds, words), "of")
        ),
        (Predicate::Domain(domains), _) => {
            format!("{not}over {}", enumerated(&domain_names(domains), "of"))
        }
        (Predicate::PartnerType(types), _) => {
            let names: Vec<&str> = types.iter().map(|known| known.label()).collect();
            format!(
                "{not}van een partner van de soort {}",
                enumerated(&names, "of")
            )
        }
        (Predicate::Crisis, true) => "over een bedreigende situatie (crisis)".into(),
        (Predicate::Crisis, false) => "zonder bedreigende situatie (crisis)".into(),
        (Predicate::WarmHandover, true) => "met een warme overdracht".into(),
        (Predicate::WarmHandover, false) => "zonder warme overdracht".into(),
        (Predicate::SupplyEnd, true) => "met een datum waarop de levering stopt".into(),
        (Predicate::SupplyEnd, false) => "zonder datum waarop de levering stopt".into(),
        (Predicate::AmountAtLeast(least), true) => format!("met een bedrag van {least} of meer"),
        (Predicate::AmountAtLeast(least), false) => {
            format!("zonder bedrag van {least} of meer")
        }
        (Predicate::AmountAtLeastTimes { times, field }, _) => format!(
            "{} bedrag van minstens {} keer ‘{}’",
            if holds { "met een" } else { "zonder" },
            number(u32::from(*times)),
            words.field(field)
        ),
        (Predicate::Field { name, test }, _) => {
            let field = words.field(name);
            let answer = match test {
                FieldTest::Present => format!("{not}is gemeld"),
                FieldTest::Is(true) => format!("{not}‘ja’ is"),
                FieldTest::Is(false) => format!("{not}‘nee’ is"),
                FieldTest::AtLeast(least) => format!("{not}{} of meer is", decimal(*least)),
                FieldTest::Below(limit) => format!("{not}lager is dan {}", decimal(*limit)),
                FieldTest::CodeIn(codes) => {
                    let names: Vec<String> = codes
                        .iter()
                        .map(|code| format!("‘{}’", words.code(name, code)))
                        .collect();
                    format!("{not}{} is", enumerated(&names, "of"))
                }
            };
            format!("waarbij ‘{field}’ {answer}")
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
