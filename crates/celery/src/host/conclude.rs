//! What follows the end of a task: its result, what comes after it, and the acknowledgement, in that order. A worker that
//! dies in between leaves a task that is acknowledged late to another, which does it again; nothing is lost.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use super::attempt::Reporter;
use super::crew::Request;
use super::runner::lost;
use super::shared::Shared;
use crate::canvas::{self, Caller};
use crate::message::{Message, python};
use crate::results::Chord;
use crate::signature::Signature;
use crate::task::{Retry, TaskOptions};
use crate::{Error, Failure, Outcome, TaskId, TaskResult};

/// Counts how often a handler has panicked over a task; ours alone.
const CRASHES: &str = "flotilla_crashes";
/// How often a result is stored again that could not be.
const STORE_TRIES: u32 = 5;
const STORE_PAUSE: Duration = Duration::from_millis(200);

impl Shared {
    pub(crate) async fn succeed(&self, request: &Request, options: &TaskOptions, value: Value, runtime: Duration) {
        let message = &request.message;
        // Before the result is stored, so that whoever reads it finds what was called.
        let children = match self.go_on(message, &value).await {
            Ok(children) => children,
            Err(failure) => return self.fail(request, options, failure).await,
        };
        let shown = python(&value);
        let outcome = Outcome::Success(value);
        if !options.ignore_result && !message.ignore_result {
            self.store(message, outcome.clone(), children).await;
        }
        self.note_part_of(message, &outcome).await;
        tracing::debug!(?runtime, "succeeded");
        self.events.task(
            "task-succeeded",
            &message.id,
            || json!({ "result": shown, "runtime": runtime.as_secs_f64() }),
        );
        request.delivery.ack().await;
    }

    /// Sends callbacks and the next step of the chain.
    async fn go_on(&self, message: &Message, value: &Value) -> Result<Vec<Value>, Failure> {
        let mut chain = message.embed.chain.clone();
        let next = chain.pop();
        if message.embed.callbacks.is_empty() && next.is_none() {
            return Ok(Vec::new());
        }
        let caller = caller(message);
        let args = std::slice::from_ref(value);
        let going_on = async {
            let mut callbacks = canvas::plan_all(&message.embed.callbacks, args, &caller)?;
            self.send(&callbacks).await?;
            let mut children = std::mem::take(&mut callbacks.children);
            if let Some(next) = next {
                let rest: Map<String, Value> =
                    [("chain".to_owned(), crate::signature::values(chain))].into_iter().collect();
                let plan = canvas::plan(&next, args, rest, &caller)?;
                self.send(&plan).await?;
                children.extend(plan.children);
            }
            Ok::<_, Error>(children)
        };
        going_on.await.map_err(|error| match error {
            Error::ChordsNeedRedis => Failure::builtin("NotImplementedError", error.to_string()),
            error => Failure::of(&error),
        })
    }

    pub(crate) async fn fail(&self, request: &Request, options: &TaskOptions, failure: Failure) {
        let message = &request.message;
        tracing::info!(exception = failure.repr(), "failed");
        let stored = !options.ignore_result || options.store_errors_even_if_ignored;
        let outcome = Outcome::Failure(failure.clone());
        if stored {
            self.store(message, outcome.clone(), Vec::new()).await;
        }
        self.note_part_of(message, &outcome).await;
        // What would have come after it fails with it, so that nobody waits for it for ever.
        for step in &message.embed.chain {
            self.fail_step(step, &outcome, stored).await;
        }
        self.tell_errbacks(&message.embed.errbacks, message).await;
        self.events.task(
            "task-failed",
            &message.id,
            || json!({ "exception": failure.repr(), "traceback": failure.traceback_text() }),
        );
        if options.acks_late && !options.acks_on_failure {
            request.delivery.reject(false).await;
        } else {
            request.delivery.ack().await;
        }
    }

    async fn fail_step(&self, step: &Signature, outcome: &Outcome, stored: bool) {
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
        self.note_part_of(&message, outcome).await;
    }

    /// Calls whoever wants to hear of a failure, with the id of what failed.
    async fn tell_errbacks(&self, errbacks: &[Signature], message: &Message) {
        let telling = async {
            let plan = canvas::plan_all(errbacks, &[message.id.clone().into()], &caller(message))?;
            self.send(&plan).await
        };
        if let Err(error) = telling.await {
            tracing::error!(%error, "an error callback could not be called");
        }
    }

    pub(crate) async fn revoke(&self, request: &Request, reason: &str, signal: Option<String>, expired: bool) {
        let message = &request.message;
        let outcome = Outcome::Revoked(Failure::revoked(reason));
        self.store(message, outcome.clone(), Vec::new()).await;
        self.note_part_of(message, &outcome).await;
        self.events.task(
            "task-revoked",
            &message.id,
            || json!({ "terminated": signal.is_some(), "signum": signal, "expired": expired }),
        );
        request.delivery.ack().await;
    }

