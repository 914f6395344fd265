//! What a worker says of itself when it is asked.

use std::time::Duration;

use jiff::Timestamp;
use lapin::uri::AMQPUri;
use serde_json::{Map, Value, json};

use super::shared::Shared;
use super::{QueueConfig, SOFTWARE};

/// Ticks of the clock by which Linux counts time on a processor.
const TICKS: f64 = 100.0;

pub(super) fn stats(shared: &Shared) -> Value {
    let uptime = Duration::try_from(Timestamp::now().duration_since(shared.started)).unwrap_or_default();
    json!({
        "broker": broker(shared),
        "clock": shared.events.clock.value().to_string(),
        "pid": std::process::id(),
        "uptime": uptime.as_secs(),
        "prefetch_count": shared.intake.prefetch(),
        "pool": {
            "implementation": "flotilla:tokio",
            "max-concurrency": shared.slots.size(),
            "processes": [std::process::id()],
            "max-tasks-per-child": "N/A",
            "put-guarded-by-semaphore": true,
            "timeouts": [0, 0],
        },
        "total": shared.requests.totals(),
        "rusage": usage(),
    })
}

/// Where it is connected to, without the password.
fn broker(shared: &Shared) -> Value {
    let Ok(uri) = shared.config.url.parse::<AMQPUri>() else { return json!({}) };
    json!({
        "hostname": uri.authority.host,
        "port": uri.authority.port,
        "userid": uri.authority.userinfo.username,
        "virtual_host": uri.vhost,
        "transport": "amqp",
        "heartbeat": uri.query.heartbeat,
        "ssl": shared.config.url.starts_with("amqps"),
    })
}

/// Seconds on a processor and the most memory in kilobytes, where the system says it.
fn usage() -> Value {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // What stands in parentheses may hold anything; after it the state is the first field.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let seconds = |index: usize| fields.get(index).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0) / TICKS;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0);
    json!({ "utime": seconds(11), "stime": seconds(12), "maxrss": peak })
}

/// Queues as Kombu describes them.
pub(super) fn queues(queues: &[QueueConfig]) -> Value {
    let describe = |queue: &QueueConfig| {
        let arguments = if queue.quorum { json!({ "x-queue-type": "quorum" }) } else { Value::Null };
        json!({
            "name": queue.name,
            "exchange": {
                "name": "", "type": "direct", "arguments": null, "durable": true, "passive": false,
                "auto_delete": false, "delivery_mode": null, "no_declare": false,
            },
            "routing_key": queue.name,
            "queue_arguments": arguments,
            "binding_arguments": null,
            "consumer_arguments": null,
            "durable": true,
            "exclusive": false,
            "auto_delete": false,
            "no_ack": false,
            "alias": null,
            "bindings": [],
            "no_declare": null,
            "expires": null,
            "message_ttl": null,
            "max_length": null,
            "max_length_bytes": null,
            "max_priority": queue.max_priority,
        })
    };
    queues.iter().map(describe).collect()
}

/// Settings by Celery's names, without addresses, which hold passwords.
pub(super) fn settings(shared: &Shared) -> Value {
    let config = &shared.config;
    let backend = match (config.rpc, &config.redis) {
        (_, Some(_)) => "redis",
        (true, None) => "rpc",
        (false, None) => "disabled",
    };
    let routes: Map<String, Value> =
        config.routes.iter().map(|(pattern, queue)| (pattern.clone(), json!({ "queue": queue }))).collect();
    json!({
        "result_backend": backend,
        "result_serializer": "json",
        "task_serializer": "json",
        "accept_content": ["json"],
        "enable_utc": true,
        "timezone": "UTC",
        "worker_concurrency": shared.slots.size(),
        "worker_prefetch_multiplier": config.prefetch_multiplier,
        "task_default_queue": config.default_queue,
        "task_create_missing_queues": config.declare,
        "task_routes": routes,
        "control_exchange": config.control_exchange,
        "event_exchange": config.event_exchange,
        "worker_soft_shutdown_timeout": config.grace.as_secs_f64(),
    })
}

pub(super) fn report(shared: &Shared) -> String {
    let (ident, version, system) = SOFTWARE;
    format!("software -> {ident}:{version} (Rust)\nplatform -> system:{system}\nsettings -> {}", settings(shared))
}
