//! Deliveries to an endpoint: what became of them, and how its owner starts others. Each is a run of [`DELIVERY`] under a
//! key that ends in its endpoint.

use backends::fleet::{self, Fleet};
use jiff::Timestamp;
use ledger::{NewRun, RunFilter, RunRecord, Submitted};
use protocol::webhooks::{DELIVERY, Delivered, Delivery, EventType};
use protocol::{Payload, RunId, TaskState, TenantId};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

/// A delivery as it is recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// What is delivered.
    pub message: Delivery,
    /// How that goes.
    pub record: RunRecord,
}

impl Kept {
    fn of(record: RunRecord) -> Option<Self> {
        // Messages are small: none is stored apart from its run.
        let Payload::Inline(input) = &record.input else { return None };
        Some(Self { message: Delivery::deserialize(input).ok()?, record })
    }

    /// What the endpoint answered, once it took the message.
    #[must_use]
    pub fn answer(&self) -> Option<Delivered> {
        match self.record.run.tasks.first()?.output.as_ref()? {
            Payload::Inline(output) => Delivered::deserialize(output).ok(),
            Payload::Artifact(_) => None,
        }
    }

    /// When it is tried again, while it waits for that.
    #[must_use]
    pub fn next_attempt_at(&self) -> Option<Timestamp> {
        self.record.run.tasks.first().filter(|task| task.state == TaskState::Waiting)?.due_at
    }
}

/// A delivery that is to be started for a tenant; `None` when it cannot be written. `why` sets it apart from others to the
/// same endpoint: within a tenant it is started at most once.
#[must_use]
pub(super) fn order(tenant: &TenantId, message: &Delivery, why: &str) -> Option<NewRun> {
    Some(NewRun {
        id: RunId::new(),
        tenant: tenant.deliveries(),
        workflow: DELIVERY.to_owned(),
        input: Payload::Inline(serde_json::to_value(message).ok()?),
        idempotency_key: Some(format!("webhook:{why}{}", suffix(&message.endpoint))),
        priority: 0,
        notify: false,
        backend: None,
        shadow_of: None,
    })
}

/// What the keys of an endpoint's deliveries end in. No id of an endpoint has a colon.
fn suffix(endpoint: &str) -> String {
    format!(":{endpoint}")
}

/// Sends an endpoint a message about nothing, to try it.
///
/// # Errors
/// When the ledger is away.
pub async fn ping(fleet: &Fleet, tenant: &TenantId, endpoint: &str) -> Result<Option<Submitted>, fleet::Error> {
    let id = Uuid::now_v7().simple();
    let message = Delivery {
        endpoint: endpoint.to_owned(),
        event_id: format!("evt_{id}"),
        event_type: EventType::Ping,
        timestamp: Timestamp::now(),
        data: json!({ "endpoint": endpoint }),
    };
    start(fleet, tenant, &message, &format!("ping-{id}")).await
}

/// Sends a message again, under the id that it had.
///
/// # Errors
/// When the ledger is away.
pub async fn replay(fleet: &Fleet, tenant: &TenantId, message: &Delivery) -> Result<Option<Submitted>, fleet::Error> {
    start(fleet, tenant, message, &format!("replay-{}", Uuid::now_v7().simple())).await
}

async fn start(
    fleet: &Fleet,
    tenant: &TenantId,
    message: &Delivery,
    why: &str,
) -> Result<Option<Submitted>, fleet::Error> {
    let runs = order(tenant, message, why).into_iter().collect();
    Ok(fleet.start(runs).await?.pop())
}

/// A delivery to that endpoint, if there is such a one.
///
/// # Errors
/// When the ledger is away.
pub async fn find(fleet: &Fleet, tenant: &TenantId, endpoint: &str, run: RunId) -> Result<Option<Kept>, fleet::Error> {
    let found = fleet.status(&tenant.deliveries(), run).await?;
    Ok(found.and_then(Kept::of).filter(|kept| kept.message.endpoint == endpoint))
}

/// Deliveries to an endpoint, the newest first, a page of them behind `before`; and the last of them, when there are more.
///
/// # Errors
/// When the ledger is away.
pub async fn page(
    fleet: &Fleet,
    tenant: &TenantId,
    endpoint: &str,
    before: Option<RunId>,
    limit: usize,
) -> Result<(Vec<Kept>, Option<RunId>), fleet::Error> {
    let deliveries = tenant.deliveries();
    let filter =
        RunFilter { workflow: Some(DELIVERY.to_owned()), key_suffix: Some(suffix(endpoint)), ..RunFilter::all() };
    let found = fleet.find(&deliveries, &filter, before, limit).await?;
    let mut page = Vec::with_capacity(found.runs.len());
    for run in found.runs {
        // Retention may have come in between.
        page.extend(fleet.status(&deliveries, run.id).await?.and_then(Kept::of));
    }
    Ok((page, found.next))
}
