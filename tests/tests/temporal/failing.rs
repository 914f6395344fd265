//! Attempts that fail, and what the walk makes of it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use protocol::{RunState, TaskError, TaskState, Workflow};
use serde_json::{Value, json};
use specs::temporal::Server;
use worker::Stop;

use crate::walking::{diamond, mapped};
use crate::yard::{Join, Left, Read, Right, Split, Yard, all, deed, gives};

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_failed_is_repeated_when_the_policy_says_and_leaves_no_trace_in_the_history() {
    let server = Server::start();
    let yard = Yard::at(&server).await;
    let (attempts, delay) = (Arc::new(Mutex::new(Vec::new())), Duration::from_millis(1500));
    let noted = Arc::clone(&attempts);
    let worker = yard.worker(|builder| {
        all(builder).register::<Split>(deed(move |_| {
            let attempt = {
                let mut noted = noted.lock().unwrap();
                noted.push(Instant::now());
                noted.len()
            };
            Box::pin(async move {
                if attempt < 3 { Err(TaskError::transient("flaky", "not yet").into()) } else { Ok(Value::Null) }
            })
        }))
    });
    let mut flow = diamond();
    let policy = &mut flow.tasks[0].retry;
    (policy.max_attempts, policy.base, policy.factor, policy.jitter) = (3, delay, 1.0, 0.0);
    let run = yard.start(&flow).await;
    yard.ends(run, RunState::Succeeded).await;
    let attempts = attempts.lock().unwrap().clone();
    assert_eq!(attempts.len(), 3);
    for two in attempts.windows(2) {
        let between = two[1] - two[0];
        assert!(between >= delay && between < delay * 3, "{between:?} between two attempts");
    }
    assert_eq!(server.events(run, "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED").len(), 4, "one activity a task");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snooze_holds_no_worker_and_ends_when_it_said() {
    let server = Server::start();
    let yard = Yard::at(&server).await;
    let worker = yard.worker(|builder| {
        all(builder).register::<Split>(deed(|ctx| {
            let again = Stop::Snooze { after: Duration::from_secs(1), state: json!("asked") };
            let ended = if ctx.state() == &json!("asked") { Ok(Value::Null) } else { Err(again) };
            Box::pin(async { ended })
        }))
    });
    let run = yard.start(&diamond()).await;
    yard.ends(run, RunState::Succeeded).await;
    let split = yard.task(run, "split").await;
    assert_eq!((split.attempt, split.failures), (2, 0));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_is_repeated_in_no_time_if_the_policy_says_so() {
    let server = Server::start();
    let yard = Yard::at(&server).await;
    let worker = yard.worker(|builder| {
        all(builder).register::<Split>(deed(|ctx| {
            let first = ctx.job().attempt == 1;
            Box::pin(async move {
                if first { Err(TaskError::transient("flaky", "not yet").into()) } else { Ok(Value::Null) }
            })
        }))
    });
    let mut flow = diamond();
    let policy = &mut flow.tasks[0].retry;
    (policy.base, policy.jitter) = (Duration::from_millis(1), 0.0);
    let run = yard.start(&flow).await;
    yard.ends(run, RunState::Succeeded).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_failed_task_everything_is_skipped_and_other_branches_end() {
    let server = Server::start();
    let yard = Yard::at(&server).await;
    let worker = yard.worker(|builder| {
        all(builder).register::<Left>(deed(|_| {
            Box::pin(async { Err(TaskError::permanent("unreadable", "the page is torn").into()) })
        }))
    });
    let run = yard.start(&diamond()).await;
    yard.ends(run, RunState::Failed).await;
    for (task, state) in [("left", TaskState::Failed), ("right", TaskState::Succeeded), ("join", TaskState::Skipped)] {
        assert_eq!(yard.task(run, task).await.state, state, "{task}");
    }
    let failed = server.events(run, "EVENT_TYPE_ACTIVITY_TASK_FAILED");
    let failure = &failed[0]["activityTaskFailedEventAttributes"]["failure"];
    assert_eq!(failure["message"], "the page is torn");
    assert_eq!(failure["applicationFailureInfo"]["type"], "unreadable");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_failure_that_is_tolerated_the_walk_goes_on() {
    let server = Server::start();
    let yard = Yard::at(&server).await;
    let worker = yard.worker(|builder| {
        all(builder).register::<Left>(deed(|_| {
            Box::pin(async { Err(TaskError::permanent("unreadable", "the page is torn").into()) })
        }))
    });
    let mut flow = Workflow::named("tolerant");
    let left = flow.task::<Left>().tolerate_failure().add();
    let _right = flow.task::<Right>().after(&left).add();
    let run = yard.start(&flow).await;
    yard.ends(run, RunState::Succeeded).await;
    assert_eq!(yard.task(run, "left").await.state, TaskState::Failed);
    assert_eq!(yard.task(run, "right").await.state, TaskState::Succeeded);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_children_of_a_task_that_failed_with_one_of_them_are_not_walked_any_more() {
    let server = Server::start();
    let yard = Yard::at(&server).await;
    let items: Vec<u32> = (0..600).collect();
    let worker = yard.worker(|builder| {
        let builder = all(builder).register::<Split>(gives(json!(items)));
        builder.register::<Read>(deed(|_| {
            Box::pin(async { Err(TaskError::permanent("unreadable", "the page is torn").into()) })
        }))
    });
    let run = yard.start(&mapped()).await;
    yard.ends(run, RunState::Failed).await;
    assert_eq!(yard.task(run, "join").await.state, TaskState::Skipped);
    let walked = server.events(run, "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED").len();
    assert!(walked < 500, "{walked} turns for 600 children, of which the first failed");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_mapped_over_what_is_no_list_fails_by_itself() {
    let server = Server::start();
    let yard = Yard::at(&server).await;
    let worker = yard
        .worker(|builder| all(builder).register::<Split>(gives(json!("no list"))).register::<Join>(gives(Value::Null)));
    let run = yard.start(&mapped()).await;
    yard.ends(run, RunState::Failed).await;
    assert_eq!(yard.task(run, "read").await.error.unwrap().code, "not_a_list");
    worker.stop().await;
}
