//! A Celery application as `introspect.py` describes it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// The format that this version reads.
pub(super) const FORMAT: u32 = 1;

/// The whole description.
#[derive(Debug, Deserialize)]
pub(super) struct Application {
    pub(super) format: u32,
    /// The version of Celery.
    pub(super) celery: String,
    /// What the application calls itself.
    pub(super) app: Option<String>,
    /// What it sets, by Celery's names, and a few settings that everybody has.
    pub(super) settings: BTreeMap<String, Value>,
    /// `task_queues`.
    #[serde(default)]
    pub(super) queues: Vec<Queue>,
    /// Routes that are code.
    #[serde(default)]
    pub(super) routers: Vec<String>,
    #[serde(default)]
    pub(super) tasks: Vec<Task>,
    #[serde(default)]
    pub(super) beat: Vec<Entry>,
    /// Signals that it listens to.
    #[serde(default)]
    pub(super) signals: Vec<String>,
}

/// A queue that the application declares.
#[derive(Debug, Deserialize)]
pub(super) struct Queue {
    pub(super) name: String,
    #[serde(default)]
    pub(super) exchange_type: String,
    #[serde(default)]
    pub(super) arguments: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) max_priority: Option<u8>,
}

/// A task that the application registers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Task {
    pub(super) name: String,
    /// Where its routes send it; nothing when they could not be asked.
    pub(super) queue: Option<String>,
    /// Why not.
    pub(super) problem: Option<String>,
    /// A class of the application's own that it is made from.
    pub(super) base: Option<String>,
    pub(super) autoretry_for: Vec<String>,
    pub(super) max_retries: Option<u32>,
    pub(super) rate_limit: Option<Value>,
    /// In seconds.
    pub(super) time_limit: Option<f64>,
    /// In seconds.
    pub(super) soft_time_limit: Option<f64>,
    pub(super) serializer: Option<String>,
    pub(super) priority: Option<i64>,
}

/// An entry of `beat_schedule`.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) task: String,
    pub(super) schedule: When,
    #[serde(default)]
    pub(super) args: Vec<Value>,
    #[serde(default)]
    pub(super) kwargs: serde_json::Map<String, Value>,
    #[serde(default)]
    pub(super) options: serde_json::Map<String, Value>,
}

/// When an entry is due.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum When {
    /// Minute, hour, day of the month, month, day of the week.
    Crontab { fields: [String; 5] },
    /// So many seconds after the last time.
    Interval { seconds: f64 },
    /// By the sun.
    Solar { shown: String },
    /// By code of the application.
    Other { shown: String },
}

impl Application {
    /// A setting's value.
    pub(super) fn setting(&self, name: &str) -> Option<&Value> {
        self.settings.get(name).filter(|value| !value.is_null())
    }

    /// A setting's value, if it is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.setting(name)?.as_str()
    }

    /// A setting's value, if it is a number above zero.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.setting(name)?.as_f64().filter(|number| *number > 0.0)
    }

    /// The queue of a task.
    pub(super) fn queue_of<'a>(&'a self, task: &'a Task) -> &'a str {
        task.queue.as_deref().or_else(|| self.text("task_default_queue")).unwrap_or("celery")
    }
}

/// A name that can stand in keys, paths and queue names, made of one that may hold anything.
pub(super) fn plain_name(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let mut plain: String = name.trim().chars().map(allowed).take(64).collect();
    if plain.is_empty() {
        plain.push('-');
    }
    plain
}
