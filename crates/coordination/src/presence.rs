//! How a process shows that it is alive.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use protocol::message::WIRE_VERSION;
use protocol::{Presence, Timestamp};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::Coordination;

/// How often a process checks in.
pub const EVERY: Duration = Duration::from_secs(2);

/// How long it counts as alive after that: three times in a row may be missed.
pub const TTL: Duration = Duration::from_secs(7);

/// What does not change while this process runs: a presence without queues and jobs. `name` is unique per start.
#[must_use]
pub fn this_process(role: &str, name: &str) -> Presence {
    Presence {
        v: WIRE_VERSION,
        name: name.to_owned(),
        role: role.to_owned(),
        host: HOST.clone(),
        pid: std::process::id(),
        queues: Vec::new(),
        concurrency: 0,
        in_flight: 0,
        started_at: Timestamp::now(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        draining: false,
    }
}

/// A process that shows that it is alive. Dropping it leaves it to the store to forget the process.
#[derive(Debug)]
pub struct Attendance {
    end: oneshot::Sender<()>,
    attending: JoinHandle<()>,
}

impl Attendance {
    /// Checks in every [`EVERY`] with what `describe` says then; the name in it never changes. A store that is away
    /// hides the process and does not stop it. Has to be called within a tokio runtime.
    #[must_use]
    pub fn begin(store: Arc<dyn Coordination>, describe: impl Fn() -> Presence + Send + Sync + 'static) -> Self {
        let (end, ended) = oneshot::channel();
        Self { end, attending: tokio::spawn(attend(store, describe, ended)) }
    }

    /// Checks out.
    pub async fn end(self) {
        // An error means that it has ended by itself, in a panic.
        if self.end.send(()).is_err() || self.attending.await.is_err() {
            tracing::warn!("this process stopped showing that it is alive before its end");
        }
    }
}

async fn attend(store: Arc<dyn Coordination>, describe: impl Fn() -> Presence + Sync, end: oneshot::Receiver<()>) {
    let mut turns = interval(EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let attending = async {
        loop {
            turns.tick().await;
            if let Err(error) = store.check_in(&describe(), TTL).await {
                tracing::debug!(%error, "this process could not show that it is alive");
            }
        }
    };
    tokio::select! {
        () = attending => {}
        told = end => {
            // Dropped, not ended: the process is as good as dead, and its runtime may be going.
            if told.is_err() {
                return;
            }
        }
    }
    if let Err(error) = store.check_out(&describe().name).await {
        tracing::debug!(%error, "this process seems alive for a few seconds after its end");
    }
}

pub(crate) fn sort(present: &mut [Presence]) {
    present.sort_by(|one, other| (&one.role, &one.name).cmp(&(&other.role, &other.name)));
}

/// The name of this machine or container.
static HOST: LazyLock<String> = LazyLock::new(|| {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = kernel.or_else(|| std::env::var("HOSTNAME").ok());
    let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| "unknown".to_owned())
});
