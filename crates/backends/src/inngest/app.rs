//! Our app as Inngest knows it: names, and functions with what starts and what stops them.

use protocol::Workflow;
use reqwest::Url;
use serde_json::{Value, json};

use super::api::SDK;

/// As often as Inngest tries at all. Where that is not enough, a step goes on under its next number.
const ATTEMPTS: u32 = 20;

/// The step that calls begin with.
pub(super) const ROOT: &str = "step";

/// What starts runs of a workflow.
pub(super) fn starts(app: &str, workflow: &str) -> String {
    format!("{app}/workflow.{workflow}")
}

/// What stops a run.
pub(super) fn stops(app: &str) -> String {
    format!("{app}/run.stopped")
}

/// What passes a signal on to whoever waits for it at Inngest.
pub(super) fn signals(app: &str) -> String {
    format!("{app}/run.signalled")
}

/// The id of a workflow's function.
pub(super) fn function_id(app: &str, workflow: &str) -> String {
    format!("{app}-{workflow}")
}

/// The ids of the functions of an app.
pub(super) fn ids(registration: &Value) -> Vec<&str> {
    registration["functions"].as_array().into_iter().flatten().filter_map(|function| function["id"].as_str()).collect()
}

/// The app with a function per workflow.
pub(super) fn registration(app: &str, serve_url: &Url, workflows: &[&Workflow]) -> Value {
    let functions: Vec<Value> = workflows.iter().map(|workflow| function(app, serve_url, &workflow.name)).collect();
    json!({
        "appname": app,
        "appName": app,
        "deployType": "ping",
        "framework": "flotilla",
        "functions": functions,
        "sdk": SDK,
        "url": serve_url.as_str(),
        "v": "0.1",
        "capabilities": {"trust_probe": "v1"},
    })
}

fn function(app: &str, serve_url: &Url, workflow: &str) -> Value {
    let id = function_id(app, workflow);
    let mut url = serve_url.clone();
    url.query_pairs_mut().append_pair("fnId", &id).append_pair("stepId", ROOT);
    json!({
        "id": id,
        "name": workflow,
        "triggers": [{"event": starts(app, workflow)}],
        "cancel": [{"event": stops(app), "if": "async.data.run_id == event.data.run_id"}],
        "steps": {
            ROOT: {
                "id": ROOT,
                "name": workflow,
                "runtime": {"type": "http", "url": url.as_str()},
                "retries": {"attempts": ATTEMPTS},
            }
        },
    })
}
