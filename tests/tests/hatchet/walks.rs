//! What Hatchet does with our workflows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use backends::port::{Error, Sight};
use engine::Run;
use protocol::{RunState, TaskState};
use serde_json::{Value, json};
use specs::desk::MemoryDesk;
use specs::errands::{self, Errand, Shop, Trouble};
use specs::hatchet_server::HatchetServer;

use super::stage::{Stage, open};

fn errand(trouble: &[(&str, Trouble)], items: &[u32]) -> Errand {
    let trouble: BTreeMap<_, _> = trouble.iter().map(|(task, trouble)| ((*task).to_owned(), *trouble)).collect();
    Errand { trouble, items: items.to_vec() }
}

fn task<'a>(run: &'a Run, name: &str) -> &'a engine::TaskRun {
    run.tasks.iter().find(|task| task.task == name && task.index.is_none()).unwrap()
}

/// What was told of a task, in order.
fn told(stage: &Stage, run: &str, task: &str) -> Vec<String> {
    stage.server.told(run, task).into_iter().map(|told| told.kind).collect()
}

#[tokio::test]
async fn tasks_run_by_their_parents_lists_fan_out_and_only_how_they_stand_is_left_at_hatchet() {
    let stage = Stage::set().await;
    let (run, at_server, status) = stage.run(&errand(&[], &[1, 2, 3])).await;
    assert_eq!(run.state, RunState::Succeeded);
    assert_eq!(status, "COMPLETED");
    let sum = task(&run, "sum").output.clone().unwrap();
    assert_eq!(serde_json::to_value(sum).unwrap(), json!({"inline": 12}));
    let tasks = stage.server.tasks(&at_server);
    assert_eq!(
        tasks.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["fetch", "left", "list", "each", "sum"]
    );
    let list = stage.server.told(&at_server, "list").pop().unwrap();
    let left: Value = serde_json::from_str(&list.payload).unwrap();
    assert_eq!(left, json!({"task": "succeeded", "run": "running", "fan_out": 3}));
    stage.strike().await;
}

#[tokio::test]
async fn a_failed_attempt_is_shown_with_the_time_of_the_next_one() {
    let stage = Stage::set().await;
    let (run, at_server, status) = stage.run(&errand(&[("fetch", Trouble::FailsAtFirst(2))], &[])).await;
    assert_eq!((run.state, status.as_str()), (RunState::Succeeded, "COMPLETED"));
    assert_eq!(task(&run, "fetch").attempt, 3);
    let failures: Vec<_> =
        stage.server.told(&at_server, "fetch").into_iter().filter(|told| told.kind == "FAILED").collect();
    assert!(failures.len() >= 2, "{failures:?}");
    assert!(failures.iter().all(|told| !told.should_not_retry && told.retry_after_ms.is_some()), "{failures:?}");
    assert!(failures[0].payload.contains("hiccup"), "{failures:?}");
    assert_eq!(failures[1].retry_count, 1, "what is told belongs to one try");
    stage.strike().await;
}

#[tokio::test]
async fn a_task_that_fails_for_good_fails_the_run_there_and_nothing_behind_it_is_worked_on() {
    let stage = Stage::set().await;
    let (run, at_server, status) = stage.run(&errand(&[("list", Trouble::Breaks)], &[1])).await;
    assert_eq!((run.state, status.as_str()), (RunState::Failed, "FAILED"));
    assert_eq!(task(&run, "sum").state, TaskState::Skipped);
    let last = stage.server.told(&at_server, "list").pop().unwrap();
    assert!(last.should_not_retry && last.payload.contains("broken"), "{last:?}");
    let sum = stage.server.tasks(&at_server).pop().unwrap();
    assert_eq!(sum, ("sum".to_owned(), "CANCELLED".to_owned()));
    assert!(stage.server.told(&at_server, "sum").is_empty());
    stage.strike().await;
}

#[tokio::test]
async fn a_tolerated_failure_does_not_stop_hatchet_and_stands_in_the_log() {
    let stage = Stage::set().await;
    let (run, at_server, status) = stage.run(&errand(&[("left", Trouble::Breaks)], &[4])).await;
    assert_eq!((run.state, status.as_str()), (RunState::Succeeded, "COMPLETED"));
    assert_eq!(task(&run, "left").state, TaskState::Failed);
    let left = stage.server.told(&at_server, "left").pop().unwrap();
    assert!(left.payload.contains("\"failed\"") && left.payload.contains("broken"), "{left:?}");
    assert!(stage.server.logs().iter().any(|line| line.contains("broken")), "{:?}", stage.server.logs());
    stage.strike().await;
}

