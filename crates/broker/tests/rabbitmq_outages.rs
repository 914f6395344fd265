//! What happens when RabbitMQ, a queue or the network between is not there.

#[path = "rabbitmq/proxy.rs"]
mod proxy;
#[path = "rabbitmq/support.rs"]
mod support;

use std::collections::HashSet;
use std::time::Duration;

use broker::rabbitmq::{Config, QueueType, RabbitMq, SetupError};
use broker::{Broker, Consumer, DeadLetter, Delivery, Depth, Error, Message, Topology, Verdict};
use lapin::options::QueueDeleteOptions;
use proxy::Proxy;
use support::{Queues, Temporary, channel, config, url};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

/// High enough that what a cut connection counts makes nothing poison.
fn topology(delivery_limit: u32) -> Topology {
    Topology { delivery_limit, ..broker::conformance::topology() }
}

fn quorum() -> Config {
    config(QueueType::Quorum, topology(100))
}

async fn behind_a_proxy(query: &str) -> (Proxy, Temporary) {
    let proxy = Proxy::start(&url()).await;
    let url = format!("{}{query}", proxy.url);
    (proxy, Temporary::open(Config { url, ..quorum() }).await)
}

fn messages(numbers: std::ops::Range<u32>) -> Vec<Message> {
    numbers.map(|number| Message::new("work", number.to_string(), *b"{}")).collect()
}

async fn next(consumer: &mut Box<dyn Consumer>) -> Delivery {
    timeout(PATIENCE, consumer.next()).await.expect("a delivery arrives").expect("the subscription is open")
}

async fn disconnected(broker: &RabbitMq) {
    let noticed = async {
        while broker.is_connected() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, noticed).await.expect("a cut is noticed");
}

