//! The worker's side: makes our functions known to Inngest and answers its calls.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::future::BoxFuture;
use futures::stream;
use protocol::{Backend as Name, Workflow};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::api::Api;
use super::app::{self, ROOT};
use super::call::Call;
use super::reply::{Reply, common};
use super::settings::{PATH, refused, serve_url_at};
use crate::host::{Host, Intake, Serving};
use crate::port::Error;

/// How often the workflows are looked through for new ones.
const LOOK: Duration = Duration::from_secs(5);

/// Most bytes of a call: what Inngest remembers of a run, which is some hundred bytes a step.
const LARGEST_CALL: usize = 8 * 1024 * 1024;

/// How long an answer may take before it is sent as a stream, so that nobody on the way gives the connection up.
const PROMPT: Duration = Duration::from_secs(5);

/// How often such a stream shows that it is alive.
const PULSE: Duration = Duration::from_secs(3);

/// Inngest's calls, answered.
#[derive(Clone)]
pub struct InngestHost {
    pub(super) api: Api,
    pub(super) app: String,
    pub(super) listen: SocketAddr,
    pub(super) serve_url: Option<Url>,
}

/// Our app while it is served.
struct App {
    api: Api,
    name: String,
    serve_url: Url,
    queues: Vec<String>,
    intake: Intake,
    /// What was made known last.
    known: Mutex<Value>,
}

#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(rename = "stepId")]
    step: Option<String>,
    probe: Option<String>,
}

#[async_trait]
impl Host for InngestHost {
    fn name(&self) -> Name {
        Name::Inngest
    }

    async fn serve(&self, serving: &Serving, intake: Intake, stop: CancellationToken) -> Result<(), Error> {
        let unusable =
            |error: std::io::Error| refused(format!("--inngest-listen {} cannot be used: {error}", self.listen));
        let listener = TcpListener::bind(self.listen).await.map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;
        let app = Arc::new(App {
            api: self.api.clone(),
            name: self.app.clone(),
            serve_url: self.serve_url.clone().map_or_else(|| serve_url_at(address), Ok)?,
            queues: serving.queues.clone(),
            intake,
            known: Mutex::default(),
        });
        let router = Router::new()
            .route(PATH, get(introspect).put(synchronise).post(call))
            .layer(DefaultBodyLimit::max(LARGEST_CALL))
            .with_state(app.clone());
        tracing::info!(%address, url = %app.serve_url, "listening for Inngest");
        let ending = stop.clone();
        let answering = axum::serve(listener, router).with_graceful_shutdown(async move { ending.cancelled().await });
        let answering = async { answering.await.map_err(unusable) };
        let announcing = async { stop.run_until_cancelled(app.announce()).await.unwrap_or(Ok(())) };
        tokio::try_join!(answering, announcing).map(|_| ())
    }
}

impl App {
    /// Makes our functions known, whenever there are others than before. An end is a refusal.
    async fn announce(&self) -> Result<(), Error> {
        let mut timer = tokio::time::interval(LOOK);
        loop {
            timer.tick().await;
            match self.register(false).await {
                Ok(_) => {}
                Err(error @ Error::Refused { .. }) => return Err(error),
                Err(error) => tracing::warn!(%error, "our functions are not known to Inngest yet"),
            }
        }
    }

    /// Makes our functions known; `anyway` even if they are the same as the last time.
    async fn register(&self, anyway: bool) -> Result<bool, Error> {
        let workflows = self.intake.desk().workflows().await;
        let workflows =
            workflows.map_err(|away| Error::Unavailable { backend: Name::Inngest, reason: away.to_string() })?;
        let ours: Vec<&Workflow> = workflows.iter().map(Arc::as_ref).filter(|workflow| self.serves(workflow)).collect();
        let registration = app::registration(&self.name, &self.serve_url, &ours);
        let is_known = *self.known.lock().unwrap_or_else(PoisonError::into_inner) == registration;
        // Inngest takes no app without functions.
        if ours.is_empty() || (is_known && !anyway) {
            return Ok(false);
        }
        let modified = self.api.register(&registration).await?;
        tracing::info!(functions = ours.len(), modified, "our functions are known to Inngest");
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = registration;
        Ok(modified)
    }

