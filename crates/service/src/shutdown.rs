//! How a process is told to stop.
//!
//! [`Shutdown`] is an argument, never a static: whoever runs something hands it one, and a test hands it its own.

use std::io;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code of a process that was interrupted, by the shell's convention for Ctrl-C.
pub const INTERRUPTED_EXIT_CODE: i32 = 130;

/// Signals so soon after the first are the same request: a terminal or a supervisor that signals the process and its
/// group delivers it more than once.
const REPEATS: Duration = Duration::from_millis(500);

/// A request to stop that everything in a process can wait for. Clones are the same request.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
    cause: Arc<OnceLock<Interrupted>>,
}

/// The signal that asked the process to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupted {
    /// SIGINT: somebody pressed Ctrl-C.
    Interrupt,
    /// SIGTERM: a supervisor wants the process to end.
    Terminate,
}

impl Shutdown {
    /// A request that nobody has made yet and that signals do not make.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A request that the first SIGINT or SIGTERM makes. The second, unless it comes within half a second, ends the
    /// process at once with [`INTERRUPTED_EXIT_CODE`]. For `main`, once in a process.
    ///
    /// # Errors
    /// When the system refuses the signal handlers or the thread that waits for them.
    pub fn signals() -> io::Result<Self> {
        let shutdown = Self::new();
        // An own thread with its own runtime: the second Ctrl-C must work when the other runtime is stuck.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let mut signals = {
            let _entered = runtime.enter();
            Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? }
        };
        let request = shutdown.clone();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let first = runtime.block_on(signals.next());
            let asked = Instant::now();
            tracing::info!(signal = ?first, "stopping");
            request.cause.get_or_init(|| first);
            request.trigger();
            let mut second = runtime.block_on(signals.next());
            while asked.elapsed() < REPEATS {
                second = runtime.block_on(signals.next());
            }
            tracing::warn!(signal = ?second, "stopping at once");
            std::process::exit(INTERRUPTED_EXIT_CODE);
        })?;
        Ok(shutdown)
    }

    /// Makes the request. Making it again changes nothing.
    pub fn trigger(&self) {
        self.token.cancel();
    }

    /// Waits until the request is made.
    pub async fn requested(&self) {
        self.token.cancelled().await;
    }

    /// Whether the request is made.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.token.is_cancelled()
    }

    /// The request as a token, for what wants one; cancelling it makes the request.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// The signal that made the request; `None` when there was no signal.
    #[must_use]
    pub fn interrupted(&self) -> Option<Interrupted> {
        self.cause.get().copied()
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    async fn next(&mut self) -> Interrupted {
        tokio::select! {
            _ = self.interrupt.recv() => Interrupted::Interrupt,
            _ = self.terminate.recv() => Interrupted::Terminate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_clone_sees_the_request() {
        let shutdown = Shutdown::new();
        let other = shutdown.clone();
        assert!(!other.is_requested());
        shutdown.trigger();
        other.requested().await;
        assert_eq!(other.interrupted(), None);
    }
}
