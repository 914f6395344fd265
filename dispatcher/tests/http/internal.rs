//! What workers look up.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use dispatcher::access::Scope;
use dispatcher::webhooks::Endpoint;
use ledger::records::Expected;
use outbound::signature::Secret;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::Server;

const ORDERS: &str = "/internal/v1/webhooks/acme/orders";

/// Records the endpoint `orders` of tenant `acme`; returns its secret.
async fn put(server: &Server) -> String {
    let secret = Secret::generate().unwrap();
    let endpoint = Endpoint {
        id: "orders".to_owned(),
        url: "https://hooks.example.com/orders".to_owned(),
        events: Vec::new(),
        description: String::new(),
        enabled: true,
        disabled_because: None,
        secrets: vec![secret.clone().into()],
    };
    let put = server.webhooks.put(&"acme".parse().unwrap(), &endpoint, Expected::Nothing).await.unwrap();
    assert_eq!(put, Some(1));
    secret.expose()
}

#[tokio::test]
async fn secrets_are_told_to_keys_of_workers_and_nobody_else() {
    for server in [Server::guarded().await, Server::open().await] {
        let secret = put(&server).await;
        let worker = server.key("default", &[Scope::Fleet]).await;
        let administrator = server.key("acme", &[Scope::Admin, Scope::Operate, Scope::Write]).await;

        let told = server.get(ORDERS, &worker).await;
        assert_eq!(told.status, StatusCode::OK);
        let expected = json!({ "url": "https://hooks.example.com/orders", "secrets": [secret], "enabled": true });
        assert_eq!(told.body(), expected);
        assert_eq!(told.headers["cache-control"], "no-store");
        for other in ["/internal/v1/webhooks/default/orders", "/internal/v1/adapters/acme/a"] {
            assert_eq!(server.get(other, &worker).await.status, StatusCode::NOT_FOUND);
        }
        for (key, path) in [
            ("", ORDERS),
            ("wrong", ORDERS),
            (&administrator, ORDERS),
            (&administrator, "/internal/v1/adapters/acme/a"),
        ] {
            let refused = server.get(path, key).await;
            assert!(matches!(refused.status.as_u16(), 401 | 403), "{refused:?}");
            assert!(!refused.text.contains(&secret));
        }
    }
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_switched_off() {
    let server = Server::guarded().await;
    put(&server).await;
    let worker = server.key("default", &[Scope::Fleet]).await;
    for _ in 0..2 {
        let gone = server.json(Method::POST, &format!("{ORDERS}/gone"), &worker, &Value::Null).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(server.get(ORDERS, &worker).await.body()["enabled"], false);
}

#[tokio::test]
async fn an_adapter_is_told_to_workers_with_its_secrets() {
    let server = Server::guarded().await;
    let (owner, worker) = (server.key("acme", &[Scope::Write]).await, server.key("default", &[Scope::Fleet]).await);
    let settings = json!({ "api_key": "sk-1", "model": "m" });
    let adapter_id = "openai|502ecf49-e47c-445c-9907-6d4b90c5cd17";
    let wanted = json!({
        "adapter_name": "ours", "adapter_id": adapter_id, "adapter_type": "LLM", "adapter_metadata": settings
    });
    let put = server.json(Method::PUT, "/api/v1/adapters/a", &owner, &wanted).await;
    assert!(put.status.is_success() && !put.text.contains("sk-1"), "{put:?}");

    let told = server.get("/internal/v1/adapters/acme/a", &worker).await.body();
    assert_eq!(told, json!({ "id": "a", "adapter_id": adapter_id, "adapter_type": "LLM", "settings": settings }));
    let refused = server.get("/internal/v1/adapters/acme/a", &owner).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::FORBIDDEN, "scope_missing"));
}
