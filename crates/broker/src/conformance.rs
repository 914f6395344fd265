//! What every broker must do, as named cases.
//!
//! An implementation's test file names itself and nothing else:
//!
//! ```text
//! async fn open(topology: Topology) -> Arc<dyn Broker> { … }
//! broker::conformance_suite!(#[tokio::test] open);
//! ```
//!
//! `open` is called once for each case and returns a broker whose queues are empty. A case panics when a promise is
//! broken. Cases leave open what implementations may do differently: whether undelivered messages within the prefetch
//! already count as unacknowledged, and where a message stands that was handed back uncounted.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::{Broker, Consumer, Delivery, Depth, Message, Topology, Verdict};

pub mod dead_letters;
pub mod offering;
pub mod operators;
pub mod preferring;
pub mod publishing;
pub mod redelivery;
pub mod sharing;

/// Stamps one test for each case: `conformance_suite!(#[tokio::test] open)`.
#[macro_export]
macro_rules! conformance_suite {
    (#[$test:meta] $open:ident) => {
        $crate::conformance_suite!(@module #[$test] $open, publishing:
            messages_arrive_whole_and_in_order,
            higher_priorities_come_first,
            an_unknown_queue_is_named_and_nothing_of_the_batch_published,
            depth_counts_what_waits_and_what_is_with_consumers,
            acknowledged_messages_are_gone,
        );
        $crate::conformance_suite!(@module #[$test] $open, offering:
            an_offered_queue_is_like_those_of_the_topology,
            offering_again_keeps_what_waits,
        );
        $crate::conformance_suite!(@module #[$test] $open, redelivery:
            a_requeued_message_comes_back_first_and_counted,
            what_is_handed_back_uncounted_never_becomes_poison,
            an_unsettled_delivery_comes_back_when_it_is_dropped,
            a_dropped_consumer_gives_everything_back_in_order,
            a_verdict_after_its_consumer_is_gone_fails,
            giving_up_the_wait_for_a_message_loses_none,
        );
        $crate::conformance_suite!(@module #[$test] $open, dead_letters:
            a_message_that_comes_back_too_often_dies_with_its_reason,
            a_rejected_message_keeps_body_reason_and_origin,
            a_dead_letter_comes_back_without_limit,
        );
        $crate::conformance_suite!(@module #[$test] $open, operators:
            looking_at_dead_letters_shows_them_in_order_and_leaves_them,
            operators_who_look_at_the_same_time_all_see_everything,
            a_replayed_dead_letter_is_a_new_message_in_its_old_queue,
            a_dead_letter_that_is_replayed_can_die_again,
            selections_by_id_and_by_queue_leave_the_others,
            what_did_not_die_here_is_not_replayed_and_can_be_dropped,
            many_dead_letters_are_replayed_in_their_order,
        );
        $crate::conformance_suite!(@module #[$test] $open, sharing:
            consumers_are_counted,
            prefetch_bounds_what_a_consumer_holds,
            consumers_of_one_queue_take_turns,
            four_consumers_get_every_one_of_ten_thousand_messages,
        );
        $crate::conformance_suite!(@module #[$test] $open, preferring:
            a_message_goes_to_the_consumer_it_prefers,
            without_its_preferred_consumer_everybody_gets_a_message_at_once,
            a_message_waits_for_a_busy_consumer_no_longer_than_it_may,
            what_a_gone_consumer_leaves_goes_to_everybody,
            what_a_preferred_consumer_hands_back_goes_to_everybody,
            a_message_that_has_gone_on_dies_like_any_other,
            consumers_of_one_name_share_what_prefers_them,
        );
    };
    (@module #[$test:meta] $open:ident, $module:ident: $($case:ident),+ $(,)?) => {
        mod $module {
            $(
                #[$test]
                async fn $case() {
                    $crate::conformance::$module::$case(super::$open($crate::conformance::topology()).await).await;
                }
            )+
        }
    };
}

/// The queue that most cases use.
const QUEUE: &str = "work";
/// A second queue.
const OTHER: &str = "other";
const DEAD_LETTER: &str = "dead_letter";
const DELIVERY_LIMIT: u32 = 3;

/// How long a case waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a case watches for what must not happen.
const WATCH: Duration = Duration::from_millis(100);

/// The queues that the cases use.
#[must_use]
pub fn topology() -> Topology {
    Topology {
        queues: [QUEUE, OTHER, DEAD_LETTER].map(str::to_owned).to_vec(),
        dead_letter: DEAD_LETTER.to_owned(),
        delivery_limit: DELIVERY_LIMIT,
    }
}

fn message(id: &str) -> Message {
    Message::new(QUEUE, id, id.as_bytes())
}

async fn publish(broker: &Arc<dyn Broker>, ids: &[&str]) {
    let messages = ids.iter().map(|id| message(id)).collect();
    broker.publish(messages).await.expect("publishing to a known queue works");
}

async fn consume(broker: &Arc<dyn Broker>, queue: &str, prefetch: u16) -> Box<dyn Consumer> {
    broker.consume(queue, prefetch).await.expect("consuming a known queue works")
}

async fn next(consumer: &mut Box<dyn Consumer>) -> Delivery {
    let delivery = timeout(PATIENCE, consumer.next()).await.expect("a delivery arrives");
    delivery.expect("the subscription is open")
}

async fn next_id(consumer: &mut Box<dyn Consumer>, verdict: Verdict) -> String {
    let delivery = next(consumer).await;
    let id = delivery.message.id.clone();
    settle(delivery, verdict).await;
    id
}

async fn settle(delivery: Delivery, verdict: Verdict) {
    delivery.settle(verdict).await.expect("a delivery can be settled once");
}

async fn nothing_arrives(consumer: &mut Box<dyn Consumer>) {
    let delivery = timeout(WATCH, consumer.next()).await;
    assert!(delivery.is_err(), "{delivery:?} arrived and should not");
}

/// Waits until a queue is as full as it should be: a broker may report late.
async fn depth_becomes(broker: &Arc<dyn Broker>, queue: &str, ready: u64, unacked: u64) {
    let wanted = Depth { ready, unacked };
    let mut seen = Depth::default();
    let reached = timeout(PATIENCE, async {
        loop {
            seen = broker.depth(queue).await.expect("a known queue has a depth");
            if seen == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(reached.await.is_ok(), "queue {queue:?} stays at {seen:?} instead of {wanted:?}");
}
