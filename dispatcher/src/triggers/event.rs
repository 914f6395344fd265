//! What happened, as a CloudEvent 1.0 in its JSON form.

use jiff::Timestamp;
use protocol::shape::Problems;
use serde_json::{Map, Value};

/// Longest `id`, `source` and `subject`, in characters.
const LONG: usize = 2_048;

/// Longest `type` and name of an extension, in characters.
const SHORT: usize = 256;

/// Most attributes of an event, `data` included.
const ATTRIBUTES: usize = 64;

/// Most objects and lists within each other: what is made of an event is wrapped some more times before it is read again.
pub(super) const DEPTH: usize = 64;

/// Something that happened. Whoever sends it promises that `source` and `id` together name it once and for all.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Unique within its source.
    pub id: String,
    /// Where it happened.
    pub source: String,
    /// What kind of thing happened, such as `invoice.received`.
    pub kind: String,
    /// All of it, as it came.
    pub whole: Value,
}

impl Event {
    /// Reads an event that stands at `path` in a body. `None` when it cannot be used; `problems` has everything that is wrong
    /// with it then.
    pub fn read(whole: Value, path: &str, problems: &mut Problems) -> Option<Self> {
        let Value::Object(fields) = &whole else {
            problems.report(path, "must be an object", "write {\"id\": …, \"source\": …, \"type\": …}");
            return None;
        };
        if is_deeper(&whole, DEPTH) {
            problems.report(
                path,
                "is nested too deeply",
                format!("put at most {DEPTH} objects and lists within each other"),
            );
            return None;
        }
        let mut found = Reading { fields, path, problems, sound: true };
        let id = found.text("id", LONG, true);
        let source = found.text("source", LONG, true);
        let kind = found.text("type", SHORT, true);
        found.text("subject", LONG, false);
        found.version();
        found.time();
        found.extensions();
        let sound = found.sound;
        match (id, source, kind) {
            (Some(id), Some(source), Some(kind)) if sound => Some(Self { id, source, kind, whole }),
            _ => None,
        }
    }
}

/// Whether a value has more than `most` objects and lists within each other.
pub(super) fn is_deeper(value: &Value, most: usize) -> bool {
    match value {
        Value::Array(list) => most == 0 || list.iter().any(|value| is_deeper(value, most - 1)),
        Value::Object(object) => most == 0 || object.values().any(|value| is_deeper(value, most - 1)),
        _ => false,
    }
}

/// An event that is being read.
struct Reading<'v> {
    fields: &'v Map<String, Value>,
    path: &'v str,
    problems: &'v mut Problems,
    sound: bool,
}

impl Reading<'_> {
    fn wrong(&mut self, name: &str, message: impl Into<String>, fix: impl Into<String>) {
        let name: String = name.chars().take(64).collect();
        self.sound = false;
        self.problems.report(format!("{}.{name}", self.path), message, fix);
    }

    /// A text of 1 to `longest` characters without control characters.
    fn text(&mut self, name: &str, longest: usize, required: bool) -> Option<String> {
        let fix = format!("write a text of 1 to {longest} characters, none of them control characters");
        match self.fields.get(name) {
            None | Some(Value::Null) if !required => None,
            None => {
                self.wrong(name, "is missing", fix);
                None
            }
            Some(Value::String(text))
                if (1..=longest).contains(&text.chars().count()) && !text.contains(char::is_control) =>
            {
                Some(text.clone())
            }
            Some(_) => {
                self.wrong(name, "cannot be used", fix);
                None
            }
        }
    }

    fn version(&mut self) {
        if self.fields.get("specversion").is_some_and(|version| version != "1.0") {
            self.wrong("specversion", "is not known", "write \"1.0\", or leave it out");
        }
    }

    fn time(&mut self) {
        let readable = |time: &Value| time.as_str().is_some_and(|time| time.parse::<Timestamp>().is_ok());
        if self.fields.get("time").is_some_and(|time| !time.is_null() && !readable(time)) {
            self.wrong("time", "is no time", "write it as in RFC 3339: \"2026-11-26T15:00:00Z\"");
        }
    }

    /// Other attributes have lower-case names and plain values.
    fn extensions(&mut self) {
        if self.fields.len() > ATTRIBUTES {
            self.wrong("*", format!("has {} attributes", self.fields.len()), format!("use at most {ATTRIBUTES}"));
            return;
        }
        for (name, value) in self.fields {
            let own = ["id", "source", "type", "subject", "specversion", "time", "data"];
            if own.contains(&name.as_str()) {
                continue;
            }
            let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            // The one name of the specification that has an underscore.
            let named = name == "data_base64" || ((1..=SHORT).contains(&name.len()) && name.bytes().all(lower));
            if !named {
                self.wrong(
                    name,
                    "is no name of an attribute",
                    "use a to z and 0 to 9, and put everything else into data",
                );
            } else if value.is_object() || value.is_array() {
                self.wrong(name, "must be a text, a number or a truth value", "put everything else into data");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(event: Value) -> Vec<String> {
        let mut problems = Problems::default();
        let read = Event::read(event, "$", &mut problems);
        assert_eq!(read.is_some(), problems.is_empty());
        problems.into_list().into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn an_event_of_the_specification_is_taken_whole() {
        let event = json!({
            "specversion": "1.0", "type": "com.github.pull_request.opened", "source": "https://github.com/cloudevents/spec/pull",
            "subject": "123", "id": "A234-1234-1234", "time": "2018-04-05T17:31:00Z", "comexampleextension1": "value",
            "comexampleothervalue": 5, "datacontenttype": "text/xml", "data": "<much wow=\"xml\"/>"
        });
        let mut problems = Problems::default();
        let read = Event::read(event.clone(), "$", &mut problems).unwrap();
        assert_eq!((read.id.as_str(), read.kind.as_str()), ("A234-1234-1234", "com.github.pull_request.opened"));
        assert_eq!(read.whole, event);
    }

    #[test]
    fn everything_wrong_with_an_event_is_told_at_once() {
        let bad = json!({ "id": "", "source": 7, "specversion": "0.3", "time": "noon", "Upper": 1, "list": [1], "subject": "a\0" });
        let expected = ["$.id", "$.source", "$.type", "$.subject", "$.specversion", "$.time", "$.Upper", "$.list"];
        assert_eq!(paths(bad), expected);
        assert_eq!(paths(json!([1])), ["$"]);
        let deep = (0..64).fold(json!(1), |value, _| json!([value]));
        assert_eq!(paths(json!({ "id": "1", "source": "s", "type": "t", "data": deep })), ["$"]);
        assert_eq!(paths(json!({ "id": "x".repeat(5_000), "source": "s", "type": "t" })), ["$.id"]);
    }
}
