//! Tasks that do nothing, so that what is measured is everything around them.

use std::sync::Arc;

use async_trait::async_trait;
use protocol::workflow::TaskSpec;
use protocol::{Task, Workflow};
use serde::{Deserialize, Serialize};
use worker::{Builder, Context, Handle, Stop};

use super::probe::Probe;

/// About 250 bytes of JSON: what every task of every fleet compared gets and gives back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parcel {
    /// When it was handed in, in seconds since 1970.
    pub t: f64,
    /// Arguments as a Celery message has them.
    pub args: [u32; 3],
    /// The rest of its size.
    pub pad: String,
}

impl Parcel {
    /// One that is handed in now.
    #[must_use]
    pub fn now() -> Self {
        Self { t: super::probe::now(), args: [1, 2, 3], pad: "x".repeat(200) }
    }
}

/// What is submitted: the same three for every fleet compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// One task.
    Task,
    /// Six, one after the other.
    Chain,
    /// Ten side by side and one that gathers them.
    Chord,
}

impl Kind {
    /// Its name on the command line of producers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Chain => "chain",
            Self::Chord => "chord",
        }
    }

    /// How many tasks one run of it has.
    #[must_use]
    pub const fn tasks(self) -> u32 {
        match self {
            Self::Task => 1,
            Self::Chain => 6,
            Self::Chord => 11,
        }
    }
}

macro_rules! contracts {
    ($($name:ident = $task:literal),+ $(,)?) => {
        $(
            #[doc = concat!("The contract of `", $task, "`.")]
            #[derive(Debug)]
            pub struct $name;

            impl Task for $name {
                const NAME: &'static str = $task;
                type Input = Parcel;
                type Output = Parcel;
            }
        )+
    };
}

contracts!(
    Noop = "noop",
    Step1 = "step-1",
    Step2 = "step-2",
    Step3 = "step-3",
    Step4 = "step-4",
    Step5 = "step-5",
    Step6 = "step-6",
    Part0 = "part-0",
    Part1 = "part-1",
    Part2 = "part-2",
    Part3 = "part-3",
    Part4 = "part-4",
    Part5 = "part-5",
    Part6 = "part-6",
    Part7 = "part-7",
    Part8 = "part-8",
    Part9 = "part-9",
);

/// The contract of `gather`.
#[derive(Debug)]
pub struct Gather;

impl Task for Gather {
    const NAME: &'static str = "gather";
    type Input = Parcel;
    type Output = usize;
}

const PARTS: [&str; 10] = [
    Part0::NAME,
    Part1::NAME,
    Part2::NAME,
    Part3::NAME,
    Part4::NAME,
    Part5::NAME,
    Part6::NAME,
    Part7::NAME,
    Part8::NAME,
    Part9::NAME,
];

const STEPS: [&str; 6] = [Step1::NAME, Step2::NAME, Step3::NAME, Step4::NAME, Step5::NAME, Step6::NAME];

/// The workflow of a kind; its name is the kind's.
#[must_use]
pub fn workflow(kind: Kind) -> Workflow {
    let mut flow = Workflow::named(kind.as_str());
    match kind {
        Kind::Task => flow.tasks.push(TaskSpec::named(Noop::NAME)),
        Kind::Chain => {
            let mut parents = Vec::new();
            for step in STEPS {
                flow.tasks.push(TaskSpec { parents, ..TaskSpec::named(step) });
                parents = vec![step.to_owned()];
            }
        }
        Kind::Chord => {
            flow.tasks.extend(PARTS.map(TaskSpec::named));
            let parents = PARTS.map(str::to_owned).to_vec();
            flow.tasks.push(TaskSpec { parents, ..TaskSpec::named(Gather::NAME) });
        }
    }
    flow
}

/// Serves all of them. The last task of each workflow tells the probe that it started.
#[must_use]
pub fn register(worker: Builder, probe: &Arc<Probe>) -> Builder {
    let silent = || Echo { probe: None };
    let told = || Echo { probe: Some(Arc::clone(probe)) };
    worker
        .register::<Noop>(told())
        .register::<Step1>(silent())
        .register::<Step2>(silent())
        .register::<Step3>(silent())
        .register::<Step4>(silent())
        .register::<Step5>(silent())
        .register::<Step6>(told())
        .register::<Part0>(silent())
        .register::<Part1>(silent())
        .register::<Part2>(silent())
        .register::<Part3>(silent())
        .register::<Part4>(silent())
        .register::<Part5>(silent())
        .register::<Part6>(silent())
        .register::<Part7>(silent())
        .register::<Part8>(silent())
        .register::<Part9>(silent())
        .register::<Gather>(Count { probe: Arc::clone(probe) })
}

/// Gives back what it got.
struct Echo {
    probe: Option<Arc<Probe>>,
}

#[async_trait]
impl<T: Task<Input = Parcel, Output = Parcel>> Handle<T> for Echo {
    async fn run(&self, _: &Context, input: Parcel) -> Result<Parcel, Stop> {
        if let Some(probe) = &self.probe {
            probe.hit(input.t);
        }
        Ok(input)
    }
}

/// Counts what its parents left.
struct Count {
    probe: Arc<Probe>,
}

#[async_trait]
impl Handle<Gather> for Count {
    async fn run(&self, ctx: &Context, input: Parcel) -> Result<usize, Stop> {
        self.probe.hit(input.t);
        Ok(ctx.job().outputs.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workflows_can_be_run_and_have_as_many_tasks_as_said() {
        for kind in [Kind::Task, Kind::Chain, Kind::Chord] {
            let flow = workflow(kind);
            assert_eq!(flow.validate(), Ok(()));
            assert_eq!(flow.tasks.len(), kind.tasks() as usize);
        }
        assert_eq!(workflow(Kind::Chain).ancestors(Step6::NAME).len(), 5);
        assert_eq!(workflow(Kind::Chord).ancestors(Gather::NAME).len(), 10);
    }
}
