//! What differs between two bundles, rule by rule and file by file, in the values that stand in the files.
//!
//! Looks at the texts alone, so that a draft that does not load yet can be compared, too. Comments and layout are no difference.

use std::collections::{BTreeMap, BTreeSet};

use serde_norway::{Mapping, Value};

use crate::Bundle;

/// One value that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where: keys joined by points, a list's item by its name in brackets: `kinds[rent_arrears].intake_age.min_days`.
    pub path: String,
    /// What stood there, on one line; `None`: nothing.
    pub before: Option<String>,
    /// What stands there now.
    pub after: Option<String>,
}

/// What differs in a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleDiff {
    /// Its id, or its file where it has none.
    pub rule: String,
    /// The version before; `None`: the rule is new.
    pub before: Option<u64>,
    /// The version now; `None`: the rule is gone.
    pub after: Option<u64>,
    /// What it says otherwise, but for its version and examples. Empty when it is new or gone.
    pub changes: Vec<Change>,
    /// Its examples are others.
    pub examples_changed: bool,
}

/// What differs in a file outside `rules/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDiff {
    /// Which file.
    pub file: String,
    /// What it says otherwise.
    pub changes: Vec<Change>,
}

/// What differs between two bundles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyDiff {
    /// By rule.
    pub rules: Vec<RuleDiff>,
    /// By file.
    pub files: Vec<FileDiff>,
}

impl PolicyDiff {
    /// Whether both say the same.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.files.is_empty()
    }
}

/// What `after` says otherwise than `before`.
#[must_use]
pub fn diff(before: &Bundle, after: &Bundle) -> PolicyDiff {
    let (old, new) = (rules(before), rules(after));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let rules = names
        .into_iter()
        .filter_map(|name| rule_diff(name, old.get(name), new.get(name)))
        .collect();
    let files: BTreeSet<&str> = other_files(before).chain(other_files(after)).collect();
    let files = files
        .into_iter()
        .filter_map(|file| {
            let of = |bundle: &Bundle| bundle.files().get(file).map_or(Value::Null, |t| read(t));
            let mut changes = Vec::new();
            compare(&of(before), &of(after), "", &mut changes);
            (!changes.is_empty()).then(|| FileDiff {
                file: file.to_owned(),
                changes,
            })
        })
        .collect();
    PolicyDiff { rules, files }
}

fn other_files(bundle: &Bundle) -> impl Iterator<Item = &str> {
    let names = bundle.files().keys().map(String::as_str);
    names.filter(|name| !name.starts_with("rules/"))
}

/// A file as a value; what is no YAML is compared as text.
fn read(text: &str) -> Value {
    serde_norway::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

fn rules(bundle: &Bundle) -> BTreeMap<String, Value> {
    bundle
        .as_files()
        .rules()
        .map(|(file, text)| {
            let value = read(text);
            let id = value.get("id").and_then(Value::as_str).unwrap_or(file);
            (id.to_owned(), value)
        })
        .collect()
}

fn rule_diff(name: &str, before: Option<&Value>, after: Option<&Value>) -> Option<RuleDiff> {
    let version = |rule: Option<&Value>| rule?.get("version")?.as_u64();
    let mut diff = RuleDiff {
        rule: name.to_owned(),
        before: version(before),
        after: version(after),
        changes: Vec::new(),
        examples_changed: false,
    };
    if let (Some(before), Some(after)) = (before, after) {
        diff.examples_changed = before.get("examples") != after.get("examples");
        compare(&bare(before), &bare(after), "", &mut diff.changes);
        let is_same = diff.changes.is_empty() && diff.before == diff.after;
        if is_same && !diff.examples_changed {
            return None;
        }
    }
    Some(diff)
}

/// A rule without its version and examples, which are told apart.
fn bare(rule: &Value) -> Value {
    let mut rule = rule.clone();
    if let Value::Mapping(mapping) = &mut rule {
        mapping.remove("version");
        mapping.remove("examples");
    }
    rule
}

fn compare(before: &Value, after: &Value, path: &str, changes: &mut Vec<Change>) {
    match (before, after) {
        (Value::Mapping(old), Value::Mapping(new)) => {
            let key = |key: &Value| one_line(key);
            let dotted = |name: &str| match path {
                "" => name.to_owned(),
                _ => format!("{path}.{name}"),
            };
            compare_named(
                &old.iter().map(|(name, value)| (key(name), value)).collect(),
                &new.iter().map(|(name, value)| (key(name), value)).collect(),
                dotted,
                changes,
            );
        }
        (Value::Sequence(old), Value::Sequence(new)) => {
            let in_brackets = |name: &str| format!("{path}[{name}]");
            if let (Some(old), Some(new)) = (by_name(old), by_name(new)) {
                compare_named(&old, &new, in_brackets, changes);
            } else if old.len() == new.len() {
                for (place, (old, new)) in old.iter().zip(new).enumerate() {
                    compare(old, new, &in_brackets(&(place + 1).to_string()), changes);
                }
            } else {
                changes.push(change(path, Some(before), Some(after)));
            }
        }
        _ if same(before, after) => {}
        _ => changes.push(change(path, Some(before), Some(after))),
    }
}

fn compare_named(
    old: &BTreeMap<String, &Value>,
    new: &BTreeMap<String, &Value>,
    place: impl Fn(&str) -> String,
    changes: &mut Vec<Change>,
) {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        match (old.get(name), new.get(name)) {
            (Some(old), Some(new)) => compare(old, new, &place(name), changes),
            (old, new) => changes.push(change(&place(name), old.copied(), new.copied())),
        }
    }
}

