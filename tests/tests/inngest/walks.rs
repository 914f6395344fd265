//! What Inngest does with our workflows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use backends::port::{Error, Sight};
use engine::Run;
use protocol::{RunState, TaskState};
use serde_json::json;
use specs::desk::MemoryDesk;
use specs::errands::{self, Errand, Shop, Trouble};
use specs::inngest_server::Status;

use super::stage::{KEY, Stage, open};

fn errand(trouble: &[(&str, Trouble)], items: &[u32]) -> Errand {
    let trouble: BTreeMap<_, _> = trouble.iter().map(|(task, trouble)| ((*task).to_owned(), *trouble)).collect();
    Errand { trouble, items: items.to_vec() }
}

/// State and attempts of a task.
fn task<'a>(run: &'a Run, name: &str) -> &'a engine::TaskRun {
    run.tasks.iter().find(|task| task.task == name && task.index.is_none()).unwrap()
}

#[tokio::test]
async fn tasks_run_side_by_side_lists_fan_out_and_every_task_is_a_step() {
    let stage = Stage::set().await;
    let (run, record) = stage.run(&errand(&[], &[1, 2, 3])).await;
    assert_eq!(run.state, RunState::Succeeded);
    assert_eq!(record.status, Status::Completed);
    assert_eq!(record.output["state"], "succeeded");
    let mut names = record.names.clone();
    names.sort();
    assert_eq!(names, ["each", "each[0]", "each[1]", "each[2]", "fetch", "left", "list", "sum"]);
    assert_eq!(record.names.last().unwrap(), "sum");
    let sum = task(&run, "sum").output.clone().unwrap();
    assert_eq!(serde_json::to_value(sum).unwrap(), json!({"inline": 12}));
    stage.strike().await;
}

#[tokio::test]
async fn a_branch_goes_on_while_another_takes_its_time() {
    let stage = Stage::set().await;
    let launch = stage.start(&errand(&[("left", Trouble::Takes(2_500))], &[1])).await;
    let run = stage.desk.when(launch.run_id, |run| task(run, "each").state == TaskState::Succeeded).await;
    assert!(!task(&run, "left").state.is_final(), "the mapped task did not wait for a branch that is not its own");
    assert_eq!(stage.desk.ended(launch.run_id).await.state, RunState::Succeeded);
    stage.strike().await;
}

#[tokio::test]
async fn a_failed_attempt_is_shown_and_followed_by_another_when_the_ledger_says_so() {
    let stage = Stage::set().await;
    let (run, record) = stage.run(&errand(&[("fetch", Trouble::FailsAtFirst(2))], &[])).await;
    assert_eq!(run.state, RunState::Succeeded);
    assert_eq!(task(&run, "fetch").attempt, 3);
    assert_eq!(record.status, Status::Completed);
    assert!(record.failures.iter().filter(|name| *name == "fetch").count() >= 2, "{:?}", record.failures);
    stage.strike().await;
}

#[tokio::test]
async fn a_task_that_fails_for_good_fails_the_run_and_nothing_behind_it_is_worked_on() {
    let stage = Stage::set().await;
    let (run, record) = stage.run(&errand(&[("list", Trouble::Breaks)], &[1])).await;
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(task(&run, "sum").state, TaskState::Skipped);
    assert_eq!(record.status, Status::Failed);
    assert_eq!(record.output["name"], "run_failed");
    assert!(record.failures.contains(&"list".to_owned()), "{:?}", record.failures);
    stage.strike().await;
}

#[tokio::test]
async fn a_tolerated_failure_is_shown_as_one_and_the_run_succeeds() {
    let stage = Stage::set().await;
    let (run, record) = stage.run(&errand(&[("left", Trouble::Breaks)], &[4])).await;
    assert_eq!(run.state, RunState::Succeeded);
    assert_eq!(task(&run, "left").state, TaskState::Failed);
    assert_eq!(task(&run, "sum").state, TaskState::Succeeded);
    assert_eq!(record.status, Status::Completed);
    assert_eq!(record.failures, ["left"]);
    stage.strike().await;
}

