//! What buckets tell about their objects, as events: notifications of Amazon S3 and of MinIO, and of S3 by EventBridge.

use protocol::shape::Problems;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::event::Event;

/// The type of every event made here.
pub const CREATED: &str = "s3.object_created";

/// Longest key, in bytes: what S3 allows.
const LONGEST_KEY: usize = 1_024;

/// Longest name of a bucket, and of an ETag, a version or a sequencer, in bytes.
const LONGEST_NAME: usize = 1_024;

/// The events of a notification, in their order.
#[derive(Debug, Default, PartialEq)]
pub struct Told {
    /// Objects that came into being.
    pub created: Vec<Event>,
    /// How many records told something else.
    pub others: usize,
}

/// Reads a notification; `problems` has everything that is wrong with it.
pub fn read(mut body: Value, most: usize, problems: &mut Problems) -> Told {
    let mut told = Told::default();
    if let Some(detail_type) = body.get("detail-type") {
        match detail_type.as_str() {
            Some("Object Created") => told.created.extend(bridged(&body, problems)),
            Some(_) => told.others += 1,
            None => problems.report("$.detail-type", "must be a text", "send events of EventBridge as they are"),
        }
        return told;
    }
    // Sent once when notifications are set up.
    if body.get("Event").is_some_and(|event| event == "s3:TestEvent") {
        told.others += 1;
        return told;
    }
    let records = match body.get_mut("Records").map(Value::take) {
        Some(Value::Array(records)) => records,
        _ => {
            let fix = "send a notification of S3 or MinIO {\"Records\": […]}, or an event of EventBridge";
            problems.report("$.Records", "is no list", fix);
            return told;
        }
    };
    if records.len() > most {
        problems.report(
            "$.Records",
            format!("has {} records", records.len()),
            format!("send at most {most} at a time"),
        );
        return told;
    }
    for (place, record) in records.iter().enumerate() {
        let at = format!("$.Records[{place}]");
        match record.get("eventName").and_then(Value::as_str) {
            // MinIO writes `s3:` before the names that Amazon gives.
            Some(name) if name.strip_prefix("s3:").unwrap_or(name).starts_with("ObjectCreated:") => {
                told.created.extend(recorded(record, &at, problems));
            }
            Some(_) => told.others += 1,
            None => problems.report(format!("{at}.eventName"), "is missing", "send the records as they are"),
        }
    }
    told
}

/// An object as a notification describes it.
struct Object<'v> {
    fields: &'v Map<String, Value>,
    bucket: &'v str,
    key: String,
    etag: &'static str,
    version: &'static str,
    time: Option<&'v Value>,
    what: Option<&'v Value>,
}

/// A record of Amazon's or MinIO's notification. Keys are encoded as in a form.
fn recorded(record: &Value, at: &str, problems: &mut Problems) -> Option<Event> {
    let bucket = record.pointer("/s3/bucket/name").and_then(Value::as_str);
    let object = record.pointer("/s3/object").and_then(Value::as_object);
    let key = object.and_then(|object| object.get("key")).and_then(Value::as_str).and_then(decoded);
    let place = format!("{at}.s3");
    let (fields, bucket, key) = usable(object, bucket, key, &place, problems)?;
    let (time, what) = (record.get("eventTime"), record.get("eventName"));
    Some(event(Object { fields, bucket, key, etag: "eTag", version: "versionId", time, what }))
}

/// An event of EventBridge. Keys are as they are.
fn bridged(body: &Value, problems: &mut Problems) -> Option<Event> {
    let bucket = body.pointer("/detail/bucket/name").and_then(Value::as_str);
    let object = body.pointer("/detail/object").and_then(Value::as_object);
    let key = object.and_then(|object| object.get("key")).and_then(Value::as_str).map(str::to_owned);
    let (fields, bucket, key) = usable(object, bucket, key, "$.detail", problems)?;
    let (time, what) = (body.get("time"), body.pointer("/detail/reason"));
    Some(event(Object { fields, bucket, key, etag: "etag", version: "version-id", time, what }))
}

fn usable<'v>(
    object: Option<&'v Map<String, Value>>,
    bucket: Option<&'v str>,
    key: Option<String>,
    at: &str,
    problems: &mut Problems,
) -> Option<(&'v Map<String, Value>, &'v str, String)> {
    let fits = |text: &str, longest: usize| (1..=longest).contains(&text.len()) && !text.contains(char::is_control);
    let bucket = bucket.filter(|name| fits(name, LONGEST_NAME));
    if bucket.is_none() {
        problems.report(format!("{at}.bucket.name"), "names no bucket", "send the record as it is");
    }
    let key = key.filter(|key| fits(key, LONGEST_KEY));
    if key.is_none() {
        problems.report(
            format!("{at}.object.key"),
            "is no key that can be used",
            "name the object in at most 1024 bytes of UTF-8 without control characters, encoded as S3 does it",
        );
    }
    Some((object?, bucket?, key?))
}

/// The event of an object. Its id follows from what there is in one state of the object: the same notification again is
/// the same event, in whichever form it comes, and a new content is another one.
fn event(object: Object<'_>) -> Event {
    let text = |name: &str| {
        let text = object.fields.get(name).and_then(Value::as_str);
        text.filter(|text| text.len() <= LONGEST_NAME && !text.contains(char::is_control))
    };
    let (etag, version, sequencer) = (text(object.etag), text(object.version), text("sequencer"));
    let time = object.time.filter(|time| time.as_str().is_some_and(|time| time.parse::<jiff::Timestamp>().is_ok()));
    // Servers without sequencers at least repeat the time.
    let order = sequencer.or_else(|| time.and_then(Value::as_str));
    let mut hasher = Sha256::new();
    for part in [Some(object.bucket), Some(object.key.as_str()), version, etag, order] {
        let part = part.unwrap_or_default();
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let id = format!("{:x}", hasher.finalize());
    let source = format!("s3://{}", object.bucket);
    let mut whole = json!({
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": CREATED,
        "subject": format!("{}/{}", object.bucket, object.key),
        "data": {
            "bucket": object.bucket,
            "key": object.key,
            "size": object.fields.get("size").filter(|size| size.is_u64()),
            "etag": etag,
            "version_id": version,
            "sequencer": sequencer,
            "event": object.what.filter(|what| what.is_string()),
        },
    });
    if let Some(time) = time {
        whole["time"] = time.clone();
    }
    Event { id, source, kind: CREATED.to_owned(), whole }
}

/// A key as it is: `+` stands for a space, `%C3%A4` for the bytes of `ä`. `None` when that is not what stands there.
fn decoded(key: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                high * 16 + low
            }
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests;
