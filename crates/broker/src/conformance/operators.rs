//! What operators do with dead letters.

use std::sync::Arc;

use super::{DEAD_LETTER, DELIVERY_LIMIT, OTHER, QUEUE, consume, depth_becomes, message, next, settle};
use crate::{Broker, Buried, DeadLetter, Message, Replayed, Selection, Verdict};

const REASON: &str = "not to be read";

/// Looking takes nothing away and brings nothing nearer to its end, whole or in parts, any number of times.
pub async fn looking_at_dead_letters_shows_them_in_order_and_leaves_them(broker: Arc<dyn Broker>) {
    assert_eq!(look(&broker, 0, 10).await, Vec::<String>::new());
    let sent = message("1").priority(3).header("trace", "t1");
    bury(&broker, vec![sent.clone(), message("2").priority(3), message("3").priority(3)]).await;
    for _ in 0..2 * DELIVERY_LIMIT {
        assert_eq!(look(&broker, 0, 10).await, ["1", "2", "3"]);
        assert_eq!(look(&broker, 0, 2).await, ["1", "2"]);
        assert_eq!(look(&broker, 1, 2).await, ["2", "3"]);
        assert_eq!(look(&broker, 3, 2).await, Vec::<String>::new());
        assert_eq!(look(&broker, 0, 0).await, Vec::<String>::new());
    }
    let first = broker.dead_letters(0, 1).await.expect("dead letters can be looked at").remove(0);
    assert_eq!(first.message, sent, "it is shown as it was sent");
    let death = first.death.expect("it says how it died");
    assert_eq!((death.reason.as_str(), death.queue.as_str(), death.deliveries), (REASON, QUEUE, 1));
    depth_becomes(&broker, DEAD_LETTER, 3, 0).await;
}

/// Nobody hides a dead letter from somebody else by looking at it.
pub async fn operators_who_look_at_the_same_time_all_see_everything(broker: Arc<dyn Broker>) {
    let ids: Vec<String> = (0..300).map(|number| format!("{number}")).collect();
    bury(&broker, ids.iter().map(|id| message(id)).collect()).await;
    let looking = (0..4).map(|_| {
        let broker = Arc::clone(&broker);
        tokio::spawn(async move { look(&broker, 0, 1_000).await })
    });
    for seen in looking.collect::<Vec<_>>() {
        assert_eq!(seen.await.expect("looking works"), ids);
    }
}

/// Replaying gives a message a new life: as it was sent, with all its deliveries before it.
pub async fn a_replayed_dead_letter_is_a_new_message_in_its_old_queue(broker: Arc<dyn Broker>) {
    let sent = message("1").priority(7).header("trace", "t1");
    broker.publish(vec![sent.clone()]).await.expect("publishing works");
    let mut consumer = consume(&broker, QUEUE, 1).await;
    for _ in 0..=DELIVERY_LIMIT {
        settle(next(&mut consumer).await, Verdict::Requeue { counted: true }).await;
    }
    depth_becomes(&broker, DEAD_LETTER, 1, 0).await;

    let replayed = broker.replay_dead_letters(&Selection::All).await.expect("dead letters can be replayed");
    assert_eq!(replayed, Replayed { replayed: 1, kept: 0 });
    let delivery = next(&mut consumer).await;
    assert_eq!((&delivery.message, delivery.redeliveries), (&sent, 0));
    settle(delivery, Verdict::Ack).await;
    depth_becomes(&broker, DEAD_LETTER, 0, 0).await;
    depth_becomes(&broker, QUEUE, 0, 0).await;
}

/// What was replayed and kills again is a dead letter again, with its new death.
pub async fn a_dead_letter_that_is_replayed_can_die_again(broker: Arc<dyn Broker>) {
    bury(&broker, vec![message("1")]).await;
    broker.replay_dead_letters(&Selection::All).await.expect("dead letters can be replayed");
    let mut consumer = consume(&broker, QUEUE, 1).await;
    for redeliveries in 0..=DELIVERY_LIMIT {
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.redeliveries, redeliveries);
        settle(delivery, Verdict::Requeue { counted: true }).await;
    }
    depth_becomes(&broker, DEAD_LETTER, 1, 0).await;
    let dead = broker.dead_letters(0, 10).await.expect("dead letters can be looked at");
    let death = dead[0].death.clone().expect("it says how it died");
    assert_eq!((death.reason.as_str(), death.deliveries), (DeadLetter::DELIVERY_LIMIT, DELIVERY_LIMIT + 1));
}

