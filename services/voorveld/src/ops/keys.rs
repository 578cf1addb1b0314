//! `voorveld keys generate`

use std::process::ExitCode;

use crate::cli::Keys;
use crate::keys;

/// Makes keys and says who gets which.
pub fn run(command: &Keys) -> anyhow::Result<ExitCode> {
    let Keys::Generate { folder } = command;
    let files = keys::generate(folder)?;
    let sealing = keys::sealing_key(&files)?;
    println!("made key {} in {}", sealing.id(), folder.display());
    println!(
        "  {:<16} give it to the gateway; it can only seal",
        keys::SEALING_FILE
    );
    println!(
        "  {:<16} give it to resolver and outreach only; keep a copy somewhere safe, without it no identity can be read",
        keys::OPENING_FILE
    );
    println!(
        "  {:<16} give it to gateway and resolver; without it known references and addresses are not recognised",
        keys::INDEX_FILE
    );
    Ok(ExitCode::SUCCESS)
}
