//! Which events start what.

use protocol::request::ExtractionRequest;
use protocol::shape::{Field, Problems};
use protocol::stages::PIPELINE;
use serde_json::{Map, Value, json};

use super::event::Event;
use super::filter::Condition;
use super::path::{self, Path};
use super::{s3, template};

/// Most types, and most conditions.
const MOST: usize = 32;

/// Longest type, in bytes.
const LONGEST_TYPE: usize = 256;

/// Longest description, in characters.
const LONGEST_DESCRIPTION: usize = 1_000;

const FIELDS: &[Field] = &[
    Field::of::<Vec<String>>("types", "a list of types, such as [\"invoice.received\", \"order.*\"]"),
    Field::of::<Option<Vec<Value>>>("filter", "a list of conditions {\"path\", \"op\", \"value\"}"),
    Field::of::<String>("workflow", "the name of a workflow"),
    Field::of::<Value>("input", "JSON with {\"$event\": \"data.path\"} for what the event says"),
    Field::of::<Option<String>>("document", "the path in the event to the key of an object or an address"),
    Field::of::<Option<String>>("file_name", "the path in the event to the name of the document"),
    Field::of::<Option<Map<String, Value>>>("request", "an extraction request"),
    Field::of::<i16>("priority", "a whole number from -32768 to 32767"),
    Field::of::<bool>("enabled", "true or false"),
    Field::of::<String>("description", "a text"),
];

/// What somebody wants to be started by events.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscription {
    types: Vec<String>,
    filter: Vec<Condition>,
    /// The workflow whose latest version is run.
    pub workflow: String,
    /// What runs start with.
    pub start: Start,
    /// Higher ones are released first; 0 is usual.
    pub priority: i16,
    /// Whether it starts anything.
    pub enabled: bool,
    /// All of it, with the usual values for what was left out.
    pub shown: Value,
}

/// What a run starts with.
#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    /// With the event as it came.
    Event,
    /// With what a template makes of it.
    Template(Value),
    /// With the document that the event names: the document workflow.
    Document {
        /// Where the event has the key of the object, or the address.
        key: Path,
        /// Where it has the name of the document; the end of the key otherwise.
        file_name: Option<Path>,
        /// The questions.
        request: Box<ExtractionRequest>,
    },
}

impl Subscription {
    /// Reads a subscription; `None` when it cannot be used, and `problems` has everything that is wrong with it then, except
    /// that nobody may know the workflow.
    pub fn read(mut value: Value, problems: &mut Problems) -> Option<Self> {
        let before = problems.is_empty();
        // Left out is the same as null, so that what is shown can be put again.
        if value.get("input").is_some_and(Value::is_null)
            && let Some(fields) = value.as_object_mut()
        {
            fields.remove("input");
        }
        problems.check(&mut value, "$", FIELDS);
        problems.require(&value, "$", "types");
        let types = types(&value, problems);
        let filter = filter(&value, problems);
        let document = place(&value, "document", problems);
        let file_name = place(&value, "file_name", problems);
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let description = text("description");
        if description.chars().count() > LONGEST_DESCRIPTION {
            let fix = format!("write at most {LONGEST_DESCRIPTION} characters");
            problems.report("$.description", "is too long", fix);
        }
        let workflow = workflow(&value, problems);
        let request = value.get("request").filter(|request| !request.is_null());
        let start = match document {
            Some(key) => {
                let request = questions(request, problems);
                Start::Document { key, file_name, request: Box::new(request) }
            }
            None => match value.get("input") {
                Some(input) => {
                    template::check(input, "$.input", problems);
                    Start::Template(input.clone())
                }
                None => Start::Event,
            },
        };
        let priority = value.get("priority").and_then(Value::as_i64).and_then(|n| i16::try_from(n).ok()).unwrap_or(0);
        let enabled = value.get("enabled").and_then(Value::as_bool).unwrap_or(true);
        let given = |name: &str| value.get(name).cloned().unwrap_or_default();
        let shown = json!({
            "types": types, "filter": value.get("filter").cloned().filter(Value::is_array).unwrap_or_else(|| json!([])),
            "workflow": workflow, "input": given("input"), "document": given("document"), "file_name": given("file_name"),
            "request": given("request"), "priority": priority, "enabled": enabled, "description": description,
        });
        let read = Self { types, filter, workflow, start, priority, enabled, shown };
        (before && problems.is_empty()).then_some(read)
    }

    /// Whether it is about this event, be it enabled or not.
    #[must_use]
    pub fn wants(&self, event: &Event) -> bool {
        self.is_of_type(event)
            && self.filter.iter().all(|condition| condition.holds(&event.whole))
            && !self.leaves_out(event)
    }

