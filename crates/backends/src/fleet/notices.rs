//! Ends of runs that owners want to be told about: which runs that is, and what waits to be told.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use ledger::{NewRun, Notice};
use protocol::webhooks::DELIVERY;
use protocol::{RunId, TenantId};

use super::{Error, Fleet};

/// Knows who wants to be told about ends of runs.
#[async_trait]
pub trait Audience: Send + Sync {
    /// Whether somebody wants to hear about runs of that tenant. Whoever cannot say says yes: what is told to nobody in the
    /// end costs little.
    async fn listens(&self, tenant: &TenantId) -> bool;
}

impl Fleet {
    /// The same fleet, which notes for every run that it starts whether somebody wants to be told about its end.
    #[must_use]
    pub fn with_audience(self, audience: Arc<dyn Audience>) -> Self {
        Self { audience: Some(audience), ..self }
    }

    /// Runs that ended and whose owners have to be told, the longest ended first, at most `limit`.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn notices(&self, limit: usize) -> Result<Vec<Notice>, Error> {
        Ok(self.ledger.notices(limit).await?)
    }

    /// Notes that the owners of these runs were told.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn clear_notices(&self, runs: &[RunId]) -> Result<(), Error> {
        Ok(self.ledger.clear_notices(runs).await?)
    }

    /// Whether somebody of that tenant wants to be told about its runs.
    pub(super) async fn is_heard_by(&self, tenant: &TenantId) -> bool {
        match &self.audience {
            Some(audience) if !tenant.is_of_deliveries() => audience.listens(tenant).await,
            _ => false,
        }
    }

    /// Notes which of these runs somebody wants to be told about. Of deliveries nobody is told: it would never end.
    pub(super) async fn address(&self, runs: &mut [NewRun]) {
        let Some(audience) = &self.audience else { return };
        let mut listening: HashMap<TenantId, bool> = HashMap::new();
        for run in runs.iter_mut().filter(|run| !run.tenant.is_of_deliveries() && run.workflow != DELIVERY) {
            let listens = match listening.get(&run.tenant) {
                Some(listens) => *listens,
                None => {
                    let listens = audience.listens(&run.tenant).await;
                    listening.insert(run.tenant.clone(), listens);
                    listens
                }
            };
            run.notify |= listens;
        }
    }
}
