//! What a Celery application becomes here: workers, an environment, workflows, schedules.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::workflow::{Arguments, CeleryTask};
use protocol::{TaskSpec, Workflow};
use serde::Serialize;
use serde_json::{Value, json};

use super::application::{Application, Task, plain_name};
use super::beat::{self, Schedule};
use super::findings::{self, Finding, Fit};

/// Everything that an application becomes, and what does not.
#[derive(Debug)]
pub(super) struct Plan {
    workers: Vec<Worker>,
    environment: Vec<Variable>,
    workflows: Vec<Workflow>,
    schedules: Vec<Schedule>,
    /// Setting by setting.
    pub(super) findings: Vec<Finding>,
}

/// A worker program of ours that takes over a queue.
#[derive(Debug, Serialize)]
struct Worker {
    /// The application's queue.
    queue: String,
    /// The tasks that are sent there, and the handlers to write for them.
    handlers: BTreeMap<String, String>,
    /// With which flags it serves them under Celery's names.
    flags: Vec<String>,
}

/// A variable of the environment of our processes.
#[derive(Debug, Serialize)]
struct Variable {
    name: &'static str,
    value: String,
    /// What has to be known about it.
    #[serde(skip_serializing_if = "str::is_empty")]
    note: &'static str,
}

impl Plan {
    /// What the application becomes.
    pub(super) fn of(application: &Application) -> Self {
        let mut findings = findings::of(application);
        let schedules = beat::schedules(application, &mut findings);
        let mut workflows = Vec::new();
        for task in &application.tasks {
            let workflow = workflow(application, task);
            match workflow.validate() {
                Ok(()) => workflows.push(workflow),
                Err(problem) => findings.push(Finding {
                    setting: task.name.clone(),
                    value: format!("queue {}", application.queue_of(task)),
                    fit: Fit::None,
                    here: String::new(),
                    advice: format!("no workflow can have it as it is: {problem}"),
                }),
            }
        }
        Self { workers: workers(application), environment: environment(application), workflows, schedules, findings }
    }

    /// All of it as one JSON object.
    pub(super) fn document(&self) -> Value {
        json!({
            "workers": self.workers,
            "environment": self.environment,
            "workflows": self.workflows,
            "schedules": self.schedules.iter().map(beat::document).collect::<Vec<_>>(),
            "findings": self.findings,
        })
    }

    /// The files of it, by their paths.
    pub(super) fn files(&self) -> Vec<(String, String)> {
        let pretty = |value: Value| format!("{value:#}");
        let mut files = vec![
            ("flotilla.env".to_owned(), self.environment_file()),
            ("workers.json".to_owned(), pretty(json!(self.workers))),
            ("findings.json".to_owned(), pretty(json!(self.findings))),
        ];
        for workflow in &self.workflows {
            files.push((format!("workflows/{}.json", workflow.name), pretty(json!(workflow))));
        }
        for schedule in &self.schedules {
            files.push((format!("schedules/{}.json", schedule.name), pretty(json!(schedule))));
        }
        files
    }

    fn environment_file(&self) -> String {
        let mut lines = Vec::new();
        for Variable { name, value, note } in &self.environment {
            if !note.is_empty() {
                lines.push(format!("# {note}"));
            }
            lines.push(format!("{name}={value}"));
        }
        lines.join("\n")
    }
}

fn workers(application: &Application) -> Vec<Worker> {
    let mut by_queue: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
    for task in &application.tasks {
        let handlers = by_queue.entry(application.queue_of(task)).or_default();
        handlers.insert(task.name.clone(), plain_name(&task.name));
    }
    let concurrency = application.number("worker_concurrency").map(|number| (number as u64).to_string());
    let worker = |(queue, handlers): (&str, BTreeMap<String, String>)| {
        let pairs: Vec<String> = handlers.iter().map(|(name, handler)| format!("{name}={handler}")).collect();
        let mut flags = vec!["--queues".to_owned(), plain_name(queue), "--celery-serve".to_owned(), queue.to_owned()];
        flags.extend(["--celery-task".to_owned(), pairs.join(",")]);
        flags.extend(concurrency.iter().flat_map(|number| ["--concurrency".to_owned(), number.clone()]));
        Worker { queue: queue.to_owned(), handlers, flags }
    };
    by_queue.into_iter().map(worker).collect()
}

fn environment(application: &Application) -> Vec<Variable> {
    let mut variables = Vec::new();
    let mut set = |name, value: Option<String>, note| {
        variables.extend(value.map(|value| Variable { name, value, note }));
    };
    let password = "without the password, which is to be put in";
    let amqp = application.text("broker_url").and_then(findings::amqp);
    set("FLOTILLA_CELERY_URL", amqp, password);
    let redis = application.text("result_backend").filter(|url| findings::is_redis(url));
    set("FLOTILLA_CELERY_RESULTS", redis.map(str::to_owned), password);
    let default = application.text("task_default_queue").unwrap_or("celery");
    set("FLOTILLA_CELERY_DEFAULT_QUEUE", (default != "celery").then(|| default.to_owned()), "");
    let elsewhere = application.tasks.iter().filter(|task| application.queue_of(task) != default);
    let routes: Vec<String> = elsewhere.map(|task| format!("{}={}", task.name, application.queue_of(task))).collect();
    set("FLOTILLA_CELERY_ROUTES", (!routes.is_empty()).then(|| routes.join(",")), "");
    let seconds = |name| application.number(name).map(|seconds| (seconds.ceil() as u64).to_string());
    set("FLOTILLA_CONCURRENCY", seconds("worker_concurrency"), "");
    set("FLOTILLA_TIME_LIMIT", seconds("task_time_limit"), "");
    set("FLOTILLA_SOFT_TIME_LIMIT", seconds("task_soft_time_limit"), "");
    set("FLOTILLA_SHUTDOWN_GRACE", seconds("worker_soft_shutdown_timeout"), "");
    variables
}

/// A workflow of one task, which Celery's workers do as long as nothing here does.
fn workflow(application: &Application, task: &Task) -> Workflow {
    let mut spec = TaskSpec::named(plain_name(&task.name));
    spec.queue = application.queue_of(task).to_owned();
    spec.celery = Some(CeleryTask { task: task.name.clone(), arguments: Arguments::Input });
    let limit = |own: Option<f64>, all| own.or_else(|| application.number(all)).and_then(seconds);
    if let Some(hard) = limit(task.time_limit, "task_time_limit") {
        spec.timeouts.hard = hard;
    }
    // A soft limit at or beyond the hard one would never be told.
    let soft = limit(task.soft_time_limit, "task_soft_time_limit");
    spec.timeouts.soft = soft.filter(|soft| *soft < spec.timeouts.hard);
    let mut workflow = Workflow::named(plain_name(&task.name));
    workflow.tasks.push(spec);
    workflow
}

fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero())
}
