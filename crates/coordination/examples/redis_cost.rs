//! What coordination over Redis costs: `cargo run --release -p coordination --example redis_cost -- URL`.

#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::error::Error;
use std::time::{Duration, Instant};

use coordination::redis::{Config, Redis};
use coordination::{Coordination, Lease};
use protocol::message::WIRE_VERSION;
use protocol::{Lifecycle, LifecycleEvent, RunId, TaskRunId, TenantId, Timestamp};

const TIMES: u32 = 2_000;
const TTL: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "redis://127.0.0.1:6379".to_owned());
    let config = Config { prefix: format!("cost-{}:", RunId::new()), ..Config::new(url) };
    let (store, watcher) = (Redis::open(config.clone())?, Redis::open(config)?);
    let mut announcements = watcher.announcements();
    store.wait_until_available(TTL).await?;
    watcher.wait_until_available(TTL).await?;

    let leases: Vec<Lease> =
        (0..TIMES).map(|_| Lease { task_run: TaskRunId::new(), attempt: 1, holder: "worker".to_owned() }).collect();
    let started = Instant::now();
    for lease in &leases {
        store.take_lease(lease, TTL).await?;
    }
    println!("taking a lease: {:?}", started.elapsed() / TIMES);
    let started = Instant::now();
    store.renew_leases(&leases[..200], TTL).await?;
    println!("renewing 200 leases: {:?}", started.elapsed());
    let started = Instant::now();
    for lease in &leases {
        store.is_cancelled(RunId::new()).await?;
        store.release_lease(lease).await?;
    }
    println!("asking for a cancellation and releasing a lease: {:?}", started.elapsed() / TIMES);

    let event = Lifecycle {
        v: WIRE_VERSION,
        run_id: RunId::new(),
        tenant: TenantId::default_tenant(),
        task_run_id: Some(TaskRunId::new()),
        task: Some("extract-text".to_owned()),
        attempt: Some(1),
        worker: "worker".to_owned(),
        at: Timestamp::now(),
        event: LifecycleEvent::Started,
    };
    let started = Instant::now();
    for _ in 0..TIMES / 500 {
        for _ in 0..500 {
            store.announce(&event).await?;
        }
        for _ in 0..500 {
            announcements.recv().await?;
        }
    }
    println!("an announcement heard by another process: {:?}", started.elapsed() / TIMES);
    Ok(())
}
