//! The language of rules: what is said of mistakes in it, its schema, and the page that explains it.

use std::collections::BTreeSet;

use expect_test::expect;
use serde_norway::Value as Yaml;

use super::*;
use crate::rules::RuleFile;
use crate::schema::{Format, rule_schema_value};
use crate::yaml::{Formed, read_formed};

const RULES_PAGE: &str = include_str!("../../../../docs/rules.md");
const SCHEMA: &str = include_str!("../../../../config/rules.schema.json");

/// The shipped files with this rule and no other. One of a profile that is off is run as if that one were on.
fn with_rule(text: &str) -> Files {
    Files::shipped()
        .without_rules(|_| true)
        .with("rules/x.yaml", text)
}

fn said_of_rule(text: &str) -> String {
    match Policy::of_files(&with_rule(text), PolicyErrors::default()) {
        Ok(policy) => check(&policy).to_string(),
        Err(errors) => errors.to_string(),
    }
}

/// The rules on the page: each fenced block of YAML that has an id, with the line it begins on.
fn rules_of_page() -> Vec<(usize, String)> {
    let mut rules = Vec::new();
    let mut block: Option<(usize, String)> = None;
    for (index, line) in RULES_PAGE.lines().enumerate() {
        match (&mut block, line) {
            (None, "```yaml") => block = Some((index + 2, String::new())),
            (Some(_), "```") => rules.extend(block.take()),
            (Some((_, text)), line) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, _) => {}
        }
    }
    assert!(block.is_none(), "a block of docs/rules.md does not end");
    rules.retain(|(_, text)| text.lines().any(|line| line.starts_with("id:")));
    rules
}

fn all_rules() -> Vec<(String, String)> {
    let shipped = Files::shipped();
    let shipped = shipped
        .rules()
        .map(|(name, text)| (name.to_owned(), text.to_owned()));
    let of_page = rules_of_page().into_iter();
    let of_page = of_page.map(|(line, text)| (format!("docs/rules.md:{line}"), text));
    shipped.chain(of_page).collect()
}

fn read(text: &str) -> (Option<Formed<RuleFile>>, PolicyErrors) {
    let mut errors = PolicyErrors::default();
    let read = read_formed("x.yaml", text, rule_schema_value(), &mut errors);
    (read, errors)
}

