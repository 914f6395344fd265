//! The same against a server of Inngest's own, where there is one.
//!
//! Start `npx inngest-cli dev --no-discovery`, or `inngest start` with keys, and name it:
//!
//! ```text
//! FLOTILLA_TEST_INNGEST=http://127.0.0.1:8288 cargo nextest run -p specs --test inngest live
//! ```
//!
//! With keys, `INNGEST_EVENT_KEY` and `INNGEST_SIGNING_KEY` are read as well. The server has to reach this machine at
//! 127.0.0.1; otherwise set `FLOTILLA_INNGEST_LISTEN` and `FLOTILLA_INNGEST_SERVE_URL`.

use std::sync::Arc;

use clap::Parser;
use protocol::RunState;
use serde_json::json;
use specs::desk::MemoryDesk;
use specs::errands::{self, Errand, Shop, Trouble};

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    settings: backends::inngest::Settings,
}

#[tokio::test]
async fn errands_run_on_a_server_of_inngests_own() {
    let Ok(url) = std::env::var("FLOTILLA_TEST_INNGEST") else {
        println!("SKIPPED: set FLOTILLA_TEST_INNGEST to the address of an Inngest server to run this");
        return;
    };
    let app = format!("specs-{}", uuid::Uuid::now_v7().simple());
    let mut flags = vec!["spec", "--inngest-url", &url, "--inngest-app", &app];
    if std::env::var("INNGEST_SIGNING_KEY").is_err() {
        flags.push("--inngest-dev");
    }
    let engine = Flags::parse_from(flags).settings.open().unwrap().unwrap();
    let (backend, host) = (engine.backend, engine.host.unwrap());
    backend.health().await.unwrap();
    let desk = Arc::new(MemoryDesk::default());
    let workflow = errands::workflow("errands");
    desk.register(&workflow);
    let shop = Shop::open(Arc::clone(&desk), host);
    // Answers as soon as the worker has made its functions known.
    let mut known = backend.register(&workflow).await;
    for _ in 0..50 {
        if known.is_ok() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        known = backend.register(&workflow).await;
    }
    known.unwrap();
    let trouble = [("fetch".to_owned(), Trouble::FailsAtFirst(1)), ("left".to_owned(), Trouble::Breaks)];
    let errand = Errand { trouble: trouble.into(), items: vec![1, 2, 3] };
    let launch = desk.submit(&workflow, json!(errand));
    backend.start(std::slice::from_ref(&launch)).await.unwrap();
    assert_eq!(desk.ended(launch.run_id).await.state, RunState::Succeeded);
    shop.close().await.unwrap();
}
