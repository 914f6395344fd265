//! How tenants set up where they are told about their runs.

use dispatcher::access::Scope;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::{Answer, Server};

const URL: &str = "https://hooks.example.com/flotilla?token=hidden";

/// A key of `acme`, and how it calls.
struct Tenant<'s> {
    server: &'s Server,
    key: String,
}

impl<'s> Tenant<'s> {
    async fn named(server: &'s Server, name: &str) -> Self {
        Self { server, key: server.key(name, &[Scope::Write]).await }
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Answer {
        self.server.json(method, &format!("/api/v1/webhooks{path}"), &self.key, &body).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, Value::Null).await
    }

    async fn post(&self, path: &str) -> Answer {
        self.call(Method::POST, path, Value::Null).await
    }
}

#[tokio::test]
async fn an_endpoint_is_set_up_changed_listed_and_removed_and_its_secret_shown_once() {
    let server = Server::guarded().await;
    let acme = Tenant::named(&server, "acme").await;
    let created = acme.call(Method::POST, "", json!({ "url": URL, "description": "orders" })).await;
    assert_eq!(
        (created.status, &created.headers["cache-control"]),
        (StatusCode::CREATED, &"no-store".parse().unwrap())
    );
    let (id, secret) = (created.body()["id"].as_str().unwrap().to_owned(), created.body()["secret"].clone());
    assert!(secret.as_str().unwrap().starts_with("whsec_"), "{created:?}");
    assert_eq!(created.headers["location"], format!("/api/v1/webhooks/{id}").as_str());
    let mut shown = created.body();
    shown.as_object_mut().unwrap().remove("secret");
    let path = format!("/{id}");
    assert_eq!(acme.get(&path).await.body(), shown);
    assert_eq!(acme.get("").await.body()["webhooks"], json!([shown]));

    let change = json!({ "url": URL, "events": ["run.failed"], "enabled": false });
    let changed = acme.call(Method::PUT, &path, change).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    let expected = json!({
        "id": id, "url": URL, "events": ["run.failed"], "description": "", "enabled": false, "disabled_because": null,
        "replaced_until": [],
    });
    assert_eq!(changed.body(), expected);
    let kept = server.webhooks.find(&"acme".parse().unwrap(), &id).await.unwrap().unwrap().0;
    assert_eq!(json!(kept.secrets[0].secret.expose()), secret, "a change leaves the secret");

    assert_eq!(acme.call(Method::DELETE, &path, Value::Null).await.status, StatusCode::NO_CONTENT);
    assert_eq!(acme.get(&path).await.code(), "no_such_webhook");
    assert_eq!(acme.call(Method::DELETE, &path, Value::Null).await.code(), "no_such_webhook");
    let admin = server.key("default", &[Scope::Admin]).await;
    let audit = server.get("/api/v1/audit", &admin).await;
    for action in ["webhook.put", "webhook.removed"] {
        assert!(audit.text.contains(action), "{audit:?}");
    }
    assert!(!audit.text.contains("hidden") && !audit.text.contains("whsec_"), "{audit:?}");
}

#[tokio::test]
async fn an_endpoint_has_an_id_and_a_secret_of_its_owners_choice() {
    let server = Server::guarded().await;
    let acme = Tenant::named(&server, "acme").await;
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let created = acme.call(Method::PUT, "/orders", json!({ "url": URL, "secret": secret })).await;
    assert_eq!((created.status, &created.body()["secret"]), (StatusCode::CREATED, &json!(secret)));
    let exchanged = acme.call(Method::PUT, "/orders", json!({ "url": URL, "secret": secret })).await;
    assert_eq!(
        (exchanged.code().as_str(), &exchanged.body()["errors"][0]["path"]),
        ("webhook_invalid", &json!("$.secret"))
    );
    assert!(!exchanged.text.contains(secret));
}

