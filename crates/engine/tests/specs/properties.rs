//! Any DAG under any interleaving, duplication and reordering of what can happen to it.
//!
//! A fleet is simulated whose every choice is drawn from a list of bytes. When the list is used up the fleet does the
//! plain thing (deliver the oldest message, succeed), so shrinking the list finds the shortest story that goes wrong.

mod fleet;
mod invariants;

use engine::{Run, apply_all};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use protocol::workflow::OnFailure;
use protocol::{TaskSpec, Workflow};

use self::fleet::{Fleet, Story};
use crate::harness::Bench;

/// One task as it is drawn; what it refers to is made valid by [`workflow`].
#[derive(Clone, Debug)]
struct Plan {
    parents: u16,
    mapped: bool,
    tolerated: bool,
    max_attempts: u32,
    /// What the task says about the length of its output.
    fan_out: Option<u32>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let fan_out = prop_oneof![1 => Just(None), 6 => (0..=5_u32).prop_map(Some)];
    (any::<u16>(), any::<u16>(), any::<bool>(), any::<bool>(), 1..=4_u32, fan_out).prop_map(
        |(some, others, mapped, tolerated, max_attempts, fan_out)| {
            // A quarter of the possible parents: deep graphs as well as wide ones.
            Plan { parents: some & others, mapped, tolerated, max_attempts, fan_out }
        },
    )
}

fn workflow(plans: &[Plan]) -> Workflow {
    let mut flow = Workflow::named("drawn");
    for (at, plan) in plans.iter().enumerate() {
        let mut spec = TaskSpec::named(format!("t{at}"));
        let parents = (0..at).filter(|parent| plan.parents & (1 << parent) != 0);
        spec.parents = parents.map(|parent| format!("t{parent}")).collect();
        spec.map_over = spec.parents.last().filter(|_| plan.mapped).cloned();
        spec.on_failure = if plan.tolerated { OnFailure::Continue } else { OnFailure::FailRun };
        spec.retry.max_attempts = plan.max_attempts;
        flow.tasks.push(spec);
    }
    flow
}

fn tell(plans: &[Plan], choices: Vec<u8>) -> (Run, Story) {
    let bench = Bench::queued(workflow(plans));
    let lengths = plans.iter().map(|plan| plan.fan_out).collect();
    (bench.run.clone(), Fleet::new(bench, lengths, choices).play())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        rng_seed: RngSeed::Fixed(0xF107_111A),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_run_ends_once_and_keeps_its_invariants(
        plans in prop::collection::vec(plan(), 1..=12),
        choices in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let (_, story) = tell(&plans, choices);
        invariants::assert_ended_well(&story);
    }

    #[test]
    fn a_batch_of_events_does_what_they_do_one_by_one(
        plans in prop::collection::vec(plan(), 1..=12),
        choices in prop::collection::vec(any::<u8>(), 0..400),
        size in 1..40_usize,
    ) {
        let (mut run, story) = tell(&plans, choices);
        for batch in story.events.chunks(size) {
            let before = run.clone();
            let transition = apply_all(&mut run, batch.iter().cloned(), story.end.now);
            invariants::assert_only_touched_changed(&before, &run, &transition);
        }
        prop_assert_eq!(run, story.end.run);
    }
}
