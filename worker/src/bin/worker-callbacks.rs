//! `worker-callbacks`: records outcomes and releases what became ready.

use std::process::ExitCode;

fn main() -> ExitCode {
    worker::process::main("worker-callbacks", &[protocol::workflow::queues::CALLBACKS])
}
