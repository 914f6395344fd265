//! A server that speaks Inngest's protocol, for specs: apps register, events start runs, steps are called and remembered.
//!
//! It does what the real one does as far as the official SDKs and ours can tell; that the SDKs of others run on it is a spec
//! of its own. What it remembers dies with it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use backends::inngest::SigningKey;
use serde_json::{Map, Value, json};

mod calls;
mod canonical;
mod runs;

pub use runs::{Record, Status};

/// How long a spec waits for something before it calls it stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// The server. Clones are the same one.
#[derive(Clone)]
pub struct InngestServer {
    address: SocketAddr,
    key: Option<SigningKey>,
    http: reqwest::Client,
    state: Arc<Mutex<Book>>,
}

/// What the server knows.
#[derive(Default)]
struct Book {
    functions: HashMap<String, Function>,
    /// Events by the server's ids, with the runs that they started.
    events: HashMap<String, (Value, Vec<String>)>,
    /// The server's ids of events, by the ids that their senders gave them.
    known: HashMap<String, String>,
    runs: HashMap<String, Record>,
    /// How often apps made themselves known.
    registrations: usize,
    /// Runs whose state is left out of calls, to be fetched.
    large: bool,
}

#[derive(Clone, Debug)]
struct Function {
    url: String,
    events: Vec<String>,
    cancelled_by: Vec<String>,
    attempts: u32,
}

impl InngestServer {
    /// A development server, which signs nothing.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn start() -> Self {
        Self::with(None).await
    }

    /// A server that signs its calls and takes none that do not show the same key.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn signing(key: SigningKey) -> Self {
        Self::with(Some(key)).await
    }

    async fn with(key: Option<SigningKey>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
        let address = listener.local_addr().expect("it has an address");
        // Whoever comes second finds the same provider installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(PATIENCE).tls_certs_only([]).build();
        let http = http.expect("it needs nothing from the system");
        let server = Self { address, key, http, state: Arc::default() };
        let router = Router::new()
            .route("/fn/register", post(register).put(register))
            .route("/e/{key}", post(events))
            .route("/v0/runs/{run}/batch", get(batch))
            .route("/v0/runs/{run}/actions", get(actions))
            .route("/v1/events", get(list_events))
            .route("/v1/events/{event}/runs", get(runs_of_event))
            .route("/v1/runs/{run}", get(run).delete(cancel))
            .with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Leaves what it remembers of runs out of calls, as it does when that is large.
    pub fn leave_state_out(&self) {
        self.lock().large = true;
    }

    /// How often apps made themselves known.
    #[must_use]
    pub fn registrations(&self) -> usize {
        self.lock().registrations
    }

    /// The ids of all functions, in order.
    #[must_use]
    pub fn functions(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.lock().functions.keys().cloned().collect();
        ids.sort();
        ids
    }

    /// Where a function is called.
    ///
    /// # Panics
    /// When it is not known.
    #[must_use]
    pub fn address_of(&self, function: &str) -> String {
        self.lock().functions.get(function).map(|function| function.url.clone()).expect("it made itself known")
    }

    /// Waits for a function to be known.
    ///
    /// # Panics
    /// When it takes too long.
    pub async fn knows(&self, function: &str) {
        self.until(&format!("function {function}"), |book| book.functions.contains_key(function).then_some(())).await;
    }

    /// Asks an app to make itself known, until it answers.
    ///
    /// # Panics
    /// When it does not.
    pub async fn sync(&self, app: &str) {
        let mut last = "nothing".to_owned();
        let asking = async {
            loop {
                let asked = self.http.put(app).header("x-inngest-server-kind", self.kind()).body("{}").send().await;
                match asked {
                    Ok(response) if response.status().is_success() => return,
                    Ok(response) => last = format!("{} {:?}", response.status(), response.text().await),
                    // It is not up yet.
                    Err(_) => {}
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let answered = tokio::time::timeout(PATIENCE, asking).await;
        assert!(answered.is_ok(), "the app at {app} does not make itself known; it answered {last}");
    }

    /// Takes an event as if somebody had sent it, and returns the runs that it started.
    #[must_use]
    pub fn send(&self, event: Value) -> Vec<String> {
        let id = self.take(event, None);
        self.lock().events.get(&id).map(|(_, runs)| runs.clone()).unwrap_or_default()
    }

    /// Waits until a run has ended.
    ///
    /// # Panics
    /// When it takes too long.
    pub async fn ended(&self, run: &str) -> Record {
        let ended = |book: &Book| book.runs.get(run).filter(|record| record.status != Status::Running).cloned();
        self.until(&format!("the end of run {run}"), ended).await
    }

    /// Waits for the first run of an event that carries this in `data.run_id`.
    ///
    /// # Panics
    /// When it takes too long.
    pub async fn run_for(&self, run_id: &str) -> String {
        let found = |book: &Book| {
            let event =
                book.events.values().find(|(event, runs)| event["data"]["run_id"] == run_id && !runs.is_empty());
            event.and_then(|(_, runs)| runs.first().cloned())
        };
        self.until(&format!("a run for {run_id}"), found).await
    }

    /// All that is known of a run.
    #[must_use]
    pub fn record(&self, run: &str) -> Option<Record> {
        self.lock().runs.get(run).cloned()
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
            Err(_) => panic!("waited in vain for {what}: {:#?}", self.lock().runs),
        }
    }

    fn kind(&self) -> &'static str {
        if self.key.is_some() { "cloud" } else { "dev" }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a caller shows the key.
    fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(key) = &self.key else { return true };
        let shown = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        // With or without the key's prefix, as SDKs differ.
        let digest = |text: &str| text.rsplit('-').next().unwrap_or_default().to_owned();
        shown.strip_prefix("Bearer ").is_some_and(|shown| digest(shown) == digest(&key.bearer()))
    }

    /// Takes an event in; starts and stops what it starts and stops. Returns the server's id of it.
    fn take(&self, event: Value, seed: Option<&str>) -> String {
        let given = event["id"].as_str().map(str::to_owned);
        let (id, starting) = {
            let mut book = self.lock();
            if let Some(known) = given.as_ref().and_then(|given| book.known.get(given)) {
                return known.clone();
            }
            let id = seed.and_then(runs::seeded).unwrap_or_else(runs::fresh_id);
            book.known.extend(given.map(|given| (given, id.clone())));
            let name = event["name"].as_str().unwrap_or_default().to_owned();
            runs::cancel_by_event(&mut book, &name, &event);
            let starting: Vec<String> = runs::start_by_event(&mut book, &name, &event);
            book.events.insert(id.clone(), (event, starting.clone()));
            (id, starting)
        };
        for run in starting {
            self.discover(&run);
        }
        id
    }
}

fn refused() -> Response {
    (StatusCode::UNAUTHORIZED, Json(json!({"error": "Unauthorized", "status": 401}))).into_response()
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({"error": "not found", "status": 404}))).into_response()
}

