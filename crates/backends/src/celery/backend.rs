//! Sends tasks to Celery's workers.

use std::sync::Arc;

use async_trait::async_trait;
use celery::{Client, ClientConfig, Message, TimeLimits};
use jiff::Timestamp;
use protocol::workflow::Arguments;
use protocol::{Backend as Name, Job, Payload, RunId, TaskOutput, Workflow};
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

use super::{JOB, TASK, id};
use crate::port::{Ability, Attempt, Backend, Capabilities, Error, Launch, Sight};

/// Tasks as Celery messages. Clones share the connection.
#[derive(Clone)]
pub struct Celery {
    config: ClientConfig,
    prefix: String,
    client: Arc<Mutex<Option<Client>>>,
}

impl Celery {
    /// Tasks to that broker; our own go to queues whose names begin with `prefix`. Connects when it is first used.
    #[must_use]
    pub fn new(config: ClientConfig, prefix: String) -> Self {
        Self { config, prefix, client: Arc::default() }
    }

    /// The connection, made if need be.
    pub(super) async fn client(&self) -> Result<Client, Error> {
        let mut client = self.client.lock().await;
        if let Some(client) = client.as_ref() {
            return Ok(client.clone());
        }
        let connected = Client::connect(self.config.clone()).await.map_err(|error| translated(&error))?;
        Ok(client.insert(connected).clone())
    }

    /// The message for a job, and the queue that it goes to.
    fn message(&self, job: &Job) -> (String, Message) {
        let attempt = Attempt { run_id: job.run_id, task_run_id: job.task_run_id, attempt: job.attempt };
        let expires = job.timeouts.queue_wait.and_then(|wait| Timestamp::now().checked_add(wait).ok());
        let (queue, mut message) = match &job.celery {
            Some(call) => (job.queue.clone(), called(Message::new(&call.task), job, call.arguments)),
            None => {
                let mut message = Message::new(TASK).kwarg(JOB, json!(job));
                // Its outcome goes the way of all outcomes.
                message.ignore_result = true;
                message.shadow = Some(format!("{}/{}", job.workflow, job.task));
                (format!("{}{}", self.prefix, job.queue), message)
            }
        };
        message =
            message.id(id::of(attempt)).limits(TimeLimits { hard: Some(job.timeouts.hard), soft: job.timeouts.soft });
        message.extra = Map::from_iter([
            ("flotilla_run".to_owned(), json!(job.run_id)),
            ("flotilla_tenant".to_owned(), json!(job.tenant)),
        ]);
        if let Some(expires) = expires {
            message = message.expires(expires);
        }
        (queue, message)
    }
}

/// A task of somebody else's, with the arguments that it asks for.
fn called(message: Message, job: &Job, arguments: Arguments) -> Message {
    let input = || match (&job.input, job.index, &job.map_over) {
        (_, Some(index), Some(source)) => item(job, source, index),
        (input, ..) => plain(input),
    };
    match arguments {
        Arguments::Envelope => {
            let outputs: Map<String, Value> =
                job.outputs.iter().map(|(task, output)| (task.clone(), left_behind(output))).collect();
            message.kwarg("input", input()).kwarg("outputs", Value::Object(outputs))
        }
        Arguments::Input => match input() {
            Value::Object(fields) => {
                fields.into_iter().fold(message, |message, (name, value)| message.kwarg(name, value))
            }
            other => message.args([other]),
        },
        // One whose failure is tolerated left nothing, and keeps its place.
        Arguments::Parents => {
            message.args(job.parents.iter().map(|parent| job.outputs.get(parent).map_or(Value::Null, left_behind)))
        }
    }
}

/// The item of the list that a child of a mapped task is for.
fn item(job: &Job, source: &str, index: u32) -> Value {
    match job.outputs.get(source) {
        Some(TaskOutput::One(Payload::Inline(Value::Array(items)))) => {
            items.get(index as usize).cloned().unwrap_or_default()
        }
        // Too large for a message: the reference, and which item of it is meant.
        Some(TaskOutput::One(Payload::Artifact(artifact))) => json!({ "artifact": artifact, "index": index }),
        _ => Value::Null,
    }
}

fn left_behind(output: &TaskOutput) -> Value {
    match output {
        TaskOutput::One(payload) => plain(payload),
        TaskOutput::Many(payloads) => payloads.iter().map(plain).collect(),
    }
}

/// A value as it is, or where it lies in the object store when it is too large for a message.
fn plain(payload: &Payload) -> Value {
    match payload {
        Payload::Inline(value) => value.clone(),
        Payload::Artifact(artifact) => json!({ "artifact": artifact }),
    }
}

#[async_trait]
impl Backend for Celery {
    fn name(&self) -> Name {
        Name::Celery
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all()
            .emulated(Ability::Sticky, "a wish that is not met: messages go to whoever takes them first")
            .without(Ability::Signals, "nothing in Celery waits for one")
            .emulated(Ability::FanOut, "our engine joins; chords are not used")
            .emulated(Ability::CancelRunning, "our workers stop; Python's are told by revoke with terminate")
            .emulated(Ability::CancelQueued, "revoke; what runs all the same is not recorded")
            .emulated(Ability::Priority, "runs are admitted by priority, messages have none")
    }

    async fn register(&self, _: &Workflow) -> Result<(), Error> {
        Ok(())
    }

    async fn start(&self, _: &[Launch]) -> Result<(), Error> {
        Ok(())
    }

    async fn hand_out(&self, jobs: &[Job]) -> Result<(), Error> {
        let client = self.client().await?;
        let sending = jobs.iter().map(|job| {
            let (queue, message) = self.message(job);
            let client = client.clone();
            async move { client.send(&queue, message).await }
        });
        for sent in futures::future::join_all(sending).await {
            sent.map_err(|error| translated(&error))?;
        }
        Ok(())
    }

    async fn abort(&self, attempts: &[Attempt]) -> Result<(), Error> {
        let ids: Vec<String> = attempts.iter().map(|attempt| id::of(*attempt)).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let client = self.client().await?;
        client.control().revoke(&ids, true).await.map_err(|error| translated(&error))
    }

    async fn stop(&self, _: RunId, _: &str) -> Result<(), Error> {
        // Attempts are called off one by one.
        Ok(())
    }

    async fn signal(&self, _: RunId, _: &str, _: &Value) -> Result<(), Error> {
        Err(Error::Refused { backend: Name::Celery, reason: "nothing in Celery waits for signals".to_owned() })
    }

    async fn look(&self, _: RunId) -> Result<Sight, Error> {
        // Our own engine has it.
        Ok(Sight::UnderWay)
    }

    async fn health(&self) -> Result<(), String> {
        self.client().await.map(drop).map_err(|error| error.to_string())
    }
}

fn translated(error: &celery::Error) -> Error {
    let reason = error.to_string();
    match error {
        celery::Error::Unavailable(_) | celery::Error::Unconfirmed(_) => {
            Error::Unavailable { backend: Name::Celery, reason }
        }
        _ => Error::Refused { backend: Name::Celery, reason },
    }
}
