//! `/api/v1/schedules`: runs that start by the clock.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ledger::{Misfire, Schedule};
use protocol::RunId;
use protocol::shape::{Field, Problems};
use protocol::stages;
use protocol::workflow::is_name;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::auth::{Caller, Read, Write};
use super::codes::Code;
use super::paging::{IfNoneMatch, Named};
use super::{Api, Problem, body, conditional, workflows};
use crate::results;
use crate::schedules::Cron;

/// How many of the next times are shown.
const UPCOMING: usize = 5;

const FIELDS: &[Field] = &[
    Field::of::<String>("workflow", "the name of a workflow"),
    Field::of::<Value>("input", "any JSON value"),
    Field::of::<String>("cron", "five fields, such as \"0 6 * * mon-fri\""),
    Field::of::<String>("time_zone", "an IANA time zone, such as \"Europe/Berlin\""),
    Field::of::<Misfire>("misfire", "\"skip\", \"once\" or \"all\""),
    Field::of::<i16>("priority", "a whole number from -32768 to 32767"),
    Field::of::<bool>("enabled", "true or false"),
];

/// A schedule as somebody wants it.
#[derive(Deserialize, ToSchema)]
#[schema(as = WantedSchedule)]
pub(super) struct Wanted {
    /// Name of a workflow.
    workflow: String,
    /// What every task of its runs gets.
    #[serde(default)]
    input: Value,
    /// When: minute, hour, day, month, day of the week, such as `0 6 * * mon-fri`.
    cron: String,
    /// An IANA time zone.
    #[serde(default = "utc")]
    #[schema(example = "Europe/Berlin")]
    time_zone: String,
    /// What happens with times that nobody kept: `skip`, `once` or `all`.
    #[serde(default)]
    #[schema(value_type = String, pattern = "^(skip|once|all)$")]
    misfire: Misfire,
    #[serde(default)]
    priority: i16,
    #[serde(default = "yes")]
    enabled: bool,
}

/// A schedule as it is.
#[derive(Serialize, ToSchema)]
#[schema(as = Schedule)]
pub(super) struct Shown {
    name: String,
    workflow: String,
    input: Value,
    cron: String,
    time_zone: String,
    #[schema(value_type = String)]
    misfire: Misfire,
    priority: i16,
    enabled: bool,
    #[schema(value_type = Option<String>, format = DateTime)]
    next_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_at: Option<Timestamp>,
    #[schema(value_type = Option<String>)]
    last_run: Option<RunId>,
    /// The next times as the clock there shows them.
    upcoming: Vec<String>,
}

/// All of them, by name.
#[derive(Serialize, ToSchema)]
#[schema(as = ScheduleList)]
pub(super) struct Listed {
    schedules: Vec<Shown>,
}

type Name = Result<Path<String>, PathRejection>;

fn utc() -> String {
    "UTC".to_owned()
}

fn yes() -> bool {
    true
}

/// Sets a schedule up, or changes it.
#[utoipa::path(put, path = "/api/v1/schedules/{name}", tag = "schedules", params(Named), request_body = Wanted,
    responses((status = 200, body = Shown), (status = 201, body = Shown), (status = 422, body = Problem)))]
pub(super) async fn put(
    State(api): State<Api>,
    caller: Caller<Write>,
    name: Name,
    request: Request,
) -> Result<Response, Problem> {
    let Path(name) = name?;
    let (wanted, cron, zone) = read(&api, &name, body::json(request, body::SMALL).await?).await?;
    let known = api.fleet.schedule(&caller.tenant, &name).await?;
    let schedule = Schedule {
        tenant: caller.tenant.clone(),
        name,
        input: api.desk.keep(wanted.input).await?,
        next_at: if wanted.enabled { cron.next(&zone, Timestamp::now()) } else { None },
        workflow: wanted.workflow,
        cron: wanted.cron,
        time_zone: wanted.time_zone,
        misfire: wanted.misfire,
        priority: wanted.priority,
        enabled: wanted.enabled,
        last_at: known.as_ref().and_then(|known| known.last_at),
        last_run: known.as_ref().and_then(|known| known.last_run),
    };
    api.fleet.put_schedule(&schedule).await?;
    let status = if known.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(shown(&api, schedule).await?)).into_response())
}

