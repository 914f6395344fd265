//! A server, the backend and a worker at it.

use std::sync::Arc;

use backends::engines::Engine;
use backends::host::Host;
use backends::inngest::{Settings, SigningKey};
use backends::port::{Backend, Launch};
use clap::Parser;
use protocol::Workflow;
use serde_json::json;
use specs::desk::MemoryDesk;
use specs::errands::{self, Errand, Shop};
use specs::inngest_server::{InngestServer, Record};

/// What signs calls where they are signed.
pub(crate) const KEY: &str = "signkey-test-1234567890abcdef";

/// Everything that a spec of a walk needs.
pub(crate) struct Stage {
    pub(crate) server: InngestServer,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) desk: Arc<MemoryDesk>,
    pub(crate) shop: Shop,
    pub(crate) workflow: Workflow,
}

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    settings: Settings,
}

/// Opens the backend and the host for a server; the worker listens where there was room a moment ago.
pub(crate) fn open(url: &str, more: &[&str]) -> (Arc<dyn Backend>, Arc<dyn Host>) {
    let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let flags = ["spec", "--inngest-url", url, "--inngest-listen", &listen];
    let flags = Flags::parse_from(flags.iter().chain(more));
    let Engine { backend, host, .. } = flags.settings.open().unwrap().unwrap();
    (backend, host.unwrap())
}

impl Stage {
    /// A development server with a worker that does the errands.
    pub(crate) async fn set() -> Self {
        Self::at(InngestServer::start().await, &["--inngest-dev"]).await
    }

    /// The same with signatures.
    pub(crate) async fn signed() -> Self {
        let server = InngestServer::signing(SigningKey::parse(KEY).unwrap()).await;
        Self::at(server, &["--inngest-signing-key", KEY, "--inngest-event-key", "events"]).await
    }

    async fn at(server: InngestServer, flags: &[&str]) -> Self {
        let (backend, host) = open(&server.url(), flags);
        let desk = Arc::new(MemoryDesk::default());
        let workflow = errands::workflow("errands");
        desk.register(&workflow);
        let shop = Shop::open(Arc::clone(&desk), host);
        server.knows("flotilla-errands").await;
        Self { server, backend, desk, shop, workflow }
    }

    /// Submits and starts a run.
    pub(crate) async fn start(&self, errand: &Errand) -> Launch {
        let launch = self.desk.submit(&self.workflow, json!(errand));
        self.backend.start(std::slice::from_ref(&launch)).await.unwrap();
        launch
    }

    /// Submits and starts a run, and waits for its end on record and at the server.
    pub(crate) async fn run(&self, errand: &Errand) -> (engine::Run, Record) {
        let launch = self.start(errand).await;
        let run = self.desk.ended(launch.run_id).await;
        let at_server = self.server.run_for(&launch.run_id.to_string()).await;
        (run, self.server.ended(&at_server).await)
    }

    pub(crate) async fn strike(self) {
        self.shop.close().await.unwrap();
    }
}
