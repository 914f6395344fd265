//! What remote control can ask of a worker. Names, arguments and answers are Celery's, so that its command line, Flower and
//! scripts need not know the difference.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::crew::Request;
use super::shared::Shared;
use super::{QueueConfig, about, intake, prefetch, revoked, stats};
use crate::message::iso;
use crate::rate::Rate;
use crate::{Failure, Outcome, TaskId, TaskResult};

/// Ends the worker, once this is answered.
pub(super) const SHUTDOWN: &str = "shutdown";

type Answer = Result<Value, String>;

/// Does what is asked; the refusal is what the asker reads.
pub(crate) async fn obey(shared: &Arc<Shared>, method: &str, arguments: &Value) -> Answer {
    let asked = Asked(arguments);
    match method {
        "ping" => ok("pong"),
        "clock" => Ok(json!({ "clock": shared.events.clock.value() })),
        "active" | "dump_active" => Ok(infos(shared, &shared.requests.active(), asked.flag("safe"))),
        "reserved" | "dump_reserved" => Ok(infos(shared, &waiting(shared), false)),
        "scheduled" | "dump_schedule" => Ok(scheduled(shared)),
        "revoked" | "dump_revoked" => Ok(shared.revoked.all().into_iter().map(|(id, _)| id).collect()),
        "registered" | "dump_tasks" => Ok(registered(shared, &asked)),
        "query_task" => Ok(query(shared, &asked.list("ids"))),
        "active_queues" => Ok(stats::queues(&shared.intake.queues())),
        "stats" => Ok(stats::stats(shared)),
        "conf" | "dump_conf" => Ok(stats::settings(shared)),
        "report" => ok(&stats::report(shared)),
        "hello" => Ok(hello(shared, &asked)),
        "heartbeat" => {
            shared.events.send("worker-heartbeat", about(shared));
            Ok(Value::Null)
        }
        "enable_events" => {
            ok(if shared.events.switch(true) { "task events enabled" } else { "task events already enabled" })
        }
        "disable_events" => {
            ok(if shared.events.switch(false) { "task events disabled" } else { "task events already disabled" })
        }
        "revoke" => revoke(shared, &asked.list("task_id"), asked.flag("terminate"), asked.text("signal")).await,
        "terminate" => revoke(shared, &asked.list("task_id"), true, asked.text("signal")).await,
        "revoke_by_stamped_headers" => revoke_by_stamps(shared, &asked),
        "rate_limit" => rate_limit(shared, &asked),
        "time_limit" => time_limit(shared, &asked),
        "pool_grow" => resize(shared, asked.number("n").unwrap_or(1)),
        "pool_shrink" => resize(shared, -asked.number("n").unwrap_or(1)),
        "add_consumer" => add_consumer(shared, &asked).await,
        "cancel_consumer" => {
            let queue = asked.text("queue").ok_or("a queue is needed")?;
            shared.intake.cancel(queue);
            ok(&format!("no longer consuming from {queue}"))
        }
        // Whoever answers ends the worker afterwards.
        SHUTDOWN => ok("shutting down"),
        "pool_restart" | "autoscale" => Err(format!("{method} is not what this worker can do")),
        unknown => Err(format!("KeyError('{unknown}')")),
    }
}

/// The arguments of a request.
struct Asked<'a>(&'a Value);

