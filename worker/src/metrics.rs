//! The names of what workers count. `docs/operations.md` explains each.

/// Attempts started, by `task` and `queue`.
pub(crate) const STARTED: &str = "flotilla_tasks_started_total";
/// Attempts ended, by `task`, `queue` and `outcome` (`succeeded`, `retry`, `failed`, `snoozed`, `dropped`, `handed_back`).
pub(crate) const ENDED: &str = "flotilla_tasks_ended_total";
/// Wall time of handlers in seconds, by `task`.
pub(crate) const DURATION: &str = "flotilla_task_duration_seconds";
/// From the release of a job to its start in seconds, by `queue`.
pub(crate) const QUEUE_WAIT: &str = "flotilla_task_queue_wait_seconds";
/// Attempts under way, by `queue`.
pub(crate) const IN_FLIGHT: &str = "flotilla_tasks_in_flight";
/// Duplicates of live attempts that were dropped, by `queue`.
pub(crate) const DUPLICATES: &str = "flotilla_duplicates_dropped_total";
/// Leases lost while their attempt was under way.
pub(crate) const LEASES_LOST: &str = "flotilla_leases_lost_total";
/// Jobs put back at the end of their queue for want of a handler, by `queue`.
pub(crate) const PASSED_ON: &str = "flotilla_jobs_passed_on_total";
/// Unreadable messages sent to the dead letters, by `queue`.
pub(crate) const UNREADABLE: &str = "flotilla_messages_unreadable_total";
/// Events of runs put on record.
pub(crate) const EVENTS_KEPT: &str = "flotilla_run_events_kept_total";
/// Outcomes recorded together in one transaction.
pub(crate) const CALLBACK_BATCH: &str = "flotilla_callback_batch_size";
/// Time to record one batch, in seconds.
pub(crate) const CALLBACK_RECORD: &str = "flotilla_callback_record_seconds";
/// Jobs that this worker may run at once.
pub(crate) const CONCURRENCY: &str = "flotilla_worker_concurrency";
/// Jobs of sticky runs that came back to this worker, by whether it `kept` them (`yes`, or `no`: it was busy too long).
pub(crate) const STICKY: &str = "flotilla_sticky_jobs_total";
