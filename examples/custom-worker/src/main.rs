//! `worker-payments`: serves the tasks of `payments-report`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use payments::{MatchPayment, QUEUE, Report, SplitStatement, matching, report, split};
use worker::process::Process;

fn main() -> ExitCode {
    Process::named("worker-payments")
        .version(env!("CARGO_PKG_VERSION"))
        .queues(&[QUEUE])
        .register::<SplitStatement>(split::Handler)
        .register_with::<MatchPayment, _, _>(|_| async {
            let rates = std::env::var_os("PAYMENTS_RATES").context("PAYMENTS_RATES has to name the file of rates")?;
            Ok(matching::Handler { rates: PathBuf::from(rates) })
        })
        .register::<Report>(report::Handler)
        .main()
}
