//! `worker-default`: serves tasks without a queue of their own.

use std::process::ExitCode;

fn main() -> ExitCode {
    worker::process::main("worker-default", &[protocol::workflow::queues::DEFAULT])
}
