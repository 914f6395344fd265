//! Progress per stage, for a person at a terminal.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use protocol::{LifecycleEvent, RunEvent, TaskRunId};

/// A bar for each stage under way, and a line for each that has ended.
pub(crate) struct Progress {
    bars: MultiProgress,
    stages: HashMap<String, Stage>,
}

/// A stage that has begun.
struct Stage {
    bar: ProgressBar,
    /// What it said last.
    last: String,
    /// More than one where a list is worked on item by item.
    task_runs: HashSet<TaskRunId>,
    ended: u64,
}

impl Progress {
    /// Draws on standard error if `visible`; otherwise shows nothing.
    pub(crate) fn new(visible: bool) -> Self {
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { bars: MultiProgress::with_draw_target(target), stages: HashMap::new() }
    }

    /// Shows what happened.
    pub(crate) fn show(&mut self, event: &RunEvent) {
        let Some(task) = event.task.clone() else { return };
        let again = match event.attempt {
            Some(attempt) if attempt > 1 => format!(" (attempt {attempt})"),
            _ => String::new(),
        };
        let bars = &self.bars;
        let stage = self.stages.entry(task.clone()).or_insert_with(|| Stage::begin(bars, &task));
        stage.task_runs.extend(event.task_run_id);
        let items = stage.task_runs.len() as u64;
        if stage.bar.is_finished() && (items > 1 || event.what == LifecycleEvent::Started) {
            // Tried again, or one of many.
            stage.bar.reset();
        }
        match &event.what {
            LifecycleEvent::Started if items == 1 => {
                stage.last.clear();
                stage.bar.set_message(again);
            }
            LifecycleEvent::Progress { done, total, message } if items == 1 => {
                stage.last.clone_from(message);
                if *total > 1 {
                    stage.count(*done, *total);
                }
                stage.bar.set_message(format!("{message}{again}"));
            }
            LifecycleEvent::Log { level, message } if level == "warn" || level == "error" => {
                // The bars are gone when they cannot be drawn: then nobody reads this either.
                let _ = bars.println(format!("  ! {task}: {message}"));
            }
            LifecycleEvent::Ended { state, ms } => {
                let succeeded = state == "succeeded";
                stage.ended += u64::from(succeeded);
                if items > 1 {
                    stage.count(stage.ended, items);
                } else {
                    let (mark, word) = if succeeded { ("✓", stage.last.as_str()) } else { ("✗", state.as_str()) };
                    let _ = bars.println(format!("  {mark} {task:<18}{ms:>7} ms  {word}{again}"));
                    stage.bar.finish_and_clear();
                }
            }
            LifecycleEvent::Started
            | LifecycleEvent::Progress { .. }
            | LifecycleEvent::Log { .. }
            | LifecycleEvent::RunEnded { .. } => {}
        }
    }
}

impl Stage {
    fn begin(bars: &MultiProgress, task: &str) -> Self {
        let bar = bars.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("  {spinner} {prefix:<18} {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(task.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar, last: String::new(), task_runs: HashSet::new(), ended: 0 }
    }

    /// Shows how much of something is done.
    fn count(&self, done: u64, total: u64) {
        if self.bar.length().is_none()
            && let Ok(style) = ProgressStyle::with_template("  {spinner} {prefix:<18} {bar:24} {pos}/{len} {msg}")
        {
            self.bar.set_style(style);
        }
        self.bar.set_length(total);
        self.bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        for stage in self.stages.values() {
            stage.bar.finish_and_clear();
        }
    }
}
