//! A place of a spec's own at RabbitMQ, Postgres, Redis and in the file system, given back whatever happens.

#![expect(clippy::unwrap_used, reason = "helpers of tests say where they stopped")]

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use backends::stack::{self, Database};
use clap::Parser;
use lapin::options::{ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

const ADVICE: &str = "Start it with `make setup`, or name another one in";

/// Names at the servers that nobody else uses: queues and Redis keys with a prefix, a Postgres schema, a folder.
/// Dropping it deletes all of them; by then, whoever used them has to be gone.
pub struct Berth {
    flags: Flags,
    amqp: String,
    redis: String,
    folder: TempDir,
}

/// Where servers are that specs use.
#[derive(Clone, Debug)]
pub struct Servers {
    /// RabbitMQ.
    pub amqp: String,
    /// Redis.
    pub redis: String,
    /// A database in Postgres whose user may create schemas.
    pub postgres: String,
    /// An S3 server with a bucket `specs`; a folder takes its place.
    pub s3_endpoint: Option<String>,
}

impl Servers {
    /// Those that `make setup` provides, unless the environment names others.
    #[must_use]
    pub fn shared() -> Self {
        Self {
            amqp: address("FLOTILLA_TEST_AMQP", "amqp://guest:guest@127.0.0.1:5672/%2f"),
            redis: address("FLOTILLA_TEST_REDIS", "redis://127.0.0.1:6379"),
            postgres: address("FLOTILLA_TEST_POSTGRES", "postgres://flotilla:flotilla@127.0.0.1:5432/flotilla_test"),
            s3_endpoint: None,
        }
    }
}

/// The flags that the processes of a fleet have in common.
#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    servers: stack::Servers,
    #[command(flatten)]
    database: Database,
}

impl Berth {
    /// A berth at the servers that all specs share; its schema is empty.
    ///
    /// # Panics
    /// When a server does not answer, with advice.
    #[must_use]
    pub fn take() -> Self {
        Self::at(Servers::shared())
    }

    /// A berth at servers that answer; its schema is empty.
    ///
    /// # Panics
    /// When a server does not answer, with advice.
    #[must_use]
    pub fn at(servers: Servers) -> Self {
        let Servers { amqp, redis, postgres, s3_endpoint } = servers;
        let id = uuid::Uuid::now_v7().simple().to_string();
        let folder = tempfile::tempdir().unwrap();
        let mut flags = vec![
            "--amqp-url".to_owned(),
            amqp.clone(),
            "--queue-prefix".to_owned(),
            format!("spec-{id}."),
            "--redis-url".to_owned(),
            redis.clone(),
            "--postgres-url".to_owned(),
            postgres,
            "--postgres-schema".to_owned(),
            format!("spec_{id}"),
            // A hundred is all that a server gives by default, and specs run side by side.
            "--postgres-connections".to_owned(),
            "3".to_owned(),
        ];
        let objects = folder.path().join("objects").to_str().unwrap().to_owned();
        flags.extend(match s3_endpoint {
            Some(endpoint) => ["--s3-endpoint".to_owned(), endpoint],
            None => ["--objects-dir".to_owned(), objects],
        });
        // Those of the server that specs start; without effect elsewhere.
        flags.extend(["--s3-bucket", "specs", "--s3-access-key", "id", "--s3-secret-key", "secret"].map(str::to_owned));
        let flags = Flags::parse_from(["spec".to_owned()].into_iter().chain(flags));
        let berth = Self { flags, amqp, redis, folder };
        berth.expect_servers();
        berth
    }

    /// Where its queues, keys and objects are.
    #[must_use]
    pub fn servers(&self) -> &stack::Servers {
        &self.flags.servers
    }

    /// Where its ledger is.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.flags.database
    }

    /// A folder for whatever else a spec writes.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The same as variables of the environment, for processes.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let (servers, database) = (self.servers(), self.database());
        let store = &servers.objects;
        let mut environment = vec![
            ("FLOTILLA_AMQP_URL", servers.amqp_url.clone()),
            ("FLOTILLA_QUEUE_PREFIX", servers.queue_prefix.clone()),
            ("FLOTILLA_REDIS_URL", servers.redis_url.clone()),
            ("FLOTILLA_POSTGRES_URL", database.postgres_url.clone()),
            ("FLOTILLA_POSTGRES_SCHEMA", database.postgres_schema.clone()),
            ("FLOTILLA_POSTGRES_CONNECTIONS", database.postgres_connections.to_string()),
            ("FLOTILLA_S3_BUCKET", store.s3_bucket.clone()),
            ("AWS_ACCESS_KEY_ID", store.s3_access_key.clone().unwrap_or_default()),
            ("AWS_SECRET_ACCESS_KEY", store.s3_secret_key.clone().unwrap_or_default()),
        ];
        let folder = store.objects_dir.as_ref().map(|folder| folder.to_str().unwrap().to_owned());
        environment.extend(folder.map(|folder| ("FLOTILLA_OBJECTS_DIR", folder)));
        environment.extend(store.s3_endpoint.clone().map(|endpoint| ("FLOTILLA_S3_ENDPOINT", endpoint)));
        environment
    }

    /// Makes a queue of that name that is not as the fleet wants it.
    ///
    /// # Panics
    /// When RabbitMQ refuses.
    pub async fn make_foreign_queue(&self, name: &str) {
        let connection = lapin::Connection::connect(&self.amqp, lapin::ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let address = format!("{}{name}", self.servers().queue_prefix);
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(address.into(), options, FieldTable::default()).await.unwrap();
    }

    fn expect_servers(&self) {
        let (amqp, postgres) = (self.amqp.clone(), self.database().postgres_url.clone());
        let (rabbitmq, database) = aside(async move {
            let rabbitmq = within(lapin::Connection::connect(&amqp, lapin::ConnectionProperties::default())).await;
            let database = within(PgConnection::connect(&postgres)).await;
            (rabbitmq.map(drop), database.map(drop))
        });
        if let Err(error) = rabbitmq {
            panic!("RabbitMQ cannot be used: {error}. {ADVICE} FLOTILLA_TEST_AMQP.");
        }
        if let Err(error) = database {
            panic!("Postgres cannot be used: {error}. {ADVICE} FLOTILLA_TEST_POSTGRES.");
        }
        if let Err(error) = redis_connection(&self.redis) {
            panic!("Redis cannot be used: {error}. {ADVICE} FLOTILLA_TEST_REDIS.");
        }
    }
}

