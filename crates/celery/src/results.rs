//! Results in Redis, as Celery's workers and clients have them, and the counting of chords.

use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands, Script};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{DecodeError, Error, Failure, Outcome, TaskId, TaskResult, typed};

const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Stores a result unless the task has succeeded already: a lost worker's second try must not spoil the first.
const STORE: &str = r"
local known = redis.call('GET', KEYS[1])
if known then
    local read, meta = pcall(cjson.decode, known)
    if read and type(meta) == 'table' and meta['status'] == 'SUCCESS' then return 0 end
end
redis.call('SETEX', KEYS[1], ARGV[2], ARGV[1])
redis.call('PUBLISH', KEYS[1], ARGV[1])
return 1
";

/// Notes a part of a chord, each task once, and says how many there are.
const NOTE: &str = r"
local noted = false
for _, part in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[2], ARGV[2])) do
    local read, fields = pcall(cjson.decode, part)
    noted = noted or (read and type(fields) == 'table' and fields[2] == ARGV[4])
end
if not noted then redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1]) end
for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, ARGV[3]) end
return {redis.call('ZCARD', KEYS[1]), redis.call('GET', KEYS[2]) or '0', redis.call('GET', KEYS[3]) or ''}
";

/// Where results are in Redis.
#[derive(Clone)]
pub struct RedisConfig {
    /// `redis://[user:password@]host:port/database`. Never printed.
    pub url: String,
    /// Celery's `global_keyprefix`.
    pub prefix: String,
    /// How long a result is kept.
    pub expires: Duration,
}

impl RedisConfig {
    /// Without a prefix, kept for a day, as with Celery.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), prefix: String::new(), expires: Duration::from_secs(24 * 60 * 60) }
    }
}

impl std::fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { prefix, expires, .. } = self;
        f.debug_struct("RedisConfig").field("prefix", prefix).field("expires", expires).finish_non_exhaustive()
    }
}

/// Results in Redis. Clones share a connection, which comes back by itself.
#[derive(Clone)]
pub struct Results {
    client: redis::Client,
    connection: ConnectionManager,
    prefix: String,
    expires: Duration,
}

/// What is known of a chord after one more of its parts.
#[derive(Debug, PartialEq)]
pub(crate) enum Chord {
    /// Not all parts are there.
    Waiting,
    /// All are: their results in order, or why there are none.
    Complete(Result<Vec<Value>, Failure>),
}

impl Results {
    /// Sets up the connection; it is made when it is first used.
    ///
    /// # Errors
    /// [`Error::Url`].
    pub fn new(config: &RedisConfig) -> Result<Self, Error> {
        let client = redis::Client::open(config.url.as_str()).map_err(|_holds_the_url| Error::Url("Redis"))?;
        let manager = ConnectionManagerConfig::new()
            // Whoever calls next tries again; waiting here would hold up callers.
            .set_number_of_retries(0)
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT));
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), manager)?;
        let mut prefix = config.prefix.clone();
        // As Celery completes it.
        if !prefix.is_empty() && !prefix.ends_with([':', '_', '-', '.']) {
            prefix.push('_');
        }
        Ok(Self { client, connection, prefix, expires: config.expires })
    }

    fn task_key(&self, id: &str) -> String {
        format!("{}celery-task-meta-{id}", self.prefix)
    }

    fn group_key(&self, group: &str, part: &str) -> String {
        format!("{}celery-taskset-meta-{group}{part}", self.prefix)
    }

    /// Stores a result and tells those who wait for it. Whether it was: a success is never overwritten.
    ///
    /// # Errors
    /// [`Error::Redis`].
    pub async fn store(&self, result: &TaskResult) -> Result<bool, Error> {
        let date_done = result.outcome.is_final().then(Timestamp::now);
        let encoded = TaskResult { date_done: result.date_done.or(date_done), ..result.clone() }.encode();
        let mut connection = self.connection.clone();
        let script = Script::new(STORE);
        let mut call = script.prepare_invoke();
        call.key(self.task_key(&result.task_id)).arg(encoded).arg(self.expires.as_secs().max(1));
        Ok(call.invoke_async::<i64>(&mut connection).await? == 1)
    }

    /// What is known of a task.
    ///
    /// # Errors
    /// [`Error::Redis`], [`Error::Decode`].
    pub async fn get(&self, id: &str) -> Result<Option<TaskResult>, Error> {
        let stored: Option<Vec<u8>> = self.connection.clone().get(self.task_key(id)).await?;
        Ok(stored.map(|bytes| TaskResult::decode(&bytes)).transpose()?)
    }

    /// Waits until a task has ended. Each wait has a connection of its own.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Redis`], [`Error::Decode`].
    pub async fn wait(&self, id: &str, patience: Duration) -> Result<TaskResult, Error> {
        let waiting = async {
            let mut subscription = self.client.get_async_pubsub().await?;
            subscription.subscribe(self.task_key(id)).await?;
            // Only now, so that nothing falls in between.
            if let Some(result) = self.get(id).await?.filter(|result| result.outcome.is_final()) {
                return Ok(result);
            }
            let mut messages = subscription.into_on_message();
            while let Some(message) = messages.next().await {
                let result = TaskResult::decode(message.get_payload_bytes())?;
                if result.outcome.is_final() {
                    return Ok(result);
                }
            }
            Err(Error::Closed)
        };
        timeout(patience, waiting).await.map_err(|_elapsed| Error::Timeout(patience))?
    }

    /// Forgets a task's result.
    ///
    /// # Errors
    /// [`Error::Redis`].
    pub async fn forget(&self, id: &str) -> Result<(), Error> {
        Ok(self.connection.clone().del(self.task_key(id)).await?)
    }

    /// Says of how many parts a chord is, before the last of them is sent.
    pub(crate) async fn set_chord_size(&self, group: &str, size: usize) -> Result<(), Error> {
        let key = self.group_key(group, ".s");
        Ok(self.connection.clone().set_ex(key, size, self.expires.as_secs().max(1)).await?)
    }

    /// Notes that a part of a chord has ended.
    pub(crate) async fn note_chord_part(
        &self,
        group: &str,
        index: Option<i64>,
        id: &TaskId,
        outcome: &Outcome,
    ) -> Result<Chord, Error> {
        let mut connection = self.connection.clone();
        let script = Script::new(NOTE);
        let mut call = script.prepare_invoke();
        let parts = self.group_key(group, ".j");
        call.key(&parts).key(self.group_key(group, ".t")).key(self.group_key(group, ".s"));
        call.arg(json!([1, id, outcome.state(), outcome.value()]).to_string());
        call.arg(index.map_or_else(|| "+inf".to_owned(), |index| index.to_string()));
        call.arg(self.expires.as_secs().max(1)).arg(id);
        let (ready, more, size): (i64, String, String) = call.invoke_async(&mut connection).await?;
        let Ok(size) = size.parse::<i64>() else { return Ok(Chord::Waiting) };
        let size = size + more.parse::<i64>().unwrap_or(0);
        if ready < size {
            return Ok(Chord::Waiting);
        }
        let stored: Vec<Vec<u8>> = connection.zrange(&parts, 0, -1).await?;
        let read = stored.iter().map(|part| part_result(part)).collect::<Result<Result<Vec<_>, _>, _>>()?;
        let results = match read {
            Ok(results) => results,
            Err(failure) => return Ok(Chord::Complete(Err(failure))),
        };
        // Celery notes how the header was nested, where it was. Then that says what belongs to it: a Python worker that
        // sends a group within it changes the size.
        let nested: Option<Vec<u8>> = connection.get(self.group_key(group, "")).await?;
        let complete = match nested {
            Some(nested) => nested_as(&nested, &results),
            None => (ready == size).then(|| results.into_iter().map(|(_, value)| value).collect()),
        };
        Ok(complete.map_or(Chord::Waiting, |values| Chord::Complete(Ok(values))))
    }

    /// Forgets the parts of a chord whose body is on its way.
    pub(crate) async fn forget_chord(&self, group: &str) -> Result<(), Error> {
        let keys = [".j", ".t", ".s"].map(|part| self.group_key(group, part));
        Ok(self.connection.clone().del(&keys[..]).await?)
    }
}

