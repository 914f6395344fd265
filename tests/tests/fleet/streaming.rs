//! Server-sent events: what is told about a run, as it happens.

use std::sync::Arc;

use protocol::{RunId, RunState, Workflow};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::door::{Door, PATIENCE};
use crate::harness::{First, TestFleet, deed};
use crate::world::World;

/// An event as it came.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sent {
    id: String,
    event: String,
    data: Value,
}

/// A stream that is read event by event.
struct Stream {
    response: Response,
    text: String,
}

impl Stream {
    async fn open(door: &Door, run: RunId, last: Option<&str>) -> Self {
        let call = door.call(Method::GET, &format!("/api/v1/runs/{run}/events")).header("accept", "text/event-stream");
        let call = match last {
            Some(id) => call.header("last-event-id", id),
            None => call,
        };
        let response = call.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        Self { response, text: String::new() }
    }

    /// The next event; `None` at the end.
    async fn next(&mut self) -> Option<Sent> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let mut sent = Sent::default();
                for line in block.lines() {
                    match line.split_once(": ") {
                        Some(("id", id)) => id.clone_into(&mut sent.id),
                        Some(("event", event)) => event.clone_into(&mut sent.event),
                        Some(("data", data)) => sent.data = serde_json::from_str(data).unwrap(),
                        _ => {}
                    }
                }
                self.text = rest.to_owned();
                // Comments and the time to come again are no events.
                if !sent.event.is_empty() {
                    return Some(sent);
                }
            }
            let piece = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("nothing comes").unwrap()?;
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    async fn rest(mut self) -> Vec<Sent> {
        let mut all = Vec::new();
        while let Some(sent) = self.next().await {
            all.push(sent);
        }
        all
    }
}

/// A fleet whose task says a word, waits until it may go on, and says another.
async fn talking(world: &World) -> (TestFleet, Workflow, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let fleet = TestFleet::start(world, move |worker| {
        worker.register::<First>(deed(move |ctx, _| {
            let gate = Arc::clone(&opened);
            Box::pin(async move {
                ctx.log("info", "before");
                gate.acquire().await.unwrap().forget();
                ctx.log("info", "after");
                Ok(json!(null))
            })
        }))
    })
    .await;
    let mut flow = Workflow::named("talk");
    let _ = flow.task::<First>().add();
    (fleet, flow, gate)
}

fn says(sent: &Sent, word: &str) -> bool {
    sent.event == "log" && sent.data["message"] == word
}

fn numbers(events: &[Sent]) -> Vec<u64> {
    events.iter().filter_map(|sent| sent.id.parse().ok()).collect()
}

pub(crate) async fn a_stream_tells_everything_once_and_in_order_and_ends_with_the_run(world: &World) {
    let (fleet, flow, gate) = talking(world).await;
    let door = Door::open(&fleet).await;
    let run = door.start(&flow, &json!(1)).await;
    let stream = Stream::open(&door, run, None).await;
    gate.add_permits(1);
    let events = stream.rest().await;

    let last = events.last().unwrap();
    assert_eq!((last.event.as_str(), &last.data), ("end", &json!({ "status": "succeeded" })), "{events:?}");
    for word in ["before", "after"] {
        assert_eq!(events.iter().filter(|sent| says(sent, word)).count(), 1, "{word}: {events:?}");
    }
    assert!(numbers(&events).is_sorted_by(|one, other| one < other), "{events:?}");

    // Read again from the beginning it is the same.
    let again = Stream::open(&door, run, None).await.rest().await;
    assert_eq!(again, events);
    // Who comes again with the end stays away for good.
    let path = format!("/api/v1/runs/{run}/events/stream");
    let over = door.call(Method::GET, &path).header("last-event-id", &last.id).send().await.unwrap();
    assert_eq!(over.status(), StatusCode::NO_CONTENT);
    door.close().await;
    fleet.stop().await;
}

pub(crate) async fn a_client_that_comes_again_goes_on_without_a_gap_or_a_repeat(world: &World) {
    let (fleet, flow, gate) = talking(world).await;
    let door = Door::open(&fleet).await;
    let run = door.start(&flow, &json!(1)).await;
    let mut stream = Stream::open(&door, run, None).await;
    let mut events = Vec::new();
    while !events.last().is_some_and(|sent| says(sent, "before")) {
        events.push(stream.next().await.unwrap());
    }
    drop(stream);
    gate.add_permits(1);
    fleet.ends(run, RunState::Succeeded).await;
    let rest = Stream::open(&door, run, Some(&events.last().unwrap().id)).await.rest().await;
    events.extend(rest);

    let whole = Stream::open(&door, run, None).await.rest().await;
    assert_eq!(events, whole);
    door.close().await;
    fleet.stop().await;
}

pub(crate) async fn who_listens_hears_of_what_happens_at_once(world: &World) {
    let (fleet, flow, gate) = talking(world).await;
    let door = Door::open(&fleet).await;
    let run = door.start(&flow, &json!(1)).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(Stream::open(&door, run, None).await);
    }
    for stream in &mut streams {
        while !stream.next().await.is_some_and(|sent| says(&sent, "before")) {}
    }
    // By now everybody waits for an announcement.
    gate.add_permits(1);
    for stream in streams {
        let rest = stream.rest().await;
        assert!(rest.iter().any(|sent| says(sent, "after")), "{rest:?}");
        assert_eq!(rest.last().map(|sent| sent.event.as_str()), Some("end"));
    }
    door.close().await;
    fleet.stop().await;
}

pub(crate) async fn a_stream_ends_when_the_server_stops(world: &World) {
    let (fleet, flow, gate) = talking(world).await;
    let door = Door::open(&fleet).await;
    let run = door.start(&flow, &json!(1)).await;
    let mut stream = Stream::open(&door, run, None).await;
    while !stream.next().await.is_some_and(|sent| says(&sent, "before")) {}
    door.begin_to_close();
    let rest = stream.rest().await;
    assert!(rest.iter().all(|sent| sent.event != "end"), "the run goes on: {rest:?}");
    door.close().await;
    gate.add_permits(1);
    fleet.ends(run, RunState::Succeeded).await;
    fleet.stop().await;
}
