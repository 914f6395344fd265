//! `worker-default`: serves tasks without a queue of their own.

use std::process::ExitCode;

use protocol::workflow::queues::DEFAULT;
use worker::process::Process;

fn main() -> ExitCode {
    Process::named("worker-default").queues(&[DEFAULT]).stages().main()
}
