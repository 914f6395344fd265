//! What clients send by mistake or on purpose. The list stands in `docs/api.md` too.

use protocol::TenantId;
use reqwest::Method;
use serde_json::json;

use crate::door::Door;
use crate::harness::{MAX_UPLOAD, TestFleet};
use crate::world::World;

/// A call, and what it gets. The code is empty where HTTP itself is broken: then no route is asked.
struct Case {
    what: &'static str,
    request: Vec<u8>,
    status: u16,
    code: &'static str,
}

fn case(what: &'static str, request: impl Into<Vec<u8>>, status: u16, code: &'static str) -> Case {
    Case { what, request: request.into(), status, code }
}

fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: fleet\r\nConnection: close\r\n\r\n").into_bytes()
}

fn post(target: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    post_with(target, &format!("Content-Type: {kind}\r\n"), body)
}

/// `POST` with these headers, each ending in CR LF, and the true length.
fn post_with(target: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: fleet\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn form(parts: &str) -> Vec<u8> {
    post("/api/v1/runs", "multipart/form-data; boundary=edge", format!("{parts}--edge--\r\n").as_bytes())
}

fn part(name: &str, content: &str) -> String {
    format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a.txt\"\r\n\r\n{content}\r\n")
}

const JSON: &str = "application/json";

fn heads() -> Vec<Case> {
    let long = "x".repeat(9 * 1024);
    let headers = |extra: &str| format!("GET /api/v1/runs HTTP/1.1\r\nHost: fleet\r\nConnection: close\r\n{extra}\r\n");
    vec![
        case("no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03\r\n\r\n", 400, ""),
        case(
            "an unknown method",
            "MAKE /api/v1/runs HTTP/1.1\r\nHost: f\r\nConnection: close\r\n\r\n",
            405,
            "method_not_allowed",
        ),
        case(
            "a method of another address",
            "PATCH /api/v1/runs HTTP/1.1\r\nHost: f\r\nConnection: close\r\n\r\n",
            405,
            "method_not_allowed",
        ),
        case("an address that is none", get("/nothing/here"), 404, "no_such_route"),
        case("a path that climbs", get("/api/v1/runs/../../../etc/passwd"), 404, "no_such_route"),
        case(
            "a path that climbs in disguise",
            get("/api/v1/workflows/..%2F..%2Fetc%2Fpasswd"),
            404,
            "no_such_workflow",
        ),
        case("a NUL byte in the path", get("/api/v1/workflows/a%00b"), 400, "path_invalid"),
        case("a path that is not UTF-8", get("/api/v1/schedules/%ff%fe"), 400, "path_invalid"),
        case("a raw NUL byte in the path", get("/api/v1/runs/\0"), 400, ""),
        case("a NUL byte in the query", get("/api/v1/runs?before=%00"), 400, "query_invalid"),
        case("a query that is not UTF-8", get("/api/v1/runs?before=%c3"), 400, "query_invalid"),
        case("a number that is none", get("/api/v1/runs?limit=many"), 400, "query_invalid"),
        case("a run id that is none", get("/api/v1/runs/1%20OR%201=1"), 404, "no_such_run"),
        case("an address of 9 KiB", get(&format!("/api/v1/runs?before={long}")), 414, "uri_too_long"),
        case("an address of 100 KiB", get(&format!("/{}", "x".repeat(100 * 1024))), 414, ""),
        case(
            "40 KiB of headers",
            headers(&format!("X-A: {long}\r\nX-B: {long}\r\nX-C: {long}\r\nX-D: {long}\r\n")),
            431,
            "headers_too_large",
        ),
        case("300 headers", headers(&"X-A: 1\r\n".repeat(300)), 431, ""),
        case("a head of 300 KiB", headers(&format!("X-A: {}\r\n", "x".repeat(300 * 1024))), 431, ""),
        case("no host", "GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n", 400, "request_malformed"),
        case("two hosts", headers("Host: other\r\n"), 400, "header_repeated"),
        case("a header with a line break", headers("X-A: 1\r\n 2\r\n"), 400, ""),
        case(
            "an event id that is none",
            {
                let run = protocol::RunId::new();
                format!(
                    "GET /api/v1/runs/{run}/events/stream HTTP/1.1\r\nHost: f\r\nConnection: close\r\nLast-Event-ID: x\r\n\r\n"
                )
            },
            400,
            "header_invalid",
        ),
    ]
}