/// A part's task and its value, or why the chord has none.
fn part_result(stored: &[u8]) -> Result<Result<(TaskId, Value), Failure>, DecodeError> {
    let broken = || DecodeError::Result("a part of a chord is not as Celery writes it".to_owned());
    let Ok(Value::Array(mut fields)) = typed::parse(stored) else { return Err(broken()) };
    let [_, id, state, result] = fields.as_mut_slice() else { return Err(broken()) };
    let (id, state) = (id.as_str().ok_or_else(broken)?.to_owned(), state.as_str().ok_or_else(broken)?);
    Ok(match Outcome::of(state, result.clone(), None)? {
        Outcome::Failure(failure) | Outcome::Revoked(failure) => {
            Err(Failure::chord(format!("Dependency {id} raised {}", failure.repr())))
        }
        Outcome::Retry(failure) => Ok((id, Value::String(failure.repr()))),
        // As it was stored: a value in an envelope goes on in it.
        _ => Ok((id, result.take())),
    })
}

/// Results nested as a stored group is; nothing while some are missing.
fn nested_as(stored: &[u8], results: &[(TaskId, Value)]) -> Option<Vec<Value>> {
    let group = typed::parse(stored).ok()?;
    match nest(group.get("result")?, results)? {
        Value::Array(values) => Some(values),
        _ => None,
    }
}

/// A node is `[[id, parent], members or null]`.
fn nest(node: &Value, results: &[(TaskId, Value)]) -> Option<Value> {
    match node.get(1)? {
        Value::Array(members) => members.iter().map(|member| nest(member, results)).collect(),
        _ => {
            let id = node.get(0)?.get(0)?.as_str()?;
            results.iter().find(|(task, _)| task == id).map(|(_, value)| value.clone())
        }
    }
}

impl std::fmt::Debug for Results {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Results").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_part_fails_the_chord_in_celerys_words() {
        let part = json!([1, "t", "FAILURE", Failure::builtin("ValueError", "no").to_value()]).to_string();
        let failure = part_result(part.as_bytes()).unwrap().unwrap_err();
        assert_eq!(failure.message(), "Dependency t raised ValueError('no')");
        assert_eq!(part_result(br#"[1, "t", "SUCCESS", [1]]"#).unwrap(), Ok(("t".to_owned(), json!([1]))));
        assert!(part_result(b"[]").is_err());
    }

    #[test]
    fn results_are_nested_as_the_header_was() {
        let group = br#"{"result": [["g", null], [[["a", null], null], [["h", null], [[["b", null], null]]]]]}"#;
        let results = [("b".to_owned(), json!(2)), ("a".to_owned(), json!(1))];
        assert_eq!(nested_as(group, &results), Some(vec![json!(1), json!([2])]));
        assert_eq!(nested_as(group, &results[..1]), None);
    }
}
