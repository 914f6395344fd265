//! What the fleet promises to whoever runs workflows on it: on the embedded system, and on real servers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where it stopped")]

#[path = "fleet/capacity.rs"]
mod capacity;
#[path = "fleet/clockwork.rs"]
mod clockwork;
#[path = "fleet/courier.rs"]
mod courier;
#[path = "fleet/documents.rs"]
mod documents;
#[path = "fleet/door.rs"]
mod door;
#[path = "fleet/elsewhere.rs"]
mod elsewhere;
#[path = "fleet/example.rs"]
mod example;
#[path = "fleet/failing.rs"]
mod failing;
#[path = "fleet/fan_out.rs"]
mod fan_out;
#[path = "fleet/front.rs"]
mod front;
#[path = "fleet/harness.rs"]
mod harness;
#[path = "fleet/hostile.rs"]
mod hostile;
#[path = "fleet/mixed.rs"]
mod mixed;
#[path = "fleet/own_queues.rs"]
mod own_queues;
#[path = "fleet/pipeline.rs"]
mod pipeline;
#[path = "fleet/poison.rs"]
mod poison;
#[path = "fleet/reading.rs"]
mod reading;
#[path = "fleet/running.rs"]
mod running;
#[path = "fleet/stopping.rs"]
mod stopping;
#[path = "fleet/streaming.rs"]
mod streaming;
#[path = "fleet/switching.rs"]
mod switching;
#[path = "fleet/telling.rs"]
mod telling;
#[path = "fleet/turns.rs"]
mod turns;
#[path = "fleet/webhooks.rs"]
mod webhooks;
#[path = "fleet/whisperer.rs"]
mod whisperer;
#[path = "fleet/world.rs"]
mod world;

/// Makes two tests of every spec. One that is missing here is dead code to the compiler.
macro_rules! specs {
    ($($topic:ident { $($claim:ident)+ })+) => {
        specs!(@in embedded $($topic { $($claim)+ })+);
        specs!(@in servers $($topic { $($claim)+ })+);
    };
    (@in $world:ident $($topic:ident { $($claim:ident)+ })+) => {
        mod $world {
            $(mod $topic {
                $(#[test]
                fn $claim() {
                    crate::world::play(crate::world::World::$world(), crate::$topic::$claim);
                })+
            })+
        }
    };
}

specs! {
    running {
        each_task_sees_the_input_and_what_its_ancestors_left_behind
        an_output_too_large_for_a_message_travels_by_reference
        an_idempotency_key_starts_one_run
        a_hundred_runs_submitted_at_once_all_succeed_and_each_task_is_recorded_once
    }
    failing {
        a_passing_failure_is_tried_again_and_every_attempt_is_on_record
        a_final_failure_skips_what_depends_on_it_and_nothing_else
        a_tolerated_failure_is_shown_to_descendants_and_does_not_fail_the_run
        a_panic_costs_one_attempt_and_not_the_worker
        a_handler_that_hangs_is_stopped_at_its_hard_limit
        the_soft_limit_tells_and_extra_time_moves_the_hard_one
        a_snooze_counts_against_nothing_and_keeps_its_state
        a_task_nobody_here_serves_fails_by_name_after_its_attempts
        an_unreadable_message_goes_to_the_dead_letters_with_its_reason
        a_duplicate_of_a_live_attempt_is_dropped
    }
    capacity {
        a_workers_own_limit_counts_whatever_a_task_allows_or_a_handler_asks_for
        the_concurrency_grows_with_the_backlog_and_not_beyond_its_maximum
        a_task_that_may_outlast_its_job_at_the_broker_is_refused_by_name
    }
    poison {
        a_job_that_kills_whoever_takes_it_fails_its_run_and_stays_for_operators
        a_job_that_was_unreadable_completes_its_run_when_it_is_replayed
    }
    fan_out {
        results_of_a_mapped_task_arrive_in_the_order_of_the_list
        ten_thousand_children_are_joined_in_their_order
        an_empty_list_is_joined_at_once
        a_child_that_fails_for_good_fails_the_join
        a_thousand_children_complete
    }
    telling {
        what_handlers_log_is_on_record_in_order_and_so_are_the_ends_of_tasks_and_run
    }
    clockwork {
        a_schedule_starts_a_run_when_its_time_comes
        several_clocks_that_fire_at_once_start_one_run_for_each_time
        a_missed_time_is_left_out_or_made_up_for_as_the_schedule_says
    }
    pipeline {
        the_document_workflow_gives_the_same_answers_byte_by_byte
    }
    reading {
        a_service_reads_the_document_and_another_run_of_it_makes_no_call
        a_changed_setting_reads_again_and_a_new_secret_does_not
        a_damaged_text_is_read_again_and_a_removed_document_takes_its_texts_along
    }
    example {
        the_payments_of_the_example_are_matched_with_their_invoices
    }
    own_queues {
        a_task_on_a_queue_of_its_own_is_done_by_whoever_serves_that_queue
        a_job_on_a_queue_that_nobody_serves_waits_for_a_worker_that_starts_later
        workers_that_share_a_queue_pass_on_what_the_other_one_serves
    }
    front {
        every_answer_carries_the_id_of_its_call_and_every_error_explains_itself
        what_a_client_has_already_is_not_sent_again_and_head_is_get_without_a_body
        a_client_that_prefers_to_wait_gets_the_result_or_learns_that_it_takes_longer
        a_run_that_retention_has_removed_is_gone_and_no_other_is
        only_listed_web_pages_may_call
        calls_are_encrypted_where_a_certificate_is_given
    }
    streaming {
        a_stream_tells_everything_once_and_in_order_and_ends_with_the_run
        a_client_that_comes_again_goes_on_without_a_gap_or_a_repeat
        who_listens_hears_of_what_happens_at_once
        a_stream_ends_when_the_server_stops
    }
    documents {
        the_same_bytes_are_the_same_document_until_it_is_removed
        a_run_of_a_stored_document_is_the_run_of_an_upload_of_it
        what_is_never_a_document_is_refused_and_not_kept
    }
    hostile {
        every_hostile_call_gets_a_clear_refusal_and_leaves_nothing_behind
        names_of_files_never_leave_their_folder
    }
    turns {
        a_crowd_of_one_tenant_does_not_delay_another_tenants_run
        an_urgent_run_goes_before_those_that_wait
    }
    webhooks {
        the_end_of_a_run_is_told_signed_to_every_endpoint_that_wants_it
        a_message_that_does_not_arrive_is_sent_again_until_it_does
        an_endpoint_that_says_it_is_gone_is_left_alone_from_then_on
        an_endpoint_inside_the_network_is_not_reached
        ends_that_nobody_told_are_told_later_and_once
        nobody_signs_with_the_secrets_of_others
        what_its_owner_sends_over_http_arrives_signed_and_replayed_under_the_same_id
    }
    switching {
        runs_are_split_as_operators_say_and_listed_by_backend
        a_switch_holds_for_every_dispatcher_without_a_restart_and_is_taken_back
        a_backend_that_cannot_do_it_is_refused_by_name_and_nothing_changes
        one_run_may_try_a_backend
        shadows_repeat_runs_unseen_and_are_compared
        a_signal_reaches_the_backend_of_a_run_under_way
        operators_see_how_backends_are_and_what_they_can_do
    }
    stopping {
        cancelling_stops_the_running_task_and_starts_no_other
        a_run_that_has_ended_is_not_cancelled
        a_run_past_its_deadline_fails
        shutting_down_lets_a_running_task_finish
        what_one_process_leaves_unfinished_the_next_one_finishes_without_repeating_finished_tasks
    }
}

