//! Where Temporal is and how this fleet appears there, as command-line flags.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::connection::{Server, refused};
use super::{Temporal, TemporalHost};
use crate::engines::Engine;
use crate::port;

/// Where Temporal is.
#[derive(Clone, Debug, Default, Args)]
#[group(id = "temporal")]
pub struct Settings {
    /// Temporal's frontend, such as http://127.0.0.1:7233; an address with https is reached by TLS. Without it, Temporal is not
    /// used.
    #[arg(long, value_name = "URL", env = "FLOTILLA_TEMPORAL_URL", hide_env_values = true)]
    pub temporal_url: Option<String>,
    /// The namespace for the walks; it has to exist.
    #[arg(long, value_name = "NAME", env = "FLOTILLA_TEMPORAL_NAMESPACE", default_value = "default")]
    pub temporal_namespace: String,
    /// API key, where the server asks for one. Better given by environment: arguments are visible to everybody on the machine.
    #[arg(long, value_name = "KEY", env = "FLOTILLA_TEMPORAL_API_KEY", hide_env_values = true)]
    pub temporal_api_key: Option<String>,
    /// Certificates (PEM) that the server's has to come from, when the machine does not know them.
    #[arg(long, value_name = "FILE", env = "FLOTILLA_TEMPORAL_TLS_CA")]
    pub temporal_tls_ca: Option<PathBuf>,
    /// Our certificate (PEM), where the server asks for one.
    #[arg(long, value_name = "FILE", env = "FLOTILLA_TEMPORAL_TLS_CERT", requires = "temporal_tls_key")]
    pub temporal_tls_cert: Option<PathBuf>,
    /// The key (PEM) to --temporal-tls-cert.
    #[arg(long, value_name = "FILE", env = "FLOTILLA_TEMPORAL_TLS_KEY", requires = "temporal_tls_cert")]
    pub temporal_tls_key: Option<PathBuf>,
    /// What task queues and workflow ids begin with, so that fleets can share a namespace. The same for dispatcher and workers.
    #[arg(long, value_name = "TEXT", env = "FLOTILLA_TEMPORAL_PREFIX", default_value = "flotilla")]
    pub temporal_prefix: String,
    /// After how many events of its history a walk goes on in a fresh one. Temporal ends a workflow at some 50,000.
    #[arg(
        long,
        value_name = "EVENTS",
        env = "FLOTILLA_TEMPORAL_HISTORY_EVENTS",
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(20..=40_000)
    )]
    pub temporal_history_events: u32,
}

/// Settings with which Temporal cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The address is none.
    #[error("--temporal-url {url:?} is no address: {reason}; give one like https://temporal.example:7233")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something that may not be empty is.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// TLS settings without TLS.
    #[error("{flag} makes sense with an https address only, and --temporal-url is {url:?}")]
    Unencrypted {
        /// The flag.
        flag: &'static str,
        /// The address.
        url: String,
    },
    /// A file of a setting cannot be read.
    #[error("{flag}: {path} cannot be read")]
    File {
        /// The flag.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl From<SettingsError> for port::Error {
    fn from(error: SettingsError) -> Self {
        let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        refused(format!("{error}{source}"))
    }
}

impl Settings {
    /// The backend for a dispatcher with the host for a worker, if there is a server. Neither connects before it is used.
    ///
    /// # Errors
    /// [`SettingsError`] names the flag.
    pub fn open(&self) -> Result<Option<Engine>, SettingsError> {
        let Some(url) = &self.temporal_url else { return Ok(None) };
        let server = self.server(url)?;
        let backend = Temporal::new(server.clone(), self.temporal_prefix.clone(), self.temporal_history_events);
        let host = TemporalHost::new(server, self.temporal_prefix.clone());
        Ok(Some(Engine { backend: Arc::new(backend), host: Some(Arc::new(host)), collector: None }))
    }

    fn server(&self, url: &str) -> Result<Server, SettingsError> {
        for (flag, value) in
            [("--temporal-namespace", &self.temporal_namespace), ("--temporal-prefix", &self.temporal_prefix)]
        {
            if value.is_empty() {
                return Err(SettingsError::Empty(flag));
            }
        }
        let given = |reason: String| SettingsError::Url { url: url.to_owned(), reason };
        let url = temporalio_client::Url::parse(url).map_err(|error| given(error.to_string()))?;
        let encrypted = match url.scheme() {
            "https" => true,
            "http" => false,
            other => return Err(given(format!("{other} is neither http nor https"))),
        };
        if url.host().is_none() {
            return Err(given("it names no host".to_owned()));
        }
        let for_tls = [
            ("--temporal-api-key", self.temporal_api_key.is_some()),
            ("--temporal-tls-ca", self.temporal_tls_ca.is_some()),
            ("--temporal-tls-cert", self.temporal_tls_cert.is_some()),
        ];
        if let Some((flag, _)) = for_tls.into_iter().find(|(_, given)| *given && !encrypted) {
            return Err(SettingsError::Unencrypted { flag, url: url.to_string() });
        }
        let optional = |flag, path: &Option<PathBuf>| path.as_deref().map(|path| read(flag, path)).transpose();
        let identity = optional("--temporal-tls-cert", &self.temporal_tls_cert)?
            .zip(optional("--temporal-tls-key", &self.temporal_tls_key)?);
        Ok(Server {
            url,
            encrypted,
            namespace: self.temporal_namespace.clone(),
            api_key: self.temporal_api_key.clone(),
            ca: optional("--temporal-tls-ca", &self.temporal_tls_ca)?,
            identity,
        })
    }
}

fn read(flag: &'static str, path: &Path) -> Result<Vec<u8>, SettingsError> {
    fs::read(path).map_err(|source| SettingsError::File { flag, path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        settings: Settings,
    }

    fn refusal(flags: &[&str]) -> String {
        let flags = Flags::parse_from(["spec"].iter().chain(flags));
        flags.settings.open().map(|_| ()).unwrap_err().to_string()
    }

    const LOCAL: [&str; 2] = ["--temporal-url", "http://127.0.0.1:7233"];

    #[test]
    fn what_cannot_work_is_refused_by_the_name_of_its_flag() {
        assert_eq!(
            refusal(&["--temporal-url", "temporal:7233"]),
            "--temporal-url \"temporal:7233\" is no address: temporal is neither http nor https; give one like \
             https://temporal.example:7233"
        );
        assert_eq!(refusal(&[LOCAL[0], LOCAL[1], "--temporal-prefix", ""]), "--temporal-prefix is empty");
        assert_eq!(
            refusal(&[LOCAL[0], LOCAL[1], "--temporal-api-key", "secret"]),
            "--temporal-api-key makes sense with an https address only, and --temporal-url is \"http://127.0.0.1:7233/\""
        );
        let missing = ["--temporal-url", "https://temporal.example:7233", "--temporal-tls-ca", "no/such.pem"];
        assert_eq!(refusal(&missing), "--temporal-tls-ca: no/such.pem cannot be read");
    }

    #[test]
    fn an_address_is_all_that_a_dev_server_takes_and_without_one_there_is_no_temporal() {
        let open = |flags: &[&str]| Flags::parse_from(["spec"].iter().chain(flags)).settings.open().unwrap();
        assert!(open(&LOCAL).is_some());
        assert!(open(&[]).is_none());
    }
}
