//! A fleet that loses, repeats and reorders messages as the choices say.

use engine::{Action, Event};
use protocol::{ErrorClass, Outcome, Payload, TaskError, TaskRunId};
use serde_json::json;

use super::invariants;
use crate::harness::Bench;

/// Everything that happened to a run until nothing more could.
pub(super) struct Story {
    pub(super) end: Bench,
    pub(super) events: Vec<Event>,
    /// Whether the run was told to end before its time.
    pub(super) stopped: bool,
    pub(super) run_ended: usize,
}

pub(super) struct Fleet {
    bench: Bench,
    /// What each task says about the length of its output.
    lengths: Vec<Option<u32>>,
    choices: std::vec::IntoIter<u8>,
    /// Messages on their way.
    mail: Vec<Event>,
    story: Vec<Event>,
    stopped: bool,
    run_ended: usize,
}

impl Fleet {
    pub(super) fn new(bench: Bench, lengths: Vec<Option<u32>>, choices: Vec<u8>) -> Self {
        let choices = choices.into_iter();
        let mail = vec![Event::Admitted];
        Self { bench, lengths, choices, mail, story: Vec::new(), stopped: false, run_ended: 0 }
    }

    /// Delivers messages until none is left.
    pub(super) fn play(mut self) -> Story {
        while !self.mail.is_empty() {
            let event = self.next_event();
            self.deliver(event);
        }
        Story { end: self.bench, events: self.story, stopped: self.stopped, run_ended: self.run_ended }
    }

    fn choose(&mut self, options: usize) -> usize {
        self.choices.next().map_or(0, |byte| usize::from(byte) % options)
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.choose(one_in) == one_in - 1
    }

    fn next_event(&mut self) -> Event {
        if self.chance(100) {
            return Event::Cancel { reason: "drawn".to_owned() };
        }
        if self.chance(100) {
            return Event::DeadlinePassed;
        }
        if !self.story.is_empty() && self.chance(10) {
            let old = self.choose(self.story.len());
            return self.story[old].clone();
        }
        let next = self.choose(self.mail.len());
        if self.chance(5) { self.mail[next].clone() } else { self.mail.remove(next) }
    }

    fn deliver(&mut self, event: Event) {
        let before = self.bench.run.clone();
        let transition = self.bench.apply(event.clone());
        if matches!(event, Event::Cancel { .. } | Event::DeadlinePassed) {
            self.stopped |= !before.state.is_final();
        }
        self.story.push(event);
        invariants::assert_step(&before, &self.bench.run, &transition);
        for action in transition.actions {
            match action {
                Action::Publish { task_run, attempt } => self.work(task_run, attempt),
                Action::WakeAt { task_run, attempt, .. } => self.mail.push(Event::TimerDue { task_run, attempt }),
                Action::RunEnded { .. } => self.run_ended += 1,
                Action::Abort { .. } | Action::Ignored { .. } => {}
            }
        }
    }

    /// A worker takes the job: it may say so, and it or the sweeper says how the attempt ended. Now and then a second
    /// worker got the same message and ends it in another way.
    fn work(&mut self, task_run: TaskRunId, attempt: u32) {
        if !self.chance(4) {
            let at = self.bench.now;
            self.mail.push(Event::Started { task_run, attempt, worker: "w1".to_owned(), at });
        }
        let workers = if self.chance(6) { 2 } else { 1 };
        for _ in 0..workers {
            let end = self.end_of(task_run, attempt);
            self.mail.push(end);
        }
    }

    fn end_of(&mut self, task_run: TaskRunId, attempt: u32) -> Event {
        let classes = [ErrorClass::Transient, ErrorClass::Server, ErrorClass::RateLimited, ErrorClass::Permanent];
        let error = |class| TaskError::new(class, "drawn", "It was drawn.");
        let outcome = match self.choose(12) {
            0..6 => self.done(task_run),
            6..8 => Outcome::Retry { error: error(classes[self.choose(4)]), after_ms: None },
            8 => Outcome::Retry { error: error(ErrorClass::Unavailable), after_ms: Some(7_000) },
            9 => Outcome::Fail { error: error(classes[self.choose(4)]) },
            10 => Outcome::Snooze { after_ms: 3_000, state: json!({ "attempt": attempt }) },
            _ => return Event::Lost { task_run, attempt, error: error(classes[self.choose(4)]) },
        };
        Event::Finished { task_run, attempt, outcome, worker: "w1".to_owned(), started_at: self.bench.now }
    }

    fn done(&self, task_run: TaskRunId) -> Outcome {
        let task = &self.bench.run.task_run(task_run).unwrap().task;
        let at = self.bench.run.workflow.tasks.iter().position(|spec| spec.name == *task).unwrap();
        Outcome::Done { output: Payload::Inline(json!(task)), fan_out: self.lengths[at] }
    }
}
