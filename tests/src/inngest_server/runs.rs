//! Runs: what is called next, and what is remembered.

use std::collections::HashSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::calls::Answer;
use super::{Book, InngestServer};

/// How long after a failure without wishes a step is called again. The real server takes longer.
const PAUSE: Duration = Duration::from_millis(200);

/// The step that no step is named by: a call that asks what is next.
const ROOT: &str = "step";

/// What an answer leads to.
enum Next {
    /// A call for a step, as that attempt, after that time.
    Call(String, u32, Duration),
    /// Remembering that a sleep is over.
    Wake(Value, Duration),
}

/// A call that asks what is next, at once.
fn discovery() -> Next {
    Next::Call(ROOT.to_owned(), 0, Duration::ZERO)
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Under way.
    Running,
    /// The function returned.
    Completed,
    /// The function failed for good.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

/// A run as the server remembers it.
#[derive(Clone, Debug)]
pub struct Record {
    /// Where it stands.
    pub status: Status,
    /// What the function returned, or its error.
    pub output: Value,
    /// What is remembered of steps, by their ids, in the order of their ends.
    pub steps: Vec<(String, Value)>,
    /// Names of steps whose attempts failed, one per failure.
    pub failures: Vec<String>,
    /// Names of steps that ended, in that order.
    pub names: Vec<String>,
    /// How many answers came as streams.
    pub streams: usize,
    pub(super) event: Value,
    pub(super) function: String,
    /// Several steps were found at once: from here on each is called for itself.
    pub(super) plans_all: bool,
    /// Version of the protocol that the app speaks; -1 before it spoke.
    pub(super) version: i64,
    planned: HashSet<String>,
    pending: HashSet<String>,
}

impl Record {
    fn of(function: &str, event: &Value) -> Self {
        Self {
            status: Status::Running,
            output: Value::Null,
            steps: Vec::new(),
            failures: Vec::new(),
            names: Vec::new(),
            streams: 0,
            event: event.clone(),
            function: function.to_owned(),
            plans_all: false,
            version: -1,
            planned: HashSet::new(),
            pending: HashSet::new(),
        }
    }

    pub(super) fn end(&mut self, status: Status, output: Value) {
        if self.status == Status::Running {
            self.status = status;
            self.output = output;
        }
    }

    pub(super) fn shown(&self, run: &str) -> Value {
        json!({"run_id": run, "status": format!("{:?}", self.status), "output": self.output})
    }

    /// Remembers a step. Returns whether somebody should ask what is next.
    fn remember(&mut self, op: &Value, memory: Value) -> bool {
        let id = op["id"].as_str().unwrap_or_default().to_owned();
        self.pending.remove(&id);
        if !self.steps.iter().any(|(known, _)| *known == id) {
            self.names.push(name(op));
            self.steps.push((id, memory));
        }
        self.pending.is_empty() || op["opts"]["parallelMode"] == "race"
    }
}

fn name(op: &Value) -> String {
    let names = [&op["displayName"], &op["name"], &op["id"]];
    names.into_iter().find_map(Value::as_str).unwrap_or_default().to_owned()
}

/// An id in the server's form.
pub(super) fn fresh_id() -> String {
    ulid(uuid::Uuid::now_v7().as_u128())
}

/// The id that a seed stands for: milliseconds and ten bytes.
pub(super) fn seeded(seed: &str) -> Option<String> {
    let (millis, entropy) = seed.split_once(',')?;
    let entropy = STANDARD.decode(entropy).ok().filter(|entropy| entropy.len() == 10)?;
    let millis: u128 = millis.parse().ok()?;
    Some(ulid(entropy.iter().fold(millis, |number, byte| number << 8 | u128::from(*byte))))
}

fn ulid(number: u128) -> String {
    let digits: Vec<char> = "0123456789ABCDEFGHJKMNPQRSTVWXYZ".chars().collect();
    (0..26).rev().map(|place| digits[(number >> (place * 5) & 31) as usize]).collect()
}

pub(super) fn start_by_event(book: &mut Book, name: &str, event: &Value) -> Vec<String> {
    let started: Vec<(String, Record)> = book
        .functions
        .iter()
        .filter(|(_, function)| function.events.iter().any(|wanted| wanted == name))
        .map(|(id, _)| (fresh_id(), Record::of(id, event)))
        .collect();
    let ids = started.iter().map(|(run, _)| run.clone()).collect();
    book.runs.extend(started);
    ids
}

/// Stops runs whose functions want that. Of expressions it knows the one that apps here use: the same `data.run_id`.
pub(super) fn cancel_by_event(book: &mut Book, name: &str, event: &Value) {
    for record in book.runs.values_mut() {
        let wants = book.functions.get(&record.function).is_some_and(|f| f.cancelled_by.iter().any(|by| by == name));
        if wants && record.event["data"]["run_id"] == event["data"]["run_id"] {
            record.end(Status::Cancelled, Value::Null);
        }
    }
}

impl InngestServer {
    /// Asks the app what is next in a run.
    pub(super) fn discover(&self, run: &str) {
        self.attempt(run, ROOT, 0, Duration::ZERO);
    }

    fn attempt(&self, run: &str, step: &str, attempt: u32, after: Duration) {
        let (server, run, step) = (self.clone(), run.to_owned(), step.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            if server.record(&run).is_some_and(|record| record.status == Status::Running)
                && let Some(answer) = server.call(&run, &step, attempt).await
            {
                server.settle(&run, &step, attempt, &answer);
            }
        });
    }

    fn settle(&self, run: &str, step: &str, attempt: u32, answer: &Answer) {
        let mut follow_ups = Vec::new();
        {
            let mut book = self.lock();
            let attempts = {
                let function = book.runs.get(run).map(|record| record.function.clone()).unwrap_or_default();
                book.functions.get(&function).map_or(1, |function| function.attempts)
            };
            let Some(record) = book.runs.get_mut(run).filter(|record| record.status == Status::Running) else { return };
            record.streams += usize::from(answer.streamed);
            record.version = answer.version.unwrap_or(record.version);
            let again = attempt + 1 < attempts && !answer.no_retry;
            let pause = answer.retry_after.unwrap_or(PAUSE);
            match (answer.status, &answer.body) {
                (206, Value::Array(ops)) => {
                    record.plans_all |= ops.len() > 1;
                    for op in ops {
                        follow_ups.extend(op_done(record, op, step, attempt, again.then_some(pause)));
                    }
                }
                (206, op @ Value::Object(_)) => {
                    follow_ups.extend(op_done(record, op, step, attempt, again.then_some(pause)));
                }
                (200, output) => record.end(Status::Completed, output.clone()),
                (_, error) if !again => record.end(Status::Failed, error.clone()),
                (_, error) => {
                    record.failures.push(format!("{}", error.get("message").unwrap_or(error)));
                    follow_ups.push(Next::Call(step.to_owned(), attempt + 1, pause));
                }
            }
        }
        for next in follow_ups {
            match next {
                Next::Call(step, attempt, after) => self.attempt(run, &step, attempt, after),
                Next::Wake(op, after) => self.wake(run, op, after),
            }
        }
    }

    /// Wakes a run when its sleep is over.
    fn wake(&self, run: &str, op: Value, after: Duration) {
        let (server, run) = (self.clone(), run.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let next = server.lock().runs.get_mut(&run).is_some_and(|record| record.remember(&op, Value::Null));
            if next {
                server.discover(&run);
            }
        });
    }
}

