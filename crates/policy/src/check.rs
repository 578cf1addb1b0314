//! Running every rule's own examples with the live code, for `voorveld check`.

use std::fmt;

use voorveld_domain::RuleId;

use crate::Policy;

/// What came of all examples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// Rule by rule, in order of file name.
    pub rules: Vec<RuleReport>,
}

/// What came of the examples of one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleReport {
    /// Which rule.
    pub rule: RuleId,
    /// In which version.
    pub version: u32,
    /// Its title.
    pub title: String,
    /// In which file.
    pub file: String,
    /// Example by example.
    pub examples: Vec<ExampleReport>,
}

/// What came of one example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExampleReport {
    /// What the example is called.
    pub name: String,
    /// On which line it stands.
    pub line: usize,
    /// What did not come out as it says; empty: all did.
    pub faults: Vec<String>,
}

impl CheckReport {
    /// Whether every example came out as it says.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures() == 0
    }

    /// How many examples there are.
    #[must_use]
    pub fn examples(&self) -> usize {
        self.rules.iter().map(|rule| rule.examples.len()).sum()
    }

    /// How many did not come out as they say.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.rules
            .iter()
            .flat_map(|rule| &rule.examples)
            .filter(|example| !example.faults.is_empty())
            .count()
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for rule in &self.rules {
            writeln!(f, "{} v{} – {}", rule.rule, rule.version, rule.title)?;
            for example in &rule.examples {
                let mark = if example.faults.is_empty() {
                    "ok  "
                } else {
                    "FAIL"
                };
                writeln!(f, "  {mark} {}", example.name)?;
                for fault in &example.faults {
                    writeln!(f, "       {}:{}: {fault}", rule.file, example.line)?;
                }
            }
        }
        write!(
            f,
            "{} rules, {} examples, {} failed",
            self.rules.len(),
            self.examples(),
            self.failures()
        )
    }
}

/// Runs every example of every rule, each with all rules in force.
#[must_use]
pub fn check(policy: &Policy) -> CheckReport {
    let rules = policy
        .examples
        .iter()
        .map(|of_rule| {
            let rule = policy
                .rules()
                .get(&of_rule.rule)
                .expect("examples are kept with their rule");
            RuleReport {
                rule: rule.id.clone(),
                version: rule.version,
                title: rule.title.clone(),
                file: of_rule.file.clone(),
                examples: of_rule
                    .examples
                    .iter()
                    .map(|(line, example)| ExampleReport {
                        name: example.name.clone(),
                        line: *line,
                        faults: example.run(&rule.id, policy),
                    })
                    .collect(),
            }
        })
        .collect();
    CheckReport { rules }
}
