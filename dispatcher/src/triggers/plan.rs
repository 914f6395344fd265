//! What an event would start.

use protocol::TenantId;
use protocol::request::ExtractionRequest;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Refusal;
use super::event::Event;
use super::s3;
use super::subscription::{Start, Subscription};
use super::template::{self, Room};
use crate::imports::{self, Imports};
use crate::remote;
use crate::submission::Order;

/// The name under which a run that has an object as its input finds what started it.
const EVENT: &str = "_event";

/// A run that is to be started.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// Within the tenant, it starts at most one run.
    pub key: String,
    /// What is run.
    pub plan: Plan,
}

/// What is run.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// A workflow with that input.
    Run(Order),
    /// The document workflow.
    Document {
        /// Where it is.
        place: Place,
        /// What the document is called.
        file_name: String,
        /// The questions.
        request: Box<ExtractionRequest>,
        /// Higher ones are released first.
        priority: i16,
    },
}

/// Where a document is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Under the key of an object, which the tenant may have read.
    Object(String),
    /// At an address over HTTP, which is checked when it is reached.
    Address(String),
}

impl Place {
    /// The key or the address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let (Self::Object(text) | Self::Address(text)) = self;
        text
    }

    /// What a document there is called unless somebody says otherwise.
    fn name(&self) -> String {
        match self {
            Self::Object(key) => imports::file_name(key),
            Self::Address(url) => remote::name(url),
        }
    }
}

/// The idempotency key of what one subscription starts for one event.
#[must_use]
pub fn key(subscription: &str, event: &Event) -> String {
    let mut hasher = Sha256::new();
    for part in [subscription, event.source.as_str(), event.id.as_str()] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    format!("event:{:x}", hasher.finalize())
}

impl Planned {
    /// What a subscription of that name starts for an event that it wants.
    ///
    /// # Errors
    /// [`Refusal`] when nothing can be started: the same event will never start anything.
    pub fn make(
        tenant: &TenantId,
        imports: &Imports,
        name: &str,
        subscription: &Subscription,
        event: &Event,
        room: &mut Room,
    ) -> Result<Self, Refusal> {
        let key = key(name, event);
        let label = json!({ "id": event.id, "source": event.source, "type": event.kind, "subscription": name });
        let input = match &subscription.start {
            Start::Document { key: place, file_name, request } => {
                let place = document(tenant, imports, place.of(&event.whole), &place.to_string(), event)?;
                let named = file_name.as_ref().and_then(|place| place.of(&event.whole)).and_then(Value::as_str);
                let named = named.filter(|name| !name.is_empty());
                let file_name = named.map_or_else(|| place.name(), imports::file_name);
                let mut request = request.clone();
                request.extraction_settings.tool_execution_metadata.insert("event".to_owned(), label);
                let plan = Plan::Document { place, file_name, request, priority: subscription.priority };
                return Ok(Self { key, plan });
            }
            Start::Event => room.take(&event.whole).map(|()| event.whole.clone()),
            Start::Template(wanted) => template::fill(wanted, &event.whole, room),
        };
        let mut input = input.ok_or_else(|| {
            Refusal::new(
                "event_too_large",
                "too much would have to be started with it; send fewer or smaller events at a time",
            )
        })?;
        if let Value::Object(fields) = &mut input {
            fields.entry(EVENT).or_insert(label);
        }
        let (workflow, priority) = (subscription.workflow.clone(), subscription.priority);
        let order = Order { workflow, input, priority, idempotency_key: Some(key.clone()), backend: None };
        Ok(Self { key, plan: Plan::Run(order) })
    }
}

/// The document that an event names.
fn document(
    tenant: &TenantId,
    imports: &Imports,
    found: Option<&Value>,
    place: &str,
    event: &Event,
) -> Result<Place, Refusal> {
    let Some(name) = found.and_then(Value::as_str) else {
        return Err(Refusal::new("document_unnamed", format!("the event has no text at {place}")));
    };
    // What a bucket tells is the key of an object, however it looks.
    let tells_of_object = event.kind == s3::CREATED;
    if !tells_of_object && (name.starts_with("https://") || name.starts_with("http://")) {
        return Ok(Place::Address(name.to_owned()));
    }
    if name.contains("://") {
        let detail = "documents are fetched over http and https alone, and never for notifications of buckets; \
                      name such an address or the key of an object";
        return Err(Refusal::new("document_remote", detail));
    }
    if tells_of_object && let Some(bucket) = event.whole.pointer("/data/bucket").and_then(Value::as_str) {
        imports.check_bucket(bucket).map_err(|refused| Refusal::new(refused.code(), refused.to_string()))?;
    }
    imports
        .resolve(tenant, name)
        .map(Place::Object)
        .map_err(|refused| Refusal::new(refused.code(), refused.to_string()))
}

