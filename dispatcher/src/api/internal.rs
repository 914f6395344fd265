//! `/internal/v1`: what the fleet's own workers look up. Answers hold secrets, so they are for keys with the scope "fleet".

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use backends::desk::{Away, Desk as _, Turn};
use protocol::{Callback, TenantId};
use serde::Serialize;

use super::auth::{Caller, Fleet};
use super::{Api, Code, Problem, body};

/// Largest report of an attempt, in bytes: outputs beyond 16 KiB travel by reference, what a snooze keeps may be larger.
const MOST_REPORTED: usize = 16 * 1024 * 1024;

type Name = Result<Path<(String, String)>, PathRejection>;

/// `GET /internal/v1/webhooks/{tenant}/{id}`
pub(super) async fn webhook(State(api): State<Api>, _worker: Caller<Fleet>, name: Name) -> Result<Response, Problem> {
    let (tenant, id) = named(name)?;
    match api.webhooks.find(&tenant, &id).await {
        Ok(Some((endpoint, _))) => Ok(secret(endpoint.resolved())),
        Ok(None) => Err(missing("endpoint", &id)),
        Err(error) => Err(Problem::internal(&error)),
    }
}

/// `POST /internal/v1/webhooks/{tenant}/{id}/gone`: the endpoint answered that it will not come back.
pub(super) async fn webhook_gone(
    State(api): State<Api>,
    _worker: Caller<Fleet>,
    name: Name,
) -> Result<StatusCode, Problem> {
    let (tenant, id) = named(name)?;
    let because = "it answered 410 Gone";
    match api.webhooks.switch_off(&tenant, &id, because).await {
        Ok(off) => {
            if off {
                tracing::warn!(tenant = %tenant, endpoint = id, "an endpoint was switched off: {because}");
            }
            Ok(StatusCode::NO_CONTENT)
        }
        Err(error) => Err(Problem::internal(&error)),
    }
}

/// `GET /internal/v1/adapters/{tenant}/{id}`
pub(super) async fn adapter(State(api): State<Api>, _worker: Caller<Fleet>, name: Name) -> Result<Response, Problem> {
    let (tenant, id) = named(name)?;
    match api.adapters.opened(&tenant, &id).await {
        Ok(Some(adapter)) => Ok(secret(adapter.resolved(&id))),
        Ok(None) => Err(missing("adapter", &id)),
        Err(error) => Err(Problem::internal(&error)),
    }
}

/// `POST /internal/v1/turns`: what there is to do for a task whose turn has come on another engine.
pub(super) async fn turn(
    State(api): State<Api>,
    _worker: Caller<Fleet>,
    request: Request,
) -> Result<Response, Problem> {
    let turn: Turn = body::of(request, body::SMALL).await?;
    match api.fleet.begin(&turn).await {
        Ok(begun) => Ok(secret(begun)),
        Err(Away(reason)) => Err(Problem::new(Code::NotReady, reason)),
    }
}

/// `POST /internal/v1/callbacks`: an attempt at a task of another engine ended like this.
pub(super) async fn callback(
    State(api): State<Api>,
    _worker: Caller<Fleet>,
    request: Request,
) -> Result<Response, Problem> {
    let callback: Callback = body::of(request, MOST_REPORTED).await?;
    match api.fleet.report(callback).await {
        Ok(standing) => Ok(secret(standing)),
        Err(Away(reason)) => Err(Problem::new(Code::NotReady, reason)),
    }
}

/// `GET /internal/v1/workflows`: what other engines may come for.
pub(super) async fn workflows(State(api): State<Api>, _worker: Caller<Fleet>) -> Result<Response, Problem> {
    Ok(secret(api.fleet.workflows().await?))
}

fn named(name: Name) -> Result<(TenantId, String), Problem> {
    let Path((tenant, id)) = name?;
    let tenant = tenant.parse().map_err(|_| missing("tenant", &tenant))?;
    Ok((tenant, id))
}

fn missing(what: &str, id: &str) -> Problem {
    Problem::new(Code::NotSetUp, format!("there is no {what} {id:?}"))
}

/// An answer that nobody on the way keeps.
fn secret(answer: impl Serialize) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}
