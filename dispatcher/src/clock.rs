//! Keeps time for every run: releases what is queued, fires timers, deadlines and schedules, sweeps the outbox.

use std::time::Duration;

use backends::fleet::{Error, Fleet};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::schedules;

/// The longest time between two turns: how late a timer set by another process may fire.
const TURN: Duration = Duration::from_millis(250);

/// How long a released job may be unpublished before the sweeper takes it for lost between commit and publish.
const STRANDED: Duration = Duration::from_secs(2);

/// Takes turns until `shutdown`. A turn that fails is repeated; everything it does is safe to repeat.
pub async fn run(fleet: Fleet, shutdown: CancellationToken) {
    let mut failing = false;
    loop {
        match turn(&fleet).await {
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
            () = tokio::time::sleep(until_next(&fleet).await) => {}
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
