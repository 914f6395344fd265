//! The official SDK on our server: if it comes to the right ends there, it is no echo of our own client.
//!
//! `tests/peers/hatchet/install.sh` brings it.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use specs::hatchet_server::HatchetServer;

/// A worker on the SDK, ended with all of its processes when dropped.
struct Referee(Child);

impl Drop for Referee {
    fn drop(&mut self) {
        let group = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw);
        let _gone = group.map(|group| rustix::process::kill_process_group(group, rustix::process::Signal::KILL));
        let _reaped = self.0.wait();
    }
}

/// A program on the SDK, which is installed when it is not there.
fn program(file: &str, server: &HatchetServer) -> Command {
    let specs = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| specs.join("../target"), PathBuf::from);
    let folder = target.join("peers/hatchet");
    let installed = Command::new(specs.join("peers/hatchet/install.sh")).arg(&folder).status().unwrap();
    assert!(installed.success(), "the SDK of Hatchet cannot be installed");
    let mut command = Command::new(folder.join("venv/bin/python"));
    command
        .arg(specs.join("peers/hatchet").join(file))
        .env("HATCHET_CLIENT_TOKEN", server.token())
        .env("HATCHET_CLIENT_TLS_STRATEGY", "none")
        // Settings files of the folder are none of its business.
        .current_dir(&folder)
        .stdin(Stdio::null());
    command
}

async fn work(server: &HatchetServer) -> Referee {
    let mut command = program("worker.py", server);
    let worker = Referee(command.process_group(0).spawn().unwrap());
    server.listened_for("graph:first").await;
    worker
}

/// What the SDK's client says of a run that it started.
async fn result(server: &HatchetServer, workflow: &str) -> Value {
    let mut command = program("client.py", server);
    command.arg(workflow);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_walks_a_graph_with_a_retry_on_our_server() {
    let server = HatchetServer::start().await;
    let _worker = work(&server).await;
    let result = result(&server, "graph").await;
    assert_eq!(result["total"], json!({"value": 42}), "{result}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_fails_and_is_cancelled_on_our_server_as_it_should() {
    let server = HatchetServer::start().await;
    let _worker = work(&server).await;
    let run = server.trigger("broken", &json!({}));
    assert_eq!(server.ended(&run).await, "FAILED");
    let tasks = server.tasks(&run);
    assert_eq!(tasks, [("breaks".to_owned(), "FAILED".to_owned()), ("behind".to_owned(), "CANCELLED".to_owned())]);
    let failures = server.told(&run, "breaks").into_iter().filter(|told| told.kind == "FAILED").count();
    assert_eq!(failures, 1, "it is not tried again");
    assert!(result(&server, "broken").await["error"].to_string().contains("it never works"));

    let run = server.trigger("lingering", &json!({}));
    let started = async {
        while server.told(&run, "lingers").is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), started).await.unwrap();
    server.cancel(&run);
    assert_eq!(server.ended(&run).await, "CANCELLED");
    // The slot is free again.
    let run = server.trigger("graph", &json!({}));
    assert_eq!(server.ended(&run).await, "COMPLETED");
}
