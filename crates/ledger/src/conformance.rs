//! What every ledger has to do, as a suite that each implementation runs against itself:
//!
//! ```text
//! ledger::conformance_tests!(async { (Arc::new(MyLedger::connect().await.unwrap()), ()) });
//! ```
//!
//! The expression gives an empty ledger and whatever has to stay alive with it. Each case becomes a test of its own.

#![expect(clippy::unwrap_used, reason = "every case is a test: it panics exactly when the ledger does not conform")]

mod again;
mod events;
mod fairness;
mod fan_out;
mod kit;
mod lists;
mod notices;
mod operations;
mod outbox;
mod progress;
mod reads;
mod records;
mod schedules;
mod submission;
mod timers;
mod usage;

pub use again::*;
pub use events::*;
pub use fairness::*;
pub use fan_out::*;
pub use lists::*;
pub use notices::*;
pub use operations::*;
pub use outbox::*;
pub use progress::*;
pub use reads::*;
pub use records::*;
pub use schedules::*;
pub use submission::*;
pub use timers::*;
pub use usage::*;

/// One test per case of the suite; see [the module](crate::conformance).
#[macro_export]
macro_rules! conformance_tests {
    ($make:expr) => {
        $crate::conformance_tests! { @each $make;
            a_key_records_one_run_per_tenant,
            a_key_used_for_something_else_is_refused,
            keys_name_the_runs_that_they_started,
            a_thousand_runs_are_submitted_at_once,
            an_unknown_workflow_is_refused,
            a_changed_workflow_needs_another_version,
            workflows_are_listed_in_their_latest_version,
            runs_are_admitted_oldest_first_up_to_the_limit,
            a_submission_without_competition_is_released_at_once,
            a_full_window_keeps_runs_in_line,
            a_limit_holds_for_what_is_released_at_once,
            children_of_mapped_tasks_do_not_fill_the_window,
            what_nobody_serves_does_not_fill_the_window,
            a_crowd_delays_nobody_else,
            weights_are_kept_at_every_moment,
            a_higher_priority_goes_first,
            a_limit_holds_runs_back_until_others_end,
            a_held_run_can_be_cancelled,
            a_limit_can_be_changed,
            a_run_counts_as_much_as_it_did,
            equal_tenants_get_equal_parts,
            a_chain_hands_its_outputs_on_to_the_end,
            the_end_of_a_run_is_told_once_with_its_times,
            a_callback_counts_once,
            an_end_may_overtake_its_start,
            what_a_snooze_stored_reaches_the_next_attempt,
            a_lost_attempt_is_tried_again_and_cannot_report_later,
            a_cancelled_run_stays_cancelled,
            an_event_for_an_unknown_run_is_reported,
            a_batch_may_touch_many_runs_many_times,
            concurrent_callbacks_end_each_run_once,
            a_list_of_any_length_is_mapped_and_collected_in_order,
            an_event_can_come_between_the_children_of_a_mapped_task,
            a_job_stays_in_the_outbox_until_it_is_marked,
            a_mark_for_a_stale_attempt_publishes_nothing,
            forgotten_marks_bring_back_whatever_has_not_ended,
            what_was_handed_out_is_found_until_it_ends,
            only_what_was_lost_is_handed_out_again,
            a_rebuilt_job_equals_the_one_handed_out,
            a_retry_waits_for_its_timer,
            a_run_ends_at_its_deadline,
            a_job_that_nobody_starts_expires,
            the_longest_overdue_comes_first,
            a_schedule_reads_back_as_it_was_put,
            due_schedules_come_longest_overdue_first,
            a_schedule_fires_once_for_its_time,
            a_schedule_whose_runs_are_refused_does_not_move,
            a_schedule_that_was_changed_or_removed_does_not_fire_as_it_was,
            a_schedule_can_move_on_without_a_run,
            a_run_is_done_again_from_where_it_went_wrong,
            a_run_again_is_released_at_once_with_what_was_done_before,
            a_mapped_task_is_taken_over_with_its_children,
            a_run_again_keeps_its_workflow_version_and_priority,
            each_retry_is_for_itself_and_says_why_it_is_refused,
            a_retry_with_a_key_is_recorded_once,
            each_of_many_runs_is_started_for_itself,
            a_list_holds_what_its_filter_means,
            a_filtered_list_is_paged_newest_first,
            what_was_consumed_is_counted_once_by_day_and_model,
            what_runs_consumed_is_shown_to_their_tenant_alone,
            the_end_of_a_run_waits_until_its_owner_was_told,
            every_way_to_end_is_told_in_the_order_of_the_ends,
            tenants_see_their_own_runs_alone,
            a_list_is_paged_newest_first,
            every_attempt_is_remembered_with_what_it_consumed,
            what_was_told_is_read_in_order_page_after_page,
            of_a_batch_nothing_is_kept_twice_and_the_end_comes_last,
            a_reader_misses_no_event_however_many_record_at_once,
            events_are_shown_to_their_tenant_with_where_the_run_stands,
            active_are_the_published_and_the_started_longest_released_first,
            scheduled_are_those_that_wait_with_their_reason_next_due_first,
            the_backlog_counts_what_waits_and_what_runs_by_queue,
            the_tenants_that_wait_longest_for_admission_come_first,
            a_record_reads_back_as_it_was_put,
            a_record_changes_only_from_what_was_expected,
            a_record_is_found_by_its_lookup_name,
            records_are_listed_page_by_page,
        }
    };
    (@each $make:expr; $($case:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let (ledger, _kept_alive) = $make.await;
                $crate::conformance::$case(ledger).await;
            }
        )+
    };
}
