//! What operators say about the addresses of the replaced system.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::tz::TimeZone;
use protocol::TenantId;

/// Stands for the tenant's name in a prefix.
const TENANT: &str = "{tenant}";

/// First segments that belong to Flotilla.
const RESERVED: [&str; 3] = ["documents", "requests", "runs"];

/// How long callers wait, unless operators say otherwise.
const WAIT: Duration = Duration::from_secs(300);

/// The addresses of the replaced system, as command-line flags.
#[derive(Clone, Debug, Args)]
pub struct CompatFlags {
    /// Where in the object store documents may lie that callers of the replaced system's addresses name by `file_path`:
    /// begins with a folder, holds the segment {tenant}. Several: repeat it, or separate them by commas.
    #[arg(
        long = "import-prefix",
        value_name = "PREFIX",
        env = "FLOTILLA_IMPORT_PREFIXES",
        value_delimiter = ',',
        default_value = "imports/{tenant}/"
    )]
    pub import_prefixes: Vec<ImportPrefix>,
    /// How long callers of the replaced system's addresses wait for an answer, in seconds; then they get a 504 with the
    /// id of the run, which goes on.
    #[arg(long, value_name = "SECONDS", env = "FLOTILLA_COMPAT_WAIT", default_value_t = 300,
          value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub compat_wait: u32,
    /// The day on which the deprecated address `POST /extract` ends, as its answers tell (header Sunset) [default: none]
    #[arg(long, value_name = "YYYY-MM-DD", env = "FLOTILLA_COMPAT_SUNSET")]
    pub compat_sunset: Option<Date>,
}

impl CompatFlags {
    /// The settings that these flags ask for, on that backend.
    ///
    /// # Errors
    /// [`InvalidPrefixes`] when tenants could reach each other's documents.
    pub fn settings(&self, backend: &'static str) -> Result<Compat, InvalidPrefixes> {
        for one in &self.import_prefixes {
            if let Some(other) = self.import_prefixes.iter().find(|other| one.reaches_into(other)) {
                return Err(InvalidPrefixes { one: one.clone(), other: other.clone() });
            }
        }
        let sunset = self.compat_sunset.and_then(|day| day.to_zoned(TimeZone::UTC).ok()).map(|day| day.timestamp());
        Ok(Compat {
            wait: Duration::from_secs(self.compat_wait.into()),
            imports: self.import_prefixes.clone(),
            sunset: sunset.and_then(http_date),
            backend,
        })
    }
}

/// A moment as HTTP headers have it.
fn http_date(moment: Timestamp) -> Option<String> {
    DateTimePrinter::new().timestamp_to_rfc9110_string(&moment).ok()
}

/// How the addresses of the replaced system behave.
#[derive(Clone, Debug)]
pub struct Compat {
    /// How long callers wait for an answer.
    pub(super) wait: Duration,
    /// Where documents may lie that callers name.
    pub(super) imports: Vec<ImportPrefix>,
    /// When the deprecated address ends, as an HTTP date.
    pub(super) sunset: Option<String>,
    /// What executes workflows: `fleet` or `embedded`.
    pub(super) backend: &'static str,
}

impl Default for Compat {
    fn default() -> Self {
        let imports = ImportPrefix { before: vec!["imports".to_owned()], after: Vec::new() };
        Self { wait: WAIT, imports: vec![imports], sunset: None, backend: "fleet" }
    }
}

/// A part of the object store in which every tenant has a folder: `imports/{tenant}/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportPrefix {
    /// Segments before the tenant's; at least one.
    before: Vec<String>,
    /// Segments behind it.
    after: Vec<String>,
}

/// A text that is no import prefix.
#[derive(Debug, thiserror::Error)]
#[error("an import prefix is one such as `imports/{{tenant}}/`: {0}")]
pub struct InvalidPrefix(&'static str);

/// Import prefixes of which one lies in the other.
#[derive(Debug, thiserror::Error)]
#[error(
    "--import-prefix {one} and {other}: one of them lies where the other has tenants' folders; give them different beginnings"
)]
pub struct InvalidPrefixes {
    one: ImportPrefix,
    other: ImportPrefix,
}

impl ImportPrefix {
    /// Whether a key lies in that tenant's folder.
    pub(super) fn admits(&self, tenant: &TenantId, key: &str) -> bool {
        let folder = self.to_string().replace(TENANT, &tenant.to_string());
        key.strip_prefix(&folder).is_some_and(|rest| !rest.is_empty())
    }

    /// Whether a tenant of this prefix could be called so that its folder holds those of the other prefix.
    fn reaches_into(&self, other: &Self) -> bool {
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
                return Err(InvalidPrefix("documents/, requests/ and runs/ are Flotilla's own"));
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

    fn flags(prefixes: &[&str]) -> CompatFlags {
        let import_prefixes = prefixes.iter().map(|prefix| prefix.parse().unwrap()).collect();
        CompatFlags { import_prefixes, compat_wait: 1, compat_sunset: Some("2027-06-30".parse().unwrap()) }
    }

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

    #[test]
    fn no_prefix_may_lie_where_a_tenant_of_another_could_have_its_folder() {
        assert!(flags(&["in/{tenant}/", "in/shared/{tenant}/"]).settings("fleet").is_err());
        assert!(flags(&["in/{tenant}/a", "in/{tenant}/b", "out/x/{tenant}/"]).settings("fleet").is_ok());
    }

    #[test]
    fn a_sunset_is_told_as_a_date_of_http() {
        let settings = flags(&["in/{tenant}/"]).settings("fleet").unwrap();
        assert_eq!(settings.sunset.as_deref(), Some("Wed, 30 Jun 2027 00:00:00 GMT"));
    }
}
