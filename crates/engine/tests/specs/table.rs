//! Every state of a task run against every event.

use engine::{Action, Event, Ignored, Transition};
use protocol::{Outcome, TaskError, TaskState};

use crate::harness::{Bench, done, fail, retry, snooze, transient, workflow};

const STATES: [TaskState; 8] = [
    TaskState::Blocked,
    TaskState::Queued,
    TaskState::Running,
    TaskState::Waiting,
    TaskState::Succeeded,
    TaskState::Failed,
    TaskState::Skipped,
    TaskState::Cancelled,
];

/// A running run whose task `t` is in that state; `other` keeps the run from ending.
fn in_state(state: TaskState) -> Bench {
    let mut bench = Bench::admitted(workflow(&[("root", &[]), ("t", &["root"]), ("behind", &["t"]), ("other", &[])]));
    let root = match state {
        TaskState::Blocked | TaskState::Cancelled => None,
        TaskState::Skipped => Some(fail()),
        _ => Some(done()),
    };
    if let Some(outcome) = root {
        bench.finish("root", outcome);
    }
    match state {
        TaskState::Blocked | TaskState::Queued | TaskState::Skipped => Transition::default(),
        TaskState::Running => bench.started("t"),
        TaskState::Waiting => bench.finish("t", retry()),
        TaskState::Succeeded => bench.finish("t", done()),
        TaskState::Failed => bench.finish("t", fail()),
        TaskState::Cancelled => bench.cancel(),
    };
    assert_eq!(bench.task("t").state, state);
    bench
}

/// The state of `t` after the event and what was done about `t` and the run; for an ignored event only why.
fn told(bench: &Bench, transition: &Transition) -> String {
    let mut words = vec![bench.task("t").state.as_str()];
    for action in &transition.actions {
        match action {
            Action::Ignored { reason, .. } => return format!("!{}", reason.as_str()),
            Action::RunEnded { .. } => words.push("end"),
            Action::Publish { task_run, .. } if *task_run == bench.id("t") => words.push("publish"),
            Action::WakeAt { task_run, .. } if *task_run == bench.id("t") => words.push("wake"),
            Action::Abort { task_run, .. } if *task_run == bench.id("t") => words.push("abort"),
            Action::Publish { .. } | Action::WakeAt { .. } | Action::Abort { .. } => {}
        }
    }
    words.join(" ")
}

fn reports(bench: &Bench, attempt: u32) -> [(&'static str, Event); 8] {
    let permanent = TaskError::permanent("broken", "It is broken.");
    let task_run = bench.id("t");
    let finished = |outcome| bench.finished_event("t", attempt, outcome);
    [
        ("started", bench.started_event("t", attempt)),
        ("done", finished(done())),
        ("retry", finished(retry())),
        ("retry permanent", finished(Outcome::Retry { error: permanent, after_ms: None })),
        ("fail", finished(fail())),
        ("snooze", finished(snooze())),
        ("lost", Event::Lost { task_run, attempt, error: transient() }),
        ("timer due", Event::TimerDue { task_run, attempt }),
    ]
}

#[test]
#[rustfmt::skip]
fn every_state_answers_every_event_about_the_current_attempt() {
    const NOT: &str = "!not_expected";
    const DUP: &str = "!duplicate";
    const END: &str = "!already_ended";
    let table: [(&str, [&str; 8]); 11] = [
        // event               blocked          queued                 running                waiting           succeeded        failed        skipped        cancelled
        ("started",         [NOT,             "running",             DUP,                   NOT,              END,             END,          END,           END]),
        ("done",            [NOT,             "succeeded",           "succeeded",           DUP,              END,             END,          END,           END]),
        ("retry",           [NOT,             "waiting wake",        "waiting wake",        DUP,              END,             END,          END,           END]),
        ("retry permanent", [NOT,             "failed",              "failed",              DUP,              END,             END,          END,           END]),
        ("fail",            [NOT,             "failed",              "failed",              DUP,              END,             END,          END,           END]),
        ("snooze",          [NOT,             "waiting wake",        "waiting wake",        DUP,              END,             END,          END,           END]),
        ("lost",            [NOT,             "waiting wake",        "waiting wake",        DUP,              END,             END,          END,           END]),
        ("timer due",       [NOT,             NOT,                   NOT,                   "queued publish", END,             END,          END,           END]),
        ("admitted",        [DUP,             DUP,                   DUP,                   DUP,              DUP,             DUP,          DUP,           END]),
        ("cancel",          ["cancelled end", "cancelled abort end", "cancelled abort end", "cancelled end",  "succeeded end", "failed end", "skipped end", END]),
        ("deadline passed", ["cancelled end", "cancelled abort end", "cancelled abort end", "cancelled end",  "succeeded end", "failed end", "skipped end", END]),
    ];
    for (at, state) in STATES.into_iter().enumerate() {
        let bench = in_state(state);
        let mut events = reports(&bench, bench.task("t").attempt).to_vec();
        events.push(("admitted", Event::Admitted));
        events.push(("cancel", Event::Cancel { reason: "enough".to_owned() }));
        events.push(("deadline passed", Event::DeadlinePassed));
        for ((name, event), (row, cells)) in events.into_iter().zip(table) {
            assert_eq!(name, row);
            let mut after = bench.clone();
            let transition = after.apply(event);
            assert_eq!(told(&after, &transition), cells[at], "{name} while {state}");
            if cells[at].starts_with('!') {
                assert_eq!(after.run, bench.run, "{name} while {state}");
                assert!(transition.touched.is_empty() && !transition.run_changed, "{name} while {state}");
            }
        }
    }
}

#[test]
fn a_report_about_another_attempt_changes_nothing_in_any_state() {
    for state in STATES {
        let mut bench = in_state(state);
        let current = bench.task("t").attempt;
        let reason = if state.is_final() { Ignored::AlreadyEnded } else { Ignored::StaleAttempt };
        for attempt in [current.checked_sub(1), Some(current + 1)].into_iter().flatten() {
            for (_, event) in reports(&bench, attempt) {
                bench.assert_ignored(event, reason);
            }
        }
    }
}
