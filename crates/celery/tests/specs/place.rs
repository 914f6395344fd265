//! Names at RabbitMQ and Redis that nobody else uses.

use celery::{ClientConfig, HostConfig, RedisConfig};
use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};

/// A spec's own queues, exchanges and keys, deleted in the end. The queues for delayed tasks are shared and stay: they are
/// the same for everybody, and nothing of a spec is left in them for long.
pub(crate) struct Place {
    pub(crate) prefix: String,
    pub(crate) amqp: String,
    pub(crate) redis: String,
    more: std::sync::Mutex<Vec<String>>,
}

fn address(variable: &str, usual: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_unset| usual.to_owned())
}

impl Place {
    pub(crate) fn take() -> Self {
        if let Ok(filter) = std::env::var("SPEC_LOG") {
            let _already = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        }
        Self {
            prefix: format!("spec-{}.", uuid::Uuid::now_v7().simple()),
            amqp: address("FLOTILLA_TEST_AMQP", "amqp://guest:guest@127.0.0.1:5672/%2f"),
            redis: address("FLOTILLA_TEST_REDIS", "redis://127.0.0.1:6379"),
            more: std::sync::Mutex::default(),
        }
    }

    /// A name of this spec's own; a queue of that name is deleted in the end.
    pub(crate) fn queue(&self, name: &str) -> String {
        let queue = format!("{}{name}", self.prefix);
        self.more.lock().unwrap().push(queue.clone());
        queue
    }

    pub(crate) fn python(&self) -> String {
        format!("{}python", self.prefix)
    }

    pub(crate) fn rust(&self) -> String {
        format!("{}rust", self.prefix)
    }

    pub(crate) fn redis(&self) -> RedisConfig {
        RedisConfig { prefix: self.prefix.clone(), ..RedisConfig::new(&self.redis) }
    }

    /// A client of ours, with results by message.
    pub(crate) fn client(&self) -> ClientConfig {
        ClientConfig {
            control_exchange: format!("{}control", self.prefix),
            default_queue: self.python(),
            ..ClientConfig::new(&self.amqp)
        }
    }

    /// A worker of ours, with results by message.
    pub(crate) fn host(&self, name: &str) -> HostConfig {
        HostConfig {
            control_exchange: format!("{}control", self.prefix),
            event_exchange: format!("{}events", self.prefix),
            routes: vec![("rust.*".to_owned(), self.rust())],
            default_queue: self.python(),
            mingle: None,
            grace: std::time::Duration::from_secs(5),
            ..HostConfig::new(&self.amqp, format!("{name}@{}", self.prefix)).queues([self.rust().as_str()])
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (amqp, redis, prefix) = (self.amqp.clone(), self.redis.clone(), self.prefix.clone());
        let mut queues = self.more.get_mut().unwrap().clone();
        queues.extend([self.python(), self.rust()]);
        let cleaning = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let connection =
                    lapin::Connection::connect(&amqp, lapin::ConnectionProperties::default()).await.unwrap();
                let channel = connection.create_channel().await.unwrap();
                for queue in &queues {
                    channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
                }
                let mut exchanges = vec![format!("{prefix}events"), format!("{prefix}control.pidbox")];
                exchanges.push(format!("reply.{prefix}control.pidbox"));
                exchanges.extend(queues);
                for exchange in exchanges {
                    let options = ExchangeDeleteOptions::default();
                    channel.exchange_delete(exchange.as_str().into(), options).await.unwrap();
                }
                connection.close(200, "done".into()).await.unwrap();
            });
            let mut connection = redis::Client::open(redis).unwrap().get_connection().unwrap();
            let keys: Vec<String> = redis::cmd("KEYS").arg(format!("{prefix}*")).query(&mut connection).unwrap();
            if !keys.is_empty() {
                redis::cmd("DEL").arg(keys).query::<()>(&mut connection).unwrap();
            }
        });
        let cleaned = cleaning.join();
        assert!(cleaned.is_ok() || std::thread::panicking(), "something was left behind at the servers");
    }
}
