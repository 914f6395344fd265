//! `/api/v1/subscriptions`: which events start what.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use protocol::RunId;
use protocol::shape::Problems;
use protocol::stages::PIPELINE;
use protocol::workflow::is_name;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::auth::{Caller, Read, Write};
use super::codes::Code;
use super::triggers::schema::{CloudEvent, SubscriptionName, WantedSubscription};
use super::triggers::{self, ShownRefusal};
use super::{Api, Problem, body, workflows};
use crate::triggers::template::Room;
use crate::triggers::{Activity, Event, Kept, Plan, Planned, Subscription, plan, s3, store};

/// Largest subscription, in bytes.
const LARGEST: usize = 256 * 1024;

/// How much a trial makes of an event, in bytes.
const ROOM: usize = 16 * 1024 * 1024;

/// A subscription as it is.
#[derive(Serialize, ToSchema)]
pub(super) struct ShownSubscription {
    name: String,
    /// What was put, with the usual values for what was left out.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    subscription: Value,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// What became of it, counted as well as it goes.
    activity: Activity,
}

impl ShownSubscription {
    fn of(kept: Kept, activity: Activity) -> Self {
        let Kept { name, subscription, created_at, updated_at } = kept;
        Self { name, subscription: subscription.shown, created_at, updated_at, activity }
    }
}

/// All of them, by name.
#[derive(Serialize, ToSchema)]
pub(super) struct SubscriptionList {
    subscriptions: Vec<ShownSubscription>,
}

/// What a subscription would do with an event.
#[derive(Serialize, ToSchema)]
pub(super) struct Trial {
    /// Whether it is about the event.
    matches: bool,
    /// Why not.
    misses: Vec<String>,
    /// Whether it starts anything at the moment.
    enabled: bool,
    /// The run that the event has started before.
    #[schema(value_type = Option<String>)]
    started_before: Option<RunId>,
    /// What it would start; null when it is not about the event, or when nothing can be started.
    would_start: Option<WouldStart>,
    /// Why nothing can be started.
    refusal: Option<ShownRefusal>,
}

/// A run that would be started.
#[derive(Serialize, ToSchema)]
struct WouldStart {
    workflow: String,
    priority: i16,
    /// What it would start with; for a document, the request.
    #[schema(value_type = Object)]
    input: Value,
    /// The key of the object that would be read.
    document: Option<String>,
    /// What the document would be called.
    file_name: Option<String>,
}

type Name = Result<Path<String>, PathRejection>;

/// Makes a subscription, or replaces the one of that name.
#[utoipa::path(put, path = "/api/v1/subscriptions/{name}", tag = "triggers", params(SubscriptionName),
    request_body = WantedSubscription,
    responses((status = 200, body = ShownSubscription), (status = 201, body = ShownSubscription),
        (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn put(
    State(api): State<Api>,
    caller: Caller<Write>,
    name: Name,
    request: Request,
) -> Result<Response, Problem> {
    let Path(name) = name?;
    let subscription = read(&api, &name, body::json(request, LARGEST).await?).await?;
    let there = api.subscriptions.list(&caller.tenant).await?;
    if there.len() >= store::MOST && there.iter().all(|kept| kept.name != name) {
        let detail = format!("there are {} subscriptions already; remove one", store::MOST);
        return Err(Problem::new(Code::TooManySubscriptions, detail));
    }
    let created = api.subscriptions.put(&caller.tenant, &name, &subscription).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(shown(&api, &caller, &name).await?)).into_response())
}

/// What a subscription says, or everything that is wrong with it.
async fn read(api: &Api, name: &str, value: Value) -> Result<Subscription, Problem> {
    let mut problems = Problems::default();
    let workflow = value.get("workflow").and_then(Value::as_str).map(str::to_owned);
    let read = Subscription::read(value, &mut problems);
    if !is_name(name) {
        problems.report("name", "cannot be used", "use 1 to 64 of a-z, A-Z, 0-9, '-' and '_'");
    }
    if workflow.as_deref().is_some_and(workflows::is_internal) {
        problems.report("$.workflow", "is started by the fleet alone", "name a workflow of your own");
    } else if let Some(workflow) = workflow.filter(|name| name != PIPELINE)
        && workflows::find(api, &workflow).await?.is_none()
    {
        let shown: String = workflow.chars().take(64).collect();
        let fix = "register it with POST /api/v1/workflows";
        problems.report("$.workflow", format!("there is no workflow {shown:?}"), fix);
    }
    match read {
        Some(subscription) if problems.is_empty() => Ok(subscription),
        _ => {
            let detail = "the subscription cannot be used as it is";
            Err(Problem::invalid(Code::SubscriptionInvalid, detail, problems.into_list()))
        }
    }
}

