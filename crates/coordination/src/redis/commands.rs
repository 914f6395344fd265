//! The connection for commands: every call ends within a timeout, and none waits for a Redis that just gave no answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{Client, Cmd, FromRedisValue, IntoConnectionInfo, Pipeline, RedisResult, ScriptInvocation};
use tokio::time::{Instant, timeout};

use super::Config;
use crate::Error;

/// How long calls fail at once after one that got no answer in time.
const REST: Duration = Duration::from_secs(1);
/// How long sent bytes may stay unacknowledged before the operating system gives a connection up.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub(super) struct Commands {
    client: Client,
    connection: ConnectionManager,
    timeout: Duration,
    failure: Arc<Mutex<Option<Failure>>>,
}

/// Why the last call failed.
#[derive(Debug)]
struct Failure {
    reason: String,
    /// Set when there was no answer: until when nobody tries again.
    rest_until: Option<Instant>,
}

impl Commands {
    pub(super) fn open(config: &Config) -> Result<Self, Error> {
        // The reason never contains the URL, which may hold a password.
        let invalid = |error: redis::RedisError| Error(format!("the URL of Redis is not usable: {error}"));
        let info = config.url.as_str().into_connection_info().map_err(invalid)?.set_tcp_settings(tcp_settings());
        let client = Client::open(info).map_err(invalid)?;
        let manager = ConnectionManagerConfig::new()
            // Whoever calls next tries again; waiting here would hold up callers.
            .set_number_of_retries(0)
            .set_connection_timeout(Some(config.timeout))
            .set_response_timeout(Some(config.timeout));
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), manager).map_err(invalid)?;
        Ok(Self { client, connection, timeout: config.timeout, failure: Arc::default() })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) async fn command<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Error> {
        self.check_rest()?;
        self.answer(command.query_async(&mut self.connection.clone())).await
    }

    pub(super) async fn pipeline(&self, pipeline: &Pipeline) -> Result<(), Error> {
        self.check_rest()?;
        self.answer(pipeline.exec_async(&mut self.connection.clone())).await
    }

    pub(super) async fn script<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, Error> {
        self.check_rest()?;
        self.answer(call.invoke_async(&mut self.connection.clone())).await
    }

    /// Asks even while other calls rest, and ends their rest when there is an answer.
    pub(super) async fn ping(&self) -> Result<(), Error> {
        self.answer(redis::cmd("PING").exec_async(&mut self.connection.clone())).await
    }

    /// Fails as the last call did, if it did.
    pub(super) fn last_failure(&self) -> Result<(), Error> {
        match &*self.failure.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(failure) => Err(Error(failure.reason.clone())),
            None => Ok(()),
        }
    }

    fn check_rest(&self) -> Result<(), Error> {
        match &*self.failure.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(Failure { reason, rest_until: Some(end) }) if Instant::now() < *end => Err(Error(reason.clone())),
            _ => Ok(()),
        }
    }

    async fn answer<T>(&self, call: impl Future<Output = RedisResult<T>>) -> Result<T, Error> {
        // Connecting and answering have a timeout each; this one is for both.
        let (result, failure) = match timeout(self.timeout, call).await {
            Ok(Ok(value)) => (Ok(value), None),
            Ok(Err(error)) => {
                let reason = error.to_string();
                let rest_until = error.is_timeout().then(|| Instant::now() + REST);
                (Err(Error(reason.clone())), Some(Failure { reason, rest_until }))
            }
            Err(_) => {
                let reason = format!("no answer within {:?}", self.timeout);
                (Err(Error(reason.clone())), Some(Failure { reason, rest_until: Some(Instant::now() + REST) }))
            }
        };
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        result
    }
}

fn tcp_settings() -> TcpSettings {
    let settings = TcpSettings::default().set_nodelay(true);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(UNACKNOWLEDGED);
    settings
}
