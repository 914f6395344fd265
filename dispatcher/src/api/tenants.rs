//! `/api/v1/tenants` and `/api/v1/keys`, for administrators, and `/api/v1/audit`.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use protocol::TenantId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::auth::{Admin, Caller, Read};
use super::codes::Code;
use super::operations::{MOST, USUAL};
use super::paging::{AfterQuery, RecordId, TenantName, cut, page};
use super::{Api, Problem, body};
use crate::access::{Entry, Issued, Key, NewKey, Scope, Scopes, Settings, Tenant};
use crate::prices::Prices;

/// A tenant.
#[derive(Serialize, ToSchema)]
pub(super) struct ShownTenant {
    name: String,
    /// What it may use.
    limits: Settings,
    /// When it was set up; null for one that nobody has set up.
    #[schema(value_type = Option<String>, format = DateTime)]
    created_at: Option<Timestamp>,
}

impl From<Tenant> for ShownTenant {
    fn from(tenant: Tenant) -> Self {
        Self { name: tenant.name.to_string(), limits: tenant.settings, created_at: tenant.created_at }
    }
}

/// Tenants by name.
#[derive(Serialize, ToSchema)]
pub(super) struct TenantList {
    tenants: Vec<ShownTenant>,
    /// Pass it as `after` for the next page; null at the end.
    next: Option<String>,
}

/// Keys in the order of their issue.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyList {
    keys: Vec<Key>,
    /// Pass it as `after` for the next page; null at the end.
    next: Option<String>,
}

/// What administrators did, the latest first.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditList {
    entries: Vec<Entry>,
    /// Pass it as `before` for the next page; null at the end.
    next: Option<String>,
}

/// Who calls.
#[derive(Serialize, ToSchema)]
pub(super) struct WhoAmI {
    tenant: String,
    /// The key that was shown; null where none is required.
    key: Option<String>,
    scopes: Scopes,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// Query of a page of the audit log.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct BeforeQuery {
    /// Go on before this entry: the `next` of an earlier page.
    #[param(pattern = r"^[!-~]{1,128}$")]
    before: Option<String>,
    /// At most so many; 1000 is the most there is.
    limit: Option<usize>,
}

type Name = Result<Path<String>, PathRejection>;

/// Who calls, and what they may do.
#[utoipa::path(get, path = "/api/v1/me", tag = "access", responses((status = 200, body = WhoAmI)))]
pub(super) async fn me(caller: Caller<Read>) -> Json<WhoAmI> {
    Json(WhoAmI {
        tenant: caller.tenant.to_string(),
        key: caller.key.clone(),
        scopes: caller.scopes.clone(),
        expires_at: caller.expires_at,
    })
}

/// The tenants that were set up.
#[utoipa::path(get, path = "/api/v1/tenants", tag = "access", params(AfterQuery),
    responses((status = 200, body = TenantList)))]
pub(super) async fn list(
    State(api): State<Api>,
    _caller: Caller<Admin>,
    query: Result<Query<AfterQuery>, QueryRejection>,
) -> Result<Json<TenantList>, Problem> {
    let (page, limit) = page(query?.0)?;
    let mut found = api.access.tenants.list(&page).await?;
    let next = cut(&mut found, limit, |tenant| tenant.name.to_string());
    Ok(Json(TenantList { tenants: found.into_iter().map(ShownTenant::from).collect(), next }))
}

/// One tenant.
#[utoipa::path(get, path = "/api/v1/tenants/{name}", tag = "access", params(TenantName),
    responses((status = 200, body = ShownTenant), (status = 404, body = Problem)))]
pub(super) async fn show(
    State(api): State<Api>,
    _caller: Caller<Admin>,
    name: Name,
) -> Result<Json<ShownTenant>, Problem> {
    let Path(name) = name?;
    let found = match name.parse::<TenantId>() {
        Ok(tenant) => api.access.tenants.tenant(&tenant).await?,
        Err(_) => None,
    };
    found.map(|tenant| Json(tenant.into())).ok_or_else(|| no_tenant(&name))
}

/// Sets a tenant up, or changes what it may use. What is left out gets its usual value.
#[utoipa::path(put, path = "/api/v1/tenants/{name}", tag = "access", params(TenantName), request_body = Settings,
    responses((status = 200, body = ShownTenant), (status = 201, body = ShownTenant), (status = 422, body = Problem)))]
pub(super) async fn put(
    State(api): State<Api>,
    caller: Caller<Admin>,
    name: Name,
    request: Request,
) -> Result<Response, Problem> {
    let Path(name) = name?;
    let tenant: TenantId = name
        .parse()
        .map_err(|_| body::problem_at(Code::TenantInvalid, "name", "is not 1 to 64 of a-z, A-Z, 0-9, '-' and '_'"))?;
    let settings: Settings = body::object(request, Code::TenantInvalid).await?;
    if settings.cost_per_day.is_some() && *api.prices == Prices::default() {
        let message = "needs prices, and none are known; the operator starts the dispatcher with --prices";
        return Err(body::problem_at(Code::TenantInvalid, "$.cost_per_day", message));
    }
    api.access.audit.note(&caller, "tenant.put", &name, json!(settings)).await?;
    let created = api.access.tenants.put(&tenant, &settings).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let shown = api.access.tenants.tenant(&tenant).await?.ok_or_else(|| no_tenant(&name))?;
    Ok((status, Json(ShownTenant::from(shown))).into_response())
}

