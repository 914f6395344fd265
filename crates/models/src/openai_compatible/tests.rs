use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use protocol::ErrorClass;
use protocol::document::Document;
use protocol::request::{GrammarEntry, OutputSpec, OutputType};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const KEY: &str = "sk-very-secret";
const DOCUMENT: &str = "INVOICE No. INV-7\nTotal due by the customer: 1.234,56 EUR";

/// What the server does with one request.
enum Turn {
    Answer(u16, &'static str, String),
    /// Takes the request and never answers.
    Silence,
}

/// A real HTTP server that follows a script and keeps what it was sent.
struct Server {
    base_url: String,
    requests: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Server {
    async fn start(script: impl IntoIterator<Item = Turn>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let mut script: VecDeque<Turn> = script.into_iter().collect();
        let kept = requests.clone();
        tokio::spawn(async move {
            let mut silent = Vec::new();
            while let Ok((mut connection, _)) = listener.accept().await {
                let request = read_request(&mut connection).await;
                kept.lock().unwrap().push(request);
                match script.pop_front() {
                    Some(Turn::Answer(status, headers, body)) => {
                        let length = body.len();
                        let head = format!(
                            "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
                        );
                        connection.write_all((head + &body).as_bytes()).await.unwrap();
                    }
                    Some(Turn::Silence) => silent.push(connection),
                    None => panic!("more requests than the script has turns"),
                }
            }
        });
        Self { base_url, requests }
    }

    fn requests(&self) -> Vec<(String, Value)> {
        self.requests.lock().unwrap().clone()
    }

    fn model(&self) -> OpenAiCompatible {
        OpenAiCompatible::new(config(&self.base_url)).unwrap()
    }
}

/// Head and body of one request.
async fn read_request(connection: &mut TcpStream) -> (String, Value) {
    let mut bytes = Vec::new();
    loop {
        connection.read_buf(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.to_lowercase().split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        if body.len() >= length {
            return (head.to_owned(), serde_json::from_str(body).unwrap());
        }
    }
}

fn config(base_url: &str) -> Config {
    Config {
        base_url: base_url.to_owned(),
        model: "tiny".into(),
        api_key: Some(Secret::new(KEY)),
        context_tokens: 4096,
        timeout: Duration::from_secs(20),
        max_output_tokens: Some(200),
    }
}

fn completion(content: &str, finish_reason: &str) -> Turn {
    let body = json!({
        "choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 50, "completion_tokens": 9},
    });
    Turn::Answer(200, "content-type: application/json\r\n", body.to_string())
}

fn error(status: u16, headers: &'static str, message: &str) -> Turn {
    Turn::Answer(status, headers, json!({"error": {"message": message, "type": "some_type"}}).to_string())
}

async fn ask(model: &OpenAiCompatible) -> Result<Reply, Error> {
    let spec = OutputSpec { name: "total".into(), kind: OutputType::Number, ..OutputSpec::default() };
    let grammar = [GrammarEntry { word: "total".into(), synonyms: vec!["sum".into()] }];
    let question = Question {
        spec: &spec,
        prompt: "What is the total?",
        preamble: "Be exact.",
        postamble: "Thanks.",
        grammar: &grammar,
        context: DOCUMENT,
        document: &Document::default(),
    };
    model.answer(question).await
}

#[tokio::test]
async fn an_answer_comes_with_its_quote_and_what_it_cost() {
    let server = Server::start([completion(r#"{"value": "1.234,56", "quote": "Total due"}"#, "stop")]).await;
    let reply = ask(&server.model()).await.unwrap();
    assert_eq!((reply.value, reply.quote.as_deref()), (json!("1.234,56"), Some("Total due")));
    assert_eq!((reply.usage.calls, reply.usage.input_tokens, reply.usage.output_tokens), (1, 50, 9));

    let (head, body) = server.requests().remove(0);
    assert!(head.starts_with("POST /v1/chat/completions ") && head.contains("Bearer sk-very-secret"));
    assert_eq!((&body["model"], &body["temperature"], &body["max_tokens"]), (&json!("tiny"), &json!(0), &json!(200)));
    let schema = &body["response_format"]["json_schema"]["schema"];
    assert_eq!(schema["properties"]["value"]["type"], json!(["string", "null"]));
    let [system, user] = [0, 1].map(|at| body["messages"][at]["content"].as_str().unwrap());
    assert!(system.contains("Never guess") && !system.contains("INV-7"));
    assert!(user.starts_with(&format!("<document>\n{DOCUMENT}\n</document>\n")));
    for part in ["Be exact.", "What is the total?", "Thanks.", "\"total\" is also called sum."] {
        assert!(user.contains(part), "{part}");
    }
}

#[tokio::test]
async fn a_server_that_refuses_the_schema_is_asked_more_simply_and_remembered() {
    let server = Server::start([
        error(400, "", "'maxLength' is not permitted in response_format"),
        error(422, "", "json_schema is not supported"),
        error(404, "", "Unknown response_format"),
        error(400, "", "Unsupported value: 'temperature' does not support 0"),
        error(400, "", "'max_tokens' is not supported. Use 'max_completion_tokens' instead."),
        completion("Sure:\n```json\n{\"value\": \"7\", \"quote\": null}\n```", "stop"),
        completion(r#"{"value": null, "quote": ""}"#, "stop"),
    ])
    .await;
    let model = server.model();
    assert_eq!(ask(&model).await.unwrap().value, json!("7"));
    let second = ask(&model).await.unwrap();
    assert_eq!((second.value, second.quote), (Value::Null, None));
    let requests = server.requests();
    assert_eq!(requests.len(), 7);
    assert_eq!(requests[3].1.get("response_format"), None);
    assert_eq!(requests[2].1["response_format"], json!({"type": "json_object"}));
    let last = &requests[6].1;
    assert_eq!(
        (last.get("temperature"), &last["max_completion_tokens"], last.get("max_tokens")),
        (None, &json!(200), None)
    );
}

#[tokio::test]
async fn failures_have_their_class_and_the_wait_that_was_asked_for() {
    let server = Server::start([
        error(429, "retry-after: 17\r\n", "slow down"),
        error(503, "retry-after: Wed, 21 Oct 2015 07:28:00 GMT\r\n", "loading"),
        error(500, "", "oops"),
        error(401, "", "bad key sk-very-secret"),
        error(400, "", "This model's maximum context length is 4096 tokens"),
    ])
    .await;
    let model = server.model();
    let mut failures = Vec::new();
    for _ in 0..5 {
        let error = ask(&model).await.unwrap_err();
        failures.push((error.class(), error.code(), error.retry_after().map(|wait| wait.as_secs())));
    }
    assert_eq!(
        failures,
        [
            (ErrorClass::RateLimited, "model_rate_limited", Some(17)),
            (ErrorClass::Unavailable, "model_failed", Some(0)),
            (ErrorClass::Server, "model_failed", None),
            (ErrorClass::Permanent, "model_unauthorized", None),
            (ErrorClass::Permanent, "model_context_exceeded", None),
        ]
    );
    assert_eq!(server.requests().len(), 5, "none of these is tried again within the call");
}

#[tokio::test]
async fn a_bad_gateway_is_tried_again_within_the_call() {
    let ok = || completion(r#"{"value": "1", "quote": null}"#, "stop");
    let server = Server::start([error(502, "", "x"), error(504, "", "x"), ok()]).await;
    assert!(ask(&server.model()).await.is_ok());
    let server = Server::start([error(502, "", "x"), error(502, "", "x"), error(502, "", "x")]).await;
    assert_eq!(ask(&server.model()).await.unwrap_err().class(), ErrorClass::Server);
}

#[tokio::test]
async fn answers_that_break_off_or_make_no_sense_are_errors_not_values() {
    let cases = [
        (completion(r#"{"value": "1.2"#, "length"), "model_answer_truncated"),
        (completion("The total is about twelve.", "stop"), "model_answer_unreadable"),
        (completion("", "stop"), "model_answer_unreadable"),
        (completion(r#"{"value": "x"}"#, "content_filter"), "model_answer_unreadable"),
        (Turn::Answer(200, "", "<html>welcome</html>".into()), "model_answer_unreadable"),
        (Turn::Answer(200, "", r#"{"choices": []}"#.into()), "model_answer_unreadable"),
        (Turn::Answer(200, "", " ".repeat(9 << 20)), "model_answer_unreadable"),
        (Turn::Answer(302, "location: http://127.0.0.1:9/\r\n", String::new()), "model_refused"),
    ];
    for (turn, code) in cases {
        let server = Server::start([turn]).await;
        let error = ask(&server.model()).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
}

#[tokio::test]
async fn thoughts_before_the_answer_are_left_out() {
    let server = Server::start([completion(
        "<think>\n{\"value\": \"99\"}?</think>{\"value\": \"7\", \"quote\": \"7\"}",
        "stop",
    )])
    .await;
    assert_eq!(ask(&server.model()).await.unwrap().value, json!("7"));
}

#[tokio::test]
async fn a_server_that_is_silent_or_away_is_unreachable() {
    let server = Server::start([Turn::Silence]).await;
    let model =
        OpenAiCompatible::new(Config { timeout: Duration::from_millis(200), ..config(&server.base_url) }).unwrap();
    let error = ask(&model).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (ErrorClass::Transient, "model_unreachable"));
    assert!(error.to_string().contains("no answer within 0.2 s"), "{error}");

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let model = OpenAiCompatible::new(config(&format!("http://{closed}/v1?key=1"))).unwrap();
    let error = ask(&model).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (ErrorClass::Transient, "model_unreachable"));
    assert!(!error.to_string().contains("key="), "{error}");
}

#[tokio::test]
async fn errors_repeat_neither_the_key_nor_the_document() {
    let server = Server::start([
        error(401, "", &format!("Incorrect API key provided: {KEY}")),
        error(403, "", "The policy forbids: total due by the customer: 1.234,56 EUR"),
        error(403, "", "The policy forbids: Total due  by the customer:\n1.234,56 EUR"),
    ])
    .await;
    let model = server.model();
    let mut said = Vec::new();
    for _ in 0..3 {
        said.push(ask(&model).await.unwrap_err().to_string());
    }
    assert!(said[0].contains("provided: ***") && !said[0].contains(KEY), "{}", said[0]);
    assert!(said[1..].iter().all(|message| message.contains("repeats the document")), "{said:?}");
    assert!(!format!("{model:?}").contains(KEY));
}

#[test]
fn what_cannot_work_is_refused_at_once_and_tls_needs_no_further_setup() {
    assert!(OpenAiCompatible::new(config("not an address")).is_err());
    assert!(OpenAiCompatible::new(Config { model: " ".into(), ..config("http://localhost") }).is_err());
    assert!(OpenAiCompatible::new(config("https://localhost:1")).is_ok());
}

#[tokio::test]
async fn a_guarded_model_is_reached_as_far_as_the_policy_lets_it_and_answers_as_any_other() {
    let server = Server::start([
        completion(r#"{"value": "7", "quote": null}"#, "stop"),
        error(429, "retry-after: 17\r\n", "slow down"),
        error(307, "location: http://127.0.0.1:1/\r\n", "elsewhere"),
    ])
    .await;
    let guarded = |url: &str, policy| OpenAiCompatible::guarded(config(url), outbound::Client::new(policy));

    let refused = guarded(&server.base_url, outbound::Policy::default()).err().unwrap();
    assert_eq!((refused.class(), refused.code()), (ErrorClass::Permanent, "model_address_refused"));
    assert!(refused.to_string().contains("--outbound-allow 127.0.0.1"), "{refused}");
    let by_name = server.base_url.replace("127.0.0.1", "localhost");
    let policy = outbound::Policy::default().with_plain_http(true);
    let refused = ask(&guarded(&by_name, policy).unwrap()).await.unwrap_err();
    assert_eq!(refused.code(), "model_address_refused", "{refused}");
    assert_eq!(server.requests(), []);

    let policy = outbound::Policy::allowing(["127.0.0.1".parse().unwrap()]);
    let model = guarded(&server.base_url, policy).unwrap();
    assert_eq!(ask(&model).await.unwrap().value, json!("7"));
    let (head, body) = server.requests().remove(0);
    assert!(head.contains("Bearer sk-very-secret") && head.contains("application/json"), "{head}");
    assert_eq!(body["model"], "tiny");
    let busy = ask(&model).await.unwrap_err();
    assert_eq!((busy.code(), busy.retry_after().map(|wait| wait.as_secs())), ("model_rate_limited", Some(17)));
    assert_eq!(ask(&model).await.unwrap_err().code(), "model_refused", "a redirect takes key and document nowhere");
}
