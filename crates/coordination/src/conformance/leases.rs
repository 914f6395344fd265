//! One holder at a time.

use std::time::Duration;

use protocol::TaskRunId;

use super::{LONG, SHORT, Store, after, lease};
use crate::{Lease, Taken};

/// While one holds the lease of an attempt, another gets its name instead; other attempts are free.
pub async fn an_attempt_has_one_holder(store: Store) {
    let ours = lease("ours");
    let theirs = Lease { holder: "theirs".to_owned(), ..ours.clone() };
    assert_eq!(take(&store, &ours, LONG).await, Taken::Ours);
    assert_eq!(take(&store, &theirs, LONG).await, Taken::HeldBy("ours".to_owned()));
    let next_attempt = Lease { attempt: 2, ..theirs };
    assert_eq!(take(&store, &next_attempt, LONG).await, Taken::Ours);
}

/// Many leases asked for in one call are many answers, each about its own.
pub async fn many_leases_can_be_taken_in_one_call(store: Store) {
    let wanted = [lease("ours"), lease("ours"), lease("ours")];
    let theirs = Lease { holder: "theirs".to_owned(), ..wanted[1].clone() };
    assert_eq!(take(&store, &theirs, LONG).await, Taken::Ours);
    let taken = store.take_leases(&wanted, LONG).await.expect("the store is there");
    assert_eq!(taken, [Taken::Ours, Taken::HeldBy("theirs".to_owned()), Taken::Ours]);
    assert!(held(&store, &wanted[0]).await && held(&store, &wanted[2]).await);
    assert_eq!(store.take_leases(&[], LONG).await.expect("the store is there"), []);
}

/// Asking at the same time makes no two holders.
pub async fn of_many_that_ask_at_once_one_gets_the_lease(store: Store) {
    let wanted = lease("");
    let asking = (0..32).map(|number| {
        let store = store.clone();
        let lease = Lease { holder: number.to_string(), ..wanted.clone() };
        tokio::spawn(async move { take(&store, &lease, LONG).await == Taken::Ours })
    });
    let mut holders = 0;
    for asked in asking.collect::<Vec<_>>() {
        holders += usize::from(asked.await.expect("asking does not panic"));
    }
    assert_eq!(holders, 1);
}

/// A worker that asks again, after a redelivery for example, gets what it has, for longer.
pub async fn the_holder_may_take_its_lease_again(store: Store) {
    let ours = lease("ours");
    assert_eq!(take(&store, &ours, SHORT).await, Taken::Ours);
    assert_eq!(take(&store, &ours, LONG).await, Taken::Ours);
    after(SHORT).await;
    assert!(held(&store, &ours).await, "taking a lease again did not prolong it");
}

/// Of a holder that died nobody has to clean up.
pub async fn a_lease_ends_by_itself(store: Store) {
    let ours = lease("ours");
    take(&store, &ours, SHORT).await;
    after(SHORT).await;
    assert!(!held(&store, &ours).await, "the lease did not end");
}

/// A holder keeps its leases for as long as it renews them, all in one call.
pub async fn renewal_prolongs_a_lease(store: Store) {
    let leases = [lease("ours"), lease("ours")];
    for lease in &leases {
        take(&store, lease, SHORT).await;
    }
    assert_eq!(renew(&store, &leases, LONG).await, []);
    after(SHORT).await;
    for lease in &leases {
        assert!(held(&store, lease).await, "the lease ended in spite of its renewal");
    }
}

/// A holder that comes late, since it was suspended or the store was away, keeps what nobody else took meanwhile and
/// learns what somebody did.
pub async fn a_late_renewal_takes_back_what_is_free_and_reports_what_is_not(store: Store) {
    let [kept, over, stolen] = [lease("ours"), lease("ours"), lease("ours")];
    let thief = Lease { holder: "thief".to_owned(), ..stolen.clone() };
    take(&store, &kept, LONG).await;
    take(&store, &over, SHORT).await;
    take(&store, &stolen, SHORT).await;
    after(SHORT).await;
    assert_eq!(take(&store, &thief, LONG).await, Taken::Ours);

    let lost = renew(&store, &[kept, over.clone(), stolen.clone()], LONG).await;
    assert_eq!(lost, std::slice::from_ref(&stolen));
    assert!(held(&store, &over).await, "a lease that nobody else took was not taken back");
    assert_eq!(take(&store, &stolen, LONG).await, Taken::HeldBy("thief".to_owned()));
}

/// Giving back works for the holder, does nothing for others, and may be repeated.
pub async fn only_the_holder_gives_a_lease_back(store: Store) {
    let ours = lease("ours");
    let theirs = Lease { holder: "theirs".to_owned(), ..ours.clone() };
    take(&store, &ours, LONG).await;
    release(&store, &theirs).await;
    assert!(held(&store, &ours).await, "a stranger gave the lease back");
    release(&store, &ours).await;
    release(&store, &ours).await;
    assert!(!held(&store, &ours).await, "the lease is still held");
}

/// Whoever looks for lost work asks about many attempts in one call, without taking anything; what has ended is not held.
pub async fn of_many_attempts_each_is_said_to_be_held_or_not(store: Store) {
    let [kept, over, never] = [lease("ours"), lease("ours"), lease("ours")];
    take(&store, &kept, LONG).await;
    take(&store, &over, SHORT).await;
    after(SHORT).await;
    let ask = async |attempts: &[(TaskRunId, u32)]| store.held_leases(attempts).await.expect("the store is there");
    let attempt = |lease: &Lease| (lease.task_run, lease.attempt);
    let next_attempt = (kept.task_run, kept.attempt + 1);
    let asked = [attempt(&over), attempt(&kept), next_attempt, attempt(&never)];
    assert_eq!(ask(&asked).await, [false, true, false, false]);
    assert!(ask(&[]).await.is_empty());
    assert!(!held(&store, &never).await, "asking took the lease");

    let many: Vec<_> = (0..2_500).map(|_| attempt(&never)).chain([attempt(&kept)]).collect();
    let answers = ask(&many).await;
    assert_eq!((answers.len(), answers.iter().filter(|held| **held).count()), (2_501, 1));
    assert!(answers[2_500]);
}

async fn take(store: &Store, lease: &Lease, ttl: Duration) -> Taken {
    store.take_lease(lease, ttl).await.expect("the store is there")
}

async fn renew(store: &Store, leases: &[Lease], ttl: Duration) -> Vec<Lease> {
    store.renew_leases(leases, ttl).await.expect("the store is there")
}

async fn release(store: &Store, lease: &Lease) {
    store.release_lease(lease).await.expect("the store is there");
}

/// Whether the holder of a lease still has it, found out by a stranger.
async fn held(store: &Store, lease: &Lease) -> bool {
    let stranger = Lease { holder: "stranger".to_owned(), ..lease.clone() };
    match take(store, &stranger, LONG).await {
        Taken::HeldBy(holder) => holder == lease.holder,
        Taken::Ours => {
            release(store, &stranger).await;
            false
        }
    }
}
