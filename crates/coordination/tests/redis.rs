//! Coordination over a real Redis keeps every promise of the port, and its callers going while Redis is away.
//!
//! `FLOTILLA_TEST_REDIS` names the server, else it is the one of this machine that `make setup` starts.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use coordination::presence::this_process;
use coordination::redis::{Config, Redis};
use coordination::{Bucket, Coordination, Lease, Taken};
use protocol::{Lifecycle, LifecycleEvent, RunId, TaskRunId, TenantId, Timestamp};
use server::Server;
use tokio::sync::broadcast::Receiver;
use tokio::time::timeout;

#[path = "redis/server.rs"]
mod server;

const PATIENCE: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(60);

async fn open() -> Arc<dyn Coordination> {
    Arc::new(shared(&format!("test-{}:", RunId::new())).await)
}

coordination::conformance_suite!(
    #[tokio::test]
    open
);

#[tokio::test]
async fn what_one_process_tells_reaches_the_others_and_itself_once() {
    let prefix = format!("test-{}:", RunId::new());
    let (teller, listener) = (shared(&prefix).await, shared(&prefix).await);
    let mut cancellations = [teller.cancellations(), listener.cancellations()];
    let mut announcements = [teller.announcements(), listener.announcements()];
    listener.wait_until_available(PATIENCE).await.unwrap();

    let runs = [RunId::new(), RunId::new()];
    let events: Vec<Lifecycle> = (0..1000).map(progress).collect();
    for run in runs {
        teller.cancel_run(run, LONG).await.unwrap();
    }
    for event in &events {
        teller.announce(event).await.unwrap();
    }
    for receiver in &mut cancellations {
        assert_eq!([received(receiver).await, received(receiver).await], runs);
    }
    for receiver in &mut announcements {
        for event in &events {
            assert_eq!(received(receiver).await, *event);
        }
    }
    assert!(listener.is_cancelled(runs[0]).await.unwrap());
}

#[tokio::test]
async fn fleets_with_other_prefixes_hear_and_see_nothing() {
    let [ours, theirs] = [open().await, open().await];
    let mut heard = theirs.cancellations();
    let (run, lease) = (RunId::new(), lease("ours"));
    ours.cancel_run(run, LONG).await.unwrap();
    ours.cache("key", b"value", LONG).await.unwrap();
    ours.take_lease(&lease, LONG).await.unwrap();

    assert!(!theirs.is_cancelled(run).await.unwrap());
    assert_eq!(theirs.cached("key").await.unwrap(), None);
    let stranger = Lease { holder: "theirs".to_owned(), ..lease };
    assert_eq!(theirs.take_lease(&stranger, LONG).await.unwrap(), Taken::Ours);
    assert!(heard.try_recv().is_err());
}

#[tokio::test]
async fn a_value_above_the_bound_is_not_cached_and_ends_the_one_before() {
    let server = Server::start().await;
    let store = Redis::open(Config { largest_value: 5, ..server.config() }).unwrap();
    store.cache("key", b"small", LONG).await.unwrap();
    assert_eq!(store.cached("key").await.unwrap().as_deref(), Some(&b"small"[..]));
    store.cache("key", b"larger", LONG).await.unwrap();
    assert_eq!(store.cached("key").await.unwrap(), None);
}

#[tokio::test]
async fn every_key_ends_by_itself() {
    let server = Server::start().await;
    let store = server.store().await;
    store.take_lease(&lease("ours"), Duration::MAX).await.unwrap();
    store.cancel_run(RunId::new(), Duration::MAX).await.unwrap();
    store.cache("key", b"value", Duration::MAX).await.unwrap();
    store.take_tokens("key", 1, Bucket { tokens: NonZeroU32::MIN, refill: Duration::MAX }).await.unwrap();
    store.check_in(&this_process("worker", "ours"), Duration::MAX).await.unwrap();
    assert_eq!(server.keys_and_those_that_end(), (5, 5));
}