#[test]
fn ten_mistakes_in_one_file_are_told_at_once_each_on_its_own_line() {
    let text = "\
id: Debt Twice
version: one
title: Twee keer
explaination: Er kwamen twee signalen binnen dertig dagen.
purpose: debt
legal_basis: wgs-early-signal
looks_at: { domains: [debt], kinds: [rent_arears] }
when:
  within:
    window: { days: 0 }
    test:
      all:
        - count: { at_least: 2, off: { kind: [rent_arrears] } }
        - sum_of_latest: { amount: 12.5 }
        - any_of:
            - latest: { amount: 100, field: monthly_rent }
            - count: { at_least: 300000 }
            - { count: { at_least: 2 }, kinds: { at_least: 2 } }
raises:
  urgency: high
  deadline: 3
  ladder: { starts_at: 2, stepup: true }
muted_by: [repeat, treshold, repeat]
cooldown:
  days: 30
  from: raising
  after_outcomes: [no_contact]
retention_days:
examples:
  - name: Twee keer huur
    signals:
      - { kind: rent_arrears, on: 2025-02-30, amount: 450 }
      - { kind: rent, on: 2025-01-20, amount: 450, fields: { monthly_wage: 900 } }
    expect: { match: yes, suppresed_by: repeat, witnesses: [0] }
";
    expect![[r#"
        rules/x.yaml:1: id: expected lower case letters, digits, dots and underscores, at most 64, found `Debt Twice`
        rules/x.yaml:2: version: expected a whole number from 1, found `one`
        rules/x.yaml:4: unknown key `explaination`, expected `id`, `version`, `title`, `explanation`, `purpose`, `legal_basis`, `looks_at`, `when`, `retention_days`, `examples`, `cooldown`, `holds`, `muted_by`, `not_older_than_days`, `profile` or `raises`; did you mean `explanation`?
        rules/x.yaml:5: purpose: unknown word `debt`, expected `debt_help`, `school_attendance`, `youth_index`, `joint_help` or `safety`; did you mean `debt_help`?
        rules/x.yaml:6: `wgs-early-signal` is not a ground of legal.yaml; did you mean `wgs-early-signals`?
        rules/x.yaml:7: `rent_arears` is not a kind of signals.yaml; did you mean `rent_arrears`?
        rules/x.yaml:10: when.within.window.days: expected a whole number from 1 to 65535, found `0`
        rules/x.yaml:13: when.within.test.all.count: unknown key `off`, expected `at_least` or `of`; did you mean `of`?
        rules/x.yaml:14: when.within.test.all.sum_of_latest.amount: expected an amount above zero in whole euros, or with cents between quotes, such as 75 or "75.50", found `12.5`
        rules/x.yaml:16: expected either `amount`, or `field` and `at_least`
        rules/x.yaml:17: when.within.test.all.any_of.count.at_least: expected a whole number from 1 to 65535, found `300000`
        rules/x.yaml:18: when.within.test.all.any_of: expected one of `count`, `kinds`, `domains`, `partners`, `partner_types`, `debtors`, `sum`, `sum_of_latest`, `latest`, `maximum`, `all`, `any_of`, `at_least`, `sequence`, `somewhere` or `before`, found `count` and `kinds`
        rules/x.yaml:20: raises.urgency: unknown word `high`, expected `routine`, `raised`, `crisis` or `escalated`
        rules/x.yaml:21: raises.deadline: unknown word `3`, expected `working_days`, `calendar_days` or `supply_end`
        rules/x.yaml:22: raises.ladder: unknown key `stepup`, expected `starts_at` or `step_up`; did you mean `step_up`?
        rules/x.yaml:23: muted_by: `repeat` stands there twice
        rules/x.yaml:23: muted_by: unknown word `treshold`, expected `threshold`, `repeat`, `known_client` or `unless_risen`; did you mean `threshold`?
        rules/x.yaml:27: a cooldown from the raising knows no result yet: expected no `after_outcomes`, or `from: result`
        rules/x.yaml:28: retention_days: expected a whole number from 1 to 65535, found nothing
        rules/x.yaml:32: examples.signals.on: expected a date that exists, such as 2025-01-31, found `2025-02-30`
        rules/x.yaml:33: example `Twee keer huur`: `rent` is not a kind of signals.yaml; did you mean `rent_arrears`?
        rules/x.yaml:34: examples.expect.match: expected `true` or `false`, found `yes`
        rules/x.yaml:34: examples.expect.witnesses: expected a whole number from 1 to 1000, found `0`
        rules/x.yaml:34: examples.expect: unknown key `suppresed_by`, expected `count`, `due`, `held`, `match`, `step`, `suppressed_by`, `task`, `urgency` or `witnesses`; did you mean `suppressed_by`?"#]].assert_eq(&said_of_rule(text));
}

#[test]
fn a_file_that_is_no_rule_at_all_is_told_so() {
    for (text, said) in [
        ("", "expected something in this file"),
        ("- a\n", "found a list"),
        ("a\n", "found `a`"),
        ("{}\n", "`id` is missing"),
        ("id: x\n  version: 1\n", "this is not YAML"),
        ("id: x\n---\nid: y\n", "expected one document"),
        ("<<: { id: x }\n", "unknown key `<<`"),
        ("id: x\nid: x\n", "`id` stands there twice"),
    ] {
        let errors = said_of_rule(text);
        assert!(errors.contains(said), "{text}\n{errors}");
        assert!(
            errors.lines().all(|line| line.starts_with("rules/x.yaml:")),
            "{text}\n{errors}"
        );
    }
}

#[test]
fn what_the_engine_refuses_is_told_at_its_place() {
    let rule = |when: &str, more: &str| {
        format!(
            "id: x\nversion: 1\ntitle: X\nexplanation: X.\npurpose: debt_help\nlegal_basis: wgs-early-signals\nlooks_at: {{ domains: [debt] }}\n\
            when: {when}\nretention_days: 30\n{more}examples:\n  - name: ja\n    signals: [{{ kind: rent_arrears, on: 2025-01-06 }}]\n    expect: {{ match: true }}\n  - name: nee\n    signals: [{{ kind: rent_arrears, on: 2025-01-06 }}]\n    expect: {{ match: false }}\n"
        )
    };
    let within =
        |window: &str, test: &str| format!("{{ within: {{ window: {window}, test: {test} }} }}");
    let (days, months, two) = (
        "{ days: 30 }",
        "{ calendar_months: 1 }",
        "{ count: { at_least: 2 } }",
    );
    let conditions = [
        "{ single_in_month: { partner_types: 1, preceding_months: 6 } }".to_owned(),
        "{ single_in_month: { partner_types: 2, preceding_months: 0 } }".to_owned(),
        "{ concurrent_in_month: { partner_types: 1 } }".to_owned(),
        "{ consecutive_months: { preceding_months: 0 } }".to_owned(),
        "{ risen: { days: 1 } }".to_owned(),
        "{ absence: { after: any, without: {}, within: { working_days: 0 } } }".to_owned(),
        "{ within: { window: { calendar_months: 1 }, test: { count: { at_least: 2 } }, counting: anew } }".to_owned(),
        within("{ working_days: 0 }", two),
        within(days, "{ kinds: { at_least: 0 } }"),
        within(days, &format!("{{ all: [{two}] }}")),
        within(days, &format!("{{ at_least: {{ count: 3, of: [{two}, {two}] }} }}")),
        within(days, "{ sequence: [any] }"),
        within(days, &format!("{{ somewhere: {{ window: {{ days: 0 }}, test: {two} }} }}")),
        within(days, &format!("{{ all: [{two}, {{ before: {{ months: 1, test: {two} }} }}] }}")),
        within(months, &format!("{{ all: [{two}, {{ before: {{ months: 0, test: {two} }} }}] }}")),
        within(months, &format!("{{ before: {{ months: 1, test: {two} }} }}")),
        format!("{{ within: {{ window: {months}, test: {two}, per: [debtor] }} }}"),
        format!("{{ absence: {{ after_within: {{ window: {months}, test: {two} }}, without: {{}}, within: {{ working_days: 2 }} }} }}"),
        "{ absence: { without: {}, within: { working_days: 2 } } }".to_owned(),
        within(
            months,
            &format!("{{ all: [{two}, {{ somewhere: {{ window: {days}, test: {{ before: {{ months: 1, test: {two} }} }} }} }}] }}"),
        ),
    ];
    for condition in conditions {
        let said = said_of_rule(&rule(&condition, ""));
        assert!(said.starts_with("rules/x.yaml:8: "), "{condition}\n{said}");
        assert_eq!(said.lines().count(), 1, "{condition}\n{said}");
    }
    for (more, line) in [
        (
            "raises: { urgency: routine, deadline: { working_days: 1 }, ladder: { starts_at: 5 } }\n",
            10,
        ),
        ("muted_by:\n  - repeat\n  - threshold\n", 12),
        (
            "cooldown:\n  days: 3\n  from: raising\n  after_outcomes: [no_contact]\n",
            13,
        ),
        (
            "holds: { urgency: crisis, deadline: { working_days: 1 }, ladder: { starts_at: 1 } }\n",
            10,
        ),
    ] {
        let said = said_of_rule(&rule("{ each_signal: any }", more));
        assert!(
            said.starts_with(&format!("rules/x.yaml:{line}: ")),
            "{more}\n{said}"
        );
        assert_eq!(said.lines().count(), 1, "{more}\n{said}");
    }
}

#[test]
fn the_schema_in_the_house_is_the_one_the_program_prints() {
    assert!(
        SCHEMA == rule_schema(),
        "run: cargo run -- schema rules > config/rules.schema.json"
    );
}

#[test]
fn every_rule_fits_the_schema_and_names_it_for_the_editor() {
    let schema = serde_json::from_str(SCHEMA).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    for (name, text) in all_rules() {
        let value: Yaml = serde_norway::from_str(&text).unwrap();
        let value = serde_json::to_value(value).unwrap();
        let faults: Vec<String> = validator
            .iter_errors(&value)
            .map(|fault| fault.to_string())
            .collect();
        assert!(faults.is_empty(), "{name}: {faults:#?}");
    }
    for (name, text) in Files::shipped().rules() {
        assert_eq!(
            text.lines().next(),
            Some("# yaml-language-server: $schema=../rules.schema.json"),
            "{name}"
        );
    }
}

/// Every schema within the schema.
fn parts(schema: &serde_json::Value) -> Vec<&serde_json::Map<String, serde_json::Value>> {
    let mut found = Vec::new();
    let mut next = vec![schema];
    while let Some(part) = next.pop() {
        match part {
            serde_json::Value::Object(keys) => {
                found.push(keys);
                for (key, value) in keys {
                    match (key.as_str(), value) {
                        ("properties" | "$defs", serde_json::Value::Object(named)) => {
                            next.extend(named.values());
                        }
                        _ => next.push(value),
                    }
                }
            }
            serde_json::Value::Array(items) => next.extend(items),
            _ => {}
        }
    }
    found
}

#[test]
fn the_schema_says_nothing_that_the_walk_over_a_file_does_not_know() {
    let known = [
        "$defs",
        "$ref",
        "$schema",
        "additionalProperties",
        "const",
        "default",
        "description",
        "enum",
        "format",
        "items",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "oneOf",
        "pattern",
        "properties",
        "propertyNames",
        "required",
        "title",
        "type",
        "uniqueItems",
    ];
    let schema = rule_schema_value();
    for part in parts(schema) {
        for key in part.keys() {
            assert!(known.contains(&key.as_str()), "{key} in {part:?}");
        }
        if let Some(format) = part.get("format") {
            assert!(
                Format::named(format.as_str().unwrap()).is_some(),
                "{format}"
            );
        }
        // A pattern is for editors; the walk goes by the format beside it.
        assert!(
            !part.contains_key("pattern") || part.contains_key("format"),
            "{part:?}"
        );
        if part.contains_key("properties") {
            let closed = part["additionalProperties"] == serde_json::Value::Bool(false);
            assert!(closed, "open: {part:?}");
        }
        for property in part
            .get("properties")
            .and_then(serde_json::Value::as_object)
            .into_iter()
            .flatten()
        {
            let is_told = property.1.get("description").is_some()
                || part.get("description").is_some()
                || part["properties"].as_object().unwrap().len() > 1;
            assert!(is_told, "an editor has nothing to show for {}", property.0);
        }
    }
}

/// Every value in a document with the way to it.
fn places(value: &Yaml, path: &[Yaml], into: &mut Vec<Vec<Yaml>>) {
    let mut below = |step: Yaml, value: &Yaml| {
        let mut path = path.to_vec();
        path.push(step);
        into.push(path.clone());
        places(value, &path, into);
    };
    match value {
        Yaml::Mapping(entries) => entries
            .iter()
            .for_each(|(key, value)| below(key.clone(), value)),
        Yaml::Sequence(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, value)| below(Yaml::from(index), value)),
        _ => {}
    }
}

fn place<'a>(value: &'a mut Yaml, path: &[Yaml]) -> &'a mut Yaml {
    path.iter().fold(value, |at, step| match at {
        Yaml::Sequence(items) => &mut items[usize::try_from(step.as_u64().unwrap()).unwrap()],
        other => other.get_mut(step).unwrap(),
    })
}

