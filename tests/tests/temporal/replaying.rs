//! Walks under way are replayed with whatever code runs then: histories recorded from a real server have to fit.
//!
//! `cargo test -p specs --features temporal --test temporal -- --ignored record` records them anew. That is right for new cases;
//! for old ones it hides exactly what these specs are to find.

use std::path::{Path, PathBuf};

use backends::temporal::FleetDag;
use protocol::{RunId, RunState, TaskError};
use serde_json::{Value, json};
use specs::temporal::Server;
use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, Url, WorkflowExecutionInfo, WorkflowFetchHistoryOptions,
    WorkflowHistory,
};
use temporalio_sdk::workflow_replayer::{WorkflowReplayError, WorkflowReplayer, WorkflowReplayerOptions};

use crate::ending::waiting;
use crate::walking::{diamond, mapped};
use crate::yard::{Left, Split, Yard, all, deed, gives};

/// Every recorded case.
const CASES: [&str; 7] = ["diamond", "mapped", "tolerated", "failed", "cancelled", "first-leg", "second-leg"];

async fn replay(history: &str) -> Result<(), WorkflowReplayError> {
    let options = WorkflowReplayerOptions::new().register_workflow::<FleetDag>().unwrap().build();
    let history = WorkflowHistory::from_json(history.as_bytes()).unwrap();
    WorkflowReplayer::new(options)?.replay_workflow(history).await
}

fn path_of(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/temporal/histories").join(format!("{case}.json"))
}

fn recorded(case: &str) -> String {
    std::fs::read_to_string(path_of(case)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn walks_that_began_under_earlier_code_go_on_under_this() {
    for case in CASES {
        if let Err(error) = replay(&recorded(case)).await {
            panic!("a walk like {case:?} that is under way would be stuck: {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_that_this_code_would_not_take_is_found() {
    let ours = "\"activity_id\": \"right\"";
    let other = recorded("diamond").replacen(ours, "\"activity_id\": \"elsewhere\"", 1);
    assert_ne!(other, recorded("diamond"));
    let error = replay(&other).await.unwrap_err();
    assert!(matches!(error, WorkflowReplayError::Replay(_)), "{error}");
}

#[ignore = "writes the histories that the others read"]
#[tokio::test(flavor = "multi_thread")]
async fn record() {
    let server = Server::with_history(40);
    let yard = Yard::at(&server).await;
    let torn = || TaskError::permanent("unreadable", "the page is torn");
    let worker = yard.worker(|builder| {
        let builder = all(builder).register::<Split>(gives(json!(["a", "b", "c"])));
        builder.register::<Left>(deed(move |_| Box::pin(async move { Err(torn().into()) })))
    });
    let mut tolerant = diamond();
    tolerant.name = "tolerant".to_owned();
    tolerant.tasks[1].on_failure = protocol::workflow::OnFailure::Continue;
    for (case, flow, state) in [
        ("mapped", mapped(), RunState::Succeeded),
        ("failed", diamond(), RunState::Failed),
        ("tolerated", tolerant, RunState::Succeeded),
    ] {
        let run = yard.start(&flow).await;
        yard.ends(run, state).await;
        keep(&server, case, run, None).await;
    }
    worker.stop().await;
    let items: Vec<u32> = (0..12).collect();
    let worker = yard.worker(|builder| all(builder).register::<Split>(gives(json!(items))));
    let run = yard.start(&diamond()).await;
    yard.ends(run, RunState::Succeeded).await;
    keep(&server, "diamond", run, None).await;
    let run = yard.start(&mapped()).await;
    yard.ends(run, RunState::Succeeded).await;
    let first = server.events(run, "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED");
    let first = &first[0]["workflowExecutionStartedEventAttributes"]["firstExecutionRunId"];
    keep(&server, "first-leg", run, first.as_str()).await;
    keep(&server, "second-leg", run, None).await;
    worker.stop().await;
    let (worker, waits, _) = waiting(&yard);
    let run = yard.start(&diamond()).await;
    waits.notified().await;
    yard.cancel(run).await;
    yard.ends(run, RunState::Cancelled).await;
    keep(&server, "cancelled", run, None).await;
    worker.stop().await;
}

/// Keeps the history of a walk, or of one of its legs, without what is only true of this machine.
async fn keep(server: &Server, case: &str, run: RunId, leg: Option<&str>) {
    let options = ConnectionOptions::new(Url::parse(&server.url()).unwrap()).build();
    let client =
        Client::new(Connection::connect(options).await.unwrap(), ClientOptions::new("default").build()).unwrap();
    let walk = WorkflowExecutionInfo::builder().namespace("default").workflow_id(format!("flotilla-{run}"));
    let walk = walk.maybe_run_id(leg.map(str::to_owned)).build().bind_untyped(client);
    // The form that the replayer reads; what Temporal's own client writes has other names.
    let history = walk.fetch_history(WorkflowFetchHistoryOptions::default()).to_json().await.unwrap();
    let mut history: Value = serde_json::from_slice(&history).unwrap();
    anonymise(&mut history);
    std::fs::create_dir_all(path_of(case).parent().unwrap()).unwrap();
    std::fs::write(path_of(case), format!("{history:#}\n")).unwrap();
}

fn anonymise(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| match name.as_str() {
            "identity" => *value = "recorded".into(),
            _ => anonymise(value),
        }),
        Value::Array(items) => items.iter_mut().for_each(anonymise),
        _ => {}
    }
}
