//! The way to a Temporal server, and what its refusals mean.

use std::fmt;
use std::time::Duration;

use protocol::Backend as Name;
use temporalio_client::errors::{ClientConnectError, WorkflowInteractionError, WorkflowStartError};
use temporalio_client::tonic::{Code, Status};
use temporalio_client::{Client, ClientOptions, ClientTlsOptions, Connection, ConnectionOptions, TlsOptions, Url};

use crate::port::Error;

/// How long a server may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a server is and how it is spoken to.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) url: Url,
    pub(super) encrypted: bool,
    pub(super) namespace: String,
    pub(super) api_key: Option<String>,
    pub(super) ca: Option<Vec<u8>>,
    /// Our certificate and its key.
    pub(super) identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the rest: keys.
        write!(formatter, "Server({}, {})", self.url, self.namespace)
    }
}

impl Server {
    /// Connects as somebody whom Temporal's histories call by this name.
    pub(super) async fn connect(&self, name: &str) -> Result<Client, Error> {
        let identity = self.identity.clone().map(|(certificate, key)| {
            ClientTlsOptions::builder().client_cert(certificate).client_private_key(key).build()
        });
        let tls = self.encrypted.then(|| {
            TlsOptions::builder().maybe_server_root_ca_cert(self.ca.clone()).maybe_client_tls_options(identity).build()
        });
        let options = ConnectionOptions::new(self.url.clone())
            .identity(name)
            .connect_timeout(PATIENCE)
            .maybe_api_key(self.api_key.clone())
            .maybe_tls_options(tls)
            .build();
        let connection = Connection::connect(options).await.map_err(|error| self.unconnected(&error))?;
        Client::new(connection, ClientOptions::new(self.namespace.clone()).build())
            .map_err(|error| refused(error.to_string()))
    }

    fn unconnected(&self, error: &ClientConnectError) -> Error {
        match error {
            ClientConnectError::SystemInfoCallError(status) => self.error(status),
            ClientConnectError::InvalidUri(_)
            | ClientConnectError::InvalidHeaders(_)
            | ClientConnectError::InvalidConfig(_) => {
                refused(format!("{error}; look at --temporal-url, --temporal-api-key and --temporal-tls-*"))
            }
            _ => self.unanswered(error),
        }
    }

    fn unanswered(&self, error: &dyn std::error::Error) -> Error {
        let flags =
            if self.encrypted { "--temporal-url, --temporal-tls-ca and --temporal-tls-cert" } else { "--temporal-url" };
        unavailable(format!("{} does not answer ({}); look at {flags}", self.url, innermost(error)))
    }

    /// What a status means for whoever asked.
    pub(super) fn error(&self, status: &Status) -> Error {
        let words = status.message();
        match status.code() {
            // A server gives no source: this is the client, which got no answer.
            _ if std::error::Error::source(status).is_some() => self.unanswered(status),
            Code::Unauthenticated | Code::PermissionDenied => {
                refused(format!("{words}; look at --temporal-api-key, --temporal-tls-cert and --temporal-namespace"))
            }
            Code::NotFound if is_about_namespace(status) => refused(format!(
                "it has no namespace {:?}; look at --temporal-namespace, or make it: temporal operator namespace create \
                 --namespace {}",
                self.namespace, self.namespace
            )),
            Code::InvalidArgument | Code::FailedPrecondition | Code::Unimplemented => refused(words.to_owned()),
            code => unavailable(format!("{} says {code:?}: {words}", self.url)),
        }
    }

    /// What a failed start means; a walk that was started before is no failure. Runs wait until credentials and namespace
    /// are put right, rather than failing one after the other.
    pub(super) fn not_started(&self, error: WorkflowStartError) -> Result<(), Error> {
        match error {
            WorkflowStartError::AlreadyStarted { .. } => Ok(()),
            WorkflowStartError::Rpc(status) => Err(match (status.code(), self.error(&status)) {
                (Code::InvalidArgument, error) => error,
                (_, Error::Refused { reason, .. }) => unavailable(reason),
                (_, error) => error,
            }),
            other => Err(refused(other.to_string())),
        }
    }

    /// What a failed call about a walk means; `None` when there is no such walk.
    pub(super) fn unheard(&self, error: WorkflowInteractionError) -> Option<Error> {
        match error {
            WorkflowInteractionError::NotFound(status) if is_about_namespace(&status) => Some(self.error(&status)),
            WorkflowInteractionError::NotFound(_) => None,
            WorkflowInteractionError::Rpc(status) => Some(self.error(&status)),
            other => Some(refused(other.to_string())),
        }
    }
}

pub(super) const fn refused(reason: String) -> Error {
    Error::Refused { backend: Name::Temporal, reason }
}

pub(super) const fn unavailable(reason: String) -> Error {
    Error::Unavailable { backend: Name::Temporal, reason }
}

/// The server says "not found" of a walk and of its whole namespace alike; the words differ.
fn is_about_namespace(status: &Status) -> bool {
    status.code() == Code::NotFound && status.message().starts_with("Namespace")
}

/// The last of a chain of errors says most.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
