//! The servers that the processes of a fleet meet at, as command-line flags and as connected ports.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use broker::Broker;
use broker::rabbitmq::{self, QueueType, RabbitMq, SetupError};
use clap::{Args, ValueEnum};
use coordination::Coordination;
use coordination::redis::{self, Redis};
use ledger::postgres::{self, PostgresLedger};
use objects::Objects;
use objects::filesystem::Filesystem;
use objects::s3::{self, S3};
use protocol::workflow::queues;

use crate::fleet;

/// How often the connections to Postgres are counted.
const SHOW: Duration = Duration::from_secs(5);

/// Where broker, coordination and object store are.
#[derive(Clone, Debug, Args)]
pub struct Servers {
    /// RabbitMQ.
    #[arg(
        long,
        value_name = "URL",
        env = "FLOTILLA_AMQP_URL",
        default_value = "amqp://guest:guest@127.0.0.1:5672",
        hide_env_values = true
    )]
    pub amqp_url: String,
    /// Kind of queues to declare. Quorum queues survive the loss of a broker node and know a delivery limit; classic ones are
    /// faster on a single node.
    #[arg(long, value_name = "TYPE", env = "FLOTILLA_QUEUE_TYPE", default_value = "quorum")]
    pub queue_type: QueueKind,
    /// What every queue and exchange name begins with, so that fleets can share a broker.
    #[arg(long, value_name = "TEXT", env = "FLOTILLA_QUEUE_PREFIX", default_value = "")]
    pub queue_prefix: String,
    /// Expect queues to exist instead of declaring them.
    #[arg(long, env = "FLOTILLA_NO_DECLARE")]
    pub no_declare: bool,
    /// How often a message is delivered before it counts as poison and goes to the dead letters.
    #[arg(long, value_name = "N", env = "FLOTILLA_DELIVERY_LIMIT", default_value_t = 5)]
    pub delivery_limit: u32,
    /// Redis: leases, cancellation, live progress. The fleet goes on without it.
    #[arg(
        long,
        value_name = "URL",
        env = "FLOTILLA_REDIS_URL",
        default_value = "redis://127.0.0.1:6379",
        hide_env_values = true
    )]
    pub redis_url: String,
    #[command(flatten)]
    pub objects: ObjectStore,
}

/// Where documents and artifacts lie: a folder that all processes see, or a bucket.
#[derive(Clone, Debug, Args)]
pub struct ObjectStore {
    /// A folder that every process of the fleet sees. Without it: S3.
    #[arg(long, value_name = "DIR", env = "FLOTILLA_OBJECTS_DIR")]
    pub objects_dir: Option<PathBuf>,
    /// Bucket for documents and artifacts.
    #[arg(long, value_name = "NAME", env = "FLOTILLA_S3_BUCKET", default_value = "flotilla")]
    pub s3_bucket: String,
    /// An S3-compatible server other than Amazon's.
    #[arg(long, value_name = "URL", env = "FLOTILLA_S3_ENDPOINT")]
    pub s3_endpoint: Option<String>,
    /// Region of the bucket.
    #[arg(long, value_name = "REGION", env = "AWS_REGION", default_value = "us-east-1")]
    pub s3_region: String,
    /// Access key.
    #[arg(long, value_name = "KEY", env = "AWS_ACCESS_KEY_ID", hide_env_values = true)]
    pub s3_access_key: Option<String>,
    /// Secret key. Better given by environment: arguments are visible to everybody on the machine.
    #[arg(long, value_name = "KEY", env = "AWS_SECRET_ACCESS_KEY", hide_env_values = true)]
    pub s3_secret_key: Option<String>,
}

/// Where the ledger is. Only dispatcher, callbacks and logging workers need it.
#[derive(Clone, Debug, Args)]
pub struct Database {
    /// Postgres.
    #[arg(
        long,
        value_name = "URL",
        env = "FLOTILLA_POSTGRES_URL",
        default_value = "postgres://flotilla:flotilla@127.0.0.1:5432/flotilla",
        hide_env_values = true
    )]
    pub postgres_url: String,
    /// Most connections that this process opens to it.
    #[arg(long, value_name = "N", env = "FLOTILLA_POSTGRES_CONNECTIONS", default_value_t = 5)]
    pub postgres_connections: u32,
    /// Schema of the ledger's tables; several fleets can share a database.
    #[arg(long, value_name = "NAME", env = "FLOTILLA_POSTGRES_SCHEMA", default_value = "flotilla")]
    pub postgres_schema: String,
    /// Bring the schema up to date first.
    #[arg(long, env = "FLOTILLA_MIGRATE")]
    pub migrate: bool,
}

/// How much is handed out at a time.
#[derive(Clone, Debug, Args)]
pub struct Admission {
    /// How many tasks may be handed out at a time; further runs wait in line, where tenants take turns [default: twice what
    /// all workers run at once].
    #[arg(long, value_name = "TASKS", env = "FLOTILLA_WINDOW", value_parser = clap::value_parser!(u32).range(1..))]
    pub window: Option<u32>,
}

