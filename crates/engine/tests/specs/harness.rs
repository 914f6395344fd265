//! A run under test: a workflow in a few words, events as verbs, states by task name.

use std::sync::Arc;

use engine::{Action, Event, Ignored, Run, TaskRun, Transition, apply};
use jiff::{SignedDuration, Timestamp};
use protocol::workflow::OnFailure;
use protocol::{ErrorClass, Outcome, Payload, RunId, RunState, TaskError, TaskRunId, TaskSpec, TenantId, Workflow};
use serde_json::json;

/// A workflow of tasks with their parents; settings are made on its specs.
pub(crate) fn workflow(tasks: &[(&str, &[&str])]) -> Workflow {
    let mut flow = Workflow::named("test");
    for (name, parents) in tasks {
        let mut spec = TaskSpec::named(*name);
        spec.parents = parents.iter().map(|parent| (*parent).to_owned()).collect();
        spec.retry.jitter = 0.0;
        flow.tasks.push(spec);
    }
    flow
}

/// The spec of a task, to be changed.
pub(crate) fn spec<'a>(flow: &'a mut Workflow, name: &str) -> &'a mut TaskSpec {
    flow.tasks.iter_mut().find(|spec| spec.name == name).unwrap()
}

/// Tolerates the failure of a task.
pub(crate) fn tolerate(flow: &mut Workflow, name: &str) {
    spec(flow, name).on_failure = OnFailure::Continue;
}

/// `list → each (mapped) → end`.
pub(crate) fn map_workflow() -> Workflow {
    let mut flow = workflow(&[("list", &[]), ("each", &["list"]), ("end", &["each"])]);
    spec(&mut flow, "each").map_over = Some("list".to_owned());
    flow
}

pub(crate) fn done() -> Outcome {
    finished("output")
}

/// Done with that output.
pub(crate) fn finished(output: &str) -> Outcome {
    Outcome::Done { output: Payload::Inline(json!(output)), fan_out: None }
}

pub(crate) fn list(items: u32) -> Outcome {
    Outcome::Done { output: Payload::Inline(json!("list")), fan_out: Some(items) }
}

pub(crate) fn retry() -> Outcome {
    Outcome::Retry { error: transient(), after_ms: None }
}

pub(crate) fn fail() -> Outcome {
    Outcome::Fail { error: TaskError::permanent("broken", "It is broken.") }
}

pub(crate) fn snooze() -> Outcome {
    Outcome::Snooze { after_ms: 5_000, state: json!({ "remote": 7 }) }
}

pub(crate) fn transient() -> TaskError {
    TaskError::new(ErrorClass::Transient, "hiccup", "It hiccuped.")
}

/// A run with its time.
#[derive(Clone, Debug)]
pub(crate) struct Bench {
    pub(crate) run: Run,
    pub(crate) now: Timestamp,
}

impl Bench {
    /// A run that waits for admission.
    pub(crate) fn queued(flow: Workflow) -> Self {
        flow.validate().unwrap();
        Self::unchecked(flow)
    }

    /// The same without the checks of the workflow, which take long for a huge one.
    pub(crate) fn unchecked(flow: Workflow) -> Self {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        Self { run: Run::new(RunId::new(), TenantId::default_tenant(), Arc::new(flow), now), now }
    }

    /// A run that was admitted.
    pub(crate) fn admitted(flow: Workflow) -> Self {
        let mut bench = Self::queued(flow);
        bench.apply(Event::Admitted);
        bench
    }

    pub(crate) fn apply(&mut self, event: Event) -> Transition {
        apply(&mut self.run, event, self.now)
    }

    /// The task run called `each` or, for a child, `each[2]`.
    pub(crate) fn task(&self, name: &str) -> &TaskRun {
        let (task, index) = match name.split_once('[') {
            Some((task, index)) => (task, Some(index.trim_end_matches(']').parse::<u32>().unwrap())),
            None => (name, None),
        };
        self.run.tasks.iter().find(|task_run| task_run.task == task && task_run.index == index).unwrap()
    }

