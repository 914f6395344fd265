//! Subscriptions on record, and what became of them.
//!
//! What became of them is kept as well as it can be without holding anything up: a count may miss events that several
//! dispatchers took at the same moment. What was started is in the runs.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use ledger::records::{Expected, Page, Record, Stored};
use ledger::{Error, Ledger};
use protocol::shape::Problems;
use protocol::{RunId, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::subscription::Subscription;

const KIND: &str = "subscription";
const ACTIVITY: &str = "subscription_activity";

/// Most subscriptions of a tenant: every event is held against each of them.
pub const MOST: usize = 100;

/// How often a count is tried again when somebody else counted meanwhile.
const TRIES: usize = 5;

/// Knows the subscriptions.
#[derive(Clone)]
pub struct Store {
    ledger: Arc<dyn Ledger>,
}

/// A subscription on record.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// Unique among those of its tenant.
    pub name: String,
    /// What it says.
    pub subscription: Subscription,
    /// When it was first put.
    pub created_at: Timestamp,
    /// When it was last put.
    pub updated_at: Timestamp,
}

/// What became of a subscription so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Activity {
    /// Events that it was about.
    pub events: u64,
    /// Runs that they started.
    pub started: u64,
    /// Events that had started their run before.
    pub repeated: u64,
    /// Events that could start nothing.
    pub refused: u64,
    /// When the last of the events came.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_event_at: Option<Timestamp>,
    /// Its id.
    pub last_event_id: Option<String>,
    /// The last run that was started.
    #[schema(value_type = Option<String>)]
    pub last_run: Option<RunId>,
    /// Why an event could start nothing, the last time.
    pub last_refusal: Option<String>,
}

impl Activity {
    fn add(self, more: &Self) -> Self {
        Self {
            events: self.events.saturating_add(more.events),
            started: self.started.saturating_add(more.started),
            repeated: self.repeated.saturating_add(more.repeated),
            refused: self.refused.saturating_add(more.refused),
            last_event_at: more.last_event_at.max(self.last_event_at),
            last_event_id: more.last_event_id.clone().or(self.last_event_id),
            last_run: more.last_run.or(self.last_run),
            last_refusal: more.last_refusal.clone().or(self.last_refusal),
        }
    }
}

impl Store {
    /// The subscriptions that this ledger keeps.
    #[must_use]
    pub fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger }
    }

    /// A tenant's subscriptions, by name. One that cannot be read, because another version wrote it, is left out: it must not
    /// stop the others.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn list(&self, tenant: &TenantId) -> Result<Vec<Kept>, Error> {
        let found = self.ledger.records(KIND, Some(tenant), &Page::first(MOST)).await?;
        let readable = found.into_iter().filter_map(|stored| {
            read(stored)
                .inspect_err(|error| tracing::error!(error = %error, %tenant, "a subscription cannot be read and starts nothing"))
                .ok()
        });
        Ok(readable.collect())
    }

    /// A subscription, if that tenant has it.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn one(&self, tenant: &TenantId, name: &str) -> Result<Option<Kept>, Error> {
        self.ledger.record_of(KIND, tenant, name).await?.map(read).transpose()
    }

    /// Records a subscription, or replaces the one of that name; says whether it is new.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn put(&self, tenant: &TenantId, name: &str, subscription: &Subscription) -> Result<bool, Error> {
        let record = record(KIND, tenant, name, subscription.shown.clone());
        Ok(self.ledger.put_record(&record, Expected::Anything, Timestamp::now()).await? == Some(1))
    }

    /// Removes a subscription; says whether there was one.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn remove(&self, tenant: &TenantId, name: &str) -> Result<bool, Error> {
        let removed = self.ledger.remove_record(KIND, tenant, name).await?;
        self.ledger.remove_record(ACTIVITY, tenant, name).await?;
        Ok(removed)
    }

    /// What became of a tenant's subscriptions, by name.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn activities(&self, tenant: &TenantId) -> Result<HashMap<String, Activity>, Error> {
        let found = self.ledger.records(ACTIVITY, Some(tenant), &Page::first(MOST)).await?;
        found.into_iter().map(|stored| Ok((stored.id.clone(), activity(&stored)?))).collect()
    }

    /// What became of one of them.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn activity(&self, tenant: &TenantId, name: &str) -> Result<Activity, Error> {
        let found = self.ledger.record_of(ACTIVITY, tenant, name).await?;
        found.as_ref().map_or_else(|| Ok(Activity::default()), activity)
    }

    /// Adds to what became of a subscription.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn note(&self, tenant: &TenantId, name: &str, more: &Activity) -> Result<(), Error> {
        for _ in 0..TRIES {
            let found = self.ledger.record_of(ACTIVITY, tenant, name).await?;
            let expected = found.as_ref().map_or(Expected::Nothing, |stored| Expected::Revision(stored.revision));
            let before = found.as_ref().map_or_else(|| Ok(Activity::default()), activity)?;
            let record = record(ACTIVITY, tenant, name, json!(before.add(more)));
            if self.ledger.put_record(&record, expected, Timestamp::now()).await?.is_some() {
                return Ok(());
            }
        }
        tracing::debug!(subscription = name, "somebody else counted all the time; these events are not counted");
        Ok(())
    }
}

