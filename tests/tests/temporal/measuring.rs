//! What walks cost. `cargo test --release -p specs --features temporal --test temporal -- --ignored measure --nocapture`

use std::time::{Duration, Instant};

use backends::port::Sight;
use protocol::RunState;
use serde_json::json;
use specs::temporal::Server;

use crate::walking::{diamond, mapped};
use crate::yard::{Split, Yard, all, gives};

/// Longest time that a measured run may take.
const PATIENCE: Duration = Duration::from_secs(600);

#[ignore = "measures"]
#[tokio::test(flavor = "multi_thread")]
async fn measure() {
    let server = Server::start();
    let yard = Yard::at(&server).await;
    for children in [100, 1_000] {
        let items: Vec<u32> = (0..children).collect();
        let worker = yard.worker(|builder| all(builder).register::<Split>(gives(json!(items))));
        let (run, started) = (yard.start(&mapped()).await, Instant::now());
        ended(&yard, run, started).await;
        let took = started.elapsed();
        let history = server.describe(run)["workflowExecutionInfo"].clone();
        println!(
            "{children} children: {took:?}, {} events, {} bytes",
            history["historyLength"], history["historySizeBytes"]
        );
        worker.stop().await;
    }
    let worker = yard.worker(all);
    let (run, started) = (yard.start(&diamond()).await, Instant::now());
    ended(&yard, run, started).await;
    println!("one diamond of four tasks: {:?}", started.elapsed());
    let started = Instant::now();
    let mut runs = Vec::new();
    for _ in 0..100 {
        runs.push(yard.start(&diamond()).await);
    }
    for run in &runs {
        ended(&yard, *run, started).await;
    }
    println!("a hundred diamonds: {:?}", started.elapsed());
    worker.stop().await;
}

async fn ended(yard: &Yard, run: protocol::RunId, started: Instant) {
    while yard.backend.look(run).await != Ok(Sight::Ended(RunState::Succeeded)) {
        assert!(started.elapsed() < PATIENCE, "it takes too long");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
