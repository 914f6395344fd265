//! A second backend that needs no engine: it goes by the name of Celery and carries jobs to the workers of this fleet.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use backends::engines::Engine;
use backends::fleet::{Fleet, Window};
use backends::port::{Ability, Backend, Capabilities, Error, Launch, Sight};
use broker::{Broker, Message};
use dispatcher::api::Api;
use dispatcher::submission::Desk;
use protocol::{Backend as Name, Job, Payload, RunId, Workflow};
use serde_json::{Value, json};
use worker::Builder;

use crate::harness::TestFleet;
use crate::world::World;

/// It marks what it carries, so that handlers can do otherwise there: `"via": "courier"` in the input of a run.
#[derive(Clone)]
pub(crate) struct Courier {
    broker: Arc<dyn Broker>,
    heard: Arc<Mutex<Heard>>,
}

/// What it was told.
#[derive(Default)]
struct Heard {
    workflows: Vec<String>,
    signals: Vec<(RunId, String, Value)>,
    ill: Option<String>,
}

impl Courier {
    /// One that carries to that broker.
    pub(crate) fn new(broker: Arc<dyn Broker>) -> Self {
        Self { broker, heard: Arc::default() }
    }

    /// The signals that it got.
    pub(crate) fn signals(&self) -> Vec<(RunId, String, Value)> {
        self.heard.lock().unwrap().signals.clone()
    }

    /// Whether it knows a workflow.
    pub(crate) fn knows(&self, workflow: &str) -> bool {
        self.heard.lock().unwrap().workflows.iter().any(|known| known == workflow)
    }

    /// From now on it says that it cannot work.
    pub(crate) fn fall_ill(&self, reason: &str) {
        self.heard.lock().unwrap().ill = Some(reason.to_owned());
    }
}

impl TestFleet {
    /// Starts a fleet that has a second backend: a courier.
    pub(crate) async fn start_with_courier(world: &World, serve: impl FnOnce(Builder) -> Builder) -> (Self, Courier) {
        let mut connected = world.connect().await;
        let courier = Courier::new(Arc::clone(&connected.broker));
        connected.engine = Some(Engine { backend: Arc::new(courier.clone()), host: None, collector: None });
        (Self::assemble(world, connected, false, |_, builder| serve(builder)).await, courier)
    }

    /// What another dispatcher of this fleet would serve, which knows nothing of what the first one has just been told.
    pub(crate) fn another_dispatcher(&self) -> Api {
        let (ledger, broker) = (Arc::clone(&self.ledger), Arc::clone(&self.broker));
        let fleet = Fleet::new(ledger, broker, Arc::clone(&self.ports.coordination))
            .with_window(Window::of(64))
            .with_roster(self.fleet.roster().clone());
        let desk = Desk::new(fleet.clone(), Arc::clone(&self.ports.objects));
        Api { fleet, desk, ..self.api() }
    }
}

#[async_trait]
impl Backend for Courier {
    fn name(&self) -> Name {
        Name::Celery
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::all()
            .emulated(Ability::Signals, "kept in memory")
            .without(Ability::FanOut, "a courier carries one thing at a time")
    }

    async fn register(&self, workflow: &Workflow) -> Result<(), Error> {
        self.heard.lock().unwrap().workflows.push(workflow.name.clone());
        Ok(())
    }

    async fn start(&self, _: &[Launch]) -> Result<(), Error> {
        Ok(())
    }

    async fn hand_out(&self, jobs: &[Job]) -> Result<(), Error> {
        let messages = jobs.iter().map(|job| {
            let mut job = job.clone();
            if let Payload::Inline(Value::Object(input)) = &mut job.input {
                input.insert("via".to_owned(), json!("courier"));
            }
            let id = format!("{}:{}", job.task_run_id, job.attempt);
            Message::new(job.queue.clone(), id, protocol::wire::encode(&job))
        });
        let away = |error: broker::Error| Error::Unavailable { backend: Name::Celery, reason: error.to_string() };
        self.broker.publish(messages.collect()).await.map_err(away)
    }

    async fn stop(&self, _: RunId, _: &str) -> Result<(), Error> {
        Ok(())
    }

    async fn signal(&self, run: RunId, name: &str, payload: &Value) -> Result<(), Error> {
        self.heard.lock().unwrap().signals.push((run, name.to_owned(), payload.clone()));
        Ok(())
    }

    async fn look(&self, _: RunId) -> Result<Sight, Error> {
        Ok(Sight::UnderWay)
    }

    async fn health(&self) -> Result<(), String> {
        self.heard.lock().unwrap().ill.clone().map_or(Ok(()), Err)
    }
}
