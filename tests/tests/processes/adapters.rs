//! Each tenant's runs ask the model that the tenant set up, with its key, which is written down nowhere on the way.

use std::path::Path;

use protocol::workflow::queues::API_PROCESSING;
use protocol::{RunId, TenantId};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fleet::{Document, Fleet};
use crate::model::Model;
use crate::process::Process;

const ADMIN_KEY: &str = "an-admin-key-of-the-spec-of-adapters";
const FLEET_KEY: &str = "a-fleet-key-of-the-spec-of-adapters-";
const MASTER_KEY: &str = "ada9ada9ada9ada9ada9ada9ada9ada9ada9ada9ada9ada9ada9ada9ada9ada9";

/// A tenant with a model of its own.
struct Tenant {
    name: &'static str,
    key: String,
    model: Model,
    secret: String,
}

async fn start(fleet: &Fleet, role: &str, dispatcher: Option<&Process>) -> Process {
    let url = dispatcher.map(|dispatcher| dispatcher.url("")).unwrap_or_default();
    let mut environment = vec![
        ("FLOTILLA_AUTH", "keys"),
        ("FLOTILLA_ADMIN_KEY", ADMIN_KEY),
        ("FLOTILLA_FLEET_KEY", FLEET_KEY),
        ("FLOTILLA_MASTER_KEY", MASTER_KEY),
        ("FLOTILLA_OUTBOUND_ALLOW", "127.0.0.1"),
        ("FLOTILLA_LOG", "trace"),
    ];
    if !url.is_empty() {
        environment.push(("FLOTILLA_DISPATCHER_URL", &url));
    }
    let environment: Vec<(&str, &Path)> = environment.iter().map(|(name, value)| (*name, Path::new(value))).collect();
    fleet.start_with(role, &environment).await
}

async fn call(fleet: &Fleet, url: String, method: Method, key: &str, body: &Value) -> (StatusCode, Value) {
    let answer = fleet.client.request(method, url).bearer_auth(key).json(body).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap_or_default())
}

/// Sets a tenant up whose adapter `ours` leads to a model of that name.
async fn tenant(fleet: &Fleet, dispatcher: &Process, name: &'static str) -> Tenant {
    let path = format!("/api/v1/tenants/{name}");
    call(fleet, dispatcher.url(&path), Method::PUT, ADMIN_KEY, &json!({})).await;
    let wanted = json!({ "name": "of a spec", "scopes": ["read", "write"] });
    let keys = dispatcher.url(&format!("{path}/keys"));
    let (status, issued) = call(fleet, keys, Method::POST, ADMIN_KEY, &wanted).await;
    assert_eq!(status, StatusCode::CREATED, "{issued}");
    let (key, model) = (issued["token"].as_str().unwrap().to_owned(), Model::answering(name).await);
    let secret = format!("sk-a-secret-of-{name}");
    let adapter = json!({
        "adapter_name": "ours",
        "adapter_id": "openaicompatible|b6d10f33-2c41-49fc-a8c2-58d2b247fc09",
        "adapter_type": "LLM",
        "adapter_metadata": { "api_base": model.url(), "api_key": secret, "model": format!("model-of-{name}") },
    });
    let (status, kept) = call(fleet, dispatcher.url("/api/v1/adapters/ours"), Method::PUT, &key, &adapter).await;
    assert_eq!(status, StatusCode::CREATED, "{kept}");
    Tenant { name, key, model, secret }
}

async fn submit(fleet: &Fleet, dispatcher: &Process, tenant: &Tenant) -> RunId {
    let document = Document::one_question(fleet.folder());
    let mut request: Value = serde_json::from_slice(&std::fs::read(&document.request).unwrap()).unwrap();
    request["tool_settings"] = json!({ "llm": "ours" });
    std::fs::write(&document.request, request.to_string()).unwrap();
    let asking = fleet.client.post(dispatcher.url("/api/v1/runs")).bearer_auth(&tenant.key).body(document.form());
    let answer = asking.header("content-type", "multipart/form-data; boundary=edge").send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    answer["run_id"].as_str().unwrap_or_else(|| panic!("{answer}")).parse().unwrap()
}

#[tokio::test]
async fn each_tenants_runs_ask_its_own_model_with_its_own_key_which_no_message_record_or_log_holds() {
    let fleet = Fleet::without_processes().await;
    let dispatcher = start(&fleet, "dispatcher", None).await;
    let tenants = [tenant(&fleet, &dispatcher, "acme").await, tenant(&fleet, &dispatcher, "globex").await];
    let mut processes = Vec::new();
    for role in ["worker-file-processing", "worker-default", "worker-callbacks", "worker-logging"] {
        processes.push(start(&fleet, role, Some(&dispatcher)).await);
    }
    let runs = [submit(&fleet, &dispatcher, &tenants[0]).await, submit(&fleet, &dispatcher, &tenants[1]).await];
    fleet.until("both wait to be answered", async || fleet.waiting(API_PROCESSING).await == 2).await;
    let mut written = fleet.messages(API_PROCESSING).await;
    assert_eq!(written.iter().filter(|message| message.contains("\"ours\"")).count(), 2, "{written:?}");

    processes.push(start(&fleet, "worker-api-processing", Some(&dispatcher)).await);
    for (tenant, run) in tenants.iter().zip(runs) {
        let path = format!("/api/v1/runs/{run}/result");
        let url = dispatcher.url(&path);
        let answer = async || call(&fleet, url.clone(), Method::GET, &tenant.key, &Value::Null).await;
        fleet.until("the run has ended", async || answer().await.0 == StatusCode::OK).await;
        let (_, result) = answer().await;
        assert_eq!(result["output"]["supplier"], tenant.name, "{result}");
        assert_eq!(result["model"], format!("model-of-{}", tenant.name));
        assert_eq!(tenant.model.keys(), [format!("Bearer {}", tenant.secret)]);
        let usage = dispatcher.url("/api/v1/usage?group=model");
        let (_, usage) = call(&fleet, usage, Method::GET, &tenant.key, &Value::Null).await;
        let used: Vec<bool> =
            tenants.iter().map(|one| usage.to_string().contains(&format!("model-of-{}", one.name))).collect();
        assert_eq!(used, tenants.each_ref().map(|one| one.name == tenant.name), "{usage}");
        let owner: TenantId = tenant.name.parse().unwrap();
        written.push(fleet.written_of(&owner, run).await);
        written.push(result.to_string());
    }

    processes.push(dispatcher);
    fleet.stop(processes).await;
    written.push(fleet.logs());
    for tenant in &tenants {
        assert!(written.iter().all(|text| !text.contains(&tenant.secret)), "the key of {} is written", tenant.name);
    }
}
