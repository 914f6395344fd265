//! Where Celery's workers are, as command-line flags.

use std::sync::Arc;

use celery::{ClientConfig, ReplyTo};
use clap::Args;

use super::{Celery, CeleryHost, CeleryReplies};
use crate::engines::Engine;
use crate::port::Error;

/// Where Celery's broker is and what our queues there are called.
#[derive(Clone, Debug, Default, Args)]
pub struct Settings {
    /// RabbitMQ of a Celery application, often the same as --amqp-url. Tasks that name one of Celery's go there, and so does
    /// everything of runs on the backend celery.
    #[arg(long, value_name = "URL", env = "FLOTILLA_CELERY_URL", hide_env_values = true)]
    pub celery_url: Option<String>,
    /// What the queues are called that our own tasks travel through as Celery messages: this, and the name of the queue.
    #[arg(long, value_name = "TEXT", env = "FLOTILLA_CELERY_QUEUE_PREFIX", default_value = "flotilla.celery.")]
    pub celery_queue_prefix: String,
    /// The queue that results of Celery's workers come back to. Fleets that share a broker need one each.
    #[arg(long, value_name = "NAME", env = "FLOTILLA_CELERY_REPLIES", default_value = "flotilla.celery-replies")]
    pub celery_replies: String,
}

impl Settings {
    /// The backend with its host, if there is a broker. Neither connects before it is used.
    ///
    /// # Errors
    /// None so far: an address that makes no sense shows when it is used.
    pub fn open(&self) -> Result<Option<Engine>, Error> {
        let Some(url) = &self.celery_url else { return Ok(None) };
        let client = ClientConfig {
            name: "flotilla dispatcher".to_owned(),
            replies: ReplyTo::Queue(self.celery_replies.clone()),
            declare: true,
            ..ClientConfig::new(url.clone())
        };
        let backend = Celery::new(client, self.celery_queue_prefix.clone());
        let replies = CeleryReplies::new(backend.clone(), self.celery_replies.clone());
        let host = CeleryHost::new(url.clone(), self.celery_queue_prefix.clone());
        Ok(Some(Engine { backend: Arc::new(backend), host: Some(Arc::new(host)), collector: Some(Arc::new(replies)) }))
    }
}
