//! The API as a machine reads it (OpenAPI 3.1), made from the handlers, and a page that shows it to people.

use axum::Json;
use axum::http::header;
use axum::response::IntoResponse;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::compat::{Refusal, answer_prompt, execute, extract, index, process, summarize};
use super::{
    Problem, adapters, again, comparison, dead_letters, documents, events, lists, operations, pages, runs, schedules,
    signals, subscriptions, switching, tenants, triggers, usage, webhooks, workflows,
};

/// The media type of problems (RFC 9457).
const PROBLEM: &str = "application/problem+json";

/// What is said of the API; one line per handler.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Flotilla",
        description = "A document and questions in, answers with evidence out. Errors are application/problem+json with \
                       a stable `code`."
    ),
    paths(
        runs::submit,
        runs::status,
        runs::result,
        runs::cancel,
        runs::remove,
        events::events,
        schedules::list,
        schedules::show,
        schedules::put,
        schedules::remove,
        workflows::register,
        workflows::list,
        workflows::show,
        operations::workers,
        operations::queues,
        operations::tasks,
        switching::list,
        switching::choose,
        switching::reset,
        comparison::comparison,
        signals::signal,
        dead_letters::list,
        dead_letters::replay,
        dead_letters::forget,
        adapters::list,
        adapters::create,
        adapters::show,
        adapters::put,
        adapters::remove,
        documents::create,
        documents::list,
        documents::show,
        documents::content,
        documents::remove,
        events::follow,
        pages::list,
        pages::show,
        lists::list,
        again::retry,
        again::retry_many,
        again::cancel_many,
        usage::usage,
        usage::of_run,
        tenants::me,
        tenants::list,
        tenants::show,
        tenants::put,
        tenants::keys,
        tenants::issue,
        tenants::revoke,
        tenants::audit,
        triggers::take,
        triggers::take_s3,
        subscriptions::list,
        subscriptions::show,
        subscriptions::put,
        subscriptions::remove,
        subscriptions::test,
        webhooks::list,
        webhooks::create,
        webhooks::show,
        webhooks::put,
        webhooks::remove,
        webhooks::rotate,
        webhooks::deliveries::test,
        webhooks::deliveries::list,
        webhooks::deliveries::show,
        webhooks::deliveries::replay,
        process::process,
        extract::extract,
        extract::start,
        extract::status,
        index::index,
        answer_prompt::answer_prompt,
        answer_prompt::single_pass,
        summarize::summarize,
        execute::execute,
    ),
    components(schemas(Problem, Refusal)),
    // In the order in which they are shown.
    tags(
        (name = "runs", description = "Questions about documents, runs of workflows, and what they consumed."),
        (name = "documents", description = "Handed in once, asked about often."),
        (name = "workflows", description = "What a run does, as data."),
        (name = "schedules", description = "Runs that start by the clock."),
        (name = "triggers", description = "Events, and what they start."),
        (name = "webhooks", description = "Where a tenant is told about the ends of its runs."),
        (name = "adapters", description = "How a tenant reaches its models and other services."),
        (name = "operations", description = "Queues, workers and messages of all tenants, for operators."),
        (name = "backends", description = "Who executes workflows, where new runs go, and how backends compare."),
        (name = "access", description = "Tenants, their limits and their keys."),
        (name = "problems", description = "What the codes of errors mean."),
        (name = "compatibility", description = "The addresses of the replaced system, with its payloads, field names and \
            error body: `docs/compatibility.md`."),
    ),
    modifiers(&Common)
)]
struct Described;

/// What all operations have in common.
struct Common;

impl Modify for Common {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        if let Some(components) = &mut openapi.components {
            let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
            components.add_security_scheme("key", bearer);
        }
        openapi.security = Some(vec![SecurityRequirement::new("key", Vec::<String>::new())]);
        for (address, path) in &mut openapi.paths.paths {
            let operations =
                [&mut path.get, &mut path.put, &mut path.post, &mut path.delete, &mut path.patch, &mut path.head];
            let is_native = address.starts_with("/api/v1/") || address.starts_with("/problems");
            operations.into_iter().flatten().for_each(|operation| complete(operation, is_native));
        }
    }
}

/// Any operation can end in a problem, with whatever status it has; problems have a media type of their own. At the addresses
/// of the replaced system they have its body.
fn complete(operation: &mut Operation, is_native: bool) {
    let (kind, schema) = if is_native { (PROBLEM, "Problem") } else { ("application/json", "Refusal") };
    let problem = || ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
    let described = || ResponseBuilder::new().description("A problem: what is wrong, and what to do about it.");
    // Handlers of different kinds are called alike; generated clients need names of their own.
    if let (Some([tag, ..]), Some(id)) = (operation.tags.as_deref(), &operation.operation_id) {
        operation.operation_id = Some(format!("{tag}_{id}"));
    }
    let responses = &mut operation.responses.responses;
    for (status, response) in responses.iter_mut() {
        if status.starts_with(['4', '5']) {
            let description = match response {
                RefOr::T(response) if !response.description.is_empty() => response.description.clone(),
                _ => "A problem: what is wrong, and what to do about it.".to_owned(),
            };
            *response = described().description(description).content(kind, problem()).build().into();
        }
    }
    responses.insert("default".to_owned(), described().content(kind, problem()).build().into());
}

/// `GET /api/v1/openapi.json`
pub(super) async fn document() -> impl IntoResponse {
    Json(Described::openapi())
}

/// `GET /docs`: the same, to be read.
pub(super) async fn page() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], include_str!("openapi/page.html"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What is no part of the API: pages for people, probes, and what the fleet's own processes ask each other.
    const BESIDE: [&str; 11] = [
        "/",
        "/api/v1/openapi.json",
        "/docs",
        "/internal/v1/adapters/{tenant}/{id}",
        "/internal/v1/callbacks",
        "/internal/v1/turns",
        "/internal/v1/webhooks/{tenant}/{id}",
        "/internal/v1/webhooks/{tenant}/{id}/gone",
        "/internal/v1/workflows",
        "/livez",
        "/readyz",
    ];

    #[test]
    fn every_address_is_described_and_every_description_has_an_address() {
        let sources = [include_str!("../api.rs"), include_str!("compat.rs")].concat();
        let routed: BTreeSet<&str> = sources
            .split(".route(")
            .skip(1)
            .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
            .filter(|path| *path != "/metrics" && !BESIDE.contains(path))
            .collect();
        let described = Described::openapi();
        let described: BTreeSet<&str> = described.paths.paths.keys().map(String::as_str).collect();
        assert_eq!(routed, described);
        assert!(routed.len() > 30, "{routed:?}");
    }

    #[test]
    fn no_two_operations_share_a_name() {
        let mut seen = BTreeSet::new();
        for (path, item) in Described::openapi().paths.paths {
            let operations = [item.get, item.put, item.post, item.delete, item.patch, item.head];
            for operation in operations.into_iter().flatten() {
                let id = operation.operation_id.unwrap();
                assert!(seen.insert(id.clone()), "{id} is there twice, once for {path}");
            }
        }
    }
}
