//! What is next in a run, by what Inngest remembers of it: a pure function, asked anew at every call.
//!
//! Each task is a step. A step's memory says how the task stood on record when the step ended, or that it is to be done
//! again later; then a sleep follows, and the same step once more under its next number. So nothing but the ledger limits
//! the number of attempts, and what Inngest stores of a step is some dozen bytes.

use std::collections::HashMap;
use std::time::Duration;

use protocol::{RunId, RunState, TaskError, TaskSpec, TaskState, TenantId};
use ring::digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::keys::hex;
use crate::desk::{Standing, Turn};
use crate::port::Launch;

/// Most steps that the children of one mapped task take: Inngest knows a thousand steps per run, and wide tasks share.
const MOST_CHILD_STEPS: u32 = 100;

/// The step that asks how a run ended when no other step could tell. No task has such a name.
pub(super) const CLOSING: &str = "end of the run";

/// What a run's event carries: enough to walk it, whatever becomes of the workflow meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) run_id: RunId,
    pub(super) tenant: TenantId,
    pub(super) workflow: String,
    pub(super) version: u32,
    pub(super) tasks: Vec<PlannedTask>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PlannedTask {
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) parents: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) map_over: Option<String>,
}

/// Something to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// What the dashboard shows.
    pub(super) name: String,
    /// How often the same was there before.
    pub(super) round: u32,
    pub(super) deed: Deed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Have these turns served; several are children of a mapped task that share a step.
    Serve(Vec<Turn>),
    /// Let time pass.
    Sleep(Duration),
}

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Walk {
    /// These steps have not been done.
    Next(Vec<Step>),
    /// It ended.
    Ended(RunState),
}

/// What a step leaves behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Told {
    /// The task is final on record.
    Ended {
        task: TaskState,
        run: RunState,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fan_out: Option<u32>,
    },
    /// Again later.
    Again {
        again_in_ms: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<TaskError>,
    },
}

/// What is remembered of steps, by their ids.
pub(super) struct Memory(HashMap<String, Told>);

/// How far a step has come, over all of its rounds.
enum Progress {
    Next(Step),
    Ended { run: RunState, fan_out: Option<u32> },
}

impl Plan {
    pub(super) fn of(launch: &Launch) -> Self {
        let workflow = &launch.workflow;
        let task = |spec: &TaskSpec| PlannedTask {
            name: spec.name.clone(),
            parents: spec.parents.clone(),
            map_over: spec.map_over.clone(),
        };
        Self {
            run_id: launch.run_id,
            tenant: launch.tenant.clone(),
            workflow: workflow.name.clone(),
            version: workflow.version,
            tasks: workflow.tasks.iter().map(task).collect(),
        }
    }

    /// What is next, by what is remembered.
    pub(super) fn walk(&self, memory: &Memory) -> Walk {
        let mut fan_outs: HashMap<&str, Option<u32>> = HashMap::new();
        let mut next = Vec::new();
        let mut open: Vec<&PlannedTask> = self.tasks.iter().collect();
        loop {
            let before = open.len();
            let mut blocked = Vec::new();
            for task in open {
                if !task.parents.iter().all(|parent| fan_outs.contains_key(parent.as_str())) {
                    blocked.push(task);
                    continue;
                }
                let children = task.map_over.as_deref().and_then(|source| fan_outs.get(source).copied().flatten());
                match self.task(memory, task, children.unwrap_or(0)) {
                    Ok((run, _)) if run.is_final() => return Walk::Ended(run),
                    Ok((_, fan_out)) => {
                        fan_outs.insert(&task.name, fan_out);
                    }
                    Err(steps) => next.extend(steps),
                }
            }
            open = blocked;
            if open.len() == before || open.is_empty() {
                break;
            }
        }
        if !next.is_empty() {
            return Walk::Next(next);
        }
        // Everything is done, and nobody said how the run ended: the ledger knows.
        let last = self.tasks.last().map(|task| self.turn(&task.name, None));
        match memory.follow(CLOSING, last.into_iter().collect()) {
            Progress::Next(step) => Walk::Next(vec![step]),
            Progress::Ended { run, .. } => Walk::Ended(run),
        }
    }

    /// How a task whose parents are done ended, or its steps that are next.
    fn task(&self, memory: &Memory, task: &PlannedTask, children: u32) -> Result<(RunState, Option<u32>), Vec<Step>> {
        let mut next = Vec::new();
        for (name, turns) in self.shares(&task.name, children) {
            match memory.follow(&name, turns) {
                Progress::Next(step) => next.push(step),
                Progress::Ended { run, .. } if run.is_final() => return Ok((run, None)),
                Progress::Ended { .. } => {}
            }
        }
        if !next.is_empty() {
            return Err(next);
        }
        match memory.follow(&task.name, vec![self.turn(&task.name, None)]) {
            Progress::Next(step) => Err(vec![step]),
            Progress::Ended { run, fan_out } => Ok((run, fan_out)),
        }
    }

