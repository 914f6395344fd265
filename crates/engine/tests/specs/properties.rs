//! Any DAG under any interleaving, duplication and reordering of what can happen to it.
//!
//! A fleet is simulated whose every choice is drawn from a list of bytes. When the list is used up the fleet does the
//! plain thing (deliver the oldest message, succeed), so shrinking the list finds the shortest story that goes wrong.

mod fleet;
mod invariants;

use engine::{NotAgain, Run, apply_all};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use protocol::workflow::OnFailure;
use protocol::{RunId, TaskSpec, TaskState, Workflow};

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
    (bench.run.clone(), go_on(bench, plans, choices))
}

fn go_on(bench: Bench, plans: &[Plan], choices: Vec<u8>) -> Story {
    let lengths = plans.iter().map(|plan| plan.fan_out).collect();
    Fleet::new(bench, lengths, choices).play()
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

    #[test]
    fn a_run_again_does_what_was_left_and_nothing_else(
        plans in prop::collection::vec(plan(), 1..=12),
        choices in prop::collection::vec(any::<u8>(), 0..400),
        more in prop::collection::vec(any::<u8>(), 0..400),
        from in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let (_, before) = tell(&plans, choices);
        let from = from.map(|from| format!("t{}", from.index(plans.len())));
        let (old, now, id) = (&before.end.run, before.end.now, RunId::new());
        let again = old.again(id, from.as_deref(), now);
        prop_assert_eq!(&again, &old.again(id, from.as_deref(), now), "the same question has the same answer");
        let Ok(again) = again else {
            prop_assert_eq!(again, Err(NotAgain::NothingLeft));
            prop_assert!(from.is_none() && old.tasks[..plans.len()].iter().all(|head| head.state == TaskState::Succeeded));
            return Ok(());
        };
        invariants::assert_taken_over(old, &again, from.as_deref());
        let story = go_on(Bench { run: again.clone(), now }, &plans, more);
        invariants::assert_ended_well(&story);
        for (taken_over, end) in again.tasks.iter().zip(&story.end.run.tasks).filter(|(start, _)| start.state.is_final()) {
            prop_assert_eq!(taken_over, end, "it was done before");
        }
    }
}
