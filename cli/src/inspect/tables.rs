//! What is shown to people.

use std::fmt::Write;

use comfy_table::{CellAlignment, ColumnConstraint, Table};
use protocol::Timestamp;
use protocol::operations::{ActiveTasks, DeadLetters, Queues, ScheduledTasks, TaskPlace, Waiting, Workers};

use crate::table::new_table;

/// Longest reason that is shown in a table, in characters.
const REASON: usize = 160;

pub(super) fn workers(answer: &Workers) -> String {
    if answer.workers.is_empty() {
        return "no process has shown itself in the last seconds\n".to_owned();
    }
    let mut table = new_table(&["role", "host", "pid", "queues", "running", "up", "version", "state"]);
    for process in &answer.workers {
        let running = match process.concurrency {
            0 => "–".to_owned(),
            concurrency => format!("{} of {concurrency}", process.in_flight),
        };
        table.add_row([
            process.role.clone(),
            process.host.clone(),
            process.pid.to_string(),
            if process.queues.is_empty() { "–".to_owned() } else { process.queues.join(", ") },
            running,
            since(process.started_at),
            process.version.clone(),
            if process.draining { "draining" } else { "at work" }.to_owned(),
        ]);
    }
    finish(table, &[2, 4, 5])
}

pub(super) fn queues(answer: &Queues) -> String {
    let mut table = new_table(&["queue", "ready", "unacked", "running", "consumers", "oldest"]);
    for queue in &answer.queues {
        table.add_row([
            queue.name.clone(),
            queue.ready.to_string(),
            queue.unacked.map_or_else(|| "–".to_owned(), |unacked| unacked.to_string()),
            queue.running.to_string(),
            queue.consumers.to_string(),
            queue.oldest_age_seconds.map_or_else(|| "–".to_owned(), span),
        ]);
    }
    finish(table, &[1, 2, 3, 4, 5])
}

pub(super) fn active(answer: &ActiveTasks) -> String {
    if answer.tasks.is_empty() {
        return "nothing is in hand\n".to_owned();
    }
    let mut table = new_table(&["run", "task", "queue", "attempt", "state", "since", "worker"]);
    for task in &answer.tasks {
        table.add_row([
            task.place.run_id.to_string(),
            name(&task.place),
            task.place.queue.clone(),
            task.place.attempt.to_string(),
            task.state.as_str().to_owned(),
            since(task.started_at.unwrap_or(task.queued_at)),
            task.worker.clone().unwrap_or_else(|| "–".to_owned()),
        ]);
    }
    finish(table, &[3, 5])
}

pub(super) fn scheduled(answer: &ScheduledTasks) -> String {
    if answer.tasks.is_empty() {
        return "nothing waits for a timer\n".to_owned();
    }
    let mut table = new_table(&["run", "task", "due in", "why", "attempt", "failures", "error"]);
    for task in &answer.tasks {
        let error = task.error.as_ref().map(|error| short(&format!("{}: {}", error.code, error.message)));
        table.add_row([
            task.place.run_id.to_string(),
            name(&task.place),
            span(Timestamp::now().duration_until(task.due_at).as_secs_f64()),
            match task.reason {
                Waiting::Retry => "retry",
                Waiting::Snooze => "snooze",
            }
            .to_owned(),
            task.place.attempt.to_string(),
            task.failures.to_string(),
            error.unwrap_or_default(),
        ]);
    }
    finish(table, &[2, 4, 5])
}

pub(super) fn dead_letters(answer: &DeadLetters) -> String {
    if answer.dead_letters.is_empty() {
        return "there are no dead letters\n".to_owned();
    }
    let mut table = new_table(&["id", "queue", "deliveries", "died", "reason"]);
    for letter in &answer.dead_letters {
        let unknown = || "–".to_owned();
        table.add_row([
            letter.id.clone(),
            letter.queue.clone().unwrap_or_else(unknown),
            letter.deliveries.map_or_else(unknown, |deliveries| deliveries.to_string()),
            letter.died_at.map_or_else(unknown, |at| format!("{} ago", since(at))),
            letter.reason.as_deref().map_or_else(unknown, short),
        ]);
    }
    let mut text = finish(table, &[2]);
    if answer.next.is_some() {
        let _ = writeln!(text, "there are more; --limit shows up to 1000");
    }
    text
}

fn name(place: &TaskPlace) -> String {
    match place.index {
        Some(index) => format!("{}[{index}]", place.task),
        None => place.task.clone(),
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(REASON) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn since(moment: Timestamp) -> String {
    span(moment.duration_until(Timestamp::now()).as_secs_f64())
}

/// A time span in the largest unit that has at least two of it: `95 s`, `3 min`, `47 h`.
fn span(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    match seconds {
        ..10.0 => format!("{seconds:.1} s"),
        ..120.0 => format!("{seconds:.0} s"),
        ..7_200.0 => format!("{:.0} min", seconds / 60.0),
        ..172_800.0 => format!("{:.0} h", seconds / 3_600.0),
        _ => format!("{:.0} d", seconds / 86_400.0),
    }
}

/// The table as text, with these columns to the right. The first column is never broken: it is there to be copied.
fn finish(mut table: Table, numbers: &[usize]) -> String {
    if let Some(column) = table.column_mut(0) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    for column in numbers {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{table}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_are_short() {
        let spans = [-1.0, 0.25, 95.0, 180.0, 169_200.0, 864_000.0].map(span);
        assert_eq!(spans, ["0.0 s", "0.2 s", "95 s", "3 min", "47 h", "10 d"]);
    }

    #[test]
    fn what_is_empty_is_said_in_words() {
        assert!(active(&ActiveTasks { tasks: Vec::new() }).contains("nothing"));
        assert!(dead_letters(&DeadLetters { dead_letters: Vec::new(), next: None }).contains("no dead letters"));
    }
}
