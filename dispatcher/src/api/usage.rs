//! `GET /api/v1/usage` and `GET /api/v1/runs/{id}/usage`: what was consumed.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use ledger::{Consumed, RunFilter};
use protocol::RunId;
use protocol::answer::Usage;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::{Caller, Read};
use super::codes::Code;
use super::paging::RecordId;
use super::runs::{self, Id};
use super::{Api, Problem};
use sums::{Account, Line, Sum, added_up, currency};

pub(super) mod sums;

/// Longest time that one call looks at, in days.
const LONGEST: i32 = 366;

/// How many days are looked at unless it is said: today and those before.
const USUAL_DAYS: i32 = 30;

/// Most runs of a page.
const MOST_RUNS: usize = 500;

/// By what consumption is added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Group {
    /// By the day of its recording, in UTC.
    #[default]
    Day,
    /// By model.
    Model,
    /// By run, for runs that were submitted in that time, the newest first.
    Run,
}

/// Query of a sum.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UsageQuery {
    /// By what to add up.
    #[serde(default)]
    #[param(inline)]
    group: Group,
    /// The first day, in UTC; 29 days before the last one unless said otherwise.
    #[param(value_type = Option<String>, format = Date)]
    from: Option<Date>,
    /// The last day, in UTC; today unless said otherwise. At most 366 days in all.
    #[param(value_type = Option<String>, format = Date)]
    to: Option<Date>,
    /// By run: `next` of the page before.
    #[param(value_type = Option<String>, pattern = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
    cursor: Option<RunId>,
    /// By run: at most so many; 50 unless said otherwise, and 500 is the most there is.
    limit: Option<usize>,
}

/// What a tenant consumed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TenantUsage {
    group: Group,
    #[schema(value_type = String, format = Date)]
    from: Date,
    #[schema(value_type = String, format = Date)]
    to: Date,
    /// What costs are in; null when no prices are known.
    currency: Option<String>,
    /// Everything together; not by run, where a page is not everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<Sum>,
    lines: Vec<Line>,
    /// By run: pass it as `cursor` for the next page; null at the end.
    #[schema(value_type = Option<String>)]
    next: Option<RunId>,
}

/// What a run consumed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UsageOfRun {
    #[schema(value_type = String)]
    run_id: RunId,
    /// What costs are in; null when no prices are known.
    currency: Option<String>,
    /// Everything together, of all attempts, also those that failed. What a retry took over counts for the run that did it.
    total: Sum,
    /// By model.
    models: Vec<Line>,
    /// By task, in the workflow's order; those that consumed nothing are left out.
    tasks: Vec<TaskUsage>,
}

/// What a task of a run consumed, with all its items.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaskUsage {
    task: String,
    #[serde(flatten)]
    sum: Sum,
}

/// What the tenant consumed, as it was recorded together with the attempts.
#[utoipa::path(get, path = "/api/v1/usage", tag = "runs", params(UsageQuery),
    responses((status = 200, body = TenantUsage), (status = 400, body = Problem)))]
pub(super) async fn usage(
    State(api): State<Api>,
    caller: Caller<Read>,
    query: Result<Query<UsageQuery>, QueryRejection>,
) -> Result<Json<TenantUsage>, Problem> {
    let Query(query) = query?;
    let (from, to) = days(query.from, query.to, Timestamp::now().to_zoned(TimeZone::UTC).date())?;
    let group = query.group;
    if group != Group::Run {
        if query.cursor.is_some() || query.limit.is_some() {
            return Err(unusable("\"cursor\" and \"limit\" are for group=run"));
        }
        let rows = api.fleet.usage(&caller.tenant, from, to).await?;
        let (lines, total) = added_up(&api.prices, group, &rows);
        let currency = currency(&api.prices);
        return Ok(Json(TenantUsage { group, from, to, currency, total: Some(total), lines, next: None }));
    }
    let filter = RunFilter {
        created_after: Some(start_of(from)?),
        created_before: Some(start_of(to.tomorrow().map_err(|_| unusable("\"to\" is beyond the calendar"))?)?),
        ..RunFilter::all()
    };
    let limit = query.limit.unwrap_or(50).clamp(1, MOST_RUNS);
    let found = api.fleet.find(&caller.tenant, &filter, query.cursor, limit).await?;
    let ids: Vec<RunId> = found.runs.iter().map(|run| run.id).collect();
    let consumed = api.fleet.usage_of(&caller.tenant, &ids).await?;
    let line = |run| {
        let mut account = Account::default();
        let of_run = consumed.get(&run);
        account.add_attempt(&api.prices, of_run.map_or(&Usage::default(), |of_run| &of_run.usage));
        Line::of_run(run, account.sum(of_run.map_or(0, |of_run| of_run.attempts)))
    };
    let lines = ids.into_iter().map(line).collect();
    let currency = currency(&api.prices);
    Ok(Json(TenantUsage { group, from, to, currency, total: None, lines, next: found.next }))
}

