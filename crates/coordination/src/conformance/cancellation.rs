//! Runs that are cancelled.

use protocol::RunId;

use super::{LONG, SHORT, Store, after, is_cancelled, received};

/// Who asks later learns of a cancellation, until it is forgotten.
pub async fn a_cancelled_run_is_remembered_for_a_while(store: Store) {
    let [run, other] = [RunId::new(), RunId::new()];
    assert!(!is_cancelled(&store, run).await);
    store.cancel_run(run, SHORT).await.expect("cancelling works");
    assert!(is_cancelled(&store, run).await);
    assert!(!is_cancelled(&store, other).await);
    after(SHORT).await;
    assert!(!is_cancelled(&store, run).await, "a cancellation is remembered for ever");

    store.cancel_run(run, SHORT).await.expect("cancelling works");
    store.cancel_run(run, LONG).await.expect("cancelling twice works");
    after(SHORT).await;
    assert!(is_cancelled(&store, run).await, "cancelling again did not prolong the memory");
}

/// Everybody who listens is told, and finds the run cancelled when asking then.
pub async fn a_cancellation_reaches_every_listener(store: Store) {
    let mut listeners = [store.cancellations(), store.cancellations()];
    let run = RunId::new();
    store.cancel_run(run, LONG).await.expect("cancelling works");
    for listener in &mut listeners {
        assert_eq!(received(listener).await, run);
        assert!(is_cancelled(&store, run).await);
    }
}

/// One question about many runs has one answer for each, in their order.
pub async fn of_many_runs_each_is_answered_for(store: Store) {
    let runs = [RunId::new(), RunId::new(), RunId::new()];
    store.cancel_run(runs[1], LONG).await.expect("cancelling works");
    assert_eq!(store.are_cancelled(&runs).await.expect("the store is there"), [false, true, false]);
    assert!(store.are_cancelled(&[]).await.expect("the store is there").is_empty());
}