#[tokio::test]
async fn a_child_that_fails_fails_its_mapped_task() {
    let stage = Stage::set().await;
    let (run, at_server, status) = stage.run(&errand(&[], &[1, 13, 2])).await;
    assert_eq!((run.state, status.as_str()), (RunState::Failed, "FAILED"));
    assert!(stage.server.told(&at_server, "each").pop().unwrap().payload.contains("unlucky"));
    stage.strike().await;
}

#[tokio::test]
async fn a_snooze_is_held_by_the_worker_and_gives_its_slot_back() {
    let stage = Stage::set().await;
    let (run, at_server, status) = stage.run(&errand(&[("fetch", Trouble::Snoozes(400))], &[])).await;
    assert_eq!((run.state, status.as_str()), (RunState::Succeeded, "COMPLETED"));
    assert_eq!(told(&stage, &at_server, "fetch"), ["STARTED", "COMPLETED"]);
    stage.strike().await;
}

#[tokio::test]
async fn cancelling_on_our_side_cancels_there() {
    let stage = Stage::set().await;
    let launch = stage.start(&errand(&[("fetch", Trouble::Lingers)], &[])).await;
    stage.desk.when(launch.run_id, |_| !stage.desk.asked().is_empty()).await;
    stage.shop.cancel(launch.run_id).await;
    stage.backend.stop(launch.run_id, "a spec wants it").await.unwrap();
    let at_server = stage.at_server(&launch);
    assert_eq!(stage.server.ended(&at_server).await, "CANCELLED");
    assert_eq!(stage.backend.look(launch.run_id).await.unwrap(), Sight::Ended(RunState::Cancelled));
    stage.strike().await;
}

