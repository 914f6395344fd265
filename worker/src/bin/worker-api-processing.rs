//! `worker-api-processing`: asks providers.

use std::process::ExitCode;

fn main() -> ExitCode {
    worker::process::main("worker-api-processing", &[protocol::workflow::queues::API_PROCESSING])
}
