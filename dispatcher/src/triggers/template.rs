//! What a run starts with, made from an event: JSON in which `{"$event": "data.total"}` stands for a value of the event.

use protocol::shape::Problems;
use serde_json::{Map, Value};

use super::event;
use super::path::{self, Path};

/// The key of a placeholder.
const PLACEHOLDER: &str = "$event";

/// Most placeholders of a template.
const PLACEHOLDERS: usize = 100;

/// Most objects and lists of a template within each other.
const DEPTH: usize = 32;

/// Notes what is wrong with a template that stands at `at`.
pub fn check(template: &Value, at: &str, problems: &mut Problems) {
    if event::is_deeper(template, DEPTH) {
        problems.report(at, "is nested too deeply", format!("put at most {DEPTH} objects and lists within each other"));
        return;
    }
    let mut placeholders = 0;
    walk(template, at, problems, &mut placeholders);
    if placeholders > PLACEHOLDERS {
        let message = format!("has {placeholders} placeholders");
        problems.report(at, message, format!("use at most {PLACEHOLDERS}; a run can take the whole event"));
    }
}

fn walk(template: &Value, at: &str, problems: &mut Problems, placeholders: &mut usize) {
    match template {
        Value::Object(object) if object.contains_key(PLACEHOLDER) => {
            *placeholders += 1;
            if placeholder(object).is_none() {
                let fix = format!("{}; write nothing beside it", path::FIX);
                problems.report(format!("{at}.{PLACEHOLDER}"), "is no placeholder", fix);
            }
        }
        Value::Object(object) => {
            for (name, value) in object {
                let name: String = name.chars().take(64).collect();
                walk(value, &format!("{at}.{name}"), problems, placeholders);
            }
        }
        Value::Array(list) => {
            for (place, value) in list.iter().enumerate() {
                walk(value, &format!("{at}[{place}]"), problems, placeholders);
            }
        }
        _ => {}
    }
}

fn placeholder(object: &Map<String, Value>) -> Option<Path> {
    match object.get(PLACEHOLDER) {
        Some(Value::String(text)) if object.len() == 1 => Path::read(text),
        _ => None,
    }
}

/// The template with values of the event in the places of its placeholders; null where the event has none.
#[must_use]
pub fn fill(template: &Value, event: &Value, room: &mut Room) -> Option<Value> {
    Some(match template {
        Value::Object(object) => match placeholder(object) {
            Some(path) => match path.of(event) {
                Some(value) => {
                    room.take(value)?;
                    value.clone()
                }
                None => Value::Null,
            },
            None => {
                let mut filled = Map::new();
                for (name, value) in object {
                    room.spend(name.len())?;
                    filled.insert(name.clone(), fill(value, event, room)?);
                }
                Value::Object(filled)
            }
        },
        Value::Array(list) => {
            Value::Array(list.iter().map(|value| fill(value, event, room)).collect::<Option<Vec<Value>>>()?)
        }
        plain => {
            room.take(plain)?;
            plain.clone()
        }
    })
}

/// How much may still be made of the events of one call, in bytes: a few placeholders could otherwise multiply a large event.
#[derive(Debug)]
pub struct Room(usize);

impl Room {
    /// Room for so many bytes.
    #[must_use]
    pub const fn of(bytes: usize) -> Self {
        Self(bytes)
    }

    /// Takes the room of a value, as it is in memory rather than as a text; `None` when there is too little.
    #[must_use]
    pub fn take(&mut self, value: &Value) -> Option<()> {
        // What a value costs besides its content.
        const EACH: usize = 16;
        match value {
            Value::String(text) => self.spend(EACH + text.len()),
            Value::Array(list) => {
                self.spend(EACH)?;
                list.iter().try_for_each(|value| self.take(value))
            }
            Value::Object(object) => {
                self.spend(EACH)?;
                object.iter().try_for_each(|(name, value)| {
                    self.spend(EACH + name.len())?;
                    self.take(value)
                })
            }
            _ => self.spend(EACH),
        }
    }

    fn spend(&mut self, bytes: usize) -> Option<()> {
        self.0 = self.0.checked_sub(bytes)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn placeholders_become_what_the_event_has() {
        let event = json!({ "id": "1", "data": { "total": 12.5, "lines": [{ "sku": "a" }] } });
        let template = json!({ "amount": { "$event": "data.total" }, "all": [{ "$event": "data.lines" }, "x"],
            "none": { "$event": "data.nothing" }, "fixed": { "deep": true } });
        let filled = fill(&template, &event, &mut Room::of(10_000)).unwrap();
        let expected =
            json!({ "amount": 12.5, "all": [[{ "sku": "a" }], "x"], "none": null, "fixed": { "deep": true } });
        assert_eq!(filled, expected);
    }

    #[test]
    fn a_large_event_cannot_be_multiplied() {
        let event = json!({ "data": "x".repeat(1_000) });
        let template = Value::Array(vec![json!({ "$event": "data" }); 50]);
        assert_eq!(fill(&template, &event, &mut Room::of(20_000)), None);
    }

    #[test]
    fn what_is_no_placeholder_is_told_with_its_place() {
        let template = json!({ "a": [{ "$event": "" }], "b": { "$event": "data", "or": 1 }, "c": { "$event": 7 }, "d": { "$event": "id" } });
        let mut problems = Problems::default();
        check(&template, "$.input", &mut problems);
        let places: Vec<String> = problems.into_list().into_iter().map(|problem| problem.path).collect();
        assert_eq!(places, ["$.input.a[0].$event", "$.input.b.$event", "$.input.c.$event"]);

        let mut problems = Problems::default();
        check(&Value::Array(vec![json!({ "$event": "id" }); 101]), "$.input", &mut problems);
        assert_eq!(problems.into_list().len(), 1);
    }
}
