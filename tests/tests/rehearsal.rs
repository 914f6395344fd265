//! The rehearsal of a migration from Celery, as `docs/migrating-from-celery.md` walks through it: workers of ours join those of
//! Python on their queues, Python's leave, and come back, under a load that never stops.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where it stopped")]

#[path = "rehearsal/stage.rs"]
mod stage;

use std::time::{Duration, Instant};

use specs::peer::Peer;
use stage::{Memory, Stage};

/// How many tasks have to be done before the next change: enough for every kind to have had its turn.
const SOME: u64 = 60;

#[tokio::test(flavor = "multi_thread")]
async fn python_workers_are_replaced_and_brought_back_under_load_and_no_task_is_lost_or_recorded_twice() {
    let begun = Instant::now();
    let stage = Stage::take();
    let mut memory = Memory::default();

    // As it was: seven kinds of workers.
    let mut python = stage.seven().await;
    let mut load = stage.load();
    stage.more_done(SOME).await;
    let seven = memory.weigh("seven Python workers", &python, &[]);

    // Ours join.
    let rust = vec![stage.rust("rust-1").await, stage.rust("rust-2").await];
    stage.done_by("rust-", SOME).await;
    memory.weigh("two Rust workers joined", &python, &rust);

    // One is killed in the middle of its work, the others leave as they are told to, one by one.
    let killed = python.iter().position(|worker| worker.name == "file_processing").unwrap();
    stage.something_in_hand("file_processing").await;
    python.remove(killed).kill();
    stage.more_done(SOME / 2).await;
    memory.weigh("one killed", &python, &rust);
    while let Some(mut leaving) = python.pop() {
        leaving.drain();
        assert!(leaving.ended().await.success(), "{} was not let go:\n{}", leaving.name, leaving.log());
        stage.more_done(SOME / 4).await;
        if python.len() == 3 {
            memory.weigh("three Python workers left", &python, &rust);
        }
    }
    stage.more_done(SOME).await;
    let two = memory.weigh("two Rust workers alone", &python, &rust);

    // The way back.
    python = stage.seven().await;
    memory.weigh("Python back", &python, &rust);
    for mut leaving in rust {
        leaving.drain();
        assert!(leaving.ended().await.success(), "{} was not let go:\n{}", leaving.name, leaving.log());
        stage.more_done(SOME / 4).await;
    }
    let before = stage.count_done_by("rust-");
    stage.more_done(SOME).await;
    memory.weigh("seven Python workers again", &python, &[]);
    assert_eq!(stage.count_done_by("rust-"), before, "nobody is left who could have done it");

    let sent = stage.stop(&mut load).await;
    stage.all_have_come_to(&sent, Duration::from_secs(60)).await;
    python.iter().for_each(Peer::drain);
    for worker in &mut python {
        assert!(worker.ended().await.success(), "{}", worker.log());
    }
    stage.nothing_is_left().await;

    println!("{}", memory.table(&sent, begun.elapsed()));
    assert!(two * 4 < seven, "two Rust workers take {two} bytes, seven of Python {seven}");
}
