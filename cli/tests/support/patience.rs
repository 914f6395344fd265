//! Clients that begin and do not go on.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::serving::Server;

/// Opens a connection and sends the beginning of something.
fn begin(server: &Server, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.base.trim_start_matches("http://")).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

const HALF_A_HEAD: &str = "POST /api/v1/runs HTTP/1.1\r\nHost: fl";
const HALF_A_BODY: &str = "POST /api/v1/runs HTTP/1.1\r\nHost: flotilla\r\nContent-Length: 100\r\n\r\nhalf";

#[tokio::test]
async fn stalled_clients_do_not_hold_up_the_end() {
    let state = tempfile::tempdir().unwrap();
    let mut server = Server::start(state.path(), &[]);
    let _stalled = [begin(&server, HALF_A_HEAD), begin(&server, HALF_A_BODY)];
    // Connections are accepted in order: after an answer to a later one, those above are known.
    assert_eq!(server.get("/livez").await.0, StatusCode::OK);
    let started = Instant::now();

    assert!(Command::new("kill").args(["-TERM", &server.child.id().to_string()]).status().unwrap().success());

    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());
}

/// Waits until that many uploads have begun to come in.
async fn incoming(state: &Path, expected: usize) {
    while std::fs::read_dir(state.join("incoming")).unwrap().count() != expected {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn uploads_beyond_the_limit_are_sent_away_until_there_is_room() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);
    let submit = async || server.call(Method::POST, "/api/v1/runs?name=a.txt", b"Total: 5 EUR".to_vec(), &[]).await;
    let stalled: Vec<TcpStream> = (0..64).map(|_| begin(&server, HALF_A_BODY)).collect();
    incoming(state.path(), 64).await;

    let (status, problem) = submit().await;
    let (ready, _) = server.get("/readyz").await;
    drop(stalled);
    while submit().await.0 != StatusCode::ACCEPTED {}

    assert_eq!((status, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("too_many_uploads")));
    assert_eq!(ready, StatusCode::OK, "only uploads are counted");
}

#[tokio::test]
async fn what_a_killed_server_had_taken_in_half_is_removed_at_the_next_start() {
    let state = tempfile::tempdir().unwrap();
    let server = Server::start(state.path(), &[]);
    let _stalled = begin(&server, HALF_A_BODY);
    incoming(state.path(), 1).await;
    drop(server);

    let _server = Server::start(state.path(), &[]);

    incoming(state.path(), 0).await;
}
