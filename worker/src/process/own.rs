//! A worker program in a few lines: what it is called, what it serves, its handlers.

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;

use protocol::Task;

use crate::{Builder, Handle, Ports};

/// A worker program: every flag, metric, probe and way to end of the stock workers, with handlers of your own.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use protocol::Task;
/// use worker::process::Process;
/// use worker::{Context, Handle, Stop};
///
/// struct Greet;
///
/// impl Task for Greet {
///     const NAME: &'static str = "greet";
///     type Input = String;
///     type Output = String;
/// }
///
/// struct Greeter;
///
/// #[async_trait::async_trait]
/// impl Handle<Greet> for Greeter {
///     async fn run(&self, _ctx: &Context, name: String) -> Result<String, Stop> {
///         Ok(format!("Good day, {name}"))
///     }
/// }
///
/// fn main() -> ExitCode {
///     Process::named("worker-greetings").queues(&["greetings"]).register::<Greet>(Greeter).main()
/// }
/// ```
pub struct Process {
    pub(super) role: &'static str,
    pub(super) version: Option<&'static str>,
    pub(super) queues: &'static [&'static str],
    pub(super) stages: bool,
    pub(super) handlers: Vec<Registration>,
}

/// Makes a handler once the servers are there, and registers it.
pub(super) type Registration = Box<dyn FnOnce(Builder, Ports) -> Registered + Send>;

type Registered = Pin<Box<dyn Future<Output = anyhow::Result<Builder>> + Send>>;

impl Process {
    /// A worker of that name in logs, in `--help`, and at the beginning of its name in the record.
    #[must_use]
    pub fn named(role: &'static str) -> Self {
        Self { role, version: None, queues: &[], stages: false, handlers: Vec::new() }
    }

    /// What `--version` says: `env!("CARGO_PKG_VERSION")`. Without it: Flotilla's own.
    #[must_use]
    pub fn version(mut self, version: &'static str) -> Self {
        self.version = Some(version);
        self
    }

    /// The queues it serves unless `--queues` says otherwise; without any, `--queues` has to be given. Queues that do not
    /// exist yet are made. Tasks of your own get queues of their own: on a queue that is shared with workers that do not
    /// serve them they are passed on until one does, and fail with `task_not_served` when none does.
    #[must_use]
    pub fn queues(mut self, queues: &'static [&'static str]) -> Self {
        self.queues = queues;
        self
    }

    /// Serves the six stages of the document workflow.
    #[must_use]
    pub fn stages(mut self) -> Self {
        self.stages = true;
        self
    }

    /// Serves a task. Registering the same task again replaces its handler.
    #[must_use]
    pub fn register<T: Task + 'static>(self, handler: impl Handle<T>) -> Self {
        self.register_with::<T, _, _>(|_| std::future::ready(Ok(handler)))
    }

    /// Serves a task with a handler that is made when the servers are connected: one that opens a pool, reads a file, or
    /// works with objects itself. An error ends the process before it takes a job.
    #[must_use]
    pub fn register_with<T, H, F>(mut self, make: impl FnOnce(Ports) -> F + Send + 'static) -> Self
    where
        T: Task + 'static,
        H: Handle<T>,
        F: Future<Output = anyhow::Result<H>> + Send + 'static,
    {
        self.handlers.push(Box::new(move |builder, ports| {
            let making = make(ports);
            Box::pin(async move { Ok(builder.register::<T>(making.await?)) })
        }));
        self
    }

    /// The whole of `main`: reads the flags, works until it is told to stop, and says how it went.
    #[must_use]
    pub fn main(self) -> ExitCode {
        super::main(self)
    }
}
