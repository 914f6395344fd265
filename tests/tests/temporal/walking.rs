//! Workflows walked by a Temporal server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use backends::port::Sight;
use protocol::workflow::queues;
use protocol::{RunId, RunState, TaskState, Workflow};
use serde_json::{Value, json};
use specs::temporal::Server;

use crate::yard::{Join, Left, Read, Right, Split, Yard, all, deed, gives};

/// One task, two beside each other, one behind both.
pub(crate) fn diamond() -> Workflow {
    let mut flow = Workflow::named("diamond");
    let split = flow.task::<Split>().queue(queues::FILE_PROCESSING).add();
    let left = flow.task::<Left>().after(&split).add();
    let right = flow.task::<Right>().queue(queues::API_PROCESSING).after(&split).add();
    let _join = flow.task::<Join>().after(&left).after(&right).add();
    flow
}

/// A list, a task for each of its items, one behind all of them.
pub(crate) fn mapped() -> Workflow {
    let mut flow = Workflow::named("mapped");
    let split = flow.task::<Split>().add();
    let read = flow.task::<Read>().map_over(&split).add();
    let _join = flow.task::<Join>().after(&read).add();
    flow
}

#[tokio::test(flavor = "multi_thread")]
async fn a_diamond_is_walked_to_its_end_and_the_dashboard_shows_its_tasks_by_name() {
    let server = Server::start();
    let yard = Yard::at(&server).await;
    let worker = yard.worker(all);
    let run = yard.start(&diamond()).await;
    yard.ends(run, RunState::Succeeded).await;
    let scheduled = server.events(run, "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED");
    let shown: Vec<(&str, &str)> = scheduled
        .iter()
        .map(|event| &event["activityTaskScheduledEventAttributes"])
        .map(|activity| (text(&activity["activityId"]), text(&activity["taskQueue"]["name"])))
        .collect();
    let expected = [
        ("split", "flotilla.file_processing"),
        ("left", "flotilla.default"),
        ("right", "flotilla.api_processing"),
        ("join", "flotilla.default"),
    ];
    assert_eq!(shown, expected);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapped_task_is_walked_once_per_item_and_then_once_for_itself() {
    let server = Server::start();
    let yard = Yard::at(&server).await;
    let worker = yard.worker(|builder| all(builder).register::<Split>(gives(json!(["a", "b", "c"]))));
    let run = yard.start(&mapped()).await;
    yard.ends(run, RunState::Succeeded).await;
    let scheduled = server.events(run, "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED");
    let shown: Vec<&str> =
        scheduled.iter().map(|event| text(&event["activityTaskScheduledEventAttributes"]["activityId"])).collect();
    assert_eq!(shown, ["split", "read[0]", "read[1]", "read[2]", "read", "join"]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_is_walked_too() {
    let server = Server::start();
    let yard = Yard::at(&server).await;
    let worker = yard.worker(|builder| all(builder).register::<Split>(gives(json!([]))));
    let run = yard.start(&mapped()).await;
    yard.ends(run, RunState::Succeeded).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn starting_a_run_again_changes_nothing_whether_it_is_under_way_or_over() {
    let server = Server::start();
    let yard = Yard::at(&server).await;
    let made = Arc::new(AtomicUsize::new(0));
    let run = yard.start(&diamond()).await;
    let launch = yard.launch(run).await;
    yard.backend.start(&[launch.clone(), launch.clone()]).await.unwrap();
    let counted = Arc::clone(&made);
    let worker = yard.worker(|builder| {
        all(builder).register::<Split>(deed(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Ok(Value::Null) })
        }))
    });
    yard.ends(run, RunState::Succeeded).await;
    yard.backend.start(std::slice::from_ref(&launch)).await.unwrap();
    assert_eq!(yard.backend.look(run).await, Ok(Sight::Ended(RunState::Succeeded)));
    assert_eq!(made.load(Ordering::SeqCst), 1);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_never_started_is_unknown_and_stopping_it_is_no_error() {
    let server = Server::start();
    let yard = Yard::at(&server).await;
    let stranger = RunId::new();
    assert_eq!(yard.backend.look(stranger).await, Ok(Sight::Unknown));
    assert_eq!(yard.backend.stop(stranger, "nobody knows it").await, Ok(()));
    let refusal = yard.backend.signal(stranger, "go", &Value::Null).await.unwrap_err();
    assert_eq!(refusal.to_string(), format!("temporal refuses: run {stranger} is not under way there"));
}

#[tokio::test(flavor = "multi_thread")]
async fn walks_are_found_by_tenant_and_workflow_where_the_namespace_has_the_attributes() {
    let server = Server::searchable();
    let yard = Yard::at(&server).await;
    let run = yard.start(&diamond()).await;
    let found = || {
        let query = format!("FlotillaTenant = 'default' AND FlotillaWorkflow = 'diamond' AND FlotillaRun = '{run}'");
        server.ask(&["workflow", "list", "--query", &query, "--output", "json"])
    };
    crate::yard::until("the walk is listed", async || found().contains(&format!("flotilla-{run}"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_those_attributes_a_walk_says_the_same_in_its_memo() {
    let server = Server::start();
    let yard = Yard::at(&server).await;
    let run = yard.start(&diamond()).await;
    let described = server.describe(run);
    let memo = &described["workflowExecutionInfo"]["memo"]["fields"];
    assert_eq!((text(&memo["tenant"]), text(&memo["workflow"])), ("default", "diamond"), "{described:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_reaches_a_walk() {
    let server = Server::start();
    let yard = Yard::at(&server).await;
    let worker = yard.worker(|builder| {
        all(builder).register::<Split>(deed(|ctx| {
            Box::pin(async {
                ctx.stopping().cancelled().await;
                Ok(Value::Null)
            })
        }))
    });
    let run = yard.start(&diamond()).await;
    yard.backend.signal(run, "page-arrived", &json!({"page": 3})).await.unwrap();
    let id = format!("flotilla-{run}");
    let told = server.ask(&["workflow", "query", "--workflow-id", &id, "--type", "signals", "--output", "json"]);
    assert!(told.contains("page-arrived"), "{told}");
    yard.cancel(run).await;
    yard.ends(run, RunState::Cancelled).await;
    assert_eq!(yard.task(run, "split").await.state, TaskState::Cancelled);
    worker.stop().await;
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
