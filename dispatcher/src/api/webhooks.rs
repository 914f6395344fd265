//! `/api/v1/webhooks`: where tenants want to be told about their runs.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use ledger::records::Expected;
use outbound::signature::Secret;
use protocol::webhooks::EventType;
use protocol::workflow::is_name;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::auth::{Caller, Read, Write};
use super::codes::Code;
use super::{Api, Problem, body};
use crate::access::VaultError;
use crate::webhooks::{Endpoint, Error, MOST_ENDPOINTS};

use wanted::{Wanted, WantedSecret, WantedWebhook, WebhookEvent};

pub(super) mod deliveries;
mod wanted;

/// How long a replaced secret goes on signing unless it is said, in hours; and at most.
const USUAL_KEEP: u32 = 24;
const LONGEST_KEEP: u32 = 30 * 24;

/// An endpoint as it is.
#[derive(Serialize, ToSchema)]
pub(super) struct ShownWebhook {
    id: String,
    url: String,
    /// What about; empty: everything.
    #[schema(value_type = Vec<WebhookEvent>)]
    events: Vec<EventType>,
    description: String,
    enabled: bool,
    /// Why the fleet switched it off.
    disabled_because: Option<String>,
    /// When each secret that was replaced stops signing.
    #[schema(value_type = Vec<String>)]
    replaced_until: Vec<Timestamp>,
    /// What signs the messages: shown once, when it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// All of them, by id.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookList {
    webhooks: Vec<ShownWebhook>,
}

/// An endpoint in an address.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes an address; handlers read it themselves, to answer in their own words")]
pub(super) struct WebhookId {
    /// Its id.
    #[param(pattern = r"^[A-Za-z0-9_-]{1,64}$")]
    id: String,
}

/// Query of a rotation.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct KeepQuery {
    /// For how many hours those that signed until now go on, too; 24 unless it is said, and 720 is the most.
    #[param(maximum = 720)]
    keep: Option<u32>,
}

type Id = Result<Path<String>, PathRejection>;

impl ShownWebhook {
    fn of(endpoint: Endpoint) -> Self {
        let now = Timestamp::now();
        let signing = endpoint.secrets.iter().filter(|one| one.signs_at(now));
        Self {
            replaced_until: signing.filter_map(|one| one.until).collect(),
            id: endpoint.id,
            url: endpoint.url,
            events: endpoint.events,
            description: endpoint.description,
            enabled: endpoint.enabled,
            disabled_because: endpoint.disabled_because,
            secret: None,
        }
    }

    /// The same with the secret that is new.
    fn revealing(endpoint: Endpoint) -> Self {
        let secret = endpoint.secrets.first().map(|newest| newest.secret.expose());
        Self { secret, ..Self::of(endpoint) }
    }
}

/// The tenant's endpoints, without their secrets.
#[utoipa::path(get, path = "/api/v1/webhooks", tag = "webhooks", responses((status = 200, body = WebhookList)))]
pub(super) async fn list(State(api): State<Api>, caller: Caller<Read>) -> Result<Json<WebhookList>, Problem> {
    let found = api.webhooks.list(&caller.tenant).await?;
    Ok(Json(WebhookList { webhooks: found.into_iter().map(ShownWebhook::of).collect() }))
}

/// One endpoint, without its secrets.
#[utoipa::path(get, path = "/api/v1/webhooks/{id}", tag = "webhooks", params(WebhookId),
    responses((status = 200, body = ShownWebhook), (status = 404, body = Problem)))]
pub(super) async fn show(State(api): State<Api>, caller: Caller<Read>, id: Id) -> Result<Json<ShownWebhook>, Problem> {
    let (endpoint, _) = find(&api, &caller, id).await?;
    Ok(Json(ShownWebhook::of(endpoint)))
}

/// Sets an endpoint up under an id that is made for it. Its secret is shown in this answer and never again.
#[utoipa::path(post, path = "/api/v1/webhooks", tag = "webhooks", request_body = WantedWebhook,
    responses((status = 201, body = ShownWebhook), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller<Write>,
    request: Request,
) -> Result<Response, Problem> {
    let id = uuid::Uuid::now_v7().to_string();
    let wanted = wanted::webhook(body::json(request, wanted::LARGEST).await?)?;
    keep(&api, &caller, id, wanted, None).await
}

/// Sets an endpoint up under an id of one's own, or changes it; a new one's secret is shown in this answer and never again.
/// What is left out gets its usual value, and secrets stay.
#[utoipa::path(put, path = "/api/v1/webhooks/{id}", tag = "webhooks", params(WebhookId), request_body = WantedWebhook,
    responses((status = 200, body = ShownWebhook), (status = 201, body = ShownWebhook), (status = 409, body = Problem),
        (status = 422, body = Problem)))]
pub(super) async fn put(
    State(api): State<Api>,
    caller: Caller<Write>,
    id: Id,
    request: Request,
) -> Result<Response, Problem> {
    let Path(id) = id?;
    if !is_name(&id) {
        return Err(Error::Name(id).into());
    }
    let wanted = wanted::webhook(body::json(request, wanted::LARGEST).await?)?;
    let known = api.webhooks.find(&caller.tenant, &id).await?;
    keep(&api, &caller, id, wanted, known).await
}