    pub(crate) async fn retry(&self, request: &Request, options: &TaskOptions, retry: Retry) {
        let message = &request.message;
        let left = retry.max_retries.or(options.max_retries).is_none_or(|most| message.retries < most);
        if !left {
            let exhausted = || {
                let text = format!(
                    "Can't retry {}[{}] args:{} kwargs:{}",
                    message.task,
                    message.id,
                    python(&json!(message.args)),
                    python(&json!(message.kwargs))
                );
                Failure::new("celery.exceptions", "MaxRetriesExceededError", text)
            };
            return self.fail(request, options, retry.reason.unwrap_or_else(exhausted)).await;
        }
        let countdown = SignedDuration::try_from(retry.countdown.unwrap_or(options.retry_delay));
        let eta = Timestamp::now().saturating_add(countdown.unwrap_or(SignedDuration::MAX)).unwrap_or(Timestamp::MAX);
        let again = Message { retries: message.retries + 1, eta: Some(eta), ..message.clone() };
        if let Err(error) = self.sender.to_queue(&request.queue, &again.encode(), again.eta).await {
            tracing::error!(%error, "a task could not be sent to be tried again");
            return self.fail(request, options, Failure::of(&error)).await;
        }
        let reason = retry.reason.unwrap_or_else(|| Failure::new("celery.exceptions", "Retry", "to be tried again"));
        tracing::info!(exception = reason.repr(), %eta, "to be tried again");
        if !options.ignore_result {
            self.store(message, Outcome::Retry(reason.clone()), Vec::new()).await;
        }
        self.events.task(
            "task-retried",
            &message.id,
            || json!({ "exception": reason.repr(), "traceback": reason.traceback_text() }),
        );
        request.delivery.ack().await;
    }

    /// A handler panicked. Whether that says something about the task or about the worker cannot be known, so another may
    /// try, where the task allows it, a few times.
    pub(crate) async fn lose(&self, request: &Request, options: &TaskOptions, reason: &str) {
        tracing::error!(reason, "a handler panicked");
        let crashes = request.raw.headers.get(CRASHES).and_then(Value::as_u64).unwrap_or(0) + 1;
        if options.acks_late && options.reject_on_worker_lost && crashes <= options.max_crashes.into() {
            let mut raw = request.raw.clone();
            raw.headers.insert(CRASHES.to_owned(), crashes.into());
            match self.sender.at_once(&request.queue, &raw).await {
                Ok(()) => return request.delivery.ack().await,
                Err(error) => tracing::error!(%error, "a task whose handler panicked cannot be left to another"),
            }
        }
        self.fail(request, options, lost(reason)).await;
    }

    /// Notes that a task has ended, if it is a part of a chord.
    pub(crate) async fn note_part_of(&self, message: &Message, outcome: &Outcome) {
        self.note_part(&Part::of(message), outcome).await;
    }

    /// Notes that a part of a chord has ended; with the last one its body begins.
    async fn note_part(&self, part: &Part<'_>, outcome: &Outcome) {
        let (Some(results), Some(body), Some(group)) = (&self.results, part.body, part.group) else { return };
        let noting = async {
            match results.note_chord_part(group, part.index, part.id, outcome).await? {
                Chord::Waiting => return Ok(()),
                Chord::Complete(Ok(values)) => {
                    let caller = Caller { root_id: None, parent_id: None, ..part.caller.clone() };
                    let plan = canvas::plan(body, &[Value::Array(values)], Map::new(), &caller)?;
                    self.send(&plan).await?;
                }
                // Boxed, as the body may be a part of another chord.
                Chord::Complete(Err(failure)) => Box::pin(self.fail_body(body, &failure)).await,
            }
            results.forget_chord(group).await
        };
        if let Err(error) = noting.await {
            tracing::error!(%error, group, "a part of a chord could not be counted");
        }
    }

    /// Fails the body of a chord, and what comes after it, because of one of its parts.
    async fn fail_body(&self, body: &Signature, failure: &Failure) {
        let outcome = Outcome::Failure(failure.clone());
        let mut message = Message::new(body.task.clone());
        if let Some(id) = body.text("task_id") {
            message = message.id(id);
        }
        let later = |name: &str| Signature::list_from(body.options.get(name)).unwrap_or_default();
        self.tell_errbacks(&later("link_error"), &message).await;
        self.fail_step(body, &outcome, true).await;
        for step in later("chain") {
            self.fail_step(&step, &outcome, true).await;
        }
    }

    /// Stores and sends a result, trying for a while.
    pub(crate) async fn store(&self, message: &Message, outcome: Outcome, children: Vec<Value>) {
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
                Ok(()) => return,
                Err(error) if tried == STORE_TRIES => tracing::error!(%error, "a result is lost"),
                Err(error) => {
                    tracing::warn!(%error, "a result could not be stored for now");
                    sleep(STORE_PAUSE * 2_u32.pow(tried)).await;
                }
            }
        }
    }
}

/// A part of a chord, if it is one.
struct Part<'a> {
    id: &'a TaskId,
    group: Option<&'a String>,
    index: Option<i64>,
    body: Option<&'a Signature>,
    caller: Caller,
}

impl<'a> Part<'a> {
    fn of(message: &'a Message) -> Self {
        Self {
            id: &message.id,
            group: message.group.as_ref(),
            index: message.group_index,
            body: message.embed.chord.as_ref(),
            caller: caller(message),
        }
    }
}

fn caller(message: &Message) -> Caller {
    Caller {
        root_id: message.root_id.clone().or_else(|| Some(message.id.clone())),
        parent_id: Some(message.id.clone()),
        // Signatures of Celery's name their own; of those that do not, nobody waits for the result.
        reply_to: None,
        now: Timestamp::now(),
    }
}
