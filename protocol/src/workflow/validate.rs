//! What makes a workflow usable.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use petgraph::algo::{tarjan_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};

use super::Workflow;
use super::queues::RESERVED;

/// Names of workflows, tasks and queues stand in keys of objects, in paths and in names at the broker.
const NAMES: &str = "use 1 to 64 of a-z, A-Z, 0-9, '-' and '_'";

/// More tasks than this are a list: one task that is mapped over it.
const MOST_TASKS: usize = 500;

/// A broker takes a job back that nobody acknowledged for half a day.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(11 * 60 * 60);

/// Why a workflow cannot be run. All problems are reported at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("workflow {workflow:?} is not usable: {}", problems.join("; "))]
pub struct InvalidWorkflow {
    /// Name of the workflow.
    pub workflow: String,
    /// One sentence per problem, naming the task and the fix.
    pub problems: Vec<String>,
}

impl Workflow {
    /// Checks names, parents, policies and that the graph has no cycle.
    ///
    /// # Errors
    /// [`InvalidWorkflow`] with every problem found; a cycle is named by its tasks.
    pub fn validate(&self) -> Result<(), InvalidWorkflow> {
        let mut problems = self.task_problems();
        if problems.is_empty() {
            problems.extend(self.cycle_problem());
        }
        if problems.is_empty() { Ok(()) } else { Err(InvalidWorkflow { workflow: self.name.clone(), problems }) }
    }

    fn task_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.name.is_empty() {
            problems.push("the workflow has no name".to_owned());
        } else if !is_name(&self.name) {
            problems.push(format!("the workflow cannot be called {:?}; {NAMES}", self.name));
        }
        if self.version == 0 {
            problems.push("versions begin at 1".to_owned());
        }
        if self.tasks.is_empty() {
            problems.push("it has no tasks".to_owned());
        }
        if self.tasks.len() > MOST_TASKS {
            problems.push(format!("it has {} tasks; {MOST_TASKS} is the most", self.tasks.len()));
        }
        let mut names = HashSet::new();
        for task in &self.tasks {
            let name = &task.name;
            if name.is_empty() {
                problems.push("a task has no name".to_owned());
            } else if !is_name(name) {
                problems.push(format!("a task cannot be called {name:?}; {NAMES}"));
            }
            if RESERVED.contains(&task.queue.as_str()) {
                problems.push(format!("task {name:?} cannot use queue {:?}, which carries no jobs", task.queue));
            } else if !is_name(&task.queue) {
                problems.push(format!("task {name:?} cannot use queue {:?}; {NAMES}", task.queue));
            }
            if task.timeouts.hard > LONGEST_ATTEMPT {
                problems
                    .push(format!("task {name:?}: timeouts.hard_ms must be at most {}", LONGEST_ATTEMPT.as_millis()));
            }
            if !names.insert(name.as_str()) {
                problems.push(format!("two tasks are called {name:?}; give one another name"));
            }
            for parent in &task.parents {
                if self.spec(parent).is_none() {
                    problems.push(format!("task {name:?} waits for {parent:?}, which does not exist"));
                }
                if task.parents.iter().filter(|other| *other == parent).count() > 1 {
                    problems.push(format!("task {name:?} names its parent {parent:?} more than once"));
                }
            }
            if let Some(source) = &task.map_over
                && !task.parents.contains(source)
            {
                problems.push(format!("task {name:?} maps over {source:?}, which must also be its parent"));
            }
            if task.retry.max_attempts == 0 {
                problems.push(format!("task {name:?} allows no attempt; set retry.max_attempts to 1 or more"));
            }
            if !(0.0..=1.0).contains(&task.retry.jitter) {
                problems.push(format!("task {name:?}: retry.jitter must lie between 0 and 1"));
            }
            if !task.retry.factor.is_finite() || task.retry.factor < 1.0 {
                problems.push(format!("task {name:?}: retry.factor must be 1 or more"));
            }
            if task.timeouts.soft.is_some_and(|soft| soft >= task.timeouts.hard) {
                problems.push(format!("task {name:?}: the soft timeout must be shorter than the hard one"));
            }
        }
        problems
    }

    fn cycle_problem(&self) -> Option<String> {
        let mut graph: DiGraph<&str, ()> = DiGraph::new();
        let nodes: BTreeMap<&str, NodeIndex> =
            self.tasks.iter().map(|task| (task.name.as_str(), graph.add_node(&task.name))).collect();
        for task in &self.tasks {
            for parent in &task.parents {
                graph.add_edge(nodes[parent.as_str()], nodes[task.name.as_str()], ());
            }
        }
        toposort(&graph, None).err()?;
        let cycle =
            tarjan_scc(&graph).into_iter().find(|group| group.len() > 1 || graph.contains_edge(group[0], group[0]))?;
        let mut names: Vec<&str> = cycle.into_iter().map(|node| graph[node]).collect();
        names.sort_unstable();
        Some(format!("tasks wait for each other in a cycle: {}", names.join(" → ")))
    }
}

