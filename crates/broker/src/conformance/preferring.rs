//! Messages that prefer one consumer, and what becomes of them when they cannot have it.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::{Instant, timeout};

use super::{
    DEAD_LETTER, DELIVERY_LIMIT, PATIENCE, QUEUE, WATCH, consume, depth_becomes, message, next, nothing_arrives,
    publish, settle,
};
use crate::{Broker, Consumer, DeadLetter, PREFERRED_WAIT, Verdict};

/// A message goes to the consumer it prefers, whole, while another one waits for work.
pub async fn a_message_goes_to_the_consumer_it_prefers(broker: Arc<dyn Broker>) {
    let mut preferred = consume_preferred(&broker, "a", 10).await;
    let mut others = [consume(&broker, QUEUE, 10).await, consume_preferred(&broker, "b", 10).await];
    let sent = ["1", "2", "3"].map(|id| message(id).priority(4).header("trace", "t1").prefer("a"));
    broker.publish(sent.to_vec()).await.expect("publishing works");
    for expected in sent {
        let delivery = next(&mut preferred).await;
        assert_eq!((&delivery.message, delivery.redeliveries), (&expected, 0));
        settle(delivery, Verdict::Ack).await;
    }
    for other in &mut others {
        nothing_arrives(other).await;
    }
    depth_becomes(&broker, QUEUE, 0, 0).await;
}

/// What prefers nobody in particular, or somebody who is not there, is for everybody at once; of a batch nothing is lost or
/// doubled by that.
pub async fn without_its_preferred_consumer_everybody_gets_a_message_at_once(broker: Arc<dyn Broker>) {
    let mut preferred = consume_preferred(&broker, "a", 10).await;
    let mut everybody = consume(&broker, QUEUE, 100).await;
    let started = Instant::now();
    // Twice: the second time the broker may know already.
    for round in ["first", "second"] {
        let name = |number: u32| format!("{round} {number}");
        let wish = |number: u32| match number % 3 {
            0 => message(&name(number)),
            1 => message(&name(number)).prefer("nobody"),
            _ => message(&name(number)).prefer("a"),
        };
        broker.publish((0..30).map(wish).collect()).await.expect("publishing works");
        let mut arrived = BTreeSet::new();
        for _ in 0..20 {
            let delivery = next(&mut everybody).await;
            assert_eq!((delivery.redeliveries, &delivery.message.preferred), (0, &None));
            assert!(arrived.insert(delivery.message.id.clone()), "{} arrived twice", delivery.message.id);
            settle(delivery, Verdict::Ack).await;
        }
        assert_eq!(arrived, (0..30).filter(|number| number % 3 < 2).map(name).collect());
        for number in (0..30).filter(|number| number % 3 == 2) {
            let delivery = next(&mut preferred).await;
            assert_eq!(delivery.message.id, name(number));
            settle(delivery, Verdict::Ack).await;
        }
    }
    assert!(started.elapsed() < PREFERRED_WAIT, "it took {:?}", started.elapsed());
    nothing_arrives(&mut everybody).await;
}

/// A consumer without room keeps a message for so long and no longer; then everybody gets it, as a message like any other.
pub async fn a_message_waits_for_a_busy_consumer_no_longer_than_it_may(broker: Arc<dyn Broker>) {
    let mut busy = consume_preferred(&broker, "a", 1).await;
    let mut everybody = consume(&broker, QUEUE, 10).await;
    broker.publish(vec![message("1").prefer("a")]).await.expect("publishing works");
    let held = next(&mut busy).await;
    let published = Instant::now();
    broker.publish(vec![message("2").prefer("a"), message("3").prefer("a")]).await.expect("publishing works");
    let mut arrived = Vec::new();
    for _ in 0..2 {
        let delivery = next(&mut everybody).await;
        assert_eq!((DeadLetter::of(&delivery.message), delivery.message.preferred.as_deref()), (None, None));
        arrived.push(delivery.message.id.clone());
        settle(delivery, Verdict::Ack).await;
    }
    let waited = published.elapsed();
    assert_eq!(arrived, ["2", "3"]);
    assert!(waited >= PREFERRED_WAIT * 9 / 10 && waited < PREFERRED_WAIT * 3, "{waited:?}");
    settle(held, Verdict::Ack).await;
    nothing_arrives(&mut busy).await;
    nothing_arrives(&mut everybody).await;
    depth_becomes(&broker, DEAD_LETTER, 0, 0).await;
}

/// With a consumer that goes away, everything that preferred it goes to everybody: what it held, counted, and the rest.
pub async fn what_a_gone_consumer_leaves_goes_to_everybody(broker: Arc<dyn Broker>) {
    let mut dying = consume_preferred(&broker, "a", 2).await;
    let ids = ["1", "2", "3", "4", "5"];
    broker.publish(ids.map(|id| message(id).prefer("a")).to_vec()).await.expect("publishing works");
    let _held = [next(&mut dying).await, next(&mut dying).await];
    drop(dying);
    let mut everybody = consume(&broker, QUEUE, 10).await;
    let mut arrived = BTreeSet::new();
    for _ in ids {
        let delivery = next(&mut everybody).await;
        let id = delivery.message.id.clone();
        let expected = if id == "1" || id == "2" { 1..=2 } else { 0..=1 };
        assert!(expected.contains(&delivery.redeliveries), "{id} counts {}", delivery.redeliveries);
        settle(delivery, Verdict::Ack).await;
        assert!(arrived.insert(id), "a message arrived twice");
    }
    assert_eq!(arrived, ids.map(str::to_owned).into());
    assert!(timeout(PREFERRED_WAIT + WATCH, everybody.next()).await.is_err(), "a message arrived twice");
}