/// Removes an endpoint. What is on its way to it is given up.
#[utoipa::path(delete, path = "/api/v1/webhooks/{id}", tag = "webhooks", params(WebhookId),
    responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn remove(State(api): State<Api>, caller: Caller<Write>, id: Id) -> Result<StatusCode, Problem> {
    let Path(id) = id?;
    if !is_name(&id) || !api.webhooks.remove(&caller.tenant, &id).await? {
        return Err(missing(&id));
    }
    api.access.audit.note(&caller, "webhook.removed", &id, json!({})).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Exchanges the secret: the new one is shown in this answer and never again. Until the time in `replaced_until`, messages are
/// signed with those before, too.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/rotate", tag = "webhooks", params(WebhookId, KeepQuery),
    request_body = Option<WantedSecret>,
    responses((status = 200, body = ShownWebhook), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 422, body = Problem)))]
pub(super) async fn rotate(
    State(api): State<Api>,
    caller: Caller<Write>,
    id: Id,
    query: Result<Query<KeepQuery>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let Query(KeepQuery { keep }) = query?;
    let hours = keep.unwrap_or(USUAL_KEEP);
    if hours > LONGEST_KEEP {
        let detail = format!("`keep` takes 0 to {LONGEST_KEEP} hours; {USUAL_KEEP} is usual");
        return Err(Problem::new(Code::QueryInvalid, detail));
    }
    let (endpoint, revision) = find(&api, &caller, id).await?;
    let given = wanted::secret(body::optional(request, wanted::LARGEST).await?)?;
    let new = given.map_or_else(Secret::generate, Ok).map_err(Error::from)?;
    let keep = Duration::from_secs(60 * 60 * u64::from(hours));
    let rotated = endpoint.rotated(new, keep, Timestamp::now());
    let details = json!({ "keep_hours": hours });
    api.access.audit.note(&caller, "webhook.rotated", &rotated.id, details).await?;
    record(&api, &caller, &rotated, Expected::Revision(revision)).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(ShownWebhook::revealing(rotated))).into_response())
}

/// Records what is wanted in the place of what is known.
async fn keep(
    api: &Api,
    caller: &Caller<Write>,
    id: String,
    Wanted { webhook: wanted, secret: given }: Wanted,
    known: Option<(Endpoint, u64)>,
) -> Result<Response, Problem> {
    let (expected, secrets) = match known {
        Some((known, revision)) if given.is_none() => (Expected::Revision(revision), Some(known.secrets)),
        Some(_) => {
            let message = "is set when the endpoint is new; POST …/rotate exchanges it";
            return Err(body::problem_at(Code::WebhookInvalid, "$.secret", message));
        }
        None => (Expected::Nothing, None),
    };
    let created = secrets.is_none();
    let secrets = match secrets {
        Some(secrets) => secrets,
        None => vec![given.map_or_else(Secret::generate, Ok).map_err(Error::from)?.into()],
    };
    let endpoint = Endpoint {
        id,
        url: wanted.url,
        events: wanted.events.into_iter().map(EventType::from).collect(),
        description: wanted.description,
        enabled: wanted.enabled,
        disabled_because: None,
        secrets,
    };
    record(api, caller, &endpoint, expected).await?;
    // Of the address no more than its host: what follows may be somebody's secret.
    let host = endpoint.url.parse::<Uri>().ok().and_then(|url| url.host().map(str::to_owned));
    let details = json!({ "host": host, "events": endpoint.events, "enabled": endpoint.enabled });
    api.access.audit.note(caller, "webhook.put", &endpoint.id, details).await?;
    let location = [(header::LOCATION, format!("/api/v1/webhooks/{}", endpoint.id))];
    if !created {
        return Ok((StatusCode::OK, location, Json(ShownWebhook::of(endpoint))).into_response());
    }
    let unkept = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, location, unkept, Json(ShownWebhook::revealing(endpoint))).into_response())
}

async fn record(api: &Api, caller: &Caller<Write>, endpoint: &Endpoint, expected: Expected) -> Result<(), Problem> {
    match api.webhooks.put(&caller.tenant, endpoint, expected).await? {
        Some(_) => Ok(()),
        None => {
            let detail = "somebody else changed this endpoint at the same time; read it and repeat the change";
            Err(Problem::new(Code::ChangedMeanwhile, detail))
        }
    }
}

/// The tenant's endpoint that an address names, with its revision.
async fn find<N>(api: &Api, caller: &Caller<N>, id: Id) -> Result<(Endpoint, u64), Problem> {
    let Path(id) = id?;
    let found = if is_name(&id) { api.webhooks.find(&caller.tenant, &id).await? } else { None };
    found.ok_or_else(|| missing(&id))
}

fn missing(id: &str) -> Problem {
    let detail = format!("there is no webhook {id:?}; GET /api/v1/webhooks lists them");
    Problem::new(Code::NoSuchWebhook, detail)
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let at = |path: &str, message: &str| body::problem_at(Code::WebhookInvalid, path, message);
        match &error {
            Error::Name(_) => at("id", "is not 1 to 64 of a-z, A-Z, 0-9, '-' and '_'"),
            Error::Refused(refusal) => at("$.url", &refusal.to_string()),
            Error::Secrets => at("$.secret", &error.to_string()),
            Error::TooMany => {
                let detail = format!("there are {MOST_ENDPOINTS} webhooks already; remove one");
                Self::new(Code::TooManyWebhooks, detail)
            }
            Error::Vault(VaultError::NoMasterKey) => Self::new(Code::SecretsUnavailable, error.to_string()),
            Error::NoRandomness(_) | Error::Unreadable { .. } | Error::Vault(_) | Error::Ledger(_) => {
                Self::internal(&error)
            }
        }
    }
}
