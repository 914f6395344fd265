//! What events start is started, each at most once.
//!
//! The key of a run follows from its subscription and its event, so that whoever sends the same again, because an answer was
//! lost or only a part could be started, gets the runs that there are and starts those that are missing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use backends::fleet::{self, Fleet};
use jiff::Timestamp;
use ledger::Error::IdempotencyConflict;
use objects::Objects;
use protocol::{RunId, TenantId};
use tokio::task::JoinSet;

use super::event::Event;
use super::plan::{self, Plan, Planned};
use super::store::{Activity, Kept};
use super::template::Room;
use crate::imports::Imports;
use crate::remote::RemoteError;
use crate::submission::{self, Desk, Order};

/// Most runs that one call starts.
pub const MOST: usize = 1_000;

/// How many documents are taken in at a time.
const DOCUMENTS_AT_ONCE: usize = 4;

/// How much is made of the events of one call, in bytes of memory.
const ROOM: usize = 64 * 1024 * 1024;

/// How often runs are tried again when somebody else has just started some of them.
const TRIES: usize = 3;

/// Starts runs.
#[derive(Clone)]
pub struct Starter {
    /// Takes documents and orders in.
    pub desk: Desk,
    /// Knows which keys started what.
    pub fleet: Fleet,
    /// Where documents lie.
    pub objects: Arc<dyn Objects>,
    /// Which of them tenants may have read.
    pub imports: Imports,
    /// How documents at addresses are reached.
    pub way_out: outbound::Client,
    /// Largest document that is taken in, in bytes.
    pub most_bytes: u64,
}

/// An event that a subscription is about, by their places in what was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The event.
    pub event: usize,
    /// The subscription.
    pub subscription: usize,
    key: String,
}

impl Match {
    /// The idempotency key of what it starts.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// What became of a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is a run.
    Run {
        /// That run.
        id: RunId,
        /// Whether this call started it.
        created: bool,
    },
    /// The event cannot start anything, however often it is sent.
    Refused(Refusal),
}

/// Why an event cannot start anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Stable, for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub detail: String,
}