fn record(kind: &'static str, tenant: &TenantId, name: &str, body: Value) -> Record {
    Record { kind, tenant: tenant.clone(), id: name.to_owned(), lookup: None, body }
}

fn read(stored: Stored) -> Result<Kept, Error> {
    let mut problems = Problems::default();
    match Subscription::read(stored.body, &mut problems) {
        Some(subscription) => {
            let (created_at, updated_at) = (stored.created_at, stored.updated_at);
            Ok(Kept { name: stored.id, subscription, created_at, updated_at })
        }
        None => Err(corrupt(format!("{:?}: {:?}", stored.id, problems.into_list()))),
    }
}

fn activity(stored: &Stored) -> Result<Activity, Error> {
    Activity::deserialize(&stored.body).map_err(|error| corrupt(error.to_string()))
}

fn corrupt(detail: String) -> Error {
    Error::Corrupt { what: "subscription", detail }
}

#[cfg(test)]
mod tests {
    use ledger::sqlite::SqliteLedger;

    use super::*;

    #[tokio::test]
    async fn what_became_of_a_subscription_adds_up_and_goes_with_it() {
        let store = Store::new(Arc::new(SqliteLedger::in_memory().await.unwrap()));
        let acme: TenantId = "acme".parse().unwrap();
        let body = json!({ "types": ["a"], "workflow": "w" });
        let subscription = Subscription::read(body, &mut Problems::default()).unwrap();
        assert!(store.put(&acme, "s", &subscription).await.unwrap());
        assert!(!store.put(&acme, "s", &subscription).await.unwrap());
        let run = RunId::new();
        let (first, second) = (Timestamp::UNIX_EPOCH, Timestamp::now());
        let started =
            Activity { events: 2, started: 2, last_event_at: Some(second), last_run: Some(run), ..Activity::default() };
        let refused = Activity { events: 1, refused: 1, last_event_at: Some(first), ..Activity::default() };
        store.note(&acme, "s", &started).await.unwrap();
        store.note(&acme, "s", &refused).await.unwrap();
        let expected = Activity { events: 3, started: 2, refused: 1, ..started };
        assert_eq!(store.activity(&acme, "s").await.unwrap(), expected);
        assert_eq!(store.activities(&acme).await.unwrap()["s"], expected);
        let other: TenantId = "other".parse().unwrap();
        assert_eq!(store.one(&other, "s").await.unwrap(), None);
        assert!(store.remove(&acme, "s").await.unwrap());
        assert_eq!(store.activity(&acme, "s").await.unwrap(), Activity::default());
    }
}
