//! Rate limits that all workers share.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::sleep;

use super::{LONG, SHORT, Store, after};
use crate::{Bucket, Granted};

/// What is there is given at once; the next one has to wait for its token to come back. Other buckets are full.
pub async fn a_bucket_gives_what_it_holds_and_names_the_wait(store: Store) {
    let bucket = bucket(3, LONG);
    for _ in 0..3 {
        assert_eq!(take(&store, 1, bucket).await, Granted::Now);
    }
    let Granted::After(wait) = take(&store, 1, bucket).await else { panic!("a fourth token came out of three") };
    assert!(wait <= LONG / 3 && wait > LONG / 4, "{wait:?} for a token that comes back in {:?}", LONG / 3);
    assert_eq!(store.take_tokens("other", 3, bucket).await.expect("the store is there"), Granted::Now);
}

/// Who waits as long as told gets the tokens, if nobody else took them.
pub async fn tokens_come_back_after_the_named_wait(store: Store) {
    let bucket = bucket(4, SHORT);
    assert_eq!(take(&store, 4, bucket).await, Granted::Now);
    let Granted::After(wait) = take(&store, 2, bucket).await else { panic!("tokens came out of an empty bucket") };
    assert!(wait <= SHORT / 2, "{wait:?} for half of what comes back in {SHORT:?}");
    sleep(wait).await;
    assert_eq!(take(&store, 2, bucket).await, Granted::Now);
}

/// Asking in vain does not make the wait longer.
pub async fn a_refusal_takes_nothing(store: Store) {
    let bucket = bucket(2, LONG);
    assert_eq!(take(&store, 1, bucket).await, Granted::Now);
    for _ in 0..10 {
        assert!(matches!(take(&store, 2, bucket).await, Granted::After(_)));
    }
    assert_eq!(take(&store, 1, bucket).await, Granted::Now);
}

/// No token is given twice.
pub async fn of_many_that_ask_at_once_as_many_as_there_are_tokens_get_one(store: Store) {
    let asking = (0..32).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { take(&store, 1, bucket(5, LONG)).await == Granted::Now })
    });
    let mut granted = 0;
    for asked in asking.collect::<Vec<_>>() {
        granted += usize::from(asked.await.expect("asking does not panic"));
    }
    assert_eq!(granted, 5);
}

/// A single request above the limit is not refused for ever.
pub async fn who_asks_for_more_than_a_bucket_holds_gets_a_full_one(store: Store) {
    let bucket = bucket(3, LONG);
    assert_eq!(take(&store, 100, bucket).await, Granted::Now);
    assert!(matches!(take(&store, 1, bucket).await, Granted::After(_)), "something was left");
}

/// A pause saves nothing up.
pub async fn a_bucket_never_holds_more_than_it_can(store: Store) {
    assert_eq!(take(&store, 3, bucket(3, SHORT)).await, Granted::Now);
    after(SHORT * 2).await;
    assert_eq!(take(&store, 3, bucket(3, LONG)).await, Granted::Now);
    assert!(matches!(take(&store, 1, bucket(3, LONG)).await, Granted::After(_)), "a pause was saved up");
}

async fn take(store: &Store, tokens: u32, bucket: Bucket) -> Granted {
    store.take_tokens("bucket", tokens, bucket).await.expect("the store is there")
}

fn bucket(tokens: u32, refill: Duration) -> Bucket {
    Bucket { tokens: NonZeroU32::new(tokens).expect("a bucket holds something"), refill }
}