    /// The children of a mapped task, in as many steps as there may be.
    fn shares(&self, task: &str, children: u32) -> Vec<(String, Vec<Turn>)> {
        let size = children.div_ceil(MOST_CHILD_STEPS).max(1);
        let share = |first: u32| {
            let last = first.saturating_add(size).min(children) - 1;
            let name = if first == last { format!("{task}[{first}]") } else { format!("{task}[{first}..{last}]") };
            (name, (first..=last).map(|index| self.turn(task, Some(index))).collect())
        };
        (0..children).step_by(usize::try_from(size).unwrap_or(usize::MAX)).map(share).collect()
    }

    fn turn(&self, task: &str, index: Option<u32>) -> Turn {
        Turn { run_id: self.run_id, tenant: self.tenant.clone(), task: task.to_owned(), index }
    }
}

impl Step {
    /// The id that Inngest knows it by.
    pub(super) fn id(&self) -> String {
        id(&self.name, self.round)
    }
}

/// The digest of a step's name; repeats of a name are numbered.
fn id(name: &str, round: u32) -> String {
    let text = if round == 0 { name.to_owned() } else { format!("{name}:{round}") };
    hex(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref())
}

impl Memory {
    /// Reads what a call brings. What a step returned is wrapped in `data`; one that failed left an error, with what it
    /// said inside; a sleep leaves nothing.
    pub(super) fn read(steps: &Map<String, Value>) -> Self {
        let told = |step: &Value| {
            let candidates = [step.get("data"), step.get("error").and_then(|error| error.get("data")), Some(step)];
            let mut told = candidates.into_iter().flatten().filter_map(|value| Told::deserialize(value).ok());
            told.next().unwrap_or_else(|| Told::silent(step))
        };
        Self(steps.iter().map(|(id, step)| (id.clone(), told(step))).collect())
    }

    /// Follows a step through its rounds.
    fn follow(&self, name: &str, turns: Vec<Turn>) -> Progress {
        let pause = format!("{name}: wait");
        let mut round = 0;
        loop {
            let step = |name: &str, deed| Progress::Next(Step { name: name.to_owned(), round, deed });
            match self.0.get(&id(name, round)) {
                None => return step(name, Deed::Serve(turns)),
                Some(Told::Ended { run, fan_out, .. }) => return Progress::Ended { run: *run, fan_out: *fan_out },
                Some(Told::Again { again_in_ms, .. }) => {
                    if !self.0.contains_key(&id(&pause, round)) {
                        return step(&pause, Deed::Sleep(Duration::from_millis(*again_in_ms)));
                    }
                }
            }
            round += 1;
        }
    }
}

impl Told {
    pub(super) fn of(standing: &Standing) -> Self {
        Self::Ended { task: standing.task, run: standing.run, fan_out: standing.fan_out }
    }