#[cfg(test)]
mod tests {
    use protocol::shape::Problems;

    use super::*;

    fn planned(subscription: Value, event: Value) -> Result<Planned, Refusal> {
        let mut problems = Problems::default();
        let subscription = Subscription::read(subscription, &mut problems).unwrap();
        let event = Event::read(event, "$", &mut problems).unwrap();
        let imports = Imports::default().in_bucket(Some("ours".to_owned()));
        Planned::make(&"acme".parse().unwrap(), &imports, "sub", &subscription, &event, &mut Room::of(10_000))
    }

    fn input(planned: Planned) -> Value {
        let Plan::Run(order) = planned.plan else { panic!("{planned:?}") };
        order.input
    }

    #[test]
    fn a_run_can_be_told_from_others_by_its_input() {
        let event = json!({ "id": "7", "source": "shop", "type": "order.paid", "data": { "n": 1 } });
        let label = json!({ "id": "7", "source": "shop", "type": "order.paid", "subscription": "sub" });
        let whole = input(planned(json!({ "types": ["*"], "workflow": "w" }), event.clone()).unwrap());
        assert_eq!((&whole["data"], &whole[EVENT]), (&json!({ "n": 1 }), &label));
        let template = json!({ "types": ["*"], "workflow": "w", "input": { "n": { "$event": "data.n" } } });
        assert_eq!(input(planned(template, event.clone()).unwrap()), json!({ "n": 1, "_event": label }));
        let plain = json!({ "types": ["*"], "workflow": "w", "input": { "$event": "data.n" } });
        assert_eq!(input(planned(plain, event.clone()).unwrap()), json!(1));

        let document = json!({ "types": ["*"], "document": "data.key", "file_name": "data.name" });
        let event = json!({ "id": "7", "source": "shop", "type": "order.paid",
            "data": { "key": "imports/acme/1", "name": "../Rechnung.pdf" } });
        let Plan::Document { place, file_name, request, .. } = planned(document, event).unwrap().plan else { panic!() };
        assert_eq!((place.as_str(), file_name.as_str()), ("imports/acme/1", "Rechnung.pdf"));
        assert_eq!(request.extraction_settings.tool_execution_metadata["event"], label);
    }

    #[test]
    fn an_address_is_fetched_where_an_event_names_one_and_never_for_a_bucket() {
        let wanted = json!({ "types": ["*"], "document": "data.key" });
        let event = |kind: &str, key: &str| json!({ "id": "7", "source": "s", "type": kind, "data": { "key": key } });
        let url = "https://files.example.com/a/Rechnung%207.pdf?signature=x";
        let Plan::Document { place, file_name, .. } = planned(wanted.clone(), event("t", url)).unwrap().plan else {
            panic!()
        };
        assert_eq!((place, file_name.as_str()), (Place::Address(url.to_owned()), "Rechnung 7.pdf"));
        for (kind, key) in [(s3::CREATED, url), ("t", "ftp://a/b.pdf"), ("t", "s3://bucket/a.pdf")] {
            assert_eq!(planned(wanted.clone(), event(kind, key)).unwrap_err().code, "document_remote", "{key}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_name() {
        let document = json!({ "types": ["*"], "document": "data.key" });
        let refused = |data: Value| {
            let event = json!({ "id": "7", "source": "s", "type": s3::CREATED, "data": data });
            planned(document.clone(), event).unwrap_err().code
        };
        assert_eq!(refused(json!({})), "document_unnamed");
        assert_eq!(refused(json!({ "key": 7 })), "document_unnamed");
        assert_eq!(refused(json!({ "key": "imports/other/a.pdf" })), "document_foreign");
        assert_eq!(refused(json!({ "key": "imports/acme/../other/a.pdf" })), "document_unusable");
        assert_eq!(refused(json!({ "key": "http://169.254.169.254/a.pdf" })), "document_remote");
        assert_eq!(refused(json!({ "key": "imports/acme/a.pdf", "bucket": "theirs" })), "document_elsewhere");
    }

    #[test]
    fn a_key_follows_from_subscription_source_and_id_alone() {
        let event = |source: &str, id: &str, data: u8| {
            let whole = json!({ "id": id, "source": source, "type": "t", "data": data });
            Event::read(whole, "$", &mut Problems::default()).unwrap()
        };
        let first = key("s", &event("ab", "c", 1));
        assert_eq!(first, key("s", &event("ab", "c", 2)));
        for other in [key("t", &event("ab", "c", 1)), key("s", &event("a", "bc", 1)), key("s", &event("ab", "d", 1))] {
            assert_ne!(first, other);
        }
    }
}
