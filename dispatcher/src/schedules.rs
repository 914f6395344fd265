//! Runs that start by the clock: which of a schedule's times are kept, and their runs.
//!
//! A schedule fires exactly once for each of its times, whoever leads: its runs and its next time are recorded in one
//! transaction that goes on only if the time is still the one that was read. The key of each run, made of the schedule and
//! the time, would refuse a second one even then.

use std::collections::VecDeque;

use backends::fleet::{Error, Fleet};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use ledger::{Firing, Misfire, NewRun, Schedule};
use metrics::counter;
use protocol::RunId;

pub mod cron;

pub use cron::{Cron, InvalidCron};

/// How late a time may be kept without counting as missed.
const PUNCTUAL: SignedDuration = SignedDuration::from_mins(1);

/// How many missed times [`Misfire::All`] makes up for.
const MADE_UP_FOR: usize = 100;

/// How far back missed times are looked for.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(31 * 24);

/// How many schedules are fired at a time.
const AT_ONCE: usize = 100;

/// Which times of a schedule are kept now, and when it is due next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The times, oldest first.
    pub kept: Vec<Timestamp>,
    /// How many are left out.
    pub left_out: u64,
    /// The next one.
    pub next_at: Option<Timestamp>,
}

impl Plan {
    /// What a schedule that was due at `due_at` does at `now`.
    #[must_use]
    pub fn make(cron: &Cron, zone: &TimeZone, misfire: Misfire, due_at: Timestamp, now: Timestamp) -> Self {
        let most = if misfire == Misfire::All { MADE_UP_FOR } else { 1 };
        let since = now.checked_sub(LOOK_BACK).map_or(due_at, |bound| bound.max(due_at));
        let mut kept = VecDeque::from([due_at]);
        let (mut left_out, mut next_at) = (0, None);
        for at in cron.after(zone, since) {
            if at > now {
                next_at = Some(at);
                break;
            }
            if kept.len() == most {
                kept.pop_front();
                left_out += 1;
            }
            kept.push_back(at);
        }
        if misfire == Misfire::Skip {
            let before = kept.len();
            kept.retain(|at| now.duration_since(*at) <= PUNCTUAL);
            left_out += (before - kept.len()) as u64;
        }
        Self { kept: kept.into(), left_out, next_at }
    }
}

/// Fires the schedules whose time has come by `now`; returns how many were due.
///
/// # Errors
/// When the ledger or the broker is away.
pub async fn fire_due(fleet: &Fleet, now: Timestamp) -> Result<usize, Error> {
    let due = fleet.due_schedules(AT_ONCE, now).await?;
    let count = due.len();
    for schedule in due {
        let firing = firing(schedule, now);
        let (name, runs) = (firing.schedule.name.clone(), firing.runs.len());
        let moved_on = Firing { runs: Vec::new(), last_at: None, ..firing.clone() };
        match fleet.fire(firing, now).await {
            Ok(Some(_)) => {
                counter!("flotilla_schedules_fired_total").increment(runs as u64);
                tracing::info!(schedule = name, runs, "a schedule fired");
            }
            Ok(None) => tracing::debug!(schedule = name, "a schedule was fired or changed by somebody else"),
            // Its runs can never be recorded like this: left due, it would be tried again and again.
            Err(Error::Ledger(error @ (ledger::Error::UnknownWorkflow(_) | ledger::Error::IdempotencyConflict(_)))) => {
                tracing::error!(schedule = name, error = %error, "a schedule could not start its runs and goes on to its next time");
                fleet.fire(moved_on, now).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// What a schedule that is due does.
fn firing(schedule: Schedule, now: Timestamp) -> Firing {
    let plan = match (schedule.cron.parse::<Cron>(), TimeZone::get(&schedule.time_zone), schedule.next_at) {
        (Ok(cron), Ok(zone), Some(due_at)) => Plan::make(&cron, &zone, schedule.misfire, due_at, now),
        // Checked when it was put; this process knows another set of time zones then.
        _ => {
            tracing::error!(
                schedule = schedule.name,
                zone = schedule.time_zone,
                "a schedule cannot be understood and rests"
            );
            Plan { kept: Vec::new(), left_out: 0, next_at: None }
        }
    };
    if plan.left_out > 0 {
        counter!("flotilla_schedules_missed_total").increment(plan.left_out);
        tracing::warn!(schedule = schedule.name, times = plan.left_out, "times of a schedule passed and are left out");
    }
    let run = |at: &Timestamp| NewRun {
        id: RunId::new(),
        tenant: schedule.tenant.clone(),
        workflow: schedule.workflow.clone(),
        input: schedule.input.clone(),
        idempotency_key: Some(format!("schedule:{}:{}", schedule.name, at.as_second())),
        priority: schedule.priority,
        notify: false,
        backend: None,
        shadow_of: None,
    };
    let runs = plan.kept.iter().map(run).collect();
    Firing { last_at: plan.kept.last().copied(), next_at: plan.next_at, runs, schedule }
}

#[cfg(test)]
mod tests;
