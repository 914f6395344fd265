//! Celery tasks that are handlers of ours: how a message becomes a job, and its outcome what Celery is told. Pure code.

use std::time::Duration;

use celery::{Failure, Retry, Stop, Task};
use jiff::Timestamp;
use protocol::workflow::{RetryPolicy, Timeouts};
use protocol::{ErrorClass, Job, Outcome, Payload, TaskError, TenantId};
use serde_json::{Map, Value, json};

/// How long a task may take whose message does not say it, as long as the worker's own limit allows it. Celery's tasks have no
/// limit; a handler that hangs for ever should not keep its slot for ever.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The field that positional arguments are in.
const ARGS: &str = "args";

/// Headers by which tries remember what Celery does not: what a handler stored when it snoozed, as JSON, and how many of
/// the tries were snoozes.
const STATE: &str = "flotilla_state";
const SNOOZES: &str = "flotilla_snoozes";

/// Whose work a task is, if the message says it.
const TENANT: &str = "flotilla_tenant";

/// Most bytes of state that travel with a task: RabbitMQ takes headers in one frame.
const LARGEST_STATE: usize = 16 * 1024;

/// Time limits that a message or the runner sets come to an end under this code.
const TOO_LONG: &str = "timeout_hard";

/// The runner knows no handler of that name.
const NOT_SERVED: &str = "task_not_served";

/// The input of a handler: keywords as the fields of an object; one positional object alone is the input itself, and any other
/// positional arguments are the field `args` beside the keywords.
///
/// # Errors
/// A `TypeError` when `args` is a keyword too.
pub(super) fn input(args: &[Value], kwargs: &Map<String, Value>) -> Result<Value, Failure> {
    match args {
        [] => Ok(Value::Object(kwargs.clone())),
        [Value::Object(input)] if kwargs.is_empty() => Ok(Value::Object(input.clone())),
        _ if kwargs.contains_key(ARGS) => {
            Err(Failure::builtin("TypeError", "positional arguments become the field \"args\", which is a keyword too"))
        }
        args => {
            let mut fields = Map::from_iter([(ARGS.to_owned(), json!(args))]);
            fields.extend(kwargs.clone());
            Ok(Value::Object(fields))
        }
    }
}

/// The job for a try of a Celery task.
///
/// # Errors
/// As for [`input`], and a `ValueError` for headers of ours that make no sense.
pub(super) fn job(task: &Task, handler: &str, queue: &str, now: Timestamp) -> Result<Job, Failure> {
    let unreadable = |what: &str| Failure::builtin("ValueError", format!("the header {what:?} makes no sense"));
    let mut job = Job::of_no_run(handler, queue, input(&task.args, &task.kwargs)?, now);
    if let Some(tenant) = task.headers.get(TENANT).and_then(Value::as_str) {
        job.tenant = tenant.parse::<TenantId>().map_err(|_| unreadable(TENANT))?;
    }
    if let Some(state) = task.headers.get(STATE).and_then(Value::as_str) {
        job.state = serde_json::from_str(state).map_err(|_| unreadable(STATE))?;
    }
    let failures = task.retries.saturating_sub(snoozes(&task.headers));
    job.attempt = failures + 1;
    job.retries_left = max_retries().saturating_sub(failures);
    job.timeouts = Timeouts { soft: task.limits.soft, hard: task.limits.hard.unwrap_or(LONGEST), queue_wait: None };
    Ok(job)
}

/// How often a task is tried again: as our own.
pub(super) fn max_retries() -> u32 {
    RetryPolicy::default().max_attempts.saturating_sub(1)
}

