//! The `haldane` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    haldane::cli::run()
}
