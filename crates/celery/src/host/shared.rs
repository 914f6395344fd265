//! What the parts of a worker share.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::HostConfig;
use super::crew::{Requests, Slots};
use super::events::Events;
use super::intake::Intake;
use super::revoked::Revoked;
use crate::canvas::Plan;
use crate::rate::Pace;
use crate::sender::Sender;
use crate::task::{Handler, TaskOptions};
use crate::{Error, Results};

/// A task that this worker can run.
pub(crate) struct Registered {
    pub(crate) handler: Arc<dyn Handler>,
    options: Mutex<TaskOptions>,
    pub(crate) pace: Pace,
}

impl Registered {
    pub(crate) fn new(handler: Arc<dyn Handler>, options: TaskOptions) -> Self {
        Self { handler, options: Mutex::new(options), pace: Pace::default() }
    }

    /// As they are now: remote control changes some.
    pub(crate) fn options(&self) -> TaskOptions {
        self.options.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut TaskOptions)) {
        change(&mut self.options.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What the parts of a worker share.
pub(crate) struct Shared {
    pub(crate) config: HostConfig,
    pub(crate) sender: Arc<Sender>,
    pub(crate) results: Option<Results>,
    pub(crate) tasks: BTreeMap<String, Registered>,
    pub(crate) requests: Requests,
    pub(crate) revoked: Revoked,
    pub(crate) slots: Slots,
    pub(crate) events: Events,
    pub(crate) intake: Intake,
    pub(crate) started: Timestamp,
    pub(crate) processed: AtomicU64,
    /// No more tasks are begun; those that run come to their end.
    pub(crate) stop: CancellationToken,
    /// Those that run are given up.
    pub(crate) abort: CancellationToken,
    /// Consumers of queues.
    pub(crate) consumers: TaskTracker,
    /// Tasks that are here.
    pub(crate) work: TaskTracker,
}

impl Shared {
    /// Sends what was planned.
    pub(crate) async fn send(&self, plan: &Plan) -> Result<(), Error> {
        self.sender.send(plan, self.results.as_ref(), |task| self.config.route(task)).await
    }
}
