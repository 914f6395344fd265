//! `worker-file-processing`: reads documents.

use std::process::ExitCode;

use protocol::workflow::queues::FILE_PROCESSING;
use worker::process::Process;

fn main() -> ExitCode {
    Process::named("worker-file-processing").queues(&[FILE_PROCESSING]).stages().main()
}
