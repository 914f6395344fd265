//! Spans as OTLP's JSON: ids are lower-case hexadecimal, times and 64-bit numbers are strings, enums are numbers.

use serde_json::{Map, Value, json};

use super::{Attribute, Span};

/// `SPAN_KIND_INTERNAL`.
const INTERNAL: u8 = 1;

/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;

/// Who says so.
pub(super) fn resource(service: &str, instance: &str) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    let attributes = [
        ("service.namespace", "flotilla"),
        ("service.name", service),
        ("service.instance.id", instance),
        ("service.version", version),
    ];
    let attributes: Vec<Value> = attributes.map(|(key, text)| attribute(key, &Attribute::from(text))).to_vec();
    json!({ "attributes": attributes })
}

/// The request that brings spans.
pub(super) fn request(resource: &Value, spans: &[Span]) -> Value {
    let spans: Vec<Value> = spans.iter().map(span).collect();
    let of_scope = json!({ "scope": { "name": "flotilla" }, "spans": spans });
    json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [of_scope] }] })
}

/// How many spans a collector refused that took the others, by its answer.
pub(super) fn refused(answer: &[u8]) -> u64 {
    let Ok(answer) = serde_json::from_slice::<Value>(answer) else { return 0 };
    match &answer["partialSuccess"]["rejectedSpans"] {
        Value::String(count) => count.parse().unwrap_or(0),
        count => count.as_u64().unwrap_or(0),
    }
}

fn span(span: &Span) -> Value {
    let nanoseconds = |time: jiff::Timestamp| time.as_nanosecond().max(0).to_string();
    let attributes: Vec<Value> = span.attributes.iter().map(|(key, value)| attribute(key, value)).collect();
    let mut fields = Map::new();
    fields.insert("traceId".to_owned(), format!("{:032x}", span.trace).into());
    fields.insert("spanId".to_owned(), format!("{:016x}", span.id).into());
    if let Some(parent) = span.parent {
        fields.insert("parentSpanId".to_owned(), format!("{parent:016x}").into());
    }
    fields.insert("name".to_owned(), span.name.as_str().into());
    fields.insert("kind".to_owned(), INTERNAL.into());
    fields.insert("startTimeUnixNano".to_owned(), nanoseconds(span.start).into());
    fields.insert("endTimeUnixNano".to_owned(), nanoseconds(span.end.max(span.start)).into());
    fields.insert("attributes".to_owned(), attributes.into());
    if let Some(code) = &span.error {
        fields.insert("status".to_owned(), json!({ "code": ERROR, "message": code }));
    }
    Value::Object(fields)
}

fn attribute(key: &str, value: &Attribute) -> Value {
    let value = match value {
        Attribute::Text(text) => json!({ "stringValue": text }),
        Attribute::Number(number) => json!({ "intValue": number.to_string() }),
    };
    json!({ "key": key, "value": value })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn at(nanosecond: i128) -> Timestamp {
        Timestamp::from_nanosecond(nanosecond).unwrap()
    }

    #[test]
    fn a_span_is_written_as_collectors_read_it() {
        let told = Span {
            trace: 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef,
            id: 0xab,
            parent: Some(0xcd),
            name: "task collate".to_owned(),
            start: at(1_700_000_000_000_000_001),
            end: at(1_700_000_000_000_000_003),
            attributes: vec![("worker", "w-1".into()), ("attempt", 2.into())],
            error: Some("timeout_hard".to_owned()),
        };
        let expected = json!({
            "traceId": "0123456789abcdef0123456789abcdef",
            "spanId": "00000000000000ab",
            "parentSpanId": "00000000000000cd",
            "name": "task collate",
            "kind": 1,
            "startTimeUnixNano": "1700000000000000001",
            "endTimeUnixNano": "1700000000000000003",
            "attributes": [
                { "key": "worker", "value": { "stringValue": "w-1" } },
                { "key": "attempt", "value": { "intValue": "2" } },
            ],
            "status": { "code": 2, "message": "timeout_hard" },
        });
        assert_eq!(span(&told), expected);
        let root = span(&Span { parent: None, error: None, end: at(5), ..told });
        assert_eq!((root.get("parentSpanId"), root.get("status")), (None, None));
        assert_eq!(root["endTimeUnixNano"], root["startTimeUnixNano"], "clocks differ, spans do not run backwards");
    }

    #[test]
    fn what_a_collector_refuses_is_read_from_its_answer() {
        for (answer, count) in [
            (r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}"#, 3),
            (r#"{"partialSuccess":{"rejectedSpans":4}}"#, 4),
            (r#"{"partialSuccess":{}}"#, 0),
            ("{}", 0),
            ("", 0),
        ] {
            assert_eq!(refused(answer.as_bytes()), count, "{answer}");
        }
    }
}
