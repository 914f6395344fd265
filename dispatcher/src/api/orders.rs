//! `POST /api/v1/runs` with JSON: runs of any workflow, one or up to a thousand.

use std::collections::BTreeSet;
use std::collections::btree_map::{self, BTreeMap};

use axum::Json;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use backends::fleet;
use backends::roster::Unfit;
use ledger::Submitted;
use protocol::shape::{Field, Problems};
use protocol::stages;
use protocol::{Backend, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::codes::Code;
use super::runs::{Accepted, IDEMPOTENCY};
use super::{Api, MAX_REQUEST, Problem, auth, body, documents, fetched, partial, switching, workflows};
use crate::access::{Identity, Scope};
use crate::submission::{self, Order};

/// Most runs of one call.
const MOST: usize = 1_000;

/// The field that names a backend, and what it takes.
pub(super) const BACKEND: &str = "backend";
pub(super) const BACKENDS: &str = "fleet, embedded, celery, hatchet, temporal or inngest";

const MANY: &[Field] =
    &[Field::of::<Vec<Value>>("runs", "a list of runs"), Field::of::<bool>("partial", "true or false")];

const ONE: &[Field] = &[
    Field::of::<String>("workflow", "the name of a workflow"),
    Field::of::<Value>("input", "any JSON value"),
    Field::of::<i16>("priority", "a whole number from -32768 to 32767"),
    Field::of::<Option<Key>>("idempotency_key", "1 to 255 printable ASCII characters"),
    Field::of::<Option<Backend>>(BACKEND, BACKENDS),
];

/// What JSON may ask for.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = WantedRunOrRuns)]
#[expect(dead_code, reason = "describes a body, which is read with every problem told by its path")]
pub(super) enum Wanted {
    /// One run.
    One(Box<WantedRun>),
    /// Up to 1,000 runs.
    Many(WantedRuns),
}

/// Up to 1,000 runs.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body, which is read with every problem told by its path")]
pub(super) struct WantedRuns {
    /// The runs; unless `partial`, all of them are started or none is.
    runs: Vec<WantedRun>,
    /// Starts what can be started, and says of each other one why it cannot.
    #[schema(default = false)]
    partial: Option<bool>,
}

/// A run as somebody wants it: of a `workflow`, or of the document workflow on a `document` or on what is at a
/// `document_url`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a body, which is read with every problem told by its path")]
pub(super) struct WantedRun {
    /// Name of a workflow of one's own.
    workflow: Option<String>,
    /// What every task of it gets.
    #[schema(value_type = Option<Value>)]
    input: Option<Value>,
    /// A document that was handed in before: `doc_…`.
    document: Option<String>,
    /// The address of a document, which is fetched before the call is answered; for a single run.
    document_url: Option<String>,
    /// What the document at the address is called; as the address ends, unless given.
    file_name: Option<String>,
    /// The questions about the document.
    #[schema(value_type = Option<Object>)]
    request: Option<Value>,
    /// How urgent it is; 0 is usual.
    priority: Option<i16>,
    /// Within the tenant, a key starts one run.
    #[schema(pattern = "^[ -~]{1,255}$")]
    idempotency_key: Option<String>,
    /// Who is to execute it, whatever is chosen for new runs: to try a backend with one run. For keys with the scope
    /// `operate`, and not with `document_url`.
    #[schema(value_type = Option<String>, pattern = "^(fleet|embedded|celery|hatchet|temporal|inngest)$")]
    backend: Option<Backend>,
}

/// What became of JSON.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = AcceptedRunOrRuns)]
#[expect(dead_code, reason = "describes an answer, which is written from other types")]
pub(super) enum Answer {
    /// One run.
    One(Accepted),
    /// Many, in their order.
    Many(AcceptedRuns),
}

/// What became of many runs.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes an answer, which is written from other types")]
pub(super) struct AcceptedRuns {
    /// In the order of the call; with `partial`, problems stand in the places of those that were not started.
    #[schema(value_type = Vec<Object>)]
    runs: Vec<Value>,
}

/// Answer to many.
#[derive(Serialize)]
struct AllAccepted {
    runs: Vec<Accepted>,
}

/// What became of a body.
pub(super) enum Taken {
    /// One run, which is answered as any other.
    One(Submitted),
    /// Many, and their answer.
    Many(Response),
}

/// An idempotency key.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Key(String);

impl Key {
    /// The key as the ledger has it.
    pub(super) fn recorded(self) -> String {
        format!("{IDEMPOTENCY}{}", self.0)
    }
}

impl TryFrom<String> for Key {
    type Error = &'static str;

    fn try_from(key: String) -> Result<Self, Self::Error> {
        let printable = key.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        if printable && (1..=255).contains(&key.len()) { Ok(Self(key)) } else { Err("not a key") }
    }
}

/// What the JSON of a run says.
#[derive(Deserialize)]
struct Entry {
    workflow: String,
    #[serde(default)]
    input: Value,
    #[serde(default)]
    priority: i16,
    #[serde(default)]
    idempotency_key: Option<Key>,
    #[serde(default)]
    backend: Option<Backend>,
}

impl From<Entry> for Order {
    fn from(entry: Entry) -> Self {
        let idempotency_key = entry.idempotency_key.map(Key::recorded);
        let Entry { workflow, input, priority, backend, .. } = entry;
        Self { workflow, input, priority, idempotency_key, backend }
    }
}

/// Records what the body asks for. `key` is that of the header, for a single run.
pub(super) async fn submit(
    api: &Api,
    caller: &Identity,
    request: Request,
    key: Option<String>,
) -> Result<Taken, Problem> {
    let tenant = &caller.tenant;
    let value = body::json(request, MAX_REQUEST).await?;
    let many = value.get("runs").is_some();
    if !many && value.get(fetched::ADDRESS).is_some() {
        return Ok(Taken::One(fetched::submit(api, tenant, value, key).await?));
    }
    let partial = many && value.get("partial") == Some(&Value::Bool(true));
    let entries = entries(value, many)?;
    may_name_backends(caller, &entries)?;
    if partial && key.is_none() {
        return Ok(Taken::Many(partial::submit(api, tenant, entries).await?));
    }
    let mut orders = read(api, tenant, entries, many).await?;
    prepare(api, &orders, many).await?;
    if let Some(key) = key {
        match orders.as_mut_slice() {
            [order] if !many && order.idempotency_key.is_none() => order.idempotency_key = Some(key),
            _ => {
                return Err(Problem::new(
                    Code::IdempotencyKeyInvalid,
                    "the header Idempotency-Key is for a single run without a key of its own; \
                     give each run its \"idempotency_key\" instead",
                ));
            }
        }
    }
    let keys: Vec<Option<String>> = orders.iter().map(|order| order.idempotency_key.clone()).collect();
    auth::count_runs(api, tenant, orders.len()).await?;
    let submitted = match api.desk.submit_orders(tenant, orders).await {
        Ok(submitted) => submitted,
        Err(error) => return Err(explain(error, &keys, many)),
    };
    Ok(answer(submitted, many))
}

fn answer(mut submitted: Vec<Submitted>, many: bool) -> Taken {
    match submitted.pop() {
        Some(only) if !many => Taken::One(only),
        last => {
            submitted.extend(last);
            let runs = submitted.iter().map(Accepted::of).collect();
            Taken::Many((StatusCode::ACCEPTED, Json(AllAccepted { runs })).into_response())
        }
    }
}

/// The runs that a body asks for, or everything that is wrong with it.
async fn read(api: &Api, tenant: &TenantId, entries: Vec<Value>, many: bool) -> Result<Vec<Order>, Problem> {
    let mut problems = Problems::default();
    let mut orders = Vec::with_capacity(entries.len());
    let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (number, entry) in entries.into_iter().enumerate() {
        let path = if many { format!("$.runs[{number}]") } else { "$".to_owned() };
        if entry.get("document").is_some() {
            orders.extend(documents::order(api, tenant, entry, &path, &mut problems).await?);
            continue;
        }
        if let Some(order) = order(entry, &path, &mut problems) {
            named.entry(order.workflow.clone()).or_default().push(format!("{path}.workflow"));
            orders.push(order);
        }
    }
    for (name, paths) in named {
        let Some(Unusable { message, fix }) = unusable(api, &name).await? else { continue };
        for path in paths {
            problems.report(path, &message, fix);
        }
    }
    if problems.is_empty() { Ok(orders) } else { Err(invalid(problems)) }
}

/// Turns away who names a backend and is no operator: the others get what operators chose.
fn may_name_backends(caller: &Identity, entries: &[Value]) -> Result<(), Problem> {
    let names = entries.iter().any(|entry| entry.get(BACKEND).is_some_and(|backend| !backend.is_null()));
    if !names || caller.scopes.include(Scope::Operate) {
        return Ok(());
    }
    let detail = format!(
        "only a key with the scope \"operate\" may name the \"{BACKEND}\" of a run; yours has \"{}\"",
        caller.scopes
    );
    Err(Problem::new(Code::ScopeMissing, detail))
}

/// Makes the workflows of runs that name a backend known there.
async fn prepare(api: &Api, orders: &[Order], many: bool) -> Result<(), Problem> {
    let mut known: BTreeMap<(Backend, &str), Option<Unfit>> = BTreeMap::new();
    let mut problems = Problems::default();
    for (number, order) in orders.iter().enumerate() {
        let Some(backend) = order.backend else { continue };
        let found = match known.entry((backend, order.workflow.as_str())) {
            btree_map::Entry::Occupied(known) => known.into_mut(),
            btree_map::Entry::Vacant(unknown) => unknown.insert(unfit(api, order).await?),
        };
        if let Some(reason) = found {
            let path = if many { format!("$.runs[{number}].{BACKEND}") } else { format!("$.{BACKEND}") };
            problems.report(path, reason.to_string(), switching::fix(reason));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(misplaced(problems)) }
}

/// Why the backend that a run names cannot take it, if so; otherwise it knows its workflow now.
pub(super) async fn unfit(api: &Api, order: &Order) -> Result<Option<Unfit>, Problem> {
    let Some(backend) = order.backend else { return Ok(None) };
    match api.fleet.prepare(backend, Some(&order.workflow)).await {
        Ok(()) => Ok(None),
        Err(fleet::Error::Unfit(reason)) => Ok(Some(reason)),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn misplaced(problems: Problems) -> Problem {
    Problem::invalid(Code::BackendUnfit, "runs cannot go to the backend that they name", problems.into_list())
}

/// What a body has for each run.
fn entries(mut value: Value, many: bool) -> Result<Vec<Value>, Problem> {
    if !many {
        return Ok(vec![value]);
    }
    let mut problems = Problems::default();
    problems.check(&mut value, "$", MANY);
    let entries = match value.get_mut("runs").and_then(Value::as_array_mut) {
        Some(runs) => std::mem::take(runs),
        None => Vec::new(),
    };
    if entries.len() > MOST {
        problems.report("$.runs", format!("has {} runs", entries.len()), format!("send at most {MOST} at a time"));
    }
    if problems.is_empty() { Ok(entries) } else { Err(invalid(problems)) }
}

/// The run that an entry asks for. What is wrong with it, but for the workflow it names, is among the problems.
pub(super) fn order(mut entry: Value, path: &str, problems: &mut Problems) -> Option<Order> {
    if entry.get(fetched::ADDRESS).is_some() {
        let fix = "send this run by itself, or hand its document in with POST /api/v1/documents";
        problems.report(format!("{path}.{}", fetched::ADDRESS), "is fetched in a call of its own", fix);
        return None;
    }
    problems.check(&mut entry, path, ONE);
    if entry.get("workflow").is_none() {
        let fix = "name a registered one; a document is sent as a form: curl -F file=@invoice.pdf";
        problems.report(format!("{path}.workflow"), "is missing", fix);
        return None;
    }
    match Entry::deserialize(entry) {
        Ok(entry) => Some(Order::from(entry)),
        Err(error) => {
            problems.report(path, error.to_string(), "correct it");
            None
        }
    }
}

/// Why no run of a workflow can be started this way.
pub(super) struct Unusable {
    pub(super) message: String,
    pub(super) fix: &'static str,
}

/// Why no run of that workflow can be started this way, if so.
pub(super) async fn unusable(api: &Api, workflow: &str) -> Result<Option<Unusable>, Problem> {
    if stages::is_builtin(workflow) {
        let message = "takes a document".to_owned();
        return Ok(Some(Unusable {
            message,
            fix: "send a form with the document as `file`, or name a stored one as `document`",
        }));
    }
    if workflows::is_internal(workflow) {
        let message = "is started by the fleet alone".to_owned();
        return Ok(Some(Unusable { message, fix: "name a workflow of your own" }));
    }
    let known = workflows::find(api, workflow).await?.is_some();
    Ok((!known).then(|| Unusable {
        message: format!("there is no workflow {workflow:?}"),
        fix: "register it with POST /api/v1/workflows",
    }))
}

pub(super) fn invalid(problems: Problems) -> Problem {
    Problem::invalid(Code::RequestInvalid, "the runs cannot be started as they are", problems.into_list())
}

/// Names the runs at fault when a key was used for something else before.
fn explain(error: submission::Error, keys: &[Option<String>], many: bool) -> Problem {
    use backends::fleet::Error::Ledger;
    let submission::Error::Fleet(Ledger(ledger::Error::IdempotencyConflict(key))) = &error else { return error.into() };
    let places: BTreeSet<usize> =
        keys.iter().enumerate().filter(|(_, own)| own.as_ref() == Some(key)).map(|(place, _)| place).collect();
    let mut problems = Problems::default();
    for place in places {
        let path = if many { format!("$.runs[{place}].idempotency_key") } else { "$.idempotency_key".to_owned() };
        problems.report(path, "was used before with another workflow or input", "use a new one for a new run");
    }
    Problem::invalid(
        Code::IdempotencyConflict,
        "a key was used for another run; nothing was started",
        problems.into_list(),
    )
}

/// Whether a body is JSON by what its sender says.
pub(super) fn is_json(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_field_of_a_run_is_in_the_table() {
        let full =
            json!({ "workflow": "w", "input": [1], "priority": -3, "idempotency_key": "k", "backend": "temporal" });
        let mut checked = full.clone();
        let mut problems = Problems::default();
        problems.check(&mut checked, "$", ONE);
        assert!(problems.is_empty());
        assert_eq!(checked, full);
        let order = Order::from(Entry::deserialize(checked).unwrap());
        assert_eq!((order.priority, order.idempotency_key.as_deref()), (-3, Some("http:k")));
        assert_eq!(order.backend, Some(Backend::Temporal));
    }

    #[test]
    fn a_key_is_short_and_printable() {
        for bad in ["", "a\nb", "ä", &"x".repeat(256)] {
            assert!(Key::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn json_is_known_by_its_media_type() {
        assert!(is_json("application/json; charset=utf-8") && is_json("Application/JSON"));
        assert!(!is_json("application/pdf") && !is_json("application/jsonl") && !is_json(""));
    }
}
