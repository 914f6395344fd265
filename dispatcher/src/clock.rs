//! Keeps time for every run: releases what is queued, fires timers, deadlines and schedules, sweeps the outbox, looks for
//! lost jobs, and ends what waits for a message that became poison.

use std::time::Duration;

use backends::fleet::{Error, Fleet, Lost, Strays, Told};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::schedules;

/// The longest time between two turns: how late a timer set by another process may fire.
const TURN: Duration = Duration::from_millis(250);

/// How long a released job may be unpublished before the sweeper takes it for lost between commit and publish.
const STRANDED: Duration = Duration::from_secs(2);

/// Between two looks for jobs that the broker has lost.
const LOOK: Duration = Duration::from_secs(3);

/// Between two looks whether other backends still have their runs.
const ELSEWHERE: Duration = Duration::from_secs(10);

/// How often to ask whether there are new dead letters.
const BURIALS: Duration = Duration::from_secs(1);

/// Takes turns until `shutdown`. A turn that fails is repeated; everything it does is safe to repeat.
pub async fn run(fleet: Fleet, shutdown: CancellationToken) {
    // Beside each other: asking a broker that is away takes its time, and timers do not wait for that.
    let watching = async {
        tokio::join!(look_for_lost(&fleet), watch_for_poison(&fleet), look_elsewhere(&fleet));
    };
    tokio::select! {
        () = keep_time(&fleet, &shutdown) => {}
        () = watching => {}
    }
}

async fn look_for_lost(fleet: &Fleet) {
    let mut lost = Lost::default();
    loop {
        tokio::time::sleep(LOOK).await;
        if let Err(error) = lost.look(fleet, Timestamp::now()).await {
            tracing::debug!(error = %error, "lost jobs could not be looked for");
        }
    }
}

async fn look_elsewhere(fleet: &Fleet) {
    let mut strays = Strays::default();
    loop {
        tokio::time::sleep(ELSEWHERE).await;
        if let Err(error) = fleet.look_elsewhere(&mut strays, Timestamp::now()).await {
            tracing::warn!(error = %error, "runs on other backends could not be looked for");
        }
    }
}

async fn watch_for_poison(fleet: &Fleet) {
    let mut told = Told::default();
    let mut timer = tokio::time::interval(BURIALS);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        if let Err(error) = fleet.fail_poisoned(&mut told).await {
            tracing::warn!(error = %error, "dead letters could not be looked at; it is tried again");
        }
    }
}

async fn keep_time(fleet: &Fleet, shutdown: &CancellationToken) {
    let mut failing = false;
    loop {
        match turn(fleet).await {
            Ok(()) if failing => {
                failing = false;
                tracing::info!("the dispatcher is back at work");
            }
            Ok(()) => {}
            Err(error) if failing => tracing::debug!(error = %error, "the dispatcher still cannot work"),
            Err(error) => {
                failing = true;
                tracing::error!(error = %error, source = ?std::error::Error::source(&error), "the dispatcher cannot work and keeps trying");
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(until_next(fleet).await) => {}
        }
    }
}

async fn turn(fleet: &Fleet) -> Result<(), Error> {
    while fleet.fire_due().await? > 0 {}
    while schedules::fire_due(fleet, Timestamp::now()).await? > 0 {}
    while fleet.admit().await? > 0 {}
    while fleet.sweep_outbox(STRANDED).await? > 0 {}
    Ok(())
}

async fn until_next(fleet: &Fleet) -> Duration {
    match fleet.next_due().await {
        Ok(Some(due)) => {
            let wait = Timestamp::now().duration_until(due);
            Duration::try_from(wait).map_or(Duration::ZERO, |wait| wait.min(TURN))
        }
        Ok(None) | Err(_) => TURN,
    }
}
