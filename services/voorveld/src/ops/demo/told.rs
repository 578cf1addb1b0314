//! What became of everything, for people and for scripts.

use std::fmt::Write as _;

use serde_json::{Value, json};
use voorveld_store::summary::{Count, OnTheWay, Summary};

/// Everything there is to tell.
#[derive(Debug, Clone)]
pub struct Told {
    /// What the database counts.
    pub summary: Summary,
    /// What is still on its way.
    pub on_the_way: OnTheWay,
    /// Rows that became something else at the door than they should.
    pub surprises: Vec<String>,
}

fn sum(counts: &[Count]) -> u64 {
    counts.iter().map(|count| count.count).sum()
}

fn of(counts: &[Count], name: &str) -> u64 {
    counts
        .iter()
        .filter(|count| count.name == name)
        .map(|count| count.count)
        .sum()
}

impl Told {
    /// Signals that wait for a person or are still on their way.
    fn waiting(&self) -> u64 {
        sum(&self.summary.unplaced)
            + sum(&self.summary.dead_letters)
            + self.on_the_way.pending_receipts
            + self.on_the_way.unproduced_filings
    }

    /// For scripts.
    #[must_use]
    pub fn json(&self) -> Value {
        let pairs = |counts: &[Count]| -> Value {
            counts
                .iter()
                .map(|count| (count.name.clone(), json!(count.count)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let lists = |counts: &[Count]| -> Value {
            counts
                .iter()
                .map(|count| json!({ "name": count.name, "detail": count.detail, "count": count.count }))
                .collect()
        };
        let refused: serde_json::Map<_, _> = self
            .summary
            .intake
            .iter()
            .filter(|count| count.name == "refused")
            .map(|count| (count.detail.clone(), json!(count.count)))
            .collect();
        json!({
            "delivered": sum(&self.summary.intake),
            "accepted": of(&self.summary.intake, "accepted"),
            "corrected": of(&self.summary.intake, "corrected"),
            "unchanged": of(&self.summary.intake, "unchanged"),
            "withdrawn": of(&self.summary.intake, "withdrawn"),
            "refused": refused,
            "waiting": self.waiting(),
            "unplaced": pairs(&self.summary.unplaced),
            "deadLetters": lists(&self.summary.dead_letters),
            "onTimelines": pairs(&self.summary.on_timelines),
            "households": self.summary.households,
            "matches": pairs(&self.summary.matches),
            "suppressed": lists(&self.summary.suppressed),
            "answered": pairs(&self.summary.answered),
            "matchesNowhere": self.summary.matches_nowhere,
            "tasksByRule": pairs(&self.summary.tasks_by_rule),
            "tasksByState": pairs(&self.summary.tasks_by_state),
            "holds": self.summary.holds,
            "surprises": self.surprises,
        })
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |depth: usize, what: &str, count: u64| {
            let _ = writeln!(
                text,
                "{:indent$}{what:<width$}{count:>8}",
                "",
                indent = depth * 2,
                width = 44 - depth * 2
            );
        };
        line(0, "delivered", sum(&self.summary.intake));
        for outcome in ["accepted", "corrected", "unchanged", "withdrawn", "refused"] {
            line(1, outcome, of(&self.summary.intake, outcome));
            for count in self
                .summary
                .intake
                .iter()
                .filter(|count| count.name == outcome && !count.detail.is_empty())
            {
                line(2, &count.detail, count.count);
            }
        }
        line(0, "waiting for a person or on their way", self.waiting());
        for count in &self.summary.unplaced {
            line(1, &count.name, count.count);
        }
        for count in &self.summary.dead_letters {
            line(1, &format!("{}: {}", count.name, count.detail), count.count);
        }
        line(0, "households with a signal", self.summary.households);
        line(0, "matches", sum(&self.summary.matches));
        for count in &self.summary.matches {
            line(1, &count.name, count.count);
            for muted in self
                .summary
                .suppressed
                .iter()
                .filter(|muted| muted.name == count.name)
            {
                line(
                    2,
                    &format!("raising nothing: {}", muted.detail),
                    muted.count,
                );
            }
            let answered = of(&self.summary.answered, &count.name);
            if answered > 0 {
                line(2, "answered by a task that is closed", answered);
            }
        }
        line(0, "tasks", sum(&self.summary.tasks_by_state));
        for count in &self.summary.tasks_by_state {
            line(1, &count.name, count.count);
        }
        line(
            0,
            "tasks by rule (a task may have several)",
            sum(&self.summary.tasks_by_rule),
        );
        for count in &self.summary.tasks_by_rule {
            line(1, &count.name, count.count);
        }
        line(0, "households to be left alone now", self.summary.holds);
        if self.summary.matches_nowhere > 0 {
            line(
                0,
                "MATCHES WITHOUT TASK OR REASON",
                self.summary.matches_nowhere,
            );
        }
        if !self.surprises.is_empty() {
            line(
                0,
                "ROWS THAT BECAME SOMETHING ELSE",
                self.surprises.len() as u64,
            );
            for surprise in self.surprises.iter().take(10) {
                let _ = writeln!(text, "  {surprise}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_by_reason() {
        let count = |name: &str, detail: &str, count| Count {
            name: name.to_owned(),
            detail: detail.to_owned(),
            count,
        };
        let told = Told {
            summary: Summary {
                intake: vec![
                    count("accepted", "", 5),
                    count("refused", "intake_age", 2),
                    count("refused", "too_old", 1),
                ],
                unplaced: vec![count("no_address", "", 1)],
                ..Summary::default()
            },
            on_the_way: OnTheWay::default(),
            surprises: Vec::new(),
        };
        let json = told.json();
        assert_eq!(json["delivered"], 8);
        assert_eq!(json["refused"]["intake_age"], 2);
        assert_eq!(json["waiting"], 1);
        let text = told.text();
        assert!(
            text.contains("intake_age") && text.contains("no_address"),
            "{text}"
        );
    }
}
