//! What backends can do, and what workflows ask for.

use std::collections::BTreeMap;

use protocol::{Backend, Workflow};

/// Something that a workflow or a caller may ask of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ability {
    /// A task runs once per item of a list that is known only at run time.
    FanOut,
    /// A failed attempt is followed by another after a delay that the policy or the provider chose.
    Retries,
    /// Descendants of a task that failed for good run all the same.
    TolerateFailure,
    /// A task waits for something outside without holding a worker.
    Snooze,
    /// An attempt is stopped after a time, and extra time can be asked for.
    HardTimeout,
    /// A job that nobody started for a time expires.
    QueueWait,
    /// A run is limited from submission to its end.
    RunTimeout,
    /// A run prefers the worker that has its files.
    Sticky,
    /// Runs of a higher priority go first.
    Priority,
    /// A run whose tasks wait is cancelled.
    CancelQueued,
    /// A run whose tasks are being worked on is cancelled, and their handlers stopped.
    CancelRunning,
    /// A thousand runs in one call.
    BulkStart,
    /// A named signal reaches a run under way.
    Signals,
    /// Payloads larger than a message may be.
    LargePayloads,
}

/// How well a backend can do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// By itself.
    Native,
    /// We do it for it; says how.
    Emulated(&'static str),
    /// Not at all; says why.
    Missing(&'static str),
}

/// What a backend can do: every ability that is not named is there natively.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(BTreeMap<Ability, Support>);

/// A workflow that asks for something that a backend cannot do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("workflow {workflow:?} cannot run on {backend}: {wish} is missing there ({reason}); {advice}")]
pub struct Lacking {
    /// The workflow.
    pub workflow: String,
    /// The backend.
    pub backend: Backend,
    /// What it asks for, with the place where it does.
    pub wish: String,
    /// Why it is not there.
    pub reason: &'static str,
    /// What to do.
    pub advice: String,
}

impl Ability {
    /// Every ability, in the order in which documents list them.
    pub const ALL: [Self; 14] = [
        Self::FanOut,
        Self::Retries,
        Self::TolerateFailure,
        Self::Snooze,
        Self::HardTimeout,
        Self::QueueWait,
        Self::RunTimeout,
        Self::Sticky,
        Self::Priority,
        Self::CancelQueued,
        Self::CancelRunning,
        Self::BulkStart,
        Self::Signals,
        Self::LargePayloads,
    ];

    /// The word used in settings, answers and documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FanOut => "fan_out",
            Self::Retries => "retries",
            Self::TolerateFailure => "tolerate_failure",
            Self::Snooze => "snooze",
            Self::HardTimeout => "hard_timeout",
            Self::QueueWait => "queue_wait",
            Self::RunTimeout => "run_timeout",
            Self::Sticky => "sticky",
            Self::Priority => "priority",
            Self::CancelQueued => "cancel_queued",
            Self::CancelRunning => "cancel_running",
            Self::BulkStart => "bulk_start",
            Self::Signals => "signals",
            Self::LargePayloads => "large_payloads",
        }
    }
}

impl Capabilities {
    /// Everything, natively.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// The same, except that we do this for the backend.
    #[must_use]
    pub fn emulated(mut self, ability: Ability, how: &'static str) -> Self {
        self.0.insert(ability, Support::Emulated(how));
        self
    }

    /// The same without this.
    #[must_use]
    pub fn without(mut self, ability: Ability, why: &'static str) -> Self {
        self.0.insert(ability, Support::Missing(why));
        self
    }

    /// How well something can be done.
    #[must_use]
    pub fn of(&self, ability: Ability) -> Support {
        self.0.get(&ability).copied().unwrap_or(Support::Native)
    }

    /// Whether a backend with these capabilities can run a workflow.
    ///
    /// # Errors
    /// [`Lacking`] names the first thing that it asks for in vain.
    pub fn suffice(&self, backend: Backend, workflow: &Workflow) -> Result<(), Box<Lacking>> {
        let missing = |(ability, place): (Ability, String)| match self.of(ability) {
            Support::Missing(reason) => Some(Box::new(Lacking {
                workflow: workflow.name.clone(),
                backend,
                wish: format!("{} ({place})", ability.as_str()),
                reason,
                advice: format!("take it out of the workflow, or run {:?} on another backend", workflow.name),
            })),
            Support::Native | Support::Emulated(_) => None,
        };
        wishes(workflow).into_iter().find_map(missing).map_or(Ok(()), Err)
    }
}

/// What a workflow asks for, each with the place where it does. What all backends have to do is not among it.
fn wishes(workflow: &Workflow) -> Vec<(Ability, String)> {
    use protocol::workflow::OnFailure;
    let mut wishes = Vec::new();
    if workflow.sticky {
        wishes.push((Ability::Sticky, "\"sticky\"".to_owned()));
    }
    if workflow.timeout.is_some() {
        wishes.push((Ability::RunTimeout, "\"timeout_ms\"".to_owned()));
    }
    for task in &workflow.tasks {
        let at = |field: &str| format!("{field:?} of task {:?}", task.name);
        if task.map_over.is_some() {
            wishes.push((Ability::FanOut, at("map_over")));
        }
        if task.retry.max_attempts > 1 {
            wishes.push((Ability::Retries, at("retry")));
        }
        if task.on_failure == OnFailure::Continue {
            wishes.push((Ability::TolerateFailure, at("on_failure")));
        }
        if task.timeouts.queue_wait.is_some() {
            wishes.push((Ability::QueueWait, at("queue_wait_ms")));
        }
    }
    wishes
}

#[cfg(test)]
mod tests {
    use protocol::TaskSpec;

    use super::*;

    fn mapped() -> Workflow {
        let mut flow = Workflow::named("pages");
        flow.tasks.push(TaskSpec::named("split"));
        flow.tasks.push(TaskSpec {
            parents: vec!["split".to_owned()],
            map_over: Some("split".to_owned()),
            ..TaskSpec::named("read")
        });
        flow
    }

    #[test]
    fn a_workflow_that_asks_for_too_much_is_refused_by_name() {
        let engine = Capabilities::all().without(Ability::FanOut, "its graphs are fixed");
        let refusal = engine.suffice(Backend::Hatchet, &mapped()).unwrap_err().to_string();
        assert_eq!(
            refusal,
            "workflow \"pages\" cannot run on hatchet: fan_out (\"map_over\" of task \"read\") is missing there \
             (its graphs are fixed); take it out of the workflow, or run \"pages\" on another backend"
        );
    }

    #[test]
    fn what_is_emulated_suffices() {
        let engine = Capabilities::all().emulated(Ability::FanOut, "children are runs of their own");
        assert_eq!(engine.suffice(Backend::Hatchet, &mapped()), Ok(()));
        assert_eq!(Capabilities::all().suffice(Backend::Temporal, &mapped()), Ok(()));
    }
}
