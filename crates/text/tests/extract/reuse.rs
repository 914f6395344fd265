//! Children that read several documents.

use std::collections::BTreeSet;

use text::Limits;

use super::hostile::{mark, pids};
use super::*;

/// An extractor with one child at a time, which reads so many documents, and the mark of its children.
fn reusing(name: &str, documents: u32, limits: Limits) -> (Extractor, String) {
    let mut config = Config { documents_per_child: documents, children: 1, limits, ..config() };
    let mark = mark(&mut config, name);
    (Extractor::new(config), mark)
}

async fn read_invoice(extractor: &Extractor) {
    let source = Source::file(repository().join("examples/invoice.pdf"));
    let read = extractor.extract(&source).await.unwrap();
    assert!(read.document.text().contains("NI-2026-00417"));
}

#[tokio::test]
async fn a_child_reads_as_many_documents_as_it_may_and_then_another_takes_its_place() {
    let (extractor, mark) = reusing("as-many", 3, Limits::default());
    let mut children = Vec::new();
    for read in 1..=6 {
        read_invoice(&extractor).await;
        if read % 3 == 0 {
            eventually("the end of a child that has read three", || pids(&mark).is_empty()).await;
        } else {
            children.extend(pids(&mark));
        }
    }
    assert_eq!(children.len(), 4, "one at a time: {children:?}");
    assert_eq!(BTreeSet::from_iter(children).len(), 2);
}

#[tokio::test]
async fn a_hostile_document_takes_its_child_with_it_and_nothing_else() {
    let bomb = (pdf::flate_bomb(" ", 400 << 20), Limit::MemoryBytes(256 << 20));
    let endless = (pdf::billion_forms(), Limit::CpuSeconds(1));
    for (number, (bytes, limit)) in [bomb, endless].into_iter().enumerate() {
        let limits = match limit {
            Limit::MemoryBytes(memory_bytes) => Limits { memory_bytes, ..Limits::default() },
            _ => Limits { cpu_seconds: 1, ..Limits::default() },
        };
        let (extractor, mark) = reusing(&format!("hostile-{number}"), 100, limits);
        let (_folder, hostile) = written("hostile.pdf", &bytes);
        read_invoice(&extractor).await;
        let before = pids(&mark);
        let error = extractor.extract(&hostile).await.unwrap_err();
        assert_eq!(error, Error::TooComplex { limit, page: Some(1) });
        read_invoice(&extractor).await;
        let after = pids(&mark);
        assert!(before.len() == 1 && after.len() == 1 && before != after, "{before:?} {after:?}");
    }
}

#[tokio::test]
async fn documents_that_cannot_be_read_say_the_same_whatever_was_read_before() {
    let (extractor, _) = reusing("unreadable", 100, Limits::default());
    let (_folder, corrupt) = written("a.pdf", b"%PDF-1.7 and no more");
    for _ in 0..2 {
        read_invoice(&extractor).await;
        let locked = extractor.extract(&fixture("encrypted-rc4.pdf")).await.unwrap_err();
        assert_eq!(locked, Error::Encrypted(Protection::PasswordNeeded));
        read_invoice(&extractor).await;
        assert_eq!(extractor.extract(&corrupt).await.unwrap_err().code(), "file_corrupt");
    }
}

#[tokio::test]
async fn each_document_has_the_processor_time_to_itself() {
    let limits = Limits { cpu_seconds: 1, ..Limits::default() };
    let (extractor, mark) = reusing("processor", 10_000, limits);
    read_invoice(&extractor).await;
    let child = pids(&mark);
    let started = Instant::now();
    while processor_seconds(child[0]) < 1.5 {
        assert!(started.elapsed() < Duration::from_secs(50), "reading takes next to no time");
        read_invoice(&extractor).await;
    }
    read_invoice(&extractor).await;
    assert_eq!(pids(&mark), child, "it is still the same child");
}

#[tokio::test]
async fn a_child_that_died_while_it_waited_costs_no_document() {
    let (extractor, mark) = reusing("died", 100, Limits::default());
    read_invoice(&extractor).await;
    let pid = rustix::process::Pid::from_raw(pids(&mark)[0]).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    read_invoice(&extractor).await;
    eventually("one child", || pids(&mark).len() == 1).await;
}

#[tokio::test]
async fn children_that_wait_end_with_their_extractor() {
    let (extractor, mark) = reusing("extractor", 100, Limits::default());
    read_invoice(&extractor).await;
    assert_eq!(pids(&mark).len(), 1);
    drop(extractor);
    eventually("the end of the child", || pids(&mark).is_empty()).await;
}

/// User and system time of a process.
fn processor_seconds(pid: i32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}
