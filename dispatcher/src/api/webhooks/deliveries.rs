//! What became of messages to an endpoint, and how its owner sends others: `/api/v1/webhooks/{id}/test` and `…/deliveries`.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use jiff::Timestamp;
use ledger::Submitted;
use protocol::webhooks::EventType;
use protocol::{RunId, RunState, TaskError};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::super::auth::{Caller, Read, Write};
use super::super::codes::Code;
use super::super::events::Stopping;
use super::super::news::News;
use super::super::prefer::Waiting;
use super::super::{Api, Problem};
use super::{Id, WebhookId, find};
use crate::webhooks::Endpoint;
use crate::webhooks::deliveries::{self, Kept};

/// Most deliveries of a page, and how many there are unless it is said.
const MOST: usize = 100;
const USUAL: usize = 20;

/// How a delivery goes.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct ShownDelivery {
    /// Its id: that of the run that delivers it.
    #[schema(value_type = String)]
    id: RunId,
    /// The header `webhook-id` of the message: the same each time that it is sent.
    event_id: String,
    /// What the message is about.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    event_type: EventType,
    /// Where it stands; `running` while it waits for another attempt, too.
    #[schema(value_type = String)]
    state: RunState,
    /// How often it was tried until now.
    attempts: usize,
    /// What the endpoint answered in the end, when it took the message.
    status: Option<u16>,
    /// How long it took for that, in milliseconds.
    ms: Option<u64>,
    /// What went wrong last, if anything did.
    error: Option<DeliveryError>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_attempt_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
}

/// What went wrong.
#[derive(Serialize, ToSchema)]
struct DeliveryError {
    /// Stable, for programs: docs/errors.md.
    code: String,
    /// One sentence for a person.
    message: String,
}

impl From<&TaskError> for DeliveryError {
    fn from(error: &TaskError) -> Self {
        Self { code: error.code.clone(), message: error.message.clone() }
    }
}

impl From<Kept> for ShownDelivery {
    fn from(kept: Kept) -> Self {
        let (answer, next_attempt_at) = (kept.answer(), kept.next_attempt_at());
        let Kept { message, record } = kept;
        let attempts: Vec<_> = record.attempts.values().flatten().collect();
        let last = attempts.last();
        // A delivery that was cancelled or never tried says why as a run.
        let error = last.and_then(|attempt| attempt.error.as_ref()).or(record.run.error.as_ref());
        Self {
            id: record.run.id,
            event_id: message.event_id,
            event_type: message.event_type,
            state: record.run.state,
            attempts: attempts.len(),
            status: answer.as_ref().map(|answer| answer.status),
            ms: answer.as_ref().map(|answer| answer.ms),
            error: error.map(DeliveryError::from),
            created_at: record.run.created_at,
            last_attempt_at: last.map(|attempt| attempt.ended_at),
            next_attempt_at,
            ended_at: record.run.ended_at,
        }
    }
}

/// Deliveries, the newest first.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct DeliveryList {
    deliveries: Vec<ShownDelivery>,
    /// Pass it as `cursor` for the next page; null at the end.
    #[schema(value_type = Option<String>)]
    next: Option<RunId>,
}

/// Query of a page.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct DeliveriesQuery {
    /// `next` of the page before.
    #[param(value_type = Option<String>, pattern = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
    cursor: Option<RunId>,
    /// At most so many; 20 unless it is said, and 100 is the most there is.
    limit: Option<usize>,
}

/// A delivery in an address.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes an address; handlers read it themselves, to answer in their own words")]
pub(in crate::api) struct DeliveryId {
    /// Id of the endpoint.
    #[param(pattern = r"^[A-Za-z0-9_-]{1,64}$")]
    id: String,
    /// Id of the delivery.
    #[param(pattern = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
    delivery: String,
}

type Ids = Result<Path<(String, String)>, PathRejection>;

/// Sends the endpoint a message of the type `ping` now, whatever it asks for. 200 with how it went when it ends while the
/// client waits (`Prefer: wait=N`).
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/test", tag = "webhooks", params(WebhookId),
    responses((status = 200, body = ShownDelivery), (status = 202, body = ShownDelivery), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub(in crate::api) async fn test(
    State(api): State<Api>,
    caller: Caller<Write>,
    id: Id,
    Extension(news): Extension<News>,
    Extension(stopping): Extension<Stopping>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let endpoint = enabled(find(&api, &caller, id).await?.0)?;
    api.access.audit.note(&caller, "webhook.tested", &endpoint.id, json!({})).await?;
    let started = deliveries::ping(&api.fleet, &caller.tenant, &endpoint.id).await?;
    answer(&api, &caller, &endpoint, started, Waiting::asked(&headers, &news, &stopping)).await
}

/// What became of the messages to an endpoint, for as long as runs are kept.
#[utoipa::path(get, path = "/api/v1/webhooks/{id}/deliveries", tag = "webhooks", params(WebhookId, DeliveriesQuery),
    operation_id = "list_deliveries",
    responses((status = 200, body = DeliveryList), (status = 404, body = Problem)))]
