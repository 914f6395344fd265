//! What a crash of Postgres does to a process that uses it: errors for a while, and nothing else.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use ledger::postgres::{PostgresLedger, migrate};
use ledger::{Error, Ledger};
use protocol::RunState;

use crate::cluster::Cluster;
use crate::work::{done, records, submit};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_crash_of_postgres_work_goes_on_where_it_was() {
    let cluster = Cluster::start();
    migrate(&cluster.config()).await.unwrap();
    let ledger = PostgresLedger::connect(cluster.config()).await.unwrap();
    let lead = ledger.try_lead("sweeper").await.unwrap().unwrap();
    // Wide enough to be kept in memory between batches.
    let mut jobs = submit(&ledger, 2, Timestamp::now()).await;
    jobs = record(&ledger, &jobs[..1]).await.unwrap();

    cluster.crash();
    let start = Instant::now();
    assert!(record(&ledger, &jobs).await.is_err());
    assert!(ledger.admit(1, Timestamp::now()).await.is_err());
    assert!(start.elapsed() < Duration::from_secs(15), "callers are told soon");
    tokio::time::timeout(Duration::from_secs(5), lead.lost()).await.expect("the lead is lost with the connection");

    cluster.resume();
    let start = Instant::now();
    while !jobs.is_empty() {
        match record(&ledger, &jobs).await {
            Ok(ready) => jobs = ready,
            Err(error) => assert!(start.elapsed() < Duration::from_secs(20), "{error:?}"),
        }
    }
    assert!(ledger.try_lead("sweeper").await.unwrap().is_some());
    let records = records(&ledger).await;
    let ended: Vec<_> = records.iter().filter(|record| record.run.state == RunState::Succeeded).collect();
    assert_eq!((records.len(), ended.len()), (2, 1));
    assert_eq!(ended[0].usage.calls, 202, "list, children, sum: each once");
}

async fn record(ledger: &PostgresLedger, jobs: &[protocol::Job]) -> Result<Vec<protocol::Job>, Error> {
    let callbacks = jobs.iter().map(|job| done(job, 200)).collect();
    let applied = ledger.record(callbacks, Timestamp::now()).await?;
    Ok(applied.into_iter().flat_map(|applied| applied.jobs).collect())
}