    /// Why it is not about this event; nothing when it is.
    #[must_use]
    pub fn misses(&self, event: &Event) -> Vec<String> {
        let mut misses = Vec::new();
        if !self.is_of_type(event) {
            misses.push(format!("the type {:?} is none of its types", event.kind));
        }
        for (number, condition) in self.filter.iter().enumerate() {
            if !condition.holds(&event.whole) {
                misses.push(format!("filter[{number}] does not hold of {}", condition.path()));
            }
        }
        if self.leaves_out(event) {
            misses.push("the object is no PDF by its name, and there is no filter that asks for others".to_owned());
        }
        misses
    }

    fn is_of_type(&self, event: &Event) -> bool {
        self.types.iter().any(|wanted| match wanted.strip_suffix('*') {
            Some(begin) => event.kind.starts_with(begin),
            None => event.kind == *wanted,
        })
    }

    /// Of whatever somebody puts into a bucket, only PDFs are documents unless a filter says what is.
    fn leaves_out(&self, event: &Event) -> bool {
        if event.kind != s3::CREATED || !self.filter.is_empty() || !matches!(self.start, Start::Document { .. }) {
            return false;
        }
        let key = event.whole.pointer("/data/key").and_then(Value::as_str).unwrap_or_default();
        !key.to_ascii_lowercase().ends_with(".pdf")
    }
}

fn types(value: &Value, problems: &mut Problems) -> Vec<String> {
    let Some(list) = value.get("types").and_then(Value::as_array) else { return Vec::new() };
    if list.is_empty() || list.len() > MOST {
        problems.report("$.types", format!("has {} types", list.len()), format!("name 1 to {MOST}"));
    }
    let mut types = Vec::new();
    for (number, kind) in list.iter().enumerate() {
        let kind = kind.as_str().unwrap_or_default();
        let begin = kind.strip_suffix('*').unwrap_or(kind);
        let fits = (1..=LONGEST_TYPE).contains(&kind.len()) && !begin.contains(|c: char| c == '*' || c.is_control());
        if !fits {
            let fix = "write a type such as \"invoice.received\", or the beginning of some and one '*' at the end";
            problems.report(format!("$.types[{number}]"), "is no type", fix);
        }
        types.push(kind.to_owned());
    }
    types
}

fn filter(value: &Value, problems: &mut Problems) -> Vec<Condition> {
    let Some(list) = value.get("filter").and_then(Value::as_array) else { return Vec::new() };
    if list.len() > MOST {
        problems.report("$.filter", format!("has {} conditions", list.len()), format!("use at most {MOST}"));
        return Vec::new();
    }
    let read = list.iter().enumerate();
    read.filter_map(|(number, one)| Condition::read(one.clone(), &format!("$.filter[{number}]"), problems)).collect()
}

fn place(value: &Value, name: &str, problems: &mut Problems) -> Option<Path> {
    let path = Path::read(value.get(name)?.as_str()?);
    if path.is_none() {
        problems.report(format!("$.{name}"), "is no path", path::FIX);
    }
    path
}

/// The name of the workflow. A document goes to the document workflow, and nothing else does.
fn workflow(value: &Value, problems: &mut Problems) -> String {
    let given = |name: &str| value.get(name).is_some_and(|value| !value.is_null());
    let named = value.get("workflow").and_then(Value::as_str);
    let document = given("document");
    match named {
        Some(name) if document && name != PIPELINE => {
            problems.report("$.workflow", "takes no document", format!("leave it out, or name {PIPELINE:?}"));
        }
        Some(PIPELINE) if !document => {
            let fix = "say where the event has the key of the object, such as \"data.key\"";
            problems.report("$.document", "is missing: the workflow takes a document", fix);
        }
        None if !document => problems.report("$.workflow", "is missing", "name one, or give a document"),
        _ => {}
    }
    let misplaced: &[&str] = if document { &["input"] } else { &["file_name", "request"] };
    for name in misplaced.iter().filter(|name| given(name)) {
        let other = if document { "without a document" } else { "with a document" };
        problems.report(format!("$.{name}"), format!("has a meaning {other} only"), "leave it out");
    }
    named.unwrap_or(PIPELINE).to_owned()
}

fn questions(request: Option<&Value>, problems: &mut Problems) -> ExtractionRequest {
    let Some(request) = request else { return ExtractionRequest::default() };
    match ExtractionRequest::parse(request) {
        Ok(request) => request,
        Err(invalid) => {
            for problem in invalid.problems {
                let path = format!("$.request{}", problem.path.trim_start_matches('$'));
                problems.report(path, problem.message, problem.fix);
            }
            ExtractionRequest::default()
        }
    }
}

#[cfg(test)]
mod tests;