/// Only what was selected is touched, wherever it lies; the order of the others stays.
pub async fn selections_by_id_and_by_queue_leave_the_others(broker: Arc<dyn Broker>) {
    let elsewhere = |id: &str| Message::new(OTHER, id, id.as_bytes());
    bury(&broker, vec![message("1")]).await;
    bury(&broker, vec![elsewhere("2")]).await;
    bury(&broker, vec![message("3"), message("4")]).await;
    bury(&broker, vec![elsewhere("5")]).await;

    let dropped = broker.drop_dead_letters(&Selection::ids(["3", "unknown"])).await;
    assert_eq!(dropped.expect("dead letters can be dropped"), 1);
    assert_eq!(look(&broker, 0, 10).await, ["1", "2", "4", "5"]);
    let replayed = broker.replay_dead_letters(&Selection::Queue(OTHER.to_owned())).await;
    assert_eq!(replayed.expect("dead letters can be replayed"), Replayed { replayed: 2, kept: 0 });
    assert_eq!(look(&broker, 0, 10).await, ["1", "4"]);
    let replayed = broker.replay_dead_letters(&Selection::ids(["4"])).await;
    assert_eq!(replayed.expect("dead letters can be replayed"), Replayed { replayed: 1, kept: 0 });
    assert_eq!(look(&broker, 0, 10).await, ["1"]);

    let mut consumer = consume(&broker, OTHER, 10).await;
    for id in ["2", "5"] {
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.message.id, id);
        settle(delivery, Verdict::Ack).await;
    }
    depth_becomes(&broker, QUEUE, 1, 0).await;
    assert_eq!(broker.drop_dead_letters(&Selection::All).await.expect("dead letters can be dropped"), 1);
    depth_becomes(&broker, DEAD_LETTER, 0, 0).await;
}

/// What somebody put among the dead letters by hand has no queue to go back to.
pub async fn what_did_not_die_here_is_not_replayed_and_can_be_dropped(broker: Arc<dyn Broker>) {
    let stranger = Message::new(DEAD_LETTER, "stranger", *b"{}");
    broker.publish(vec![stranger.clone()]).await.expect("publishing works");
    bury(&broker, vec![message("1")]).await;
    let replayed = broker.replay_dead_letters(&Selection::All).await.expect("dead letters can be replayed");
    assert_eq!(replayed, Replayed { replayed: 1, kept: 1 });
    let left = broker.dead_letters(0, 10).await.expect("dead letters can be looked at");
    assert_eq!(left, [Buried { message: stranger, death: None }]);
    let dropped = broker.drop_dead_letters(&Selection::ids(["stranger"])).await;
    assert_eq!(dropped.expect("dead letters can be dropped"), 1);
    depth_becomes(&broker, DEAD_LETTER, 0, 0).await;
}

/// More than fit into one batch of any implementation.
pub async fn many_dead_letters_are_replayed_in_their_order(broker: Arc<dyn Broker>) {
    const LETTERS: u64 = 1_000;
    let messages: Vec<Message> = (0..LETTERS).map(|number| message(&format!("{number}"))).collect();
    // As if somebody else had buried them.
    let death = || DeadLetter { reason: REASON.to_owned(), queue: QUEUE.to_owned(), deliveries: 1, died_at: None };
    let dead = messages.iter().map(|message| death().bury(message.clone(), DEAD_LETTER)).collect();
    broker.publish(dead).await.expect("publishing works");
    let replayed = broker.replay_dead_letters(&Selection::Queue(QUEUE.to_owned())).await;
    assert_eq!(replayed.expect("dead letters can be replayed"), Replayed { replayed: LETTERS, kept: 0 });
    let mut consumer = consume(&broker, QUEUE, 100).await;
    for sent in messages {
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.message, sent);
        settle(delivery, Verdict::Ack).await;
    }
    depth_becomes(&broker, DEAD_LETTER, 0, 0).await;
}

/// Sends messages to a consumer that rejects them, one after the other.
async fn bury(broker: &Arc<dyn Broker>, messages: Vec<Message>) {
    let (queue, count) = (messages[0].queue.clone(), messages.len() as u64);
    let before = broker.depth(DEAD_LETTER).await.expect("a known queue has a depth").ready;
    broker.publish(messages).await.expect("publishing works");
    let mut consumer = consume(broker, &queue, 1).await;
    for _ in 0..count {
        settle(next(&mut consumer).await, Verdict::Reject { reason: REASON.to_owned() }).await;
    }
    depth_becomes(broker, DEAD_LETTER, before + count, 0).await;
}

/// The ids of dead letters.
async fn look(broker: &Arc<dyn Broker>, skip: usize, limit: usize) -> Vec<String> {
    let found = broker.dead_letters(skip, limit).await.expect("dead letters can be looked at");
    found.into_iter().map(|buried| buried.message.id).collect()
}
