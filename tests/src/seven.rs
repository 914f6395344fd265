//! The seven kinds of workers that `tests/peers/seven.py` has.

/// A kind of worker.
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What it consumes, without the prefix of a spec.
    pub queue: &'static str,
    /// The task that it knows.
    pub task: &'static str,
}

/// The queue that is a quorum queue; all others are classic.
pub const QUORUM: &str = "file_processing";

/// All of them.
pub const KINDS: [Kind; 7] = [
    kind("api_deployment", "celery_api_deployments", "async_execute_bin_api"),
    kind("general", "celery", "async_execute_bin_general"),
    kind("file_processing", "file_processing", "process_file_batch"),
    kind("callback", "file_processing_callback", "process_batch_callback"),
    kind("log_consumer", "celery_log_task_queue", "logs_consumer"),
    kind("notification", "notifications", "process_notification"),
    kind("scheduler", "scheduler", "scheduler.tasks.execute_pipeline_task"),
];

const fn kind(name: &'static str, queue: &'static str, task: &'static str) -> Kind {
    Kind { name, queue, task }
}
