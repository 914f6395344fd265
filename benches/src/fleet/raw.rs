//! What the servers could do at best, spoken to directly: the ceilings that everybody is measured against.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use backends::stack::QueueKind;
use futures::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer};
use serde::Serialize;
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use super::ours::word;
use super::phases::Spread;
use super::servers::ServerProcesses;
use super::tasks::Parcel;
use super::{probe, procfs};

/// Messages that may be under way to the broker without its confirmation.
const WINDOW: usize = 256;

/// Messages that the broker hands out ahead.
const PREFETCH: u16 = 256;

/// Results of one statement.
const BATCH: usize = 100;

/// How long a batch that is not full waits for more.
const LINGER: Duration = Duration::from_millis(5);

/// How long messages may take before the measurement gives up.
const LIMIT: Duration = Duration::from_secs(60);

const LATENCY_RATE: f64 = 50.0;
const LATENCY_SECONDS: f64 = 5.0;

/// The least that a worker has to do per task: take a message, store a result, acknowledge.
#[derive(Clone, Debug, Serialize)]
pub struct Ceiling {
    /// Kind of queues.
    pub queue_type: String,
    /// Messages taken, stored and acknowledged, a second.
    pub per_s: f64,
    /// Processor time of one, of client and servers, its publication left out.
    pub cpu_us: f64,
    /// From publication to delivery at a low rate.
    pub delivery_ms: Spread,
}

/// A queue of its own; it is deleted by [`Bare::delete`].
struct Bare {
    connection: Connection,
    queue: String,
}

/// Measures the ceiling with that many messages, and delivery.
///
/// # Errors
/// When a server refuses or does not keep up.
pub async fn ceiling(
    amqp: &str,
    pool: &PgPool,
    servers: &ServerProcesses,
    queue_type: QueueKind,
    messages: u32,
) -> anyhow::Result<Ceiling> {
    let table = format!("bench_raw_{}", Uuid::now_v7().simple());
    let create = format!(
        "CREATE TABLE {table} (id uuid PRIMARY KEY, result jsonb NOT NULL, at timestamptz NOT NULL DEFAULT now())"
    );
    sqlx::query(AssertSqlSafe(create)).execute(pool).await?;
    let bare = Bare::declare(amqp, queue_type).await?;
    let measured = async {
        bare.publish(messages).await?;
        let (before, own, started) = (servers.seconds(), procfs::own_seconds(), Instant::now());
        bare.drain(pool, &table, messages).await?;
        let time = started.elapsed();
        let mut used = servers.seconds();
        for (name, used) in &mut used {
            *used -= before.get(name).copied().unwrap_or(0.0);
        }
        servers.without_rest(&mut used, time);
        let seconds = used.values().sum::<f64>() + procfs::own_seconds() - own;
        anyhow::Ok(Ceiling {
            queue_type: word(queue_type),
            per_s: f64::from(messages) / time.as_secs_f64(),
            cpu_us: seconds * 1e6 / f64::from(messages),
            delivery_ms: bare.delivery().await?,
        })
    };
    let measured = measured.await;
    sqlx::query(AssertSqlSafe(format!("DROP TABLE {table}"))).execute(pool).await?;
    bare.delete().await?;
    measured
}

