//! Sending tasks to Celery's workers, and hearing what became of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::AMQPValue;
use serde_json::Map;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::amqp::{Amqp, close, unavailable};
use crate::canvas::{self, Caller};
use crate::control::Control;
use crate::sender::Sender;
use crate::wire::{arguments, short};
use crate::{Delays, Error, Message, RedisConfig, Results, Signature, TaskId, TaskResult};
pub use replies::{Replies, Reply};

mod replies;

/// How long results wait for a client that was cut off: it gets them when it is back.
const REPLIES_KEPT: Duration = Duration::from_secs(300);
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// How a client takes part.
#[derive(Clone)]
pub struct ClientConfig {
    /// `amqp://user:password@host:port/vhost`, or `amqps`. Never printed.
    pub url: String,
    /// What the connection is called at RabbitMQ.
    pub name: String,
    /// Where results go that come by message.
    pub replies: ReplyTo,
    /// Results in Redis.
    pub redis: Option<RedisConfig>,
    /// Where tasks for later wait; declared, and bound to the queues they go to. Without, they are sent at once, and the worker keeps them in its memory.
    pub delays: Option<Delays>,
    /// Which queue steps of a composition go to that do not say it.
    pub default_queue: String,
    /// Whether a queue that is missing is declared: otherwise sending to it is an error.
    pub declare: bool,
    /// Celery's `control_exchange`.
    pub control_exchange: String,
}

/// Where results go that come by message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyTo {
    /// Nowhere.
    Nowhere,
    /// To a queue of the client's own, which goes away with it.
    Own,
    /// To a durable queue that outlives the client, read by [`Client::replies`].
    Queue(String),
}

impl ClientConfig {
    /// Results by message to a queue of its own, no declaring.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            name: "flotilla celery client".to_owned(),
            replies: ReplyTo::Own,
            redis: None,
            delays: None,
            default_queue: "celery".to_owned(),
            declare: false,
            control_exchange: "celery".to_owned(),
        }
    }
}

impl std::fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientConfig").field("name", &self.name).field("replies", &self.replies).finish_non_exhaustive()
    }
}

/// Sends tasks. Clones share everything; [`Client::close`] ends it for all of them.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    config: ClientConfig,
    sender: Sender,
    results: Option<Results>,
    reply_to: Option<String>,
    waiting: Mutex<HashMap<TaskId, UnboundedSender<TaskResult>>>,
    closed: CancellationToken,
    tasks: TaskTracker,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// [`Error::Url`], [`Error::Unavailable`], [`Error::Setup`] when the queues for delayed tasks are of another kind.
    pub async fn connect(config: ClientConfig) -> Result<Self, Error> {
        let amqp = Amqp::connect(&config.url, &config.name).await?;
        if let Some(delays) = &config.delays {
            delays.declare(&amqp).await?;
        }
        let reply_to = match &config.replies {
            ReplyTo::Nowhere => None,
            ReplyTo::Own => Some(uuid::Uuid::new_v4().to_string()),
            ReplyTo::Queue(queue) => {
                amqp.ensure_queue(queue, lapin::types::FieldTable::default()).await?;
                Some(queue.clone())
            }
        };
        let results = config.redis.as_ref().map(Results::new).transpose()?;
        let shared = Arc::new(Shared {
            sender: Sender::new(amqp, config.delays.clone(), config.declare, true),
            results,
            reply_to: reply_to.clone(),
            waiting: Mutex::default(),
            closed: CancellationToken::new(),
            tasks: TaskTracker::new(),
            config,
        });
        if let (ReplyTo::Own, Some(queue)) = (&shared.config.replies, reply_to) {
            declare_own(&shared.sender.amqp, &queue).await?;
            shared.tasks.spawn(listen(Arc::clone(&shared), queue));
        }
        Ok(Self { shared })
    }

    /// Sends a task to a queue, and returns when RabbitMQ has it.
    ///
    /// # Errors
    /// [`Error::Unroutable`] when there is no such queue and it may not be declared; [`Error::Unavailable`] after half a
    /// minute of trying; [`Error::Unconfirmed`].
    pub async fn send(&self, queue: &str, mut message: Message) -> Result<Pending, Error> {
        let shared = &self.shared;
        if message.reply_to.is_none() {
            message.reply_to.clone_from(&shared.reply_to);
        }
        let pending = self.pending(message.id.clone());
        shared.sender.to_queue(queue, &message.encode(), message.eta).await?;
        Ok(pending)
    }

    /// Sends a chain, a group or a chord. Steps without a queue of their own go to [`ClientConfig::default_queue`]. What is
    /// pending is the last task; a group has none, and its members are known by the ids in their options alone.
    ///
    /// # Errors
    /// Those of [`Client::send`]; [`Error::ChordsNeedRedis`]; [`Error::Decode`] when the composition is none.
    pub async fn call(&self, signature: &Signature) -> Result<Option<Pending>, Error> {
        let shared = &self.shared;
        let caller =
            Caller { root_id: None, parent_id: None, reply_to: shared.reply_to.clone(), now: Timestamp::now() };
        let plan = canvas::plan(signature, &[], Map::new(), &caller)?;
        let pending = plan.last.clone().map(|id| self.pending(id));
        shared.sender.send(&plan, shared.results.as_ref(), |_task| &shared.config.default_queue).await?;
        Ok(pending)
    }

    /// What becomes of a task that was sent before, by whomever. Over a queue of the client's own only what comes from now
    /// on is heard.
    #[must_use]
    pub fn pending(&self, id: impl Into<TaskId>) -> Pending {
        let id = id.into();
        let updates = (self.shared.config.replies == ReplyTo::Own).then(|| {
            let (sender, updates) = mpsc::unbounded_channel();
            self.shared.waiting().insert(id.clone(), sender);
            updates
        });
        Pending { id, updates, shared: Arc::clone(&self.shared) }
    }

    /// Reads a durable queue of results, this client's or another's. `prefetch` of them may be unacknowledged.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; [`Error::Name`].
    pub async fn replies(&self, queue: &str, prefetch: u16) -> Result<Replies, Error> {
        let amqp = self.shared.sender.amqp.clone();
        amqp.ensure_queue(queue, lapin::types::FieldTable::default()).await?;
        Ok(Replies::new(amqp, queue, prefetch, self.shared.closed.clone()))
    }

    /// Results in Redis.
    ///
    /// # Errors
    /// [`Error::NoRedis`] when they were not set up.
    pub fn results(&self) -> Result<&Results, Error> {
        self.shared.results.as_ref().ok_or(Error::NoRedis)
    }

    /// Remote control of workers.
    #[must_use]
    pub fn control(&self) -> Control {
        Control::new(self.shared.sender.amqp.clone(), &self.shared.config.control_exchange)
    }

    /// Hangs up. What is pending is not heard of any more.
    pub async fn close(&self) {
        self.shared.closed.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        self.shared.waiting().clear();
        self.shared.sender.amqp.close().await;
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, HashMap<TaskId, UnboundedSender<TaskResult>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whoever waits.
    fn tell(&self, result: TaskResult) {
        let mut waiting = self.waiting();
        let is_final = result.outcome.is_final();
        let id = result.task_id.clone();
        let heard = waiting.get(&id).is_some_and(|waits| waits.send(result).is_ok());
        if is_final || !heard {
            waiting.remove(&id);
        }
    }
}

