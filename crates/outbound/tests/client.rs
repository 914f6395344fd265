//! The client against servers that lead it astray, dawdle and drivel.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where it stopped")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use outbound::{Allowed, Client, Error, Policy, Refusal, Request, Upload};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server that hands every connection, with what was asked, to a script.
async fn server<F>(script: fn(String, TcpStream) -> F) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut asked = Vec::new();
                while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
                    let mut part = [0; 1024];
                    match stream.read(&mut part).await {
                        Ok(0) | Err(_) => return,
                        Ok(read) => asked.extend_from_slice(&part[..read]),
                    }
                }
                script(String::from_utf8_lossy(&asked).into_owned(), stream).await;
            });
        }
    });
    address
}

async fn say(mut stream: TcpStream, answer: String) {
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// Answers with what was asked.
async fn echo(asked: String, stream: TcpStream) {
    say(stream, format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{asked}", asked.len())).await;
}

/// Leads to wherever the query says.
async fn lead(asked: String, stream: TcpStream) {
    let to = asked.split_once("?to=").unwrap().1.split(' ').next().unwrap();
    say(stream, format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")).await;
}

/// Leads to itself.
async fn circle(_: String, stream: TcpStream) {
    say(stream, "HTTP/1.1 307 Temporary Redirect\r\nlocation: /again\r\ncontent-length: 0\r\n\r\n".to_owned()).await;
}

/// Never answers.
async fn silence(_: String, stream: TcpStream) {
    std::future::pending::<()>().await;
    drop(stream);
}

/// Begins an answer and never ends it.
async fn drip(_: String, mut stream: TcpStream) {
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nx").await.unwrap();
    std::future::pending::<()>().await;
}

/// An answer without end.
async fn flood(_: String, mut stream: TcpStream) {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await;
    while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
}

/// An answer that says how long it would be.
async fn announce(_: String, stream: TcpStream) {
    say(stream, "HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\nx".to_owned()).await;
}

fn allowing(entries: &[&str]) -> Client {
    Client::new(Policy::allowing(entries.iter().map(|entry| entry.parse::<Allowed>().unwrap())))
}

async fn refused(client: &Client, url: String) -> Refusal {
    match client.send(Request::get(url)).await {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn this_machine_is_reached_only_where_it_is_allowed() {
    let address = server(echo).await;
    let url = format!("http://{address}/hook");
    let strict = Client::new(Policy::default().with_plain_http(true));
    assert!(matches!(refused(&strict, url.clone()).await, Refusal::Address { .. }));

    let answer = allowing(&["127.0.0.0/8"]).send(Request::post(url, "hello")).await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.text().starts_with("POST /hook HTTP/1.1\r\n"), "{}", answer.text());
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_refused_by_its_address() {
    let port = server(echo).await.port();
    let url = format!("http://localhost:{port}/");
    let strict = Client::new(Policy::default().with_plain_http(true));
    let refusal = refused(&strict, url.clone()).await.to_string();
    assert!(refusal.contains("localhost is at ") && refusal.contains("--outbound-allow localhost"), "{refusal}");
    for allowed in ["localhost", "127.0.0.1,::1"] {
        let client = allowing(&allowed.split(',').collect::<Vec<_>>());
        assert_eq!(client.send(Request::get(&url)).await.unwrap().status, 200, "{allowed}");
    }
    let other = refused(&allowing(&["10.0.0.0/8"]), url).await;
    assert!(matches!(other, Refusal::Address { .. }), "{other:?}");
}

#[tokio::test]
async fn a_redirect_is_checked_like_any_address() {
    let (target, leader) = (server(echo).await, server(lead).await);
    let allowed = allowing(&[&leader.ip().to_string()]);
    for (to, refusal) in [
        ("http://169.254.169.254/latest/meta-data/".to_owned(), "169.254.169.254"),
        ("http://[::1]:80/".to_owned(), "::1"),
        ("file:///etc/passwd".to_owned(), "file:"),
        (format!("http://user:secret@{target}/"), "credentials"),
        (format!("http://8.8.8.8:{}/", target.port()), "plain http"),
    ] {
        let refused = refused(&allowed, format!("http://{leader}/?to={to}")).await.to_string();
        assert!(refused.contains(refusal), "{to}: {refused}");
    }
    let answer = allowed.send(Request::get(format!("http://{leader}/?to=http://{target}/there"))).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.url.path()), (200, "/there"));
}

#[tokio::test]
async fn what_was_meant_for_one_host_is_not_told_to_another() {
    let (target, leader) = (server(echo).await, server(lead).await);
    let client = allowing(&["127.0.0.1"]);
    let asked = |url: String| Request::get(url).header("authorization", "Bearer secret").unwrap();
    let there = asked(format!("http://{leader}/?to=http://{target}/"));
    assert!(!client.send(there).await.unwrap().text().contains("secret"));
    let here = asked(format!("http://{target}/"));
    assert!(client.send(here).await.unwrap().text().contains("secret"));
    assert!(Request::get("https://a").header("x", "a\r\nb: c").is_err());
}

#[tokio::test]
async fn redirects_end_somewhere_and_what_is_sent_is_not_sent_on() {
    let url = format!("http://{}/", server(circle).await);
    let client = allowing(&["127.0.0.1"]);
    let lost = client.send(Request::get(&url)).await;
    assert!(matches!(lost, Err(Error::TooManyRedirects { limit: 3, .. })), "{lost:?}");
    assert_eq!(client.send(Request::get(&url).redirects(0)).await.unwrap().status, 307);
    assert_eq!(client.send(Request::post(&url, "x")).await.unwrap().status, 307);
}

#[tokio::test]
async fn a_slow_answer_is_given_up_in_time() {
    let client = allowing(&["127.0.0.1"]);
    let limit = Duration::from_millis(200);
    for slow in [server(silence).await, server(drip).await] {
        let started = Instant::now();
        let given_up = client.send(Request::get(format!("http://{slow}/")).within(limit)).await;
        assert!(matches!(given_up, Err(Error::TooSlow { .. })), "{given_up:?}");
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_huge_answer_is_cut_off() {
    let client = allowing(&["127.0.0.1"]);
    for huge in [server(flood).await, server(announce).await] {
        let cut = client.send(Request::get(format!("http://{huge}/")).at_most(100_000)).await;
        assert!(matches!(cut, Err(Error::TooLarge { limit: 100_000, .. })), "{cut:?}");
    }
}

#[tokio::test]
async fn nobody_at_home_and_no_such_name_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = listener.local_addr().unwrap();
    drop(listener);
    let client = allowing(&["127.0.0.1"]);
    let closed = client.send(Request::get(format!("http://{gone}/"))).await;
    assert!(matches!(closed, Err(Error::Unreachable { .. })), "{closed:?}");
    let client = Client::new(Policy::default().with_plain_http(true));
    let unknown = client.send(Request::get("http://no-such-host.invalid/")).await;
    assert!(matches!(unknown, Err(Error::Unresolved { .. })), "{unknown:?}");
}

/// Reads the whole body that was announced and says how long it was, how it began and how it ended.
async fn swallow(asked: String, mut stream: TcpStream) {
    let (head, mut body) = asked.split_once("\r\n\r\n").map(|(head, body)| (head, body.as_bytes().to_vec())).unwrap();
    let length = head.to_lowercase().split_once("content-length: ").unwrap().1.lines().next().unwrap().parse().unwrap();
    let is_chunked = head.to_lowercase().contains("transfer-encoding");
    let mut part = vec![0; 64 * 1024];
    while body.len() < length {
        let read = stream.read(&mut part).await.unwrap();
        assert_ne!(read, 0, "the body is shorter than announced");
        body.extend_from_slice(&part[..read]);
    }
    let (first, last) = (String::from_utf8_lossy(&body[..3]), String::from_utf8_lossy(&body[length - 3..]));
    let told = format!("{length} {first} {last} {is_chunked}");
    say(stream, format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{told}", told.len())).await;
}

#[tokio::test]
async fn a_file_is_sent_between_what_stands_around_it_and_its_length_is_told() {
    let address = server(swallow).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("document.pdf");
    std::fs::write(&file, vec![b'x'; 300_000]).unwrap();
    let client = Client::new(Policy::allowing(["127.0.0.1".parse::<Allowed>().unwrap()]));

    let upload = Upload { before: b"abc".to_vec(), file: file.clone(), after: b"def".to_vec() };
    let answer = client.send(Request::upload(format!("http://{address}/"), upload)).await.unwrap();
    assert_eq!(answer.text(), "300006 abc def false");

    std::fs::remove_file(&file).unwrap();
    let failed = client.send(Request::upload(format!("http://{address}/"), Upload::file(file))).await.unwrap_err();
    assert!(matches!(failed, Error::File(_)), "{failed}");
}