/// Everything that a schedule says, or everything that is wrong with it.
async fn read(api: &Api, name: &str, mut value: Value) -> Result<(Wanted, Cron, TimeZone), Problem> {
    let mut problems = Problems::default();
    if !is_name(name) {
        problems.report("name", "cannot be used", "use 1 to 64 of a-z, A-Z, 0-9, '-' and '_'");
    }
    problems.check(&mut value, "$", FIELDS);
    problems.require(&value, "$", "workflow");
    problems.require(&value, "$", "cron");
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    if let Some(workflow) = text("workflow") {
        if stages::is_builtin(workflow) {
            problems.report("$.workflow", "takes a document, which no schedule has", "name a workflow of your own");
        } else if workflows::is_internal(workflow) {
            problems.report("$.workflow", "is started by the fleet alone", "name a workflow of your own");
        } else if workflows::find(api, workflow).await?.is_none() {
            let message = format!("there is no workflow {workflow:?}");
            problems.report("$.workflow", message, "register it with POST /api/v1/workflows");
        }
    }
    let zone = TimeZone::get(text("time_zone").unwrap_or("UTC")).ok();
    if zone.is_none() {
        problems.report("$.time_zone", "is no IANA time zone", "write one such as \"Europe/Berlin\"");
    }
    let cron = match text("cron").map(str::parse::<Cron>) {
        Some(Ok(cron)) => {
            if zone.as_ref().is_some_and(|zone| cron.next(zone, Timestamp::now()).is_none()) {
                problems.report("$.cron", "never comes true", "name a day that exists");
            }
            Some(cron)
        }
        Some(Err(error)) => {
            problems.report("$.cron", error.to_string(), "write minute, hour, day, month, day of the week");
            None
        }
        None => None,
    };
    match (Wanted::deserialize(value), cron, zone) {
        (Ok(wanted), Some(cron), Some(zone)) if problems.is_empty() => Ok((wanted, cron, zone)),
        _ => Err(Problem::invalid(Code::ScheduleInvalid, "the schedule cannot be used as it is", problems.into_list())),
    }
}

/// One schedule.
#[utoipa::path(get, path = "/api/v1/schedules/{name}", tag = "schedules", params(Named, IfNoneMatch),
    responses((status = 200, body = Shown), (status = 304, description = "It is as the client has it"), (status = 404, body = Problem)))]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller<Read>,
    name: Name,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Path(name) = name?;
    let found = if is_name(&name) { api.fleet.schedule(&caller.tenant, &name).await? } else { None };
    let schedule = found.ok_or_else(|| missing(&name))?;
    conditional::json(&headers, &shown(&api, schedule).await?)
}

/// The schedules of the tenant, by name.
#[utoipa::path(get, path = "/api/v1/schedules", tag = "schedules", responses((status = 200, body = Listed)))]
pub(super) async fn list(State(api): State<Api>, caller: Caller<Read>) -> Result<Response, Problem> {
    let mut schedules = Vec::new();
    for schedule in api.fleet.schedules(&caller.tenant).await? {
        schedules.push(shown(&api, schedule).await?);
    }
    Ok(Json(Listed { schedules }).into_response())
}

/// Removes a schedule; its runs stay.
#[utoipa::path(delete, path = "/api/v1/schedules/{name}", tag = "schedules", params(Named),
    responses((status = 204), (status = 404, body = Problem)))]
pub(super) async fn remove(State(api): State<Api>, caller: Caller<Write>, name: Name) -> Result<Response, Problem> {
    let Path(name) = name?;
    if is_name(&name) && api.fleet.remove_schedule(&caller.tenant, &name).await? {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Err(missing(&name))
}

fn missing(name: &str) -> Problem {
    let detail = format!("there is no schedule {name:?}; GET /api/v1/schedules lists them");
    Problem::new(Code::NoSuchSchedule, detail)
}

async fn shown(api: &Api, schedule: Schedule) -> Result<Shown, Problem> {
    let input = results::load(&schedule.input, api.objects.as_ref()).await?;
    Ok(Shown {
        upcoming: upcoming(&schedule),
        name: schedule.name,
        workflow: schedule.workflow,
        input,
        cron: schedule.cron,
        time_zone: schedule.time_zone,
        misfire: schedule.misfire,
        priority: schedule.priority,
        enabled: schedule.enabled,
        next_at: schedule.next_at,
        last_at: schedule.last_at,
        last_run: schedule.last_run,
    })
}

fn upcoming(schedule: &Schedule) -> Vec<String> {
    let (Some(next_at), Ok(cron), Ok(zone)) =
        (schedule.next_at, schedule.cron.parse::<Cron>(), TimeZone::get(&schedule.time_zone))
    else {
        return Vec::new();
    };
    let times = std::iter::once(next_at).chain(cron.after(&zone, next_at)).take(UPCOMING);
    times.map(|at| at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()).collect()
}
