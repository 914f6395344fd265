//! Telling live watchers.

use protocol::{Lifecycle, LifecycleEvent, RunId, TenantId, Timestamp};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::{PATIENCE, Store, received};

/// Every watcher gets every announcement, whole and in order.
pub async fn an_announcement_reaches_every_watcher(store: Store) {
    let mut watchers = [store.announcements(), store.announcements()];
    let events = [progress(1), progress(2)];
    for event in &events {
        announce(&store, event).await;
    }
    for watcher in &mut watchers {
        for event in &events {
            assert_eq!(received(watcher).await, *event);
        }
    }
}

/// A run that nobody watches goes on.
pub async fn announcing_to_nobody_is_fine(store: Store) {
    drop(store.announcements());
    announce(&store, &progress(1)).await;
}

/// A watcher that reads nothing neither stops others nor fills the memory: it misses the oldest, knows it, and goes on.
pub async fn a_watcher_that_lags_holds_nobody_up(store: Store) {
    const MANY: u64 = 10_000;
    let mut idle = store.announcements();
    let mut diligent = store.announcements();
    for done in 1..=MANY {
        announce(&store, &progress(done)).await;
        assert_eq!(received(&mut diligent).await.event, progress(done).event);
    }
    let missed = timeout(PATIENCE, idle.recv()).await.expect("an idle watcher can read on");
    assert!(matches!(missed, Err(RecvError::Lagged(_))), "{missed:?}");
    let mut read = received(&mut idle).await;
    while read.event != progress(MANY).event {
        read = received(&mut idle).await;
    }
}

async fn announce(store: &Store, event: &Lifecycle) {
    timeout(PATIENCE, store.announce(event)).await.expect("announcing waits for nobody").expect("the store is there");
}

fn progress(done: u64) -> Lifecycle {
    Lifecycle {
        v: protocol::message::WIRE_VERSION,
        run_id: RunId::new(),
        tenant: TenantId::default_tenant(),
        task_run_id: None,
        task: None,
        attempt: None,
        worker: "worker".to_owned(),
        at: Timestamp::UNIX_EPOCH,
        event: LifecycleEvent::Progress { done, total: 0, message: String::new() },
    }
}