/// What a run consumed until now.
#[utoipa::path(get, path = "/api/v1/runs/{id}/usage", tag = "runs", params(RecordId),
    responses((status = 200, body = UsageOfRun), (status = 404, body = Problem)))]
pub(super) async fn of_run(State(api): State<Api>, caller: Caller<Read>, id: Id) -> Result<Json<UsageOfRun>, Problem> {
    let record = runs::find(&api, &caller.tenant, id).await?;
    let prices = &api.prices;
    let mut total = Account::default();
    let mut models: BTreeMap<Option<String>, Account> = BTreeMap::new();
    let mut by_task: BTreeMap<&str, Account> = BTreeMap::new();
    for task_run in &record.run.tasks {
        for attempt in record.attempts.get(&task_run.id).into_iter().flatten() {
            total.add_attempt(prices, &attempt.usage);
            by_task.entry(&task_run.task).or_default().add_attempt(prices, &attempt.usage);
            for (model, consumed) in Consumed::by_model(&attempt.usage) {
                models.entry(model.clone()).or_default().add(prices, model.as_deref(), &consumed);
            }
        }
    }
    let specs = record.run.workflow.tasks.iter();
    let tasks = specs.filter_map(|spec| {
        let used = by_task.get(spec.name.as_str()).filter(|used| used.consumed.counted > 0)?;
        Some(TaskUsage { task: spec.name.clone(), sum: used.of_all() })
    });
    Ok(Json(UsageOfRun {
        run_id: record.run.id,
        currency: currency(prices),
        total: total.of_all(),
        models: models.into_iter().map(|(model, account)| Line::of_model(model, account.of_model())).collect(),
        tasks: tasks.collect(),
    }))
}

/// The first and the last day that are meant.
fn days(from: Option<Date>, to: Option<Date>, today: Date) -> Result<(Date, Date), Problem> {
    let to = to.unwrap_or(today);
    let from = match from {
        Some(from) => from,
        None => to.checked_sub((USUAL_DAYS - 1).days()).map_err(|_| unusable("\"to\" is before the calendar"))?,
    };
    let days = from.duration_until(to).as_hours() / 24 + 1;
    match days {
        ..1 => Err(unusable("\"from\" is later than \"to\"")),
        days if days > i64::from(LONGEST) => {
            Err(unusable(&format!("from {from} to {to} are {days} days; ask for at most {LONGEST} at a time")))
        }
        _ => Ok((from, to)),
    }
}

fn start_of(day: Date) -> Result<Timestamp, Problem> {
    let start = day.to_zoned(TimeZone::UTC).map_err(|_| unusable("a day is beyond the calendar"))?;
    Ok(start.timestamp())
}

fn unusable(detail: &str) -> Problem {
    Problem::new(Code::QueryInvalid, detail)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_month_is_looked_at_and_a_year_at_most() {
        let today = date(2026, 11, 26);
        assert_eq!(days(None, None, today).unwrap(), (date(2026, 10, 28), today));
        assert_eq!(days(None, Some(date(2026, 3, 1)), today).unwrap().0, date(2026, 1, 31));
        assert!(days(Some(date(2026, 1, 1)), Some(date(2026, 12, 31)), today).is_ok());
        assert!(days(Some(date(2025, 1, 1)), Some(date(2026, 12, 31)), today).is_err());
        assert!(days(Some(date(2026, 11, 27)), None, today).is_err());
    }
}