fn bodies() -> Vec<Case> {
    let deep =
        |levels: usize| format!("{{\"workflow\": \"w\", \"input\": {}{}}}", "[".repeat(levels), "]".repeat(levels));
    let head =
        |framing: &str| format!("POST /api/v1/workflows HTTP/1.1\r\nHost: f\r\nConnection: close\r\n{framing}\r\n");
    vec![
        case("JSON of 70 levels", post("/api/v1/runs", JSON, deep(70).as_bytes()), 400, "nesting_too_deep"),
        case(
            "JSON of 100,000 levels",
            post("/api/v1/workflows", JSON, "[".repeat(100_000).as_bytes()),
            400,
            "nesting_too_deep",
        ),
        case(
            "a request of 70 levels in a form",
            form(&(part("file", "x") + &part("request", &deep(70)))),
            400,
            "nesting_too_deep",
        ),
        case(
            "JSON that is not UTF-8",
            post("/api/v1/runs", JSON, b"{\"workflow\": \"\xff\"}"),
            400,
            "request_not_json",
        ),
        case("JSON that breaks off", post("/api/v1/runs", JSON, b"{\"workflow\": "), 400, "request_not_json"),
        case("no JSON at all", post("/api/v1/runs", JSON, b""), 400, "request_not_json"),
        case("a list for an object", post("/api/v1/runs", JSON, b"[1]"), 422, "request_invalid"),
        case("a number for a name", post("/api/v1/runs", JSON, b"{\"workflow\": 7}"), 422, "request_invalid"),
        case(
            "a name with a NUL byte",
            post("/api/v1/runs", JSON, b"{\"workflow\": \"a\\u0000b\"}"),
            422,
            "request_invalid",
        ),
        case(
            "a name that climbs",
            post("/api/v1/workflows", JSON, b"{\"name\": \"../x\", \"tasks\": []}"),
            422,
            "workflow_invalid",
        ),
        case(
            "text for a selection",
            post("/api/v1/dead-letters/drop", JSON, b"{\"all\": \"yes\"}"),
            422,
            "body_invalid",
        ),
        case("2 MiB for a workflow", post("/api/v1/workflows", JSON, &vec![b' '; 2 * 1024 * 1024]), 413, "too_large"),
        case(
            "a document that is too large",
            post("/api/v1/runs", "application/pdf", &vec![b'x'; MAX_UPLOAD + 1]),
            413,
            "too_large",
        ),
        case(
            "a document that is too large, in a form",
            form(&part("file", &"x".repeat(MAX_UPLOAD + 1))),
            413,
            "too_large",
        ),
        case("a form without a boundary", post("/api/v1/runs", "multipart/form-data", b"x"), 400, "multipart_invalid"),
        case(
            "a form that breaks off",
            post("/api/v1/runs", "multipart/form-data; boundary=edge", b"--edge\r\nContent-Dis"),
            400,
            "multipart_invalid",
        ),
        case("a form without a document", form(&part("request", "{}")), 422, "file_missing"),
        case("a form with two documents", form(&(part("file", "x") + &part("file", "y"))), 422, "one_file_only"),
        case("a form with an unknown field", form(&part("fiel", "x")), 422, "unknown_field"),
        case(
            "an archive, perhaps a bomb",
            post("/api/v1/runs", "application/pdf", b"PK\x03\x04\x14\0\0\0\x08\0"),
            415,
            "document_unsupported",
        ),
        case(
            "a compressed body",
            post_with("/api/v1/runs", "Content-Encoding: gzip\r\n", b"\x1f\x8b"),
            415,
            "media_type_unsupported",
        ),
        case(
            "two types",
            post_with("/api/v1/runs", "Content-Type: text/plain\r\nContent-Type: application/json\r\n", b"{}"),
            400,
            "header_repeated",
        ),
        case(
            "two idempotency keys",
            post_with("/api/v1/runs", "Idempotency-Key: a\r\nIdempotency-Key: b\r\n", b"x"),
            400,
            "header_repeated",
        ),
        case(
            "an idempotency key of 300 letters",
            post_with("/api/v1/runs", &format!("Idempotency-Key: {}\r\n", "k".repeat(300)), b"x"),
            400,
            "idempotency_key_invalid",
        ),
        case("two lengths", head("Content-Length: 2\r\nContent-Length: 3\r\n") + "{}x", 400, ""),
        case("a length that is none", head("Content-Length: -1\r\n") + "{}", 400, ""),
        case("a body shorter than its length", head("Content-Length: 100\r\n") + "{}", 400, "body_broken"),
        case(
            "a chunk with a size that is none",
            head("Transfer-Encoding: chunked\r\n") + "zz\r\n{}\r\n0\r\n\r\n",
            400,
            "body_broken",
        ),
        case(
            "a chunk that is shorter than it says",
            head("Transfer-Encoding: chunked\r\n") + "ff\r\n{}",
            400,
            "body_broken",
        ),
    ]
}

