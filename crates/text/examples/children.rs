//! What children cost that read one document each, and what those cost that read several.
//!
//! `cargo run --release -p text --example children -- PROGRAM DOCUMENT TIMES`, where the program is one that is its own
//! child, such as `worker`. Prints wall and processor time for one document.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement on the command line")]

use std::time::{Duration, Instant};

use text::{CHILD_ARGUMENT, ChildCommand, Config, Extractor, Source};

/// How many documents a child may read, in the order of measuring. Twice, to see how much the machine wavers.
const DOCUMENTS_PER_CHILD: [u32; 8] = [1, 4, 16, 64, 1, 4, 16, 64];

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program, document, times] = arguments.as_slice() else { panic!("give PROGRAM DOCUMENT TIMES") };
    let (source, times) = (Source::file(document), times.parse::<u32>().unwrap());
    println!("documents per child | wall | processor time of children");
    println!("---|---|---");
    for documents_per_child in DOCUMENTS_PER_CHILD {
        let child = ChildCommand { program: program.into(), arguments: vec![CHILD_ARGUMENT.to_owned()] };
        let config = Config { child, documents_per_child, children: 1, ..Config::discover().unwrap() };
        let extractor = Extractor::new(config);
        let (started, used) = (Instant::now(), of_children());
        for _ in 0..times {
            extractor.extract(&source).await.unwrap();
        }
        let wall = started.elapsed();
        drop(extractor);
        // Children that were killed count once they are gone.
        tokio::time::sleep(Duration::from_millis(500)).await;
        println!("{documents_per_child} | {:.2?} | {:.2?}", wall / times, (of_children() - used) / times);
    }
}

/// Processor time of the children that have ended, user and system.
fn of_children() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = fields[13].parse::<u32>().unwrap() + fields[14].parse::<u32>().unwrap();
    Duration::from_millis(10) * ticks
}
