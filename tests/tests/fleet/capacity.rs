//! How much a worker takes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use backends::fleet::Error;
use protocol::{RunState, Workflow};
use serde_json::{Value, json};
use tokio::sync::watch;
use worker::{Autoscale, TimeLimits};

use crate::harness::{First, TestFleet, deed};
use crate::world::World;

pub(crate) async fn a_workers_own_limit_counts_whatever_a_task_allows_or_a_handler_asks_for(world: &World) {
    let limit = Duration::from_millis(200);
    let fleet = TestFleet::start(world, |worker| {
        worker.time_limits(TimeLimits { soft: Some(limit / 2), hard: Some(limit) }).register::<First>(deed(|ctx, _| {
            Box::pin(async move {
                ctx.extend(Duration::from_secs(3600));
                ctx.stopping().cancelled().await;
                ctx.log("info", "told to come to an end");
                std::future::pending().await
            })
        }))
    })
    .await;
    let mut flow = Workflow::named("limited");
    let _ = flow.task::<First>().timeout(Duration::from_secs(600)).retries(0).add();

    let run = fleet.run(&flow, Value::Null).await;
    let record = fleet.ends(run, RunState::Failed).await;

    let error = record.run.error.unwrap();
    assert_eq!(error.code, "timeout_hard");
    let attempt = &record.attempts[&record.run.tasks[0].id][0];
    let took = Duration::try_from(attempt.started_at.duration_until(attempt.ended_at)).unwrap();
    assert!(took >= limit && took < Duration::from_secs(20), "{took:?}");
    fleet.stop().await;
}

pub(crate) async fn the_concurrency_grows_with_the_backlog_and_not_beyond_its_maximum(world: &World) {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let open = watch::Sender::new(false);
    let (counter, peak, gate) = (Arc::clone(&running), Arc::clone(&most), open.subscribe());
    let scale = Autoscale { pace: Duration::from_millis(20), ..Autoscale::between(1, 4) };
    let fleet = TestFleet::start(world, |worker| {
        worker.autoscale(scale).register::<First>(deed(move |_, input| {
            let (counter, peak, mut gate) = (Arc::clone(&counter), Arc::clone(&peak), gate.clone());
            Box::pin(async move {
                peak.fetch_max(counter.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                gate.wait_for(|open| *open).await.unwrap();
                counter.fetch_sub(1, Ordering::SeqCst);
                Ok(input)
            })
        }))
    })
    .await;
    let mut flow = Workflow::named("single");
    let _ = flow.task::<First>().add();

    let mut runs = Vec::new();
    for n in 0..12 {
        runs.push(fleet.run(&flow, json!(n)).await);
    }
    fleet.until(runs[0], "four tasks run at once", |_| running.load(Ordering::SeqCst) == 4).await;
    open.send_replace(true);
    for run in runs {
        fleet.ends(run, RunState::Succeeded).await;
    }
    assert_eq!(most.load(Ordering::SeqCst), 4);
    fleet.stop().await;
}

pub(crate) async fn a_task_that_may_outlast_its_job_at_the_broker_is_refused_by_name(world: &World) {
    let fleet = TestFleet::start(world, |worker| worker).await;
    let second = Duration::from_secs(1);
    let limited = fleet.broker.settle_within();
    let longest = limited.unwrap_or(Duration::from_hours(9));
    let flow = |name: &str, hard: Duration| {
        let mut flow = Workflow::named(name);
        let _ = flow.task::<First>().timeout(hard).add();
        flow
    };

    fleet.fleet.register(&flow("long", longest)).await.unwrap();
    let registered = fleet.fleet.register(&flow("too-long", longest + second)).await;
    match registered {
        Err(Error::TooLong { task, hard, longest: named }) => {
            assert_eq!((task.as_str(), hard, Some(named)), ("first", longest + second, limited));
        }
        other => assert!(other.is_ok() && limited.is_none(), "{other:?}"),
    }
    fleet.stop().await;
}