#[tokio::test]
async fn a_snooze_is_a_sleep_of_inngest_and_costs_no_attempt_there() {
    let stage = Stage::set().await;
    let (run, record) = stage.run(&errand(&[("fetch", Trouble::Snoozes(400))], &[])).await;
    assert_eq!(run.state, RunState::Succeeded);
    assert_eq!(task(&run, "fetch").failures, 0);
    assert_eq!(record.names[..3], ["fetch", "fetch: wait", "fetch"]);
    assert!(record.failures.is_empty());
    stage.strike().await;
}

#[tokio::test]
async fn more_children_than_there_may_be_steps_share_them() {
    let stage = Stage::set().await;
    let items: Vec<u32> = (100..350).collect();
    let (run, record) = stage.run(&errand(&[], &items)).await;
    assert_eq!(run.state, RunState::Succeeded);
    assert_eq!(run.tasks.iter().filter(|task| task.index.is_some()).count(), 250);
    assert_eq!(record.names.iter().filter(|name| name.starts_with("each[")).count(), 84);
    stage.strike().await;
}

#[tokio::test]
async fn cancelling_stops_the_run_at_inngest_and_the_handler_that_is_at_it() {
    let stage = Stage::set().await;
    let launch = stage.start(&errand(&[("fetch", Trouble::Lingers)], &[])).await;
    let at_server = stage.server.run_for(&launch.run_id.to_string()).await;
    stage.desk.when(launch.run_id, |_| !stage.desk.asked().is_empty()).await;
    stage.shop.cancel(launch.run_id).await;
    stage.backend.stop(launch.run_id, "a spec wants it").await.unwrap();
    assert_eq!(stage.server.ended(&at_server).await.status, Status::Cancelled);
    assert_eq!(stage.backend.look(launch.run_id).await.unwrap(), Sight::Ended(RunState::Cancelled));
    stage.strike().await;
}

#[tokio::test]
async fn starting_a_run_again_changes_nothing_and_its_whereabouts_follow_from_its_id() {
    let stage = Stage::set().await;
    let launch = stage.desk.submit(&stage.workflow, json!(errand(&[("fetch", Trouble::Takes(500))], &[])));
    assert_eq!(stage.backend.look(launch.run_id).await.unwrap(), Sight::Unknown);
    for _ in 0..3 {
        stage.backend.start(std::slice::from_ref(&launch)).await.unwrap();
    }
    assert_eq!(stage.backend.look(launch.run_id).await.unwrap(), Sight::UnderWay);
    let run = stage.desk.ended(launch.run_id).await;
    assert_eq!(task(&run, "fetch").attempt, 1);
    let at_server = stage.server.run_for(&launch.run_id.to_string()).await;
    stage.server.ended(&at_server).await;
    assert_eq!(stage.backend.look(launch.run_id).await.unwrap(), Sight::Ended(RunState::Succeeded));
    stage.strike().await;
}

#[tokio::test]
async fn a_hundred_runs_start_in_one_call() {
    let stage = Stage::set().await;
    let launches: Vec<_> = (0..100).map(|_| stage.desk.submit(&stage.workflow, json!(errand(&[], &[])))).collect();
    stage.backend.start(&launches).await.unwrap();
    for launch in &launches {
        assert_eq!(stage.desk.ended(launch.run_id).await.state, RunState::Succeeded);
    }
    stage.strike().await;
}

#[tokio::test]
async fn a_step_that_takes_long_is_answered_by_a_stream_that_stays_alive() {
    let stage = Stage::set().await;
    let (run, record) = stage.run(&errand(&[("fetch", Trouble::Takes(6_000))], &[])).await;
    assert_eq!(run.state, RunState::Succeeded);
    assert_eq!(record.status, Status::Completed);
    assert_eq!(record.streams, 1);
    stage.strike().await;
}

#[tokio::test]
async fn state_that_is_too_large_for_a_call_is_fetched() {
    let stage = Stage::signed().await;
    stage.server.leave_state_out();
    let (run, record) = stage.run(&errand(&[], &[1, 2])).await;
    assert_eq!(run.state, RunState::Succeeded);
    assert_eq!(record.status, Status::Completed);
    stage.strike().await;
}

