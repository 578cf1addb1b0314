//! What a demo remembers between two starts: its plan, how far it is, and the account to sign in with.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use voorveld_domain::MunicipalityCode;
use voorveld_synthetic::Plan;

use crate::ops::simulate::send::Sent;

/// How far a demo is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    seed: u64,
    municipality: String,
    inhabitants: u32,
    months: u32,
    until: Date,
    /// Steps of the plan that were answered.
    pub steps_done: usize,
    /// Whether everything was delivered, the two examples included.
    pub complete: bool,
    /// Rows that became something else than they should.
    pub surprises: Vec<String>,
    /// Ids of what is still to be taken back.
    pub memory: Vec<(Sent, Uuid)>,
}

/// The account to sign in with. For the demo only: a real password is shown to nobody.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Account {
    /// What one types first.
    pub login: String,
    /// What one types next.
    pub password: String,
}

/// The folder of a demo.
#[derive(Debug, Clone)]
pub struct DemoFolder(PathBuf);

impl DemoFolder {
    /// Inside the data folder, made when it is not there.
    pub fn open(data: &Path) -> anyhow::Result<Self> {
        let folder = data.join("demo");
        fs::create_dir_all(folder.join("partners"))
            .with_context(|| format!("making {} failed", folder.display()))?;
        Ok(Self(folder))
    }

    /// Where the partners' keys are, a file each.
    #[must_use]
    pub fn partner_keys(&self) -> PathBuf {
        self.0.join("partners")
    }

    fn account_file(&self, login: &str) -> PathBuf {
        self.0.join(format!("account-{login}.json"))
    }

    fn progress_file(&self) -> PathBuf {
        self.0.join("progress.json")
    }

    /// The account with this login, once it was made.
    pub fn account(&self, login: &str) -> anyhow::Result<Option<Account>> {
        read(&self.account_file(login))
    }

    /// Keeps the account, readable by its owner alone.
    pub fn keep_account(&self, account: &Account) -> anyhow::Result<()> {
        let file = self.account_file(&account.login);
        if file.exists() {
            // Of a database that is gone.
            fs::remove_file(&file)?;
        }
        let text = serde_json::to_string_pretty(account)?;
        Ok(voorveld_seal::write_private(&file, &text)?)
    }

    /// How far the demo is, once it began.
    pub fn progress(&self) -> anyhow::Result<Option<Progress>> {
        read(&self.progress_file())
    }

    /// Writes down how far the demo is.
    pub fn keep_progress(&self, progress: &Progress) -> anyhow::Result<()> {
        let file = self.progress_file();
        let new = file.with_extension("new");
        fs::write(&new, serde_json::to_string(progress)?)
            .and_then(|()| fs::rename(&new, &file))
            .with_context(|| format!("writing {} failed", file.display()))
    }
}

fn read<T: for<'de> Deserialize<'de>>(file: &Path) -> anyhow::Result<Option<T>> {
    if !file.exists() {
        return Ok(None);
    }
    let text =
        fs::read_to_string(file).with_context(|| format!("reading {} failed", file.display()))?;
    let value = serde_json::from_str(&text)
        .with_context(|| format!("{} is not what was written", file.display()))?;
    Ok(Some(value))
}

impl Progress {
    /// Nothing done yet.
    #[must_use]
    pub fn begin(plan: &Plan) -> Self {
        Self {
            seed: plan.seed,
            municipality: plan.municipality.to_string(),
            inhabitants: plan.inhabitants,
            months: plan.months,
            until: plan.until,
            steps_done: 0,
            complete: false,
            surprises: Vec::new(),
            memory: Vec::new(),
        }
    }

    /// The plan that was begun; a later start goes on with it whatever day it is.
    pub fn plan(&self) -> anyhow::Result<Plan> {
        Ok(Plan {
            seed: self.seed,
            municipality: self.municipality.parse::<MunicipalityCode>()?,
            inhabitants: self.inhabitants,
            months: self.months,
            until: self.until,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demo_goes_on_with_the_plan_it_began() {
        let data = tempfile::tempdir().unwrap();
        let folder = DemoFolder::open(data.path()).unwrap();
        assert!(folder.progress().unwrap().is_none());
        let plan = Plan {
            seed: 3,
            municipality: "0518".parse().unwrap(),
            inhabitants: 900,
            months: 2,
            until: jiff::civil::date(2026, 2, 3),
        };
        let mut progress = Progress::begin(&plan);
        progress.steps_done = 12;
        progress.memory.push((
            Sent {
                partner: "p".into(),
                reference: "r".into(),
            },
            Uuid::from_u128(7),
        ));
        folder.keep_progress(&progress).unwrap();
        let again = DemoFolder::open(data.path())
            .unwrap()
            .progress()
            .unwrap()
            .unwrap();
        assert_eq!(again, progress);
        assert_eq!(again.plan().unwrap(), plan);
    }
}