impl Drop for Berth {
    fn drop(&mut self) {
        let (amqp, redis) = (self.amqp.clone(), self.redis.clone());
        let (prefix, url) = (self.servers().queue_prefix.clone(), self.database().postgres_url.clone());
        let schema = self.database().postgres_schema.clone();
        let told = keys_in_logs(self.folder.path());
        let given_back = std::panic::catch_unwind(move || {
            delete_keys(&redis, &prefix);
            aside(async move {
                let own = queues_of_workflows(&url, &schema).await;
                delete_queues(&amqp, &prefix, own).await;
                drop_schema(&url, &schema).await;
            });
        });
        // A spec that fails says why; that its berth could not be given back either is not the reason.
        assert!(told.is_empty() || std::thread::panicking(), "keys stand in {told:?}");
        assert!(given_back.is_ok() || std::thread::panicking(), "something was left behind at the servers");
    }
}

/// The logs in a folder that hold a key of the API, as no log may.
fn keys_in_logs(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let logs = files.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    let holds_key = |path: &PathBuf| {
        let text = std::fs::read(path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        // What every key begins with; what follows here is its random part.
        text.split("flk_").skip(1).any(|rest| rest.bytes().take(16).filter(u8::is_ascii_hexdigit).count() == 16)
    };
    logs.filter(holds_key).collect()
}

fn address(variable: &str, usual: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| usual.to_owned())
}

/// Runs to the end on a thread of its own: whoever asks may be on a runtime that must not wait.
pub(crate) fn aside<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let thread = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(work)
    });
    thread.join().unwrap()
}

async fn within<T, E: std::fmt::Display>(answer: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("it does not answer".to_owned()),
    }
}

/// The queues that workflows in the ledger name: processes made them when they were first used.
async fn queues_of_workflows(url: &str, schema: &str) -> Vec<String> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let exists = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(format!("{schema}.workflows"));
    let exists: bool = exists.fetch_one(&mut connection).await.unwrap();
    if !exists {
        return Vec::new();
    }
    let statement = AssertSqlSafe(format!(
        "SELECT DISTINCT task ->> 'queue' FROM {schema}.workflows, jsonb_array_elements(definition::jsonb -> 'tasks') AS task"
    ));
    sqlx::query_scalar(statement).fetch_all(&mut connection).await.unwrap()
}

pub(crate) async fn delete_queues(amqp: &str, prefix: &str, own: Vec<String>) {
    let connection = lapin::Connection::connect(amqp, lapin::ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    for queue in backends::fleet::topology(1).queues.into_iter().chain(own) {
        channel.queue_delete(format!("{prefix}{queue}").into(), QueueDeleteOptions::default()).await.unwrap();
    }
}

/// Celery makes an exchange for each queue. What is not there counts as deleted.
pub(crate) async fn delete_queue_of_celery(amqp: &str, name: &str) {
    let connection = lapin::Connection::connect(amqp, lapin::ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.queue_delete(name.into(), QueueDeleteOptions::default()).await.unwrap();
    channel.exchange_delete(name.into(), ExchangeDeleteOptions::default()).await.unwrap();
}

async fn drop_schema(url: &str, schema: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let statement = AssertSqlSafe(format!("DROP SCHEMA IF EXISTS {schema} CASCADE"));
    sqlx::query(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn redis_connection(url: &str) -> redis::RedisResult<redis::Connection> {
    let mut connection = redis::Client::open(url)?.get_connection_with_timeout(PATIENCE)?;
    redis::cmd("PING").query::<String>(&mut connection)?;
    Ok(connection)
}

fn delete_keys(url: &str, prefix: &str) {
    let mut connection = redis_connection(url).unwrap();
    let keys = redis::cmd("KEYS").arg(format!("*{prefix}*")).query::<Vec<String>>(&mut connection).unwrap();
    if !keys.is_empty() {
        redis::cmd("DEL").arg(keys).query::<()>(&mut connection).unwrap();
    }
}
