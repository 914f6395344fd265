//! Tells tenants about the ends of their runs: starts a delivery per run and endpoint, each with all the retries, limits and
//! records of any other run.
//!
//! A run that ended carries a mark until its deliveries are started. Whoever dies in between leaves the mark, and the next
//! leader starts them again under the same keys, which starts none twice.

use std::collections::HashMap;
use std::time::Duration;

use backends::fleet::{self, Fleet};
use ledger::{NewRun, Notice};
use metrics::counter;
use protocol::webhooks::{Delivery, EventType};
use protocol::{RunId, TenantId};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Error, Subscription, Webhooks, deliveries};

/// How often to ask whether runs have ended that somebody wants to be told about.
const TURN: Duration = Duration::from_millis(250);

/// How many ends are told at a time.
const AT_ONCE: usize = 100;

/// Telling failed, and will be tried again.
#[derive(Debug, thiserror::Error)]
pub enum Untold {
    /// The ledger or the broker is away.
    #[error(transparent)]
    Fleet(#[from] fleet::Error),
    /// The endpoints cannot be read.
    #[error(transparent)]
    Endpoints(#[from] Error),
}

/// Takes turns until `shutdown`. A turn that fails is repeated; everything it does is safe to repeat.
pub async fn run(fleet: Fleet, webhooks: Webhooks, shutdown: CancellationToken) {
    let mut timer = tokio::time::interval(TURN);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = timer.tick() => {}
        }
        loop {
            match tell(&fleet, &webhooks).await {
                Ok(0) => failing = false,
                Ok(_) => continue,
                Err(error) if failing => {
                    tracing::debug!(error = %error, "tenants still cannot be told about their runs")
                }
                Err(error) => {
                    failing = true;
                    tracing::warn!(error = %error, "tenants cannot be told about their runs; it is tried again");
                }
            }
            break;
        }
    }
}

/// Starts the deliveries about runs that ended, at most a hundred runs at a time; returns about how many.
///
/// # Errors
/// [`Untold`]
pub async fn tell(fleet: &Fleet, webhooks: &Webhooks) -> Result<usize, Untold> {
    let notices = fleet.notices(AT_ONCE).await?;
    if notices.is_empty() {
        return Ok(0);
    }
    let mut endpoints: HashMap<TenantId, Vec<Subscription>> = HashMap::new();
    for notice in &notices {
        if !endpoints.contains_key(&notice.tenant) {
            endpoints.insert(notice.tenant.clone(), webhooks.subscriptions(&notice.tenant).await?);
        }
    }
    let wanted = notices.iter().flat_map(|notice| told_of(notice, &endpoints[&notice.tenant])).collect();
    let started = start(fleet, wanted).await?;
    counter!("flotilla_webhooks_started_total").increment(started);
    let told: Vec<RunId> = notices.iter().map(|notice| notice.run).collect();
    fleet.clear_notices(&told).await?;
    Ok(told.len())
}

/// Starts runs; returns how many are new.
async fn start(fleet: &Fleet, deliveries: Vec<NewRun>) -> Result<u64, fleet::Error> {
    if deliveries.is_empty() {
        return Ok(0);
    }
    let created = |submitted: Vec<ledger::Submitted>| submitted.iter().filter(|one| one.created).count() as u64;
    match fleet.start(deliveries.clone()).await {
        Ok(submitted) => Ok(created(submitted)),
        // An earlier version of this program told about the same end in other words. What it started counts.
        Err(fleet::Error::Ledger(ledger::Error::IdempotencyConflict(_))) => {
            let mut started = 0;
            for delivery in deliveries {
                match fleet.start(vec![delivery]).await {
                    Ok(submitted) => started += created(submitted),
                    Err(fleet::Error::Ledger(ledger::Error::IdempotencyConflict(_))) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(started)
        }
        Err(error) => Err(error),
    }
}

/// A delivery for each endpoint that wants to hear of it.
fn told_of<'a>(notice: &'a Notice, endpoints: &'a [Subscription]) -> impl Iterator<Item = NewRun> + 'a {
    let event = EventType::of(notice.state);
    let wanting = event.into_iter().flat_map(|event| {
        endpoints.iter().filter(move |endpoint| endpoint.wants(event)).map(move |endpoint| (event, endpoint))
    });
    wanting.filter_map(|(event_type, endpoint)| {
        let delivery = Delivery {
            endpoint: endpoint.id.clone(),
            event_id: Delivery::event_id(notice.run),
            event_type,
            timestamp: notice.ended_at,
            data: data(notice),
        };
        deliveries::order(&notice.tenant, &delivery, &notice.run.to_string())
    })
}

/// What is told about a run: where it stands and where to read more, nothing of the document.
fn data(notice: &Notice) -> serde_json::Value {
    let status_url = format!("/api/v1/runs/{}", notice.run);
    json!({
        "run_id": notice.run,
        "workflow": notice.workflow,
        "status": notice.state,
        "error_code": notice.error.as_ref().map(|error| &error.code),
        "created_at": notice.created_at,
        "started_at": notice.started_at,
        "ended_at": notice.ended_at,
        "result_url": format!("{status_url}/result"),
        "status_url": status_url,
    })
}