pub(crate) async fn every_hostile_call_gets_a_clear_refusal_and_leaves_nothing_behind(world: &World) {
    let fleet = TestFleet::start(world, |worker| worker).await;
    let mut api = fleet.api();
    let incoming = tempfile::tempdir().unwrap();
    api.desk = api.desk.with_incoming(incoming.path().join("incoming")).unwrap();
    let door = Door::open_with(api).await;
    let mut wrong = Vec::new();
    for Case { what, request, status, code } in heads().into_iter().chain(bodies()) {
        let answer = door.raw(&request, code == "body_broken").await;
        let problem = answer.problem();
        let told = problem["code"].as_str().unwrap_or_default();
        if answer.status != status || told != code {
            wrong.push(format!("{what}: {} {told:?} instead of {status} {code:?}: {answer:?}", answer.status));
        }
        if !code.is_empty() && !answer.head.to_ascii_lowercase().contains("application/problem+json") {
            wrong.push(format!("{what}: not a problem: {}", answer.head));
        }
        if answer.status == 405 && !answer.head.to_ascii_lowercase().contains("allow: ") {
            wrong.push(format!("{what}: does not say what is allowed: {}", answer.head));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    assert_eq!(door.get("/livez").await.text().await.unwrap(), "ok\n", "the server goes on");
    let tenant = TenantId::default_tenant();
    assert_eq!(fleet.fleet.list(&tenant, None, 10).await.unwrap(), [], "no run was started");
    assert_eq!(fleet.fleet.schedules(&tenant).await.unwrap(), [], "no schedule was made");
    assert!(fleet.fleet.workflows().await.unwrap().iter().all(|known| !known.name.contains('.')));
    let left = std::fs::read_dir(incoming.path().join("incoming")).unwrap().count();
    assert_eq!(left, 0, "an upload was left");
    door.close().await;
    fleet.stop().await;
}

pub(crate) async fn names_of_files_never_leave_their_folder(world: &World) {
    let fleet = TestFleet::start(world, |worker| worker).await;
    fleet.fleet.register(&protocol::stages::pipeline()).await.unwrap();
    let door = Door::open(&fleet).await;
    for name in ["../../etc/passwd", "..%5C..%5Cboot.ini", "/etc/passwd", "a%0D%0Ab.txt"] {
        let path = format!("/api/v1/runs?name={name}");
        let answer =
            door.call(Method::POST, &path).header("content-type", "text/plain").body("x").send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 202, "{name}");
        let run = crate::door::json(answer).await;
        let run: protocol::RunId = serde_json::from_value(run["run_id"].clone()).unwrap();
        let input = fleet.record(run).await.input;
        let protocol::Payload::Inline(input) = input else { panic!("{input:?}") };
        let kept = input["file_name"].as_str().unwrap();
        assert!(!kept.contains(['/', '\\', '\r', '\n']) && !kept.starts_with(".."), "{name} became {kept}");
        let key = input["file_path"].as_str().unwrap();
        assert_eq!(key, format!("documents/default/{}", input["file_hash"].as_str().unwrap()), "{}", json!(input));
    }
    door.close().await;
    fleet.stop().await;
}
