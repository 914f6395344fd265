//! The `celery` crate as a peer: `rusty-celery-peer work`, or `rusty-celery-peer produce COUNT RATE`.
//!
//! BENCH_AMQP, BENCH_QUEUE, BENCH_PROBE. It stores no results and asks for no confirmations.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use celery::prelude::*;

/// Processor time of this process, from `/proc`, in seconds.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().expect("ticks")).sum::<f64>() / 100.0
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64()
}

fn hit(sent: f64) {
    static PROBE: OnceLock<File> = OnceLock::new();
    let probe = PROBE.get_or_init(|| {
        let path = std::env::var("BENCH_PROBE").expect("BENCH_PROBE");
        OpenOptions::new().append(true).open(path).expect("the probe")
    });
    (&mut &*probe).write_all(&(now() - sent).to_le_bytes()).expect("the probe takes hits");
}

#[celery::task(acks_late = true)]
async fn echo(t: f64, args: Vec<u32>, pad: String) -> TaskResult<usize> {
    hit(t);
    Ok(args.len() + pad.len())
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let queue = std::env::var("BENCH_QUEUE").expect("BENCH_QUEUE");
    let amqp = std::env::var("BENCH_AMQP").expect("BENCH_AMQP");
    let app = celery::app!(
        broker = AMQPBroker { amqp },
        tasks = [echo],
        task_routes = ["*" => &queue],
        prefetch_count = 64,
        acks_late = true,
    )
    .await
    .expect("RabbitMQ");
    if arguments[1] == "work" {
        app.consume_from(&[&queue]).await.expect("work");
        return;
    }
    let (count, rate): (u32, f64) = (arguments[2].parse().expect("a count"), arguments[3].parse().expect("a rate"));
    let (first, processor, started) = (now(), processor_seconds(), Instant::now());
    for number in 0..count {
        if rate > 0.0 {
            let due = started + Duration::from_secs_f64(f64::from(number) / rate);
            tokio::time::sleep_until(due.into()).await;
        }
        app.send_task(echo::new(now(), vec![1, 2, 3], "x".repeat(200))).await.expect("RabbitMQ takes a task");
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{}",
        serde_json::json!({
            "first": first, "count": count, "seconds": seconds, "processor_seconds": processor_seconds() - processor
        })
    );
    app.close().await.expect("RabbitMQ says goodbye");
}
