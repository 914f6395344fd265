//! Which runs of a tenant are meant.

use jiff::{SignedDuration, Timestamp};
use protocol::{Backend, RunId, RunState};
use uuid::Uuid;

/// How far the time in a run's id may lie from the time it was recorded at: other processes choose ids.
const SKEW: SignedDuration = SignedDuration::from_hours(24);

/// Which runs of a tenant are meant: those that have everything it names. An empty filter means all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// In one of these states; empty for any.
    pub states: Vec<RunState>,
    /// Of this workflow.
    pub workflow: Option<String>,
    /// Started under an idempotency key that ends like this. No index helps: use it where a tenant's runs are few, or most
    /// of them are meant.
    pub key_suffix: Option<String>,
    /// Submitted then or later.
    pub created_after: Option<Timestamp>,
    /// Submitted earlier.
    pub created_before: Option<Timestamp>,
    /// On this backend.
    pub backend: Option<Backend>,
    /// Also such as repeat another run on another backend, to be compared.
    pub shadows: bool,
}

/// The states whose runs an index of their own holds together, in groups.
const GROUPS: [&[RunState]; 3] =
    [&[RunState::Queued, RunState::Running], &[RunState::Failed, RunState::Cancelled], &[RunState::Succeeded]];

impl RunFilter {
    /// Every run, without any condition.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Whether nothing is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The same for runs in these states alone, as far as the filter allows them.
    #[must_use]
    pub fn within(self, states: &[RunState]) -> Option<Self> {
        let named = |state: &&RunState| self.states.is_empty() || self.states.contains(state);
        let states: Vec<RunState> = states.iter().filter(named).copied().collect();
        (!states.is_empty()).then_some(Self { states, ..self })
    }

    /// The conditions on the state that have to be asked for one by one, as SQL: each is answered by one index in the
    /// order of ids. One that is always true when any state is meant.
    pub(crate) fn state_conditions(&self) -> Vec<String> {
        if self.states.is_empty() {
            return vec!["true".to_owned()];
        }
        let condition = |group: &&[RunState]| {
            let named: Vec<RunState> = group.iter().copied().filter(|state| self.states.contains(state)).collect();
            match named.len() {
                0 => None,
                all if all == group.len() => Some(one_of(group)),
                // SQLite uses an index whose own condition stands there word for word.
                _ => Some(format!("{} AND {}", one_of(group), one_of(&named))),
            }
        };
        GROUPS.iter().filter_map(condition).collect()
    }

    /// The lowest id that a run of this filter can have: ids begin with the time.
    pub(crate) fn first_id(&self) -> Option<Uuid> {
        self.created_after.map(|time| id_at(time.checked_sub(SKEW).unwrap_or(Timestamp::MIN)))
    }

    /// The id that every run of this page lies below: those before a run, or those of the filter's time.
    pub(crate) fn end_id(&self, before: Option<RunId>) -> Option<Uuid> {
        let end = self.created_before.map(|time| id_at(time.checked_add(SKEW).unwrap_or(Timestamp::MAX)));
        before.map(|run| run.as_uuid()).into_iter().chain(end).min()
    }
}

/// The condition that a run is in one of these states, as SQL.
fn one_of(states: &[RunState]) -> String {
    let words: Vec<String> = states.iter().map(|state| format!("'{}'", state.as_str())).collect();
    format!("state IN ({})", words.join(", "))
}

/// The lowest UUID of that time.
fn id_at(time: Timestamp) -> Uuid {
    let millis = u128::try_from(time.as_millisecond()).unwrap_or(0);
    Uuid::from_u128(millis << 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_asked_for_by_the_index_that_holds_them() {
        let filter = |states: &[RunState]| RunFilter { states: states.to_vec(), ..RunFilter::all() };
        assert_eq!(filter(&[]).state_conditions(), ["true"]);
        assert_eq!(
            filter(&[RunState::Failed]).state_conditions(),
            ["state IN ('failed', 'cancelled') AND state IN ('failed')"]
        );
        let mixed = filter(&[RunState::Succeeded, RunState::Running, RunState::Queued]);
        assert_eq!(mixed.state_conditions(), ["state IN ('queued', 'running')", "state IN ('succeeded')"]);
    }

    #[test]
    fn a_filter_is_narrowed_and_never_widened() {
        let any = RunFilter::all().within(&[RunState::Failed, RunState::Cancelled]);
        assert_eq!(any.map(|filter| filter.states), Some(vec![RunState::Failed, RunState::Cancelled]));
        let succeeded = RunFilter { states: vec![RunState::Succeeded], ..RunFilter::all() };
        assert_eq!(succeeded.within(&[RunState::Failed]), None);
    }

    #[test]
    fn ids_are_bounded_by_their_time_a_day_apart() {
        let now = Timestamp::now();
        let (run, day) = (RunId::new().as_uuid(), SignedDuration::from_hours(25));
        let after = |time| RunFilter { created_after: Some(time), ..RunFilter::all() }.first_id().unwrap();
        let before = |time| RunFilter { created_before: Some(time), ..RunFilter::all() }.end_id(None).unwrap();
        assert!(after(now) < run && run < after(now + day));
        assert!(before(now - day) < run && run < before(now));
    }
}
