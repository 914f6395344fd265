//! `worker-api-processing`: asks providers.

use std::process::ExitCode;

use protocol::workflow::queues::API_PROCESSING;
use worker::process::Process;

fn main() -> ExitCode {
    Process::named("worker-api-processing").queues(&[API_PROCESSING]).stages().main()
}
