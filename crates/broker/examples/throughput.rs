//! How many messages a second a broker moves: `cargo run --release -p broker --example throughput`.
//!
//! Arguments: messages (default 200000), consumers (4), bytes a message (1024): the memory broker. Or `--amqp URL`,
//! then messages (20000) and bytes a message (1024): RabbitMQ beside the bare client, in turns in the same run.

#![expect(clippy::print_stdout, reason = "its output is its purpose")]

#[path = "throughput/amqp.rs"]
mod amqp;

use std::error::Error;
use std::time::Instant;

use broker::memory::MemoryBroker;
use broker::{Broker, Message, Topology, Verdict};

const BATCH: usize = 512;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if_eq("--amqp").is_some() {
        let url = arguments.next().ok_or("--amqp needs an address")?;
        let messages = arguments.next().map_or(Ok(20_000), |argument| argument.parse())?;
        let bytes = arguments.next().map_or(Ok(1024), |argument| argument.parse())?;
        return amqp::compare(&url, messages, bytes).await;
    }
    let mut arguments = arguments.map(|argument| argument.parse::<usize>());
    let messages = arguments.next().transpose()?.unwrap_or(200_000);
    let consumers = arguments.next().transpose()?.unwrap_or(4);
    let bytes = arguments.next().transpose()?.unwrap_or(1024);

    let broker = MemoryBroker::new(Topology {
        queues: vec!["work".to_owned()],
        dead_letter: "dead_letter".to_owned(),
        delivery_limit: 3,
    });
    let (done, mut settled) = tokio::sync::mpsc::channel::<()>(messages.max(1));
    let started = Instant::now();
    for _ in 0..consumers {
        let mut consumer = broker.consume("work", 32).await?;
        let done = done.clone();
        tokio::spawn(async move {
            while let Some(delivery) = consumer.next().await {
                if delivery.settle(Verdict::Ack).await.is_err() || done.send(()).await.is_err() {
                    return;
                }
            }
        });
    }
    for start in (0..messages).step_by(BATCH) {
        let batch = start..messages.min(start + BATCH);
        broker.publish(batch.map(|id| Message::new("work", id.to_string(), vec![b'x'; bytes])).collect()).await?;
    }
    for _ in 0..messages {
        settled.recv().await;
    }
    let seconds = started.elapsed().as_secs_f64();
    let rate = messages as f64 / seconds;
    println!("{messages} messages of {bytes} bytes, {consumers} consumers: {rate:.0} messages/s ({seconds:.2} s)");
    Ok(())
}
