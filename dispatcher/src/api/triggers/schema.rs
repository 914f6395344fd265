//! Bodies of events and subscriptions, as the OpenAPI document describes them. They are read by hand, so that every problem
//! is told at once; a spec reads examples both ways.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// A subscription in an address.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes an address; handlers read it themselves, to answer in their own words")]
pub(in crate::api) struct SubscriptionName {
    /// Name of a subscription.
    #[param(pattern = r"^[A-Za-z0-9_-]{1,64}$")]
    name: String,
}

/// An event, or a list of up to 1,000.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes what is read by hand")]
pub(in crate::api) enum CloudEvents {
    /// One event.
    One(CloudEvent),
    /// Some of them.
    List(Vec<CloudEvent>),
}

/// What happened elsewhere: a CloudEvent 1.0. Other attributes have names of a-z and 0-9 and plain values.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes what is read by hand")]
pub(in crate::api) struct CloudEvent {
    /// Unique within its source.
    #[schema(pattern = r"^[^\u0000-\u001f\u007f-\u009f]{1,2048}$")]
    id: String,
    /// Where it happened.
    #[schema(pattern = r"^[^\u0000-\u001f\u007f-\u009f]{1,2048}$")]
    source: String,
    /// What kind of thing happened, such as `invoice.received`.
    #[serde(rename = "type")]
    #[schema(pattern = r"^[^\u0000-\u001f\u007f-\u009f]{1,256}$")]
    kind: String,
    /// To what.
    #[schema(pattern = r"^[^\u0000-\u001f\u007f-\u009f]{1,2048}$")]
    subject: Option<String>,
    /// When, as in RFC 3339.
    #[schema(format = DateTime)]
    time: Option<String>,
    /// `1.0`.
    #[schema(pattern = r"^1\.0$")]
    #[serde(default = "one")]
    specversion: String,
    /// Anything.
    #[serde(default)]
    data: Value,
}

fn one() -> String {
    "1.0".to_owned()
}

/// What a bucket tells: a notification of Amazon S3 or MinIO. An event of EventBridge is fine, too.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes what is read by hand")]
pub(in crate::api) struct BucketNotification {
    /// One for each thing that happened.
    #[serde(rename = "Records")]
    #[schema(max_items = 1000)]
    records: Vec<BucketRecord>,
}

/// Something that happened to an object.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes what is read by hand")]
pub(in crate::api) struct BucketRecord {
    /// What happened, such as `ObjectCreated:Put`.
    event_name: String,
    /// To which object of which bucket. Needed of new objects; of anything else it is not looked at.
    #[serde(default)]
    s3: Value,
}

/// Which events start what. Either a `workflow` of one's own with an `input`, or a `document` with a `request`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what is read by hand")]
pub(in crate::api) struct WantedSubscription {
    /// Types of events: exact, or a beginning and a `*`.
    #[schema(min_items = 1, max_items = 32)]
    types: Vec<String>,
    /// Conditions, all of which have to hold.
    #[schema(max_items = 32)]
    filter: Option<Vec<WantedCondition>>,
    /// A registered workflow; its latest version is run. Without it: the document workflow.
    workflow: Option<String>,
    /// What runs start with: JSON in which `{"$event": "data.path"}` stands for a value of the event. Without it: the event.
    #[serde(default)]
    input: Value,
    /// The path in the event to the key of an object, the id of a document, or an address over http(s).
    #[schema(pattern = r"^[^.\u0000-\u001f\u007f-\u009f]{1,16}(\.[^.\u0000-\u001f\u007f-\u009f]{1,16}){0,14}$")]
    document: Option<String>,
    /// The path in the event to the name of the document.
    file_name: Option<String>,
    /// The questions about the document.
    #[schema(value_type = Option<Object>)]
    request: Option<BTreeMap<String, Value>>,
    /// Higher ones are released first; 0 is usual.
    #[serde(default)]
    priority: i16,
    /// Whether it starts anything.
    #[serde(default = "yes")]
    enabled: bool,
    /// For people.
    #[serde(default)]
    #[schema(max_length = 1000)]
    description: String,
}

fn yes() -> bool {
    true
}

/// What has to hold of an event.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what is read by hand")]
pub(in crate::api) struct WantedCondition {
    /// Where to look: names separated by dots.
    path: String,
    /// How to compare.
    op: Comparison,
    /// With what: a list for `in`, a text for `prefix` and `suffix`, a number or a text for `gt` and `lt`.
    #[serde(default)]
    value: Value,
}

/// A comparison.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum Comparison {
    /// It is the value.
    Eq,
    /// It is not, or there is none.
    Ne,
    /// It is one of these.
    In,
    /// It begins like this.
    Prefix,
    /// It ends like this.
    Suffix,
    /// It is there, or not.
    Exists,
    /// It is greater, or comes later.
    Gt,
    /// It is smaller, or comes earlier.
    Lt,
}

#[cfg(test)]
mod tests {
    use protocol::shape::Problems;
    use serde_json::json;

    use super::*;
    use crate::triggers::{Event, Subscription};

    #[test]
    fn what_is_described_is_what_is_read() {
        let event = json!({ "specversion": "1.0", "id": "1", "source": "s", "type": "t", "subject": "x",
            "time": "2026-11-26T15:00:00Z", "data": [1], "traceparent": "00" });
        assert!(CloudEvents::deserialize(&event).is_ok());
        assert!(Event::read(event, "$", &mut Problems::default()).is_some());

        let ops = ["eq", "ne", "in", "prefix", "suffix", "exists", "gt", "lt"];
        let value = |op: &str| match op {
            "in" => json!([1]),
            "exists" => json!(true),
            _ => json!("a"),
        };
        let filter: Vec<Value> = ops.map(|op| json!({ "path": "data", "op": op, "value": value(op) })).to_vec();
        let common = json!({ "types": ["a"], "filter": filter, "priority": 1, "enabled": false, "description": "d" });
        for own in
            [json!({ "workflow": "w", "input": {} }), json!({ "document": "id", "file_name": "id", "request": {} })]
        {
            let mut whole = common.clone();
            whole.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
            assert!(WantedSubscription::deserialize(&whole).is_ok(), "{whole}");
            let mut problems = Problems::default();
            let read = Subscription::read(whole, &mut problems);
            let read = read.unwrap_or_else(|| panic!("{:?}", problems.into_list()));
            assert!(WantedSubscription::deserialize(&read.shown).is_ok(), "what is shown can be put again");
        }
    }
}
