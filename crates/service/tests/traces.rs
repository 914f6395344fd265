//! What a collector gets of the spans of a process, and what a bad collector costs.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri};
use clap::Parser;
use jiff::Timestamp;
use serde_json::Value;
use service::monitoring::Metrics;
use service::traces::{Exporter, Span, Traces, Tracing};
use tokio::net::TcpListener;

/// How long anything may take before the spec calls it stuck.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    tracing: Tracing,
}

/// A collector that answers one request after the other as it is told, and then with 200; it keeps what came.
#[derive(Clone, Default)]
struct Collector {
    answers: Arc<Mutex<Vec<StatusCode>>>,
    requests: Arc<Mutex<Vec<Value>>>,
}

impl Collector {
    async fn start(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let collector = self.clone();
        let app = Router::new().fallback(move |uri: Uri, headers: HeaderMap, body: String| async move {
            assert_eq!((uri.path(), headers["content-type"].to_str().unwrap()), ("/v1/traces", "application/json"));
            collector.requests.lock().unwrap().push(serde_json::from_str(&body).unwrap());
            let mut answers = collector.answers.lock().unwrap();
            if answers.is_empty() { StatusCode::OK } else { answers.remove(0) }
        });
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        address
    }

    /// The names of the spans of each request.
    fn requests(&self) -> Vec<Vec<String>> {
        let names = |request: &Value| {
            let spans = request["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
            spans.iter().map(|span| span["name"].as_str().unwrap().to_owned()).collect()
        };
        self.requests.lock().unwrap().iter().map(names).collect()
    }

    async fn until_asked(&self, times: usize) {
        let started = Instant::now();
        while self.requests.lock().unwrap().len() < times {
            assert!(started.elapsed() < PATIENCE, "{:?}", self.requests());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn tracing_to(address: SocketAddr) -> (Traces, Exporter) {
    let url = format!("http://{address}/");
    let arguments = Arguments::try_parse_from(["process", "--otlp-endpoint", &url]).unwrap();
    arguments.tracing.start("worker-default", "worker-default-1").unwrap()
}

fn span(name: &str) -> Span {
    let (start, end) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
    Span { trace: 1, id: 2, parent: None, name: name.to_owned(), start, end, attributes: Vec::new(), error: None }
}

/// How many spans this process has dropped.
fn dropped() -> u64 {
    let text = metrics().render();
    let value = text.lines().find_map(|line| line.strip_prefix("flotilla_spans_dropped_total "));
    value.map_or(0, |value| value.parse().unwrap())
}

fn metrics() -> &'static Metrics {
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    METRICS.get_or_init(|| Metrics::install().unwrap())
}

#[tokio::test]
async fn spans_are_sent_together_and_the_last_ones_when_the_process_ends() {
    let collector = Collector::default();
    let (traces, exporter) = tracing_to(collector.start().await);
    traces.tell(|| [span("a"), span("b")]);
    collector.until_asked(1).await;
    traces.tell(|| [span("c")]);
    exporter.close().await;

    assert_eq!(collector.requests(), [vec!["a", "b"], vec!["c"]]);
    let resource = &collector.requests.lock().unwrap()[0]["resourceSpans"][0]["resource"]["attributes"];
    let name = resource.as_array().unwrap().iter().find(|attribute| attribute["key"] == "service.name").unwrap();
    assert_eq!(name["value"]["stringValue"], "worker-default");
}

#[tokio::test]
async fn a_busy_collector_gets_a_batch_again_and_one_that_refuses_it_does_not() {
    let collector = Collector::default();
    *collector.answers.lock().unwrap() = vec![StatusCode::SERVICE_UNAVAILABLE, StatusCode::OK, StatusCode::BAD_REQUEST];
    let (traces, exporter) = tracing_to(collector.start().await);
    traces.tell(|| [span("a")]);
    collector.until_asked(2).await;
    traces.tell(|| [span("b")]);
    collector.until_asked(3).await;
    traces.tell(|| [span("c")]);
    exporter.close().await;
    assert_eq!(collector.requests(), [["a"], ["a"], ["b"], ["c"]]);
}

#[tokio::test]
async fn what_a_collector_that_is_away_does_not_take_is_dropped_and_counted() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    metrics();
    let (traces, exporter) = tracing_to(address);
    traces.tell(|| vec![span("a"); 10]);
    exporter.close().await;
    assert!(dropped() >= 10, "{}", dropped());
}

#[tokio::test]
async fn a_collector_that_does_not_answer_holds_nobody_up() {
    // It lets connections wait and never takes them.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    metrics();
    let (traces, exporter) = tracing_to(listener.local_addr().unwrap());
    let started = Instant::now();
    traces.tell(|| vec![span("a"); 20_000]);
    assert!(started.elapsed() < Duration::from_secs(1), "telling took {:?}", started.elapsed());
    assert!(dropped() > 10_000, "the queue is bounded: {}", dropped());

    let stopped = Instant::now();
    exporter.close().await;
    assert!(stopped.elapsed() < Duration::from_secs(4), "the end took {:?}", stopped.elapsed());
}
