//! Signatures: calls to be made later, alone or composed into chains, groups and chords.

use serde_json::{Map, Value, json};

use crate::DecodeError;

/// A call of a task that has not been sent yet, as it travels inside messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signature {
    /// The task's name; `celery.chain`, `celery.group` and `celery.chord` stand for compositions.
    pub task: String,
    /// Positional arguments, as on the wire.
    pub args: Vec<Value>,
    /// Keyword arguments, as on the wire. The parts of a composition are among them.
    pub kwargs: Map<String, Value>,
    /// How to send it: `task_id`, `queue`, `reply_to`, `link`, … ; unknown ones travel on.
    pub options: Map<String, Value>,
    /// `chain`, `group`, `chord` for compositions.
    pub subtask_type: Option<String>,
    /// Takes no result of what ran before it.
    pub immutable: bool,
}

/// What a signature is made of.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// One task.
    Task,
    /// Tasks one after another, the first first.
    Chain(Vec<Signature>),
    /// Tasks side by side.
    Group(Vec<Signature>),
    /// Tasks side by side, and one that gets all their results.
    Chord {
        /// Those side by side.
        header: Vec<Signature>,
        /// The one that comes after them.
        body: Box<Signature>,
    },
}

impl Signature {
    /// A call of a task.
    #[must_use]
    pub fn new(task: impl Into<String>, args: impl IntoIterator<Item = Value>) -> Self {
        Self { task: task.into(), args: args.into_iter().collect(), ..Self::default() }
    }

    /// Tasks one after another; each gets the result of the one before it as its first argument.
    #[must_use]
    pub fn chain(tasks: impl IntoIterator<Item = Self>) -> Self {
        Self::composed("chain", [("tasks", values(tasks))])
    }

    /// Tasks side by side.
    #[must_use]
    pub fn group(tasks: impl IntoIterator<Item = Self>) -> Self {
        Self::composed("group", [("tasks", values(tasks))])
    }

    /// Tasks side by side, then `body` with the array of their results.
    #[must_use]
    pub fn chord(header: impl IntoIterator<Item = Self>, body: Self) -> Self {
        Self::composed("chord", [("kwargs", json!({})), ("header", values(header)), ("body", body.to_value())])
    }

    fn composed<const N: usize>(kind: &str, parts: [(&str, Value); N]) -> Self {
        Self {
            task: format!("celery.{kind}"),
            kwargs: parts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            subtask_type: Some(kind.to_owned()),
            ..Self::default()
        }
    }

    /// The same with an option, such as `queue` or `priority`.
    #[must_use]
    pub fn option(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.options.insert(name.to_owned(), value.into());
        self
    }

    /// The same for a queue.
    #[must_use]
    pub fn queue(self, queue: &str) -> Self {
        self.option("queue", queue)
    }

    /// The same with a keyword argument.
    #[must_use]
    pub fn kwarg(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.kwargs.insert(name.to_owned(), value.into());
        self
    }

    /// The same, taking no result of what ran before it.
    #[must_use]
    pub fn immutable(mut self) -> Self {
        self.immutable = true;
        self
    }

    /// What it is made of.
    ///
    /// # Errors
    /// [`DecodeError::Signature`] when a composition has no parts or parts that are no signatures.
    pub fn shape(&self) -> Result<Shape, DecodeError> {
        let kind = self.subtask_type.as_deref().or_else(|| self.task.strip_prefix("celery."));
        Ok(match kind {
            Some("chain") => Shape::Chain(self.parts("tasks")?),
            Some("group") => Shape::Group(self.parts("tasks")?),
            Some("chord") => Shape::Chord { header: self.parts("header")?, body: Box::new(self.body()?) },
            _ => Shape::Task,
        })
    }

    fn parts(&self, name: &'static str) -> Result<Vec<Self>, DecodeError> {
        match self.kwargs.get(name) {
            Some(Value::Array(parts)) => parts.iter().map(Self::from_value).collect(),
            // A header that is a group itself.
            Some(part @ Value::Object(_)) => match Self::from_value(part)?.shape()? {
                Shape::Group(parts) => Ok(parts),
                _ => Err(DecodeError::Signature("its parts are not a list")),
            },
            _ => Err(DecodeError::Signature("its parts are missing")),
        }
    }

    fn body(&self) -> Result<Self, DecodeError> {
        self.kwargs.get("body").map_or(Err(DecodeError::Signature("a chord without a body")), Self::from_value)
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`DecodeError::Signature`] says what is missing or of the wrong kind.
    pub fn from_value(value: &Value) -> Result<Self, DecodeError> {
        let Value::Object(fields) = value else { return Err(DecodeError::Signature("it is not an object")) };
        let Some(Value::String(task)) = fields.get("task") else {
            return Err(DecodeError::Signature("it names no task"));
        };
        let object = |name: &str, refusal| match fields.get(name) {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Object(inner)) => Ok(inner.clone()),
            Some(_) => Err(DecodeError::Signature(refusal)),
        };
        let args = match fields.get("args") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(args)) => args.clone(),
            Some(_) => return Err(DecodeError::Signature("its arguments are not an array")),
        };
        Ok(Self {
            task: task.clone(),
            args,
            kwargs: object("kwargs", "its keyword arguments are not an object")?,
            options: object("options", "its options are not an object")?,
            subtask_type: fields.get("subtask_type").and_then(Value::as_str).map(str::to_owned),
            immutable: fields.get("immutable").and_then(Value::as_bool).unwrap_or(false),
        })
    }

    /// Reads none, one or several, as options and messages hold them.
    ///
    /// # Errors
    /// [`DecodeError::Signature`].
    pub fn list_from(value: Option<&Value>) -> Result<Vec<Self>, DecodeError> {
        match value {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => items.iter().map(Self::from_value).collect(),
            Some(one) => Ok(vec![Self::from_value(one)?]),
        }
    }

    /// As it travels.
    #[must_use]
    pub fn to_value(&self) -> Value {
        json!({
            "task": self.task,
            "args": self.args,
            "kwargs": self.kwargs,
            "options": self.options,
            "subtask_type": self.subtask_type,
            "immutable": self.immutable,
        })
    }

    /// An option that is text.
    pub(crate) fn text(&self, option: &str) -> Option<&str> {
        self.options.get(option).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// The same after arguments from whoever calls it, which immutable ones do not take.
    pub(crate) fn after(mut self, args: &[Value]) -> Self {
        if !self.immutable {
            self.args.splice(0..0, args.iter().cloned());
        }
        self
    }
}

/// Signatures as they travel.
pub(crate) fn values(signatures: impl IntoIterator<Item = Signature>) -> Value {
    Value::Array(signatures.into_iter().map(|signature| signature.to_value()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compositions_are_told_by_their_parts() {
        let (a, b, c) = (Signature::new("a", []), Signature::new("b", []), Signature::new("c", []));
        assert_eq!(Signature::chain([a.clone(), b.clone()]).shape().unwrap(), Shape::Chain(vec![a.clone(), b.clone()]));
        let chord = Signature::chord([a.clone(), b.clone()], c.clone());
        let read = Signature::from_value(&chord.to_value()).unwrap();
        assert_eq!(read.shape().unwrap(), Shape::Chord { header: vec![a, b], body: Box::new(c) });
    }

    #[test]
    fn an_immutable_signature_takes_no_results() {
        let results = [json!(1)];
        assert_eq!(Signature::new("a", [json!(2)]).after(&results).args, [json!(1), json!(2)]);
        assert_eq!(Signature::new("a", [json!(2)]).immutable().after(&results).args, [json!(2)]);
    }
}
