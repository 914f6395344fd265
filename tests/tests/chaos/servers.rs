//! Servers that crash and come back, and a network that fails.

use protocol::Payload;
use specs::Servers;
use specs::chain::Load;

use crate::cluster::Cluster;
use crate::crowd::{BOOKKEEPING, Crowd, quick};
use crate::private::{RabbitMq, Redis, S3};
use crate::proxy::Proxy;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rabbitmq_crashes_and_comes_back() {
    let mut rabbitmq = RabbitMq::start().await;
    let crowd = Crowd::at(Servers { amqp: rabbitmq.url(), ..Servers::shared() }).await;
    let mut processes = crowd.start(&BOOKKEEPING).await;
    processes.append(&mut crowd.start(&["spec-worker"]).await);
    crowd.submit(quick(20)).await;
    crowd.all_run().await;
    crowd.until_done(30).await;

    let blow = crowd.blow("RabbitMQ kill -9 and start").await;
    rabbitmq.kill();
    rabbitmq.start_again().await;
    blow.is_over();
    crowd.recovers(blow).await;
    crowd.stop(processes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_crashes_and_comes_back() {
    let postgres = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let crowd = Crowd::at(Servers { postgres: postgres.config().url, ..Servers::shared() }).await;
    let mut processes = crowd.start(&BOOKKEEPING).await;
    processes.append(&mut crowd.start(&["spec-worker"]).await);
    crowd.submit(quick(20)).await;
    crowd.all_run().await;
    crowd.until_done(30).await;

    let blow = crowd.blow("Postgres crash and start").await;
    postgres.crash();
    postgres.resume();
    blow.is_over();
    crowd.recovers(blow).await;
    crowd.stop(processes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_crashes_and_comes_back_empty() {
    let mut redis = Redis::start().await;
    let crowd = Crowd::at(Servers { redis: redis.url(), ..Servers::shared() }).await;
    let mut processes = crowd.start(&BOOKKEEPING).await;
    processes.append(&mut crowd.start(&["spec-worker"]).await);
    crowd.submit(quick(20)).await;
    crowd.all_run().await;
    crowd.until_done(30).await;

    let blow = crowd.blow("Redis kill -9 and start").await;
    redis.kill();
    // Work goes on without it.
    crowd.until_done(300).await;
    redis.start_again().await;
    blow.is_over();
    crowd.recovers(blow).await;
    crowd.stop(processes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_object_store_crashes_and_comes_back() {
    let mut store = S3::start().await;
    let crowd = Crowd::at(Servers { s3_endpoint: Some(store.endpoint()), ..Servers::shared() }).await;
    let mut processes = crowd.start(&BOOKKEEPING).await;
    processes.append(&mut crowd.start(&["spec-worker"]).await);
    crowd.submit(Load { ms: 20, bytes: Payload::INLINE_LIMIT + 1 }).await;
    crowd.all_run().await;
    crowd.until_done(30).await;

    let blow = crowd.blow("S3 kill -9 and start").await;
    store.kill();
    store.start_again().await;
    blow.is_over();
    crowd.recovers(blow).await;
    crowd.stop(processes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_cut_amid_publishing_and_consuming() {
    let servers = Servers::shared();
    let proxy = Proxy::start(&servers.amqp).await;
    let crowd = Crowd::at(Servers { amqp: proxy.url.clone(), ..servers }).await;
    let mut processes = crowd.start(&BOOKKEEPING).await;
    processes.append(&mut crowd.start(&["spec-worker"]).await);
    crowd.submit(quick(20)).await;
    crowd.all_run().await;
    crowd.until_done(30).await;

    let blow = crowd.blow("all broker connections cut, five times").await;
    for cut in 1..=5 {
        proxy.cut();
        // Each the next time that work is under way again.
        crowd.until_done(30 + 200 * cut).await;
    }
    crowd.recovers(blow).await;
    crowd.stop(processes).await;
}