impl Refusal {
    /// With that code and sentence.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

/// Something is away. What was started stays started; sending the same again starts the rest.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A run could not be recorded.
    #[error("a run could not be started")]
    Submission(#[from] submission::Error),
    /// The ledger or the broker is away.
    #[error("what was started before could not be looked up")]
    Fleet(#[from] fleet::Error),
    /// A document could not be read.
    #[error("a document could not be read")]
    Objects(#[from] objects::Error),
    /// A document could not be fetched.
    #[error("a document could not be fetched")]
    Remote(#[from] RemoteError),
    /// A document was taken in by nobody.
    #[error("taking a document in was broken off")]
    BrokenOff,
}

/// The events that subscriptions are about, in the order of the events. Subscriptions that are switched off want nothing.
#[must_use]
pub fn matches(events: &[Event], subscriptions: &[Kept]) -> Vec<Match> {
    let mut found = Vec::new();
    for (event, happened) in events.iter().enumerate() {
        for (subscription, kept) in subscriptions.iter().enumerate() {
            if kept.subscription.enabled && kept.subscription.wants(happened) {
                found.push(Match { event, subscription, key: plan::key(&kept.name, happened) });
            }
        }
    }
    found
}

impl Starter {
    /// The runs that matches have started already, by key.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn known(&self, tenant: &TenantId, matches: &[Match]) -> Result<HashMap<String, RunId>, Error> {
        let keys: Vec<String> = matches.iter().map(|one| one.key.clone()).collect();
        Ok(self.fleet.runs_by_key(tenant, &keys).await?)
    }

    /// Starts what has not been started; returns what became of each match, in their order.
    ///
    /// # Errors
    /// [`Error`] when a part could not be started for now.
    pub async fn start(
        &self,
        tenant: &TenantId,
        events: &[Event],
        subscriptions: &[Kept],
        matches: &[Match],
        known: HashMap<String, RunId>,
    ) -> Result<Vec<Outcome>, Error> {
        let run = |id: RunId, created: bool| Outcome::Run { id, created };
        let mut ended: HashMap<String, Outcome> = known.into_iter().map(|(key, id)| (key, run(id, false))).collect();
        let (mut orders, mut documents) = (Vec::new(), Vec::new());
        let (mut room, mut planned) = (Room::of(ROOM), HashSet::new());
        for one in matches {
            // The same event may stand in one list twice.
            if ended.contains_key(&one.key) || !planned.insert(one.key.as_str()) {
                continue;
            }
            let (kept, event) = (&subscriptions[one.subscription], &events[one.event]);
            match Planned::make(tenant, &self.imports, &kept.name, &kept.subscription, event, &mut room) {
                Ok(Planned { plan: Plan::Run(order), .. }) => orders.push(order),
                Ok(document) => documents.push(document),
                Err(refusal) => {
                    ended.insert(one.key.clone(), Outcome::Refused(refusal));
                }
            }
        }
        let ordered = self.run_orders(tenant, orders).await;
        let (taken_in, failed) = self.take_in(tenant, documents).await;
        ended.extend(ordered?);
        ended.extend(taken_in);
        if let Some(error) = failed {
            return Err(error);
        }
        let mut seen = HashSet::new();
        let outcomes = matches.iter().filter_map(|one| {
            let repeated = !seen.insert(one.key.as_str());
            Some(match ended.get(&one.key)? {
                Outcome::Run { id, created } => run(*id, *created && !repeated),
                refused => refused.clone(),
            })
        });
        Ok(outcomes.collect())
    }

    /// Runs of any workflow, all in one transaction.
    async fn run_orders(&self, tenant: &TenantId, mut orders: Vec<Order>) -> Result<Vec<(String, Outcome)>, Error> {
        let mut ended = Vec::new();
        for _ in 0..TRIES {
            let keys: Vec<String> = orders.iter().filter_map(|order| order.idempotency_key.clone()).collect();
            match self.desk.submit_orders(tenant, orders.clone()).await {
                Ok(submitted) => {
                    let runs = submitted.into_iter().map(|run| Outcome::Run { id: run.id, created: run.created });
                    ended.extend(keys.into_iter().zip(runs));
                    return Ok(ended);
                }
                // Somebody has just started a run for the same event from another content of it: that one counts.
                Err(submission::Error::Fleet(fleet::Error::Ledger(IdempotencyConflict(_)))) => {
                    let known = self.fleet.runs_by_key(tenant, &keys).await?;
                    orders.retain(|order| order.idempotency_key.as_ref().is_none_or(|key| !known.contains_key(key)));
                    ended.extend(known.into_iter().map(|(key, id)| (key, Outcome::Run { id, created: false })));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::BrokenOff)
    }

    /// Documents, a few at a time. What fails for now is left to whoever sends the event again.
    async fn take_in(&self, tenant: &TenantId, documents: Vec<Planned>) -> (Vec<(String, Outcome)>, Option<Error>) {
        let (mut ended, mut failed) = (Vec::new(), None);
        let mut waiting = documents.into_iter();
        let mut under_way = JoinSet::new();
        loop {
            while under_way.len() < DOCUMENTS_AT_ONCE
                && let Some(Planned { key, plan }) = waiting.next()
            {
                let (starter, tenant) = (self.clone(), tenant.clone());
                under_way.spawn(async move {
                    let outcome = starter.document(tenant, &key, plan).await?;
                    Ok::<_, Error>((key, outcome))
                });
            }
            match under_way.join_next().await {
                Some(Ok(Ok(one))) => ended.push(one),
                Some(Ok(Err(error))) => failed = Some(error),
                Some(Err(_)) => failed = Some(Error::BrokenOff),
                None => return (ended, failed),
            }
        }
    }
}

/// What to add to what became of each subscription, by name.
#[must_use]
pub fn tally(
    events: &[Event],
    subscriptions: &[Kept],
    matches: &[Match],
    outcomes: &[Outcome],
    now: Timestamp,
) -> HashMap<String, Activity> {
    let mut tally: HashMap<String, Activity> = HashMap::new();
    for (one, outcome) in matches.iter().zip(outcomes) {
        let sum = tally.entry(subscriptions[one.subscription].name.clone()).or_default();
        sum.events += 1;
        sum.last_event_at = Some(now);
        sum.last_event_id = Some(events[one.event].id.clone());
        match outcome {
            Outcome::Run { id, created: true } => {
                sum.started += 1;
                sum.last_run = Some(*id);
            }
            Outcome::Run { created: false, .. } => sum.repeated += 1,
            Outcome::Refused(refusal) => {
                sum.refused += 1;
                sum.last_refusal = Some(format!("{}: {}", refusal.code, refusal.detail));
            }
        }
    }
    tally
}
