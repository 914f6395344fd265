//! `/api/v1/events`: what happened elsewhere, as CloudEvents or as buckets tell it, and the runs that it started.

use std::collections::HashSet;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use jiff::Timestamp;
use metrics::counter;
use protocol::shape::Problems;
use protocol::{RunId, TenantId};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::auth::{self, Caller, Write};
use super::codes::Code;
use super::{Api, MAX_REQUEST, Problem, body};
use crate::triggers::starting::{self, Match, Starter};
use crate::triggers::{Event, Kept, Outcome, Refusal, s3};

pub(super) mod schema;

use schema::{BucketNotification, CloudEvents};

/// Most events of one call.
const MOST: usize = 1_000;

/// When whoever sends events may try again after a part of them could not be taken.
const AGAIN: Duration = Duration::from_secs(5);

/// Events that were taken.
#[derive(Serialize, ToSchema)]
pub(super) struct Taken {
    /// In the order in which they came.
    events: Vec<TakenEvent>,
    /// How many records of a notification told something else than a new object; they start nothing.
    ignored: usize,
}

/// An event that was taken.
#[derive(Serialize, ToSchema)]
struct TakenEvent {
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    /// One for each subscription that is about it.
    runs: Vec<Started>,
}

/// What an event started by a subscription.
#[derive(Serialize, ToSchema)]
struct Started {
    /// The subscription.
    subscription: String,
    /// The run; null when nothing can be started.
    #[schema(value_type = Option<String>)]
    run_id: Option<RunId>,
    /// False when an earlier call had started it.
    created: bool,
    status_url: Option<String>,
    /// Why nothing can be started; null when something was.
    refusal: Option<ShownRefusal>,
}

/// Why nothing can be started.
#[derive(Serialize, ToSchema)]
pub(super) struct ShownRefusal {
    /// Stable, for programs.
    code: &'static str,
    /// One sentence for a person.
    detail: String,
}

impl From<Refusal> for ShownRefusal {
    fn from(refusal: Refusal) -> Self {
        Self { code: refusal.code, detail: refusal.detail }
    }
}

impl Started {
    fn of(subscription: &str, outcome: Outcome) -> Self {
        let subscription = subscription.to_owned();
        match outcome {
            Outcome::Run { id, created } => {
                let status_url = Some(format!("/api/v1/runs/{id}"));
                Self { subscription, run_id: Some(id), created, status_url, refusal: None }
            }
            Outcome::Refused(refusal) => {
                let refusal = Some(refusal.into());
                Self { subscription, run_id: None, created: false, status_url: None, refusal }
            }
        }
    }
}

/// Takes events: CloudEvents 1.0 in their JSON form, one or a list of up to 1,000. Each starts what the tenant's
/// subscriptions say, once, however often it is sent.
#[utoipa::path(post, path = "/api/v1/events", tag = "triggers", request_body = CloudEvents,
    responses((status = 202, body = Taken), (status = 400, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn take(
    State(api): State<Api>,
    caller: Caller<Write>,
    request: Request,
) -> Result<(StatusCode, Json<Taken>), Problem> {
    let form = Form::of(&request)?;
    let events = read(body::json(request, MAX_REQUEST).await?, form)?;
    answer(&api, &caller.tenant, events, 0).await
}

/// Takes a notification of a bucket as Amazon S3, MinIO or EventBridge send it. Each new object becomes an event of the type
/// `s3.object_created`.
#[utoipa::path(post, path = "/api/v1/events/s3", tag = "triggers", request_body = BucketNotification,
    responses((status = 202, body = Taken), (status = 400, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)))]
pub(super) async fn take_s3(
    State(api): State<Api>,
    caller: Caller<Write>,
    request: Request,
) -> Result<(StatusCode, Json<Taken>), Problem> {
    let mut problems = Problems::default();
    let told = s3::read(body::json(request, MAX_REQUEST).await?, MOST, &mut problems);
    if !problems.is_empty() {
        return Err(invalid(problems));
    }
    answer(&api, &caller.tenant, told.created, told.others).await
}

/// How events are put, by what their sender says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    One,
    List,
    Either,
}

impl Form {
    fn of(request: &Request) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).map_or("", |kind| kind.to_str().unwrap_or("?"));
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "application/cloudevents+json" => Ok(Self::One),
            "application/cloudevents-batch+json" => Ok(Self::List),
            "application/json" | "" => Ok(Self::Either),
            _ => {
                let detail =
                    "send application/json, application/cloudevents+json or application/cloudevents-batch+json";
                Err(Problem::new(Code::MediaTypeUnsupported, detail))
            }
        }
    }
}

