//! Which invoices do these payments pay? Three tasks of somebody's own, on a queue of their own.
//!
//! `split-statement` reads two CSV texts into a list, `match-payment` runs once per payment, `report` sums up.
//! `docs/adding-a-task.md` walks through this crate.

use std::time::Duration;

use protocol::Workflow;

pub mod matching;
pub mod report;
pub mod split;

pub use matching::MatchPayment;
pub use report::Report;
pub use split::SplitStatement;

/// Where the jobs of these tasks wait for `worker-payments`.
pub const QUEUE: &str = "payments";

/// The workflow, as data. `workflow.json` says the same and is what gets registered; a test compares them.
#[must_use]
pub fn workflow() -> Workflow {
    let mut flow = Workflow::named("payments-report");
    let rows = flow.task::<SplitStatement>().queue(QUEUE).timeout(Duration::from_secs(60)).retries(0).add();
    let matched = flow
        .task::<MatchPayment>()
        .queue(QUEUE)
        .map_over(&rows)
        .timeout(Duration::from_secs(60))
        .retries(5)
        .retry_delay(Duration::from_millis(500))
        .add();
    let _ = flow.task::<Report>().queue(QUEUE).after(&matched).timeout(Duration::from_secs(60)).add();
    flow
}
