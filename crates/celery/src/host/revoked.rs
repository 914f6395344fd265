//! Tasks that were taken back: by their ids, or by stamps they carry. They may be anywhere, in a queue, waiting for their
//! time or done already, so all that can be done is to remember them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::crew::Request;
use crate::TaskId;

/// How many ids are remembered, as with Celery.
const MOST: usize = 50_000;

/// What was taken back.
#[derive(Default)]
pub(crate) struct Revoked {
    ids: Mutex<Ids>,
    stamps: Mutex<HashMap<String, HashSet<String>>>,
}

/// Ids, since when, and in which order.
#[derive(Default)]
struct Ids {
    since: HashMap<TaskId, f64>,
    order: VecDeque<TaskId>,
}

impl Revoked {
    pub(crate) fn add(&self, id: &str, since: Option<f64>) {
        let mut ids = lock(&self.ids);
        let since = since.unwrap_or_else(|| Timestamp::now().as_millisecond() as f64 / 1000.0);
        if ids.since.insert(id.to_owned(), since).is_none() {
            ids.order.push_back(id.to_owned());
        }
        while ids.order.len() > MOST {
            if let Some(oldest) = ids.order.pop_front() {
                ids.since.remove(&oldest);
            }
        }
    }

    /// All that carry one of these values under a name.
    pub(crate) fn add_stamps(&self, name: &str, values: &[String]) {
        lock(&self.stamps).entry(name.to_owned()).or_default().extend(values.iter().cloned());
    }

    /// Whether a task was taken back.
    pub(crate) fn covers(&self, request: &Request) -> bool {
        let by_stamp = |(name, value): (&String, &Value)| {
            lock(&self.stamps).get(name).is_some_and(|values| texts(value).iter().any(|text| values.contains(text)))
        };
        lock(&self.ids).since.contains_key(&request.message.id)
            || stamps(request).is_some_and(|all| all.iter().any(by_stamp))
    }

    /// All ids and since when.
    pub(crate) fn all(&self) -> Vec<(TaskId, f64)> {
        let ids = lock(&self.ids);
        ids.order.iter().filter_map(|id| Some((id.clone(), *ids.since.get(id)?))).collect()
    }
}

/// What a task is stamped with.
fn stamps(request: &Request) -> Option<&Map<String, Value>> {
    request.message.extra.get("stamps").and_then(Value::as_object)
}

/// One value or several, as text.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(several) => several.iter().flat_map(texts).collect(),
        Value::Null => Vec::new(),
        other => vec![other.to_string()],
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_too_many_ids_are_forgotten() {
        let revoked = Revoked::default();
        for id in 0..=MOST {
            revoked.add(&id.to_string(), None);
        }
        let known = revoked.all();
        assert_eq!((known.len(), known[0].0.as_str()), (MOST, "1"));
    }
}
