//! Task messages, protocol 2: what to run, with what, and what to do afterwards.
//!
//! What describes the task is in the headers, so that a worker can decide without reading the body; the body holds the
//! arguments and the signatures of what comes next.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::signature::Signature;
use crate::{DecodeError, TaskId};

mod body;
mod headers;
mod repr;
mod times;

pub(crate) use headers::is_from_the_broker;
pub(crate) use repr::{python, python_str};
pub(crate) use times::{iso, parse_time, seconds, seconds_of};

/// A message as it travels, without the means by which it does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Raw {
    /// Its headers.
    pub headers: Map<String, Value>,
    /// What AMQP says about it.
    pub properties: Properties,
    /// Its body, compressed or not.
    pub body: Vec<u8>,
}

/// What AMQP says about a message, as far as Celery uses it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// Only `application/json` is understood.
    pub content_type: Option<String>,
    /// Only `utf-8` is understood.
    pub content_encoding: Option<String>,
    /// By which a result is known: the task's id.
    pub correlation_id: Option<String>,
    /// The queue that results go to.
    pub reply_to: Option<String>,
    /// Higher goes first on queues with priorities.
    pub priority: Option<u8>,
}

/// A task to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its id; results are known by it.
    pub id: TaskId,
    /// The task's name.
    pub task: String,
    /// Positional arguments, as on the wire: typed values are in their envelopes.
    pub args: Vec<Value>,
    /// Keyword arguments, as on the wire.
    pub kwargs: Map<String, Value>,
    /// What comes after it.
    pub embed: Embed,
    /// The first task of the work this one belongs to; itself when nobody caused it.
    pub root_id: Option<TaskId>,
    /// The task that caused this one.
    pub parent_id: Option<TaskId>,
    /// The group it belongs to.
    pub group: Option<String>,
    /// Its place in the group.
    pub group_index: Option<i64>,
    /// How often it was tried before.
    pub retries: u32,
    /// Not to be run before.
    pub eta: Option<Timestamp>,
    /// Not to be run after.
    pub expires: Option<Timestamp>,
    /// How long it may take.
    pub limits: TimeLimits,
    /// The queue that results go to, when they go by message.
    pub reply_to: Option<String>,
    /// Higher goes first on queues with priorities.
    pub priority: Option<u8>,
    /// Nobody wants the result.
    pub ignore_result: bool,
    /// Another name, for people.
    pub shadow: Option<String>,
    /// Headers that mean nothing here, such as stamps; they travel on.
    pub extra: Map<String, Value>,
}

/// What comes after a task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embed {
    /// Called with the result.
    pub callbacks: Vec<Signature>,
    /// Called with the task's id when it failed.
    pub errbacks: Vec<Signature>,
    /// The rest of the chain, **the next one last**.
    pub chain: Vec<Signature>,
    /// What runs when all of the group are done.
    pub chord: Option<Signature>,
}

/// How long a task may take.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TimeLimits {
    /// It is aborted after this.
    pub hard: Option<Duration>,
    /// It is told after this.
    pub soft: Option<Duration>,
}

impl TimeLimits {
    /// These, and where there are none, others.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self { hard: self.hard.or(others.hard), soft: self.soft.or(others.soft) }
    }
}

impl Message {
    /// A task with an id of its own.
    #[must_use]
    pub fn new(task: impl Into<String>) -> Self {
        let id = uuid::Uuid::new_v4().to_string();
        Self {
            root_id: Some(id.clone()),
            id,
            task: task.into(),
            args: Vec::new(),
            kwargs: Map::new(),
            embed: Embed::default(),
            parent_id: None,
            group: None,
            group_index: None,
            retries: 0,
            eta: None,
            expires: None,
            limits: TimeLimits::default(),
            reply_to: None,
            priority: None,
            ignore_result: false,
            shadow: None,
            extra: Map::new(),
        }
    }

    /// The same under an id that the caller chose. It has to be one nobody else uses.
    #[must_use]
    pub fn id(mut self, id: impl Into<TaskId>) -> Self {
        self.id = id.into();
        self.root_id = Some(self.id.clone());
        self
    }

    /// The same with positional arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = Value>) -> Self {
        self.args = args.into_iter().collect();
        self
    }

    /// The same with one keyword argument more.
    #[must_use]
    pub fn kwarg(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.kwargs.insert(name.into(), value.into());
        self
    }

    /// The same with time limits.
    #[must_use]
    pub fn limits(mut self, limits: TimeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The same with a priority.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = Some(priority);
        self
    }

    /// The same, not to be run before a time.
    #[must_use]
    pub fn eta(mut self, eta: Timestamp) -> Self {
        self.eta = Some(eta);
        self
    }

    /// The same, not to be run after a time.
    #[must_use]
    pub fn expires(mut self, expires: Timestamp) -> Self {
        self.expires = Some(expires);
        self
    }

    /// The same, called with the result once it is there.
    #[must_use]
    pub fn link(mut self, callback: Signature) -> Self {
        self.embed.callbacks.push(callback);
        self
    }

    /// The same, called with the task's id should it fail.
    #[must_use]
    pub fn link_error(mut self, errback: Signature) -> Self {
        self.embed.errbacks.push(errback);
        self
    }

    /// As it travels.
    #[must_use]
    pub fn encode(&self) -> Raw {
        Raw {
            headers: headers::write(self),
            properties: Properties {
                content_type: Some(body::JSON.to_owned()),
                content_encoding: Some("utf-8".to_owned()),
                correlation_id: Some(self.id.clone()),
                reply_to: self.reply_to.clone(),
                priority: self.priority,
            },
            body: body::write(self),
        }
    }

    /// Reads what travelled.
    ///
    /// # Errors
    /// [`DecodeError`] names what is wrong with it.
    pub fn decode(raw: &Raw) -> Result<Self, DecodeError> {
        let described = headers::read(raw)?;
        let (args, kwargs, embed) = body::read(raw)?;
        Ok(Self { args, kwargs, embed, ..described })
    }
}

#[cfg(test)]
mod tests;
