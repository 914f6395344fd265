//! Results that Celery keeps in a database. They can be read, never written: their values are pickles.
//!
//! The tables are `celery_taskmeta` and `celery_tasksetmeta`. Whoever has a connection reads the rows and hands them
//! over here. Reading a pickle runs nothing: what is no plain data is an error.

use serde_json::{Map, Number, Value};

use crate::{DecodeError, Outcome, TaskId, TaskResult};

/// A row of `celery_taskmeta`: `task_id`, `status`, `result`, `traceback`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Column `task_id`.
    pub task_id: TaskId,
    /// Column `status`.
    pub status: String,
    /// Column `result`, a pickle.
    pub result: Option<Vec<u8>>,
    /// Column `traceback`.
    pub traceback: Option<String>,
}

impl Row {
    /// What it says.
    ///
    /// # Errors
    /// [`DecodeError::Result`] when its result is no pickle of plain data.
    pub fn read(self) -> Result<TaskResult, DecodeError> {
        let result = self.result.as_deref().map_or(Ok(Value::Null), unpickle)?;
        Ok(TaskResult::new(self.task_id, Outcome::of(&self.status, result, self.traceback)?))
    }
}

/// A pickle of plain data as a value: tuples and sets are arrays, bytes Base64, keys text.
///
/// # Errors
/// [`DecodeError::Result`] for anything else, in particular for objects of classes.
pub fn unpickle(bytes: &[u8]) -> Result<Value, DecodeError> {
    let refused = |error: serde_pickle::Error| DecodeError::Result(format!("its pickle cannot be read: {error}"));
    serde_pickle::value_from_slice(bytes, serde_pickle::DeOptions::new()).map_err(refused).and_then(json)
}

fn json(value: serde_pickle::Value) -> Result<Value, DecodeError> {
    use serde_pickle::Value as Pickled;
    let list = |items: Vec<Pickled>| items.into_iter().map(json).collect::<Result<Vec<_>, _>>().map(Value::Array);
    let set = |items: std::collections::BTreeSet<serde_pickle::HashableValue>| {
        list(items.into_iter().map(serde_pickle::HashableValue::into_value).collect())
    };
    Ok(match value {
        Pickled::None => Value::Null,
        Pickled::Bool(flag) => flag.into(),
        Pickled::I64(number) => number.into(),
        // Numbers that JSON's readers would round are text.
        Pickled::Int(number) => number.to_string().into(),
        Pickled::F64(number) => Number::from_f64(number).map_or(Value::Null, Value::Number),
        Pickled::Bytes(bytes) => base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes).into(),
        Pickled::String(text) => text.into(),
        Pickled::List(items) | Pickled::Tuple(items) => list(items)?,
        Pickled::Set(items) | Pickled::FrozenSet(items) => set(items)?,
        Pickled::Dict(fields) => {
            let mut object = Map::new();
            for (name, value) in fields {
                let name = match name {
                    serde_pickle::HashableValue::String(text) => text,
                    other => other.to_string(),
                };
                object.insert(name, json(value)?);
            }
            Value::Object(object)
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `pickle.dumps({"total": 3, "lines": ("a", None, 1.5)}, protocol=5)`.
    const PICKLE: &[u8] = b"\x80\x05\x95\x27\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x05total\x94K\x03\x8c\x05lines\x94\
        \x8c\x01a\x94NG?\xf8\x00\x00\x00\x00\x00\x00\x87\x94u.";

    #[test]
    fn a_pickled_result_is_a_value() {
        let row = Row { task_id: "t".into(), status: "SUCCESS".into(), result: Some(PICKLE.into()), traceback: None };
        let expected = Outcome::Success(json!({"total": 3, "lines": ["a", null, 1.5]}));
        assert_eq!(row.read().unwrap().outcome, expected);
    }

    #[test]
    fn an_object_of_a_class_is_refused_and_nothing_is_run() {
        let os_system = b"cos\nsystem\n(S'true'\ntR.";
        assert!(unpickle(os_system).is_err());
        assert!(unpickle(b"").is_err());
    }
}