/// A subscription, and what became of it.
#[utoipa::path(get, path = "/api/v1/subscriptions/{name}", tag = "triggers", params(SubscriptionName),
    responses((status = 200, body = ShownSubscription), (status = 404, body = Problem)))]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller<Read>,
    name: Name,
) -> Result<Json<ShownSubscription>, Problem> {
    let Path(name) = name?;
    Ok(Json(shown(&api, &caller, &name).await?))
}

async fn shown<N>(api: &Api, caller: &Caller<N>, name: &str) -> Result<ShownSubscription, Problem> {
    let kept = find(api, caller, name).await?;
    let activity = api.subscriptions.activity(&caller.tenant, name).await?;
    Ok(ShownSubscription::of(kept, activity))
}

async fn find<N>(api: &Api, caller: &Caller<N>, name: &str) -> Result<Kept, Problem> {
    let found = if is_name(name) { api.subscriptions.one(&caller.tenant, name).await? } else { None };
    found.ok_or_else(|| missing(name))
}

/// The tenant's subscriptions.
#[utoipa::path(get, path = "/api/v1/subscriptions", tag = "triggers",
    responses((status = 200, body = SubscriptionList)))]
pub(super) async fn list(State(api): State<Api>, caller: Caller<Read>) -> Result<Json<SubscriptionList>, Problem> {
    let mut activities = api.subscriptions.activities(&caller.tenant).await?;
    let subscriptions = api.subscriptions.list(&caller.tenant).await?.into_iter().map(|kept| {
        let activity = activities.remove(&kept.name).unwrap_or_default();
        ShownSubscription::of(kept, activity)
    });
    Ok(Json(SubscriptionList { subscriptions: subscriptions.collect() }))
}

/// Removes a subscription. Its runs stay.
#[utoipa::path(delete, path = "/api/v1/subscriptions/{name}", tag = "triggers", params(SubscriptionName),
    responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn remove(State(api): State<Api>, caller: Caller<Write>, name: Name) -> Result<StatusCode, Problem> {
    let Path(name) = name?;
    if is_name(&name) && api.subscriptions.remove(&caller.tenant, &name).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(missing(&name))
}

/// Tells what a subscription would do with an event (or with the first object of a bucket's notification), and starts
/// nothing.
#[utoipa::path(post, path = "/api/v1/subscriptions/{name}/test", tag = "triggers", params(SubscriptionName),
    request_body = CloudEvent,
    responses((status = 200, body = Trial), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn test(
    State(api): State<Api>,
    caller: Caller<Read>,
    name: Name,
    request: Request,
) -> Result<Json<Trial>, Problem> {
    let Path(name) = name?;
    let Kept { subscription, .. } = find(&api, &caller, &name).await?;
    let event = event(body::json(request, body::SMALL).await?)?;
    let misses = subscription.misses(&event);
    let mut trial = Trial {
        matches: misses.is_empty(),
        misses,
        enabled: subscription.enabled,
        started_before: None,
        would_start: None,
        refusal: None,
    };
    if !trial.matches {
        return Ok(Json(trial));
    }
    let key = plan::key(&name, &event);
    trial.started_before = api.fleet.runs_by_key(&caller.tenant, std::slice::from_ref(&key)).await?.remove(&key);
    let starter = triggers::starter(&api);
    let planned = Planned::make(&caller.tenant, &starter.imports, &name, &subscription, &event, &mut Room::of(ROOM));
    match planned {
        Ok(planned) => trial.would_start = Some(WouldStart::of(subscription, planned)?),
        Err(refusal) => trial.refusal = Some(refusal.into()),
    }
    Ok(Json(trial))
}

impl WouldStart {
    fn of(subscription: Subscription, planned: Planned) -> Result<Self, Problem> {
        let Subscription { workflow, priority, .. } = subscription;
        let (input, document, file_name) = match planned.plan {
            Plan::Run(order) => (order.input, None, None),
            Plan::Document { place, file_name, request, .. } => {
                let request = serde_json::to_value(&*request).map_err(|error| Problem::internal(&error))?;
                (request, Some(place.as_str().to_owned()), Some(file_name))
            }
        };
        Ok(Self { workflow, priority, input, document, file_name })
    }
}

/// The event of a trial.
fn event(value: Value) -> Result<Event, Problem> {
    let mut problems = Problems::default();
    let told = value.get("Records").is_some() || value.get("detail-type").is_some();
    let event = if told {
        let mut created = s3::read(value, 1, &mut problems).created;
        if created.is_empty() && problems.is_empty() {
            problems.report("$", "tells of no new object", "send a notification of one that was created");
        }
        created.pop()
    } else {
        Event::read(value, "$", &mut problems)
    };
    event.ok_or_else(|| Problem::invalid(Code::EventInvalid, "the event cannot be used as it is", problems.into_list()))
}

fn missing(name: &str) -> Problem {
    let detail = format!("there is no subscription {name:?}; GET /api/v1/subscriptions lists them");
    Problem::new(Code::NoSuchSubscription, detail)
}
