//! A fleet's front door as clients see it: over real connections.

use std::time::Duration;

use dispatcher::api::Api;
use protocol::{RunId, Workflow};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::harness::TestFleet;

/// Longest time anything here may take before the test calls it stuck.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// An open front door.
pub(crate) struct Door {
    /// Host and port.
    pub(crate) address: String,
    http: reqwest::Client,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The problem that it tells, or null.
    pub(crate) fn problem(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

impl Door {
    /// Serves a fleet on a port of its own.
    pub(crate) async fn open(fleet: &TestFleet) -> Self {
        Self::open_with(fleet.api()).await
    }

    /// The same with other settings.
    pub(crate) async fn open_with(api: Api) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stop = CancellationToken::new();
        let token = stop.clone();
        let serving = tokio::spawn(async move { api.serve(listener, token).await.unwrap() });
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().tls_certs_only([]).timeout(PATIENCE).build().unwrap();
        Self { address, http, stop, serving }
    }

    /// The beginning of a call.
    pub(crate) fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address))
    }

    /// `GET path`.
    pub(crate) async fn get(&self, path: &str) -> Response {
        self.call(Method::GET, path).send().await.unwrap()
    }

    /// Starts a run of a workflow, which is registered before.
    pub(crate) async fn submit(&self, flow: &Workflow, input: &Value, prefer: &str) -> Response {
        let registered = self.call(Method::POST, "/api/v1/workflows").json(flow).send().await.unwrap();
        assert!(registered.status().is_success(), "{:?}", registered.text().await);
        let order = serde_json::json!({ "workflow": flow.name, "input": input });
        self.call(Method::POST, "/api/v1/runs").header("prefer", prefer).json(&order).send().await.unwrap()
    }

    /// The same for who does not wait: the run.
    pub(crate) async fn start(&self, flow: &Workflow, input: &Value) -> RunId {
        let answer = self.submit(flow, input, "respond-async").await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        serde_json::from_value(json(answer).await["run_id"].clone()).unwrap()
    }

    /// Sends bytes as they are and reads what comes until the other side closes. What is cut is followed by nothing more.
    pub(crate) async fn raw(&self, request: &[u8], cut: bool) -> Answer {
        let exchange = async {
            let stream = TcpStream::connect(&self.address).await.unwrap();
            let (mut from, mut to) = stream.into_split();
            let sending = async {
                // An answer may come, and the connection go, before everything is sent.
                let _ = to.write_all(request).await;
                if cut {
                    let _ = to.shutdown().await;
                }
                to
            };
            let mut bytes = Vec::new();
            let (_to, _) = tokio::join!(sending, async {
                let _ = from.read_to_end(&mut bytes).await;
            });
            bytes
        };
        let bytes = tokio::time::timeout(PATIENCE, exchange).await.expect("the server neither answers nor closes");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// Tells the server to stop, and returns before it has.
    pub(crate) fn begin_to_close(&self) {
        self.stop.cancel();
    }

    /// Stops serving.
    pub(crate) async fn close(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.serving).await.expect("the server does not stop").unwrap();
    }
}

/// The JSON of an answer.
pub(crate) async fn json(answer: Response) -> Value {
    let text = answer.text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