#[tokio::test]
async fn only_signed_calls_are_answered() {
    let stage = Stage::signed().await;
    let (run, _) = stage.run(&errand(&[], &[])).await;
    assert_eq!(run.state, RunState::Succeeded);
    let url = stage.server.address_of("flotilla-errands");
    let http = reqwest::Client::builder().timeout(Duration::from_secs(5)).tls_certs_only([]).build().unwrap();
    let asked = stage.desk.asked().len();
    for signature in [None, Some("t=1&s=00"), Some("nonsense")] {
        let mut call = http.post(&url).body(r#"{"ctx":{"run_id":"x"}}"#);
        if let Some(signature) = signature {
            call = call.header("x-inngest-signature", signature);
        }
        assert_eq!(call.send().await.unwrap().status(), 401, "{signature:?}");
    }
    assert_eq!(stage.desk.asked().len(), asked, "nobody was served");
    stage.strike().await;
}

#[tokio::test]
async fn a_key_that_the_server_does_not_take_ends_the_host_and_is_named() {
    let server = specs::inngest_server::InngestServer::signing(KEY.parse_key()).await;
    let other = "signkey-test-ffffffff";
    let (backend, host) = open(&server.url(), &["--inngest-signing-key", other, "--inngest-event-key", "e"]);
    let desk = Arc::new(MemoryDesk::default());
    desk.register(&errands::workflow("errands"));
    let error = Shop::open(desk, host).given_up().await;
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    assert!(error.to_string().contains("--inngest-signing-key"), "{error}");
    assert!(backend.health().await.unwrap_err().contains("--inngest-signing-key"));
}

#[tokio::test]
async fn while_keys_are_exchanged_the_old_one_opens_as_well() {
    let server = specs::inngest_server::InngestServer::signing(KEY.parse_key()).await;
    let flags = ["--inngest-signing-key", "signkey-test-ffffffff", "--inngest-signing-key-fallback", KEY];
    let (backend, host) = open(&server.url(), &[&flags[..], &["--inngest-event-key", "e"]].concat());
    let desk = Arc::new(MemoryDesk::default());
    let workflow = errands::workflow("errands");
    desk.register(&workflow);
    let shop = Shop::open(Arc::clone(&desk), host);
    server.knows("flotilla-errands").await;
    assert_eq!(backend.health().await, Ok(()));
    let launch = desk.submit(&workflow, json!(errand(&[], &[])));
    backend.start(std::slice::from_ref(&launch)).await.unwrap();
    assert_eq!(desk.ended(launch.run_id).await.state, RunState::Succeeded);
    shop.close().await.unwrap();
}

#[tokio::test]
async fn a_workflow_that_no_worker_serves_whole_starts_no_run() {
    let stage = Stage::set().await;
    let mut elsewhere = errands::workflow("elsewhere");
    elsewhere.tasks[1].queue = "other".to_owned();
    stage.desk.register(&elsewhere);
    let launch = stage.desk.submit(&elsewhere, json!(errand(&[], &[])));
    let error = stage.backend.start(std::slice::from_ref(&launch)).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "it is offered again later: {error}");
    assert!(error.to_string().contains("has to serve all of its queues, default, other"), "{error}");
    assert_eq!(stage.backend.look(launch.run_id).await.unwrap(), Sight::Unknown);
    stage.strike().await;
}

#[tokio::test]
async fn a_server_that_is_away_is_named_by_its_flag() {
    let (backend, _) = open("http://127.0.0.1:1", &["--inngest-dev"]);
    let error = backend.health().await.unwrap_err();
    assert!(error.contains("http://127.0.0.1:1/") && error.contains("--inngest-url"), "{error}");
}

/// Reads a key that a spec knows to be one.
trait ParseKey {
    fn parse_key(&self) -> backends::inngest::SigningKey;
}

impl ParseKey for str {
    fn parse_key(&self) -> backends::inngest::SigningKey {
        backends::inngest::SigningKey::parse(self).unwrap()
    }
}
