//! What operators say about the addresses of the replaced system.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::tz::TimeZone;

use crate::imports::{ImportPrefix, Imports, InvalidPrefixes};

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
    /// Where callers may have documents read.
    ///
    /// # Errors
    /// [`InvalidPrefixes`] when tenants could reach each other's documents.
    pub fn imports(&self) -> Result<Imports, InvalidPrefixes> {
        Imports::below(self.import_prefixes.clone())
    }

    /// The settings that these flags ask for.
    #[must_use]
    pub fn settings(&self) -> Compat {
        let sunset = self.compat_sunset.and_then(|day| day.to_zoned(TimeZone::UTC).ok()).map(|day| day.timestamp());
        let wait = Duration::from_secs(self.compat_wait.into());
        Compat { wait, sunset: sunset.and_then(http_date) }
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
    /// When the deprecated address ends, as an HTTP date.
    pub(super) sunset: Option<String>,
}

impl Default for Compat {
    fn default() -> Self {
        Self { wait: WAIT, sunset: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sunset_is_told_as_a_date_of_http() {
        let day = Some("2027-06-30".parse().unwrap());
        let flags = CompatFlags { import_prefixes: vec![ImportPrefix::usual()], compat_wait: 1, compat_sunset: day };
        assert_eq!(flags.settings().sunset.as_deref(), Some("Wed, 30 Jun 2027 00:00:00 GMT"));
    }
}
