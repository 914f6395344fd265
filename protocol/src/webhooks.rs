//! Telling tenants about their runs: the built-in workflow `webhook-delivery` of one task, which posts one message to one
//! endpoint. Addresses and secrets never travel: the worker asks for them by tenant and endpoint.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::ids::RunId;
use crate::state::RunState;
use crate::task::Task;
use crate::workflow::{RetryPolicy, Timeouts, Workflow, queues};

/// Name of the built-in workflow.
pub const DELIVERY: &str = "webhook-delivery";

/// How long an endpoint may take for its answer.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// What tenants are told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EventType {
    /// A run ended well.
    #[serde(rename = "run.succeeded")]
    RunSucceeded,
    /// A run ended in an error.
    #[serde(rename = "run.failed")]
    RunFailed,
    /// A run was ended by request.
    #[serde(rename = "run.cancelled")]
    RunCancelled,
    /// Nothing: the owner of an endpoint tries it.
    #[serde(rename = "ping")]
    Ping,
}

impl EventType {
    /// What endpoints are told about by themselves.
    pub const OF_RUNS: [Self; 3] = [Self::RunSucceeded, Self::RunFailed, Self::RunCancelled];

    /// What is told when a run is in that state, if anything.
    #[must_use]
    pub const fn of(state: RunState) -> Option<Self> {
        match state {
            RunState::Succeeded => Some(Self::RunSucceeded),
            RunState::Failed => Some(Self::RunFailed),
            RunState::Cancelled => Some(Self::RunCancelled),
            RunState::Queued | RunState::Running => None,
        }
    }

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RunSucceeded => "run.succeeded",
            Self::RunFailed => "run.failed",
            Self::RunCancelled => "run.cancelled",
            Self::Ping => "ping",
        }
    }
}

/// One message for one endpoint. Whose endpoint it is follows from the run that delivers it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// The endpoint's id.
    pub endpoint: String,
    /// The same for every attempt and every endpoint: receivers know by it what they have seen.
    pub event_id: String,
    /// What happened.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// When it happened.
    pub timestamp: Timestamp,
    /// What there is to know about it; no document content.
    pub data: Value,
}

/// What is left of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// The status that the endpoint answered with.
    pub status: u16,
    /// How long it took for that, in milliseconds.
    pub ms: u64,
}

/// The task: post a message to an endpoint.
#[derive(Clone, Copy, Debug)]
pub struct DeliverWebhook;

impl Task for DeliverWebhook {
    const NAME: &'static str = "deliver-webhook";
    type Input = Delivery;
    type Output = Delivered;
}

impl Delivery {
    /// The id of what happened when a run ended.
    #[must_use]
    pub fn event_id(run: RunId) -> String {
        format!("evt_{}", run.as_uuid().simple())
    }

    /// The message's body: `type`, `timestamp` and `data` as JSON.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let body = json!({ "type": self.event_type, "timestamp": self.timestamp, "data": self.data });
        body.to_string().into_bytes()
    }
}

/// The built-in workflow. Failed attempts are followed by others after 5 s, 20 s, 80 s, 5 min, 21 min, 85 min and
/// 5.7 h, less up to a fifth, unless the endpoint asks for another time.
#[must_use]
pub fn workflow() -> Workflow {
    let mut flow = Workflow::named(DELIVERY);
    let _ = flow.task::<DeliverWebhook>().queue(queues::DEFAULT).add();
    for task in &mut flow.tasks {
        task.retry = RetryPolicy {
            max_attempts: 8,
            base: Duration::from_secs(5),
            factor: 4.0,
            cap: Duration::from_secs(6 * 60 * 60),
            jitter: 0.2,
        };
        task.timeouts = Timeouts { hard: ANSWER_WITHIN + Duration::from_secs(40), ..Timeouts::default() };
    }
    flow
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workflow_is_usable() {
        assert_eq!(workflow().validate(), Ok(()));
    }

    #[test]
    fn every_end_of_a_run_has_its_word() {
        for state in [RunState::Queued, RunState::Running, RunState::Succeeded, RunState::Failed, RunState::Cancelled] {
            let told = EventType::of(state);
            assert_eq!(told.is_some(), state.is_final());
            assert_eq!(told.map(EventType::as_str), state.is_final().then(|| format!("run.{state}")).as_deref());
        }
        for known in EventType::OF_RUNS.into_iter().chain([EventType::Ping]) {
            assert_eq!(serde_json::to_value(known).unwrap(), known.as_str());
        }
    }
}
