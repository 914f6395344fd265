//! Who may call, as command-line flags.

use std::sync::Arc;

use clap::{Args, ValueEnum};
use coordination::Coordination;
use ledger::{Error, Ledger};
use protocol::TenantId;

use super::{Access, NewKey, Scope, Scopes, Vault};

/// Shortest key that is adopted from the environment, in characters: nobody guesses it.
const SHORTEST: usize = 32;

/// Whether callers have to show a key, and the first keys.
#[derive(Clone, Debug, Args)]
pub struct Gate {
    /// Whether callers have to show a key. Without keys, everybody who reaches the port is an administrator [default: keys;
    /// `flotilla serve` on an address of this machine alone: off].
    #[arg(long, value_name = "WHO", env = "FLOTILLA_AUTH")]
    pub auth: Option<Auth>,
    /// A key with the scope "admin" that exists from the first start on: 32 characters or more. Without it: `dispatcher
    /// create-key`. Better given by environment: arguments are visible to everybody on the machine.
    #[arg(long, value_name = "KEY", env = "FLOTILLA_ADMIN_KEY", hide_env_values = true, value_parser = long_enough)]
    pub admin_key: Option<String>,
    /// The key that the workers of this fleet show, with the scope "fleet".
    #[arg(long, value_name = "KEY", env = "FLOTILLA_FLEET_KEY", hide_env_values = true, value_parser = long_enough)]
    pub fleet_key: Option<String>,
    /// What secrets of tenants are encrypted under: 64 hex digits (openssl rand -hex 32). Several, separated by commas: the
    /// first one encrypts, all decrypt.
    #[arg(long, value_name = "HEX", env = "FLOTILLA_MASTER_KEY", hide_env_values = true, default_value = "",
          hide_default_value = true, value_parser = Vault::new)]
    pub master_key: Vault,
}

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Auth {
    /// Whoever shows a key.
    Keys,
    /// Everybody.
    Off,
}

fn long_enough(key: &str) -> Result<String, String> {
    if key.len() >= SHORTEST && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(key.to_owned());
    }
    Err(format!("a key has {SHORTEST} printable characters or more; try `openssl rand -hex 32`"))
}

impl Gate {
    /// The gate as the flags say, with the keys they give. `usual` holds where they do not say whether it is guarded.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn open(
        &self,
        ledger: Arc<dyn Ledger>,
        coordination: Arc<dyn Coordination>,
        usual: Auth,
    ) -> Result<Access, Error> {
        let access = Access::new(ledger, coordination, self.auth.unwrap_or(usual) == Auth::Keys);
        let given = [(&self.admin_key, Scope::Admin), (&self.fleet_key, Scope::Fleet)];
        for (key, scope) in given {
            let Some(key) = key else { continue };
            let new = NewKey {
                tenant: TenantId::default_tenant(),
                name: format!("{scope} key of the environment"),
                scopes: Scopes::of([scope]),
                expires_at: None,
                issued_by: None,
            };
            if let Some(key) = access.keys.adopt(key, new).await? {
                tracing::info!(key = key.id, %scope, "a key of the environment is known from now on");
            }
        }
        if access.required {
            if access.keys.list(None, &ledger::records::Page::first(1)).await?.is_empty() {
                tracing::warn!(
                    "there is no key yet, so nobody can call: run `dispatcher create-key`, or set FLOTILLA_ADMIN_KEY"
                );
            }
        } else if self.auth.is_none() {
            tracing::debug!("nobody has to show a key");
        } else {
            tracing::warn!("nobody has to show a key: everybody who reaches this port is an administrator");
        }
        Ok(access)
    }
}