pub(in crate::api) async fn list(
    State(api): State<Api>,
    caller: Caller<Read>,
    id: Id,
    query: Result<Query<DeliveriesQuery>, QueryRejection>,
) -> Result<Json<DeliveryList>, Problem> {
    let Query(DeliveriesQuery { cursor, limit }) = query?;
    let (endpoint, _) = find(&api, &caller, id).await?;
    let limit = limit.unwrap_or(USUAL).clamp(1, MOST);
    let (found, next) = deliveries::page(&api.fleet, &caller.tenant, &endpoint.id, cursor, limit).await?;
    Ok(Json(DeliveryList { deliveries: found.into_iter().map(ShownDelivery::from).collect(), next }))
}

/// How one delivery goes.
#[utoipa::path(get, path = "/api/v1/webhooks/{id}/deliveries/{delivery}", tag = "webhooks", params(DeliveryId),
    operation_id = "show_delivery",
    responses((status = 200, body = ShownDelivery), (status = 404, body = Problem)))]
pub(in crate::api) async fn show(
    State(api): State<Api>,
    caller: Caller<Read>,
    ids: Ids,
) -> Result<Json<ShownDelivery>, Problem> {
    let (_, kept) = named(&api, &caller, ids).await?;
    Ok(Json(kept.into()))
}

/// Sends a message again now, whatever became of it: a new delivery with the same `webhook-id`.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/deliveries/{delivery}/replay", tag = "webhooks", params(DeliveryId),
    operation_id = "replay_delivery",
    responses((status = 200, body = ShownDelivery), (status = 202, body = ShownDelivery), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub(in crate::api) async fn replay(
    State(api): State<Api>,
    caller: Caller<Write>,
    ids: Ids,
    Extension(news): Extension<News>,
    Extension(stopping): Extension<Stopping>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (endpoint, kept) = named(&api, &caller, ids).await?;
    let endpoint = enabled(endpoint)?;
    let details = json!({ "delivery": kept.record.run.id, "event_id": kept.message.event_id });
    api.access.audit.note(&caller, "webhook.replayed", &endpoint.id, details).await?;
    let started = deliveries::replay(&api.fleet, &caller.tenant, &kept.message).await?;
    answer(&api, &caller, &endpoint, started, Waiting::asked(&headers, &news, &stopping)).await
}

/// The endpoint, if anything is sent to it.
fn enabled(endpoint: Endpoint) -> Result<Endpoint, Problem> {
    if endpoint.enabled {
        return Ok(endpoint);
    }
    let because = endpoint.disabled_because.map(|because| format!(" ({because})")).unwrap_or_default();
    let detail = format!("webhook {:?} is switched off{because}; PUT it with \"enabled\": true", endpoint.id);
    Err(Problem::new(Code::WebhookDisabled, detail))
}

/// The endpoint and the delivery that an address names.
async fn named<N>(api: &Api, caller: &Caller<N>, ids: Ids) -> Result<(Endpoint, Kept), Problem> {
    let Path((id, delivery)) = ids?;
    let (endpoint, _) = find(api, caller, Ok(Path(id))).await?;
    let found = match delivery.parse() {
        Ok(run) => deliveries::find(&api.fleet, &caller.tenant, &endpoint.id, run).await?,
        Err(_) => None,
    };
    let missing = || {
        let id = &endpoint.id;
        let detail =
            format!("webhook {id:?} has no delivery {delivery:?}; GET /api/v1/webhooks/{id}/deliveries lists them");
        Problem::new(Code::NoSuchDelivery, detail)
    };
    let kept = found.ok_or_else(missing)?;
    Ok((endpoint, kept))
}

/// 202 with how it goes, or 200 when it ends while the client is willing to wait.
async fn answer(
    api: &Api,
    caller: &Caller<Write>,
    endpoint: &Endpoint,
    started: Option<Submitted>,
    waiting: Option<Waiting<'_>>,
) -> Result<Response, Problem> {
    let lost = || Problem::internal(&std::io::Error::other("a delivery was not recorded as it was made"));
    let id = started.ok_or_else(lost)?.id;
    if let Some(waiting) = &waiting {
        waiting.end_of(api, &caller.tenant.deliveries(), id).await?;
    }
    let kept = deliveries::find(&api.fleet, &caller.tenant, &endpoint.id, id).await?.ok_or_else(lost)?;
    let status = match waiting {
        Some(_) if kept.record.run.state.is_final() => StatusCode::OK,
        _ => StatusCode::ACCEPTED,
    };
    let location = [(header::LOCATION, format!("/api/v1/webhooks/{}/deliveries/{id}", endpoint.id))];
    let response = (status, location, Json(ShownDelivery::from(kept))).into_response();
    Ok(match waiting {
        Some(waiting) => waiting.applied(response),
        None => response,
    })
}
