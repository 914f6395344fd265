//! The backends that a process is connected to.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use metrics::counter;
use protocol::{Backend as Name, Job, Workflow};

use crate::port::{self, Ability, Backend, Capabilities, Lacking, Launch};

/// How long a backend that was away is left alone before it is tried again.
const REST: Duration = Duration::from_secs(3);

/// How long a backend may take to take work over. Whoever waits for it is recording other runs, too.
const PATIENCE: Duration = Duration::from_secs(5);

/// The backends that a process is connected to: our own, and others by name. Clones share them.
#[derive(Clone, Default)]
pub struct Roster {
    native: Name,
    others: Arc<BTreeMap<Name, Arc<dyn Backend>>>,
    /// Which of the others were away, until when they are left alone.
    away: Arc<Mutex<HashMap<Name, Instant>>>,
}

/// A backend that this process is not connected to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this process is not connected to backend {name}; {advice}", advice = advice(*.name))]
pub struct NotConnected {
    /// Which.
    pub name: Name,
}

impl Roster {
    /// Our own engine alone, under its name: `fleet` or `embedded`.
    #[must_use]
    pub fn native(native: Name) -> Self {
        Self { native, ..Self::default() }
    }

    /// The same with these others.
    #[must_use]
    pub fn with(self, others: impl IntoIterator<Item = Arc<dyn Backend>>) -> Self {
        let known = self.others.iter().map(|(name, backend)| (*name, Arc::clone(backend)));
        let others = known.chain(others.into_iter().map(|backend| (backend.name(), backend))).collect();
        Self { others: Arc::new(others), ..self }
    }

    /// The name that our own engine goes by here.
    #[must_use]
    pub const fn own(&self) -> Name {
        self.native
    }

    /// Every name that runs can be on here, our own first.
    pub fn names(&self) -> impl Iterator<Item = Name> {
        std::iter::once(self.native).chain(self.others.keys().copied())
    }

    /// The others.
    pub fn others(&self) -> impl Iterator<Item = &Arc<dyn Backend>> {
        self.others.values()
    }

    /// Another backend.
    #[must_use]
    pub fn get(&self, name: Name) -> Option<&Arc<dyn Backend>> {
        self.others.get(&name)
    }

    /// What a backend can do.
    ///
    /// # Errors
    /// [`NotConnected`].
    pub fn capabilities(&self, name: Name) -> Result<Capabilities, NotConnected> {
        if name == self.native {
            return Ok(native());
        }
        self.get(name).map(|backend| backend.capabilities()).ok_or(NotConnected { name })
    }

    /// Whether a workflow can run on a backend.
    ///
    /// # Errors
    /// [`Unfit`] says why not.
    pub fn fits(&self, name: Name, workflow: &Workflow) -> Result<(), Unfit> {
        Ok(self.capabilities(name)?.suffice(name, workflow)?)
    }

    /// Which backend takes a job to a worker.
    #[must_use]
    pub fn carrier(&self, job: &Job) -> Name {
        match job.backend {
            _ if job.celery.is_some() => Name::Celery,
            backend if backend.is_native() => self.native,
            backend => backend,
        }
    }

    /// The backends whose work has to wait: not connected, or away a moment ago.
    #[must_use]
    pub(crate) fn resting(&self) -> Vec<Name> {
        let foreign = Name::ALL.into_iter().filter(|name| !name.is_native());
        foreign.filter(|name| !self.others.contains_key(name) || self.rests(*name)).collect()
    }

    fn rests(&self, name: Name) -> bool {
        let away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        away.get(&name).is_some_and(|until| Instant::now() < *until)
    }

    /// Has a backend take over runs and jobs. One that is away gets a rest and is asked again later; that holds up no other.
    ///
    /// # Errors
    /// When it refuses: trying again does not help.
    pub(crate) async fn hand_over(&self, name: Name, launches: &[Launch], jobs: &[Job]) -> Result<bool, port::Error> {
        let Some(backend) = self.get(name) else {
            tracing::warn!(jobs = jobs.len(), "work waits: {}", NotConnected { name });
            return Ok(false);
        };
        if self.rests(name) {
            return Ok(false);
        }
        let handed = async {
            backend.start(launches).await?;
            backend.hand_out(jobs).await
        };
        let late = |_| port::Error::Unavailable { backend: name, reason: format!("no answer within {PATIENCE:?}") };
        match tokio::time::timeout(PATIENCE, handed).await.map_err(late).and_then(|handed| handed) {
            Ok(()) => Ok(true),
            Err(error @ port::Error::Unavailable { .. }) => {
                counter!("flotilla_backend_unavailable_total", "backend" => name.as_str()).increment(1);
                tracing::warn!(backend = name.as_str(), error = %error, jobs = jobs.len(), "work waits for its backend");
                let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
                away.insert(name, Instant::now() + REST);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// Why a workflow cannot run on a backend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// This process is not connected to it.
    #[error(transparent)]
    NotConnected(#[from] NotConnected),
    /// It lacks what the workflow asks for.
    #[error(transparent)]
    Lacking(#[from] Box<Lacking>),
}

/// What our own engine can do.
fn native() -> Capabilities {
    Capabilities::all().without(Ability::Signals, "its tasks wait for timers and for each other alone")
}

/// How a process gets connected.
const fn advice(name: Name) -> &'static str {
    match name {
        Name::Fleet => "only dispatcher and worker processes are a fleet",
        Name::Embedded => "only `flotilla serve` and `flotilla run` have everything in one process",
        Name::Celery => "give it --celery-url",
        Name::Hatchet => "give it --hatchet-token",
        Name::Temporal => "give it --temporal-url",
        Name::Inngest => "give it --inngest-url",
    }
}

impl std::fmt::Debug for Roster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