    /// Whether every task of a workflow can be done here: Inngest calls one address for all of a function.
    fn serves(&self, workflow: &Workflow) -> bool {
        let missing = workflow.queues().into_iter().find(|queue| !self.queues.iter().any(|ours| ours == queue));
        if let Some(queue) = missing {
            tracing::debug!(workflow.name = %workflow.name, queue, "left to workers that serve all of its queues");
        }
        missing.is_none()
    }

    /// Whether a request is from Inngest.
    fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), super::NotVerified> {
        let signature = headers.get("x-inngest-signature").and_then(|value| value.to_str().ok());
        self.api.keys().verify(signature, body, jiff::Timestamp::now().as_second())
    }

    async fn answer(self: Arc<Self>, body: Bytes, step: String) -> Reply {
        match serde_json::from_slice::<Call>(&body) {
            Ok(call) => call.answer(&self.api, &self.intake, &step).await,
            Err(error) => Reply::final_failure("unreadable", &format!("The call cannot be read: {error}")),
        }
    }
}

async fn call(State(app): State<Arc<App>>, Query(asked): Query<Asked>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(error) = app.verify(&headers, &body) {
        tracing::warn!(%error, "a call that is not Inngest's was refused");
        let message = json!({"message": format!("Unauthorized: {error}.")});
        return Reply::with(StatusCode::UNAUTHORIZED, message).into_response();
    }
    if asked.probe.is_some() {
        return Reply::with(StatusCode::OK, Value::Null).into_response();
    }
    let step = asked.step.unwrap_or_else(|| ROOT.to_owned());
    let mut answering: BoxFuture<'static, Reply> = Box::pin(app.answer(body, step));
    match tokio::time::timeout(PROMPT, &mut answering).await {
        Ok(reply) => reply.into_response(),
        Err(_) => streamed(answering),
    }
}

/// An answer that takes long: blanks for as long as it takes, then the answer with its status and headers inside.
fn streamed(answering: BoxFuture<'static, Reply>) -> Response {
    let parts = stream::unfold(Some(answering), |answering| async move {
        let mut answering = answering?;
        let part = match tokio::time::timeout(PULSE, &mut answering).await {
            Ok(reply) => (reply.enclosed(), None),
            Err(_) => (b" ".to_vec(), Some(answering)),
        };
        Some((Ok::<_, std::convert::Infallible>(part.0), part.1))
    });
    let mut response = (StatusCode::CREATED, Body::from_stream(parts)).into_response();
    for (name, value) in common() {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Inngest, or an operator, asks us to make our functions known.
async fn synchronise(State(app): State<Arc<App>>) -> Reply {
    match app.register(true).await {
        Ok(modified) => {
            let answer = json!({
                "message": "Our functions are known.",
                "modified": modified,
                "functions": app::ids(&app.known.lock().unwrap_or_else(PoisonError::into_inner)),
            });
            Reply::with(StatusCode::OK, answer)
        }
        Err(error) => {
            let message = json!({"message": error.to_string(), "modified": false});
            Reply::with(StatusCode::INTERNAL_SERVER_ERROR, message)
        }
    }
}

/// Says what we are. Digests of keys are for those who know the key.
async fn introspect(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let keys = app.api.keys();
    let functions = {
        let known = app.known.lock().unwrap_or_else(PoisonError::into_inner);
        known["functions"].as_array().map_or(0, Vec::len)
    };
    let mut about = json!({
        "schema_version": "2024-05-24",
        "function_count": functions,
        "has_event_key": true,
        "has_signing_key": keys.signing.is_some(),
        "has_signing_key_fallback": keys.fallback.is_some(),
        "mode": if keys.dev { "dev" } else { "cloud" },
    });
    if !keys.dev && app.verify(&headers, b"").is_ok() {
        about["authentication_succeeded"] = json!(true);
        about["app_id"] = json!(app.name);
        about["serve_origin"] = json!(app.serve_url.origin().ascii_serialization());
        about["serve_path"] = json!(app.serve_url.path());
        about["sdk_language"] = json!("rust-flotilla");
        about["sdk_version"] = json!(env!("CARGO_PKG_VERSION"));
        about["signing_key_hash"] = json!(keys.signing.as_ref().map(super::SigningKey::bearer));
        about["signing_key_fallback_hash"] = json!(keys.fallback.as_ref().map(super::SigningKey::bearer));
    }
    Reply::with(StatusCode::OK, about).into_response()
}
