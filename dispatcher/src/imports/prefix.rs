//! Where in the object store others put things for tenants.

use std::fmt;
use std::str::FromStr;

use protocol::TenantId;

/// Stands for the tenant's name in a prefix.
const TENANT: &str = "{tenant}";

/// First segments that belong to Flotilla.
const RESERVED: [&str; 4] = ["documents", "requests", "runs", "texts"];

/// A part of the object store in which every tenant has a folder: `imports/{tenant}/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportPrefix {
    /// Segments before the tenant's; at least one.
    before: Vec<String>,
    /// Segments behind it.
    after: Vec<String>,
}

/// A text that is no import prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an import prefix is one such as `imports/{{tenant}}/`: {0}")]
pub struct InvalidPrefix(&'static str);

/// Import prefixes of which one lies in the other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "--import-prefix {one} and {other}: one of them lies where the other has tenants' folders; give them different beginnings"
)]
pub struct InvalidPrefixes {
    pub(super) one: ImportPrefix,
    pub(super) other: ImportPrefix,
}

impl ImportPrefix {
    /// Where things for tenants lie unless somebody says otherwise: `imports/{tenant}/`.
    #[must_use]
    pub fn usual() -> Self {
        Self { before: vec!["imports".to_owned()], after: Vec::new() }
    }

    /// That tenant's folder.
    pub(super) fn folder(&self, tenant: &TenantId) -> String {
        self.to_string().replace(TENANT, tenant.as_str())
    }

    /// Whether a key lies in that tenant's folder.
    pub(super) fn admits(&self, tenant: &TenantId, key: &str) -> bool {
        key.strip_prefix(&self.folder(tenant)).is_some_and(|rest| !rest.is_empty())
    }

    /// Whether a tenant of this prefix could be called so that its folder holds those of the other prefix.
    pub(super) fn reaches_into(&self, other: &Self) -> bool {
        other.before.len() > self.before.len() && other.before.starts_with(&self.before)
    }
}

impl FromStr for ImportPrefix {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        let segments: Vec<&str> = text.strip_suffix('/').unwrap_or(text).split('/').collect();
        let plain = |segment: &&str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
            !segment.is_empty() && !matches!(*segment, "." | "..") && segment.bytes().all(allowed)
        };
        let Some(place) = segments.iter().position(|segment| *segment == TENANT) else {
            return Err(InvalidPrefix("{tenant} is missing, so that all tenants would see the same documents"));
        };
        let (before, after) = (&segments[..place], &segments[place + 1..]);
        match before.first() {
            None => return Err(InvalidPrefix("a folder has to come before {tenant}")),
            Some(first) if RESERVED.contains(first) => {
                return Err(InvalidPrefix("documents/, requests/, runs/ and texts/ are Flotilla's own"));
            }
            Some(_) => {}
        }
        if !before.iter().chain(after).all(plain) {
            return Err(InvalidPrefix("segments are made of a-z, A-Z, 0-9, '.', '_' and '-', {tenant} stands once"));
        }
        let owned = |segments: &[&str]| segments.iter().map(|segment| (*segment).to_owned()).collect();
        Ok(Self { before: owned(before), after: owned(after) })
    }
}

impl fmt::Display for ImportPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in
            self.before.iter().map(String::as_str).chain([TENANT]).chain(self.after.iter().map(String::as_str))
        {
            write!(f, "{segment}/")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_begins_with_a_folder_and_has_one_for_each_tenant() {
        for good in ["imports/{tenant}/", "a/b.c/{tenant}", "in/{tenant}/scans"] {
            assert!(good.parse::<ImportPrefix>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "/",
            "imports/",
            "{tenant}/",
            "/imports/{tenant}/",
            "imports/../{tenant}",
            "imports/x{tenant}/",
            "documents/{tenant}/",
            "runs/{tenant}",
            "texts/{tenant}",
            "a/{tenant}/{tenant}/",
            "a//{tenant}",
            "ä/{tenant}",
        ] {
            assert!(bad.parse::<ImportPrefix>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tenant_reaches_its_own_folder_and_nothing_else() {
        let prefix: ImportPrefix = "in/{tenant}/scans".parse().unwrap();
        let acme: TenantId = "acme".parse().unwrap();
        assert!(prefix.admits(&acme, "in/acme/scans/a/b.pdf"));
        for other in ["in/acme/scans/", "in/acme/scans", "in/acme/b.pdf", "in/acme2/scans/a", "in/other/scans/a", "a"] {
            assert!(!prefix.admits(&acme, other), "{other}");
        }
    }
}
