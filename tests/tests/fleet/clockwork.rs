//! Runs that start by the clock.

use backends::fleet::Fleet;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use ledger::{Misfire, RunSummary, Schedule};
use protocol::{Payload, TenantId, Workflow};
use serde_json::json;

use crate::harness::{First, TestFleet, deed};
use crate::world::World;

async fn nightly(fleet: &Fleet, misfire: Misfire, next_at: Timestamp) -> Schedule {
    let mut flow = Workflow::named("nightly");
    let _ = flow.task::<First>().add();
    fleet.register(&flow).await.unwrap();
    let schedule = Schedule {
        tenant: TenantId::default_tenant(),
        name: "nightly".to_owned(),
        workflow: flow.name,
        input: Payload::Inline(json!("from the schedule")),
        cron: "0 6 * * *".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        misfire,
        priority: 0,
        enabled: true,
        next_at: Some(next_at),
        last_at: None,
        last_run: None,
    };
    fleet.put_schedule(&schedule).await.unwrap();
    schedule
}

/// The latest time that has passed.
fn last_time() -> Timestamp {
    let cron: dispatcher::schedules::Cron = "0 6 * * *".parse().unwrap();
    let two_days_ago = Timestamp::now() - SignedDuration::from_hours(48);
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    cron.after(&zone, two_days_ago).take_while(|at| *at <= Timestamp::now()).last().unwrap()
}

async fn runs(fleet: &Fleet) -> Vec<RunSummary> {
    fleet.list(&TenantId::default_tenant(), None, 100).await.unwrap()
}

pub(crate) async fn a_schedule_starts_a_run_when_its_time_comes(world: &World) {
    let fleet =
        TestFleet::start(world, |worker| worker.register::<First>(deed(|_, input| Box::pin(async { Ok(input) }))))
            .await;
    let now = Timestamp::now();
    let due_at = Timestamp::from_second(now.as_second() + 1).unwrap();

    let schedule = nightly(&fleet.fleet, Misfire::Skip, due_at).await;
    let fired = fleet.until_fired(&schedule).await;

    assert_eq!(fired.last_at, Some(due_at));
    assert!(fired.next_at > Some(now), "{fired:?}");
    let record = fleet.ends(fired.last_run.unwrap(), protocol::RunState::Succeeded).await;
    assert_eq!(record.input, schedule.input);
    assert_eq!(runs(&fleet.fleet).await.len(), 1);
    fleet.stop().await;
}

pub(crate) async fn several_clocks_that_fire_at_once_start_one_run_for_each_time(world: &World) {
    let fleet =
        TestFleet::start(world, |worker| worker.register::<First>(deed(|_, input| Box::pin(async { Ok(input) }))))
            .await;
    let schedule = nightly(&fleet.fleet, Misfire::Once, last_time()).await;

    let now = Timestamp::now();
    let clocks: Vec<_> = (0..8)
        .map(|_| {
            let clock = fleet.fleet.clone();
            tokio::spawn(async move { dispatcher::schedules::fire_due(&clock, now).await })
        })
        .collect();
    for clock in clocks {
        clock.await.unwrap().unwrap();
    }

    let fired = fleet.until_fired(&schedule).await;
    assert_eq!(fired.last_at, Some(last_time()));
    assert_eq!(runs(&fleet.fleet).await.len(), 1);
    // The same time once more, as after a database was set back: the key of the run remembers.
    fleet.fleet.put_schedule(&schedule).await.unwrap();
    dispatcher::schedules::fire_due(&fleet.fleet, now).await.unwrap();
    let again = fleet.until_fired(&schedule).await;
    assert_eq!(again.last_run, fired.last_run);
    assert_eq!(runs(&fleet.fleet).await.len(), 1);
    fleet.stop().await;
}

pub(crate) async fn a_missed_time_is_left_out_or_made_up_for_as_the_schedule_says(world: &World) {
    let fleet =
        TestFleet::start(world, |worker| worker.register::<First>(deed(|_, input| Box::pin(async { Ok(input) }))))
            .await;
    let missed = last_time() - SignedDuration::from_hours(1);

    let skipping = nightly(&fleet.fleet, Misfire::Skip, missed).await;
    fleet.until_moved(&skipping).await;
    let skipped = runs(&fleet.fleet).await.len();
    let catching_up = nightly(&fleet.fleet, Misfire::All, missed).await;
    fleet.until_fired(&catching_up).await;

    // An hour ahead of the regular time, so that the two are different times.
    let punctual = usize::from(Timestamp::now().duration_since(last_time()) <= SignedDuration::from_mins(1));
    assert_eq!(skipped, punctual);
    assert_eq!(runs(&fleet.fleet).await.len(), 2);
    fleet.stop().await;
}
