//! How a task ended, or how far it is, as results say it.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::message::{iso, python, python_str};
use crate::{DecodeError, TaskId, typed};

/// How a task ended, or how far it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was not heard of, which is also what Celery says of ids that never existed.
    Pending,
    /// A worker has begun; what it says about itself, usually `pid` and `hostname`.
    Started(Value),
    /// It will be tried again, because of this.
    Retry(Failure),
    /// It returned a value.
    Success(Value),
    /// It raised an exception.
    Failure(Failure),
    /// It was taken back before or while it ran, or came too late.
    Revoked(Failure),
    /// A state of the application's own, such as `PROGRESS`, or one that says nothing more.
    Custom {
        /// Its name.
        state: String,
        /// What it says.
        meta: Value,
    },
}

impl Outcome {
    /// The state's name.
    #[must_use]
    pub fn state(&self) -> &str {
        match self {
            Self::Pending => "PENDING",
            Self::Started(_) => "STARTED",
            Self::Retry(_) => "RETRY",
            Self::Success(_) => "SUCCESS",
            Self::Failure(_) => "FAILURE",
            Self::Revoked(_) => "REVOKED",
            Self::Custom { state, .. } => state,
        }
    }

    /// Whether nothing more will come.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Success(_) | Self::Failure(_) | Self::Revoked(_))
    }

    pub(crate) fn of(state: &str, result: Value, traceback: Option<String>) -> Result<Self, DecodeError> {
        let failure = |result: &Value| Failure { traceback, ..Failure::from_value(result) };
        Ok(match state {
            "PENDING" => Self::Pending,
            "STARTED" => Self::Started(typed::plain(result)?),
            "RETRY" => Self::Retry(failure(&result)),
            "SUCCESS" => Self::Success(typed::plain(result)?),
            "FAILURE" => Self::Failure(failure(&result)),
            "REVOKED" => Self::Revoked(failure(&result)),
            other => Self::Custom { state: other.to_owned(), meta: typed::plain(result)? },
        })
    }

    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Pending => Value::Null,
            Self::Started(value) | Self::Success(value) | Self::Custom { meta: value, .. } => value.clone(),
            Self::Retry(failure) | Self::Failure(failure) | Self::Revoked(failure) => failure.to_value(),
        }
    }

    pub(crate) fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Retry(failure) | Self::Failure(failure) | Self::Revoked(failure) => Some(failure),
            _ => None,
        }
    }
}

/// An exception.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failure {
    /// The exception's class, such as `ValueError`.
    pub exc_type: String,
    /// The module it is in, such as `builtins`.
    pub exc_module: Option<String>,
    /// What it was made with; usually one text.
    pub args: Vec<Value>,
    /// Where it was raised, in the words of whoever raised it.
    pub traceback: Option<String>,
}

impl Failure {
    /// An exception of a class in a module, as Python will raise it where it knows that class; elsewhere Celery makes one
    /// up.
    #[must_use]
    pub fn new(exc_module: &str, exc_type: &str, message: impl Into<String>) -> Self {
        Self {
            exc_type: exc_type.to_owned(),
            exc_module: Some(exc_module.to_owned()),
            args: vec![Value::String(message.into())],
            traceback: None,
        }
    }

    /// One of Python's own, such as `ValueError`.
    #[must_use]
    pub fn builtin(exc_type: &str, message: impl Into<String>) -> Self {
        Self::new("builtins", exc_type, message)
    }

    /// A `RuntimeError` for an error of ours; the chain of its causes is the traceback.
    #[must_use]
    pub fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut lines = vec!["Traceback (most recent cause last):".to_owned()];
        let causes = std::iter::successors(Some(error), |error| error.source()).map(|cause| format!("  {cause}"));
        lines.extend(causes);
        lines.push(format!("RuntimeError: {error}"));
        Self { traceback: Some(lines.join("\n")), ..Self::builtin("RuntimeError", error.to_string()) }
    }

    pub(crate) fn revoked(reason: &str) -> Self {
        Self::new("celery.exceptions", "TaskRevokedError", reason)
    }

    pub(crate) fn chord(message: String) -> Self {
        Self::new("celery.exceptions", "ChordError", message)
    }

    /// The first argument as text, which is what people want to read.
    #[must_use]
    pub fn message(&self) -> String {
        match self.args.as_slice() {
            [] => String::new(),
            [Value::String(text)] => text.clone(),
            [one] => one.to_string(),
            more => python(&Value::Array(more.to_vec())),
        }
    }

    /// As Python shows it: `ValueError('no such thing')`.
    #[must_use]
    pub fn repr(&self) -> String {
        let show = |value: &Value| match value {
            Value::String(text) => python_str(text),
            other => python(other),
        };
        format!("{}({})", self.exc_type, self.args.iter().map(show).collect::<Vec<_>>().join(", "))
    }

    /// A traceback, made up where there is none: `AsyncResult.traceback` is shown to people.
    pub(crate) fn traceback_text(&self) -> String {
        let made_up = || format!("Traceback (most recent call last):\n{}: {}", self.exc_type, self.message());
        self.traceback.clone().unwrap_or_else(made_up)
    }

    /// Reads whatever stands where an exception should: other libraries store texts.
    fn from_value(value: &Value) -> Self {
        let Value::Object(fields) = value else {
            return Self { args: vec![value.clone()], exc_type: "Exception".to_owned(), ..Self::default() };
        };
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let args = match fields.get("exc_message") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(args)) => args.clone(),
            Some(one) => vec![one.clone()],
        };
        let exc_type = text("exc_type").unwrap_or_else(|| "Exception".to_owned());
        Self { exc_type, exc_module: text("exc_module"), args, traceback: None }
    }

    pub(crate) fn to_value(&self) -> Value {
        json!({ "exc_type": self.exc_type, "exc_message": self.args, "exc_module": self.exc_module })
    }
}

