//! RabbitMQ through the port beside the bare client, in turns.

use std::error::Error;
use std::time::{Duration, Instant};

use broker::rabbitmq::{Config, QueueType, RabbitMq};
use broker::{Broker, Message, Topology, Verdict};
use futures::{StreamExt, TryStreamExt};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};

const ROUNDS: usize = 5;
const PREFETCH: u16 = 256;
const WINDOW: usize = 256;
const BATCH: usize = 256;
const PREFIX: &str = "throughput.";

type Failure = Box<dyn Error + Send + Sync>;

/// What one round cost.
#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    /// Of this process, user and system.
    cpu: Duration,
}

/// Publishes, consumes and acknowledges `messages` of `bytes` in several ways, and prints a table of medians.
pub(crate) async fn compare(url: &str, messages: usize, bytes: usize) -> Result<(), Failure> {
    println!("{messages} messages of {bytes} bytes, one publisher and one consumer at a time, medians of {ROUNDS}");
    println!(
        "{:8} {:28} {:>10} {:>8} {:>14} {:>8}",
        "queue", "client", "messages/s", "ratio", "CPU µs/message", "ratio"
    );
    for (name, queue_type) in [("quorum", QueueType::Quorum), ("classic", QueueType::Classic)] {
        let topology =
            Topology { queues: vec!["work".to_owned()], dead_letter: "dead_letter".to_owned(), delivery_limit: 3 };
        let config =
            Config { queue_type, prefix: PREFIX.to_owned(), confirm_window: WINDOW, ..Config::new(url, topology) };
        let broker = RabbitMq::connect(config).await?;
        let (mut port, mut each, mut multiple) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            port.push(through_the_port(&broker, messages, bytes).await?);
            each.push(through_lapin(url, messages, bytes, 1).await?);
            multiple.push(through_lapin(url, messages, bytes, 64).await?);
        }
        broker.close().await;
        let ceiling = median(&multiple);
        for (client, costs) in
            [("broker::RabbitMq", &port), ("lapin, ack each", &each), ("lapin, ack every 64", &multiple)]
        {
            let cost = median(costs);
            let rate = messages as f64 / cost.wall.as_secs_f64();
            let cpu = cost.cpu.as_secs_f64() * 1e6 / messages as f64;
            println!(
                "{name:8} {client:28} {rate:>10.0} {:>8.2} {cpu:>14.1} {:>8.2}",
                ceiling.wall.as_secs_f64() / cost.wall.as_secs_f64(),
                cost.cpu.as_secs_f64() / ceiling.cpu.as_secs_f64(),
            );
        }
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        for queue in ["work", "dead_letter"] {
            channel.queue_delete(format!("{PREFIX}{queue}").into(), QueueDeleteOptions::default()).await?;
        }
    }
    Ok(())
}

async fn through_the_port(broker: &RabbitMq, messages: usize, bytes: usize) -> Result<Cost, Failure> {
    let mut consumer = broker.consume("work", PREFETCH).await?;
    let start = Start::now()?;
    let consuming = tokio::spawn(async move {
        for _ in 0..messages {
            let delivery = consumer.next().await.ok_or("the subscription ended")?;
            delivery.settle(Verdict::Ack).await?;
        }
        Ok::<_, Failure>(consumer)
    });
    let batches = (0..messages).step_by(BATCH).map(|first| {
        let batch = first..messages.min(first + BATCH);
        broker.publish(batch.map(|id| Message::new("work", id.to_string(), vec![b'x'; bytes])).collect())
    });
    // Two calls at a time: while the last of one are confirmed, the next begins.
    futures::stream::iter(batches).map(Ok).try_for_each_concurrent(2, |publishing| publishing).await?;
    let consumer = consuming.await??;
    let cost = start.cost()?;
    drop(consumer);
    Ok(cost)
}

async fn through_lapin(url: &str, messages: usize, bytes: usize, ack_every: usize) -> Result<Cost, Failure> {
    let queue = format!("{PREFIX}work");
    let publishing = Connection::connect(url, ConnectionProperties::default()).await?;
    let consuming = Connection::connect(url, ConnectionProperties::default()).await?;
    let (sender, receiver) = (publishing.create_channel().await?, consuming.create_channel().await?);
    sender.confirm_select(ConfirmSelectOptions::default()).await?;
    sender.queue_purge(queue.as_str().into(), QueuePurgeOptions::default()).await?;
    receiver.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let mut consumer = receiver.basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default()).await?;
    let start = Start::now()?;
    let consuming_task = tokio::spawn(async move {
        for number in 1..=messages {
            let delivery = consumer.next().await.ok_or("the subscription ended")??;
            if number % ack_every == 0 || number == messages {
                delivery.ack(BasicAckOptions { multiple: ack_every > 1 }).await?;
            }
        }
        Ok::<_, Failure>(())
    });
    let properties = BasicProperties::default().with_delivery_mode(2);
    let mut window = std::collections::VecDeque::new();
    for _ in 0..messages {
        if window.len() >= WINDOW
            && let Some(confirm) = window.pop_front()
        {
            let confirm: lapin::PublisherConfirm = confirm;
            confirm.await?;
        }
        let (body, options) = (vec![b'x'; bytes], BasicPublishOptions::default());
        let sent = sender.basic_publish("".into(), queue.as_str().into(), options, &body, properties.clone());
        window.push_back(sent.await?);
    }
    for confirm in window {
        confirm.await?;
    }
    consuming_task.await??;
    // Closed when RabbitMQ has taken the acknowledgements in.
    receiver.close(200, "done".into()).await?;
    let cost = start.cost()?;
    publishing.close(200, "done".into()).await?;
    consuming.close(200, "done".into()).await?;
    Ok(cost)
}

fn median(costs: &[Cost]) -> Cost {
    let middle = |key: fn(&Cost) -> Duration| {
        let mut sorted: Vec<Duration> = costs.iter().map(key).collect();
        sorted.sort_unstable();
        sorted[sorted.len() / 2]
    };
    Cost { wall: middle(|cost| cost.wall), cpu: middle(|cost| cost.cpu) }
}

/// The beginning of a round.
struct Start {
    at: Instant,
    cpu: Duration,
}

impl Start {
    fn now() -> Result<Self, Failure> {
        Ok(Self { at: Instant::now(), cpu: cpu()? })
    }

    fn cost(&self) -> Result<Cost, Failure> {
        Ok(Cost { wall: self.at.elapsed(), cpu: cpu()?.saturating_sub(self.cpu) })
    }
}

/// What this process has used so far; Linux only.
fn cpu() -> Result<Duration, Failure> {
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = |field: usize| after_name.split_whitespace().nth(field).unwrap_or_default().parse::<f64>();
    Ok(Duration::from_secs_f64((ticks(11)? + ticks(12)?) / TICKS_A_SECOND))
}
