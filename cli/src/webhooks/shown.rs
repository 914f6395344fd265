//! Webhooks and deliveries as people read them.

use serde::Deserialize;

use crate::table::new_table;

/// A webhook as the fleet tells it.
#[derive(Deserialize)]
pub(super) struct Shown {
    id: String,
    url: String,
    events: Vec<String>,
    description: String,
    enabled: bool,
    disabled_because: Option<String>,
    replaced_until: Vec<String>,
    secret: Option<String>,
    /// Those that `show` asks for besides.
    #[serde(default)]
    deliveries: Vec<Delivery>,
}

/// All of them.
#[derive(Deserialize)]
pub(super) struct Listed {
    pub(super) webhooks: Vec<Shown>,
}

/// How a message fares.
#[derive(Deserialize)]
pub(super) struct Delivery {
    pub(super) id: String,
    #[serde(rename = "type")]
    event_type: String,
    state: String,
    attempts: u64,
    status: Option<u16>,
    ms: Option<u64>,
    error: Option<Fault>,
    created_at: String,
    next_attempt_at: Option<String>,
}

/// What went wrong.
#[derive(Deserialize)]
struct Fault {
    code: String,
    message: String,
}

pub(super) fn table(webhooks: &[Shown]) -> String {
    if webhooks.is_empty() {
        return "no webhooks; `flotilla webhooks put` sets one up\n".to_owned();
    }
    let mut table = new_table(&["webhook", "address", "events", "state"]);
    for shown in webhooks {
        table.add_row([shown.id.clone(), shown.url.clone(), events(shown), state(shown)]);
    }
    format!("{table}\n")
}

fn events(shown: &Shown) -> String {
    if shown.events.is_empty() { "all".to_owned() } else { shown.events.join(", ") }
}

fn state(shown: &Shown) -> String {
    match &shown.disabled_because {
        _ if shown.enabled => "on".to_owned(),
        Some(because) => format!("switched off: {because}"),
        None => "switched off".to_owned(),
    }
}

pub(super) fn details(shown: &Shown) -> String {
    let Shown { id, url, description, .. } = shown;
    let mut text = format!("{id}: {url}\n  events   {}\n  state    {}\n", events(shown), state(shown));
    if !description.is_empty() {
        text.push_str(&format!("  {description}\n"));
    }
    for until in &shown.replaced_until {
        text.push_str(&format!("  an old secret signs until {until}\n"));
    }
    if let Some(secret) = &shown.secret {
        text.push_str(&format!("  secret   {secret}\n  Keep it: it is not shown again.\n"));
    }
    if !shown.deliveries.is_empty() {
        let mut table = new_table(&["delivery", "type", "started", "state", "attempts", "outcome", "next attempt"]);
        for one in &shown.deliveries {
            let attempts = one.attempts.to_string();
            let next = one.next_attempt_at.clone().unwrap_or_default();
            let [id, event, at, state] = [&one.id, &one.event_type, &one.created_at, &one.state].map(Clone::clone);
            table.add_row([id, event, at, state, attempts, outcome(one), next]);
        }
        text.push_str(&format!("{table}\n"));
    }
    text
}

/// What a delivery came to until now.
fn outcome(delivery: &Delivery) -> String {
    match (&delivery.error, delivery.status, delivery.ms) {
        (_, Some(status), Some(ms)) => format!("{status} after {ms} ms"),
        (Some(fault), ..) => fault.code.clone(),
        _ => String::new(),
    }
}

pub(super) fn fared(delivery: &Delivery) -> String {
    let id = &delivery.id;
    match (&delivery.error, delivery.status, delivery.ms) {
        (_, Some(status), Some(ms)) => format!("delivered: it answered {status} after {ms} ms ({id})\n"),
        (Some(Fault { code, message }), ..) => {
            let next = delivery.next_attempt_at.as_ref().map(|at| format!("; tried again at {at}")).unwrap_or_default();
            format!("not delivered: {message} ({code}; {id}{next})\n")
        }
        _ => format!("under way: delivery {id}\n"),
    }
}
