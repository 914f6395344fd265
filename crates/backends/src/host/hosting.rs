//! A worker's broker, among whose jobs are those of other engines.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use broker::{Broker, Buried, Consumer, Delivery, Depth, Message, Replayed, Selection};
use protocol::Callback;
use protocol::workflow::queues::CALLBACKS;

use super::{Intake, Line};

/// A worker's broker, with the jobs of other engines among those of its queues, and a way back for their outcomes.
pub struct Hosting {
    native: Arc<dyn Broker>,
    intake: Intake,
}

impl Hosting {
    /// The same broker with what arrives at the intake.
    #[must_use]
    pub fn new(native: Arc<dyn Broker>, intake: Intake) -> Self {
        Self { native, intake }
    }
}

/// Two sources of deliveries of one queue.
struct Both {
    native: Box<dyn Consumer>,
    native_open: bool,
    line: Line,
}

#[async_trait]
impl Consumer for Both {
    async fn next(&mut self) -> Option<Delivery> {
        let hosted = async { self.line.receiver.lock().await.recv().await };
        if !self.native_open {
            return None;
        }
        tokio::select! {
            delivery = self.native.next() => {
                self.native_open = delivery.is_some();
                delivery
            }
            delivery = hosted => delivery,
        }
    }
}

#[async_trait]
impl Broker for Hosting {
    async fn publish(&self, messages: Vec<Message>) -> Result<(), broker::Error> {
        if self.intake.is_idle() {
            return self.native.publish(messages).await;
        }
        let mut rest = Vec::with_capacity(messages.len());
        for message in messages {
            if message.queue != CALLBACKS {
                rest.push(message);
                continue;
            }
            let Ok(callbacks) = protocol::wire::decode_batch::<Callback>(&message.body) else {
                rest.push(message);
                continue;
            };
            let all = callbacks.len();
            let expected = callbacks.into_iter().filter(|callback| !self.intake.calls.keep(callback));
            let (hosted, others): (Vec<_>, Vec<_>) = expected.partition(|callback| self.intake.is_in_hand(callback));
            if others.len() == all {
                rest.push(message);
                continue;
            }
            for callback in hosted {
                self.intake.report(callback).await?;
            }
            if !others.is_empty() {
                let body = protocol::wire::encode_batch(others.iter().map(protocol::wire::encode).collect());
                rest.push(Message { body, ..message });
            }
        }
        if rest.is_empty() { Ok(()) } else { self.native.publish(rest).await }
    }

    async fn consume(&self, queue: &str, prefetch: u16) -> Result<Box<dyn Consumer>, broker::Error> {
        let native = self.native.consume(queue, prefetch).await?;
        Ok(Box::new(Both { native, native_open: true, line: self.intake.line(queue) }))
    }

    async fn offer(&self, queues: &[String]) -> Result<(), broker::Error> {
        self.native.offer(queues).await
    }

    fn queues(&self) -> Vec<String> {
        self.native.queues()
    }

    async fn consume_preferred(
        &self,
        queue: &str,
        consumer: &str,
        prefetch: u16,
    ) -> Result<Box<dyn Consumer>, broker::Error> {
        self.native.consume_preferred(queue, consumer, prefetch).await
    }

    async fn depth(&self, queue: &str) -> Result<Depth, broker::Error> {
        self.native.depth(queue).await
    }

    async fn consumers(&self, queue: &str) -> Result<u64, broker::Error> {
        self.native.consumers(queue).await
    }

    async fn dead_letters(&self, skip: usize, limit: usize) -> Result<Vec<Buried>, broker::Error> {
        self.native.dead_letters(skip, limit).await
    }

    async fn replay_dead_letters(&self, selection: &Selection) -> Result<Replayed, broker::Error> {
        self.native.replay_dead_letters(selection).await
    }

    async fn drop_dead_letters(&self, selection: &Selection) -> Result<u64, broker::Error> {
        self.native.drop_dead_letters(selection).await
    }

    fn sees_all_consumers(&self) -> bool {
        self.native.sees_all_consumers()
    }

    fn strict_priorities(&self) -> bool {
        self.native.strict_priorities()
    }

    fn settle_within(&self) -> Option<Duration> {
        self.native.settle_within()
    }
}