impl Admission {
    /// The same as a count.
    #[must_use]
    pub fn tasks(&self) -> Option<usize> {
        self.window.map(|tasks| usize::try_from(tasks).unwrap_or(usize::MAX))
    }
}

/// Kind of queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum QueueKind {
    /// Replicated, with a delivery limit.
    Quorum,
    /// On one node.
    Classic,
}

/// The servers, connected.
#[derive(Clone)]
pub struct Stack {
    /// Where messages travel.
    pub broker: Arc<dyn Broker>,
    /// Where documents and artifacts lie.
    pub objects: Arc<dyn Objects>,
    /// Leases, cancellation, progress.
    pub coordination: Arc<dyn Coordination>,
    rabbitmq: RabbitMq,
}

/// A server that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// RabbitMQ is away or not as expected.
    #[error(transparent)]
    Broker(#[from] SetupError),
    /// The Redis URL makes no sense.
    #[error(transparent)]
    Coordination(#[from] coordination::Error),
    /// The object store has no credentials.
    #[error(transparent)]
    Objects(#[from] s3::NoCredentials),
    /// Postgres is away or its schema is not as expected.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

impl Servers {
    /// The bucket where objects lie; `None` when it is a folder.
    #[must_use]
    pub fn bucket(&self) -> Option<String> {
        self.objects.objects_dir.is_none().then(|| self.objects.s3_bucket.clone())
    }

    /// Connects. Redis may come up later: the fleet goes on without it.
    ///
    /// # Errors
    /// [`Error`], naming the server.
    pub async fn connect(&self) -> Result<Stack, Error> {
        let config = rabbitmq::Config {
            queue_type: match self.queue_type {
                QueueKind::Quorum => QueueType::Quorum,
                QueueKind::Classic => QueueType::Classic,
            },
            prefix: self.queue_prefix.clone(),
            declare: !self.no_declare,
            lossy: vec![queues::LOGGING.to_owned()],
            ..rabbitmq::Config::new(self.amqp_url.clone(), fleet::topology(self.delivery_limit))
        };
        let rabbitmq = RabbitMq::connect(config).await?;
        // Fleets that share a broker by prefix share a Redis the same way.
        let redis = redis::Config::new(self.redis_url.clone());
        let prefix = format!("{}{}", redis.prefix, self.queue_prefix);
        let coordination: Arc<dyn Coordination> = Arc::new(Redis::open(redis::Config { prefix, ..redis })?);
        Ok(Stack { broker: Arc::new(rabbitmq.clone()), objects: self.objects.open()?, coordination, rabbitmq })
    }
}

impl ObjectStore {
    fn open(&self) -> Result<Arc<dyn Objects>, s3::NoCredentials> {
        if let Some(folder) = &self.objects_dir {
            return Ok(Arc::new(Filesystem::new(folder.clone())));
        }
        let credentials = self.s3_access_key.clone().zip(self.s3_secret_key.clone());
        let credentials = credentials.map(|(key_id, secret)| s3::Credentials { key_id, secret, session_token: None });
        Ok(Arc::new(S3::open(s3::Config {
            region: self.s3_region.clone(),
            endpoint: self.s3_endpoint.clone(),
            // Servers other than Amazon's mostly have no host name per bucket.
            path_style: self.s3_endpoint.is_some(),
            credentials,
            ..s3::Config::new(self.s3_bucket.clone())
        })?))
    }
}

impl Stack {
    /// Whether work can be done: the broker is there. Without Redis the fleet goes on.
    ///
    /// # Errors
    /// What is missing, one phrase.
    pub fn ready(&self) -> Result<(), String> {
        self.rabbitmq.status().map_err(|error| error.to_string())
    }

    /// Says goodbye to the broker.
    pub async fn close(&self) {
        self.rabbitmq.close().await;
    }
}

/// Shows how many connections to Postgres this process has, for as long as it is polled.
pub async fn show_connections(ledger: &PostgresLedger) {
    let mut timer = tokio::time::interval(SHOW);
    loop {
        timer.tick().await;
        let connections = ledger.connections();
        let show = |state: &'static str, count: u32| {
            metrics::gauge!("flotilla_postgres_connections", "state" => state).set(f64::from(count));
        };
        show("idle", connections.idle);
        show("in_use", connections.open.saturating_sub(connections.idle));
    }
}

impl Database {
    /// How the ledger is reached.
    #[must_use]
    pub fn config(&self) -> postgres::Config {
        postgres::Config {
            max_connections: self.postgres_connections,
            schema: self.postgres_schema.clone(),
            ..postgres::Config::new(self.postgres_url.clone())
        }
    }

    /// Connects, after bringing the schema up to date if that was asked for.
    ///
    /// # Errors
    /// [`Error::Ledger`].
    pub async fn connect(&self) -> Result<PostgresLedger, Error> {
        let config = self.config();
        if self.migrate {
            postgres::migrate(&config).await?;
        }
        Ok(PostgresLedger::connect(config).await?)
    }
}
