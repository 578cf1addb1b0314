//! `voorveld`: one binary, many roles. See `voorveld --help`.

use std::process::ExitCode;

use clap::Parser;
use voorveld::cli::{Cli, EXIT_USAGE};

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
