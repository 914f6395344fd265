//! The same against an engine of Hatchet's own, where there is one.
//!
//! Start `hatchet server start`, or the lite image, create an API token, and name it:
//!
//! ```text
//! FLOTILLA_TEST_HATCHET_TOKEN=eyJ… HATCHET_CLIENT_TLS_STRATEGY=none cargo nextest run -p specs --test hatchet live
//! ```

use std::sync::Arc;

use clap::Parser;
use protocol::RunState;
use serde_json::json;
use specs::desk::MemoryDesk;
use specs::errands::{self, Errand, Shop, Trouble};

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    settings: backends::hatchet::Settings,
}

#[tokio::test]
async fn errands_run_on_an_engine_of_hatchets_own() {
    let Ok(token) = std::env::var("FLOTILLA_TEST_HATCHET_TOKEN") else {
        println!("SKIPPED: set FLOTILLA_TEST_HATCHET_TOKEN to an API token of a Hatchet engine to run this");
        return;
    };
    let namespace = format!("specs{}", uuid::Uuid::now_v7().simple());
    let flags = Flags::parse_from(["spec", "--hatchet-token", &token, "--hatchet-namespace", &namespace]);
    let engine = flags.settings.open().unwrap().unwrap();
    let (backend, host) = (engine.backend, engine.host.unwrap());
    backend.health().await.unwrap();
    let desk = Arc::new(MemoryDesk::default());
    let workflow = errands::workflow("errands");
    desk.register(&workflow);
    let shop = Shop::open(Arc::clone(&desk), host);
    let trouble = [("fetch".to_owned(), Trouble::FailsAtFirst(1)), ("left".to_owned(), Trouble::Breaks)];
    let errand = Errand { trouble: trouble.into(), items: vec![1, 2, 3] };
    let launch = desk.submit(&workflow, json!(errand));
    backend.start(std::slice::from_ref(&launch)).await.unwrap();
    assert_eq!(desk.ended(launch.run_id).await.state, RunState::Succeeded);
    shop.close().await.unwrap();
}
