//! Typed identifiers, so that a run id can never pass as a task run id.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Defines an identifier that is a UUIDv7: unique without coordination and sortable by creation time.
macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh identifier carrying the current time (UUIDv7, RFC 9562).
            #[must_use]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The identifier for a UUID that came from elsewhere.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The bare UUID, for storage.
            #[must_use]
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

uuid_id!(
    /// One execution of a workflow for one input.
    RunId
);
uuid_id!(
    /// One task within one run; a mapped task has one for itself and one for each child.
    TaskRunId
);

/// An organization: owner of keys, runs, limits and a fair share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(String);

/// What the name of a tenant ends in under which webhooks are delivered; no other name has a dot.
const DELIVERIES: &str = ".webhooks";

/// A tenant name that cannot be used in queue names, keys and paths.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("tenant {0:?}: use 1 to 64 of a-z, A-Z, 0-9, '-' and '_'")]
pub struct InvalidTenant(String);

impl TenantId {
    /// The tenant of a single-user installation.
    #[must_use]
    pub fn default_tenant() -> Self {
        Self("default".to_owned())
    }

    /// Under which webhooks of this tenant are delivered: a tenant of its own, so that an endpoint that is away for hours
    /// neither uses up the limits of its owner nor fills the list of the owner's runs. Those of deliveries have none.
    #[must_use]
    pub fn deliveries(&self) -> Self {
        if self.is_of_deliveries() { self.clone() } else { Self(format!("{}{DELIVERIES}", self.0)) }
    }

    /// Whether webhooks are delivered under it. Nobody may set up a tenant of such a name.
    #[must_use]
    pub fn is_of_deliveries(&self) -> bool {
        self.0.ends_with(DELIVERIES)
    }

    /// Whose webhooks are delivered under it; itself for every other.
    #[must_use]
    pub fn owner(&self) -> Self {
        Self(self.0.strip_suffix(DELIVERIES).unwrap_or(&self.0).to_owned())
    }

    /// The name as it appears in keys and paths.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TenantId {
    type Error = InvalidTenant;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let own = name.strip_suffix(DELIVERIES).unwrap_or(&name);
        if (1..=64).contains(&own.len()) && own.chars().all(allowed) {
            Ok(Self(name))
        } else {
            Err(InvalidTenant(name))
        }
    }
}

impl FromStr for TenantId {
    type Err = InvalidTenant;

    /// Somebody's own name for a tenant: never one of deliveries, which follow from others.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::try_from(name.to_owned())
            .and_then(|tenant| if tenant.is_of_deliveries() { Err(InvalidTenant(tenant.0)) } else { Ok(tenant) })
    }
}

impl From<TenantId> for String {
    fn from(tenant: TenantId) -> Self {
        tenant.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_ids_sort_after_earlier_ones() {
        let first = RunId::new();
        let second = RunId::new();
        assert!(first < second);
    }

    #[test]
    fn a_tenant_name_that_could_escape_a_path_is_refused() {
        for name in ["", "../other", "a/b", "a b", &"x".repeat(65)] {
            assert!(name.parse::<TenantId>().is_err(), "{name:?} was accepted");
        }
        assert_eq!("acme-1".parse::<TenantId>().unwrap().as_str(), "acme-1");
    }

    #[test]
    fn deliveries_go_under_a_name_that_leads_back_to_its_owner() {
        let longest = "x".repeat(64);
        for name in ["acme", "acme-webhooks", &longest] {
            let tenant: TenantId = name.parse().unwrap();
            let deliveries = tenant.deliveries();
            assert!(deliveries.is_of_deliveries() && !tenant.is_of_deliveries());
            assert_eq!(
                (deliveries.owner(), tenant.owner(), deliveries.deliveries()),
                (tenant.clone(), tenant, deliveries.clone())
            );
            assert_eq!(TenantId::try_from(deliveries.as_str().to_owned()), Ok(deliveries.clone()));
            assert!(deliveries.as_str().parse::<TenantId>().is_err(), "nobody calls a tenant so");
        }
        for name in [".webhooks", "a.webhooks.webhooks", "../a.webhooks", "a.other"] {
            assert!(TenantId::try_from(name.to_owned()).is_err(), "{name:?} was accepted");
        }
    }
}
