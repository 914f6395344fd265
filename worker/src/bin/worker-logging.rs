//! `worker-logging`: notes what has started and feeds live watchers.

use std::process::ExitCode;

fn main() -> ExitCode {
    worker::process::main("worker-logging", &[protocol::workflow::queues::LOGGING])
}