/// What is known of a task, as a result message or a stored result says it.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskResult {
    /// Whose.
    pub task_id: TaskId,
    /// How it ended, or how far it is.
    pub outcome: Outcome,
    /// What it called: nested arrays of ids, as Celery's `result_from_tuple` reads them.
    pub children: Vec<Value>,
    /// When it ended; results by message do not say it.
    pub date_done: Option<Timestamp>,
    /// The group it belongs to.
    pub group: Option<String>,
    /// The task that caused it.
    pub parent_id: Option<TaskId>,
}

impl TaskResult {
    /// A result and nothing about its surroundings.
    #[must_use]
    pub fn new(task_id: impl Into<TaskId>, outcome: Outcome) -> Self {
        Self { task_id: task_id.into(), outcome, children: Vec::new(), date_done: None, group: None, parent_id: None }
    }

    /// As it is stored and sent.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let traceback = self.outcome.failure().filter(|_| !matches!(self.outcome, Outcome::Revoked(_)));
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        put("status", self.outcome.state().into());
        put("result", self.outcome.value());
        put("traceback", traceback.map(Failure::traceback_text).into());
        put("children", Value::Array(self.children.clone()));
        put("date_done", self.date_done.map(iso).into());
        put("task_id", self.task_id.clone().into());
        if let Some(group) = &self.group {
            put("group_id", group.clone().into());
        }
        if let Some(parent) = &self.parent_id {
            put("parent_id", parent.clone().into());
        }
        Value::Object(fields).to_string().into_bytes()
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`DecodeError::Result`] when it is none, [`DecodeError::Typed`] for values of unknown types.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let value = typed::parse(bytes).map_err(|error| DecodeError::Result(error.to_string()))?;
        let Value::Object(mut fields) = value else { return Err(DecodeError::Result("it is not an object".into())) };
        let result = fields.remove("result").unwrap_or(Value::Null);
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let needed = |name: &str| text(name).ok_or_else(|| DecodeError::Result(format!("it has no {name}")));
        Ok(Self {
            task_id: needed("task_id")?,
            outcome: Outcome::of(&needed("status")?, result, text("traceback"))?,
            children: fields.get("children").and_then(Value::as_array).cloned().unwrap_or_default(),
            date_done: text("date_done").and_then(|time| time.parse().ok()),
            group: text("group_id"),
            parent_id: text("parent_id"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_read_as_it_was_written() {
        let failure = Failure { traceback: Some("Traceback".into()), ..Failure::builtin("KeyError", "x") };
        for outcome in [
            Outcome::Success(json!({"a": [1]})),
            Outcome::Failure(failure.clone()),
            Outcome::Retry(failure),
            Outcome::Started(json!({"pid": 1})),
            Outcome::Custom { state: "PROGRESS".into(), meta: json!(50) },
        ] {
            let result = TaskResult { parent_id: Some("p".into()), ..TaskResult::new("t", outcome) };
            assert_eq!(TaskResult::decode(&result.encode()).unwrap(), result);
        }
    }

    #[test]
    fn what_is_no_result_is_an_error() {
        for text in ["", "7", "{}", r#"{"task_id": 7, "status": "SUCCESS"}"#, r#"{"task_id": "t"}"#] {
            assert!(TaskResult::decode(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn an_exception_looks_as_in_python() {
        assert_eq!(Failure::builtin("ValueError", "it's").repr(), r#"ValueError("it's")"#);
    }
}
