//! What follows the end of a task: what comes after it, its result, and the acknowledgement, in that order. A worker that
//! dies in between leaves a task that is acknowledged late to another, which does it again; nothing is lost. The same
//! holds for servers that are away: such a task goes back when what follows it cannot be recorded.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use super::crew::Request;
use super::runner::lost;
use super::shared::Shared;
use crate::canvas::{self, Caller};
use crate::message::{Message, python};
use crate::signature::{Signature, values};
use crate::task::{Retry, TaskOptions};
use crate::{Error, Failure, Outcome};

/// Counts how often a handler has panicked over a task; ours alone.
const CRASHES: &str = "flotilla_crashes";
/// How long a task that goes back because a server is away stays here before.
const OUTAGE_PAUSE: Duration = Duration::from_secs(1);

impl Shared {
    pub(crate) async fn succeed(&self, request: &Request, options: &TaskOptions, value: Value, runtime: Duration) {
        let message = &request.message;
        // Before the result is stored, so that whoever reads it finds what was called.
        let children = match self.go_on(message, &value).await {
            Ok(children) => children,
            Err(error) if error.is_passing() && options.acks_late => return hand_back(request, &error).await,
            Err(error) => return self.fail(request, options, failure_of(&error)).await,
        };
        let shown = python(&value);
        let outcome = Outcome::Success(value);
        let mut recorded = true;
        if !options.ignore_result && !message.ignore_result {
            recorded = self.store(message, outcome.clone(), children).await;
        }
        recorded &= self.note_part(message, &outcome).await;
        tracing::debug!(?runtime, "succeeded");
        let told = || json!({ "result": shown, "runtime": runtime.as_secs_f64() });
        self.events.task("task-succeeded", &message.id, told);
        settle(request, options, recorded).await;
    }

    /// Sends callbacks and the next step of the chain.
    async fn go_on(&self, message: &Message, value: &Value) -> Result<Vec<Value>, Error> {
        let mut chain = message.embed.chain.clone();
        let next = chain.pop();
        let (caller, args) = (caller(message), std::slice::from_ref(value));
        let callbacks = canvas::plan_all(&message.embed.callbacks, args, &caller)?;
        self.send(&callbacks).await?;
        let mut children = callbacks.children;
        if let Some(next) = next {
            let rest: Map<String, Value> = [("chain".to_owned(), values(chain))].into_iter().collect();
            let plan = canvas::plan(&next, args, rest, &caller)?;
            self.send(&plan).await?;
            children.extend(plan.children);
        }
        Ok(children)
    }

    pub(crate) async fn fail(&self, request: &Request, options: &TaskOptions, failure: Failure) {
        let message = &request.message;
        tracing::info!(exception = failure.repr(), "failed");
        let stored = !options.ignore_result || options.store_errors_even_if_ignored;
        let outcome = Outcome::Failure(failure.clone());
        let mut recorded = true;
        if stored {
            recorded = self.store(message, outcome.clone(), Vec::new()).await;
        }
        recorded &= self.note_part(message, &outcome).await;
        // What would have come after it fails with it, so that nobody waits for it for ever.
        for step in &message.embed.chain {
            self.fail_step(step, &outcome, stored).await;
        }
        self.tell_errbacks(&message.embed.errbacks, message).await;
        let told = || json!({ "exception": failure.repr(), "traceback": failure.traceback_text() });
        self.events.task("task-failed", &message.id, told);
        if recorded && options.acks_late && !options.acks_on_failure {
            request.delivery.reject(false).await;
        } else {
            settle(request, options, recorded).await;
        }
    }

    /// Calls whoever wants to hear of a failure, with the id of what failed.
    pub(crate) async fn tell_errbacks(&self, errbacks: &[Signature], message: &Message) {
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
        self.note_part(message, &outcome).await;
        let told = || json!({ "terminated": signal.is_some(), "signum": signal, "expired": expired });
        self.events.task("task-revoked", &message.id, told);
        request.delivery.ack().await;
    }

    pub(crate) async fn retry(&self, request: &Request, options: &TaskOptions, retry: Retry) {
        let message = &request.message;
        let most = retry.max_retries.or(options.max_retries);
        if most.is_some_and(|most| message.retries >= most) {
            let failure = retry.reason.unwrap_or_else(|| no_retries_left(message));
            return self.fail(request, options, failure).await;
        }
        let countdown = SignedDuration::try_from(retry.countdown.unwrap_or(options.retry_delay));
        let eta = Timestamp::now().saturating_add(countdown.unwrap_or(SignedDuration::MAX)).unwrap_or(Timestamp::MAX);
        let mut again = Message { retries: message.retries + 1, eta: Some(eta), ..message.clone() };
        again.extra.extend(retry.headers);
        match self.sender.to_queue(&request.queue, &again.encode(), again.eta).await {
            Ok(()) => {}
            Err(error) if error.is_passing() && options.acks_late => return hand_back(request, &error).await,
            Err(error) => return self.fail(request, options, Failure::of(&error)).await,
        }
        let reason = retry.reason.unwrap_or_else(|| Failure::new("celery.exceptions", "Retry", "to be tried again"));
        tracing::info!(exception = reason.repr(), %eta, "to be tried again");
        if !options.ignore_result {
            self.store(message, Outcome::Retry(reason.clone()), Vec::new()).await;
        }
        let told = || json!({ "exception": reason.repr(), "traceback": reason.traceback_text() });
        self.events.task("task-retried", &message.id, told);
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
}

/// Done with, unless its end could not be recorded and somebody may do it again.
async fn settle(request: &Request, options: &TaskOptions, recorded: bool) {
    if recorded || !options.acks_late {
        request.delivery.ack().await;
    } else {
        sleep(OUTAGE_PAUSE).await;
        request.delivery.reject(true).await;
    }
}

async fn hand_back(request: &Request, error: &Error) {
    tracing::warn!(%error, "what follows a task could not be sent; the task goes back");
    sleep(OUTAGE_PAUSE).await;
    request.delivery.reject(true).await;
}

fn failure_of(error: &Error) -> Failure {
    match error {
        Error::ChordsNeedRedis => Failure::builtin("NotImplementedError", error.to_string()),
        error => Failure::of(error),
    }
}

fn no_retries_left(message: &Message) -> Failure {
    let Message { task, id, args, kwargs, .. } = message;
    let (args, kwargs) = (python(&json!(args)), python(&json!(kwargs)));
    let text = format!("Can't retry {task}[{id}] args:{args} kwargs:{kwargs}");
    Failure::new("celery.exceptions", "MaxRetriesExceededError", text)
}

/// What a task hands on to what it calls.
pub(crate) fn caller(message: &Message) -> Caller {
    Caller {
        root_id: message.root_id.clone().or_else(|| Some(message.id.clone())),
        parent_id: Some(message.id.clone()),
        // Signatures of Celery's name their own; of those that do not, nobody waits for the result.
        reply_to: None,
        now: Timestamp::now(),
    }
}
