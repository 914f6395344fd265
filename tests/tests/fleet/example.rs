//! The example of a worker of one's own, with its workflow.

use std::path::{Path, PathBuf};

use payments::{MatchPayment, Report, SplitStatement, matching, report, split};
use protocol::RunState;
use serde_json::{Value, json};
use worker::Builder;

use crate::harness::TestFleet;
use crate::world::World;

/// A file of the example.
fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/custom-worker").join(name)
}

fn input() -> Value {
    let run: Value = serde_json::from_str(&std::fs::read_to_string(example("run.json")).unwrap()).unwrap();
    run["input"].clone()
}

fn handlers(worker: Builder) -> Builder {
    worker
        .register::<SplitStatement>(split::Handler)
        .register::<MatchPayment>(matching::Handler { rates: example("rates.csv") })
        .register::<Report>(report::Handler)
}

pub(crate) async fn the_payments_of_the_example_are_matched_with_their_invoices(world: &World) {
    let mut fleet = TestFleet::start(world, |stock| stock).await;
    fleet.add_worker(&[payments::QUEUE], handlers);

    let run = fleet.run(&payments::workflow(), input()).await;
    let record = fleet.ends(run, RunState::Succeeded).await;

    let report = record.run.tasks.iter().find(|task| task.task == "report").unwrap();
    let attention = json!([
        { "invoice": "R-3", "paid": "80.00", "verdict": "too_little" },
        { "invoice": "R-9", "paid": "5.00", "verdict": "unknown_invoice" },
    ]);
    let expected = json!({ "received": "435.00", "paid": ["R-1", "R-2"], "attention": attention });
    assert_eq!(report.output, Some(protocol::Payload::Inline(expected)));
    let children = record.run.tasks.iter().filter(|task| task.task == "match-payment" && task.index.is_some());
    assert_eq!(children.count(), 4, "one per payment");
    fleet.stop().await;
}
