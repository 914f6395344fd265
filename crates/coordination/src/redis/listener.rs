//! The connection that listens: subscribes, hands on what comes, and connects again whenever it is lost.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use protocol::{Lifecycle, RunId};
use redis::aio::PubSubSink;
use redis::{Client, Msg, RedisError, RedisResult};
use tokio::sync::{broadcast, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::envelope;

/// The pauses between attempts to connect double from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How often a silent connection is asked whether it still hears.
const CHECK: Duration = Duration::from_secs(5);

/// What is listened to. Announcements are many, so a process that shows them to nobody does not get them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    cancellations: bool,
    announcements: bool,
}

impl Wanted {
    pub(super) const NOTHING: Self = Self { cancellations: false, announcements: false };
    pub(super) const CANCELLATIONS: Self = Self { cancellations: true, announcements: false };
    pub(super) const EVERYTHING: Self = Self { cancellations: true, announcements: true };

    /// The channels of `self` that are not in `already`.
    fn channels(self, already: Self, prefix: &str) -> Vec<String> {
        let mut channels = Vec::new();
        if self.cancellations && !already.cancellations {
            channels.push(cancellations_channel(prefix));
        }
        if self.announcements && !already.announcements {
            channels.push(announcements_channel(prefix));
        }
        channels
    }
}

pub(super) fn cancellations_channel(prefix: &str) -> String {
    format!("{prefix}cancellations")
}

pub(super) fn announcements_channel(prefix: &str) -> String {
    format!("{prefix}announcements")
}

pub(super) struct Listener {
    pub(super) client: Client,
    pub(super) timeout: Duration,
    pub(super) prefix: String,
    pub(super) origin: Arc<str>,
    pub(super) cancellations: broadcast::Sender<RunId>,
    pub(super) announcements: broadcast::Sender<Lifecycle>,
    pub(super) wanted: watch::Receiver<Wanted>,
    pub(super) listening: watch::Sender<Wanted>,
}

impl Listener {
    /// Never ends by itself.
    pub(super) async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.listen().await {
                Ok(()) => "the connection was closed".to_owned(),
                Err(error) => error.to_string(),
            };
            if self.listening.send_replace(Wanted::NOTHING) != Wanted::NOTHING {
                tracing::warn!(%error, "stopped hearing cancellations and progress; connecting to Redis again");
                pause = FIRST_PAUSE;
            } else {
                tracing::debug!(%error, "Redis cannot be listened to yet");
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Connects and listens until the connection is lost.
    async fn listen(&mut self) -> RedisResult<()> {
        let (mut sink, mut messages) = self.within(self.client.get_async_pubsub()).await?.split();
        self.subscribe(&mut sink).await?;
        let mut check = interval(CHECK);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = messages.next() => match message {
                    Some(message) => self.hand_on(&message),
                    None => return Ok(()),
                },
                changed = self.wanted.changed() => match changed {
                    Ok(()) => self.subscribe(&mut sink).await?,
                    // The store is gone, and this task with it in a moment.
                    Err(_) => return Ok(()),
                },
                _ = check.tick() => self.within(sink.ping::<()>()).await?,
            }
        }
    }

    /// Subscribes to what is wanted and not heard yet.
    async fn subscribe(&mut self, sink: &mut PubSubSink) -> RedisResult<()> {
        let wanted = *self.wanted.borrow_and_update();
        let missing = wanted.channels(*self.listening.borrow(), &self.prefix);
        if !missing.is_empty() {
            self.within(sink.subscribe(missing)).await?;
        }
        self.listening.send_replace(wanted);
        Ok(())
    }

    async fn within<T>(&self, work: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
        let late = |_| RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        timeout(self.timeout, work).await.map_err(late)?
    }

    fn hand_on(&self, message: &Msg) {
        let cancelled = message.get_channel_name() == cancellations_channel(&self.prefix);
        for line in envelope::open(&self.origin, message.get_payload_bytes()) {
            let understood = if cancelled { self.tell_cancelled(line) } else { self.tell_announced(line) };
            if let Err(error) = understood {
                // A newer version of the fleet may say what this one does not know.
                tracing::debug!(%error, "a message of Redis is not understood");
            }
        }
    }

    fn tell_cancelled(&self, line: &[u8]) -> Result<(), String> {
        let run = std::str::from_utf8(line).map_err(|error| error.to_string())?;
        let run = run.parse().map_err(|error| format!("{error}"))?;
        // An error means that nobody listens.
        let _ = self.cancellations.send(run);
        Ok(())
    }

    fn tell_announced(&self, line: &[u8]) -> Result<(), String> {
        let event = protocol::wire::decode_lifecycle(line).map_err(|error| error.to_string())?;
        // An error means that nobody listens.
        let _ = self.announcements.send(event);
        Ok(())
    }
}