async fn depth_becomes(broker: &RabbitMq, wanted: Depth) {
    let reached = async {
        while broker.depth("work").await.ok() != Some(wanted) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(PATIENCE, reached).await.is_ok(), "{:?} instead of {wanted:?}", broker.depth("work").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_while_publishing_loses_no_confirmed_message() {
    const MESSAGES: u32 = 10_000;
    const BATCH: u32 = 500;
    let (proxy, fleet) = behind_a_proxy("").await;
    for start in (0..MESSAGES).step_by(BATCH as usize) {
        let publishing = fleet.publish(messages(start..start + BATCH));
        let cutting = async {
            // Somewhere in the middle of the batch, wherever that is this time.
            tokio::time::sleep(Duration::from_millis(u64::from(start / BATCH))).await;
            if start % (4 * BATCH) == 0 {
                proxy.cut();
            }
        };
        let (published, ()) = tokio::join!(publishing, cutting);
        published.expect("publishing goes on over the next connection");
    }
    let mut missing: HashSet<String> = (0..MESSAGES).map(|number| number.to_string()).collect();
    let mut consumer = fleet.consume("work", 200).await.unwrap();
    while !missing.is_empty() {
        let delivery = next(&mut consumer).await;
        missing.remove(&delivery.message.id);
        delivery.settle(Verdict::Ack).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_while_consuming_loses_nothing_and_the_consumer_goes_on() {
    const MESSAGES: u32 = 2_000;
    let (proxy, fleet) = behind_a_proxy("").await;
    fleet.publish(messages(0..MESSAGES)).await.unwrap();
    let mut consumer = fleet.consume("work", 50).await.unwrap();
    let mut missing: HashSet<String> = (0..MESSAGES).map(|number| number.to_string()).collect();
    let mut deliveries = 0;
    while !missing.is_empty() {
        let delivery = next(&mut consumer).await;
        deliveries += 1;
        if deliveries % 400 == 0 {
            proxy.cut();
            // Until the cut is noticed an acknowledgement may still be taken in, and is lost.
            disconnected(&fleet.broker).await;
            let late = delivery.settle(Verdict::Ack).await;
            assert!(matches!(late, Err(Error::Unavailable(_))), "{late:?}");
            continue;
        }
        missing.remove(&delivery.message.id);
        let _ = delivery.settle(Verdict::Ack).await;
    }
    // What was acknowledged and lost on the way comes once more.
    let rest = async {
        while fleet.depth("work").await.unwrap() != Depth::default() {
            if let Ok(Some(delivery)) = timeout(Duration::from_millis(50), consumer.next()).await {
                delivery.settle(Verdict::Ack).await.unwrap();
            }
        }
    };
    timeout(PATIENCE, rest).await.expect("the queue becomes empty");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_waits_for_the_connection_and_gives_up_in_the_end() {
    let proxy = Proxy::start(&url()).await;
    let hasty = Config { url: proxy.url.clone(), confirm_timeout: Duration::from_secs(2), ..quorum() };
    let patient = Config { confirm_timeout: PATIENCE, ..hasty.clone() };
    let patient = RabbitMq::connect(patient).await.unwrap();
    let hasty = Temporary::open(hasty).await;
    proxy.take_down();
    // Before that a message may be on its way, and arrive twice.
    tokio::join!(disconnected(&patient), disconnected(&hasty.broker));
    let waiting = tokio::spawn({
        let patient = patient.clone();
        async move { patient.publish(messages(0..1)).await }
    });
    let refused = hasty.publish(messages(1..2)).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    assert!(!hasty.broker.is_connected());
    let status = hasty.broker.status().unwrap_err().to_string();
    assert!(!status.contains("guest"), "{status}");
    proxy.bring_up();
    waiting.await.unwrap().expect("the connection came back in time");
    depth_becomes(&patient, Depth { ready: 1, unacked: 0 }).await;
    patient.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_fell_silent_is_given_up() {
    let (proxy, fleet) = behind_a_proxy("?heartbeat=1").await;
    let mut consumer = fleet.consume("work", 10).await.unwrap();
    proxy.freeze();
    fleet.publish(messages(0..1)).await.expect("the next connection works");
    let delivery = next(&mut consumer).await;
    delivery.settle(Verdict::Ack).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_whose_queue_was_deleted_declares_it_and_subscribes_again() {
    let config = quorum();
    let address = format!("{}work", config.prefix);
    let fleet = Temporary::open(config).await;
    let mut consumer = fleet.consume("work", 10).await.unwrap();
    let (_connection, channel) = channel().await;
    channel.queue_delete(address.into(), QueueDeleteOptions::default()).await.unwrap();
    let publishing = async {
        while fleet.publish(messages(0..1)).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    let (delivery, ()) = tokio::join!(next(&mut consumer), publishing);
    delivery.settle(Verdict::Ack).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_for_a_queue_that_is_gone_comes_back_as_an_unknown_queue() {
    let config = quorum();
    let address = format!("{}other", config.prefix);
    let _queues = Queues::of(&config);
    RabbitMq::connect(config.clone()).await.unwrap().close().await;
    let fleet = RabbitMq::connect(Config { declare: false, ..config }).await.unwrap();
    let (_connection, channel) = channel().await;
    channel.queue_delete(address.into(), QueueDeleteOptions::default()).await.unwrap();
    let mut batch = messages(0..3);
    batch[1].queue = "other".to_owned();
    for error in [fleet.publish(batch).await.err(), fleet.consume("other", 1).await.err()] {
        assert!(matches!(&error, Some(Error::UnknownQueue(name)) if name == "other"), "{error:?}");
    }
    fleet.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_messages_fit_through_one_call() {
    let fleet = Temporary::open(quorum()).await;
    fleet.publish(messages(0..10_000)).await.unwrap();
    depth_becomes(&fleet.broker, Depth { ready: 10_000, unacked: 0 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_whose_workers_die_too_often_is_a_dead_letter_in_rabbitmqs_own_words() {
    let proxy = Proxy::start(&url()).await;
    let config = config(QueueType::Quorum, topology(1));
    let fleet = Temporary::open(Config { url: proxy.url.clone(), ..config }).await;
    fleet.publish(messages(0..1)).await.unwrap();
    let mut consumer = fleet.consume("work", 1).await.unwrap();
    for redeliveries in 0..=1 {
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.redeliveries, redeliveries);
        proxy.cut();
        // Whoever is dead gives nothing back.
        disconnected(&fleet.broker).await;
    }
    let dead = next(&mut fleet.consume("dead_letter", 1).await.unwrap()).await;
    let death = DeadLetter::of(&dead.message).expect("it says how it died");
    assert!(death.died_at.is_some(), "{death:?}");
    let expected =
        DeadLetter { reason: DeadLetter::DELIVERY_LIMIT.into(), queue: "work".into(), deliveries: 2, ..death.clone() };
    assert_eq!((death, dead.message.id.as_str()), (expected, "0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_set_up_is_named_with_the_way_out() {
    let config = quorum();
    let work = format!("{}work", config.prefix);
    let passive = RabbitMq::connect(Config { declare: false, ..config.clone() }).await.err();
    assert!(matches!(&passive, Some(SetupError::Missing(_))), "{passive:?}");

    let fleet = Temporary::open(Config { lossy: vec!["other".to_owned()], ..config.clone() }).await;
    let other_limit = Config { topology: topology(7), lossy: vec!["other".to_owned()], ..config.clone() };
    let mismatch = RabbitMq::connect(other_limit).await.err().expect("the limit differs");
    let SetupError::Mismatch { queue, property, .. } = &mismatch else { panic!("{mismatch:?}") };
    assert_eq!((queue, property.as_str()), (&work, "x-delivery-limit"));
    assert!(mismatch.to_string().contains("another prefix"), "{mismatch}");

    // Passive mode takes the queues as they are.
    let passive = RabbitMq::connect(Config { declare: false, ..config }).await.unwrap();
    passive.publish(messages(0..1)).await.unwrap();
    passive.close().await;
    depth_becomes(&fleet.broker, Depth { ready: 1, unacked: 0 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_never_printed() {
    let secret = |url: &str| Config { url: url.to_owned(), ..quorum() };
    for url in ["amqp://me:s3cret@127.0.0.1:1/%2f", "amqp://me:s3cret@127.0.0.1:port/%2f", "me:s3cret"] {
        let error = RabbitMq::connect(secret(url)).await.err().expect("nobody is there");
        for text in [format!("{error}"), format!("{error:?}"), format!("{:?}", secret(url))] {
            assert!(!text.contains("s3cret"), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_ends_consumers_and_carries_out_what_was_decided() {
    let config = quorum();
    let _queues = Queues::of(&config);
    let fleet = RabbitMq::connect(config.clone()).await.unwrap();
    fleet.publish(messages(0..100)).await.unwrap();
    let mut consumer = fleet.consume("work", 60).await.unwrap();
    for _ in 0..40 {
        next(&mut consumer).await.settle(Verdict::Ack).await.unwrap();
    }
    fleet.close().await;
    assert!(consumer.next().await.is_none());
    assert!(matches!(fleet.publish(Vec::new()).await, Err(Error::Unavailable(_))));
    assert!(fleet.status().is_err());
    let after = RabbitMq::connect(config).await.unwrap();
    depth_becomes(&after, Depth { ready: 60, unacked: 0 }).await;
    after.close().await;
}
