//! `GET /api/v1/backends/comparison`: how backends fared with a tenant's runs.
//!
//! What is compared of a run and its shadow is what `/result` gives as answers: `output` of the document workflow, `outputs`
//! of any other. Times, attempts, usage, evidence and scores are not, and the run's own id within texts counts as the same.

use std::collections::{BTreeMap, HashMap};

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use jiff::{SignedDuration, Timestamp};
use ledger::{RunFilter, RunSummary};
use protocol::{Backend, RunId, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use self::pairs::{PairLine, Pairs};
use self::tally::{BackendLine, Tally};
use super::auth::{Caller, Operate};
use super::codes::Code;
use super::usage::sums::currency;
use super::{Api, Problem};

mod difference;
mod pairs;
mod tally;

/// Most runs that one call looks at, the newest.
const MOST_RUNS: usize = 10_000;

/// Runs that are read at a time.
const PAGE: usize = 500;

/// How far one call looks back unless it is said.
const USUAL: SignedDuration = SignedDuration::from_hours(24);

/// Query of a comparison.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ComparisonQuery {
    /// Runs submitted then or later.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Runs submitted earlier; now unless said otherwise.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// In place of `from`: so long before `to`, in `s`, `m`, `h`, `d` or `w`; `24h` unless said otherwise.
    #[param(example = "24h", pattern = "^[0-9]{1,4}[smhdw]$")]
    since: Option<String>,
    /// Of this workflow.
    workflow: Option<String>,
}

/// How backends fared.
#[derive(Serialize, ToSchema)]
#[schema(as = BackendComparison)]
pub(super) struct Comparison {
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    workflow: Option<String>,
    /// How many runs were looked at: the newest 10,000 at most.
    runs: usize,
    /// Whether there are more runs, or more pairs whose results were not compared.
    truncated: bool,
    /// What costs are in; null when no prices are known.
    currency: Option<String>,
    /// Every backend that had a run.
    backends: Vec<BackendLine>,
    /// Every backend that was repeated by another one.
    pairs: Vec<PairLine>,
}

/// How backends fared with the tenant's runs of a time: how long they took, how many failed, what they cost; and whether runs
/// that were repeated on another backend gave the same answers.
#[utoipa::path(get, path = "/api/v1/backends/comparison", tag = "backends", params(ComparisonQuery),
    responses((status = 200, body = Comparison), (status = 400, body = Problem)))]
pub(super) async fn comparison(
    State(api): State<Api>,
    caller: Caller<Operate>,
    query: Result<Query<ComparisonQuery>, QueryRejection>,
) -> Result<Json<Comparison>, Problem> {
    let Query(query) = query?;
    let (from, to) = times(&query, Timestamp::now())?;
    let filter = RunFilter {
        workflow: query.workflow.clone(),
        created_after: Some(from),
        created_before: Some(to),
        shadows: true,
        ..RunFilter::all()
    };
    let (runs, more, mut tallies) = gathered(&api, &caller.tenant, &filter).await?;
    let known: HashMap<RunId, &RunSummary> = runs.iter().map(|run| (run.id, run)).collect();
    let mut pairs = Pairs::default();
    for run in &runs {
        pairs.look_at(&api, &caller.tenant, run, &known).await?;
    }
    Ok(Json(Comparison {
        from,
        to,
        workflow: query.workflow,
        runs: runs.len(),
        truncated: more || pairs.left_out(),
        currency: currency(&api.prices),
        backends: Backend::ALL.into_iter().filter_map(|name| Some(tallies.remove(&name)?.line(name))).collect(),
        pairs: pairs.lines(),
    }))
}

/// The runs that a filter means, as far as they are looked at, whether there are more, and what they add up to.
async fn gathered(
    api: &Api,
    tenant: &TenantId,
    filter: &RunFilter,
) -> Result<(Vec<RunSummary>, bool, BTreeMap<Backend, Tally>), Problem> {
    let mut runs: Vec<RunSummary> = Vec::new();
    let mut tallies: BTreeMap<Backend, Tally> = BTreeMap::new();
    let mut next = None;
    loop {
        let found = api.fleet.find(tenant, filter, next, PAGE.min(MOST_RUNS - runs.len())).await?;
        let ids: Vec<RunId> = found.runs.iter().map(|run| run.id).collect();
        let consumed = api.fleet.usage_of(tenant, &ids).await?;
        for run in &found.runs {
            tallies.entry(run.backend).or_default().add(&api.prices, run, consumed.get(&run.id));
        }
        runs.extend(found.runs);
        next = found.next;
        if next.is_none() || runs.len() >= MOST_RUNS {
            return Ok((runs, next.is_some(), tallies));
        }
    }
}

/// The time that is meant.
fn times(query: &ComparisonQuery, now: Timestamp) -> Result<(Timestamp, Timestamp), Problem> {
    let unusable = |detail: &str| Problem::new(Code::QueryInvalid, detail);
    let to = query.to.unwrap_or(now);
    let from = match (query.from, &query.since) {
        (Some(_), Some(_)) => return Err(unusable("give \"from\" or \"since\", not both: each says where to begin")),
        (Some(from), None) => from,
        (None, since) => {
            let back = match since {
                Some(text) => period(text).ok_or_else(|| unusable("\"since\" takes a time such as 30m, 24h or 7d"))?,
                None => USUAL,
            };
            to.checked_sub(back).map_err(|_| unusable("this begins before the calendar"))?
        }
    };
    if from > to {
        return Err(unusable("\"from\" is later than \"to\""));
    }
    Ok((from, to))
}

/// A number with its unit.
fn period(text: &str) -> Option<SignedDuration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let digits = (1..=4).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = number.parse().ok().filter(|_| digits)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "w" => 7 * 24 * 60 * 60,
        _ => return None,
    };
    Some(SignedDuration::from_secs(number * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(from: Option<&str>, since: Option<&str>) -> ComparisonQuery {
        let from = from.map(|time| time.parse().unwrap());
        ComparisonQuery { from, to: None, since: since.map(str::to_owned), workflow: None }
    }

    #[test]
    fn the_last_day_is_looked_at_or_what_is_said() {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let from = |query| times(&query, now).map(|(from, _)| from.to_string());
        assert_eq!(from(query(None, None)).unwrap(), "2026-11-25T12:00:00Z");
        assert_eq!(from(query(None, Some("7d"))).unwrap(), "2026-11-19T12:00:00Z");
        assert_eq!(from(query(Some("2026-11-01T00:00:00Z"), None)).unwrap(), "2026-11-01T00:00:00Z");
        assert!(from(query(Some("2026-11-01T00:00:00Z"), Some("1h"))).is_err());
        assert!(from(query(Some("2026-12-01T00:00:00Z"), None)).is_err());
    }

    #[test]
    fn a_period_is_a_number_with_a_unit() {
        assert_eq!(period("90m"), Some(SignedDuration::from_mins(90)));
        for nonsense in ["", "h", "24", "-1h", "+1h", "1.5h", "24H", "12345s", "7ä", "ä"] {
            assert_eq!(period(nonsense), None, "{nonsense:?}");
        }
    }
}