    pub(crate) fn id(&self, name: &str) -> TaskRunId {
        self.task(name).id
    }

    pub(crate) fn started(&mut self, name: &str) -> Transition {
        let event = self.started_event(name, self.task(name).attempt);
        self.apply(event)
    }

    pub(crate) fn finish(&mut self, name: &str, outcome: Outcome) -> Transition {
        let event = self.finished_event(name, self.task(name).attempt, outcome);
        self.apply(event)
    }

    pub(crate) fn finish_on(&mut self, worker: &str, name: &str, outcome: Outcome) -> Transition {
        let mut event = self.finished_event(name, self.task(name).attempt, outcome);
        if let Event::Finished { worker: reported, .. } = &mut event {
            worker.clone_into(reported);
        }
        self.apply(event)
    }

    pub(crate) fn lose(&mut self, name: &str, error: TaskError) -> Transition {
        let (task_run, attempt) = (self.id(name), self.task(name).attempt);
        self.apply(Event::Lost { task_run, attempt, error })
    }

    /// Lets the time pass until the timer of a task fires.
    pub(crate) fn wake(&mut self, name: &str) -> Transition {
        self.now = self.task(name).due_at.unwrap();
        let (task_run, attempt) = (self.id(name), self.task(name).attempt);
        self.apply(Event::TimerDue { task_run, attempt })
    }

    pub(crate) fn cancel(&mut self) -> Transition {
        self.apply(Event::Cancel { reason: "no longer needed".to_owned() })
    }

    pub(crate) fn started_event(&self, name: &str, attempt: u32) -> Event {
        Event::Started { task_run: self.id(name), attempt, worker: "w1".to_owned(), at: self.now }
    }

    pub(crate) fn finished_event(&self, name: &str, attempt: u32, outcome: Outcome) -> Event {
        let (worker, started_at) = ("w1".to_owned(), self.now);
        Event::Finished { task_run: self.id(name), attempt, outcome, worker, started_at }
    }

    pub(crate) fn publish(&self, name: &str) -> Action {
        Action::Publish { task_run: self.id(name), attempt: self.task(name).attempt }
    }

    pub(crate) fn abort(&self, name: &str) -> Action {
        Action::Abort { task_run: self.id(name), attempt: self.task(name).attempt }
    }

    /// Whole seconds until the timer of a task.
    pub(crate) fn seconds_to_wait(&self, name: &str) -> i64 {
        let due_at = self.task(name).due_at.unwrap();
        due_at.duration_since(self.now).as_secs()
    }

    pub(crate) fn pass(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    /// `list=succeeded each=running each[0]=queued …`, in the order of `run.tasks`.
    pub(crate) fn states(&self) -> String {
        let state = |task_run: &TaskRun| match task_run.index {
            Some(index) => format!("{}[{index}]={}", task_run.task, task_run.state),
            None => format!("{}={}", task_run.task, task_run.state),
        };
        self.run.tasks.iter().map(state).collect::<Vec<_>>().join(" ")
    }

    /// Asserts that the event changes nothing, for that reason.
    #[track_caller]
    pub(crate) fn assert_ignored(&mut self, event: Event, reason: Ignored) {
        let before = self.run.clone();
        let transition = self.apply(event.clone());
        let named = match &event {
            Event::Started { task_run, .. }
            | Event::Finished { task_run, .. }
            | Event::Lost { task_run, .. }
            | Event::TimerDue { task_run, .. } => Some(*task_run),
            Event::Admitted | Event::Cancel { .. } | Event::DeadlinePassed => None,
        };
        let actions = vec![Action::Ignored { task_run: named, reason }];
        assert_eq!(transition, Transition { actions, ignored: vec![0], ..Transition::default() }, "{event:?}");
        assert_eq!(self.run, before, "{event:?}");
    }
}

/// The state in which the run was said to end, if it was.
pub(crate) fn ended(transition: &Transition) -> Option<RunState> {
    transition.actions.iter().find_map(|action| match action {
        Action::RunEnded { state } => Some(*state),
        _ => None,
    })
}
