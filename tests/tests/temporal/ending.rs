//! Runs, workers and servers that come to an end in the middle of a walk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backends::port::Sight;
use protocol::{RunState, TaskState, Workflow};
use serde_json::{Value, json};
use specs::temporal::Server;
use tokio::sync::Notify;
use worker::Stop;

use crate::walking::{diamond, mapped};
use crate::yard::{Crew, Left, Read, Split, Yard, all, deed, gives, until};

/// A worker whose first task waits until its attempt is stopped, and tells when it waits and when it was dropped.
pub(crate) fn waiting(yard: &Yard) -> (Crew, Arc<Notify>, Arc<Notify>) {
    struct Tells(Arc<Notify>);
    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let (waits, dropped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let told = (Arc::clone(&waits), Arc::clone(&dropped));
    let worker = yard.worker(|builder| {
        all(builder).register::<Split>(deed(move |_| {
            let (waits, dropped) = told.clone();
            Box::pin(async move {
                let _tells = Tells(dropped);
                waits.notify_one();
                std::future::pending().await
            })
        }))
    });
    (worker, waits, dropped)
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_a_run_stops_its_handlers_and_its_walk() {
    let server = Server::start();
    let yard = Yard::at(&server).await;
    let (worker, waits, dropped) = waiting(&yard);
    let run = yard.start(&diamond()).await;
    waits.notified().await;
    yard.cancel(run).await;
    yard.ends(run, RunState::Cancelled).await;
    dropped.notified().await;
    assert_eq!(yard.task(run, "join").await.state, TaskState::Cancelled);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_a_run_whose_task_waits_for_hours_ends_its_walk_at_once() {
    let server = Server::start();
    let yard = Yard::at(&server).await;
    let worker = yard.worker(|builder| {
        all(builder).register::<Split>(deed(|_| {
            Box::pin(async { Err(Stop::Snooze { after: Duration::from_secs(3600), state: Value::Null }) })
        }))
    });
    let run = yard.start(&diamond()).await;
    until("the task waits", async || yard.task(run, "split").await.state == TaskState::Waiting).await;
    until("so does its turn", async || server.describe(run)["pendingActivities"][0]["attempt"] == 2).await;
    yard.cancel(run).await;
    yard.ends(run, RunState::Cancelled).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_past_its_deadline_fails_there_too() {
    let server = Server::start();
    let yard = Yard::at(&server).await;
    let (worker, waits, dropped) = waiting(&yard);
    let run = yard.start(&Workflow { timeout: Some(Duration::from_secs(3)), ..diamond() }).await;
    waits.notified().await;
    yard.ends(run, RunState::Failed).await;
    dropped.notified().await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_that_is_cancelled_in_temporal_is_cancelled_on_record() {
    let server = Server::start();
    let yard = Yard::at(&server).await;
    let (worker, waits, _) = waiting(&yard);
    let run = yard.start(&diamond()).await;
    waits.notified().await;
    server.ask(&["workflow", "cancel", "--workflow-id", &format!("flotilla-{run}")]);
    until("the walk ends", async || yard.backend.look(run).await == Ok(Sight::Ended(RunState::Cancelled))).await;
    // The ledger decides about runs, and a dispatcher looks after those that ended elsewhere.
    yard.ends(run, RunState::Cancelled).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_that_does_not_follow_is_ended_the_second_time() {
    let server = Server::start();
    let yard = Yard::at(&server).await;
    let run = yard.start(&diamond()).await;
    yard.backend.stop(run, "nobody wants it").await.unwrap();
    assert_eq!(yard.backend.look(run).await, Ok(Sight::UnderWay), "there is no worker that could follow");
    yard.backend.stop(run, "nobody wants it").await.unwrap();
    assert_eq!(yard.backend.look(run).await, Ok(Sight::Ended(RunState::Cancelled)));
    yard.backend.stop(run, "nobody wants it").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_turn_of_a_lost_worker_goes_to_another_one_within_seconds() {
    let server = Server::start();
    let yard = Yard::at(&server).await;
    let (lost, waits, _) = waiting(&yard);
    let run = yard.start(&diamond()).await;
    waits.notified().await;
    drop(lost);
    let gone = Instant::now();
    let worker = yard.worker(all);
    yard.ends(run, RunState::Succeeded).await;
    assert!(gone.elapsed() < Duration::from_secs(25), "{:?} to notice a lost worker", gone.elapsed());
    assert_eq!(yard.task(run, "split").await.attempt, 1, "a lost worker costs no attempt");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_stopped_hands_its_turns_back_at_once() {
    let server = Server::start();
    let yard = Yard::at(&server).await;
    let (stopped, waits, _) = waiting(&yard);
    let run = yard.start(&diamond()).await;
    waits.notified().await;
    stopped.stop().await;
    let gone = Instant::now();
    let worker = yard.worker(all);
    yard.ends(run, RunState::Succeeded).await;
    assert!(gone.elapsed() < Duration::from_secs(10), "{:?} after an orderly end", gone.elapsed());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn walks_go_on_when_the_server_comes_back() {
    let mut server = Server::start();
    let yard = Yard::at(&server).await;
    let (held, free) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let signs = (Arc::clone(&held), Arc::clone(&free));
    let worker = yard.worker(|builder| {
        all(builder).register::<Left>(deed(move |_| {
            let (held, free) = signs.clone();
            Box::pin(async move {
                held.notify_one();
                free.notified().await;
                Ok(Value::Null)
            })
        }))
    });
    let run = yard.start(&diamond()).await;
    held.notified().await;
    server.fall();
    let away = yard.backend.look(run).await.unwrap_err().to_string();
    assert!(away.starts_with("temporal is not available: "), "{away}");
    // It ends while nobody can be told.
    free.notify_one();
    until("the task is on record", async || yard.task(run, "left").await.state == TaskState::Succeeded).await;
    server.rise();
    yard.ends(run, RunState::Succeeded).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_walk_goes_on_in_fresh_histories() {
    let server = Server::with_history(200);
    let yard = Yard::at(&server).await;
    let items: Vec<u32> = (0..300).collect();
    let worker = yard.worker(|builder| all(builder).register::<Split>(gives(json!(items))));
    let run = yard.start(&mapped()).await;
    yard.ends(run, RunState::Succeeded).await;
    let children = yard.run(run).await.tasks.into_iter().filter(|task| task.index.is_some());
    assert_eq!(children.filter(|child| child.state == TaskState::Succeeded).count(), 300);
    let first = server.events(run, "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED");
    let leg = &first[0]["workflowExecutionStartedEventAttributes"];
    assert!(leg["continuedExecutionRunId"].is_string(), "this is the first leg: {leg}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_does_not_wait_for_long_turns_before_it_goes_on_in_a_fresh_history() {
    let server = Server::with_history(20);
    let yard = Yard::at(&server).await;
    let free = Arc::new(Notify::new());
    let sign = Arc::clone(&free);
    let worker = yard.worker(|builder| {
        let builder = all(builder).register::<Split>(gives(json!(["a", "b", "c", "d", "e", "f"])));
        builder.register::<Read>(deed(move |ctx| {
            let (last, sign) = (ctx.job().index == Some(5), Arc::clone(&sign));
            Box::pin(async move {
                if last {
                    sign.notified().await;
                }
                Ok(Value::Null)
            })
        }))
    });
    let run = yard.start(&mapped()).await;
    until("its second leg has begun", async || server.legs(run) > 1).await;
    free.notify_one();
    yard.ends(run, RunState::Succeeded).await;
    worker.stop().await;
}
