//! The year as a folder: a folder per month with the partners' files, and beside them who the partners are, what they take back,
//! and what must become of every row.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde_json::json;
use voorveld_synthetic::{BULK_PARTNER, PARTNERS, Partner, Plan, Step};

/// Who sends, and how.
pub const PARTNERS_FILE: &str = "partners.json";
/// What must become of each row.
pub const LEDGER_FILE: &str = "expected.csv";
/// What is taken back, by whom and when.
pub const WITHDRAWALS_FILE: &str = "withdrawals.csv";

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Made {
    /// Partners' files.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
    /// Signals taken back.
    pub withdrawals: u64,
}

/// Writes the whole plan into a new folder.
pub fn write(plan: &Plan, folder: &Path) -> anyhow::Result<Made> {
    fs::create_dir_all(folder).with_context(|| format!("making {} failed", folder.display()))?;
    if folder.join(LEDGER_FILE).exists() {
        anyhow::bail!(
            "{} holds a simulated year already: choose another folder",
            folder.display()
        );
    }
    write_partners(folder, plan, PARTNERS)?;
    let mut ledger = csv::Writer::from_path(folder.join(LEDGER_FILE))?;
    ledger.write_record([
        "file",
        "row",
        "partner",
        "reference",
        "kind",
        "outcome",
        "code",
        "household",
    ])?;
    let mut withdrawals = csv::Writer::from_path(folder.join(WITHDRAWALS_FILE))?;
    withdrawals.write_record(["on", "partner", "reference", "reason"])?;
    let mut made = Made::default();
    for step in plan.steps() {
        match step {
            Step::Deliver(delivery) => {
                let month = delivery.day.strftime("%Y-%m").to_string();
                fs::create_dir_all(folder.join(&month))?;
                let file = format!("{month}/{}", delivery.name);
                fs::write(folder.join(&file), &delivery.bytes)?;
                made.files += 1;
                for row in &delivery.ledger {
                    made.rows += 1;
                    ledger.write_record([
                        file.as_str(),
                        &row.row.to_string(),
                        delivery.partner.id,
                        &row.reference,
                        row.kind,
                        row.fate.at_the_door(),
                        row.fate.code(),
                        &row.household.to_string(),
                    ])?;
                }
            }
            Step::Withdraw(withdrawal) => {
                made.withdrawals += 1;
                withdrawals.write_record([
                    withdrawal.on.to_string().as_str(),
                    withdrawal.partner.id,
                    &withdrawal.reference,
                    withdrawal.reason.code(),
                ])?;
            }
        }
    }
    ledger.flush()?;
    withdrawals.flush()?;
    Ok(made)
}

/// Writes who sends what, in the words of `voorveld partner add`.
pub fn write_partners(folder: &Path, plan: &Plan, partners: &[Partner]) -> anyhow::Result<()> {
    let list: Vec<_> = partners
        .iter()
        .map(|partner| {
            // Who collects for others acts as the usual type of each kind, which `partner add` knows.
            let types: Vec<&str> = (partner.id != BULK_PARTNER.id)
                .then_some(partner.partner_type.code())
                .into_iter()
                .collect();
            json!({
                "id": partner.id,
                "name": partner.name,
                "municipalities": [plan.municipality.as_str()],
                "kinds": partner.kinds,
                "partnerTypes": types,
                "contentType": partner.format.content_type(),
            })
        })
        .collect();
    let mut text = serde_json::to_string_pretty(&list)?;
    text.push('\n');
    fs::write(folder.join(PARTNERS_FILE), text)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;

    fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let bytes = fs::read(&path).unwrap();
                    found.insert(path.strip_prefix(folder).unwrap().to_owned(), bytes);
                }
            }
        }
        found
    }

    #[test]
    fn two_folders_of_one_seed_are_equal_to_the_byte() {
        let plan = Plan {
            seed: 5,
            municipality: "0518".parse().unwrap(),
            inhabitants: 4_000,
            months: 3,
            until: jiff::civil::date(2026, 3, 31),
        };
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let made = write(&plan, one.path()).unwrap();
        assert_eq!(made, write(&plan, two.path()).unwrap());
        assert_eq!(content(one.path()), content(two.path()));
        assert!(
            write(&plan, one.path()).is_err(),
            "a year is never overwritten"
        );
    }
}
