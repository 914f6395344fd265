//! Results and parts of chords, recorded.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::sleep;

use super::attempt::Reporter;
use super::conclude::caller;
use super::shared::Shared;
use crate::canvas::{self, Caller};
use crate::message::Message;
use crate::results::{Chord, Results};
use crate::signature::Signature;
use crate::{Error, Failure, Outcome, TaskResult};

/// How often it is tried to store a result.
const STORE_TRIES: u32 = 5;
const STORE_PAUSE: Duration = Duration::from_millis(200);

impl Shared {
    /// Stores and sends a result, trying for a while. Whether that could be done.
    pub(crate) async fn store(&self, message: &Message, outcome: Outcome, children: Vec<Value>) -> bool {
        let result = TaskResult {
            children,
            group: message.group.clone(),
            parent_id: message.parent_id.clone(),
            ..TaskResult::new(message.id.clone(), outcome)
        };
        let reporter = Reporter {
            id: message.id.clone(),
            reply_to: message.reply_to.clone().filter(|_| self.config.rpc),
            results: self.results.clone(),
            sender: Arc::clone(&self.sender),
        };
        for tried in 1..=STORE_TRIES {
            match reporter.send(&result).await {
                Ok(()) => return true,
                Err(error) if tried == STORE_TRIES || !error.is_passing() => {
                    tracing::error!(%error, "a result could not be stored");
                }
                Err(error) => {
                    tracing::warn!(%error, "a result could not be stored for now");
                    sleep(STORE_PAUSE * 2_u32.pow(tried)).await;
                }
            }
        }
        false
    }

    /// Notes that a task has ended, if it is a part of a chord; with the last one the chord's body begins. Whether that
    /// could be done.
    pub(crate) async fn note_part(&self, message: &Message, outcome: &Outcome) -> bool {
        let (Some(results), Some(body), Some(group)) = (&self.results, &message.embed.chord, &message.group) else {
            return true;
        };
        match self.count_part(results, message, body, group, outcome).await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, group, "a part of a chord could not be counted");
                // What cannot be understood will not be understood the next time.
                !error.is_passing()
            }
        }
    }

    async fn count_part(
        &self,
        results: &Results,
        message: &Message,
        body: &Signature,
        group: &str,
        outcome: &Outcome,
    ) -> Result<(), Error> {
        match results.note_chord_part(group, message.group_index, &message.id, outcome).await? {
            Chord::Waiting => return Ok(()),
            Chord::Complete(Ok(values)) => {
                let caller = Caller { root_id: None, parent_id: None, ..caller(message) };
                let plan = canvas::plan(body, &[Value::Array(values)], Map::new(), &caller)?;
                self.send(&plan).await?;
            }
            // Boxed, as the body may be a part of another chord.
            Chord::Complete(Err(failure)) => Box::pin(self.fail_body(body, &failure)).await,
        }
        results.forget_chord(group).await
    }

    /// Fails the body of a chord, and what comes after it, because of one of its parts.
    async fn fail_body(&self, body: &Signature, failure: &Failure) {
        tracing::info!(exception = failure.repr(), "a chord failed");
        let outcome = Outcome::Failure(failure.clone());
        let mut message = Message::new(body.task.clone());
        if let Some(id) = body.text("task_id") {
            message = message.id(id);
        }
        let later = |name: &str| {
            Signature::list_from(body.options.get(name)).unwrap_or_else(|error| {
                tracing::error!(%error, "what comes after a chord cannot be read");
                Vec::new()
            })
        };
        self.tell_errbacks(&later("link_error"), &message).await;
        self.fail_step(body, &outcome, true).await;
        for step in later("chain") {
            self.fail_step(&step, &outcome, true).await;
        }
    }

    /// Fails a step that will not run, and the chord that it is a part of.
    pub(crate) async fn fail_step(&self, step: &Signature, outcome: &Outcome, stored: bool) {
        let Some(id) = step.text("task_id") else { return };
        let mut message = Message::new(step.task.clone()).id(id);
        message.reply_to = step.text("reply_to").map(str::to_owned);
        if stored {
            self.store(&message, outcome.clone(), Vec::new()).await;
        }
        message.group = step.text("group_id").map(str::to_owned);
        message.group_index = step.options.get("group_index").and_then(Value::as_i64);
        let chord = step.options.get("chord").filter(|chord| !chord.is_null());
        match chord.map(Signature::from_value).transpose() {
            Ok(chord) => message.embed.chord = chord,
            Err(error) => tracing::error!(%error, "the chord of a step cannot be read"),
        }
        self.note_part(&message, outcome).await;
    }
}
