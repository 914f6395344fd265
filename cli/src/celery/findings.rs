//! Setting by setting: what it becomes here, and what has no counterpart.

use serde::Serialize;
use serde_json::Value;

use super::application::{Application, Queue, Task};

mod rules;

/// How well something carries over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fit {
    /// It means the same here.
    Same,
    /// There is something for it that behaves otherwise.
    Different,
    /// There is nothing for it.
    #[serde(rename = "no_counterpart")]
    None,
}

/// What was found about one setting.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Finding {
    /// By Celery's name.
    pub(super) setting: String,
    /// What it says.
    pub(super) value: String,
    /// How well that carries over.
    pub(super) fit: Fit,
    /// What it becomes here; empty where nothing does.
    pub(super) here: String,
    /// What to know or to do about it.
    pub(super) advice: String,
}

/// How well a value carries over, what it becomes, and advice.
type Verdict = (Fit, String, &'static str);

/// Everything about an application but its beat.
pub(super) fn of(application: &Application) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for (setting, value) in application.settings.iter().filter(|(_, value)| !value.is_null()) {
        let (fit, here, advice) = rules::of(setting, value);
        findings.push(Finding { setting: setting.clone(), value: shown(value), fit, here, advice: advice.to_owned() });
    }
    findings.extend(application.queues.iter().flat_map(of_queue));
    findings.extend(application.routers.iter().map(|router| Finding {
        setting: "task_routes".to_owned(),
        value: router.clone(),
        fit: Fit::Different,
        here: "the queue that it gave for every registered task".to_owned(),
        advice: "routes that depend on arguments are not seen; choose by workflow instead".to_owned(),
    }));
    findings.extend(application.tasks.iter().flat_map(|task| of_task(application, task)));
    findings.extend(application.signals.iter().map(|signal| Finding {
        setting: format!("signals.{signal}"),
        value: "has receivers".to_owned(),
        fit: Fit::None,
        here: String::new(),
        advice:
            "called in Python's processes alone; events and webhooks of runs tell of starts and ends here".to_owned(),
    }));
    findings
}

fn of_queue(queue: &Queue) -> Vec<Finding> {
    let setting = || format!("task_queues[{:?}]", queue.name);
    let mut found = Vec::new();
    if queue.exchange_type != "direct" {
        found.push(Finding {
            setting: setting(),
            value: format!("{} exchange", queue.exchange_type),
            fit: Fit::Different,
            here: "consumed by its name; what we send goes to it by its name".to_owned(),
            advice: "its bindings stay as they are; nothing of ours publishes by routing key".to_owned(),
        });
    }
    if queue.max_priority.is_some() || queue.arguments.contains_key("x-max-priority") {
        found.push(Finding {
            setting: setting(),
            value: format!("max_priority {}", queue.max_priority.map(|most| most.to_string()).unwrap_or_default()),
            fit: Fit::None,
            here: String::new(),
            advice: "our messages have no priority: runs are admitted by theirs. Python's messages keep theirs"
                .to_owned(),
        });
    }
    if found.is_empty() {
        found.push(Finding {
            setting: setting(),
            value: shown(&Value::from_iter(queue.arguments.clone())),
            fit: Fit::Same,
            here: format!("--celery-serve {}", queue.name),
            advice: "it exists and is used as it is".to_owned(),
        });
    }
    found
}

fn of_task(application: &Application, task: &Task) -> Vec<Finding> {
    let finding = |what: &str, value: String, fit, here: &str, advice: &str| Finding {
        setting: format!("{}.{what}", task.name),
        value,
        fit,
        here: here.to_owned(),
        advice: advice.to_owned(),
    };
    let mut found = Vec::new();
    if let Some(problem) = &task.problem {
        let here = format!("queue {}", application.queue_of(task));
        let advice = "its route could not be asked for; the default queue is assumed";
        found.push(finding("queue", problem.clone(), Fit::Different, &here, advice));
    }
    if let Some(base) = &task.base {
        let advice =
            "hooks such as on_failure run in Python alone: write what they do into the handler, or use webhooks";
        found.push(finding("base", base.clone(), Fit::None, "", advice));
    }
    if !task.autoretry_for.is_empty() {
        let most = task.max_retries.map_or("without end".to_owned(), |most| format!("{most} times"));
        let advice = "Celery tries again as long as Python does it; a handler of ours says by the class of its error \
                      whether that helps, and has 3 attempts under a Celery name";
        let value = format!("{}, {most}", task.autoretry_for.join(", "));
        found.push(finding("autoretry_for", value, Fit::Different, "retry policy of the workflow's task", advice));
    }
    if let Some(rate) = &task.rate_limit {
        found.push(finding("rate_limit", shown(rate), Fit::None, "", rules::RATE));
    }
    if let Some(serializer) = task.serializer.as_deref().filter(|name| *name != "json") {
        found.push(finding("serializer", serializer.to_owned(), Fit::None, "", rules::JSON_ALONE));
    }
    if let Some(priority) = task.priority {
        let advice = "give the runs a priority";
        found.push(finding("priority", priority.to_string(), Fit::Different, "priority of a run", advice));
    }
    found
}

/// A broker's address as ours take it, if it is one of RabbitMQ's. Celery has more names for the scheme.
pub(super) fn amqp(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    match scheme {
        "amqp" | "pyamqp" | "librabbitmq" => Some(format!("amqp://{rest}")),
        "amqps" | "pyamqps" => Some(format!("amqps://{rest}")),
        _ => None,
    }
}

/// Whether results lie in Redis.
pub(super) fn is_redis(url: &str) -> bool {
    url.starts_with("redis://") || url.starts_with("rediss://")
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) if fields.len() == 1 && fields.contains_key("repr") => shown(&fields["repr"]),
        other => other.to_string(),
    }
}