/// How long a sleep is: `500ms`, `3s`, `2m`, or until a time.
fn duration(op: &Value) -> Duration {
    let text = op["opts"]["duration"].as_str().or(op["name"].as_str()).unwrap_or_default();
    if let Ok(until) = text.parse::<jiff::Timestamp>() {
        return Duration::try_from(jiff::Timestamp::now().duration_until(until)).unwrap_or_default();
    }
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().unwrap_or_default();
    match &text[digits..] {
        "ms" => Duration::from_millis(number),
        "m" => Duration::from_secs(60 * number),
        _ => Duration::from_secs(number),
    }
}

/// What an operation leads to.
fn op_done(record: &mut Record, op: &Value, step: &str, attempt: u32, again: Option<Duration>) -> Option<Next> {
    let id = op["id"].as_str().unwrap_or_default().to_owned();
    match op["op"].as_str().unwrap_or_default() {
        "StepRun" | "Step" => record.remember(op, json!({"data": op["data"]})).then(discovery),
        "StepError" if again.is_some() => {
            record.failures.push(name(op));
            Some(Next::Call(step.to_owned(), attempt + 1, again.unwrap_or_default()))
        }
        "StepError" | "StepFailed" => {
            record.failures.push(name(op));
            record.remember(op, json!({"error": op["error"]})).then(discovery)
        }
        "StepPlanned" if record.planned.insert(id.clone()) => {
            record.pending.insert(id.clone());
            Some(Next::Call(id, 0, Duration::ZERO))
        }
        "Sleep" if record.planned.insert(id.clone()) => {
            record.pending.insert(id);
            Some(Next::Wake(op.clone(), duration(op)))
        }
        "StepPlanned" | "Sleep" => None,
        other => {
            record.end(Status::Failed, json!({"message": format!("this server knows no {other:?}")}));
            None
        }
    }
}
