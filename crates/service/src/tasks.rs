//! Who owns the tasks of a process.
//!
//! Nothing is spawned and forgotten: every task has a name, its end is looked at, and [`Tasks::join`] tells by name
//! which ones did not stop in time.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;

use crate::Shutdown;

/// The running tasks of a process or of a part of it. Clones own the same tasks.
#[derive(Clone, Debug)]
pub struct Tasks {
    shutdown: Shutdown,
    tracker: TaskTracker,
    state: Arc<Mutex<State>>,
}

/// What the end of a task in an error or a panic means for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// Nothing works without it: everything stops, and [`Tasks::join`] returns the error.
    Stop,
    /// It is logged, and the others go on.
    Ignore,
}

/// Why the tasks did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A task ended in an error or a panic and took the others with it: the first that did.
    #[error("task {task:?} failed")]
    Failed {
        /// Its name.
        task: String,
        /// What happened to it.
        #[source]
        source: anyhow::Error,
    },
    /// Tasks were still running at the end of the grace period and were aborted.
    #[error("still running after {grace:?}: {}", tasks.join(", "))]
    Unfinished {
        /// Their names.
        tasks: Vec<String>,
        /// How long they were given.
        grace: Duration,
    },
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    running: BTreeMap<u64, Running>,
    failed: Option<Error>,
}

#[derive(Debug)]
struct Running {
    name: String,
    abort: AbortHandle,
}

impl Tasks {
    /// No tasks yet. A task that fails makes the request that `shutdown` stands for.
    #[must_use]
    pub fn new(shutdown: Shutdown) -> Self {
        Self { shutdown, tracker: TaskTracker::new(), state: Arc::default() }
    }

    /// Starts a task. It may end by itself; one that runs for as long as the process watches the shutdown.
    pub fn spawn(
        &self,
        name: impl Into<String>,
        on_failure: OnFailure,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        let mut state = self.lock();
        let id = state.next;
        state.next += 1;
        let registered = Registered { tasks: self.clone(), id };
        let task = self.tracker.spawn(async move {
            // A panic is a failure like others; nothing that it leaves half done is used again by this task.
            let result = AssertUnwindSafe(task).catch_unwind().await;
            if let Err(error) = result.unwrap_or_else(|panic| Err(panicked(panic.as_ref()))) {
                registered.failed(on_failure, error);
            }
        });
        // Still under the lock, so that a task that has ended already finds its entry to remove.
        state.running.insert(id, Running { name: name.into(), abort: task.abort_handle() });
    }

    /// Waits until every task has ended by itself or the shutdown is requested; from then on for at most `grace`,
    /// and aborts what still runs.
    ///
    /// # Errors
    /// [`Error::Failed`] when a task failed that the others depend on; otherwise [`Error::Unfinished`] when some had
    /// to be aborted.
    pub async fn join(&self, grace: Duration) -> Result<(), Error> {
        self.tracker.close();
        let unfinished = tokio::select! {
            () = self.tracker.wait() => Vec::new(),
            () = self.stopped_late(grace) => self.abort(),
        };
        if !unfinished.is_empty() {
            tracing::warn!(tasks = unfinished.join(", "), ?grace, "aborted tasks that did not stop in time");
        }
        match self.lock().failed.take() {
            Some(failed) => Err(failed),
            None if unfinished.is_empty() => Ok(()),
            None => Err(Error::Unfinished { tasks: unfinished, grace }),
        }
    }

    /// How many tasks are running.
    #[must_use]
    pub fn running(&self) -> usize {
        self.lock().running.len()
    }

    async fn stopped_late(&self, grace: Duration) {
        self.shutdown.requested().await;
        tokio::time::sleep(grace).await;
    }