impl Bare {
    async fn declare(amqp: &str, queue_type: QueueKind) -> anyhow::Result<Self> {
        let connection = Connection::connect(amqp, ConnectionProperties::default()).await?;
        let queue = format!("bench-raw-{}", Uuid::now_v7().simple());
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(word(queue_type).into()));
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        connection.create_channel().await?.queue_declare(queue.as_str().into(), options, arguments).await?;
        Ok(Self { connection, queue })
    }

    /// Publishes with confirms, a window under way.
    async fn publish(&self, messages: u32) -> anyhow::Result<()> {
        let channel = self.confirming().await?;
        let mut under_way = VecDeque::with_capacity(WINDOW);
        for _ in 0..messages {
            if under_way.len() == WINDOW {
                confirmed(under_way.pop_front()).await?;
            }
            under_way.push_back(self.send(&channel).await?);
        }
        while !under_way.is_empty() {
            confirmed(under_way.pop_front()).await?;
        }
        Ok(())
    }

    /// Takes everything: a batch, one statement, one acknowledgement.
    async fn drain(&self, pool: &PgPool, table: &str, messages: u32) -> anyhow::Result<()> {
        let insert = format!("INSERT INTO {table} (id, result) SELECT * FROM unnest($1::uuid[], $2::text[]::jsonb[])");
        let mut consumer = self.consumer(PREFETCH).await?;
        let mut left = messages as usize;
        while left > 0 {
            let mut results = Vec::with_capacity(BATCH);
            let mut last = None;
            let full = tokio::time::Instant::now() + LINGER;
            while results.len() < BATCH.min(left) {
                let next = if last.is_none() {
                    tokio::time::timeout(LIMIT, consumer.next()).await.ok()
                } else {
                    tokio::time::timeout_at(full, consumer.next()).await.ok()
                };
                let Some(delivery) = next else { break };
                let delivery = delivery.context("the consumer was closed")??;
                results.push(String::from_utf8(delivery.data.clone())?);
                last = Some(delivery);
            }
            let last = last.context("nothing came")?;
            let ids: Vec<Uuid> = results.iter().map(|_| Uuid::now_v7()).collect();
            left -= results.len();
            sqlx::query(AssertSqlSafe(insert.clone())).bind(ids).bind(results).execute(pool).await?;
            last.acker.ack(BasicAckOptions { multiple: true }).await?;
        }
        Ok(())
    }

    /// From publication to delivery, at a low rate.
    async fn delivery(&self) -> anyhow::Result<Spread> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few hundred")]
        let messages = (LATENCY_RATE * LATENCY_SECONDS) as u32;
        let mut consumer = self.consumer(PREFETCH).await?;
        let publishing = async {
            let channel = self.confirming().await?;
            let started = tokio::time::Instant::now();
            for number in 0..messages {
                tokio::time::sleep_until(started + Duration::from_secs_f64(f64::from(number) / LATENCY_RATE)).await;
                confirmed(Some(self.send(&channel).await?)).await?;
            }
            anyhow::Ok(())
        };
        let consuming = async {
            let mut waited = Vec::new();
            while waited.len() < messages as usize {
                let delivery = tokio::time::timeout(LIMIT, consumer.next()).await?;
                let delivery = delivery.context("the consumer was closed")??;
                let parcel: Parcel = serde_json::from_slice(&delivery.data)?;
                waited.push(probe::now() - parcel.t);
                delivery.ack(BasicAckOptions::default()).await?;
            }
            anyhow::Ok(waited)
        };
        let ((), waited) = tokio::try_join!(publishing, consuming)?;
        Spread::of(waited).context("nothing was delivered")
    }

    async fn delete(self) -> anyhow::Result<()> {
        let channel = self.connection.create_channel().await?;
        channel.queue_delete(self.queue.as_str().into(), QueueDeleteOptions::default()).await?;
        self.connection.close(200, "bye".into()).await?;
        Ok(())
    }

    async fn confirming(&self) -> anyhow::Result<Channel> {
        let channel = self.connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(channel)
    }

    async fn consumer(&self, prefetch: u16) -> anyhow::Result<Consumer> {
        let channel = self.connection.create_channel().await?;
        channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
        let (queue, options) = (self.queue.as_str().into(), BasicConsumeOptions::default());
        Ok(channel.basic_consume(queue, "".into(), options, FieldTable::default()).await?)
    }

    async fn send(&self, channel: &Channel) -> anyhow::Result<impl Future<Output = lapin::Result<Confirmation>>> {
        let persistent = BasicProperties::default()
            .with_delivery_mode(2)
            .with_content_type("application/json".into())
            .with_message_id(Uuid::now_v7().to_string().into());
        let body = serde_json::to_vec(&Parcel::now())?;
        let queue = self.queue.as_str().into();
        Ok(channel.basic_publish("".into(), queue, BasicPublishOptions::default(), &body, persistent).await?)
    }
}

async fn confirmed(confirm: Option<impl Future<Output = lapin::Result<Confirmation>>>) -> anyhow::Result<()> {
    if let Some(confirm) = confirm {
        ensure!(confirm.await?.is_ack(), "the broker refused a message");
    }
    Ok(())
}
