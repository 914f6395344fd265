//! `/internal/v1`: what the fleet's own workers look up. Answers hold secrets, so they are for keys with the scope "fleet".

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::TenantId;
use serde::Serialize;

use super::auth::{Caller, Fleet};
use super::{Api, Code, Problem};

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