impl<'a> Asked<'a> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.get(name).and_then(Value::as_str)
    }

    fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(Value::as_i64)
    }

    /// One text or several.
    fn list(&self, name: &str) -> Vec<&'a str> {
        match self.get(name) {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

fn ok(text: &str) -> Answer {
    Ok(json!({ "ok": text }))
}

fn infos(shared: &Shared, requests: &[Arc<Request>], safe: bool) -> Value {
    requests.iter().map(|request| request.info(&shared.config.name, safe)).collect()
}

/// Tasks that are here and do not run.
fn waiting(shared: &Shared) -> Vec<Arc<Request>> {
    shared.requests.all().into_iter().filter(|request| !request.is_active()).collect()
}

/// Those whose time comes within the second. All others wait in RabbitMQ, where nobody can list them.
fn scheduled(shared: &Shared) -> Value {
    let due = waiting(shared).into_iter().filter_map(|request| {
        let eta = request.message.eta?;
        Some(json!({ "eta": iso(eta), "priority": 6, "request": request.info(&shared.config.name, false) }))
    });
    due.collect()
}

fn registered(shared: &Shared, asked: &Asked<'_>) -> Value {
    let items = asked.list("taskinfoitems");
    let wants_rate = items.is_empty() || items.contains(&"rate_limit");
    let line = |(name, task): (&String, &super::shared::Registered)| match task.options().rate_limit {
        Some(rate) if wants_rate => format!("{name} [rate_limit={rate}]"),
        _ => name.clone(),
    };
    shared.tasks.iter().map(line).collect()
}

fn query(shared: &Shared, ids: &[&str]) -> Value {
    let known = shared.requests.all().into_iter().filter(|request| ids.contains(&request.message.id.as_str()));
    let lines = known.map(|request| {
        let state = if request.is_active() { "active" } else { "reserved" };
        (request.message.id.clone(), json!([state, request.info(&shared.config.name, false)]))
    });
    Value::Object(lines.collect())
}

/// What another worker that has just come should know.
fn hello(shared: &Shared, asked: &Asked<'_>) -> Value {
    if asked.text("from_node") == Some(&shared.config.name) {
        return Value::Null;
    }
    learn(shared, asked.get("revoked"));
    let revoked = shared.revoked.all().into_iter().map(|(id, since)| (id.clone(), json!([since, id])));
    json!({ "revoked": revoked.collect::<Map<_, _>>(), "clock": shared.events.clock.forward() })
}

/// Remembers what another worker says was taken back.
pub(crate) fn learn(shared: &Shared, revoked: Option<&Value>) {
    let Some(Value::Object(revoked)) = revoked else { return };
    for (id, since) in revoked {
        let since = since.as_f64().or_else(|| since.get(0).and_then(Value::as_f64));
        shared.revoked.add(id, since);
    }
}

async fn revoke(shared: &Shared, ids: &[&str], terminate: bool, signal: Option<&str>) -> Answer {
    for id in ids {
        shared.revoked.add(id, None);
        // Known at once to whoever asks, although the task itself may be anywhere.
        if let Some(results) = &shared.results
            && let Err(error) =
                results.store(&TaskResult::new(*id, Outcome::Revoked(Failure::revoked("revoked")))).await
        {
            tracing::warn!(%error, task.id = id, "that a task was taken back could not be stored");
        }
    }
    let terminated = recall(shared, terminate, signal);
    tracing::info!(?ids, terminate, "taken back");
    match (terminate, terminated.is_empty()) {
        (false, _) => ok(&format!("tasks {} flagged as revoked", ids.join(", "))),
        (true, true) => ok("terminate: tasks unknown"),
        (true, false) => ok(&format!("terminate: {}", terminated.join(", "))),
    }
}

/// Lets those that are here and were taken back hear of it; says which of them were stopped.
fn recall(shared: &Shared, terminate: bool, signal: Option<&str>) -> Vec<TaskId> {
    let mut terminated = Vec::new();
    for request in shared.requests.all().iter().filter(|request| shared.revoked.covers(request)) {
        request.recalled.cancel();
        if terminate {
            request.signal.get_or_init(|| signal.unwrap_or("SIGTERM").to_owned());
            request.terminate.cancel();
            terminated.push(request.message.id.clone());
        }
    }
    terminated
}

fn revoke_by_stamps(shared: &Shared, asked: &Asked<'_>) -> Answer {
    let Some(Value::Object(headers)) = asked.get("headers") else { return Err("headers are needed".to_owned()) };
    for (name, values) in headers {
        shared.revoked.add_stamps(name, &revoked::texts(values));
    }
    let (terminate, shown) = (asked.flag("terminate"), asked.0["headers"].to_string());
    let terminated = recall(shared, terminate, asked.text("signal"));
    match (terminate, terminated.is_empty()) {
        (false, _) => ok(&format!("headers {shown} flagged as revoked, but not terminated")),
        (true, true) => ok(&format!("headers {shown} were not terminated")),
        (true, false) => ok(&format!("headers {shown} revoked")),
    }
}

fn rate_limit(shared: &Shared, asked: &Asked<'_>) -> Answer {
    let Some(task) = asked.text("task_name").and_then(|name| shared.tasks.get(name)) else {
        return Err("unknown task".to_owned());
    };
    let rate = match asked.get("rate_limit") {
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) => text.clone(),
        _ => "0".to_owned(),
    };
    if matches!(rate.as_str(), "" | "0") {
        task.change(|options| options.rate_limit = None);
        return ok("rate limit disabled successfully");
    }
    let rate: Rate = rate.parse().map_err(|error| format!("Invalid rate limit string: {error}"))?;
    task.change(|options| options.rate_limit = Some(rate));
    ok("new rate limit set successfully")
}

fn time_limit(shared: &Shared, asked: &Asked<'_>) -> Answer {
    let Some(task) = asked.text("task_name").and_then(|name| shared.tasks.get(name)) else {
        return Err("unknown task".to_owned());
    };
    let limit = |name: &str| {
        let seconds = asked.get(name).and_then(Value::as_f64);
        seconds.map(|seconds| Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())).transpose()
    };
    let (hard, soft) = (limit("hard")?, limit("soft")?);
    task.change(|options| options.limits = crate::TimeLimits { hard, soft });
    ok("time limits set successfully")
}

fn resize(shared: &Shared, by: i64) -> Answer {
    let size = i64::try_from(shared.slots.size()).unwrap_or(i64::MAX).saturating_add(by).clamp(1, 10_000);
    let size = usize::try_from(size).unwrap_or(1);
    shared.slots.resize(size);
    shared.intake.set_prefetch(prefetch(size, shared.config.prefetch_multiplier));
    ok(if by > 0 { "pool will grow" } else { "pool will shrink" })
}

async fn add_consumer(shared: &Arc<Shared>, asked: &Asked<'_>) -> Answer {
    let queue = asked.text("queue").ok_or("a queue is needed")?;
    intake::add(shared, QueueConfig::new(queue)).await.map_err(|error| error.to_string())?;
    if let Some(exchange) = asked.text("exchange").filter(|exchange| !exchange.is_empty()) {
        let kind = asked.text("exchange_type").unwrap_or("direct");
        let key = asked.text("routing_key").unwrap_or(queue);
        let binding = shared.sender.amqp.bind(queue, exchange, kind, key).await;
        binding.map_err(|error| error.to_string())?;
    }
    ok(&format!("add consumer {queue}"))
}
