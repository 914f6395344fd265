//! Who is alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use protocol::Presence;
use tokio::time::{sleep, timeout};

use super::{LONG, PATIENCE, SHORT, Store, after};
use crate::presence::{Attendance, this_process};

/// Whoever falls silent is taken for dead.
pub async fn who_checked_in_is_present_until_its_time_is_over(store: Store) {
    assert_eq!(present(&store).await, []);
    let worker = Presence {
        queues: vec!["default".to_owned(), "callbacks".to_owned()],
        concurrency: 8,
        in_flight: 3,
        draining: true,
        ..this_process("worker", "“a”: ünique")
    };
    check_in(&store, &worker, SHORT).await;
    assert_eq!(present(&store).await, [worker]);
    after(SHORT).await;
    assert_eq!(present(&store).await, [], "the dead are alive for ever");
}

/// The last word counts.
pub async fn checking_in_again_replaces_what_was_said_and_prolongs_it(store: Store) {
    let idle = this_process("worker", "a");
    let busy = Presence { in_flight: 5, ..idle.clone() };
    check_in(&store, &idle, SHORT).await;
    check_in(&store, &busy, LONG).await;
    after(SHORT).await;
    assert_eq!(present(&store).await, std::slice::from_ref(&busy));
    check_in(&store, &idle, SHORT).await;
    assert_eq!(present(&store).await, [idle]);
    after(SHORT).await;
    assert_eq!(present(&store).await, [], "a shorter time does not count");
}

/// Checking out takes nobody else along, and twice is harmless.
pub async fn who_checks_out_is_gone_at_once_and_alone(store: Store) {
    let [one, other] = ["a", "b"].map(|name| this_process("worker", name));
    for presence in [&one, &other] {
        check_in(&store, presence, LONG).await;
    }
    for _ in 0..2 {
        store.check_out("a").await.expect("the store is there");
        assert_eq!(present(&store).await, std::slice::from_ref(&other));
    }
}

/// Many processes of several roles, always in the same order.
pub async fn the_present_are_listed_by_role_and_name(store: Store) {
    let mut expected = Vec::new();
    for role in ["dispatcher", "worker-callbacks", "worker-default"] {
        for number in 10..40 {
            expected.push(this_process(role, &format!("{role}-{number}")));
        }
    }
    for presence in expected.iter().rev() {
        check_in(&store, presence, LONG).await;
    }
    assert_eq!(present(&store).await, expected);
}

/// A process is seen as it is now, and not at all after its end.
pub async fn whoever_attends_stays_present_and_checks_out_at_the_end(store: Store) {
    let in_flight = Arc::new(AtomicU32::new(1));
    let (presence, current) = (this_process("worker", "a"), Arc::clone(&in_flight));
    let describe = move || Presence { in_flight: current.load(Ordering::Relaxed), ..presence.clone() };
    let attendance = Attendance::begin(Arc::clone(&store), describe);
    becomes(&store, &[1]).await;
    in_flight.store(2, Ordering::Relaxed);
    becomes(&store, &[2]).await;
    attendance.end().await;
    assert_eq!(present(&store).await, []);
}

async fn becomes(store: &Store, in_flight: &[u32]) {
    let reached = timeout(PATIENCE, async {
        loop {
            let seen: Vec<u32> = present(store).await.iter().map(|presence| presence.in_flight).collect();
            if seen == in_flight {
                return;
            }
            sleep(SHORT / 10).await;
        }
    });
    assert!(reached.await.is_ok(), "{in_flight:?} is never seen in flight");
}

async fn check_in(store: &Store, presence: &Presence, ttl: std::time::Duration) {
    store.check_in(presence, ttl).await.expect("the store is there");
}

async fn present(store: &Store) -> Vec<Presence> {
    store.present().await.expect("the store is there")
}
