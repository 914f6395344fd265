//! A server that answers as a script says and remembers what it was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, Method, Response, Uri};
use futures::stream;
use serde_json::Value;

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// The last part of the path.
    pub(crate) name: String,
    pub(crate) query: HashMap<String, String>,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// How often this name was asked before.
    pub(crate) before: usize,
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Json(u16, Value),
    /// With a header.
    With(u16, &'static str, String, Value),
    Text(&'static str),
    /// The connection breaks in the middle.
    Truncated(&'static str),
    /// Without end.
    Flood,
    /// Nothing ever comes.
    Silence,
}

type Script = Arc<dyn Fn(&Call) -> Reply + Send + Sync>;

/// A running server.
pub(crate) struct Server {
    pub(crate) url: String,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Server {
    pub(crate) async fn start(script: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(Mutex::new(Vec::new()));
        let state = (Arc::new(script) as Script, Arc::clone(&calls));
        let app = Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(state);
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, calls }
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// How often a name was asked.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.calls().iter().filter(|call| call.name == name).count()
    }
}

async fn answer(
    State((script, calls)): State<(Script, Arc<Mutex<Vec<Call>>>)>,
    method: Method,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let reply = {
        let mut calls = calls.lock().unwrap();
        let name = uri.path().rsplit('/').next().unwrap().to_owned();
        let before = calls.iter().filter(|call: &&Call| call.name == name).count();
        let text = |value: &axum::http::HeaderValue| value.to_str().unwrap().to_owned();
        let headers = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let call = Call { method, name, query, headers, body: body.to_vec(), before };
        let reply = script(&call);
        calls.push(call);
        reply
    };
    let json = |status: u16| Response::builder().status(status).header("content-type", "application/json");
    match reply {
        Reply::Json(status, value) => json(status).body(value.to_string().into()).unwrap(),
        Reply::With(status, name, header, value) => {
            json(status).header(name, header).body(value.to_string().into()).unwrap()
        }
        Reply::Text(text) => json(200).body(text.into()).unwrap(),
        Reply::Truncated(text) => {
            let parts = [Ok(Bytes::from(text)), Err(std::io::Error::other("the cable was pulled"))];
            json(200).body(Body::from_stream(stream::iter(parts))).unwrap()
        }
        Reply::Flood => {
            let part = || Some((Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1 << 20])), ()));
            json(200).body(Body::from_stream(stream::unfold((), move |()| async move { part() }))).unwrap()
        }
        Reply::Silence => std::future::pending().await,
    }
}
