//! Who waits how long when one tenant has queued a crowd.
//!
//! The real ledger admits; the fleet is a number of slots, each of which takes one run and is free again one service
//! time later. So a wait is counted in service times and the machine's speed does not matter. Every run ends on record,
//! as it would in a fleet, so that the accounts of the tenants move as they do there.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use ledger::{Ledger, NewRun};
use protocol::message::WIRE_VERSION;
use protocol::{Callback, Job, Outcome, Payload, RunId, TenantId};
use serde::Serialize;
use specs::Berth;

use crate::fleet::tasks::{Kind, workflow};

/// The tenant with the crowd.
const CROWD: &str = "crowd";

/// Runs of one submission.
const FILL: u32 = 1_000;

/// Who has queued how much, and how much fits into the fleet.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Scene {
    /// Runs of the one big tenant, queued before anybody else comes.
    pub crowd: u32,
    /// Small tenants that come after it, all at once.
    pub tenants: u32,
    /// Runs of each.
    pub each: u32,
    /// Runs that are under way at a time.
    pub slots: u32,
}

/// What came out, in service times.
#[derive(Clone, Debug, Serialize)]
pub struct Fairness {
    /// What was measured.
    pub scene: Scene,
    /// The longest that a small tenant waited for its first run.
    pub first_worst: u32,
    /// 95 of 100 runs of small tenants waited at most that long.
    pub p95: u32,
    /// What that would be if everybody were served in order of arrival.
    pub p95_in_order: u32,
    /// The least of Jain's index over the tenants, taken after every round while all of them had work; 1 is equal.
    pub jain: f64,
}

/// Queues everything, then serves it round by round until the small tenants have everything.
///
/// # Errors
/// When Postgres fails.
pub async fn measure(scene: Scene) -> anyhow::Result<Fairness> {
    let berth = Berth::take();
    ledger::postgres::migrate(&berth.database().config()).await?;
    let ledger = berth.database().connect().await?;
    ledger.register(&workflow(Kind::Task)).await?;
    queue(&ledger, CROWD, scene.crowd).await?;
    // The crowd fills the fleet before the others come.
    let mut under_way = ledger.admit(scene.slots as usize, Timestamp::now()).await?;
    for tenant in 0..scene.tenants {
        queue(&ledger, &format!("small-{tenant}"), scene.each).await?;
    }
    let mut served: BTreeMap<TenantId, u32> = BTreeMap::new();
    let (mut waits, mut first_worst, mut jain) = (Vec::new(), 0, 1.0_f64);
    let all = (scene.tenants * scene.each) as usize;
    for round in 1.. {
        ledger.record(under_way.iter().map(done).collect(), Timestamp::now()).await?;
        under_way = ledger.admit(scene.slots as usize, Timestamp::now()).await?;
        ensure!(!under_way.is_empty(), "the queue ran dry with {} of {all} small runs served", waits.len());
        for job in &under_way {
            let of_tenant = served.entry(job.tenant.clone()).or_insert(0);
            *of_tenant += 1;
            if job.tenant.as_str() != CROWD {
                waits.push(round);
                first_worst = if *of_tenant == 1 { first_worst.max(round) } else { first_worst };
            }
        }
        if waits.len() == all {
            break;
        }
        let everybody_waits = served.iter().all(|(tenant, runs)| tenant.as_str() == CROWD || *runs < scene.each);
        if everybody_waits && served.len() == scene.tenants as usize + 1 {
            jain = jain.min(index(served.values().copied()));
        }
    }
    waits.sort_unstable();
    // The smallest that 95 of a hundred do not exceed.
    let p95 = *waits.get((waits.len() * 95).div_ceil(100).saturating_sub(1)).context("nobody waited")?;
    let before = scene.crowd + scene.tenants * scene.each * 95 / 100;
    Ok(Fairness { scene, first_worst, p95, p95_in_order: before / scene.slots, jain })
}

/// Jain's index: 1 when all have the same, 1/n when one has everything.
fn index(shares: impl Iterator<Item = u32>) -> f64 {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for share in shares {
        count += 1.0;
        sum += f64::from(share);
        squares += f64::from(share).powi(2);
    }
    if squares > 0.0 { sum * sum / (count * squares) } else { 1.0 }
}

async fn queue(ledger: &dyn Ledger, tenant: &str, runs: u32) -> anyhow::Result<()> {
    let tenant = TenantId::try_from(tenant.to_owned())?;
    let mut left = runs;
    while left > 0 {
        let now = left.min(FILL);
        let run = |_| NewRun {
            id: RunId::new(),
            tenant: tenant.clone(),
            workflow: Kind::Task.as_str().to_owned(),
            input: Payload::Inline(serde_json::Value::Null),
            idempotency_key: None,
            priority: 0,
            notify: false,
            backend: None,
            shadow_of: None,
        };
        ledger.submit((0..now).map(run).collect(), Timestamp::now()).await?;
        left -= now;
    }
    Ok(())
}

/// The end of a job, as a worker reports it.
fn done(job: &Job) -> Callback {
    let now = Timestamp::now();
    Callback {
        v: WIRE_VERSION,
        run_id: job.run_id,
        task_run_id: job.task_run_id,
        attempt: job.attempt,
        worker: "bench".to_owned(),
        outcome: Outcome::Done { output: Payload::Inline(serde_json::Value::Null), fan_out: None },
        started_at: now,
        ended_at: now,
        usage: protocol::answer::Usage::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::index;

    #[test]
    fn the_index_is_one_among_equals_and_one_of_n_for_one_who_has_all() {
        assert!((index([3, 3, 3].into_iter()) - 1.0).abs() < 1e-9);
        assert!((index([9, 0, 0].into_iter()) - 1.0 / 3.0).abs() < 1e-9);
    }
}
