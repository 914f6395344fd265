//! Names to addresses, without those that may not be reached: what is checked here is what is connected to.

use std::error::Error as StdError;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::{Policy, Refusal};

/// A resolver under a [`Policy`], for [`reqwest::ClientBuilder::dns_resolver`]. Addresses that stand in a URL are not
/// resolved and have to be checked with [`Policy::check`].
#[derive(Clone, Debug)]
pub struct Resolver {
    policy: Arc<Policy>,
    /// Whether public addresses are left out too, because of the way they would be reached.
    allowed_only: bool,
}

impl Resolver {
    /// A resolver that leaves out what the policy does not admit.
    #[must_use]
    pub fn new(policy: Arc<Policy>) -> Self {
        Self { policy, allowed_only: false }
    }

    /// A resolver that leaves out what the operator does not allow by name or range.
    pub(crate) fn of_allowed(policy: Arc<Policy>) -> Self {
        Self { policy, allowed_only: true }
    }

    /// The addresses of a host that may be reached.
    fn admitted(&self, host: &str, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, Refusal> {
        let mut refusal = None;
        let mut admitted = Vec::new();
        for address in found {
            let checked = if !self.allowed_only || self.policy.allows(host, address.ip()) {
                self.policy.check_address(host, address.ip())
            } else {
                Err(Refusal::Address { host: host.to_owned(), address: address.ip() })
            };
            match checked {
                Ok(()) => admitted.push(address),
                Err(refused) => refusal = refusal.or(Some(refused)),
            }
        }
        match refusal {
            Some(refusal) if admitted.is_empty() => Err(refusal),
            _ => Ok(admitted),
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let host = name.as_str();
            let boxed = |error: NotFound| -> Box<dyn StdError + Send + Sync> { Box::new(error) };
            let found = tokio::net::lookup_host((host, 0)).await.map_err(|error| boxed(NotFound(error.to_string())))?;
            let admitted = resolver.admitted(host, found)?;
            if admitted.is_empty() {
                return Err(boxed(NotFound("it has no address".to_owned())));
            }
            let addresses: Addrs = Box::new(admitted.into_iter());
            Ok(addresses)
        })
    }
}

/// A name without an address.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotFound(pub(crate) String);

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect()
    }

    fn admitted(resolver: &Resolver, found: &[&str]) -> Result<Vec<SocketAddr>, Refusal> {
        resolver.admitted("a.example", addresses(found).into_iter())
    }

    #[test]
    fn of_several_addresses_those_that_may_be_reached_are_left() {
        let resolver = Resolver::new(Arc::default());
        assert_eq!(admitted(&resolver, &["10.0.0.1", "8.8.8.8", "::1"]).unwrap(), addresses(&["8.8.8.8"]));
        let refused = admitted(&resolver, &["10.0.0.1", "::1"]).unwrap_err().to_string();
        assert!(refused.contains("a.example is at 10.0.0.1"), "{refused}");
    }

    #[test]
    fn an_unusual_way_leads_to_allowed_addresses_alone() {
        let policy = Policy::allowing(["10.0.0.0/8".parse().unwrap()]);
        let resolver = Resolver::of_allowed(Arc::new(policy));
        assert_eq!(admitted(&resolver, &["10.0.0.1", "8.8.8.8"]).unwrap(), addresses(&["10.0.0.1"]));
        assert!(admitted(&resolver, &["8.8.8.8"]).is_err());
    }
}