/// The events of a body, or everything that is wrong with them.
fn read(value: Value, form: Form) -> Result<Vec<Event>, Problem> {
    let mut problems = Problems::default();
    let mut events = Vec::new();
    match value {
        Value::Array(_) if form == Form::One => {
            problems.report("$", "is a list", "send lists as application/cloudevents-batch+json");
        }
        Value::Array(list) if list.len() > MOST => {
            problems.report("$", format!("has {} events", list.len()), format!("send at most {MOST} at a time"));
        }
        Value::Array(list) => {
            for (place, one) in list.into_iter().enumerate() {
                events.extend(Event::read(one, &format!("$[{place}]"), &mut problems));
            }
        }
        _ if form == Form::List => {
            problems.report("$", "is no list", "send a single event as application/cloudevents+json");
        }
        one => events.extend(Event::read(one, "$", &mut problems)),
    }
    if problems.is_empty() { Ok(events) } else { Err(invalid(problems)) }
}

fn invalid(problems: Problems) -> Problem {
    Problem::invalid(
        Code::EventInvalid,
        "the events cannot be used as they are; nothing was started",
        problems.into_list(),
    )
}

/// Starts what events start, and tells it.
async fn answer(
    api: &Api,
    tenant: &TenantId,
    events: Vec<Event>,
    ignored: usize,
) -> Result<(StatusCode, Json<Taken>), Problem> {
    let subscriptions = api.subscriptions.list(tenant).await?;
    let matches = starting::matches(&events, &subscriptions);
    let outcomes = start(api, tenant, &events, &subscriptions, &matches).await?;
    let tally = starting::tally(&events, &subscriptions, &matches, &outcomes, Timestamp::now());
    for (name, more) in &tally {
        // Counted as well as it goes: the runs are on record, and the answer is theirs.
        if let Err(error) = api.subscriptions.note(tenant, name, more).await {
            tracing::warn!(subscription = name, error = %error, "what became of events could not be counted");
        }
    }
    counter!("flotilla_events_taken_total").increment(events.len() as u64);
    let mut taken: Vec<TakenEvent> = events
        .into_iter()
        .map(|event| TakenEvent { id: event.id, source: event.source, kind: event.kind, runs: Vec::new() })
        .collect();
    for (one, outcome) in matches.iter().zip(outcomes) {
        taken[one.event].runs.push(Started::of(&subscriptions[one.subscription].name, outcome));
    }
    Ok((StatusCode::ACCEPTED, Json(Taken { events: taken, ignored })))
}

async fn start(
    api: &Api,
    tenant: &TenantId,
    events: &[Event],
    subscriptions: &[Kept],
    matches: &[Match],
) -> Result<Vec<Outcome>, Problem> {
    if matches.is_empty() {
        return Ok(Vec::new());
    }
    if matches.len() > starting::MOST {
        let (runs, most) = (matches.len(), starting::MOST);
        let detail =
            format!("these events would start {runs} runs, and one call starts at most {most}; send fewer events");
        return Err(Problem::new(Code::TooManyRuns, detail));
    }
    let starter = starter(api);
    let known = starter.known(tenant, matches).await.map_err(|error| incomplete(&error))?;
    let fresh: HashSet<&str> = matches.iter().map(Match::key).filter(|key| !known.contains_key(*key)).collect();
    if !fresh.is_empty() {
        auth::count_runs(api, tenant, fresh.len()).await?;
    }
    let started = starter.start(tenant, events, subscriptions, matches, known).await;
    started.map_err(|error| incomplete(&error))
}

/// What starts runs for this API.
pub(super) fn starter(api: &Api) -> Starter {
    Starter {
        desk: api.desk.clone(),
        fleet: api.fleet.clone(),
        objects: api.objects.clone(),
        imports: api.imports.clone(),
        way_out: api.way_out.clone(),
        most_bytes: api.max_upload as u64,
    }
}

/// Whoever sends events sends them again then, and what was started is not started twice.
fn incomplete(error: &starting::Error) -> Problem {
    let source = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(error = %error, source, "events could not be taken whole");
    let detail =
        "not everything could be started; send the same events again, which starts what is missing and nothing twice";
    Problem::new(Code::EventsIncomplete, detail).retry_after(AGAIN)
}
