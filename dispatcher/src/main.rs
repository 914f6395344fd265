//! `dispatcher`: the front and the clock of a fleet.

use std::process::ExitCode;

fn main() -> ExitCode {
    dispatcher::process::main()
}