    fn abort(&self) -> Vec<String> {
        let state = self.lock();
        state.running.values().for_each(|running| running.abort.abort());
        state.running.values().map(|running| running.name.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under the lock can leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task's entry among the running ones, removed however the task ends.
struct Registered {
    tasks: Tasks,
    id: u64,
}

impl Registered {
    fn failed(&self, on_failure: OnFailure, source: anyhow::Error) {
        let mut state = self.tasks.lock();
        let task = state.running.get(&self.id).map(|running| running.name.clone()).unwrap_or_default();
        match on_failure {
            OnFailure::Ignore => tracing::warn!(task.name = task, error = format!("{source:#}"), "task failed"),
            OnFailure::Stop => {
                tracing::error!(task.name = task, error = format!("{source:#}"), "task failed, stopping");
                state.failed.get_or_insert(Error::Failed { task, source });
                self.tasks.shutdown.trigger();
            }
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.tasks.lock().running.remove(&self.id);
    }
}

fn panicked(panic: &(dyn Any + Send)) -> anyhow::Error {
    let message = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    anyhow::anyhow!("panicked: {}", message.unwrap_or("without a message"))
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const GRACE: Duration = Duration::from_secs(30);

    fn tasks() -> (Shutdown, Tasks) {
        let shutdown = Shutdown::new();
        (shutdown.clone(), Tasks::new(shutdown))
    }

    #[tokio::test]
    async fn tasks_that_end_by_themselves_need_no_shutdown() {
        let (shutdown, tasks) = tasks();
        tasks.spawn("short", OnFailure::Stop, async { Ok(()) });
        tasks.join(GRACE).await.unwrap();
        assert!(!shutdown.is_requested());
        assert_eq!(tasks.running(), 0);
    }

    #[tokio::test]
    async fn a_failing_task_stops_the_others_and_is_returned_by_name() {
        let (shutdown, tasks) = tasks();
        let watched = shutdown.clone();
        tasks.spawn("watcher", OnFailure::Stop, async move {
            watched.requested().await;
            Ok(())
        });
        tasks.spawn("failing", OnFailure::Stop, async { Err(anyhow::anyhow!("no more room")) });
        let error = tasks.join(GRACE).await.unwrap_err();
        assert_eq!(format!("{:#}", anyhow::Error::from(error)), "task \"failing\" failed: no more room");
    }

    #[tokio::test]
    async fn a_panic_is_a_failure() {
        let (_, tasks) = tasks();
        tasks.spawn("panicking", OnFailure::Stop, async { panic!("out of {}", "ideas") });
        tasks.spawn("endless", OnFailure::Stop, pending());
        let error = tasks.join(Duration::ZERO).await.unwrap_err();
        let text = format!("{:#}", anyhow::Error::from(error));
        assert_eq!(text, "task \"panicking\" failed: panicked: out of ideas");
    }

    #[tokio::test]
    async fn an_ignorable_failure_stops_nobody() {
        let (shutdown, tasks) = tasks();
        tasks.spawn("ignorable", OnFailure::Ignore, async { Err(anyhow::anyhow!("never mind")) });
        tasks.join(GRACE).await.unwrap();
        assert!(!shutdown.is_requested());
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_stop_within_the_grace_period_is_named_and_aborted() {
        let (shutdown, tasks) = tasks();
        tasks.spawn("deaf", OnFailure::Stop, pending());
        tasks.spawn("short", OnFailure::Stop, async { Ok(()) });
        shutdown.trigger();
        let started = tokio::time::Instant::now();
        let error = tasks.join(GRACE).await.unwrap_err();
        assert_eq!(error.to_string(), "still running after 30s: deaf");
        assert_eq!(started.elapsed(), GRACE);
        tasks.tracker.wait().await;
        assert_eq!(tasks.running(), 0);
    }

    #[tokio::test]
    async fn a_task_may_start_others() {
        let (shutdown, tasks) = tasks();
        let nursery = tasks.clone();
        tasks.spawn("parent", OnFailure::Stop, async move {
            nursery.spawn("child", OnFailure::Stop, async { Err(anyhow::anyhow!("lost")) });
            Ok(())
        });
        assert!(tasks.join(GRACE).await.unwrap_err().to_string().contains("child"));
        assert!(shutdown.is_requested());
    }
}
