//! `voorveld rules diff`: what a draft says otherwise than what was published, in words and in values.

use std::fmt::Write as _;
use std::process::ExitCode;

use voorveld_detect::{Rule, explain};
use voorveld_policy::{Bundle, Change, Policy, PolicyDiff, RuleDiff, diff};
use voorveld_store::Store;

use super::published_files;

/// Prints the difference.
pub async fn run(store: &Store, draft: &Bundle, against: &str) -> anyhow::Result<ExitCode> {
    let before = published_files(store, against).await?;
    print!("{}", told(&before, draft));
    Ok(ExitCode::SUCCESS)
}

/// The difference as text.
pub(super) fn told(before: &Bundle, after: &Bundle) -> String {
    let difference = diff(before, after);
    if difference.is_empty() {
        return "Both say the same.\n".to_owned();
    }
    // A draft that does not load is shown in its values alone.
    let (old, new) = (
        Policy::of_bundle(before).ok(),
        Policy::of_bundle(after).ok(),
    );
    let mut text = String::new();
    let wrote = write_difference(&mut text, &difference, old.as_ref(), new.as_ref());
    wrote.expect("a text takes what is written to it");
    text
}

fn write_difference(
    text: &mut String,
    difference: &PolicyDiff,
    old: Option<&Policy>,
    new: Option<&Policy>,
) -> std::fmt::Result {
    for rule in &difference.rules {
        let rule_of = |policy: Option<&Policy>| -> Option<Rule> {
            let id = rule.rule.parse().ok()?;
            policy?.rules().get(&id).cloned()
        };
        write_rule(text, rule, rule_of(old).as_ref(), rule_of(new).as_ref())?;
    }
    for file in &difference.files {
        writeln!(text, "{}", file.file)?;
        for change in &file.changes {
            write_change(text, &change.path, change)?;
        }
    }
    Ok(())
}

fn write_rule(
    text: &mut String,
    rule: &RuleDiff,
    old: Option<&Rule>,
    new: Option<&Rule>,
) -> std::fmt::Result {
    let title = |rule: Option<&Rule>| rule.map_or("", |rule| &*rule.title).to_owned();
    let version = |version: Option<u64>| version.map_or_else(|| "?".to_owned(), |n| n.to_string());
    match (old, new) {
        (None, Some(added)) => {
            writeln!(
                text,
                "{} v{} is new: {}",
                rule.rule, added.version, added.title
            )?;
            return writeln!(text, "    {}", added.explanation.trim());
        }
        (Some(gone), None) if rule.after.is_none() => {
            return writeln!(
                text,
                "{} v{} is gone: {}",
                rule.rule, gone.version, gone.title
            );
        }
        _ if rule.before == rule.after => {
            writeln!(
                text,
                "{} v{} {}",
                rule.rule,
                version(rule.after),
                title(new)
            )?;
        }
        _ => writeln!(
            text,
            "{} v{} -> v{} {}",
            rule.rule,
            version(rule.before),
            version(rule.after),
            title(new)
        )?,
    }
    for change in &rule.changes {
        let place = match in_words(&change.path) {
            Some(words) if words == change.path => words.to_owned(),
            Some(words) => format!("{words} ({})", change.path),
            None => change.path.clone(),
        };
        write_change(text, &place, change)?;
    }
    if let (Some(old), Some(new)) = (old, new)
        && let (Some(before), Some(after)) = (old.raises(), new.raises())
        && before.deadline != after.deadline
    {
        let words = [before, after]
            .map(|raises| explain::deadline(&raises.deadline, &explain::Words::default()));
        writeln!(text, "    its term in words: {} -> {}", words[0], words[1])?;
    }
    if rule.examples_changed {
        writeln!(text, "    its examples are others")?;
    }
    Ok(())
}

fn write_change(text: &mut String, place: &str, change: &Change) -> std::fmt::Result {
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => writeln!(text, "    {place}: {before} -> {after}"),
        (Some(before), None) => writeln!(text, "    {place} is gone: {before}"),
        (None, Some(after)) => writeln!(text, "    {place} is new: {after}"),
        (None, None) => writeln!(text, "    {place}"),
    }
}

/// What the part of a rule is called in which a value stands.
fn in_words(path: &str) -> Option<&'static str> {
    let part = path.split(['.', '[']).next()?;
    Some(match part {
        "title" => "title",
        "explanation" => "explanation",
        "purpose" => "what it is for",
        "legal_basis" => "its legal ground",
        "looks_at" => "which signals it looks at",
        "when" => "when it is true",
        "raises" | "holds" => "what it raises",
        "muted_by" => "what mutes it",
        "cooldown" => "how long it keeps silent",
        "not_older_than_days" => "how old its newest signal may be, in days",
        "retention_days" => "how long its matches are kept, in days",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_in_words_and_in_values() {
        let mut files = Bundle::shipped().files().clone();
        let rule = files.get_mut("rules/debt.high_amount.yaml").unwrap();
        *rule = rule
            .replace("version: 1", "version: 2")
            .replace("amount_at_least: 500", "amount_at_least: 400")
            .replace(
                "deadline: { calendar_days: 7 }",
                "deadline: { calendar_days: 14 }",
            );
        let settings = files.get_mut("settings.yaml").unwrap();
        *settings = settings.replace("repeat_window_days: 90", "repeat_window_days: 60");
        let text = told(&Bundle::shipped(), &Bundle::of_files(files).unwrap());
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(lines[0], "debt.high_amount v1 -> v2 Hoge achterstand");
        for line in [
            "what it raises (raises.deadline.calendar_days): 7 -> 14",
            "when it is true (when.each_signal.any_of[1].amount_at_least): 500 -> 400",
            "repeat_window_days: 90 -> 60",
        ] {
            assert!(lines.contains(&line), "{text}");
        }
        assert!(text.contains("its term in words: "), "{text}");
        assert_eq!(
            told(&Bundle::shipped(), &Bundle::shipped()),
            "Both say the same.\n"
        );
    }

    #[test]
    fn a_rule_that_is_gone_or_new_is_told_by_its_title() {
        let rule = "debt.high_amount".parse().unwrap();
        let without = Bundle::shipped().without_rule(&rule).unwrap();
        let gone = told(&Bundle::shipped(), &without);
        assert_eq!(gone, "debt.high_amount v1 is gone: Hoge achterstand\n");
        let new = told(&without, &Bundle::shipped());
        assert!(
            new.starts_with("debt.high_amount v1 is new: Hoge achterstand\n"),
            "{new}"
        );
    }
}
