//! How many tasks may be handed out at a time.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::{Presence, Workflow};
use tokio::time::{MissedTickBehavior, interval};

use super::Fleet;

/// How often the window follows the fleet.
const EVERY: Duration = Duration::from_secs(1);

/// What a worker may have waiting for each job that it runs: so that it never runs dry, and no more.
const PER_SLOT: usize = 2;

/// Besides, so much of a second's work: where tasks take microseconds, what is released together costs less apiece, and
/// nobody waits noticeably longer for it.
const OF_A_SECOND: u64 = 5;

/// The window while no worker is known: those that start do not find the line emptied out to a broker that knows no turns.
const UNKNOWN: usize = 64;

/// The most tasks that may be handed out at a time before runs wait in line. Clones share it.
///
/// What lies at the broker is worked on in the order it came, whoever owns it; what waits in line is released in turns.
/// So a fleet is fair when not much more lies at the broker than its workers can take.
#[derive(Clone, Debug)]
pub struct Window(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    current: Mutex<ledger::Window>,
    /// Attempts whose end this process has recorded since the window was last fitted.
    ended: AtomicU64,
}

impl Window {
    /// A window of that many tasks.
    #[must_use]
    pub fn of(tasks: usize) -> Self {
        Self(Arc::new(Shared { current: Mutex::new(ledger::Window::of(tasks)), ended: AtomicU64::new(0) }))
    }

    /// What it is now.
    #[must_use]
    pub fn now(&self) -> ledger::Window {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that so many attempts have ended.
    pub(super) fn ended(&self, attempts: u64) {
        self.0.ended.fetch_add(attempts, Ordering::Relaxed);
    }

    fn set(&self, window: ledger::Window) {
        let mut current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
        if *current != window {
            tracing::debug!(tasks = window.tasks, unserved = ?window.unserved, "the window follows the fleet");
            *current = window;
        }
    }
}

impl Default for Window {
    /// Everything is handed out at once.
    fn default() -> Self {
        Self::of(usize::MAX)
    }
}

impl Fleet {
    /// Keeps the window at what the fleet's workers can take, given `tasks` or as they say themselves. Never returns.
    ///
    /// Without the coordination store it stays as it is.
    pub async fn keep_window(&self, tasks: Option<usize>) {
        let mut timer = interval(EVERY);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            timer.tick().await;
            let (present, workflows) = match (self.coordination.present().await, self.ledger.workflows().await) {
                (Ok(present), Ok(workflows)) => (present, workflows),
                (Err(error), _) => {
                    tracing::debug!(error = %error, "the window stays as it is");
                    continue;
                }
                (_, Err(error)) => {
                    tracing::debug!(error = %error, "the window stays as it is");
                    continue;
                }
            };
            let mut window = fitting(&present, workflows.iter().map(AsRef::as_ref));
            let ended = self.window.0.ended.swap(0, Ordering::Relaxed);
            let lately = usize::try_from(ended / OF_A_SECOND).unwrap_or(usize::MAX);
            window.tasks = tasks.unwrap_or(window.tasks.saturating_add(lately));
            self.window.set(window);
        }
    }
}

/// The window for these processes.
fn fitting<'a>(present: &[Presence], workflows: impl Iterator<Item = &'a Workflow>) -> ledger::Window {
    let workers = || present.iter().filter(|process| process.concurrency > 0 && !process.draining);
    let slots: usize = workers().map(|worker| worker.concurrency as usize).sum();
    if slots == 0 {
        return ledger::Window::of(UNKNOWN);
    }
    let served: BTreeSet<&str> = workers().flat_map(|worker| worker.queues.iter().map(String::as_str)).collect();
    let unserved = workflows.filter(|workflow| workflow.queues().iter().any(|queue| !served.contains(queue)));
    let unserved: BTreeSet<String> = unserved.map(|workflow| workflow.name.clone()).collect();
    ledger::Window { tasks: PER_SLOT * slots, unserved: unserved.into_iter().collect() }
}

#[cfg(test)]
mod tests {
    use protocol::Timestamp;
    use protocol::workflow::TaskSpec;

    use super::*;

    fn worker(queues: &[&str], concurrency: u32) -> Presence {
        Presence {
            v: 1,
            name: format!("worker-{concurrency}"),
            role: "worker".to_owned(),
            host: "here".to_owned(),
            pid: 1,
            queues: queues.iter().map(|queue| (*queue).to_owned()).collect(),
            concurrency,
            in_flight: 0,
            started_at: Timestamp::UNIX_EPOCH,
            version: "1".to_owned(),
            draining: false,
        }
    }

    fn workflow(name: &str, queue: &str) -> Workflow {
        let mut workflow = Workflow::named(name);
        workflow.tasks = vec![TaskSpec { queue: queue.to_owned(), ..TaskSpec::named("only") }];
        workflow
    }

    #[test]
    fn it_is_twice_what_the_workers_run_at_once() {
        let present = [worker(&["a"], 3), worker(&["b"], 5), worker(&["callbacks"], 0)];
        let workflows = [workflow("first", "a"), workflow("second", "b")];
        assert_eq!(fitting(&present, workflows.iter()), ledger::Window::of(16));
    }

    #[test]
    fn workflows_with_a_queue_that_nobody_serves_do_not_count() {
        let leaving = Presence { draining: true, ..worker(&["b"], 5) };
        let workflows = [workflow("first", "a"), workflow("second", "b")];
        let window = fitting(&[worker(&["a"], 3), leaving], workflows.iter());
        assert_eq!(window, ledger::Window { tasks: 6, unserved: vec!["second".to_owned()] });
    }

    #[test]
    fn without_workers_the_line_stays_in_line() {
        assert_eq!(fitting(&[], [workflow("first", "a")].iter()), ledger::Window::of(UNKNOWN));
    }
}
