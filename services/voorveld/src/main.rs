//! `voorveld`: one binary, many roles. See `voorveld --help`.

use std::process::ExitCode;

use clap::Parser;
use voorveld::cli::{Cli, EXIT_USAGE};

/// Signals come in by the thousand and are let go of together: on this, a third of the processor time went to the allocator of the C library.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() {
                ExitCode::from(EXIT_USAGE)
            } else {
                ExitCode::SUCCESS
            };
            // Nothing is left to be done when the screen itself is gone.
            let _ = error.print();
            return code;
        }
    };
    match voorveld::ops::run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("voorveld: {error:#}");
            ExitCode::FAILURE
        }
    }
}
