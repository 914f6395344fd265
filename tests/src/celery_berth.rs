//! Queues of a spec's own at Celery's broker.

#![expect(clippy::unwrap_used, reason = "helpers of tests say where they stopped")]

use backends::celery::Settings;
use backends::engines::Engine;

use crate::Servers;
use crate::berth::{aside, delete_queue_of_celery, delete_queues};

/// Queues with names that nobody else uses, given back when it is dropped.
pub struct CeleryBerth {
    settings: Settings,
    queues: Vec<String>,
}

impl CeleryBerth {
    /// A place at the broker that all specs share, for tasks of these queues.
    #[must_use]
    pub fn take<'a>(queues: impl IntoIterator<Item = &'a str>) -> Self {
        let id = uuid::Uuid::now_v7().simple().to_string();
        let settings = Settings {
            celery_url: Some(Servers::shared().amqp),
            celery_queue_prefix: format!("spec-{id}.celery."),
            celery_replies: format!("spec-{id}.celery-replies"),
            ..Settings::default()
        };
        let own = queues.into_iter().map(|queue| format!("celery.{queue}"));
        let queues = own.chain(["celery-replies".to_owned()]).collect();
        Self { settings, queues }
    }

    /// Where it is.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    fn prefix(&self) -> &str {
        self.settings.celery_queue_prefix.trim_end_matches("celery.")
    }

    /// The queue of the Python application, by a name that a workflow may use.
    #[must_use]
    pub fn python(&self) -> String {
        format!("{}-python", self.prefix().trim_end_matches('.'))
    }

    /// The name of one of its queues at the broker.
    #[must_use]
    pub fn queue(&self, name: &str) -> String {
        format!("{}{name}", self.settings.celery_queue_prefix)
    }

    /// What starts tasks there and takes them.
    ///
    /// # Panics
    /// When the settings make no sense.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.settings.open().ok().flatten().expect("it names a broker")
    }
}

impl Drop for CeleryBerth {
    fn drop(&mut self) {
        let (prefix, python) = (self.prefix().to_owned(), self.python());
        let (url, queues) = (self.settings.celery_url.clone().unwrap_or_default(), std::mem::take(&mut self.queues));
        let given_back = std::panic::catch_unwind(|| {
            aside(async move {
                delete_exchanges(&url, &prefix, &queues).await;
                delete_queues(&url, &prefix, queues).await;
                delete_queue_of_celery(&url, &python).await;
            });
        });
        assert!(given_back.is_ok() || std::thread::panicking(), "something was left behind at the broker");
    }
}

/// Python's clients make an exchange for every queue that they send to, by its name.
async fn delete_exchanges(amqp: &str, prefix: &str, queues: &[String]) {
    let connection = lapin::Connection::connect(amqp, lapin::ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    for queue in queues {
        let name = format!("{prefix}{queue}");
        channel.exchange_delete(name.into(), lapin::options::ExchangeDeleteOptions::default()).await.unwrap();
    }
}