fn change(path: &str, before: Option<&Value>, after: Option<&Value>) -> Change {
    let text = |value: Option<&Value>| value.filter(|value| **value != Value::Null).map(one_line);
    Change {
        path: path.to_owned(),
        before: text(before),
        after: text(after),
    }
}

/// The keys by which an item of a list is known, the first that it has.
const NAMES: [&str; 5] = ["id", "name", "code", "kind", "on"];

/// The items of a list by what names them; none when one has no name or shares it.
fn by_name(items: &[Value]) -> Option<BTreeMap<String, &Value>> {
    let mut named = BTreeMap::new();
    for item in items {
        let name = NAMES.iter().find_map(|key| item.get(*key))?;
        if named.insert(one_line(name), item).is_some() {
            return None;
        }
    }
    Some(named)
}

fn same(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::String(before), Value::String(after)) => before.trim() == after.trim(),
        _ => before == after,
    }
}

fn one_line(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(yes) => yes.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        Value::Sequence(items) => {
            let items: Vec<String> = items.iter().map(one_line).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Mapping(mapping) => {
            let entries: Vec<String> = entries(mapping).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Tagged(tagged) => format!("{} {}", tagged.tag, one_line(&tagged.value)),
    }
}

fn entries(mapping: &Mapping) -> impl Iterator<Item = String> {
    mapping
        .iter()
        .map(|(key, value)| format!("{}: {}", one_line(key), one_line(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, change: impl Fn(&str) -> String) -> Bundle {
        let mut files = Bundle::shipped().files().clone();
        let text = change(&files[name]);
        files.insert(name.to_owned(), text);
        Bundle::of_files(files).unwrap()
    }

    #[test]
    fn a_bundle_does_not_differ_from_itself_nor_by_a_comment() {
        let shipped = Bundle::shipped();
        assert!(diff(&shipped, &shipped).is_empty());
        let comment = with("settings.yaml", |text| format!("# nog eens\n{text}"));
        assert!(diff(&shipped, &comment).is_empty());
    }

    #[test]
    fn a_rule_tells_its_versions_and_the_values_that_changed() {
        let changed = with("rules/debt.high_amount.yaml", |text| {
            text.replace("version: 1", "version: 2")
                .replace("amount_at_least: 500", "amount_at_least: 400")
        });
        let told = diff(&Bundle::shipped(), &changed);
        let [rule] = told.rules.as_slice() else {
            panic!("one rule changed: {told:?}");
        };
        assert_eq!((rule.before, rule.after), (Some(1), Some(2)));
        let at = "when.each_signal.any_of[1].amount_at_least";
        let expected = Change {
            path: at.to_owned(),
            before: Some("500".to_owned()),
            after: Some("400".to_owned()),
        };
        assert_eq!(rule.changes, [expected]);
        assert!(!rule.examples_changed && told.files.is_empty());
    }

    #[test]
    fn new_and_gone_rules_and_other_files_are_told() {
        let rule = "debt.high_amount".parse().unwrap();
        let without = Bundle::shipped().without_rule(&rule).unwrap();
        let gone = diff(&Bundle::shipped(), &without);
        assert_eq!((gone.rules[0].before, gone.rules[0].after), (Some(1), None));
        let new = diff(&without, &Bundle::shipped());
        assert_eq!((new.rules[0].before, new.rules[0].after), (None, Some(1)));

        let other = with("settings.yaml", |text| {
            text.replace("threshold_euros: 75", "threshold_euros: 50")
        });
        let told = diff(&Bundle::shipped(), &other);
        assert_eq!(told.files[0].file, "settings.yaml");
        assert_eq!(told.files[0].changes[0].path, "threshold_euros");
    }

    #[test]
    fn an_item_of_a_list_is_known_by_its_name() {
        let other = with("calendar.yaml", |_| {
            "local_days_off: [{ on: 2026-10-03, why: Leidens ontzet }]".to_owned()
        });
        let told = diff(&Bundle::shipped(), &other);
        let change = &told.files[0].changes[0];
        assert_eq!(change.path, "local_days_off[2026-10-03]");
        assert_eq!(change.before, None);
        assert!(change.after.as_deref().unwrap().contains("Leidens ontzet"));
    }
}
