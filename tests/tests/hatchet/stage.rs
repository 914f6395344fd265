//! A server, the backend and a worker at it.

use std::sync::Arc;

use backends::engines::Engine;
use backends::hatchet::Settings;
use backends::host::Host;
use backends::port::{Backend, Launch};
use clap::Parser;
use protocol::Workflow;
use serde_json::json;
use specs::desk::MemoryDesk;
use specs::errands::{self, Errand, Shop};
use specs::hatchet_server::HatchetServer;

/// Everything that a spec of a walk needs.
pub(crate) struct Stage {
    pub(crate) server: HatchetServer,
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

/// Opens the backend and the host with a token.
pub(crate) fn open(token: &str, more: &[&str]) -> (Arc<dyn Backend>, Arc<dyn Host>) {
    let flags = ["spec", "--hatchet-tls", "none", "--hatchet-token", token];
    let flags = Flags::parse_from(flags.iter().chain(more));
    let Engine { backend, host, .. } = flags.settings.open().unwrap().unwrap();
    (backend, host.unwrap())
}

impl Stage {
    /// A server with a worker that does the errands.
    pub(crate) async fn set() -> Self {
        Self::with(&[]).await
    }

    /// The same, opened with more flags.
    pub(crate) async fn with(flags: &[&str]) -> Self {
        let server = HatchetServer::start().await;
        let (backend, host) = open(server.token(), flags);
        let desk = Arc::new(MemoryDesk::default());
        let workflow = errands::workflow("errands");
        desk.register(&workflow);
        let shop = Shop::open(Arc::clone(&desk), host);
        Self { server, backend, desk, shop, workflow }
    }

    /// Submits and starts a run.
    pub(crate) async fn start(&self, errand: &Errand) -> Launch {
        let launch = self.desk.submit(&self.workflow, json!(errand));
        self.backend.start(std::slice::from_ref(&launch)).await.unwrap();
        launch
    }

    /// Hatchet's id of a run of ours.
    pub(crate) fn at_server(&self, launch: &Launch) -> String {
        self.server.runs_for(&launch.run_id.to_string()).remove(0)
    }

    /// Submits and starts a run, and waits for its end on record and at the server: our record, Hatchet's id and its status.
    pub(crate) async fn run(&self, errand: &Errand) -> (engine::Run, String, String) {
        let launch = self.start(errand).await;
        let run = self.desk.ended(launch.run_id).await;
        let at_server = self.at_server(&launch);
        let status = self.server.ended(&at_server).await;
        (run, at_server, status)
    }

    pub(crate) async fn strike(self) {
        self.shop.close().await.unwrap();
    }
}
