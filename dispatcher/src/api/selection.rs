//! Which runs a call is about: the body of calls that change many of them.

use axum::extract::Request;
use jiff::Timestamp;
use ledger::RunFilter;
use protocol::shape::{Field, Problems};
use protocol::{RunId, RunState};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::codes::Code;
use super::{Problem, body};

/// Most runs of one call.
const MOST: usize = 1_000;

/// Longest reason, in bytes.
const LONGEST_REASON: usize = 1_000;

const FILTER: Field = Field::of::<Value>("filter", "an object");
const ALL: Field = Field::of::<Option<bool>>("all", "true or false");
const LIMIT: Field = Field::of::<Option<u16>>("limit", "a whole number from 1 to 1000");
const CURSOR: Field = Field::of::<Option<RunId>>("cursor", "\"next\" of an earlier answer");
const DRY_RUN: Field = Field::of::<Option<bool>>("dry_run", "true or false");

/// What a call that does runs again may say.
pub(super) const RETRY: &[Field] =
    &[FILTER, ALL, LIMIT, CURSOR, DRY_RUN, Field::of::<Option<String>>("from", "the name of a task")];

/// What a call that cancels runs may say.
pub(super) const CANCEL: &[Field] =
    &[FILTER, ALL, LIMIT, CURSOR, DRY_RUN, Field::of::<Option<String>>("reason", "one sentence")];

const FILTER_FIELDS: &[Field] = &[
    Field::of::<Option<Vec<RunState>>>("states", "a list of queued, running, succeeded, failed, cancelled"),
    Field::of::<Option<String>>("workflow", "the name of a workflow"),
    Field::of::<Option<Timestamp>>("created_after", "a time such as \"2026-11-26T00:00:00Z\""),
    Field::of::<Option<Timestamp>>("created_before", "a time such as \"2026-11-26T00:00:00Z\""),
];

/// Which runs are meant, and what more is to be said of them. Exactly one of `filter` and `all` says which.
#[derive(Debug, ToSchema)]
pub(super) struct Selection {
    /// Runs that have everything this names; at least one thing.
    #[schema(value_type = Option<WantedFilter>)]
    pub(super) filter: RunFilter,
    /// True: every run.
    #[expect(dead_code, reason = "described for clients; the filter says it inside")]
    all: Option<bool>,
    /// At most so many runs in this call, from 1 to 1,000.
    #[schema(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    pub(super) limit: usize,
    /// `next` of an earlier answer.
    #[schema(value_type = Option<String>)]
    pub(super) cursor: Option<RunId>,
    /// True: say how many there are and change nothing.
    #[schema(value_type = Option<bool>)]
    pub(super) dry_run: bool,
    /// For a retry: the task to begin with, even if it succeeded.
    pub(super) from: Option<String>,
    /// For a cancellation: why, one sentence.
    pub(super) reason: Option<String>,
}

/// What runs have in common.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct WantedFilter {
    /// In one of these states.
    #[schema(value_type = Option<Vec<String>>)]
    states: Option<Vec<RunState>>,
    /// Of this workflow.
    workflow: Option<String>,
    /// Submitted then or later.
    #[schema(value_type = Option<String>, format = DateTime)]
    created_after: Option<Timestamp>,
    /// Submitted earlier.
    #[schema(value_type = Option<String>, format = DateTime)]
    created_before: Option<Timestamp>,
}

/// The body as it comes.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Wanted {
    filter: Option<WantedFilter>,
    all: Option<bool>,
    limit: Option<u16>,
    cursor: Option<RunId>,
    dry_run: Option<bool>,
    from: Option<String>,
    reason: Option<String>,
}

/// The selection of a body that may have these fields.
pub(super) async fn read(request: Request, fields: &[Field]) -> Result<Selection, Problem> {
    selection(body::optional(request, body::SMALL).await?, fields)
}

fn selection(mut value: Value, fields: &[Field]) -> Result<Selection, Problem> {
    let mut problems = Problems::default();
    problems.check(&mut value, "$", fields);
    if let Some(filter) = value.get_mut("filter").filter(|filter| !filter.is_null()) {
        problems.check(filter, "$.filter", FILTER_FIELDS);
    }
    let wanted = Wanted::deserialize(value).unwrap_or_default();
    let filter = wanted.filter.map(RunFilter::from);
    match (&filter, wanted.all) {
        (Some(filter), None | Some(false)) if !filter.is_empty() => {}
        (None, Some(true)) => {}
        _ => problems.report(
            "$",
            "does not say which runs are meant",
            "give exactly one of \"filter\": {…} that names something, and \"all\": true",
        ),
    }
    let limit = wanted.limit.map_or(MOST, usize::from);
    if !(1..=MOST).contains(&limit) {
        problems.report("$.limit", format!("is {limit}"), format!("use 1 to {MOST}"));
    }
    if wanted.reason.as_ref().is_some_and(|reason| reason.len() > LONGEST_REASON || reason.contains('\0')) {
        problems.report("$.reason", "cannot be kept", format!("use one sentence of at most {LONGEST_REASON} bytes"));
    }
    if !problems.is_empty() {
        return Err(invalid(problems));
    }
    Ok(Selection {
        filter: filter.unwrap_or_default(),
        all: wanted.all,
        limit,
        cursor: wanted.cursor,
        dry_run: wanted.dry_run.unwrap_or(false),
        from: wanted.from,
        reason: wanted.reason,
    })
}

impl From<WantedFilter> for RunFilter {
    fn from(wanted: WantedFilter) -> Self {
        let WantedFilter { states, workflow, created_after, created_before } = wanted;
        Self { states: states.unwrap_or_default(), workflow, created_after, created_before, ..Self::all() }
    }
}

/// The problem that a body says something that cannot be.
pub(super) fn invalid(problems: Problems) -> Problem {
    Problem::invalid(
        Code::SelectionInvalid,
        "it cannot be done as it is said; nothing was changed",
        problems.into_list(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_slip_never_means_every_run() {
        let refused = [
            json!({}),
            json!({ "filter": {} }),
            json!({ "filter": null }),
            json!({ "all": false }),
            json!({ "all": true, "filter": { "workflow": "w" } }),
            json!({ "filter": { "state": ["failed"] } }),
            json!({ "filter": { "states": [] } }),
            json!({ "filter": { "states": ["failing"] } }),
            json!({ "filter": "everything" }),
            json!({ "all": true, "limit": 0 }),
            json!({ "all": true, "limit": 1_001 }),
            json!({ "all": true, "cursor": "next" }),
            json!({ "all": true, "dry-run": true }),
            json!([]),
        ];
        for body in refused {
            assert!(selection(body.clone(), CANCEL).is_err(), "{body}");
        }
    }

    #[test]
    fn what_is_said_is_what_is_meant() {
        let all = selection(json!({ "all": true }), RETRY).unwrap();
        assert_eq!((all.filter, all.limit, all.dry_run, all.from), (RunFilter::all(), MOST, false, None));
        let filter = json!({ "states": ["failed"], "workflow": "w", "created_before": "2026-11-26T00:00:00Z" });
        let some = selection(json!({ "filter": filter, "limit": 7, "dry_run": true, "from": "b" }), RETRY).unwrap();
        assert_eq!((some.filter.states, some.filter.workflow.as_deref()), (vec![RunState::Failed], Some("w")));
        assert_eq!((some.limit, some.dry_run, some.from.as_deref()), (7, true, Some("b")));
        assert!(selection(json!({ "all": true, "from": "b" }), CANCEL).is_err(), "nothing to begin with");
    }
}