    /// What a step stands for whose own words were not kept: a failure, of which the next task to ask learns the rest.
    fn silent(step: &Value) -> Self {
        let task = if step.get("error").is_some() { TaskState::Failed } else { TaskState::Succeeded };
        Self::Ended { task, run: RunState::Running, fan_out: None }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan(tasks: &[(&str, &[&str], Option<&str>)]) -> Plan {
        let task = |(name, parents, map_over): &(&str, &[&str], Option<&str>)| PlannedTask {
            name: (*name).to_owned(),
            parents: parents.iter().map(|parent| (*parent).to_owned()).collect(),
            map_over: map_over.map(str::to_owned),
        };
        Plan {
            run_id: RunId::new(),
            tenant: "t".to_owned().try_into().unwrap(),
            workflow: "w".to_owned(),
            version: 1,
            tasks: tasks.iter().map(task).collect(),
        }
    }

    fn ended(fan_out: Option<u32>) -> Value {
        json!({"data": Told::Ended { task: TaskState::Succeeded, run: RunState::Running, fan_out }})
    }

    /// The names of the steps that are next, by what is remembered under the names of others.
    fn next(plan: &Plan, memory: &[(&str, u32, Value)]) -> Vec<String> {
        let steps = memory.iter().map(|(name, round, value)| (id(name, *round), value.clone())).collect();
        match plan.walk(&Memory::read(&steps)) {
            Walk::Next(steps) => steps.iter().map(|step| format!("{}#{}", step.name, step.round)).collect(),
            Walk::Ended(run) => vec![run.as_str().to_owned()],
        }
    }

    #[test]
    fn a_task_is_next_when_its_own_parents_are_done_whatever_other_branches_do() {
        let plan = plan(&[
            ("a", &[], None),
            ("d", &["b", "c"], None),
            ("b", &["a"], None),
            ("c", &["a"], None),
            ("e", &["b"], None),
        ]);
        assert_eq!(next(&plan, &[]), ["a#0"]);
        assert_eq!(next(&plan, &[("a", 0, ended(None))]), ["b#0", "c#0"]);
        assert_eq!(next(&plan, &[("a", 0, ended(None)), ("b", 0, ended(None))]), ["c#0", "e#0"]);
    }

    #[test]
    fn a_task_that_is_to_be_done_again_sleeps_first_and_gets_its_next_number() {
        let plan = plan(&[("a", &[], None)]);
        let again = json!({"data": {"again_in_ms": 5_000}});
        assert_eq!(next(&plan, &[("a", 0, again.clone())]), ["a: wait#0"]);
        assert_eq!(next(&plan, &[("a", 0, again.clone()), ("a: wait", 0, Value::Null)]), ["a#1"]);
        assert_eq!(
            next(&plan, &[("a", 0, again.clone()), ("a: wait", 0, Value::Null), ("a", 1, again)]),
            ["a: wait#1"]
        );
    }

    #[test]
    fn a_mapped_task_is_as_many_steps_as_there_are_children_and_then_one_for_itself() {
        let plan = plan(&[("split", &[], None), ("read", &["split"], Some("split"))]);
        assert_eq!(next(&plan, &[("split", 0, ended(Some(2)))]), ["read[0]#0", "read[1]#0"]);
        let children = [("split", 0, ended(Some(2))), ("read[0]", 0, ended(None)), ("read[1]", 0, ended(None))];
        assert_eq!(next(&plan, &children), ["read#0"]);
        assert_eq!(next(&plan, &[("split", 0, ended(Some(0)))]), ["read#0"]);
        assert_eq!(
            next(&plan, &[("split", 0, ended(None))]),
            ["read#0"],
            "its source failed: it only gets its standing"
        );
    }

    #[test]
    fn thousands_of_children_share_a_hundred_steps() {
        let plan = plan(&[("split", &[], None), ("read", &["split"], Some("split"))]);
        let shares = plan.shares("read", 2_501);
        assert_eq!(shares.len(), 97);
        assert_eq!(shares[0].0, "read[0..25]");
        assert_eq!(shares[96].0, "read[2496..2500]");
        let indices: Vec<u32> =
            shares.iter().flat_map(|(_, turns)| turns.iter().filter_map(|turn| turn.index)).collect();
        assert_eq!(indices, (0..2_501).collect::<Vec<_>>());
    }

    #[test]
    fn a_run_that_is_final_on_record_ends_whatever_is_still_open() {
        let plan = plan(&[("a", &[], None), ("b", &["a"], None)]);
        let cancelled = json!({"data": {"task": "cancelled", "run": "cancelled"}});
        assert_eq!(next(&plan, &[("a", 0, cancelled)]), ["cancelled"]);
    }

    #[test]
    fn a_failed_step_tells_in_its_error_and_the_ledger_is_asked_where_that_was_lost() {
        let plan = plan(&[("a", &[], None)]);
        let failed = json!({"error": {"name": "bad", "message": "no", "data": {"task": "failed", "run": "failed"}}});
        assert_eq!(next(&plan, &[("a", 0, failed)]), ["failed"]);
        let silent = json!({"error": {"name": "bad", "message": "no"}});
        assert_eq!(next(&plan, &[("a", 0, silent.clone())]), ["end of the run#0"]);
        let run = json!({"data": {"task": "failed", "run": "failed"}});
        assert_eq!(next(&plan, &[("a", 0, silent), (CLOSING, 0, run)]), ["failed"]);
    }

    #[test]
    fn ids_of_steps_are_those_of_other_sdks() {
        // Python: hashlib.sha1(b"extract-text").hexdigest(), and of b"extract-text:1" for the second of that name.
        assert_eq!(id("extract-text", 0), SHA1_FIRST);
        assert_eq!(id("extract-text", 1), SHA1_SECOND);
    }

    const SHA1_FIRST: &str = "ec682933e1019b34c9a0c5884c3112061750d473";
    const SHA1_SECOND: &str = "d81415d09f76b48020d64f38be570cb947216027";
}
