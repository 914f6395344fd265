//! Where new runs go: what the process was started with, and what operators have said since, for all dispatchers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use ledger::NewRun;
use ledger::records::{Expected, Record};
use protocol::webhooks::DELIVERY;
use protocol::{RunId, TenantId};

use super::{Error, Fleet};
use crate::choice::Choice;

const KIND: &str = "backends";

/// The one record of that kind.
const ID: &str = "choice";

/// How long a choice is believed: a switch takes effect everywhere within this.
const BELIEVED: Duration = Duration::from_secs(2);

/// The choice of backends, as this process knows it. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Switch {
    /// What the process was started with.
    configured: Choice,
    known: Arc<Mutex<Option<(Instant, Choice)>>>,
}

impl Fleet {
    /// The same fleet, whose new runs go where this says, unless operators say otherwise.
    #[must_use]
    pub fn with_choice(self, configured: Choice) -> Self {
        Self { switch: Switch { configured, known: Arc::default() }, ..self }
    }

    /// Where new runs go: as configured, and as operators have said since; as of at most 2 seconds ago.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn choice(&self) -> Result<Choice, Error> {
        let known = self.switch.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, choice)) = known
            && at.elapsed() < BELIEVED
        {
            return Ok(choice);
        }
        let choice = self.switch.configured.clone().overridden_by(self.said().await?);
        *self.switch.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), choice.clone()));
        Ok(choice)
    }

    /// What operators have said, apart from what processes are configured with.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn said(&self) -> Result<Choice, Error> {
        let stored = self.ledger.record_of(KIND, &TenantId::default_tenant(), ID).await?;
        let said = stored.map(|stored| serde_json::from_value(stored.body)).transpose();
        Ok(said
            .map_err(|error| ledger::Error::Corrupt { what: "choice of backends", detail: error.to_string() })?
            .unwrap_or_default())
    }

    /// Sends new runs elsewhere, from now on and for all dispatchers; an empty choice goes back to what each was started with.
    /// Runs stay where they are.
    ///
    /// # Errors
    /// [`Error::Unfit`] when a backend is not connected or lacks what a workflow asks for: then nothing changed.
    pub async fn choose(&self, choice: &Choice) -> Result<(), Error> {
        for (workflow, backend) in choice.named() {
            self.prepare(backend, workflow).await?;
        }
        let body = serde_json::to_value(choice)
            .map_err(|error| ledger::Error::Corrupt { what: "choice of backends", detail: error.to_string() })?;
        let tenant = TenantId::default_tenant();
        let record = Record { kind: KIND, tenant, id: ID.to_owned(), lookup: None, body };
        self.ledger.put_record(&record, Expected::Anything, Timestamp::now()).await?;
        *self.switch.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    /// Finds out at the start whether everything can be done that the configuration asks for.
    ///
    /// # Errors
    /// As for [`Self::choose`].
    pub async fn check_choice(&self) -> Result<(), Error> {
        let choice = self.choice().await?;
        for (workflow, backend) in choice.named() {
            self.prepare(backend, workflow).await?;
        }
        Ok(())
    }

    /// Gives every run the backend that it goes to, and returns those that repeat one of them elsewhere. Webhooks are
    /// delivered by our own workers: no other engine gets to see them.
    pub(super) async fn assign(&self, runs: &mut [NewRun]) -> Result<Vec<NewRun>, Error> {
        let choice = self.choice().await?;
        let own = self.roster.own();
        let mut shadows = Vec::new();
        for run in runs {
            if run.workflow == DELIVERY {
                run.backend = Some(own);
                continue;
            }
            let backend = *run.backend.get_or_insert_with(|| choice.pick(&run.workflow, run.id, own));
            if let Some(shadow) = choice.shadow(&run.workflow, run.id, backend) {
                shadows.push(NewRun {
                    id: RunId::new(),
                    backend: Some(shadow),
                    shadow_of: Some(run.id),
                    idempotency_key: run.idempotency_key.as_ref().map(|key| format!("shadow:{key}")),
                    notify: false,
                    ..run.clone()
                });
            }
        }
        Ok(shadows)
    }
}
