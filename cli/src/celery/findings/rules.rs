//! The rules: one line or one question for each setting of Celery that matters.

use serde_json::Value;

use super::{Fit, Verdict, amqp, is_redis};

pub(super) const JSON_ALONE: &str = "we read and write JSON alone: set it to json before the first task moves. Pickles in the \
                                     queues are rejected";

pub(super) const RATE: &str =
    "kept by Python's workers alone; here limits per tenant and --concurrency bound what runs";

const GENERAL: &str = "read by Python's processes alone; it stays there";

/// How a setting carries over.
pub(super) fn of(setting: &str, value: &Value) -> Verdict {
    let text = value.as_str().unwrap_or_default();
    match setting {
        "broker_url" => broker(text),
        "result_backend" => results(text),
        "task_serializer" | "result_serializer" => serializer(text),
        "accept_content" | "result_accept_content" => accepted(value),
        "task_compression" | "result_compression" => compression(text),
        "broker_transport_options" => transport(value),
        "task_acks_late" => acknowledgement(value == &Value::Bool(true)),
        "task_protocol" if value != &Value::from(2) => none("set it to 2: protocol 1 is refused"),
        "beat_scheduler" => {
            none("entries that it keeps elsewhere are not seen: list them and use `flotilla schedules set`")
        }
        "worker_pool" => {
            different("tasks of an async runtime", "code that blocks its thread belongs into spawn_blocking")
        }
        "task_annotations" => none("write what it changes into each task"),
        "task_always_eager" => none("for tests alone; `flotilla serve` is a whole system in one process"),
        "task_routes" | "task_queues" => same("one worker per queue"),
        _ => table(setting),
    }
}

/// Settings whose value does not matter.
fn table(setting: &str) -> Verdict {
    match setting {
        "task_default_queue" => same("FLOTILLA_CELERY_DEFAULT_QUEUE"),
        "task_protocol" => same("protocol 2"),
        "worker_concurrency" => different("--concurrency", "tasks that wait cost next to nothing: it may be larger"),
        "worker_prefetch_multiplier" => different("1", "what is acknowledged late and fetched early would only wait"),
        "task_time_limit" => same("--time-limit, and timeouts.hard_ms of workflows"),
        "task_soft_time_limit" => {
            different("--soft-time-limit", "nothing is raised: a handler looks at ctx.stopping()")
        }
        "timezone" => same("time_zone of schedules"),
        "enable_utc" => same("times travel in UTC"),
        "worker_soft_shutdown_timeout" => same("--shutdown-grace"),
        "worker_autoscaler" => different("--autoscale", ""),
        "task_reject_on_worker_lost" => same("what a lost worker had goes to another"),
        "task_acks_on_failure_or_timeout" => different("acknowledged", "a failure is a result; nothing is rejected"),
        "worker_max_tasks_per_child" | "worker_max_memory_per_child" => {
            none("handlers have no child processes; those of the stock document stages have the flags of these names")
        }
        "task_default_rate_limit" => none(RATE),
        "task_default_priority" | "task_queue_max_priority" | "task_inherit_parent_priority" => {
            none("our messages have no priority: runs are admitted by theirs")
        }
        "task_ignore_result" | "task_store_errors_even_if_ignored" => {
            different("as each message says", "a handler's result is told unless its message says ignore_result")
        }
        "task_track_started" => none("ask `celery inspect active`, or `flotilla status` for a run"),
        "task_send_sent_event" | "worker_send_task_events" => {
            different("events on request", "switch them on by `celery control enable_events`")
        }
        "result_expires" => different("a day", "results of handlers under Celery names are kept in Redis for a day"),
        "result_extended" => none("results of handlers have no name and arguments beside them"),
        "result_backend_transport_options" => {
            none("a key prefix cannot be set for --celery-results yet: use rpc:// there")
        }
        "database_table_names" | "database_engine_options" | "database_short_lived_sessions" => {
            none("results in a database are read by nothing of ours that runs")
        }
        "security_key" | "security_certificate" | "security_cert_store" | "security_digest" => {
            none("signed messages are not read; encrypt the connection (amqps://)")
        }
        "control_exchange" | "event_exchange" => none("ours listen at celery and celeryev alone"),
        "task_default_exchange" | "task_default_exchange_type" | "task_default_routing_key" => {
            different("queues by their names", "nothing of ours publishes to an exchange")
        }
        "broker_use_ssl" => {
            different("amqps:// in FLOTILLA_CELERY_URL", "certificates are those that the system trusts")
        }
        "broker_native_delayed_delivery_queue_type" => same("the queues celery_delayed_N are shared"),
        "imports" | "include" => same("nothing to do: tasks were imported to be read"),
        _ => none(GENERAL),
    }
}