#[tokio::test]
async fn cancelling_in_the_dashboard_takes_the_task_out_of_the_workers_hands() {
    let stage = Stage::set().await;
    let launch = stage.start(&errand(&[("fetch", Trouble::Lingers)], &[])).await;
    stage.desk.when(launch.run_id, |_| !stage.desk.asked().is_empty()).await;
    let at_server = stage.at_server(&launch);
    stage.server.cancel(&at_server);
    let patience = tokio::time::timeout(Duration::from_secs(20), async {
        while told(&stage, &at_server, "fetch").last().map(String::as_str) != Some("CANCELLED") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    patience.await.unwrap();
    assert!(!stage.desk.run(launch.run_id).state.is_final(), "the ledger is asked, not told");
    stage.shop.cancel(launch.run_id).await;
    stage.strike().await;
}

#[tokio::test]
async fn a_hundred_runs_start_in_one_call_and_starting_them_again_changes_nothing() {
    let stage = Stage::set().await;
    let launches: Vec<_> = (0..100).map(|_| stage.desk.submit(&stage.workflow, json!(errand(&[], &[])))).collect();
    stage.backend.start(&launches).await.unwrap();
    stage.backend.start(&launches).await.unwrap();
    for launch in &launches {
        assert_eq!(stage.desk.ended(launch.run_id).await.state, RunState::Succeeded);
        assert_eq!(stage.server.runs_for(&launch.run_id.to_string()).len(), 1);
    }
    stage.strike().await;
}

#[tokio::test]
async fn runs_are_found_by_what_they_carry_also_by_a_dispatcher_that_did_not_start_them() {
    let stage = Stage::set().await;
    let launch = stage.desk.submit(&stage.workflow, json!(errand(&[("fetch", Trouble::Takes(500))], &[])));
    let (other, _) = open(stage.server.token(), &[]);
    assert_eq!(stage.backend.look(launch.run_id).await.unwrap(), Sight::Unknown);
    stage.backend.start(std::slice::from_ref(&launch)).await.unwrap();
    assert_eq!(stage.backend.look(launch.run_id).await.unwrap(), Sight::UnderWay);
    assert_eq!(other.look(launch.run_id).await.unwrap(), Sight::UnderWay);
    stage.server.ended(&stage.at_server(&launch)).await;
    assert_eq!(other.look(launch.run_id).await.unwrap(), Sight::Ended(RunState::Succeeded));
    stage.strike().await;
}

#[tokio::test]
async fn a_broken_stream_is_opened_again_and_a_forgotten_worker_registers_again() {
    let stage = Stage::set().await;
    stage.backend.register(&stage.workflow).await.unwrap();
    stage.server.listened_for("errands:fetch").await;
    stage.server.cut_streams();
    let (run, ..) = stage.run(&errand(&[], &[1])).await;
    assert_eq!(run.state, RunState::Succeeded);
    assert_eq!(stage.server.workers().len(), 1, "a broken connection is no reason to register again");
    stage.server.forget_workers();
    let (run, ..) = stage.run(&errand(&[], &[1])).await;
    assert_eq!(run.state, RunState::Succeeded);
    stage.strike().await;
}

#[tokio::test]
async fn what_a_lost_worker_had_in_hand_goes_on_with_the_same_attempt() {
    let stage = Stage::set().await;
    let launch = stage.start(&errand(&[("fetch", Trouble::Takes(3_000))], &[])).await;
    stage.desk.when(launch.run_id, |_| !stage.desk.asked().is_empty()).await;
    stage.server.forget_workers();
    let run = stage.desk.ended(launch.run_id).await;
    assert_eq!(run.state, RunState::Succeeded);
    assert_eq!(task(&run, "fetch").attempt, 1);
    assert_eq!(stage.server.ended(&stage.at_server(&launch)).await, "COMPLETED");
    stage.strike().await;
}

#[tokio::test]
async fn a_worker_that_stops_takes_no_more_and_finishes_what_it_has() {
    let stage = Stage::set().await;
    let launch = stage.start(&errand(&[("fetch", Trouble::Takes(800))], &[])).await;
    stage.desk.when(launch.run_id, |_| !stage.desk.asked().is_empty()).await;
    let at_server = stage.at_server(&launch);
    let (server, desk) = (stage.server.clone(), Arc::clone(&stage.desk));
    stage.strike().await;
    assert_eq!(task(&desk.run(launch.run_id), "fetch").state, TaskState::Succeeded);
    assert_eq!(server.told(&at_server, "fetch").pop().unwrap().kind, "COMPLETED");
    assert!(server.told(&at_server, "left").is_empty(), "nothing new was taken");
}

#[tokio::test]
async fn names_carry_the_namespace_and_heartbeats_keep_the_engine_patient() {
    let stage = Stage::with(&["--hatchet-namespace", "Ours"]).await;
    let (run, ..) = stage.run(&errand(&[], &[1])).await;
    assert_eq!(run.state, RunState::Succeeded);
    assert_eq!(stage.server.workflows(), ["ours_errands"]);
    let worker = stage.server.workers().remove(0);
    assert_eq!(worker.actions[0], "ours_errands:each");
    assert!(worker.heartbeats >= 1);
    assert_eq!(worker.slots, 4);
    stage.strike().await;
}

#[tokio::test]
async fn a_workflow_that_comes_later_is_listened_for() {
    let stage = Stage::set().await;
    stage.server.listened_for("errands:fetch").await;
    let later = errands::workflow("later");
    stage.desk.register(&later);
    stage.server.listened_for("later:fetch").await;
    let launch = stage.desk.submit(&later, json!(errand(&[], &[2])));
    stage.backend.start(std::slice::from_ref(&launch)).await.unwrap();
    assert_eq!(stage.desk.ended(launch.run_id).await.state, RunState::Succeeded);
    stage.strike().await;
}

#[tokio::test]
async fn signals_are_events_there() {
    let stage = Stage::set().await;
    let launch = stage.desk.submit(&stage.workflow, json!(errand(&[], &[])));
    stage.backend.signal(launch.run_id, "approved", &json!({"by": "me"})).await.unwrap();
    let (key, payload) = stage.server.pushed().remove(0);
    assert_eq!(key, "run:signalled");
    let payload: Value = serde_json::from_str(&payload).unwrap();
    assert_eq!(payload, json!({"run_id": launch.run_id, "signal": "approved", "payload": {"by": "me"}}));
    stage.strike().await;
}

#[tokio::test]
async fn a_token_that_the_engine_does_not_take_ends_the_host_and_is_named() {
    let server = HatchetServer::start().await;
    let other = HatchetServer::start().await;
    let (engine, api) = (server.engine(), server.api());
    let (backend, host) = open(other.token(), &["--hatchet-host-port", &engine, "--hatchet-server-url", &api]);
    let desk = Arc::new(MemoryDesk::default());
    desk.register(&errands::workflow("errands"));
    let error = Shop::open(desk, host).given_up().await;
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    assert!(error.to_string().contains("--hatchet-token"), "{error}");
    assert!(backend.health().await.unwrap_err().contains("--hatchet-token"));
}

#[tokio::test]
async fn an_engine_that_is_away_is_named_by_its_flag() {
    let server = HatchetServer::start().await;
    let (backend, _) = open(server.token(), &["--hatchet-host-port", "127.0.0.1:1"]);
    let error = backend.health().await.unwrap_err();
    assert!(error.contains("http://127.0.0.1:1") && error.contains("--hatchet-host-port"), "{error}");
}