/// Whether a name can stand in keys, paths and names at the broker: 1 to 64 of `a-z`, `A-Z`, `0-9`, `-` and `_`.
#[must_use]
pub fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::TaskSpec;

    fn workflow(tasks: &[(&str, &[&str])]) -> Workflow {
        let mut flow = Workflow::named("test");
        for (name, parents) in tasks {
            let mut spec = TaskSpec::named(*name);
            spec.parents = parents.iter().map(|parent| (*parent).to_owned()).collect();
            flow.tasks.push(spec);
        }
        flow
    }

    #[test]
    fn a_diamond_is_usable() {
        let flow = workflow(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])]);
        assert_eq!(flow.validate(), Ok(()));
        let ancestors: Vec<&str> = flow.ancestors("d").iter().map(|task| task.name.as_str()).collect();
        assert_eq!(ancestors, ["a", "b", "c"]);
    }

    #[test]
    fn a_cycle_is_refused_and_named() {
        let flow = workflow(&[("start", &[]), ("a", &["start", "c"]), ("b", &["a"]), ("c", &["b"])]);
        let problems = flow.validate().unwrap_err().problems;
        assert_eq!(problems, ["tasks wait for each other in a cycle: a → b → c"]);
    }

    #[test]
    fn a_task_that_waits_for_itself_is_a_cycle() {
        let problems = workflow(&[("a", &["a"])]).validate().unwrap_err().problems;
        assert_eq!(problems, ["tasks wait for each other in a cycle: a"]);
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let mut flow = workflow(&[("a", &["ghost"]), ("a", &[])]);
        flow.tasks[1].retry.max_attempts = 0;
        flow.tasks[1].map_over = Some("b".to_owned());
        let problems = flow.validate().unwrap_err().problems;
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert!(problems[0].contains("ghost"));
    }

    #[test]
    fn names_that_could_escape_a_key_or_a_path_are_refused() {
        for name in ["../other", "a/b", "a.b", "a b", &"x".repeat(65)] {
            let mut flow = workflow(&[(name, &[])]);
            flow.name = name.to_owned();
            flow.tasks[0].queue = name.to_owned();
            assert_eq!(flow.validate().unwrap_err().problems.len(), 3, "{name:?} was accepted");
        }
    }

    #[test]
    fn a_queue_that_carries_no_jobs_is_refused() {
        for queue in RESERVED {
            let mut flow = workflow(&[("a", &[])]);
            flow.tasks[0].queue = queue.to_owned();
            let problems = flow.validate().unwrap_err().problems;
            assert_eq!(problems, [format!("task \"a\" cannot use queue {queue:?}, which carries no jobs")]);
        }
    }

    #[test]
    fn an_attempt_may_not_outlast_the_patience_of_a_broker() {
        let mut flow = workflow(&[("a", &[])]);
        flow.tasks[0].timeouts.hard = LONGEST_ATTEMPT + Duration::from_millis(1);
        assert!(flow.validate().unwrap_err().problems[0].contains("39600000"));
    }
}
