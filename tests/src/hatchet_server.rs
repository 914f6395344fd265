//! A server that speaks Hatchet's protocol, for specs: workflows are told, runs triggered, tasks handed to workers.
//!
//! It does what the real engine does as far as the official SDK and ours can tell; that the SDK runs on it is a spec of its
//! own. What it knows dies with it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tonic::codec::CompressionEncoding;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Status};

mod book;
mod dispatcher;
mod proto;
mod rest;
mod workflows;

use book::Book;
pub use book::{Told, WorkerView};
use proto::dispatcher_server::DispatcherServer;
use proto::events_service_server::EventsServiceServer;
use proto::v1::admin_service_server::AdminServiceServer;
use proto::workflow_service_server::WorkflowServiceServer;

/// How long a spec waits for something before it calls it stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// The tenant of the token.
const TENANT: &str = "707d0855-80ab-4e1f-a156-f1c4546cbf52";

/// The server. Clones are the same one.
#[derive(Clone)]
pub struct HatchetServer {
    engine: SocketAddr,
    api: SocketAddr,
    token: Arc<str>,
    book: Arc<Mutex<Book>>,
    /// Tells which run ended.
    ended: broadcast::Sender<String>,
}

impl HatchetServer {
    /// Starts it, on two ports of its own.
    ///
    /// # Panics
    /// When there are no ports.
    pub async fn start() -> Self {
        let engine = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
        let api = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is another");
        let addresses = (engine.local_addr().expect("it has one"), api.local_addr().expect("it has one"));
        let claims = json!({
            "sub": TENANT,
            "server_url": format!("http://{}", addresses.1),
            "grpc_broadcast_address": addresses.0.to_string(),
            "exp": jiff::Timestamp::now().as_second() + 3_600,
            "iss": "specs",
            "aud": "specs",
        });
        let token = format!("eyJhbGciOiJub25lIn0.{}.c3BlY3M", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let (ended, _) = broadcast::channel(1_024);
        let server = Self { engine: addresses.0, api: addresses.1, token: token.into(), book: Arc::default(), ended };
        let gzip = CompressionEncoding::Gzip;
        let router = Server::builder()
            .add_service(DispatcherServer::new(server.clone()).accept_compressed(gzip))
            .add_service(EventsServiceServer::new(server.clone()).accept_compressed(gzip))
            .add_service(WorkflowServiceServer::new(server.clone()).accept_compressed(gzip))
            .add_service(AdminServiceServer::new(server.clone()).accept_compressed(gzip));
        tokio::spawn(router.serve_with_incoming(TcpIncoming::from(engine)));
        tokio::spawn(rest::serve(server.clone(), api));
        server
    }

    /// A token that it takes.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Where its engine is, as `host:port`.
    #[must_use]
    pub fn engine(&self) -> String {
        self.engine.to_string()
    }

    /// Where its REST API is.
    #[must_use]
    pub fn api(&self) -> String {
        format!("http://{}", self.api)
    }

    /// The names of the workflows that it was told, in order.
    #[must_use]
    pub fn workflows(&self) -> Vec<String> {
        let mut names: Vec<String> = self.lock().definitions.keys().cloned().collect();
        names.sort();
        names
    }

    /// The workers that are registered.
    #[must_use]
    pub fn workers(&self) -> Vec<WorkerView> {
        self.lock().workers.values().map(WorkerView::of).collect()
    }

    /// What was told of a task of a run, in order.
    #[must_use]
    pub fn told(&self, run: &str, task: &str) -> Vec<Told> {
        self.lock().told.iter().filter(|told| told.run == run && told.task == task).cloned().collect()
    }

    /// Lines of logs, in order.
    #[must_use]
    pub fn logs(&self) -> Vec<String> {
        self.lock().logs.clone()
    }

    /// Events that were pushed: their keys and payloads, in order.
    #[must_use]
    pub fn pushed(&self) -> Vec<(String, String)> {
        self.lock().pushed.clone()
    }

    /// Triggers a run, as somebody might in the dashboard.
    ///
    /// # Panics
    /// When the workflow is unknown.
    #[must_use]
    pub fn trigger(&self, workflow: &str, input: &Value) -> String {
        let run = self.lock().trigger(workflow, &input.to_string(), "{}").expect("it was told before");
        self.schedule();
        run
    }

    /// Cancels a run, as somebody might in the dashboard.
    pub fn cancel(&self, run: &str) {
        self.lock().cancel(run);
        self.settle();
    }

    /// Forgets all workers, as after a restart: what they had in hand goes to others.
    pub fn forget_workers(&self) {
        self.lock().forget_workers();
    }

    /// Ends the streams of all workers, as a broken connection does.
    pub fn cut_streams(&self) {
        for worker in self.lock().workers.values_mut() {
            worker.stream = None;
        }
    }

    /// Hatchet's id of the run with this in `input.run_id`, and how many there are.
    #[must_use]
    pub fn runs_for(&self, run_id: &str) -> Vec<String> {
        let book = self.lock();
        let ours = book.runs.iter().filter(|(_, run)| run.input["run_id"] == run_id);
        ours.map(|(id, _)| id.clone()).collect()
    }

    /// The status of a run.
    ///
    /// # Panics
    /// When there is no such run.
    #[must_use]
    pub fn status(&self, run: &str) -> String {
        self.lock().runs[run].status().as_str_name().to_owned()
    }

    /// The statuses of a run's tasks, by their names.
    ///
    /// # Panics
    /// When there is no such run.
    #[must_use]
    pub fn tasks(&self, run: &str) -> Vec<(String, String)> {
        let book = self.lock();
        let tasks = book.runs[run].tasks.iter();
        tasks.map(|task| (task.name.clone(), task.status.as_str_name().to_owned())).collect()
    }

    /// Waits until a run has ended, and returns its status.
    ///
    /// # Panics
    /// When it takes too long.
    pub async fn ended(&self, run: &str) -> String {
        self.until(&format!("the end of run {run}"), |book| book.runs.get(run)?.is_done().then_some(())).await;
        self.status(run)
    }

    /// Waits for a worker that listens for a task.
    ///
    /// # Panics
    /// When it takes too long.
    pub async fn listened_for(&self, action: &str) {
        let listens = |book: &Book| book.workers.values().any(|worker| worker.listens_for(action)).then_some(());
        self.until(&format!("a worker for {action}"), listens).await;
    }

    async fn until<T>(&self, what: &str, found: impl Fn(&Book) -> Option<T>) -> T {
        let waiting = async {
            loop {
                if let Some(found) = found(&self.lock()) {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(found) => found,
            Err(_) => panic!("waited in vain for {what}: {:#?}", self.lock()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands out what is ready.
    fn schedule(&self) {
        self.lock().schedule();
    }

    /// Draws the consequences of a task's end.
    fn settle(&self) {
        let ended = {
            let mut book = self.lock();
            book.schedule();
            book.newly_ended()
        };
        for run in ended {
            // Nobody may be listening.
            let _listeners = self.ended.send(run);
        }
    }

    /// Hands out what is ready after a time.
    fn schedule_in(&self, time: Duration) {
        let server = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(time).await;
            server.schedule();
        });
    }

    /// Whether a caller shows the token.
    fn admit<T>(&self, request: Request<T>) -> Result<T, Status> {
        let shown = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        let shown = shown.and_then(|shown| shown.split_once(' '));
        if !shown.is_some_and(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && token == &*self.token) {
            return Err(Status::unauthenticated("invalid auth token"));
        }
        Ok(request.into_inner())
    }
}
