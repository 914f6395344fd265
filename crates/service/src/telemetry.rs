//! Logs of a process: lines on standard error, for people or for machines.
//!
//! Standard output belongs to results. A log line is a readable sentence with dotted fields (`run.id`, `task.name`),
//! never content of documents and never secrets.

use std::io::{IsTerminal, stderr};

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::TryInitError;
use tracing_subscriber::{fmt, prelude::*};

mod json;

/// What is never logged: the AMQP client shows whole messages when one comes back, with what documents and users say.
const QUIET: &[&str] = &["lapin::returned_messages=off"];

/// What to log and how.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Logging {
    /// What to log: error, warn, info, debug, trace, or per module: info,engine=debug.
    #[arg(long, env = "FLOTILLA_LOG", value_name = "LEVEL", global = true)]
    pub log_level: Option<String>,

    /// How a line of the log looks.
    #[arg(long, env = "FLOTILLA_LOG_FORMAT", value_enum, default_value_t, global = true)]
    pub log_format: Format,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// Logging that could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The level cannot be read.
    #[error("log level {level:?} is not usable: write error, warn, info, debug, trace or module=level, by commas")]
    Level {
        /// What was asked for.
        level: String,
        /// Which part is wrong.
        #[source]
        source: ParseError,
    },
    /// The process logs already; a second set-up would write every line twice.
    #[error("logging is set up already")]
    Twice(#[source] TryInitError),
}

/// Starts to log on standard error; `default_level` counts when neither the flag nor the variable is given.
///
/// # Errors
/// [`Error::Level`] when the level cannot be read; [`Error::Twice`] when the process logs already.
pub fn init(logging: &Logging, default_level: &str) -> Result<(), Error> {
    let level = logging.log_level.as_deref().unwrap_or(default_level);
    let filter = EnvFilter::try_new(level).map_err(|source| Error::Level { level: level.to_owned(), source })?;
    let filter = QUIET.iter().filter_map(|directive| directive.parse().ok()).fold(filter, EnvFilter::add_directive);
    let registry = tracing_subscriber::registry().with(filter);
    match logging.log_format {
        Format::Text => {
            let colours = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            registry.with(fmt::layer().with_writer(stderr).with_ansi(colours)).try_init()
        }
        Format::Json => registry.with(json::layer(stderr)).try_init(),
    }
    .map_err(Error::Twice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_quiet_is_written_as_a_directive() {
        for directive in QUIET {
            assert!(directive.parse::<tracing_subscriber::filter::Directive>().is_ok(), "{directive}");
        }
    }
}
