//! What an operator chooses, and what can be wrong with it.

use std::fmt;
use std::time::Duration;

use crate::{Error, Topology};

/// How to reach RabbitMQ and what to declare there.
#[derive(Clone)]
pub struct Config {
    /// `amqp://user:password@host:port/vhost`, or `amqps` for TLS with the system's certificates. Never printed.
    pub url: String,
    /// What kind of queues to declare.
    pub queue_type: QueueType,
    /// Stands before the name of every queue, so that several installations share one virtual host.
    pub prefix: String,
    /// Whether to declare queues; otherwise it is only checked that they exist.
    pub declare: bool,
    /// The queues. All of them are durable.
    pub topology: Topology,
    /// Those among the queues that may lose messages: classic, bounded to [`Config::LOSSY_LENGTH`], the oldest go.
    pub lossy: Vec<String>,
    /// How long a delivery may stay unsettled before RabbitMQ takes it away. Three quarters of it are left for the work, which
    /// is more than any hard timeout may be.
    pub consumer_timeout: Duration,
    /// How many messages of one call may be unconfirmed at a time.
    pub confirm_window: usize,
    /// How long to wait for a confirm, and for a connection during an outage.
    pub confirm_timeout: Duration,
}

/// What kind of queue holds the messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueType {
    /// Replicated, counts deliveries itself. Obeys no strict priorities before RabbitMQ 4.3.
    #[default]
    Quorum,
    /// On one node. Strict priorities. The count of deliveries travels in a header, so a message whose worker process
    /// dies again and again is counted once only; one that fails in a living process is counted each time.
    Classic,
}

/// Why there is no usable connection to begin with.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The address makes no sense. It is not repeated here, as it may hold a password.
    #[error("the RabbitMQ address is not of the form amqp[s]://user:password@host:port/vhost")]
    Url,
    /// AMQP allows 255 bytes.
    #[error("queue name {0:?} is longer than 255 bytes with its prefix")]
    Name(String),
    /// Nobody answers, or not us.
    #[error("cannot connect to RabbitMQ at {address}: {reason}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What went wrong.
        reason: String,
    },
    /// A queue is missing and may not be declared.
    #[error("queue {0:?} does not exist; declare it, or start once with permission to declare queues")]
    Missing(String),
    /// A queue exists with other properties.
    #[error(
        "queue {queue:?} exists with another {property}: {reason}. Empty and delete the queue, use another prefix, or \
         start without declaring queues"
    )]
    Mismatch {
        /// The queue, prefix included.
        queue: String,
        /// The property that differs.
        property: String,
        /// RabbitMQ's own words.
        reason: String,
    },
    /// Our user may not declare it.
    #[error(
        "RabbitMQ does not let this user declare queue {queue:?}: {reason}. Grant it the permission to configure the \
         fleet's queues, or declare the queue and start without declaring queues"
    )]
    Forbidden {
        /// The queue, prefix included.
        queue: String,
        /// RabbitMQ's own words.
        reason: String,
    },
    /// RabbitMQ refused something else.
    #[error("RabbitMQ refused to set up queue {queue:?}: {reason}")]
    Refused {
        /// The queue, prefix included.
        queue: String,
        /// RabbitMQ's own words.
        reason: String,
    },
}

impl SetupError {
    /// The same as an error of the port, about the queue that the port calls `name`.
    pub(super) fn for_queue(self, name: &str) -> Error {
        match self {
            Self::Missing(_) => Error::UnknownQueue(name.to_owned()),
            // What is not said to be for good may pass: a node that is down, a queue without a leader.
            Self::Url | Self::Unreachable { .. } | Self::Refused { .. } => Error::Unavailable(self.to_string()),
            Self::Name(_) | Self::Mismatch { .. } | Self::Forbidden { .. } => {
                Error::QueueRefused { queue: name.to_owned(), reason: self.to_string() }
            }
        }
    }
}

impl Config {
    /// How many messages a lossy queue holds.
    pub const LOSSY_LENGTH: i32 = 100_000;

    /// Quorum queues, declared, without a prefix; half a day for a delivery, 512 messages in the confirm window and
    /// 30 s of patience.
    #[must_use]
    pub fn new(url: impl Into<String>, topology: Topology) -> Self {
        Self {
            url: url.into(),
            queue_type: QueueType::default(),
            prefix: String::new(),
            declare: true,
            topology,
            lossy: Vec::new(),
            consumer_timeout: Duration::from_secs(12 * 60 * 60),
            confirm_window: 512,
            confirm_timeout: Duration::from_secs(30),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("queue_type", &self.queue_type)
            .field("prefix", &self.prefix)
            .field("declare", &self.declare)
            .field("topology", &self.topology)
            .field("lossy", &self.lossy)
            .field("consumer_timeout", &self.consumer_timeout)
            .field("confirm_window", &self.confirm_window)
            .field("confirm_timeout", &self.confirm_timeout)
            .finish_non_exhaustive()
    }
}