#[tokio::test]
async fn what_is_no_endpoint_is_told_by_field() {
    let server = Server::guarded().await;
    let acme = Tenant::named(&server, "acme").await;
    let cases = [
        (json!({}), "$.url"),
        (json!({ "url": "https://169.254.169.254/" }), "$.url"),
        (json!({ "url": "https://10.1.2.3/" }), "$.url"),
        (json!({ "url": "http://hooks.example.com/" }), "$.url"),
        (json!({ "url": "https://user:pw@hooks.example.com/" }), "$.url"),
        (json!({ "url": "https://hooks.example.com/\0" }), "$.url"),
        (json!({ "url": "ftp://hooks.example.com/" }), "$.url"),
        (json!({ "url": 7 }), "$.url"),
        (json!({ "url": URL, "events": ["run.started"] }), "$.events"),
        (json!({ "url": URL, "events": ["ping"] }), "$.events"),
        (json!({ "url": URL, "description": "a\0b" }), "$.description"),
        (json!({ "url": URL, "secret": "whsec_c2hvcnQ=" }), "$.secret"),
        (json!({ "url": URL, "enabled": "yes" }), "$.enabled"),
        (json!({ "url": URL, "surplus": 1 }), "$.surplus"),
        (json!([]), "$"),
    ];
    for (body, place) in cases {
        let answer = acme.call(Method::PUT, "/a", body.clone()).await;
        let expected = (StatusCode::UNPROCESSABLE_ENTITY, "webhook_invalid");
        assert_eq!((answer.status, answer.code().as_str()), expected, "{body}");
        assert_eq!(answer.body()["errors"][0]["path"], place, "{answer:?}");
        assert!(!answer.text.contains("c2hvcnQ"), "{answer:?}");
    }
    let named = acme.call(Method::PUT, "/a%00b", json!({ "url": URL })).await;
    assert!(named.status.is_client_error(), "{named:?}");
    assert_eq!(acme.call(Method::PUT, "/a%20b", json!({ "url": URL })).await.body()["errors"][0]["path"], "id");
    assert_eq!(acme.get("").await.body()["webhooks"], json!([]));
}

#[tokio::test]
async fn a_tenant_has_so_many_endpoints_and_no_more() {
    let server = Server::guarded().await;
    let acme = Tenant::named(&server, "acme").await;
    for _ in 0..dispatcher::webhooks::MOST_ENDPOINTS {
        assert_eq!(acme.call(Method::POST, "", json!({ "url": URL })).await.status, StatusCode::CREATED);
    }
    assert_eq!(acme.call(Method::POST, "", json!({ "url": URL })).await.code(), "too_many_webhooks");
}

#[tokio::test]
async fn a_secret_is_exchanged_while_the_old_one_goes_on_for_as_long_as_it_is_said() {
    let server = Server::guarded().await;
    let acme = Tenant::named(&server, "acme").await;
    let first = acme.call(Method::PUT, "/orders", json!({ "url": URL })).await.body()["secret"].clone();
    let rotated = acme.post("/orders/rotate").await;
    assert_eq!(rotated.headers["cache-control"], "no-store");
    let rotated = rotated.body();
    let second = rotated["secret"].clone();
    assert_ne!(first, second);
    let until: jiff::Timestamp = rotated["replaced_until"][0].as_str().unwrap().parse().unwrap();
    let hours = until.duration_since(jiff::Timestamp::now()).as_secs_f64() / 3600.0;
    assert!((23.9..=24.0).contains(&hours), "{hours}");
    let signing = async || {
        let (endpoint, _) = server.webhooks.find(&"acme".parse().unwrap(), "orders").await.unwrap().unwrap();
        json!(endpoint.resolved().secrets)
    };
    assert_eq!(signing().await, json!([second, first]));

    let given = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let at_once = acme.call(Method::POST, "/orders/rotate?keep=0", json!({ "secret": given })).await;
    assert_eq!((&at_once.body()["secret"], &at_once.body()["replaced_until"]), (&json!(given), &json!([])));
    assert_eq!(signing().await, json!([given]));
    assert_eq!(acme.post("/orders/rotate?keep=721").await.code(), "query_invalid");
    assert_eq!(acme.post("/orders/rotate?keep=-1").await.code(), "query_invalid");
    let bad = acme.call(Method::POST, "/orders/rotate", json!({ "secret": "guess" })).await;
    assert_eq!((bad.code().as_str(), bad.text.contains("guess")), ("webhook_invalid", false));
    assert_eq!(acme.post("/other/rotate").await.code(), "no_such_webhook");
}

