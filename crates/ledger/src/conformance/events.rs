//! What was told about runs, and how readers follow it.

use std::sync::Arc;

use jiff::Timestamp;
use protocol::message::WIRE_VERSION;
use protocol::{Job, Lifecycle, LifecycleEvent, RunEvent, RunId, RunState, TenantId};
use serde_json::json;

use super::kit::{Subject, at, done, record, single, start, start_many, tenant};

/// How many processes record at once, and how many batches of how many events each of them.
const WRITERS: usize = 8;
const BATCHES: usize = 25;
const BATCH: usize = 4;

fn told(job: &Job, event: LifecycleEvent, at: Timestamp) -> Lifecycle {
    Lifecycle {
        v: WIRE_VERSION,
        run_id: job.run_id,
        tenant: job.tenant.clone(),
        task_run_id: Some(job.task_run_id),
        task: Some(job.task.clone()),
        attempt: Some(job.attempt),
        worker: "worker-1".to_owned(),
        at,
        event,
    }
}

fn line(job: &Job, message: impl Into<String>, at: Timestamp) -> Lifecycle {
    told(job, LifecycleEvent::Log { level: "info".to_owned(), message: message.into() }, at)
}

fn progress(job: &Job, done: u64, at: Timestamp) -> Lifecycle {
    told(job, LifecycleEvent::Progress { done, total: 3, message: format!("page {done}") }, at)
}

fn end_of_run(job: &Job, at: Timestamp) -> Lifecycle {
    let event = LifecycleEvent::RunEnded { state: RunState::Succeeded };
    Lifecycle { task_run_id: None, task: None, attempt: None, worker: "fleet".to_owned(), ..told(job, event, at) }
}

async fn page(ledger: &Subject, run: RunId, after: u64, limit: usize) -> Vec<RunEvent> {
    let found = ledger.events(&TenantId::default_tenant(), run, after, limit).await.expect("read");
    found.expect("the run is known").events
}

/// Several batches, several runs, small pages: each run's events come whole, and every field comes back as it was.
pub async fn what_was_told_is_read_in_order_page_after_page(ledger: Subject) {
    let (runs, jobs) = start_many(&ledger, &single(), 2).await;
    let exact: Timestamp = "2026-01-01T00:00:01.123456789Z".parse().unwrap();
    let ended = LifecycleEvent::Ended { state: "succeeded".to_owned(), ms: 7 };
    let ours = [
        told(&jobs[0], LifecycleEvent::Started, exact),
        line(&jobs[0], "a NUL \u{0}, a quote \" and a line\nbreak", at(2)),
        progress(&jobs[0], 3, at(3)),
        told(&jobs[0], ended, at(4)),
        end_of_run(&jobs[0], at(5)),
    ];
    for event in &ours {
        let theirs = line(&jobs[1], "of the other run", event.at);
        ledger.record_events(&[event.clone(), theirs], at(10)).await.unwrap();
    }
    ledger.record_events(&[], at(10)).await.unwrap();

    let mut seen = Vec::new();
    let mut after = 0;
    loop {
        let events = page(&ledger, runs[0], after, 2).await;
        let Some(last) = events.last() else { break };
        assert!(events.len() <= 2);
        after = last.seq;
        seen.extend(events);
    }
    assert!(seen.is_sorted_by(|one, other| one.seq < other.seq), "{seen:?}");
    let expected = seen.iter().zip(ours).map(|(seen, told)| RunEvent::numbered(seen.seq, told)).collect::<Vec<_>>();
    assert_eq!(seen.len(), 5);
    assert_eq!(seen, expected);
    assert_eq!(page(&ledger, runs[1], 0, 100).await.len(), 5);
    assert!(page(&ledger, runs[0], u64::MAX, 100).await.is_empty());
}

/// A worker that died between telling and acknowledging tells again; a busy handler reports more often than anybody
/// reads.
pub async fn of_a_batch_nothing_is_kept_twice_and_the_end_comes_last(ledger: Subject) {
    let (run, jobs) = start(&ledger, &single()).await;
    let job = &jobs[0];
    let batch = [
        end_of_run(job, at(9)),
        line(job, "once", at(1)),
        progress(job, 1, at(2)),
        line(job, "once", at(1)),
        progress(job, 2, at(3)),
        line(job, "once", at(4)),
        progress(job, 3, at(5)),
    ];
    ledger.record_events(&batch, at(10)).await.unwrap();

    let kept: Vec<_> = page(&ledger, run, 0, 100).await.into_iter().map(|event| (event.at, event.what)).collect();
    let expected = [&batch[1], &batch[5], &batch[6], &batch[0]].map(|event| (event.at, event.event.clone()));
    assert_eq!(kept, expected);
}

/// A reader goes on after the highest number that it has seen; nothing may appear below it.
pub async fn a_reader_misses_no_event_however_many_record_at_once(ledger: Subject) {
    let (run, jobs) = start(&ledger, &single()).await;
    let job = Arc::new(jobs[0].clone());
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (ledger, job) = (Arc::clone(&ledger), Arc::clone(&job));
            tokio::spawn(async move {
                for batch in 0..BATCHES {
                    let events: Vec<_> =
                        (0..BATCH).map(|place| line(&job, format!("{writer}.{batch}.{place}"), at(1))).collect();
                    ledger.record_events(&events, at(1)).await.expect("recorded");
                }
            })
        })
        .collect();
    let mut followed = Vec::new();
    while followed.len() < WRITERS * BATCHES * BATCH {
        let after = followed.last().map_or(0, |event: &RunEvent| event.seq);
        let news = page(&ledger, run, after, 1_000).await;
        if news.is_empty() && writers.iter().all(tokio::task::JoinHandle::is_finished) {
            // What came between the read and this look is read once more.
            let rest = page(&ledger, run, after, 1_000).await;
            assert!(!rest.is_empty(), "only {} events were seen", followed.len());
            followed.extend(rest);
        }
        followed.extend(news);
    }
    for writer in writers {
        writer.await.expect("the writer came to its end");
    }
    assert_eq!(followed, page(&ledger, run, 0, 10_000).await);
}

/// Knowing an id is not enough, and the state is of the same moment as the events.
pub async fn events_are_shown_to_their_tenant_with_where_the_run_stands(ledger: Subject) {
    let (run, jobs) = start(&ledger, &single()).await;
    ledger.record_events(&[line(&jobs[0], "at work", at(1))], at(1)).await.unwrap();
    let ours = TenantId::default_tenant();

    assert_eq!(ledger.events(&tenant("theirs"), run, 0, 10).await.unwrap(), None);
    assert_eq!(ledger.events(&ours, RunId::new(), 0, 10).await.unwrap(), None);
    let before = ledger.events(&ours, run, 0, 10).await.unwrap().unwrap();
    assert_eq!((before.state, before.ended_at, before.events.len()), (RunState::Running, None, 1));
    record(&ledger, vec![done(&jobs[0], json!(1))], at(5)).await;
    let after = ledger.events(&ours, run, before.events[0].seq, 10).await.unwrap().unwrap();
    assert_eq!((after.state, after.ended_at, after.events.len()), (RunState::Succeeded, Some(at(5)), 0));
}
