//! `worker-callbacks`: records outcomes and releases what became ready.

use std::process::ExitCode;

use protocol::workflow::queues::CALLBACKS;
use worker::process::Process;

fn main() -> ExitCode {
    Process::named("worker-callbacks").queues(&[CALLBACKS]).main()
}