#[tokio::test]
async fn a_test_and_a_replay_are_deliveries_of_their_endpoint_and_tenant_alone() {
    let server = Server::guarded().await;
    let acme = Tenant::named(&server, "acme").await;
    for id in ["orders", "orders_too"] {
        assert_eq!(acme.call(Method::PUT, &format!("/{id}"), json!({ "url": URL })).await.status, StatusCode::CREATED);
    }
    let tested = acme.post("/orders/test").await;
    assert_eq!(tested.status, StatusCode::ACCEPTED, "{tested:?}");
    let id = tested.body()["id"].as_str().unwrap().to_owned();
    assert_eq!(tested.headers["location"], format!("/api/v1/webhooks/orders/deliveries/{id}").as_str());
    let path = format!("/orders/deliveries/{id}");
    let shown = acme.get(&path).await.body();
    let told = ["type", "attempts", "status", "error", "next_attempt_at", "ended_at"].map(|field| shown[field].clone());
    assert_eq!(told, [json!("ping"), json!(0), json!(null), json!(null), json!(null), json!(null)], "{shown}");

    let replayed = acme.post(&format!("{path}/replay")).await;
    assert_eq!(replayed.status, StatusCode::ACCEPTED, "{replayed:?}");
    let newest = acme.get("/orders/deliveries?limit=1").await.body();
    assert_eq!(newest["deliveries"][0]["id"], replayed.body()["id"]);
    assert_eq!(newest["deliveries"][0]["event_id"], shown["event_id"]);
    let cursor = newest["next"].as_str().unwrap();
    let oldest = acme.get(&format!("/orders/deliveries?limit=1&cursor={cursor}")).await.body();
    assert_eq!((&oldest["deliveries"][0]["id"], &oldest["next"]), (&json!(id), &Value::Null));

    assert_eq!(acme.get("/orders_too/deliveries").await.body()["deliveries"], json!([]));
    assert_eq!(acme.get(&format!("/orders_too/deliveries/{id}")).await.code(), "no_such_delivery");
    assert_eq!(acme.get("/orders/deliveries/nothing").await.code(), "no_such_delivery");
    let other = Tenant::named(&server, "other").await;
    assert_eq!(other.get(&path).await.code(), "no_such_webhook");
    assert_eq!(other.call(Method::PUT, "/orders", json!({ "url": URL })).await.status, StatusCode::CREATED);
    assert_eq!(other.get(&path).await.code(), "no_such_delivery");
    assert_eq!(other.post(&format!("{path}/replay")).await.code(), "no_such_delivery");
    assert_eq!(
        server.get("/api/v1/runs", &acme.key).await.body()["runs"],
        json!([]),
        "deliveries are no runs of theirs"
    );

    assert_eq!(acme.call(Method::PUT, "/orders", json!({ "url": URL, "enabled": false })).await.status, StatusCode::OK);
    assert_eq!(acme.post("/orders/test").await.code(), "webhook_disabled");
    assert_eq!(acme.post(&format!("{path}/replay")).await.code(), "webhook_disabled");
}

#[tokio::test]
async fn looking_needs_the_scope_read_and_everything_else_write() {
    let server = Server::guarded().await;
    let acme = Tenant::named(&server, "acme").await;
    acme.call(Method::PUT, "/orders", json!({ "url": URL })).await;
    let reader = Tenant { server: &server, key: server.key("acme", &[Scope::Read]).await };
    assert_eq!(reader.get("/orders/deliveries").await.status, StatusCode::OK);
    assert_eq!(reader.call(Method::PUT, "/orders", json!({ "url": URL })).await.code(), "scope_missing");
    assert_eq!(reader.call(Method::DELETE, "/orders", Value::Null).await.code(), "scope_missing");
    for path in ["", "/orders/rotate", "/orders/test"] {
        assert_eq!(reader.post(path).await.code(), "scope_missing", "{path}");
    }
}

#[tokio::test]
async fn nobody_starts_deliveries_by_other_ways() {
    let server = Server::guarded().await;
    let key = server.key("acme", &[Scope::Write, Scope::Operate]).await;
    let call = async |method: Method, path: &str, body: Value| server.json(method, path, &key, &body).await;
    let delivery = protocol::webhooks::DELIVERY;
    let message = json!({ "endpoint": "orders", "event_id": "e", "type": "run.failed", "timestamp": "2026-01-01T00:00:00Z",
        "data": {} });
    let run = json!({ "workflow": delivery, "input": message });
    let subscription = json!({ "types": ["t"], "workflow": delivery, "input": message });
    let schedule = json!({ "workflow": delivery, "input": message, "cron": "@daily" });
    let partial = json!({ "runs": [run], "partial": true });
    let tries = [
        (Method::POST, "/api/v1/runs", run.clone(), "$.workflow"),
        (Method::POST, "/api/v1/runs", json!({ "runs": [run] }), "$.runs[0].workflow"),
        (Method::PUT, "/api/v1/schedules/a", schedule, "$.workflow"),
        (Method::PUT, "/api/v1/subscriptions/a", subscription, "$.workflow"),
    ];
    for (method, path, body, place) in tries {
        let refused = call(method, path, body).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.body()["errors"][0]["path"]),
            (422, &json!(place)),
            "{refused:?}"
        );
    }
    let partly = call(Method::POST, "/api/v1/runs", partial).await;
    assert_eq!((partly.status.as_u16(), &partly.body()["started"]), (422, &json!(0)), "{partly:?}");
    let mine = |name: &str, task: &str| json!({ "name": name, "tasks": [{ "name": task }] });
    assert_eq!(call(Method::POST, "/api/v1/workflows", mine(delivery, "a")).await.code(), "workflow_reserved");
    let renamed = call(Method::POST, "/api/v1/workflows", mine("mine", "deliver-webhook")).await;
    assert_eq!(
        (renamed.code().as_str(), &renamed.body()["errors"][0]["path"]),
        ("workflow_invalid", &json!("$.tasks[0].name"))
    );
    assert_eq!(server.get("/api/v1/runs", &key).await.body()["runs"], json!([]));
}