/// What the walk lets through the reader reads, and what the schema refuses the walk refuses: an adviser never meets a message of the
/// reader's, and an editor never knows better than `voorveld check`. Every mistake has a line of the file.
#[test]
fn whatever_is_put_anywhere_the_walk_the_reader_and_the_schema_agree() {
    let validator = jsonschema::draft202012::new(rule_schema_value()).unwrap();
    let junk: Vec<Yaml> = [
        "null",
        "true",
        "-1",
        "0",
        "3",
        "70000",
        "1.5",
        "zzz zzz",
        "any",
        "2025-01-01",
        "\"\"",
        "\"12\"",
        "[]",
        "[zzz]",
        "[1, 1]",
        "{}",
        "{ zzz: 1 }",
        "{ any: 1 }",
        "{ days: 3 }",
        "{ count: { at_least: 2 } }",
    ]
    .map(|text| serde_norway::from_str(text).unwrap())
    .into();
    let (mut clean, mut broken) = (0, 0);
    let mut turn = 0;
    for (name, text) in all_rules() {
        let whole: Yaml = serde_norway::from_str(&text).unwrap();
        let mut ways = Vec::new();
        places(&whole, &[], &mut ways);
        for way in ways {
            // In turn: over all files each sort of place meets each of them.
            turn += 7;
            let mut changed = whole.clone();
            *place(&mut changed, &way) = junk[turn % junk.len()].clone();
            let text = serde_norway::to_string(&changed).unwrap();
            let (read, errors) = read(&text);
            let lines = text.lines().count();
            for error in errors.iter() {
                let line = error.line.expect("a mistake has its line");
                assert!((1..=lines).contains(&line), "{name}: {error}\n{text}");
                for word in [
                    "invalid type",
                    "invalid value",
                    "variant",
                    "missing field",
                    "u16",
                    "u8",
                    "at line",
                ] {
                    assert!(!error.message.contains(word), "{name}: {error}\n{text}");
                }
            }
            assert!(
                read.is_some(),
                "{name}: what is broken is read too\n{errors}\n{text}"
            );
            let is_sound = read.is_some_and(|read| read.is_sound());
            assert_eq!(is_sound, errors.is_empty(), "{name}: {errors}\n{text}");
            let fits = validator.is_valid(&serde_json::to_value(&changed).unwrap());
            assert!(fits || !is_sound, "{name}: only the schema refuses\n{text}");
            if is_sound {
                clean += 1;
            } else {
                broken += 1;
            }
        }
    }
    assert!(clean > 100 && broken > 1000, "{clean} {broken}");
}

