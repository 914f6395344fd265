//! How tenants set up the way to their services.

use dispatcher::access::Scope;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::Server;

fn openai(settings: &Value) -> Value {
    json!({
        "adapter_name": "ours",
        "adapter_id": "openai|502ecf49-e47c-445c-9907-6d4b90c5cd17",
        "adapter_type": "LLM",
        "adapter_metadata": settings,
    })
}

#[tokio::test]
async fn an_adapter_is_set_up_changed_listed_and_removed_without_showing_its_secrets() {
    let server = Server::guarded().await;
    let key = server.key("acme", &[Scope::Write]).await;
    let wanted = openai(&json!({ "api_key": "sk-very-secret", "model": "m" }));
    let created = server.json(Method::POST, "/api/v1/adapters", &key, &wanted).await;
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
    let id = created.body()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/adapters/{id}");
    assert_eq!(created.headers["location"], path.as_str());
    assert_eq!(created.body()["adapter_metadata"], json!({ "api_key": "***", "model": "m" }));

    let change = openai(&json!({ "api_key": "***", "model": "n" }));
    let changed = server.json(Method::PUT, &path, &key, &change).await;
    assert_eq!((changed.status, &changed.body()["revision"]), (StatusCode::OK, &json!(2)));
    let list = server.get("/api/v1/adapters", &key).await;
    assert_eq!(list.body()["adapters"].as_array().unwrap().len(), 1);
    let stranger = server.key("other", &[Scope::Write]).await;
    assert_eq!(server.get(&path, &stranger).await.code(), "no_such_adapter");
    for answer in [created, changed, list, server.get(&path, &key).await] {
        assert!(!answer.text.contains("sk-very-secret"), "{answer:?}");
    }
    assert_eq!(server.json(Method::DELETE, &path, &key, &Value::Null).await.status, StatusCode::NO_CONTENT);
    assert_eq!(server.get(&path, &key).await.code(), "no_such_adapter");
}

#[tokio::test]
async fn an_adapter_of_the_replaced_system_keeps_its_id() {
    let server = Server::guarded().await;
    let key = server.key("acme", &[Scope::Write]).await;
    let path = "/api/v1/adapters/6f0f3a1e-7a3f-4c39-9d86-0b5a0d2f3c11";
    let created = server.json(Method::PUT, path, &key, &openai(&json!({ "api_key": "k" }))).await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_eq!(server.get(path, &key).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_no_adapter_is_told_by_field() {
    let server = Server::guarded().await;
    let key = server.key("acme", &[Scope::Write]).await;
    let with = |field: &str, value: Value| {
        let mut wanted = openai(&json!({}));
        wanted[field] = value;
        wanted
    };
    let cases = [
        ("/api/v1/adapters/a", with("adapter_name", json!("")), "$.adapter_name"),
        ("/api/v1/adapters/a", with("adapter_id", json!("openai")), "$.adapter_id"),
        ("/api/v1/adapters/a", with("adapter_id", json!("a|b|c")), "$.adapter_id"),
        ("/api/v1/adapters/a", with("adapter_metadata", json!({ "api_key": "***" })), "$.adapter_metadata.api_key"),
        ("/api/v1/adapters/a", with("adapter_type", json!("TOASTER")), "$"),
        ("/api/v1/adapters/a", with("surplus", json!(1)), "$"),
        ("/api/v1/adapters/a", json!([]), "$"),
        ("/api/v1/adapters/a%2Fb", openai(&json!({})), "id"),
    ];
    for (path, body, place) in cases {
        let answer = server.json(Method::PUT, path, &key, &body).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, "adapter_invalid"),
            "{body}"
        );
        assert_eq!(answer.body()["errors"][0]["path"], place, "{answer:?}");
    }
    assert_eq!(server.get("/api/v1/adapters", &key).await.body()["adapters"], json!([]));
}