/// What a preferred consumer hands back it does not get again: others may have room for it.
pub async fn what_a_preferred_consumer_hands_back_goes_to_everybody(broker: Arc<dyn Broker>) {
    let mut preferred = consume_preferred(&broker, "a", 1).await;
    let mut everybody = consume(&broker, QUEUE, 10).await;
    for (counted, redeliveries) in [(false, 0), (true, 1)] {
        broker.publish(vec![message("1").prefer("a")]).await.expect("publishing works");
        settle(next(&mut preferred).await, Verdict::Requeue { counted }).await;
        let delivery = next(&mut everybody).await;
        assert_eq!((delivery.message.id.as_str(), delivery.redeliveries), ("1", redeliveries));
        settle(delivery, Verdict::Ack).await;
    }
    broker.publish(vec![message("2").prefer("a")]).await.expect("publishing works");
    drop(next(&mut preferred).await);
    let delivery = next(&mut everybody).await;
    assert_eq!((delivery.message.id.as_str(), delivery.redeliveries), ("2", 1));
    settle(delivery, Verdict::Ack).await;
    nothing_arrives(&mut preferred).await;
}

/// To have gone on is no death; only when it comes back too often afterwards does a message die, of that.
pub async fn a_message_that_has_gone_on_dies_like_any_other(broker: Arc<dyn Broker>) {
    let mut busy = consume_preferred(&broker, "a", 1).await;
    broker.publish(vec![message("1").prefer("a"), message("2").prefer("a")]).await.expect("publishing works");
    let held = next(&mut busy).await;
    let mut consumer = consume(&broker, QUEUE, 1).await;
    let mut deliveries = 0;
    loop {
        let Ok(delivery) = timeout(PREFERRED_WAIT + WATCH * 5, consumer.next()).await else { break };
        settle(delivery.expect("the subscription is open"), Verdict::Requeue { counted: true }).await;
        deliveries += 1;
    }
    assert!((DELIVERY_LIMIT..=DELIVERY_LIMIT + 1).contains(&deliveries), "{deliveries} deliveries");
    let mut graveyard = consume(&broker, DEAD_LETTER, 1).await;
    let dead = next(&mut graveyard).await;
    let death = DeadLetter::of(&dead.message).expect("it says why it died");
    assert_eq!((dead.message.id.as_str(), death.reason.as_str()), ("2", DeadLetter::DELIVERY_LIMIT));
    assert_eq!((death.queue.as_str(), death.deliveries), (QUEUE, DELIVERY_LIMIT + 1));
    settle(dead, Verdict::Ack).await;

    settle(held, Verdict::Reject { reason: "garbled".to_owned() }).await;
    let dead = next(&mut graveyard).await;
    let found = DeadLetter::of(&dead.message).map(|death| DeadLetter { died_at: None, ..death });
    let expected = DeadLetter { reason: "garbled".to_owned(), queue: QUEUE.to_owned(), deliveries: 1, died_at: None };
    assert_eq!(found, Some(expected));
    settle(dead, Verdict::Ack).await;
}

/// Several consumers under one name share what prefers them.
pub async fn consumers_of_one_name_share_what_prefers_them(broker: Arc<dyn Broker>) {
    let mut first = consume_preferred(&broker, "a", 1).await;
    let mut second = consume_preferred(&broker, "a", 1).await;
    broker.publish(["1", "2"].map(|id| message(id).prefer("a")).to_vec()).await.expect("publishing works");
    let held = [next(&mut first).await, next(&mut second).await];
    let ids: BTreeSet<_> = held.iter().map(|delivery| delivery.message.id.clone()).collect();
    assert_eq!(ids, ["1", "2"].map(str::to_owned).into());
    for delivery in held {
        settle(delivery, Verdict::Ack).await;
    }
    drop(first);
    // Whoever subscribes waits until a dropped consumer is gone; what still reached it would go on to everybody.
    drop(consume(&broker, DEAD_LETTER, 1).await);
    broker.publish(vec![message("3").prefer("a")]).await.expect("publishing works");
    assert_eq!(next(&mut second).await.message.id, "3");
    // What prefers nobody is not for them.
    publish(&broker, &["4"]).await;
    nothing_arrives(&mut second).await;
}

async fn consume_preferred(broker: &Arc<dyn Broker>, consumer: &str, prefetch: u16) -> Box<dyn Consumer> {
    let consuming = timeout(PATIENCE, broker.consume_preferred(QUEUE, consumer, prefetch)).await;
    consuming.expect("consuming begins in time").expect("consuming a known queue works")
}