/// What becomes of a task.
pub struct Pending {
    /// Its id.
    pub id: TaskId,
    updates: Option<UnboundedReceiver<TaskResult>>,
    shared: Arc<Shared>,
}

impl Pending {
    /// The next that is heard of it by message: that it started, that it is tried again, what it says of its progress, how
    /// it ended.
    ///
    /// # Errors
    /// [`Error::Timeout`]; [`Error::Closed`] when nothing more comes, or results do not come by message to a queue of the
    /// client's own.
    pub async fn next(&mut self, patience: Duration) -> Result<TaskResult, Error> {
        let updates = self.updates.as_mut().ok_or(Error::Closed)?;
        let next = timeout(patience, updates.recv()).await.map_err(|_elapsed| Error::Timeout(patience))?;
        next.ok_or(Error::Closed)
    }

    /// How it ended: by message to a queue of the client's own, or else from Redis.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Closed`], [`Error::NoRedis`], [`Error::Redis`], [`Error::Decode`].
    pub async fn wait(mut self, patience: Duration) -> Result<TaskResult, Error> {
        if self.updates.is_none() {
            return self.shared.results.as_ref().ok_or(Error::NoRedis)?.wait(&self.id, patience).await;
        }
        let waiting = async {
            loop {
                let result = self.next(patience).await?;
                if result.outcome.is_final() {
                    return Ok(result);
                }
            }
        };
        timeout(patience, waiting).await.map_err(|_elapsed| Error::Timeout(patience))?
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.updates.is_some() {
            self.shared.waiting().remove(&self.id);
        }
    }
}

/// A queue for results that survives a lost connection, but not for long.
async fn declare_own(amqp: &Amqp, queue: &str) -> Result<(), Error> {
    let kept = i64::try_from(REPLIES_KEPT.as_millis()).unwrap_or(i64::MAX);
    let channel = amqp.channel().await?;
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let kept = arguments([("x-expires", AMQPValue::LongLongInt(kept))]);
    let declared = channel.queue_declare(short(queue)?, options, kept).await;
    close(&channel).await;
    declared.map(drop).map_err(unavailable)
}

/// Hears results until the client is closed.
async fn listen(shared: Arc<Shared>, queue: String) {
    let amqp = shared.sender.amqp.clone();
    let mut replies = Replies::new(amqp.clone(), &queue, u16::MAX, shared.closed.clone());
    while let Some(reply) = replies.next().await {
        let result = reply.result.clone();
        reply.ack().await;
        shared.tell(result);
    }
    drop(replies);
    let deleting = async {
        let channel = amqp.channel().await?;
        channel.queue_delete(short(&queue)?, QueueDeleteOptions::default()).await.map_err(unavailable)?;
        Ok::<(), Error>(())
    };
    tokio::select! {
        deleted = deleting => if let Err(error) = deleted {
            tracing::debug!(%error, queue, "a queue of results is left to expire");
        },
        () = sleep(RETRY_PAUSE) => {}
    }
}