/// The keys of a tenant, without their tokens.
#[utoipa::path(get, path = "/api/v1/tenants/{name}/keys", tag = "access", params(TenantName, AfterQuery),
    responses((status = 200, body = KeyList)))]
pub(super) async fn keys(
    State(api): State<Api>,
    _caller: Caller<Admin>,
    name: Name,
    query: Result<Query<AfterQuery>, QueryRejection>,
) -> Result<Json<KeyList>, Problem> {
    let Path(name) = name?;
    let tenant: TenantId = name.parse().map_err(|_| no_tenant(&name))?;
    let (page, limit) = page(query?.0)?;
    let mut keys = api.access.keys.list(Some(&tenant), &page).await?;
    let next = cut(&mut keys, limit, |key| key.id.clone());
    Ok(Json(KeyList { keys, next }))
}

/// A key as somebody wants it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedKey {
    /// What people call it.
    #[schema(pattern = r"^[^\u0000-\u001f\u007f-\u009f]{1,100}$")]
    name: String,
    /// What it is good for.
    #[schema(value_type = Vec<Scope>, min_items = 1)]
    scopes: Scopes,
    /// When it ends by itself.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// Issues a key. Its token is shown in this answer and never again.
#[utoipa::path(post, path = "/api/v1/tenants/{name}/keys", tag = "access", params(TenantName), request_body = WantedKey,
    responses((status = 201, body = Issued), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn issue(
    State(api): State<Api>,
    caller: Caller<Admin>,
    name: Name,
    request: Request,
) -> Result<Response, Problem> {
    let Path(name) = name?;
    let tenant: TenantId = name.parse().map_err(|_| no_tenant(&name))?;
    if tenant != TenantId::default_tenant() && api.access.tenants.tenant(&tenant).await?.is_none() {
        return Err(no_tenant(&name));
    }
    let invalid = |path: &str, message: &str| body::problem_at(Code::KeyRequestInvalid, path, message);
    let wanted: WantedKey = body::object(request, Code::KeyRequestInvalid).await?;
    if !(1..=100).contains(&wanted.name.chars().count()) || wanted.name.chars().any(char::is_control) {
        return Err(invalid("$.name", "is not 1 to 100 printable characters"));
    }
    if wanted.scopes.is_empty() {
        return Err(invalid("$.scopes", "is empty; name what the key is good for"));
    }
    if wanted.expires_at.is_some_and(|end| end <= Timestamp::now()) {
        return Err(invalid("$.expires_at", "has passed already"));
    }
    let new = NewKey {
        tenant,
        name: wanted.name,
        scopes: wanted.scopes,
        expires_at: wanted.expires_at,
        issued_by: caller.key.clone(),
    };
    let details = json!({ "tenant": new.tenant, "name": new.name, "scopes": new.scopes, "expires_at": new.expires_at });
    let issued = api.access.keys.issue(new).await?;
    api.access.audit.note(&caller, "key.issued", &issued.key.id, details).await?;
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(issued)).into_response())
}

/// Revokes a key; it is good for nothing within 5 seconds. The entry stays in the list.
#[utoipa::path(delete, path = "/api/v1/tenants/{name}/keys/{id}", tag = "access", params(TenantName, RecordId),
    responses((status = 200, body = Key), (status = 404, body = Problem)))]
pub(super) async fn revoke(
    State(api): State<Api>,
    caller: Caller<Admin>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<Key>, Problem> {
    let Path((name, id)) = path?;
    let missing = || {
        let detail = format!("tenant {name:?} has no key {id:?}; GET /api/v1/tenants/{name}/keys lists them");
        Problem::new(Code::NoSuchKey, detail)
    };
    let tenant: TenantId = name.parse().map_err(|_| missing())?;
    if !body::is_id(&id) {
        return Err(missing());
    }
    api.access.audit.note(&caller, "key.revoked", &id, json!({ "tenant": name })).await?;
    let revoked = api.access.keys.revoke(&tenant, &id).await?;
    revoked.map(Json).ok_or_else(missing)
}

/// What administrators did.
#[utoipa::path(get, path = "/api/v1/audit", tag = "access", params(BeforeQuery),
    responses((status = 200, body = AuditList)))]
pub(super) async fn audit(
    State(api): State<Api>,
    _caller: Caller<Admin>,
    query: Result<Query<BeforeQuery>, QueryRejection>,
) -> Result<Json<AuditList>, Problem> {
    let Query(BeforeQuery { before, limit }) = query?;
    let limit = limit.unwrap_or(USUAL).clamp(1, MOST);
    let before = before.map(|id| body::place(id, "before")).transpose()?;
    let mut entries = api.access.audit.list(before, limit + 1).await?;
    let next = cut(&mut entries, limit, |entry| entry.id.clone());
    Ok(Json(AuditList { entries, next }))
}

fn no_tenant(name: &str) -> Problem {
    let detail = format!("there is no tenant {name:?}; PUT /api/v1/tenants/NAME sets one up");
    Problem::new(Code::NoSuchTenant, detail)
}
