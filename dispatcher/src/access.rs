//! Who may do what: tenants with their limits, keys, secrets at rest, and the log of what administrators did.

use std::sync::Arc;

use coordination::Coordination;
use ledger::Ledger;

mod audit;
mod budget;
mod cache;
mod flags;
mod hex;
mod keys;
mod scope;
mod tenants;
mod vault;

pub use audit::{Audit, Entry};
pub use budget::{Amount, Exhausted};
pub use flags::{Auth, Gate};
pub use keys::{Identity, Issued, Key, Keyring, NewKey};
pub use scope::{Scope, Scopes};
pub use tenants::{Settings, Tenant, Tenants};
pub use vault::{Sealed, Vault, VaultError};

/// Everything that decides about a caller.
#[derive(Clone)]
pub struct Access {
    /// The keys that callers show.
    pub keys: Keyring,
    /// What tenants may use.
    pub tenants: Tenants,
    /// What administrators did.
    pub audit: Audit,
    /// Whether callers have to show a key.
    pub required: bool,
}

impl Access {
    /// Keys and limits as that ledger keeps them; counted across the fleet by the coordination store.
    #[must_use]
    pub fn new(ledger: Arc<dyn Ledger>, coordination: Arc<dyn Coordination>, required: bool) -> Self {
        Self {
            keys: Keyring::new(ledger.clone()),
            tenants: Tenants::new(Arc::clone(&ledger), coordination),
            audit: Audit::new(ledger),
            required,
        }
    }
}
