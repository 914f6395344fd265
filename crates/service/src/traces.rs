//! Traces: what took how long, told to a collector by OTLP over HTTP. Off unless [`Tracing`] names one.
//!
//! Telling costs whoever works nothing: spans go into a queue of limited length, and what a collector does not take in
//! time is dropped and counted. Ids are the caller's, so that processes that know the same names make one trace without
//! telling each other.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use metrics::counter;
use reqwest::Url;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use delivery::Delivery;

mod delivery;
mod encoding;

/// Spans that no collector took.
const DROPPED: &str = "flotilla_spans_dropped_total";

/// How many spans wait at most: with the batch under way, some megabytes.
const WAITING: usize = 8192;

/// How long the last spans of a process may take.
const FLUSH: Duration = Duration::from_secs(2);

/// Where spans go.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Tracing {
    /// Tell an OpenTelemetry collector at this address about every run, by OTLP over HTTP as JSON; /v1/traces is added.
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env_values = true,
          value_parser = Endpoint::parse)]
    pub otlp_endpoint: Option<Endpoint>,
}

/// A collector, or none where the variable is set to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Option<Url>);

/// The client for the collector could not be made.
#[derive(Debug, thiserror::Error)]
#[error("--otlp-endpoint cannot be used")]
pub struct Error(#[from] reqwest::Error);

/// Takes spans. Clones go to the same collector; [`Traces::default`] goes nowhere.
#[derive(Clone, Debug, Default)]
pub struct Traces(Option<mpsc::Sender<Span>>);

/// Something that took time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The trace that it belongs to; not 0.
    pub trace: u128,
    /// Its id within the trace; not 0.
    pub id: u64,
    /// The id of the span that it is part of; `None` for the root.
    pub parent: Option<u64>,
    /// What it is called. Few different ones: ids belong into attributes.
    pub name: String,
    /// When it began.
    pub start: Timestamp,
    /// When it ended. Clocks of machines differ: one that lies before the start is told as the start.
    pub end: Timestamp,
    /// What else is known, by name. Never content of documents.
    pub attributes: Vec<(&'static str, Attribute)>,
    /// The code of the error that it ended in.
    pub error: Option<String>,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// A name or an id.
    Text(String),
    /// A count.
    Number(u32),
}

/// Sends what [`Traces`] takes, until it is closed.
#[must_use = "spans that are still here are sent by `close`"]
#[derive(Debug)]
pub struct Exporter(Option<Running>);

#[derive(Debug)]
struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Tracing {
    /// Starts to send spans of the program `service`, which is known as `instance` among others of its kind. Within a
    /// runtime.
    ///
    /// # Errors
    /// When the system's certificates cannot be used for an `https` address.
    pub fn start(&self, service: &str, instance: &str) -> Result<(Traces, Exporter), Error> {
        let Some(Endpoint(Some(url))) = &self.otlp_endpoint else { return Ok((Traces::default(), Exporter(None))) };
        let (sender, waiting) = mpsc::channel(WAITING);
        let stop = CancellationToken::new();
        let delivery = Delivery::new(url.clone(), encoding::resource(service, instance), waiting, stop.clone())?;
        let task = tokio::spawn(delivery.run());
        Ok((Traces(Some(sender)), Exporter(Some(Running { stop, task }))))
    }
}

impl Endpoint {
    /// The address for traces at a collector's base address.
    fn parse(base: &str) -> Result<Self, String> {
        if base.is_empty() {
            return Ok(Self(None));
        }
        let mut url = Url::parse(base).map_err(|error| error.to_string())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("it has to begin with http:// or https://".to_owned());
        }
        let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Ok(Self(Some(url)))
    }
}

impl Traces {
    /// Takes spans, which are made only if somebody wants them. Waits for nothing.
    pub fn tell<Spans: IntoIterator<Item = Span>>(&self, spans: impl FnOnce() -> Spans) {
        let Some(queue) = &self.0 else { return };
        for span in spans() {
            if queue.try_send(span).is_err() {
                counter!(DROPPED).increment(1);
            }
        }
    }
}

impl Exporter {
    /// Sends what is still here, for at most two seconds. After that nothing more is taken.
    pub async fn close(self) {
        let Some(Running { stop, mut task }) = self.0 else { return };
        stop.cancel();
        match timeout(FLUSH, &mut task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(error = %error, "spans could not be sent"),
            Err(_) => {
                task.abort();
                tracing::warn!("the collector did not take the last spans in time");
            }
        }
    }
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u32> for Attribute {
    fn from(number: u32) -> Self {
        Self::Number(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_collector_leads_to_its_traces() {
        for (base, url) in [
            ("http://collector:4318", "http://collector:4318/v1/traces"),
            ("http://collector:4318/", "http://collector:4318/v1/traces"),
            ("https://example.com/otlp/", "https://example.com/otlp/v1/traces"),
        ] {
            assert_eq!(Endpoint::parse(base), Ok(Endpoint(Some(Url::parse(url).unwrap()))), "{base}");
        }
        assert_eq!(Endpoint::parse(""), Ok(Endpoint(None)), "a variable that is set to nothing");
        assert!(Endpoint::parse("collector:4318").is_err());
        assert!(Endpoint::parse("collector").is_err());
    }

    #[test]
    fn without_a_collector_no_span_is_even_made() {
        Traces::default().tell(|| -> [Span; 0] { panic!("nobody wants it") });
    }
}
