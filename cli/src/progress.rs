//! Progress per stage, for a person at a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use protocol::{Lifecycle, LifecycleEvent};

/// One line per finished stage and a spinner for what is under way.
pub(crate) struct Progress {
    bar: ProgressBar,
    last: String,
}

impl Progress {
    /// Draws on standard error if `visible`; otherwise shows nothing.
    pub(crate) fn new(visible: bool) -> Self {
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("  {spinner} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar, last: String::new() }
    }

    /// Shows what happened.
    pub(crate) fn show(&mut self, event: &Lifecycle) {
        let task = event.task.as_deref().unwrap_or("run");
        let again = match event.attempt {
            Some(attempt) if attempt > 1 => format!(" (attempt {attempt})"),
            _ => String::new(),
        };
        match &event.event {
            LifecycleEvent::Started => {
                self.last.clear();
                self.bar.set_message(format!("{task}{again}"));
            }
            LifecycleEvent::Progress { done, total, message } => {
                self.last.clone_from(message);
                let share = if *total > 1 { format!(" {done}/{total}") } else { String::new() };
                self.bar.set_message(format!("{task}{again}{share} {message}"));
            }
            LifecycleEvent::Log { level, message } if level == "warn" || level == "error" => {
                self.bar.println(format!("  ! {task}: {message}"));
            }
            LifecycleEvent::Ended { state, ms } => {
                let mark = if state == "succeeded" { "✓" } else { "✗" };
                let word = if state == "succeeded" { self.last.as_str() } else { state.as_str() };
                self.bar.println(format!("  {mark} {task:<18}{ms:>7} ms  {word}{again}"));
            }
            LifecycleEvent::Log { .. } | LifecycleEvent::RunEnded { .. } => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
