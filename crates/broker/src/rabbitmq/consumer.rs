//! One subscription that outlives its connections.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use tokio::time::{sleep, timeout};

use super::lane::Lane;
use super::link::{Link, unavailable, unknown_or_unavailable};
use super::queues::{Kind, Queue};
use super::settle::RabbitSettle;
use super::wire::{Incoming, Outgoing};
use super::{RabbitMq, Shared};
use crate::{Consumer, Delivery, Error, Settle};

/// Between attempts to subscribe again.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

pub(super) struct RabbitConsumer {
    broker: RabbitMq,
    queue: Arc<Queue>,
    prefetch: u16,
    state: State,
}

enum State {
    Subscribed(Subscription),
    /// Kept between calls of `next`, so that giving one up does not start it anew.
    Subscribing(BoxFuture<'static, Subscription>),
}

struct Subscription {
    stream: lapin::Consumer,
    lane: Arc<Lane>,
}

impl RabbitConsumer {
    pub(super) async fn start(
        broker: RabbitMq,
        queue: Arc<Queue>,
        prefetch: u16,
        link: Arc<Link>,
    ) -> Result<Self, Error> {
        let subscription = subscribe(&broker.shared, link, &queue, prefetch).await?;
        Ok(Self { broker, queue, prefetch, state: State::Subscribed(subscription) })
    }

    /// Leaves what the old subscription held to RabbitMQ and starts another.
    fn subscribe_again(&mut self) {
        let shared = Arc::clone(&self.broker.shared);
        let again = subscribe_at_last(shared, Arc::clone(&self.queue), self.prefetch).boxed();
        if let State::Subscribed(subscription) = std::mem::replace(&mut self.state, State::Subscribing(again)) {
            retire(&self.broker, subscription);
        }
    }
}

#[async_trait]
impl Consumer for RabbitConsumer {
    async fn next(&mut self) -> Option<Delivery> {
        let shared = Arc::clone(&self.broker.shared);
        loop {
            let subscription = match &mut self.state {
                State::Subscribed(subscription) => subscription,
                State::Subscribing(subscribing) => {
                    let subscription = tokio::select! {
                        subscription = subscribing => subscription,
                        () = shared.closed.cancelled() => return None,
                    };
                    self.state = State::Subscribed(subscription);
                    continue;
                }
            };
            let arrived = tokio::select! {
                biased;
                () = shared.closed.cancelled() => return None,
                () = subscription.lane.severed() => None,
                arrived = subscription.stream.next() => arrived,
            };
            match arrived {
                Some(Ok(delivery)) => {
                    if let Some(delivery) = subscription.accept(&shared, delivery) {
                        return Some(delivery);
                    }
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, queue = self.queue.name, "subscription lost, subscribing again");
                    self.subscribe_again();
                }
                None => {
                    tracing::warn!(queue = self.queue.name, "subscription ended, subscribing again");
                    self.subscribe_again();
                }
            }
        }
    }
}

impl Drop for RabbitConsumer {
    fn drop(&mut self) {
        let nothing = State::Subscribing(std::future::pending().boxed());
        if let State::Subscribed(subscription) = std::mem::replace(&mut self.state, nothing) {
            retire(&self.broker, subscription);
        }
    }
}

impl Subscription {
    /// Hands a delivery out, unless it came back too often: a worker process that dies cannot say so itself.
    fn accept(&self, shared: &Arc<Shared>, delivery: lapin::message::Delivery) -> Option<Delivery> {
        let tag = delivery.delivery_tag;
        let Incoming { message, redeliveries } = Incoming::read(delivery, self.lane.queue(), &shared.queues);
        self.lane.hand_out();
        let copy = message.clone();
        let settle = RabbitSettle::new(Arc::clone(shared), Arc::clone(&self.lane), tag, copy, redeliveries);
        if self.lane.queue().delivery_limit.is_some_and(|limit| redeliveries > limit) {
            Box::new(settle).abandon();
            return None;
        }
        Some(Delivery::new(message, redeliveries, Box::new(settle)))
    }
}

