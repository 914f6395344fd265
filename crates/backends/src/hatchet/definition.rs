//! Our workflows as Hatchet wants to have them.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use protocol::{TaskSpec, Workflow};

use super::proto::v1;

/// How long a task may be in a worker's hands. The ledger and the worker end attempts in time; here the wait for a free slot
/// and extensions count as well, so this only catches what both have forgotten.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a task may wait for a worker. The ledger ends runs that wait too long.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How often Hatchet may hand a task out again. The ledger counts attempts, so this is as good as for ever.
const RETRIES: i32 = 100_000;

/// Engines that do not know the delay that a failure asks for double theirs, up to so many seconds.
const SLOWEST: i32 = 30;

/// How long a second start of the same run is recognised.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The workflow as Hatchet is told.
///
/// # Errors
/// Two names that Hatchet cannot tell apart.
pub(super) fn of(
    workflow: &Workflow,
    namespace: &str,
    tenant_runs: Option<i32>,
) -> Result<v1::CreateWorkflowVersionRequest, String> {
    let mut seen = BTreeSet::new();
    for task in &workflow.tasks {
        if !seen.insert(task.name.to_lowercase()) {
            return Err(format!(
                "tasks of {:?} must not differ in upper and lower case alone, as {:?} does from another",
                workflow.name, task.name
            ));
        }
    }
    let shares = tenant_runs.map(|runs| v1::Concurrency {
        expression: "input.tenant".to_owned(),
        max_runs: Some(runs),
        limit_strategy: Some(v1::ConcurrencyLimitStrategy::GroupRoundRobin.into()),
    });
    Ok(v1::CreateWorkflowVersionRequest {
        name: name(namespace, &workflow.name),
        description: format!("Version {} of a workflow of Flotilla's.", workflow.version),
        version: format!("v{}", workflow.version),
        tasks: workflow.tasks.iter().map(|spec| task(namespace, workflow, spec)).collect(),
        sticky: workflow.sticky.then(|| v1::StickyStrategy::Soft.into()),
        concurrency_arr: shares.into_iter().collect(),
        idempotency: Some(v1::IdempotencyConfig {
            expression: "input.run_id".to_owned(),
            ttl_ms: i64::try_from(REMEMBERED.as_millis()).unwrap_or(i64::MAX),
            method: Some(v1::IdempotencyMethod::Ttl.into()),
        }),
        ..v1::CreateWorkflowVersionRequest::default()
    })
}

/// The name of a workflow at Hatchet.
pub(super) fn name(namespace: &str, workflow: &str) -> String {
    format!("{namespace}{workflow}")
}

/// The name of a task at Hatchet: which workers take it. The engine writes it in lower case whatever we do.
pub(super) fn action(namespace: &str, workflow: &str, task: &str) -> String {
    format!("{namespace}{workflow}:{task}").to_lowercase()
}

fn task(namespace: &str, workflow: &Workflow, spec: &TaskSpec) -> v1::CreateTaskOpts {
    v1::CreateTaskOpts {
        readable_id: spec.name.clone(),
        action: action(namespace, &workflow.name, &spec.name),
        timeout: seconds(LONGEST.max(spec.timeouts.hard.saturating_mul(2))),
        inputs: "{}".to_owned(),
        parents: spec.parents.clone(),
        retries: RETRIES,
        backoff_factor: Some(2.0),
        backoff_max_seconds: Some(SLOWEST),
        schedule_timeout: Some(seconds(LONGEST_WAIT)),
        slot_requests: HashMap::from([("default".to_owned(), 1)]),
        ..v1::CreateTaskOpts::default()
    }
}

fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_keep_their_parents_and_get_actions_in_lower_case() {
        let mut flow = Workflow::named("Pages").sticky();
        flow.tasks.push(TaskSpec::named("Split"));
        flow.tasks.push(TaskSpec { parents: vec!["Split".to_owned()], ..TaskSpec::named("read") });
        let told = of(&flow, "ours_", Some(3)).unwrap();
        assert_eq!(told.name, "ours_Pages");
        assert_eq!(told.sticky, Some(v1::StickyStrategy::Soft.into()));
        let tasks: Vec<_> = told.tasks.iter().map(|task| (task.readable_id.as_str(), task.action.as_str())).collect();
        assert_eq!(tasks, [("Split", "ours_pages:split"), ("read", "ours_pages:read")]);
        assert_eq!(told.tasks[1].parents, ["Split"]);
        assert_eq!(told.concurrency_arr[0].max_runs, Some(3));
    }

    #[test]
    fn names_that_hatchet_cannot_tell_apart_are_refused() {
        let mut flow = Workflow::named("pages");
        flow.tasks.push(TaskSpec::named("read"));
        flow.tasks.push(TaskSpec::named("Read"));
        assert!(of(&flow, "", None).unwrap_err().contains("\"Read\""));
    }
}