async fn register(State(server): State<InngestServer>, headers: HeaderMap, Json(app): Json<Value>) -> Response {
    if !server.admits(&headers) {
        return refused();
    }
    let mut book = server.lock();
    book.registrations += 1;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for function in app["functions"].as_array().into_iter().flatten() {
        let Some(step) = function["steps"].as_object().and_then(|steps| steps.values().next()) else { continue };
        let each = |list: &Value, field: &str| -> Vec<String> {
            list.as_array().into_iter().flatten().map(|entry| text(&entry[field])).collect()
        };
        let attempts = step["retries"]["attempts"].as_u64().and_then(|attempts| u32::try_from(attempts).ok());
        let known = Function {
            url: text(&step["runtime"]["url"]),
            events: each(&function["triggers"], "event"),
            cancelled_by: each(&function["cancel"], "event"),
            // What is registered are the retries; the first attempt comes on top.
            attempts: attempts.map_or(4, |retries| retries + 1),
        };
        book.functions.insert(text(&function["id"]), known);
    }
    Json(json!({"ok": true, "modified": true})).into_response()
}

async fn events(
    State(server): State<InngestServer>,
    Path(_key): Path<String>,
    headers: HeaderMap,
    Json(events): Json<Value>,
) -> Json<Value> {
    let seed = headers.get("x-inngest-event-id-seed").and_then(|value| value.to_str().ok());
    let events = match events {
        Value::Array(events) => events,
        event => vec![event],
    };
    let ids: Vec<String> = events.into_iter().map(|event| server.take(event, seed)).collect();
    Json(json!({"ids": ids, "status": 200}))
}

async fn batch(State(server): State<InngestServer>, Path(run): Path<String>, headers: HeaderMap) -> Response {
    match server.record(&run) {
        _ if !server.admits(&headers) => refused(),
        Some(record) => Json(json!([record.event])).into_response(),
        None => not_found(),
    }
}

async fn actions(State(server): State<InngestServer>, Path(run): Path<String>, headers: HeaderMap) -> Response {
    match server.record(&run) {
        _ if !server.admits(&headers) => refused(),
        Some(record) => Json(record.steps.into_iter().collect::<Map<_, _>>()).into_response(),
        None => not_found(),
    }
}

async fn list_events(State(server): State<InngestServer>, headers: HeaderMap) -> Response {
    if !server.admits(&headers) {
        return refused();
    }
    let events: Vec<Value> = server.lock().events.values().map(|(event, _)| event.clone()).collect();
    Json(json!({"data": events})).into_response()
}

async fn runs_of_event(State(server): State<InngestServer>, Path(event): Path<String>, headers: HeaderMap) -> Response {
    if !server.admits(&headers) {
        return refused();
    }
    let book = server.lock();
    let Some((_, runs)) = book.events.get(&event) else { return not_found() };
    let shown: Vec<Value> = runs.iter().filter_map(|run| Some(book.runs.get(run)?.shown(run))).collect();
    Json(json!({"data": shown})).into_response()
}

async fn run(State(server): State<InngestServer>, Path(run): Path<String>, headers: HeaderMap) -> Response {
    match server.record(&run) {
        _ if !server.admits(&headers) => refused(),
        Some(record) => Json(json!({"data": record.shown(&run)})).into_response(),
        None => not_found(),
    }
}

async fn cancel(State(server): State<InngestServer>, Path(run): Path<String>, headers: HeaderMap) -> Response {
    if !server.admits(&headers) {
        return refused();
    }
    let mut book = server.lock();
    let Some(record) = book.runs.get_mut(&run) else { return not_found() };
    record.end(Status::Cancelled, Value::Null);
    StatusCode::NO_CONTENT.into_response()
}