/// What Celery is told of an outcome; the value of one that is done has still to be fetched.
pub(super) fn conclusion(outcome: Outcome, job: &Job, task: &Task) -> Result<Payload, Stop> {
    match outcome {
        Outcome::Done { output, .. } => Ok(output),
        Outcome::Fail { error } => Err(failure(&error).into()),
        Outcome::Retry { error, .. } if error.code == NOT_SERVED => {
            Err(Failure::new("celery.exceptions", "NotRegistered", error.message).into())
        }
        // To Celery a limit is the end.
        Outcome::Retry { error, .. } if error.code == TOO_LONG => {
            let seconds = job.timeouts.hard.as_secs_f64();
            let failure = Failure::new("billiard.exceptions", "TimeLimitExceeded", "");
            Err(Failure { args: vec![json!(seconds)], ..failure }.into())
        }
        Outcome::Retry { error, after_ms } => Err(after(&error, after_ms, job, task)),
        Outcome::Snooze { after_ms, state } => {
            let state = state.to_string();
            if state.len() > LARGEST_STATE {
                let error = TaskError::permanent(
                    "state_too_large",
                    format!(
                        "the state of a snooze has {} bytes; {LARGEST_STATE} travel with a Celery task",
                        state.len()
                    ),
                );
                return Err(failure(&error).into());
            }
            let headers = [(STATE.to_owned(), json!(state)), (SNOOZES.to_owned(), json!(snoozes(&task.headers) + 1))];
            Err(Retry {
                countdown: Some(Duration::from_millis(after_ms)),
                // Snoozes count against nothing.
                max_retries: Some(u32::MAX),
                headers: Map::from_iter(headers),
                reason: None,
            }
            .into())
        }
    }
}

/// What Celery is told of an error: that the task failed, or is to be tried again after the pause that ours would make.
pub(super) fn after(error: &TaskError, after_ms: Option<u64>, job: &Job, task: &Task) -> Stop {
    if error.class == ErrorClass::Permanent {
        return failure(error).into();
    }
    let (attempt, earlier) = ((job.task_run_id, job.attempt), job.attempt.saturating_sub(1));
    let pause = engine::pause(&RetryPolicy::default(), error.class, after_ms, earlier, attempt);
    let limit = max_retries().saturating_add(snoozes(&task.headers));
    Retry { max_retries: Some(limit), ..Retry::after(pause, failure(error)) }.into()
}

/// An error as an exception `flotilla.TaskError(code, message)`.
fn failure(error: &TaskError) -> Failure {
    let TaskError { class, code, message } = error;
    Failure {
        args: vec![json!(code), json!(message)],
        traceback: Some(format!("flotilla.TaskError: {code}: {message} ({})", class.as_str())),
        ..Failure::new("flotilla", "TaskError", "")
    }
}

fn snoozes(headers: &Map<String, Value>) -> u32 {
    headers.get(SNOOZES).and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn arguments_become_the_input_of_a_handler() {
        let cases = [
            (json!([]), json!({}), json!({})),
            (json!([]), json!({ "name": "a" }), json!({ "name": "a" })),
            (json!([{ "name": "a" }]), json!({}), json!({ "name": "a" })),
            (json!([{ "name": "a" }]), json!({ "x": 1 }), json!({ "args": [{ "name": "a" }], "x": 1 })),
            (json!([5]), json!({}), json!({ "args": [5] })),
            (json!([1, 2]), json!({ "x": 3 }), json!({ "args": [1, 2], "x": 3 })),
        ];
        for (args, kwargs, expected) in cases {
            assert_eq!(input(args.as_array().unwrap(), &fields(kwargs)), Ok(expected), "{args}");
        }
    }

    #[test]
    fn a_keyword_that_positional_arguments_would_overwrite_is_a_type_error() {
        let refused = input(&[json!(1)], &fields(json!({ "args": 2 }))).unwrap_err();
        assert_eq!(refused.exc_type, "TypeError");
    }

    #[test]
    fn an_error_keeps_its_code_and_its_message() {
        let failure = failure(&TaskError::permanent("row_invalid", "line 2 is no row"));
        assert_eq!((failure.exc_module.as_deref(), failure.exc_type.as_str()), (Some("flotilla"), "TaskError"));
        assert_eq!(failure.args, [json!("row_invalid"), json!("line 2 is no row")]);
        assert!(failure.traceback.unwrap().contains("permanent"));
    }
}