#[tokio::test]
async fn without_redis_calls_fail_soon_and_after_its_restart_all_works_again() {
    let mut server = Server::start().await;
    let (store, other) = (server.store().await, server.store().await);
    let mut cancellations = other.cancellations();
    let mut announcements = other.announcements();
    let ours = lease("ours");
    assert_eq!(store.take_lease(&ours, LONG).await.unwrap(), Taken::Ours);

    server.kill();
    for _ in 0..3 {
        assert_all_fail_within(&store, Duration::from_secs(1)).await;
    }

    server.start_again().await;
    for store in [&store, &other] {
        store.wait_until_available(PATIENCE).await.unwrap();
    }
    // The server forgot everything, the scripts too.
    assert_eq!(store.renew_leases(std::slice::from_ref(&ours), LONG).await.unwrap(), []);
    let stranger = Lease { holder: "theirs".to_owned(), ..ours };
    assert_eq!(other.take_lease(&stranger, LONG).await.unwrap(), Taken::HeldBy("ours".to_owned()));
    let run = RunId::new();
    store.cancel_run(run, LONG).await.unwrap();
    assert_eq!(received(&mut cancellations).await, run);
    store.announce(&progress(1)).await.unwrap();
    assert_eq!(received(&mut announcements).await.event, progress(1).event);
}

#[tokio::test]
async fn a_redis_that_gives_no_answer_is_waited_for_once() {
    let server = Server::start().await;
    let store = server.store().await;
    server.freeze();
    assert_all_fail_within(&store, Duration::from_secs(1)).await;
    let asked = Instant::now();
    for _ in 0..100 {
        store.is_cancelled(RunId::new()).await.unwrap_err();
    }
    assert!(asked.elapsed() < Duration::from_millis(400), "callers waited {:?}", asked.elapsed());

    server.thaw();
    store.wait_until_available(PATIENCE).await.unwrap();
    store.cache("key", b"value", LONG).await.unwrap();
}

#[tokio::test]
async fn a_store_opened_before_redis_is_up_works_when_it_is() {
    let mut server = Server::start().await;
    server.kill();
    let store = Redis::open(server.config()).unwrap();
    let mut cancellations = store.cancellations();
    let run = RunId::new();
    store.cancel_run(run, LONG).await.unwrap_err();
    assert_eq!(received(&mut cancellations).await, run, "this process needs no Redis to tell itself");
    server.start_again().await;
    store.wait_until_available(PATIENCE).await.unwrap();
}

#[test]
fn an_unusable_url_is_refused_without_being_shown() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _context = runtime.enter();
    let refused = Redis::open(Config::new("http://user:secret@host")).unwrap_err().to_string();
    assert!(!refused.contains("secret"), "{refused}");
}

/// Every call fails, and all of them together within `limit`.
async fn assert_all_fail_within(store: &Redis, limit: Duration) {
    let asked = Instant::now();
    let (lease, run) = (lease("ours"), RunId::new());
    store.take_lease(&lease, LONG).await.unwrap_err();
    store.renew_leases(std::slice::from_ref(&lease), LONG).await.unwrap_err();
    store.release_lease(&lease).await.unwrap_err();
    store.cancel_run(run, LONG).await.unwrap_err();
    store.is_cancelled(run).await.unwrap_err();
    store.cached("key").await.unwrap_err();
    store.cache("key", b"value", LONG).await.unwrap_err();
    let bucket = Bucket { tokens: NonZeroU32::MIN, refill: LONG };
    store.take_tokens("key", 1, bucket).await.unwrap_err();
    store.announce(&progress(0)).await.unwrap_err();
    assert!(asked.elapsed() < limit, "callers waited {:?}", asked.elapsed());
    assert!(!store.is_available().await);
}

async fn shared(prefix: &str) -> Redis {
    let url = std::env::var("FLOTILLA_TEST_REDIS").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    // Patient, because a machine that builds and tests may be slow.
    let config = Config { prefix: prefix.to_owned(), timeout: Duration::from_secs(10), ..Config::new(url) };
    let store = Redis::open(config).unwrap();
    store.wait_until_available(PATIENCE).await.expect("Redis is there; `make setup` starts one");
    store
}

async fn received<T: Clone>(receiver: &mut Receiver<T>) -> T {
    timeout(PATIENCE, receiver.recv()).await.expect("it is told").unwrap()
}

fn lease(holder: &str) -> Lease {
    Lease { task_run: TaskRunId::new(), attempt: 1, holder: holder.to_owned() }
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
        event: LifecycleEvent::Progress { done, total: 0, message: "page 1\nof 2".to_owned() },
    }
}
