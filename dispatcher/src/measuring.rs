//! What only the leader measures: how full the queues are, and what has waited longest.

use std::collections::BTreeSet;
use std::time::Duration;

use backends::fleet::{Error, Fleet, QUEUES};
use jiff::Timestamp;
use metrics::gauge;
use protocol::TenantId;
use tokio::time::{Instant, interval, sleep};

/// How often it is measured.
const EVERY: Duration = Duration::from_secs(5);

/// What a long backlog makes expensive is measured less often: it takes a hundredth of the time at most.
const SHARE: u32 = 100;

/// Of how many tenants the wait for admission is shown: those that wait longest.
const TENANTS: usize = 20;

/// Measures for as long as it is polled.
pub(crate) async fn run(fleet: &Fleet) {
    tokio::join!(depths(fleet), waits(fleet));
}

/// Asks the broker alone, so that it is told also while the ledger is away.
async fn depths(fleet: &Fleet) {
    let mut timer = interval(EVERY);
    let mut queues: BTreeSet<String> = QUEUES.map(str::to_owned).into();
    loop {
        timer.tick().await;
        // Those that workflows name come from the ledger; while it is away, those that are known already will do.
        if let Ok(names) = fleet.queue_names().await {
            queues = names;
        }
        for queue in &queues {
            match fleet.waiting(queue).await {
                #[expect(clippy::cast_precision_loss, reason = "a gauge; queues stay far below 2^53 messages")]
                Ok(waiting) => gauge!("flotilla_queue_depth", "queue" => queue.clone()).set(waiting as f64),
                Err(error) => tracing::debug!(error = %error, queue, "a queue could not be measured"),
            }
        }
    }
}

/// Asks the ledger, which is exact.
async fn waits(fleet: &Fleet) {
    let mut tenants = BTreeSet::new();
    loop {
        let began = Instant::now();
        if let Err(error) = oldest(fleet).await {
            tracing::debug!(error = %error, "the age of waiting jobs could not be measured");
        }
        if let Err(error) = admission(fleet, &mut tenants).await {
            tracing::debug!(error = %error, "the wait for admission could not be measured");
        }
        sleep(EVERY.max(began.elapsed() * SHARE)).await;
    }
}

async fn oldest(fleet: &Fleet) -> Result<(), Error> {
    let backlog = fleet.backlog().await?;
    let work = protocol::workflow::queues::WORK.map(str::to_owned);
    for queue in backlog.keys().cloned().chain(work).collect::<BTreeSet<_>>() {
        let oldest = backlog.get(&queue).and_then(|backlog| backlog.oldest);
        gauge!("flotilla_queue_oldest_age_seconds", "queue" => queue).set(oldest.map_or(0.0, age));
    }
    Ok(())
}

/// A tenant that was shown and waits no more is shown without a wait.
async fn admission(fleet: &Fleet, shown: &mut BTreeSet<TenantId>) -> Result<(), Error> {
    let lag = |tenant: &TenantId| gauge!("flotilla_admission_lag_seconds", "tenant" => tenant.to_string());
    let waiting = fleet.longest_queued(TENANTS).await?;
    let names: BTreeSet<TenantId> = waiting.iter().map(|(tenant, _)| tenant.clone()).collect();
    for tenant in shown.difference(&names) {
        lag(tenant).set(0.0);
    }
    for (tenant, since) in &waiting {
        lag(tenant).set(age(*since));
    }
    *shown = names;
    Ok(())
}

fn age(since: Timestamp) -> f64 {
    since.duration_until(Timestamp::now()).as_secs_f64().max(0.0)
}
