//! The official SDKs on our server: if they come to the right end there, it is no echo of our own client.
//!
//! `tests/peers/inngest/install.sh` brings them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;
use specs::inngest_server::{InngestServer, Record, Status};

use super::stage::KEY;

/// A program on an SDK, ended when dropped.
struct App {
    process: Child,
    url: String,
}

impl Drop for App {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// Where the SDKs are, installed when they are not.
fn peers() -> PathBuf {
    let specs = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| specs.join("../target"), PathBuf::from);
    let folder = target.join("peers/inngest");
    let installed = Command::new(specs.join("peers/inngest/install.sh")).arg(&folder).status().unwrap();
    assert!(installed.success(), "the SDKs of Inngest cannot be installed");
    folder
}

fn start(mut command: Command, server: &InngestServer, signing: bool) -> App {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    command
        .env("PORT", port.to_string())
        .env("INNGEST_BASE_URL", server.url())
        .env("INNGEST_EVENT_KEY", "events")
        .env_remove("INNGEST_DEV")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    if signing {
        command.env("INNGEST_SIGNING_KEY", KEY).env("NODE_ENV", "production");
    } else {
        command.env("INNGEST_DEV", "1");
    }
    App { process: command.spawn().unwrap(), url: format!("http://127.0.0.1:{port}/api/inngest") }
}

/// The app on the SDK for Node; nothing where there is no Node.
#[expect(clippy::print_stdout, reason = "a spec that is skipped says so")]
fn node(server: &InngestServer, signing: bool) -> Option<App> {
    let app = peers().join("node/app.mjs");
    if !app.exists() {
        println!("SKIPPED: install Node 20 or later with npm to run this");
        return None;
    }
    let mut command = Command::new("node");
    command.arg(app);
    Some(start(command, server, signing))
}

fn python(server: &InngestServer, signing: bool) -> App {
    let mut command = Command::new(peers().join("venv/bin/python"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/inngest/app.py"));
    start(command, server, signing)
}

async fn run(server: &InngestServer, app: &str, what: &str) -> Record {
    let runs = server.send(json!({"name": format!("{app}/{what}"), "data": {"number": 20}}));
    server.ended(&runs[0]).await
}

/// An app of three functions comes to the ends that it should.
async fn judge(server: &InngestServer, app: &str) {
    let record = run(server, app, "two").await;
    assert_eq!((record.status, &record.output), (Status::Completed, &json!(42)), "{record:#?}");
    assert_eq!(record.names, ["first", "nap", "second"]);

    let record = run(server, app, "parallel").await;
    assert_eq!((record.status, &record.output), (Status::Completed, &json!(14)), "{record:#?}");
    assert_eq!(record.names.len(), 4);
    assert_eq!(record.names[3], "sum");

    let record = run(server, app, "failing").await;
    assert_eq!(record.status, Status::Failed, "{record:#?}");
    assert!(record.output.to_string().contains("gave up after 3"), "{record:#?}");
    assert_eq!(record.failures.iter().filter(|name| *name == "hiccup").count(), 2, "{record:#?}");
    assert_eq!(record.names, ["hiccup", "broken", "noticed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_node_runs_on_our_development_server() {
    let server = InngestServer::start().await;
    let Some(app) = node(&server, false) else { return };
    server.sync(&app.url).await;
    judge(&server, "node").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_node_believes_the_signatures_of_our_server() {
    let server = InngestServer::signing(backends::inngest::SigningKey::parse(KEY).unwrap()).await;
    let Some(app) = node(&server, true) else { return };
    server.sync(&app.url).await;
    judge(&server, "node").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_python_runs_on_our_development_server() {
    let server = InngestServer::start().await;
    let app = python(&server, false);
    server.sync(&app.url).await;
    judge(&server, "python").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_python_believes_the_signatures_of_our_server_and_fetches_what_is_large() {
    let server = InngestServer::signing(backends::inngest::SigningKey::parse(KEY).unwrap()).await;
    let app = python(&server, true);
    server.sync(&app.url).await;
    server.leave_state_out();
    judge(&server, "python").await;
}
