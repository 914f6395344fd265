//! `worker`: serves whatever queues `--queues` names.

use std::process::ExitCode;

fn main() -> ExitCode {
    worker::process::main("worker", &[])
}
