//! How much one attempt may tell about itself, so that no handler fills the record of its run.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use protocol::LifecycleEvent;
use tokio::time::Instant;

/// Most log lines of one attempt.
const MOST_LINES: u32 = 1_000;

/// Longest message, in characters.
const LONGEST: usize = 2_000;

/// Reports of progress come no faster than this; those that say that everything is done come at once.
const EVERY: Duration = Duration::from_millis(200);

/// Most reports of one attempt that everything is done.
const MOST_COMPLETIONS: u32 = 100;

/// What one attempt has told so far.
#[derive(Debug, Default)]
pub(crate) struct Restraint(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    lines: u32,
    completions: u32,
    progress: Option<Instant>,
}

impl Restraint {
    /// A line for the run's log, unless there were too many; the last one says so.
    pub(crate) fn line(&self, level: &str, message: String) -> Option<LifecycleEvent> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.lines = told.lines.saturating_add(1);
        let (level, message) = match told.lines {
            ..MOST_LINES => (level, shortened(message)),
            MOST_LINES => ("warn", format!("this attempt has logged {MOST_LINES} lines; further ones are left out")),
            _ => return None,
        };
        Some(LifecycleEvent::Log { level: level.to_owned(), message })
    }

    /// A report of progress, unless one was made a moment ago.
    pub(crate) fn progress(&self, done: u64, total: u64, message: String) -> Option<LifecycleEvent> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let complete = total > 0 && done >= total && told.completions < MOST_COMPLETIONS;
        if !complete && told.progress.is_some_and(|last| now.duration_since(last) < EVERY) {
            return None;
        }
        told.completions += u32::from(complete);
        told.progress = Some(now);
        Some(LifecycleEvent::Progress { done, total, message: shortened(message) })
    }
}

fn shortened(message: String) -> String {
    match message.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_talkative_attempt_is_cut_off_with_a_last_word() {
        let restraint = Restraint::default();
        let lines: Vec<_> = (0..5_000).filter_map(|at| restraint.line("info", format!("line {at}"))).collect();
        assert_eq!(lines.len(), MOST_LINES as usize);
        let Some(LifecycleEvent::Log { level, message }) = lines.last() else { panic!("{lines:?}") };
        assert_eq!(level, "warn");
        assert!(message.contains("left out"), "{message}");
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let Some(LifecycleEvent::Log { message, .. }) = Restraint::default().line("info", "ß".repeat(9_000)) else {
            panic!("no line")
        };
        assert_eq!(message.chars().count(), LONGEST + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn progress_is_reported_now_and_then_and_always_when_everything_is_done() {
        let restraint = Restraint::default();
        let mut reported = Vec::new();
        for page in 0..=1_000_u64 {
            reported.extend(restraint.progress(page, 1_000, String::new()));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        let done = |event: &LifecycleEvent| match event {
            LifecycleEvent::Progress { done, .. } => *done,
            other => panic!("{other:?}"),
        };
        assert_eq!(reported.iter().map(done).collect::<Vec<_>>(), [0, 200, 400, 600, 800, 1_000]);
        let endless = (0..1_000).filter_map(|_| restraint.progress(1, 1, String::new())).count();
        assert!(endless < 110, "{endless}");
    }
}
