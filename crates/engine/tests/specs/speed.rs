//! How fast a wide run is recorded. Prints the number; a busy machine proves nothing.

use std::time::Instant;

use engine::{Event, apply_all};
use protocol::RunState;

use crate::harness::{Bench, done, list, map_workflow};

#[test]
fn ten_thousand_callbacks_of_one_run_are_recorded_in_batches() {
    const CHILDREN: u32 = 10_000;
    for batch in [1_usize, 512] {
        let mut bench = Bench::admitted(map_workflow());
        let begun = Instant::now();
        bench.finish("list", list(CHILDREN));
        let released = begun.elapsed();
        let children = &bench.run.tasks[3..];
        let events: Vec<Event> = children
            .iter()
            .map(|child| Event::Finished {
                task_run: child.id,
                attempt: 1,
                outcome: done(),
                worker: "w1".to_owned(),
                started_at: bench.now,
            })
            .collect();
        // One by one every event pays for reading the run again, so a part of them says enough.
        let part = if batch == 1 { 20 } else { events.len() };
        let begun = Instant::now();
        for batch in events[..part].chunks(batch) {
            apply_all(&mut bench.run, batch.iter().cloned(), bench.now);
        }
        println!("{CHILDREN} children: released in {released:?}; {part} callbacks by {batch} in {:?}", begun.elapsed());
        if part == events.len() {
            bench.finish("end", done());
            assert_eq!(bench.run.state, RunState::Succeeded);
        }
    }
}