#[test]
fn what_is_judged_is_what_stands_there_whichever_way_it_is_read() {
    for (name, text) in all_rules() {
        let (whole, errors) = read(&text);
        assert!(errors.is_empty(), "{name}: {errors}");
        // An unknown key makes the same file be read from the tree in place of the text.
        let (repaired, errors) = read(&format!("{text}\nzzz: 1\n"));
        assert_eq!(errors.iter().count(), 1, "{name}: {errors}");
        let (whole, repaired) = (whole.unwrap().value, repaired.unwrap().value);
        assert_eq!(format!("{whole:?}"), format!("{repaired:?}"), "{name}");
    }
}

#[test]
fn every_rule_on_the_page_is_read_and_every_example_comes_out() {
    let rules = rules_of_page();
    assert!(rules.len() > 10, "{}", rules.len());
    let mut wrong = Vec::new();
    for (line, text) in rules {
        let policy = match Policy::of_files(&with_rule(&text), PolicyErrors::default()) {
            Ok(policy) => policy,
            Err(errors) => {
                let said: Vec<String> = errors
                    .iter()
                    .map(|error| {
                        format!(
                            "docs/rules.md:{}: {}",
                            error.line.map_or(line, |at| line + at - 1),
                            error.message
                        )
                    })
                    .collect();
                wrong.extend(said);
                continue;
            }
        };
        let report = check(&policy);
        for rule in report.rules {
            for example in rule.examples {
                for fault in example.faults {
                    wrong.push(format!(
                        "docs/rules.md:{}: {}: {fault}",
                        line + example.line - 1,
                        example.name
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_page_names_every_word_of_the_language_and_uses_every_construct() {
    let mut words: BTreeSet<&str> = BTreeSet::new();
    for part in parts(rule_schema_value()) {
        let keys = part
            .get("properties")
            .and_then(serde_json::Value::as_object);
        words.extend(
            keys.into_iter()
                .flat_map(|keys| keys.keys().map(String::as_str)),
        );
        let listed = part.get("enum").and_then(serde_json::Value::as_array);
        let listed = listed.into_iter().flatten().chain(part.get("const"));
        words.extend(listed.filter_map(serde_json::Value::as_str));
    }
    assert!(words.len() > 100, "{}", words.len());
    let on_page: BTreeSet<&str> = RULES_PAGE
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .collect();
    let missing: Vec<&&str> = words.difference(&on_page).collect();
    assert!(
        missing.is_empty(),
        "docs/rules.md does not name {missing:?}"
    );

    // Codes need only be named; a construct stands in a rule that is run.
    let in_rules: String = rules_of_page().into_iter().map(|(_, text)| text).collect();
    let in_rules: BTreeSet<&str> = in_rules
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .collect();
    let unused: Vec<&str> = parts(rule_schema_value())
        .iter()
        .flat_map(|part| {
            let keys = part
                .get("properties")
                .and_then(serde_json::Value::as_object);
            let keys = keys
                .into_iter()
                .flat_map(|keys| keys.keys().map(String::as_str));
            keys.chain(part.get("const").and_then(serde_json::Value::as_str))
        })
        .filter(|word| !in_rules.contains(word))
        .collect();
    assert!(
        unused.is_empty(),
        "no rule of docs/rules.md uses {unused:?}"
    );
}
