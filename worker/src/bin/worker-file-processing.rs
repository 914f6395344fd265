//! `worker-file-processing`: reads documents.

use std::process::ExitCode;

fn main() -> ExitCode {
    worker::process::main("worker-file-processing", &[protocol::workflow::queues::FILE_PROCESSING])
}
