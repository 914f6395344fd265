//! Keeps the connection: notices when it is lost or deaf, and makes another.

use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use lapin::Event;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::lane::Lane;
use super::link::Link;
use super::{SetupError, Shared};
use crate::Error;

/// How often to ask RabbitMQ whether it still knows us.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// How long it may think about that.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Watches over the link until the broker is closed.
pub(super) async fn run(shared: Arc<Shared>, mut link: Arc<Link>) {
    while let Some(reason) = until_closed(&shared, failure(&shared, &link)).await {
        tracing::warn!(reason, "connection to RabbitMQ lost, connecting again");
        shared.note_outage(reason);
        link.lost.cancel();
        shared.link.send_replace(None);
        // In the background, as a connection that hangs takes its time to close.
        tokio::spawn(async move { link.close().await });
        let Some(new) = until_closed(&shared, connect(&shared)).await else { return shared.ended.cancel() };
        tracing::info!("connected to RabbitMQ again");
        link = new;
        shared.link.send_replace(Some(Arc::clone(&link)));
    }
    drain(&shared).await;
    shared.note_outage("it is closed".to_owned());
    shared.link.send_replace(None);
    link.close().await;
    shared.ended.cancel();
}

async fn until_closed<T>(shared: &Shared, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        () = shared.closed.cancelled() => None,
    }
}

/// Carries out what was decided before the end.
async fn drain(shared: &Shared) {
    let lanes = shared.lanes.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let draining = async {
        shared.tasks.close();
        shared.tasks.wait().await;
        for lane in lanes {
            lane.flush().await;
        }
    };
    if timeout(shared.config.confirm_timeout, draining).await.is_err() {
        tracing::warn!("RabbitMQ did not take everything in before the end; some messages will be delivered again");
    }
}

/// Waits until the link is of no use and says why.
async fn failure(shared: &Shared, link: &Link) -> String {
    let mut events = pin!(link.connection().events_listener());
    let mut checks = interval(CHECK_INTERVAL);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut suspects = Vec::new();
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Event::ConnectionBlocked(reason)) => tracing::warn!(reason, "RabbitMQ takes no messages for now"),
                Some(Event::ConnectionUnblocked) => tracing::info!("RabbitMQ takes messages again"),
                Some(Event::Error(error)) if !link.is_connected() => return error.to_string(),
                Some(_) => {}
                None => return "the connection ended".to_owned(),
            },
            _ = checks.tick() => match timeout(CHECK_TIMEOUT, check(shared, link, &mut suspects)).await {
                Ok(Ok(())) if link.is_connected() => {}
                Ok(Ok(())) => return "the connection ended".to_owned(),
                Ok(Err(error)) => return error.to_string(),
                Err(_elapsed) => return format!("no answer within {CHECK_TIMEOUT:?}"),
            },
        }
    }
}

/// Asks for every queue that we consume whether it exists and counts our consumers. A lane is given up when it was
/// missing twice: once may be bad timing.
async fn check(shared: &Shared, link: &Link, suspects: &mut Vec<Arc<Lane>>) -> Result<(), Error> {
    let mut missing = Vec::new();
    for queue in shared.queues.all() {
        let before = shared.lanes_of(&queue.name);
        let counted = match link.look_at(&queue).await {
            Ok(found) => found.consumer_count() as usize,
            Err(Error::UnknownQueue(name)) => {
                tracing::warn!(queue = name, "a queue is gone");
                if shared.config.declare
                    && let Err(error) = queue.set_up(link, true).await
                {
                    tracing::warn!(%error, "the queue cannot be declared again");
                }
                0
            }
            Err(error) => return Err(error),
        };
        let after = shared.lanes_of(&queue.name);
        let ours: Vec<_> = before.into_iter().filter(|lane| contains(&after, lane)).collect();
        if counted < ours.len() {
            missing.extend(ours);
        }
    }
    for lane in missing.iter().filter(|lane| contains(suspects, lane)) {
        tracing::warn!(queue = lane.queue().name, "RabbitMQ has forgotten a consumer");
        lane.forget();
    }
    *suspects = missing;
    Ok(())
}

fn contains(lanes: &[Arc<Lane>], lane: &Arc<Lane>) -> bool {
    lanes.iter().any(|other| Arc::ptr_eq(other, lane))
}

/// Connects however long it takes.
async fn connect(shared: &Shared) -> Arc<Link> {
    let mut pause = FIRST_PAUSE;
    loop {
        match open(shared).await {
            Ok(link) => return Arc::new(link),
            Err(error) => {
                tracing::warn!(%error, ?pause, "cannot connect to RabbitMQ yet");
                shared.note_outage(error.to_string());
                sleep(spread(pause)).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Half to the whole of a pause, so that the processes of a fleet do not all come back at once. The clock's microseconds
/// are random enough for that.
fn spread(pause: Duration) -> Duration {
    let share = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.subsec_micros() % 1000);
    pause / 2 + pause / 2 * share / 1000
}

async fn open(shared: &Shared) -> Result<Link, SetupError> {
    let link = Link::open(&shared.config).await?;
    shared.queues.set_up(&link, shared.config.declare).await?;
    Ok(link)
}
