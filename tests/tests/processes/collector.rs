//! An OpenTelemetry collector that keeps what it gets, as the specs want to look at it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A collector on this machine.
pub(crate) struct Collector {
    address: SocketAddr,
    told: Arc<Mutex<Vec<Told>>>,
}

/// A span with who told it.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) service: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: Option<String>,
    pub(crate) name: String,
    /// In nanoseconds.
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) attributes: BTreeMap<String, String>,
    /// The message of the status, where the status is an error.
    pub(crate) error: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans {
    resource: Resource,
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Deserialize)]
struct Resource {
    attributes: Vec<Attribute>,
}

#[derive(Deserialize)]
struct ScopeSpans {
    spans: Vec<Span>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Span {
    trace_id: String,
    span_id: String,
    parent_span_id: Option<String>,
    name: String,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<Attribute>,
    status: Option<Value>,
}

#[derive(Deserialize)]
struct Attribute {
    key: String,
    value: BTreeMap<String, String>,
}

impl Collector {
    /// Starts to collect.
    pub(crate) async fn start() -> Self {
        let told: Arc<Mutex<Vec<Told>>> = Arc::default();
        let keep = Arc::clone(&told);
        let collect = move |headers: HeaderMap, body: String| async move {
            assert_eq!(headers["content-type"], "application/json");
            // A request that cannot be read ends this handler, and the spec misses its spans.
            let request: Request = serde_json::from_str(&body).unwrap();
            keep.lock().unwrap().extend(request.resource_spans.into_iter().flat_map(spans));
            (StatusCode::OK, Json(json!({ "partialSuccess": {} })))
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().route("/v1/traces", post(collect));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, told }
    }

    /// The flags that make a process tell this collector.
    pub(crate) fn flags(&self) -> Vec<String> {
        flags(self.address)
    }

    /// Everything that was told.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }
}

/// The flags that make a process tell whoever is at that address.
pub(crate) fn flags(address: SocketAddr) -> Vec<String> {
    ["--otlp-endpoint".to_owned(), format!("http://{address}")].to_vec()
}

fn spans(of: ResourceSpans) -> Vec<Told> {
    let service = values(of.resource.attributes)["service.name"].clone();
    let spans = of.scope_spans.into_iter().flat_map(|scope| scope.spans);
    spans
        .map(|span| {
            assert!((1..=5).contains(&span.kind), "{}", span.kind);
            let error = span.status.filter(|status| status["code"] == 2);
            Told {
                service: service.clone(),
                trace: span.trace_id,
                id: span.span_id,
                parent: span.parent_span_id,
                name: span.name,
                start: span.start_time_unix_nano.parse().unwrap(),
                end: span.end_time_unix_nano.parse().unwrap(),
                attributes: values(span.attributes),
                error: error.map(|status| status["message"].as_str().unwrap().to_owned()),
            }
        })
        .collect()
}

fn values(attributes: Vec<Attribute>) -> BTreeMap<String, String> {
    let value = |attribute: Attribute| (attribute.key, attribute.value.into_values().next().unwrap());
    attributes.into_iter().map(value).collect()
}
