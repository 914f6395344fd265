//! `worker`: serves whatever queues `--queues` names.

use std::process::ExitCode;

use worker::process::Process;

fn main() -> ExitCode {
    Process::named("worker").stages().main()
}
