//! A workflow as it comes from outside.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Arguments, OnFailure, Workflow};
use crate::request::Problem;
use crate::shape::{Field, Problems};

const WORKFLOW: &[Field] = &[
    Field::of::<String>("name", "a text"),
    Field::of::<u32>("version", "a whole number from 1"),
    Field::of::<bool>("sticky", "true or false"),
    Field::of::<Option<u64>>("timeout_ms", "a number of milliseconds"),
    Field::of::<Vec<Value>>("tasks", "a list of tasks"),
];

const TASK: &[Field] = &[
    Field::of::<String>("name", "a text"),
    Field::of::<String>("queue", "a text"),
    Field::of::<Vec<String>>("parents", "a list of names of tasks"),
    Field::of::<Option<String>>("map_over", "the name of a parent"),
    Field::of::<OnFailure>("on_failure", "\"fail_run\" or \"continue\""),
    Field::of::<Map<String, Value>>("retry", "an object"),
    Field::of::<Map<String, Value>>("timeouts", "an object"),
    Field::of::<Option<Map<String, Value>>>("celery", "an object"),
];

const RETRY: &[Field] = &[
    Field::of::<u32>("max_attempts", "a whole number from 1"),
    Field::of::<u64>("base_ms", "a number of milliseconds"),
    Field::of::<f64>("factor", "a number from 1"),
    Field::of::<u64>("cap_ms", "a number of milliseconds"),
    Field::of::<f64>("jitter", "a number from 0 to 1"),
];

const TIMEOUTS: &[Field] = &[
    Field::of::<Option<u64>>("soft_ms", "a number of milliseconds"),
    Field::of::<u64>("hard_ms", "a number of milliseconds"),
    Field::of::<Option<u64>>("queue_wait_ms", "a number of milliseconds"),
];

const CELERY: &[Field] = &[
    Field::of::<String>("task", "the name of a Celery task"),
    Field::of::<Arguments>("arguments", "\"envelope\", \"input\" or \"parents\""),
];

impl Workflow {
    /// Reads a workflow that somebody wrote, and checks it whole.
    ///
    /// # Errors
    /// Every problem found: fields that are unknown or of the wrong kind, and what [`Workflow::validate`] says.
    pub fn read(mut value: Value) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        problems.check(&mut value, "$", WORKFLOW);
        problems.require(&value, "$", "name");
        problems.require(&value, "$", "tasks");
        // Whether the graph can be looked at: a name that was taken out would make its children orphans.
        let mut whole = value.get("name").is_some() && value.get("tasks").is_some();
        let tasks = value.get_mut("tasks").and_then(Value::as_array_mut).into_iter().flatten();
        for (number, task) in tasks.enumerate() {
            let path = format!("$.tasks[{number}]");
            let had_parents = task.get("parents").is_some();
            problems.check(task, &path, TASK);
            problems.require(task, &path, "name");
            whole &= task.get("name").is_some() && task.get("parents").is_some() == had_parents;
            for (part, fields) in [("retry", RETRY), ("timeouts", TIMEOUTS), ("celery", CELERY)] {
                if let Some(value) = task.get_mut(part).filter(|value| !value.is_null()) {
                    problems.check(value, &format!("{path}.{part}"), fields);
                }
            }
        }
        if whole {
            match Self::deserialize(value) {
                Ok(workflow) => match workflow.validate() {
                    Ok(()) if problems.is_empty() => return Ok(workflow),
                    Ok(()) => {}
                    Err(invalid) => invalid.problems.into_iter().for_each(|sentence| say(&mut problems, &sentence)),
                },
                Err(error) => problems.report("$", error.to_string(), "correct it"),
            }
        }
        Err(problems.into_list())
    }
}

/// Notes what the check of a workflow says; its sentences end with the fix where there is one.
fn say(problems: &mut Problems, sentence: &str) {
    let (message, fix) = sentence.split_once("; ").unwrap_or((sentence, "correct it"));
    problems.report("$.tasks", message, fix);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn problems(value: Value) -> Vec<String> {
        let problems = Workflow::read(value).unwrap_err();
        problems.iter().map(|problem| format!("{} {}", problem.path, problem.message)).collect()
    }

    #[test]
    fn every_workflow_that_can_be_written_can_be_read() {
        let mut flow = crate::stages::pipeline().timeout(Duration::from_secs(3600));
        flow.tasks[1].map_over = Some("extract-text".to_owned());
        flow.tasks[1].timeouts.soft = Some(Duration::from_secs(1));
        flow.tasks[1].timeouts.queue_wait = Some(Duration::from_secs(9));
        assert_eq!(Workflow::read(serde_json::to_value(&flow).unwrap()), Ok(flow));
    }

    #[test]
    fn a_name_and_a_task_are_enough() {
        let flow = Workflow::read(json!({ "name": "one", "tasks": [{ "name": "only" }] })).unwrap();
        assert_eq!((flow.version, flow.tasks[0].queue.as_str()), (1, "default"));
    }

    #[test]
    fn problems_of_shape_and_of_meaning_are_found_together() {
        let value = json!({
            "name": "flow", "version": "two",
            "tasks": [
                { "name": "a", "retry": { "max_attempts": 0, "tries": 3 } },
                { "name": "b", "parents": ["ghost"], "timeouts": { "hard_ms": -1 } },
            ],
        });
        assert_eq!(
            problems(value),
            [
                "$.version must be a whole number from 1, not \"two\"",
                "$.tasks[0].retry.tries is unknown",
                "$.tasks[1].timeouts.hard_ms must be a number of milliseconds, not -1",
                "$.tasks task \"a\" allows no attempt",
                "$.tasks task \"b\" waits for \"ghost\", which does not exist",
            ]
        );
    }

    #[test]
    fn a_task_whose_name_cannot_be_read_makes_no_orphans() {
        let value = json!({ "name": "flow", "tasks": [{ "name": 7 }, { "name": "b", "parents": ["a"] }] });
        assert_eq!(problems(value), ["$.tasks[0].name must be a text, not 7", "$.tasks[0].name is missing"]);
    }

    #[test]
    fn what_is_no_workflow_at_all_is_refused_in_words() {
        assert_eq!(problems(json!([]))[0], "$ must be an object, not a list");
    }
}
