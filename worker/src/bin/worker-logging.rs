//! `worker-logging`: notes what has started and feeds live watchers.

use std::process::ExitCode;

use protocol::workflow::queues::LOGGING;
use worker::process::Process;

fn main() -> ExitCode {
    Process::named("worker-logging").queues(&[LOGGING]).main()
}