/// The promises that hold on every backend, as tests on the one that is named. A claim that one cannot keep is an exception
/// that is declared.
macro_rules! conformance {
    ($world:ident, $($more:ident)*) => { conformance!($world); $(conformance!($more);)* };
    ($world:ident) => {
        specs!(@in $world
            pipeline {
                the_document_workflow_gives_the_same_answers_byte_by_byte
            }
            running {
                each_task_sees_the_input_and_what_its_ancestors_left_behind
                an_output_too_large_for_a_message_travels_by_reference
                an_idempotency_key_starts_one_run
                a_hundred_runs_submitted_at_once_all_succeed_and_each_task_is_recorded_once
            }
            failing {
                a_passing_failure_is_tried_again_and_every_attempt_is_on_record
                a_final_failure_skips_what_depends_on_it_and_nothing_else
                a_tolerated_failure_is_shown_to_descendants_and_does_not_fail_the_run
                a_panic_costs_one_attempt_and_not_the_worker
                a_handler_that_hangs_is_stopped_at_its_hard_limit
                the_soft_limit_tells_and_extra_time_moves_the_hard_one
                a_snooze_counts_against_nothing_and_keeps_its_state
                a_task_nobody_here_serves_fails_by_name_after_its_attempts
            }
            fan_out {
                results_of_a_mapped_task_arrive_in_the_order_of_the_list
                an_empty_list_is_joined_at_once
                a_child_that_fails_for_good_fails_the_join
            }
            telling {
                what_handlers_log_is_on_record_in_order_and_so_are_the_ends_of_tasks_and_run
            }
            own_queues {
                a_task_on_a_queue_of_its_own_is_done_by_whoever_serves_that_queue
            }
            turns {
                a_crowd_of_one_tenant_does_not_delay_another_tenants_run
                an_urgent_run_goes_before_those_that_wait
            }
            stopping {
                cancelling_stops_the_running_task_and_starts_no_other
                a_run_that_has_ended_is_not_cancelled
                a_run_past_its_deadline_fails
                shutting_down_lets_a_running_task_finish
                what_one_process_leaves_unfinished_the_next_one_finishes_without_repeating_finished_tasks
            }
        );
    };
}

conformance!(walked, celery);
#[cfg(feature = "temporal")]
conformance!(temporal);

/// These need an engine that can be switched off and made to forget.
mod between {
    specs!(@in walked elsewhere {
        an_engine_that_is_away_keeps_its_own_runs_waiting_and_nobody_elses
        a_run_that_its_engine_forgot_fails_by_name_at_the_second_look
        a_signal_reaches_the_engine_of_its_run
        a_turn_that_kills_whoever_takes_it_is_poison_and_one_that_is_handed_back_is_not
    });
}

/// Queues in memory have no properties.
#[test]
fn a_queue_that_the_broker_refuses_fails_its_tasks_and_holds_up_no_others() {
    let spec = own_queues::a_queue_that_the_broker_refuses_fails_its_tasks_and_holds_up_no_others;
    world::play(world::World::servers(), spec);
}
