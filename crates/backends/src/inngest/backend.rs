//! What the dispatcher asks of Inngest.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt as _;
use futures::stream;
use protocol::{Backend as Name, Job, RunId, RunState, Workflow};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::api::{Api, unavailable};
use super::app;
use super::walk::Plan;
use crate::port::{Ability, Backend, Capabilities, Error, Launch, Sight};

/// How many events are on their way at a time. Each goes alone: the server's ids of events that share a call do not follow
/// from ours.
const IN_FLIGHT: usize = 32;

/// How long a workflow counts as known there. A development server forgets what it knew when it starts again.
const KNOWN: Duration = Duration::from_secs(60);

/// Inngest as a backend.
#[derive(Clone)]
pub struct Inngest {
    api: Api,
    app: String,
    serve_url: Url,
    /// Until when workflows count as known there, by their names.
    known: Arc<Mutex<HashMap<String, Instant>>>,
}

#[async_trait]
impl Backend for Inngest {
    fn name(&self) -> Name {
        Name::Inngest
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all()
            .emulated(Ability::FanOut, "children are steps of their run; more than a hundred share a hundred steps")
            .emulated(Ability::QueueWait, "by the ledger and the worker")
            .emulated(Ability::RunTimeout, "by the ledger's clock, which stops the run there")
            .emulated(Ability::Sticky, "runs go to the one address of the app; what stands behind it decides")
            .emulated(Ability::Priority, "by the order of admission")
            .emulated(Ability::CancelRunning, "Inngest stops between steps; the worker stops the handler")
            .emulated(Ability::BulkStart, "an event per run, thirty-two at a time")
            .emulated(Ability::Signals, "an event that functions of your own can wait for")
    }

    /// The worker makes its functions known by itself; this asks it to do so now.
    async fn register(&self, workflow: &Workflow) -> Result<(), Error> {
        let functions = self.api.sync(&self.serve_url).await?;
        if !functions.contains(&app::function_id(&self.app, &workflow.name)) {
            return Err(unavailable(format!(
                "the worker at {} does not serve workflow {:?}: it has to serve all of its queues, {}",
                self.serve_url,
                workflow.name,
                workflow.queues().join(", ")
            )));
        }
        self.known().insert(workflow.name.clone(), Instant::now() + KNOWN);
        Ok(())
    }

    async fn start(&self, runs: &[Launch]) -> Result<(), Error> {
        // An event for which there is no function starts nothing, now or later.
        for launch in runs {
            let is_known = self.known().get(&launch.workflow.name).is_some_and(|until| Instant::now() < *until);
            if !is_known {
                self.register(&launch.workflow).await?;
            }
        }
        let events: Vec<(Value, String)> = runs.iter().map(|launch| self.starting(launch)).collect();
        let sending = |(event, seed): (Value, String)| async move { self.api.send_event(&event, Some(&seed)).await };
        let mut sent = stream::iter(events).map(sending).buffer_unordered(IN_FLIGHT);
        let mut verdict = Ok(());
        while let Some(one) = sent.next().await {
            verdict = verdict.and(one);
        }
        verdict
    }

    async fn hand_out(&self, _jobs: &[Job]) -> Result<(), Error> {
        Ok(())
    }

    async fn stop(&self, run: RunId, reason: &str) -> Result<(), Error> {
        let data = json!({"run_id": run, "reason": reason});
        self.api.send_event(&json!({"name": app::stops(&self.app), "data": data}), None).await
    }

    async fn signal(&self, run: RunId, name: &str, payload: &Value) -> Result<(), Error> {
        let data = json!({"run_id": run, "signal": name, "payload": payload});
        self.api.send_event(&json!({"name": app::signals(&self.app), "data": data}), None).await
    }

    async fn look(&self, run: RunId) -> Result<Sight, Error> {
        let runs = self.api.runs_of(&event_id(run)).await?;
        Ok(runs.first().map_or(Sight::Unknown, |run| sight(run["status"].as_str().unwrap_or_default())))
    }

    async fn health(&self) -> Result<(), String> {
        self.api.ping().await.map_err(|error| error.to_string())
    }
}

impl Inngest {
    pub(super) fn new(api: Api, app: String, serve_url: Url) -> Self {
        Self { api, app, serve_url, known: Arc::default() }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The event that starts a run, and the seed of its id.
    fn starting(&self, launch: &Launch) -> (Value, String) {
        let event = json!({
            // Within a day the same id starts nothing twice; after that, the ledger says that there is nothing to do.
            "id": launch.run_id,
            "name": app::starts(&self.app, &launch.workflow.name),
            "data": Plan::of(launch),
        });
        (event, seed(launch.run_id))
    }
}

fn sight(status: &str) -> Sight {
    match status.to_ascii_lowercase().as_str() {
        "completed" => Sight::Ended(RunState::Succeeded),
        "failed" => Sight::Ended(RunState::Failed),
        "cancelled" => Sight::Ended(RunState::Cancelled),
        _ => Sight::UnderWay,
    }
}

/// What the server makes its id of a run's event from: milliseconds and ten bytes, which are what a UUID of version 7 is.
fn seed(run: RunId) -> String {
    let bytes = run.as_uuid().into_bytes();
    let millis = bytes[..6].iter().fold(0_u64, |millis, byte| millis << 8 | u64::from(*byte));
    format!("{millis},{}", STANDARD.encode(&bytes[6..]))
}

/// The server's id of a run's event: the same sixteen bytes as a ULID, in Crockford's base 32.
fn event_id(run: RunId) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let number = run.as_uuid().as_u128();
    let digit = |place: u32| char::from(DIGITS[usize::try_from(number >> (place * 5) & 31).unwrap_or_default()]);
    (0..26).rev().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_id_of_a_runs_event_follows_from_the_run() {
        let run: RunId = "01932c07-6c5f-7abc-8def-0123456789ab".parse().unwrap();
        assert_eq!(seed(run), "1731610504287,eryN7wEjRWeJqw==");
        assert_eq!(event_id(run).len(), 26);
        let decoded = event_id(run).bytes().fold(0_u128, |number, digit| {
            let value = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ".iter().position(|known| *known == digit).unwrap();
            number << 5 | u128::try_from(value).unwrap()
        });
        assert_eq!(decoded, run.as_uuid().as_u128());
    }
}
