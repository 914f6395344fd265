//! Decides what happens next in a run: a pure function from a state and an event to changes and actions.
//!
//! No I/O, no clock, no randomness: the caller passes the time and carries out the actions. The ledger calls
//! [`apply`] inside the transaction that stores the result, so a crash between deciding and acting repeats
//! the decision and nothing else. The rules, with the reasons for them, are in
//! `docs/adr/0001-engine-is-a-pure-function.md`.

mod action;
mod again;
mod apply;
mod cancel;
mod event;
mod fan_out;
mod job;
mod machine;
mod readiness;
mod report;
mod retry;
mod run;

pub use action::{Action, Ignored, Transition};
pub use again::NotAgain;
pub use apply::{apply, apply_all};
pub use event::Event;
pub use fan_out::MAX_FAN_OUT;
pub use retry::pause;
pub use run::{Run, TaskRun};
