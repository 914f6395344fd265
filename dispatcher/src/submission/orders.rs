//! Runs of any workflow, many at a time.

use ledger::{NewRun, Refused, Submitted};
use protocol::{Backend, Payload, RunId, TenantId};
use serde_json::Value;
use tokio::task::JoinSet;

use super::{Desk, Error, input};

/// How many large inputs are stored at a time.
const STORED_AT_ONCE: usize = 16;

/// A run that somebody wants.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Name of a registered workflow.
    pub workflow: String,
    /// What every task gets.
    pub input: Value,
    /// Higher ones are admitted first; 0 is usual.
    pub priority: i16,
    /// Within a tenant, a key starts at most one run.
    pub idempotency_key: Option<String>,
    /// Who is to execute it; whoever is chosen for new runs otherwise. It has to be fit for it.
    pub backend: Option<Backend>,
}

impl Desk {
    /// Records runs in one transaction; the answers come in the order of the orders.
    ///
    /// # Errors
    /// [`Error`]; nothing was recorded then.
    pub async fn submit_orders(&self, tenant: &TenantId, orders: Vec<Order>) -> Result<Vec<Submitted>, Error> {
        let runs = self.runs(tenant, orders).await?;
        Ok(self.fleet.start(runs).await?)
    }

    /// Records runs, each for itself; what became of each, in the order of the orders.
    ///
    /// # Errors
    /// [`Error`]; nothing was recorded then.
    pub async fn submit_each(
        &self,
        tenant: &TenantId,
        orders: Vec<Order>,
    ) -> Result<Vec<Result<Submitted, Refused>>, Error> {
        let runs = self.runs(tenant, orders).await?;
        Ok(self.fleet.start_each(runs).await?)
    }

    /// What runs start with as the ledger takes it: stored, when it is large.
    ///
    /// # Errors
    /// [`Error`] when it cannot be stored.
    pub async fn keep(&self, value: Value) -> Result<Payload, Error> {
        input(value, self.objects.as_ref()).await
    }

    /// Orders as the ledger takes them: with large inputs stored.
    ///
    /// # Errors
    /// [`Error`] when an input cannot be stored.
    pub async fn runs(&self, tenant: &TenantId, orders: Vec<Order>) -> Result<Vec<NewRun>, Error> {
        let mut runs: Vec<Option<NewRun>> = Vec::new();
        runs.resize_with(orders.len(), || None);
        let mut orders = orders.into_iter().enumerate();
        let mut storing: JoinSet<Result<(usize, NewRun), Error>> = JoinSet::new();
        loop {
            while storing.len() < STORED_AT_ONCE
                && let Some((place, order)) = orders.next()
            {
                let (objects, tenant) = (self.objects.clone(), tenant.clone());
                storing.spawn(async move {
                    let Order { workflow, input: value, priority, idempotency_key, backend } = order;
                    let input = input(value, objects.as_ref()).await?;
                    Ok((
                        place,
                        NewRun {
                            id: RunId::new(),
                            tenant,
                            workflow,
                            input,
                            idempotency_key,
                            priority,
                            notify: false,
                            backend,
                            shadow_of: None,
                        },
                    ))
                });
            }
            match storing.join_next().await {
                Some(Ok(stored)) => {
                    let (place, run) = stored?;
                    runs[place] = Some(run);
                }
                Some(Err(error)) => {
                    return Err(Error::Objects(objects::Error::Io {
                        key: "requests".to_owned(),
                        source: std::io::Error::other(error),
                    }));
                }
                None => return Ok(runs.into_iter().flatten().collect()),
            }
        }
    }
}
