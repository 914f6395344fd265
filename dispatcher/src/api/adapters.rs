//! `/api/v1/adapters`: how a tenant reaches its models and other services.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::auth::{Caller, Read, Write};
use super::codes::Code;
use super::paging::{AfterQuery, RecordId, cut, page};
use super::{Api, Problem, body};
use crate::adapters::{Adapter, AdapterError, Wanted};

/// Adapters by id.
#[derive(Serialize, ToSchema)]
pub(super) struct AdapterList {
    adapters: Vec<Adapter>,
    /// Pass it as `after` for the next page; null at the end.
    next: Option<String>,
}

type Id = Result<Path<String>, PathRejection>;

/// The adapters of the tenant, without their secrets.
#[utoipa::path(get, path = "/api/v1/adapters", tag = "adapters", params(AfterQuery),
    responses((status = 200, body = AdapterList)))]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller<Read>,
    query: Result<Query<AfterQuery>, QueryRejection>,
) -> Result<Json<AdapterList>, Problem> {
    let (page, limit) = page(query?.0)?;
    let mut adapters = api.adapters.list(&caller.tenant, &page).await?;
    let next = cut(&mut adapters, limit, |adapter| adapter.id.clone());
    Ok(Json(AdapterList { adapters, next }))
}

/// Sets an adapter up under an id that is made for it.
#[utoipa::path(post, path = "/api/v1/adapters", tag = "adapters", request_body = Wanted,
    responses((status = 201, body = Adapter), (status = 422, body = Problem)))]
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller<Write>,
    request: Request,
) -> Result<Response, Problem> {
    keep(&api, &caller, &uuid::Uuid::now_v7().to_string(), request).await
}

/// Sets an adapter up under an id of one's own, or changes it. `***` leaves a secret as it is.
#[utoipa::path(put, path = "/api/v1/adapters/{id}", tag = "adapters", params(RecordId), request_body = Wanted,
    responses((status = 200, body = Adapter), (status = 201, body = Adapter), (status = 422, body = Problem)))]
pub(super) async fn put(
    State(api): State<Api>,
    caller: Caller<Write>,
    id: Id,
    request: Request,
) -> Result<Response, Problem> {
    let Path(id) = id?;
    if !is_name(&id, 100) {
        return Err(body::problem_at(Code::AdapterInvalid, "id", "is not 1 to 100 of a-z, A-Z, 0-9, '-' and '_'"));
    }
    keep(&api, &caller, &id, request).await
}

async fn keep(api: &Api, caller: &Caller<Write>, id: &str, request: Request) -> Result<Response, Problem> {
    let wanted: Wanted = body::object(request, Code::AdapterInvalid).await?;
    let invalid = |path: &str, message: &str| body::problem_at(Code::AdapterInvalid, path, message);
    if !(1..=100).contains(&wanted.adapter_name.chars().count()) || wanted.adapter_name.chars().any(char::is_control) {
        return Err(invalid("$.adapter_name", "is not 1 to 100 printable characters"));
    }
    let kind = wanted.adapter_id.split_once('|');
    if !kind.is_some_and(|(provider, number)| is_name(provider, 64) && is_name(number, 64)) {
        let message = "is not like \"openai|502ecf49-e47c-445c-9907-6d4b90c5cd17\": a provider and an id";
        return Err(invalid("$.adapter_id", message));
    }
    let details = json!({ "name": wanted.adapter_name, "adapter_id": wanted.adapter_id });
    let (adapter, created) = api.adapters.put(&caller.tenant, id, wanted).await?;
    api.access.audit.note(caller, "adapter.put", id, details).await?;
    let location = [(header::LOCATION, format!("/api/v1/adapters/{id}"))];
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, location, Json(adapter)).into_response())
}

/// One adapter, without its secrets.
#[utoipa::path(get, path = "/api/v1/adapters/{id}", tag = "adapters", params(RecordId),
    responses((status = 200, body = Adapter), (status = 404, body = Problem)))]
pub(super) async fn show(State(api): State<Api>, caller: Caller<Read>, id: Id) -> Result<Json<Adapter>, Problem> {
    let Path(id) = id?;
    let found = if body::is_id(&id) { api.adapters.show(&caller.tenant, &id).await? } else { None };
    found.map(Json).ok_or_else(|| missing(&id))
}

/// Forgets an adapter. Runs that name it fail from then on.
#[utoipa::path(delete, path = "/api/v1/adapters/{id}", tag = "adapters", params(RecordId),
    responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn remove(State(api): State<Api>, caller: Caller<Write>, id: Id) -> Result<StatusCode, Problem> {
    let Path(id) = id?;
    if !body::is_id(&id) || !api.adapters.remove(&caller.tenant, &id).await? {
        return Err(missing(&id));
    }
    api.access.audit.note(&caller, "adapter.removed", &id, json!({})).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn is_name(text: &str, longest: usize) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=longest).contains(&text.len()) && text.bytes().all(allowed)
}

fn missing(id: &str) -> Problem {
    let detail = format!("there is no adapter {id:?}; GET /api/v1/adapters lists them");
    Problem::new(Code::NoSuchAdapter, detail)
}

impl From<AdapterError> for Problem {
    fn from(error: AdapterError) -> Self {
        use crate::access::VaultError;
        match &error {
            AdapterError::Vault(VaultError::NoMasterKey) => Self::new(Code::SecretsUnavailable, error.to_string()),
            AdapterError::Changed => Self::new(Code::ChangedMeanwhile, error.to_string()),
            AdapterError::NothingHidden(name) => {
                let path = format!("$.adapter_metadata.{name}");
                body::problem_at(Code::AdapterInvalid, &path, "is \"***\", but there is no secret yet that could stay")
            }
            AdapterError::Ledger(_) | AdapterError::Vault(_) => Self::internal(&error),
        }
    }
}
