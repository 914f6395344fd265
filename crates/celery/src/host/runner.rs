//! A delivered task from its receipt to its acknowledgement.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use lapin::Channel;
use lapin::message::Delivery;
use serde_json::json;
use tokio::time::{sleep, sleep_until};
use tracing::Instrument;

use super::attempt::{End, attempt};
use super::crew::{Request, Settling};
use super::shared::{Registered, Shared};
use crate::message::{Message, Raw, iso, python};
use crate::sender::{SOON, remaining};
use crate::task::{Stop, TaskOptions};
use crate::{DecodeError, Failure, Outcome, wire};

/// Why a task that waits here is not begun.
enum Halt {
    /// It was taken back.
    Recalled,
    /// The worker ends.
    Stopping,
}

/// Takes a delivery in. It is done, or handed back, by itself.
pub(crate) fn receive(shared: &Arc<Shared>, mut delivery: Delivery, channel: &Channel, queue: &Arc<str>) {
    let raw = wire::read(&mut delivery);
    let before = wire::deliveries_before(&delivery);
    let way = (delivery.exchange.to_string(), delivery.routing_key.to_string());
    let redelivered = delivery.redelivered;
    let settling = Settling::new(delivery.acker, channel.clone());
    let (shared, queue) = (Arc::clone(shared), Arc::clone(queue));
    shared.work.clone().spawn(async move {
        match Message::decode(&raw) {
            Ok(message) => {
                let span = tracing::info_span!("celery", task.id = %message.id, task.name = %message.task);
                let request = Request::new(message, raw, queue, way, redelivered, before, settling);
                shared.handle(Arc::new(request)).instrument(span).await;
            }
            Err(error) => shared.refuse(&raw, &error, &queue, &settling).await,
        }
    });
}

impl Shared {
    /// A message that nobody can read: to the dead letters of its queue, if it has some. Who sent it hears of it when at
    /// least its id can be read.
    async fn refuse(&self, raw: &Raw, error: &DecodeError, queue: &str, settling: &Settling) {
        tracing::error!(%error, queue, "an unreadable message is rejected");
        let mut described = wire::json(&json!([[], {}, {}]), raw.headers.clone());
        described.headers.remove("compression");
        described.properties.reply_to.clone_from(&raw.properties.reply_to);
        if let Ok(message) = Message::decode(&described) {
            let failure = Failure::new("celery.exceptions", "InvalidTaskError", error.to_string());
            self.store(&message, Outcome::Failure(failure), Vec::new()).await;
        }
        settling.reject(false).await;
    }

    async fn handle(&self, request: Arc<Request>) {
        let Some(registered) = self.tasks.get(&request.message.task) else { return self.unknown(&request).await };
        let _here = self.requests.enter(&request);
        if self.taken_back(&request).await {
            return;
        }
        let message = &request.message;
        tracing::debug!(queue = &*request.queue, retries = message.retries, "received");
        self.events.task("task-received", &message.id, || {
            json!({
                "name": message.shadow.as_ref().unwrap_or(&message.task),
                "args": python(&json!(message.args)),
                "kwargs": python(&json!(message.kwargs)),
                "root_id": message.root_id,
                "parent_id": message.parent_id,
                "retries": message.retries,
                "eta": message.eta.map(iso),
                "expires": message.expires.map(iso),
            })
        });
        if message.eta.is_some_and(|eta| remaining(eta) >= SOON) {
            return self.postpone(&request).await;
        }
        match self.wait_for_turn(&request, registered).await {
            Err(Halt::Stopping) => request.delivery.reject(true).await,
            Err(Halt::Recalled) => _ = self.taken_back(&request).await,
            Ok(_slot) if self.taken_back(&request).await => {}
            Ok(_slot) => self.run(&request, registered).await,
        }
    }

    /// What Celery does: refused, and its failure is that nobody here knows it.
    async fn unknown(&self, request: &Request) {
        let Message { id, task, .. } = &request.message;
        tracing::error!(queue = &*request.queue, "a task that is not registered here is rejected");
        let failure = Failure::new("celery.exceptions", "NotRegistered", task);
        self.events.task("task-failed", id, || json!({ "name": task, "exception": failure.repr() }));
        self.store(&request.message, Outcome::Failure(failure), Vec::new()).await;
        request.delivery.reject(false).await;
    }

    /// Whether the task is not wanted any more; then that is recorded.
    async fn taken_back(&self, request: &Request) -> bool {
        let expired = request.message.expires.is_some_and(|expires| expires < Timestamp::now());
        if !expired && !self.revoked.covers(request) {
            return false;
        }
        let reason = if expired { "expired" } else { "revoked" };
        tracing::info!(reason, "a task that is not wanted any more is discarded");
        self.revoke(request, reason, None, expired).await;
        true
    }