/// Subscribes; a queue that somebody deleted is declared again when that is allowed.
async fn subscribe(
    shared: &Arc<Shared>,
    link: Arc<Link>,
    queue: &Arc<Queue>,
    prefetch: u16,
) -> Result<Subscription, Error> {
    if shared.config.declare {
        queue.set_up(&link, true).await.map_err(|error| Error::Unavailable(error.to_string()))?;
    }
    let channel = link.connection().create_channel().await.map_err(|error| unavailable(&error))?;
    channel.basic_qos(prefetch, BasicQosOptions::default()).await.map_err(|error| unavailable(&error))?;
    let options = BasicConsumeOptions::default();
    let stream = channel.basic_consume(queue.address.clone(), "".into(), options, FieldTable::default()).await;
    let stream = stream.map_err(|error| unknown_or_unavailable(&error, queue))?;
    let lane = Arc::new(Lane::new(Arc::clone(queue), link, channel));
    shared.lanes.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&lane));
    shared.runtime.spawn(Arc::clone(&lane).send_acks());
    Ok(Subscription { stream, lane })
}

/// Subscribes however long it takes.
async fn subscribe_at_last(shared: Arc<Shared>, queue: Arc<Queue>, prefetch: u16) -> Subscription {
    let mut pause = PAUSE;
    loop {
        let error = match shared.link(shared.deadline()).await {
            Ok(link) => match subscribe(&shared, link, &queue, prefetch).await {
                Ok(subscription) => return subscription,
                Err(error) => error,
            },
            Err(error) => error,
        };
        tracing::warn!(%error, queue = queue.name, "cannot subscribe yet");
        sleep(pause).await;
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
}

/// Ends a subscription and gives everything back, in the background.
fn retire(broker: &RabbitMq, subscription: Subscription) {
    let shared = Arc::clone(&broker.shared);
    subscription.lane.leave();
    let mut lanes = shared.lanes.lock().unwrap_or_else(PoisonError::into_inner);
    lanes.retain(|lane| !Arc::ptr_eq(lane, &subscription.lane));
    drop(lanes);
    shared.closing_lanes.send_modify(|lanes| *lanes += 1);
    let broker = broker.clone();
    let closing = async move {
        let lane = Arc::clone(&subscription.lane);
        let giving_back = give_everything_back(&broker.shared, subscription);
        let given_back = tokio::select! {
            given_back = timeout(broker.shared.config.confirm_timeout, giving_back) => given_back,
            () = lane.lost() => Ok(Ok(())),
        };
        match given_back {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "RabbitMQ takes the deliveries back by itself"),
            Err(_elapsed) => tracing::debug!("RabbitMQ did not take the deliveries back in time"),
        }
        broker.shared.closing_lanes.send_modify(|lanes| *lanes -= 1);
    };
    shared.tasks.spawn_on(closing, &shared.runtime);
}

/// What nobody has seen goes back uncounted, what was handed out counted and in its order.
async fn give_everything_back(shared: &Shared, mut subscription: Subscription) -> Result<(), Error> {
    let Subscription { stream, lane } = &mut subscription;
    let failed = |error: lapin::Error| unavailable(&error);
    let (mut unseen, mut tags) = (Vec::new(), Vec::new());
    let mut see = |delivery: lapin::message::Delivery| {
        tags.push(delivery.delivery_tag);
        let Incoming { message, redeliveries } = Incoming::read(delivery, lane.queue(), &shared.queues);
        unseen.push(Outgoing::returned(message, lane.queue().home(), redeliveries));
    };
    lane.verdicts_done().await;
    if lane.queue().kind == Kind::Quorum && lane.gave_back_lately() {
        // A quorum queue answers this after it has taken in what was given back. Otherwise a delivery could arrive
        // after the cancellation, where nobody sees it, and would be counted.
        let address = lane.queue().address.clone();
        let ahead = lane.channel().basic_get(address, BasicGetOptions::default()).await.map_err(failed)?;
        ahead.into_iter().for_each(|ahead| see(ahead.delivery));
    }
    lane.channel().basic_cancel(stream.tag(), BasicCancelOptions::default()).await.map_err(failed)?;
    while let Some(Some(Ok(delivery))) = stream.next().now_or_never() {
        see(delivery);
    }
    shared.publish(unseen).await?;
    lane.acknowledge_unseen(&tags);
    lane.flush().await;
    let all = BasicNackOptions { multiple: true, requeue: true };
    lane.channel().basic_nack(0, all).await.map_err(failed)?;
    lane.channel().close(200, "done".into()).await.map_err(failed)
}
