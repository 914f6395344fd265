//! The flags of programs that reach addresses which tenants name.

use clap::Args;

use crate::{Allowed, Policy};

/// Which addresses outside may be reached.
#[derive(Clone, Debug, Default, Args)]
pub struct Outbound {
    /// Hosts and networks that tenants' URLs (webhooks, documents, models) may lead to besides the public internet, separated by commas:
    /// hooks.internal, *.corp.example, 10.1.2.3, 10.0.0.0/8. They may be reached at any port and over plain http too.
    #[arg(long, value_name = "HOSTS", env = "FLOTILLA_OUTBOUND_ALLOW", value_delimiter = ',')]
    pub outbound_allow: Vec<Allowed>,
    /// Let tenants' URLs be plain http to public addresses; what is sent can be read on the way.
    #[arg(long, env = "FLOTILLA_OUTBOUND_HTTP")]
    pub outbound_http: bool,
}

impl Outbound {
    /// The policy that these flags ask for.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy::allowing(self.outbound_allow.clone()).with_plain_http(self.outbound_http)
    }
}