fn same(here: &str) -> Verdict {
    (Fit::Same, here.to_owned(), "")
}

fn different(here: &str, advice: &'static str) -> Verdict {
    (Fit::Different, here.to_owned(), advice)
}

fn none(advice: &'static str) -> Verdict {
    (Fit::None, String::new(), advice)
}

fn broker(url: &str) -> Verdict {
    match amqp(url) {
        Some(_) => (Fit::Same, "FLOTILLA_CELERY_URL".to_owned(), "put the password in"),
        None => none(
            "we speak to Celery through RabbitMQ alone: move the application's broker there first; nothing of its code \
                      changes",
        ),
    }
}

fn results(url: &str) -> Verdict {
    let scheme = url.split_once(':').map_or(url, |(scheme, _)| scheme);
    match scheme {
        "rpc" => same("results come and go by message"),
        _ if is_redis(url) => (
            Fit::Different,
            "FLOTILLA_CELERY_RESULTS, for handlers under Celery names".to_owned(),
            "put the password in. Python's workers that do tasks of our workflows answer by message: start those with \
             --result-backend rpc://",
        ),
        "" | "disabled" => {
            different("results come by message", "Python's workers that do tasks of our workflows need rpc://")
        }
        _ => none(
            "results lie in Redis or travel by message here: start Python's workers that do tasks of our workflows with \
                   --result-backend rpc://, and read old results where they lie",
        ),
    }
}

fn serializer(name: &str) -> Verdict {
    if name == "json" { same("JSON") } else { none(JSON_ALONE) }
}

fn accepted(value: &Value) -> Verdict {
    let names = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let json = |name: &Value| matches!(name.as_str(), Some("json" | "application/json"));
    if names.iter().all(json) { same("JSON") } else { different("JSON", JSON_ALONE) }
}

fn compression(name: &str) -> Verdict {
    match name {
        "zlib" | "gzip" | "application/x-gzip" => different("read", "what we write is not compressed"),
        _ => none("only zlib is read: set it to zlib, or to nothing"),
    }
}

fn transport(value: &Value) -> Verdict {
    let has = |name: &str| value.get(name).is_some();
    match () {
        () if has("priority_steps") || has("queue_order_strategy") => {
            none("priority steps are a thing of Redis: runs are admitted by their priority here")
        }
        () if has("visibility_timeout") => none(
            "RabbitMQ has none: a task comes again when its worker's connection is lost, or after consumer_timeout",
        ),
        () => none(GENERAL),
    }
}

fn acknowledgement(late: bool) -> Verdict {
    if late {
        same("after the handler, always")
    } else {
        different("after the handler, always", "a handler may be called again after a crash: make it idempotent")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fit(setting: &str, value: &Value) -> Fit {
        of(setting, value).0
    }

    #[test]
    fn what_cannot_be_carried_over_is_never_called_the_same() {
        for (setting, value) in [
            ("broker_url", json!("redis://localhost/0")),
            ("broker_url", json!("sqs://")),
            ("result_backend", json!("db+postgresql://localhost/results")),
            ("result_backend", json!("django-db")),
            ("task_serializer", json!("pickle")),
            ("broker_transport_options", json!({ "priority_steps": [0, 5] })),
            ("broker_transport_options", json!({ "visibility_timeout": 3600 })),
            ("task_protocol", json!(1)),
            ("some_setting_to_come", json!(true)),
        ] {
            let (fit, here, advice) = of(setting, &value);
            assert_eq!(fit, Fit::None, "{setting} = {value}");
            assert!(here.is_empty() && !advice.is_empty(), "{setting}: what has no counterpart has advice");
        }
    }

    #[test]
    fn what_ours_and_celery_share_is_the_same() {
        for (setting, value) in [
            ("broker_url", json!("pyamqp://guest@localhost//")),
            ("result_backend", json!("rpc://")),
            ("task_serializer", json!("json")),
            ("accept_content", json!(["json"])),
            ("task_acks_late", json!(true)),
        ] {
            assert_eq!(fit(setting, &value), Fit::Same, "{setting} = {value}");
        }
        assert_eq!(fit("task_acks_late", &json!(false)), Fit::Different);
        assert_eq!(fit("accept_content", &json!(["json", "pickle"])), Fit::Different);
    }
}