    /// Lets a task for later wait in RabbitMQ.
    async fn postpone(&self, request: &Request) {
        match self.sender.to_queue(&request.queue, &request.raw, request.message.eta).await {
            Ok(()) => request.delivery.ack().await,
            Err(error) => {
                tracing::warn!(%error, "a task for later could not be put back for now");
                sleep(SOON).await;
                request.delivery.reject(true).await;
            }
        }
    }

    async fn wait_for_turn(&self, request: &Request, registered: &Registered) -> Result<super::crew::Slot<'_>, Halt> {
        let waiting = async {
            // What is left is less than a second.
            sleep(request.message.eta.map_or(Duration::ZERO, remaining)).await;
            if let Some(rate) = registered.options().rate_limit {
                sleep_until(registered.pace.book(rate)).await;
            }
            self.slots.take().await
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Halt::Stopping),
            () = request.recalled.cancelled() => Err(Halt::Recalled),
            slot = waiting => Ok(slot),
        }
    }

    async fn run(&self, request: &Arc<Request>, registered: &Registered) {
        let message = &request.message;
        let options = registered.options();
        if let Some(outcome) = self.success_before(request, &options).await {
            tracing::info!("a task that was delivered again has succeeded already");
            // All that may be missing of what follows a stored result.
            self.note_part(message, &outcome).await;
            return request.delivery.ack().await;
        }
        if options.acks_late && request.deliveries_before > options.max_deliveries {
            let failure = lost(&format!("it was delivered {} times and never done", request.deliveries_before));
            return self.fail(request, &options, failure).await;
        }
        if message.embed.chord.is_some() && self.results.is_none() {
            let failure = Failure::builtin("NotImplementedError", crate::Error::ChordsNeedRedis.to_string());
            return self.fail(request, &options, failure).await;
        }
        // One that cannot be acknowledged comes again, to somebody.
        if !options.acks_late && !request.delivery.try_ack().await {
            return;
        }
        request.begin();
        self.requests.count_start(&message.task);
        self.processed.fetch_add(1, Ordering::Relaxed);
        self.events.task("task-started", &message.id, || json!({}));
        if options.track_started && !options.ignore_result {
            let about = json!({ "pid": std::process::id(), "hostname": self.config.name });
            self.store(message, Outcome::Started(about), Vec::new()).await;
        }
        let begun = std::time::Instant::now();
        let end = attempt(self, request, registered, &options).await;
        let runtime = begun.elapsed();
        match end {
            End::Returned(Ok(value)) => self.succeed(request, &options, value, runtime).await,
            End::Returned(Err(Stop::Failed(failure))) => self.fail(request, &options, failure).await,
            End::Returned(Err(Stop::Retry(retry))) => self.retry(request, &options, *retry).await,
            End::Returned(Err(Stop::Reject { requeue })) => {
                self.events.task("task-rejected", &message.id, || json!({ "requeue": requeue }));
                request.delivery.reject(requeue).await;
            }
            End::Returned(Err(Stop::Ignore)) => request.delivery.ack().await,
            End::TooLong(limit) => {
                tracing::error!(?limit, "hard time limit exceeded");
                let seconds = limit.as_secs_f64();
                let failure = Failure { args: vec![json!(seconds)], ..billiard("TimeLimitExceeded", "") };
                self.fail(request, &options, failure).await;
            }
            End::Terminated => {
                tracing::info!("terminated");
                let signal = request.signal.get().cloned().unwrap_or_else(|| "SIGTERM".to_owned());
                self.revoke(request, "terminated", Some(signal), false).await;
            }
            End::Panicked(reason) => self.lose(request, &options, &reason).await,
            End::GivenUp if options.acks_late => request.delivery.reject(true).await,
            End::GivenUp => self.fail(request, &options, lost("the worker was shut down")).await,
        }
    }

    /// How a task that came again has succeeded in the meantime, if it has and that can be known.
    async fn success_before(&self, request: &Request, options: &TaskOptions) -> Option<Outcome> {
        let results = self.results.as_ref().filter(|_| request.redelivered && options.acks_late)?;
        match results.get(&request.message.id).await {
            Ok(known) => known.map(|known| known.outcome).filter(|outcome| matches!(outcome, Outcome::Success(_))),
            Err(error) => {
                tracing::warn!(%error, "whether a task was done already cannot be known; it is done again");
                None
            }
        }
    }
}

/// The failure of a task whose worker went away under it.
pub(crate) fn lost(reason: &str) -> Failure {
    billiard("WorkerLostError", &format!("Worker exited prematurely: {reason}."))
}

fn billiard(exc_type: &str, message: &str) -> Failure {
    Failure::new("billiard.exceptions", exc_type, message)
}
