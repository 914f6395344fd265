//! What tenants set up, by name: where webhooks go, how adapters are configured. Messages carry ids alone; whoever needs
//! the address or the secret behind one asks here.

use async_trait::async_trait;
use protocol::TenantId;
use protocol::resolved::{AdapterInstance, WebhookEndpoint};

#[cfg(feature = "fleet")]
mod http;
#[cfg(feature = "fleet")]
pub(crate) mod link;

#[cfg(feature = "fleet")]
pub use http::HttpResolver;

/// Answers for the fleet's own eyes: they hold secrets.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// A tenant's endpoint for webhooks, if it has it.
    ///
    /// # Errors
    /// [`Unresolved`]
    async fn webhook(&self, tenant: &TenantId, id: &str) -> Result<Option<WebhookEndpoint>, Unresolved>;

    /// Passes on that an endpoint says it is gone for good, so that nothing more is sent there.
    ///
    /// # Errors
    /// [`Unresolved`]
    async fn webhook_gone(&self, tenant: &TenantId, id: &str) -> Result<(), Unresolved>;

    /// A tenant's adapter, if it has it.
    ///
    /// # Errors
    /// [`Unresolved`]
    async fn adapter(&self, tenant: &TenantId, id: &str) -> Result<Option<AdapterInstance>, Unresolved>;
}

/// Nobody could be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// This worker was not told whom to ask.
    #[error("this worker cannot look up what tenants set up; start it with --dispatcher-url and FLOTILLA_FLEET_KEY")]
    NotConfigured,
    /// The dispatcher does not know this worker.
    #[error("the dispatcher refuses this worker; give both the same FLOTILLA_FLEET_KEY")]
    NotAllowed,
    /// The dispatcher cannot be asked now.
    #[error("the dispatcher cannot be asked: {0}")]
    Away(String),
}

/// Resolves nothing: for workers that need nothing of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoResolver;

#[async_trait]
impl Resolver for NoResolver {
    async fn webhook(&self, _: &TenantId, _: &str) -> Result<Option<WebhookEndpoint>, Unresolved> {
        Err(Unresolved::NotConfigured)
    }

    async fn webhook_gone(&self, _: &TenantId, _: &str) -> Result<(), Unresolved> {
        Err(Unresolved::NotConfigured)
    }

    async fn adapter(&self, _: &TenantId, _: &str) -> Result<Option<AdapterInstance>, Unresolved> {
        Err(Unresolved::NotConfigured)
    }
}
