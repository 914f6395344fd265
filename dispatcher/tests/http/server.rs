//! A server for one test.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::{Arc, LazyLock};

use backends::fleet::{self, Fleet};
use broker::memory::MemoryBroker;
use coordination::in_process::InProcess;
use dispatcher::access::{Access, NewKey, Scope, Scopes, Vault};
use dispatcher::adapters::Adapters;
use dispatcher::api::{Api, CompatFlags, Front};
use dispatcher::imports::Imports;
use dispatcher::submission::Desk;
use dispatcher::triggers::Store;
use dispatcher::webhooks::Webhooks;
use ledger::Ledger;
use ledger::records::Records;
use ledger::sqlite::SqliteLedger;
use objects::filesystem::Filesystem;
use outbound::Policy;
use protocol::workflow::TaskSpec;
use protocol::{TenantId, Workflow};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use service::monitoring::Metrics;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Largest document, in bytes.
pub(crate) const MAX_UPLOAD: usize = 1024 * 1024;

/// A running server; it stops when this is dropped.
pub(crate) struct Server {
    pub(crate) access: Access,
    pub(crate) fleet: Fleet,
    pub(crate) webhooks: Webhooks,
    pub(crate) objects: Arc<Filesystem>,
    url: String,
    client: reqwest::Client,
    folder: TempDir,
    _stop: DropGuard,
}

/// Callers wait for a second, and the deprecated address has a day on which it ends.
fn compat() -> CompatFlags {
    CompatFlags {
        import_prefixes: vec!["imports/{tenant}/".parse().unwrap()],
        compat_wait: 1,
        compat_sunset: Some("2027-06-30".parse().unwrap()),
    }
}

/// Kept once per process.
static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics::install().unwrap());

impl Server {
    /// A server that asks for keys.
    pub(crate) async fn guarded() -> Self {
        Self::start(true, Policy::default()).await
    }

    /// A server that asks nobody but workers for keys.
    pub(crate) async fn open() -> Self {
        Self::start(false, Policy::default()).await
    }

    /// A server that asks nobody for keys and reaches that host, too.
    pub(crate) async fn reaching(host: &str) -> Self {
        Self::start(false, Policy::allowing([host.parse().unwrap()])).await
    }

    async fn start(required: bool, way_out: Policy) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::in_memory().await.unwrap());
        let objects = Arc::new(Filesystem::new(folder.path().join("objects")));
        let coordination = Arc::new(InProcess::new());
        let broker = Arc::new(MemoryBroker::new(fleet::topology(5)));
        let fleet = Fleet::new(Arc::clone(&ledger), broker, coordination.clone());
        for workflow in protocol::stages::builtin() {
            fleet.register(&workflow).await.unwrap();
        }
        fleet.register(&protocol::webhooks::workflow()).await.unwrap();
        let mut single = Workflow::named("single");
        single.tasks = vec![TaskSpec::named("only")];
        fleet.register(&single).await.unwrap();
        let access = Access::new(Arc::clone(&ledger), coordination, required);
        let desk = Desk::new(fleet.clone(), objects.clone()).with_incoming(folder.path().join("incoming")).unwrap();
        let vault = Vault::new(&"5a".repeat(32)).unwrap();
        let webhooks = Webhooks::new(Arc::clone(&ledger) as Arc<dyn Records>, vault, Policy::default());
        let api = Api {
            prices: Arc::default(),
            fleet: fleet.clone(),
            desk,
            objects: objects.clone(),
            access: access.clone(),
            adapters: Adapters::new(Arc::clone(&ledger), Vault::new(&"5e".repeat(32)).unwrap()),
            imports: Imports::default(),
            subscriptions: Store::new(Arc::clone(&ledger)),
            max_upload: MAX_UPLOAD,
            retention: None,
            front: Front::default(),
            compat: compat().settings(),
            metrics: METRICS.clone(),
            webhooks: webhooks.clone(),
            way_out: outbound::Client::new(way_out),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        tokio::spawn(async move { api.serve(listener, stopping).await.unwrap() });
        // Plain HTTP, but the client wants to know how it would speak TLS.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
        Self { access, fleet, webhooks, objects, url, client, folder, _stop: stop.drop_guard() }
    }

    /// Puts an object where others put things for tenants.
    pub(crate) fn import(&self, key: &str, bytes: &[u8]) {
        let path = self.folder.path().join("objects").join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Whether an object of that folder is these bytes.
    pub(crate) fn holds(&self, folder: &str, bytes: &[u8]) -> bool {
        let objects = std::fs::read_dir(self.folder.path().join("objects").join(folder)).unwrap();
        objects.into_iter().any(|object| std::fs::read(object.unwrap().path()).is_ok_and(|found| found == bytes))
    }

    /// The token of a new key.
    pub(crate) async fn key(&self, tenant: &str, scopes: &[Scope]) -> String {
        let tenant: TenantId = tenant.parse().unwrap();
        let (name, scopes) = ("of a test".to_owned(), Scopes::of(scopes.iter().copied()));
        let new = NewKey { tenant, name, scopes, expires_at: None, issued_by: None };
        self.access.keys.issue(new).await.unwrap().token
    }

    /// The beginning of a call.
    pub(crate) fn call(&self, method: Method, path: &str, key: &str) -> RequestBuilder {
        let call = self.client.request(method, format!("{}{path}", self.url));
        if key.is_empty() { call } else { call.bearer_auth(key) }
    }

    /// Calls with JSON, or without a body where it is null.
    pub(crate) async fn json(&self, method: Method, path: &str, key: &str, body: &Value) -> Answer {
        let call = self.call(method, path, key);
        let call =
            if body.is_null() { call } else { call.header(CONTENT_TYPE, "application/json").body(body.to_string()) };
        Answer::of(call.send().await.unwrap()).await
    }

    /// Asks for something.
    pub(crate) async fn get(&self, path: &str, key: &str) -> Answer {
        self.json(Method::GET, path, key, &Value::Null).await
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) fn body(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of the problem, in either form.
    pub(crate) fn code(&self) -> String {
        if let Some(code) = self.body()["payload"]["code"].as_str() {
            assert_eq!(self.body()["code"], self.status.as_u16(), "{self:?}");
            return code.to_owned();
        }
        assert_eq!(self.headers[CONTENT_TYPE], "application/problem+json", "{self:?}");
        self.body()["code"].as_str().unwrap().to_owned()
    }
}
