//! What every coordination store must do, as named cases.
//!
//! An implementation's test file names itself and nothing else:
//!
//! ```text
//! async fn open() -> Arc<dyn Coordination> { … }
//! coordination::conformance_suite!(#[tokio::test] open);
//! ```
//!
//! `open` is called once for each case and returns a store that shares nothing with those of other cases. A case
//! panics when a promise is broken. Cases wait with the clock of tokio: paused for a store in this process, real for
//! a server.

use std::sync::Arc;
use std::time::Duration;

use protocol::{RunId, TaskRunId};
use tokio::sync::broadcast::Receiver;
use tokio::time::{sleep, timeout};

use crate::{Coordination, Lease};

pub mod cache;
pub mod cancellation;
pub mod leases;
pub mod limits;
pub mod presence;
pub mod progress;

/// Stamps one test for each case: `conformance_suite!(#[tokio::test] open)`.
#[macro_export]
macro_rules! conformance_suite {
    (#[$test:meta] $open:ident) => {
        $crate::conformance_suite!(@module #[$test] $open, leases:
            an_attempt_has_one_holder,
            many_leases_can_be_taken_in_one_call,
            of_many_that_ask_at_once_one_gets_the_lease,
            the_holder_may_take_its_lease_again,
            a_lease_ends_by_itself,
            renewal_prolongs_a_lease,
            a_late_renewal_takes_back_what_is_free_and_reports_what_is_not,
            only_the_holder_gives_a_lease_back,
            of_many_attempts_each_is_said_to_be_held_or_not,
        );
        $crate::conformance_suite!(@module #[$test] $open, cancellation:
            a_cancelled_run_is_remembered_for_a_while,
            of_many_runs_each_is_answered_for,
            a_cancellation_reaches_every_listener,
        );
        $crate::conformance_suite!(@module #[$test] $open, progress:
            an_announcement_reaches_every_watcher,
            announcing_to_nobody_is_fine,
            a_watcher_that_lags_holds_nobody_up,
        );
        $crate::conformance_suite!(@module #[$test] $open, presence:
            who_checked_in_is_present_until_its_time_is_over,
            checking_in_again_replaces_what_was_said_and_prolongs_it,
            who_checks_out_is_gone_at_once_and_alone,
            the_present_are_listed_by_role_and_name,
            whoever_attends_stays_present_and_checks_out_at_the_end,
        );
        $crate::conformance_suite!(@module #[$test] $open, limits:
            a_bucket_gives_what_it_holds_and_names_the_wait,
            tokens_come_back_after_the_named_wait,
            a_refusal_takes_nothing,
            of_many_that_ask_at_once_as_many_as_there_are_tokens_get_one,
            who_asks_for_more_than_a_bucket_holds_gets_a_full_one,
            a_bucket_never_holds_more_than_it_can,
        );
        $crate::conformance_suite!(@module #[$test] $open, cache:
            a_cached_value_is_found_until_it_ends,
            caching_again_replaces_value_and_end,
            any_key_and_any_bytes_can_be_cached,
        );
    };
    (@module #[$test:meta] $open:ident, $module:ident: $($case:ident),+ $(,)?) => {
        mod $module {
            $(
                #[$test]
                async fn $case() {
                    $crate::conformance::$module::$case(super::$open().await).await;
                }
            )+
        }
    };
}

/// Long enough that nothing ends by itself during a case.
const LONG: Duration = Duration::from_secs(60);
/// Short enough to wait for the end.
const SHORT: Duration = Duration::from_millis(400);
/// How long a case waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);

type Store = Arc<dyn Coordination>;

fn lease(holder: &str) -> Lease {
    Lease { task_run: TaskRunId::new(), attempt: 1, holder: holder.to_owned() }
}

async fn after(ttl: Duration) {
    sleep(ttl + ttl / 4).await;
}

async fn received<T: Clone>(receiver: &mut Receiver<T>) -> T {
    timeout(PATIENCE, receiver.recv()).await.expect("it is told").expect("the store is open and nobody lags")
}

async fn is_cancelled(store: &Store, run: RunId) -> bool {
    store.is_cancelled(run).await.expect("the store is there")
}
