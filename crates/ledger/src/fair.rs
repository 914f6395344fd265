//! Fair admission: start-time fair queueing, decided when a run is submitted.
//!
//! Every run gets a tag when it is submitted, and admission takes the lowest tag of the highest priority. A tenant's
//! clock is the tag of its latest run; each run moves it on by the run's cost divided by the tenant's weight. A
//! tenant that comes back starts from the clock of admission, the highest tag admitted so far: it gets ahead of
//! everybody's backlog, and it cannot save up for a rush by staying away. Clocks are kept per priority, because tags
//! of different priorities are never compared.
//!
//! A tenant with a limit has at most that many runs running or ready for admission. Its others are held: they are not
//! in admission's index at all, so however many they are, nobody has to step over them.

use std::collections::BTreeMap;

use engine::Run;
use protocol::TaskState;

use crate::Share;

/// What admission knows of a tenant.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tenant {
    /// What it may use.
    pub(crate) share: Share,
    /// Per priority, the tag of its latest run.
    pub(crate) clocks: Clocks,
    /// Runs that are running or may be admitted.
    pub(crate) taken: u64,
    /// Runs that are queued behind the limit.
    pub(crate) held: u64,
}

/// A tag per priority.
pub(crate) type Clocks = BTreeMap<i16, f64>;

/// Where a run stands in the queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place {
    /// Higher ones first.
    pub(crate) priority: i16,
    /// Lower ones first.
    pub(crate) tag: f64,
    /// Whether it waits for another run of its tenant to end.
    pub(crate) held: bool,
}

impl Tenant {
    /// Queues a run, given the tags admitted so far.
    pub(crate) fn enter(&mut self, run: &Run, priority: i16, admitted: &Clocks) -> Place {
        let reached = admitted.get(&priority).copied().unwrap_or(0.0);
        let clock = self.clocks.entry(priority).or_insert(0.0);
        *clock = clock.max(reached) + expected_cost(run) / f64::from(self.share.weight.get());
        let tag = *clock;
        let held = self.room() == 0;
        if held {
            self.held += 1;
        } else {
            self.taken += 1;
        }
        Place { priority, tag, held }
    }

    /// Settles the account of a run that ended: what it really cost counts against the tenant's next runs.
    pub(crate) fn leave(&mut self, run: &Run, place: Place) {
        self.settle(place, real_cost(run) - expected_cost(run));
    }

    fn settle(&mut self, place: Place, correction: f64) {
        let counter = if place.held { &mut self.held } else { &mut self.taken };
        *counter = counter.saturating_sub(1);
        *self.clocks.entry(place.priority).or_insert(0.0) += correction / f64::from(self.share.weight.get());
    }

    /// How many more of its runs may be ready for admission.
    pub(crate) fn room(&self) -> u64 {
        let limit = self.share.max_concurrent.map_or(u64::MAX, u64::from);
        limit.saturating_sub(self.taken)
    }
}

/// One per task: known before anything has run.
fn expected_cost(run: &Run) -> f64 {
    units(run.workflow.tasks.len())
}

/// One per attempt that did something: children of mapped tasks and retries count, asking a remote service whether it
/// is ready (a snooze) does not.
fn real_cost(run: &Run) -> f64 {
    run.tasks
        .iter()
        .filter(|task_run| task_run.attempt > 0)
        .map(|task_run| {
            let ended_well = u32::from(task_run.state == TaskState::Succeeded);
            f64::from((task_run.failures + ended_well).max(1))
        })
        .sum()
}

/// A count as a cost; exact for every number of tasks there can be.
fn units(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::sync::Arc;

    use jiff::Timestamp;
    use protocol::workflow::TaskSpec;
    use protocol::{RunId, TenantId, Workflow};

    use super::*;

    fn run(tasks: usize) -> Run {
        let mut workflow = Workflow::named("flow");
        workflow.tasks = (0..tasks).map(|task| TaskSpec::named(format!("task-{task}"))).collect();
        Run::new(RunId::new(), TenantId::default_tenant(), Arc::new(workflow), Timestamp::UNIX_EPOCH)
    }

    fn tenant(weight: u32, max_concurrent: Option<u32>) -> Tenant {
        let share = Share { weight: NonZeroU32::new(weight).unwrap(), max_concurrent };
        Tenant { share, ..Tenant::default() }
    }

    fn tags(tenant: &mut Tenant, run: &Run, admitted: f64) -> [f64; 3] {
        [(); 3].map(|()| tenant.enter(run, 0, &Clocks::from([(0, admitted)])).tag)
    }

    #[test]
    fn a_run_moves_its_tenant_on_by_cost_over_weight() {
        assert_eq!(tags(&mut tenant(1, None), &run(1), 0.0), [1.0, 2.0, 3.0]);
        assert_eq!(tags(&mut tenant(2, None), &run(1), 0.0), [0.5, 1.0, 1.5]);
        assert_eq!(tags(&mut tenant(1, None), &run(6), 0.0), [6.0, 12.0, 18.0]);
    }

    #[test]
    fn a_newcomer_starts_where_admission_is() {
        assert_eq!(tags(&mut tenant(1, None), &run(1), 100.0), [101.0, 102.0, 103.0]);
    }

    #[test]
    fn priorities_have_clocks_of_their_own() {
        let mut tenant = tenant(1, None);
        tags(&mut tenant, &run(1), 1_000.0);
        assert_eq!(tenant.enter(&run(1), 5, &Clocks::from([(0, 1_000.0)])).tag, 1.0);
    }

    #[test]
    fn what_a_run_really_cost_counts_against_the_next() {
        let mut tenant = tenant(2, None);
        let mut ended = run(2);
        let place = tenant.enter(&ended, 0, &Clocks::new());
        ended.tasks[0].attempt = 9;
        ended.tasks[0].failures = 3;
        ended.tasks[0].state = TaskState::Succeeded;
        tenant.leave(&ended, place);
        assert_eq!(tenant.enter(&run(2), 0, &Clocks::new()).tag, 3.0, "four attempts and two expected, at weight 2");
        let place = tenant.enter(&run(2), 0, &Clocks::new());
        tenant.leave(&run(2), place);
        assert_eq!(tenant.clocks[&0], 3.0, "a run that was cancelled before it began costs nothing");
    }

    #[test]
    fn runs_beyond_the_limit_are_held() {
        let mut tenant = tenant(1, Some(2));
        let places = [(); 3].map(|()| tenant.enter(&run(1), 0, &Clocks::new()));
        assert_eq!(places.map(|place| place.held), [false, false, true]);
        assert_eq!((tenant.taken, tenant.held, tenant.room()), (2, 1, 0));
        tenant.leave(&run(1), places[0]);
        tenant.leave(&run(1), places[2]);
        assert_eq!((tenant.taken, tenant.held, tenant.room()), (1, 0, 1));
    }
}
