//! Decides what happens next in a run: a pure function from a state and an event to changes and actions.
//!
//! No I/O, no clock, no randomness: the caller passes the time and carries out the actions. The ledger calls
//! [`apply`] inside the transaction that stores the result, so a crash between deciding and acting repeats
//! the decision and nothing else.

mod action;
mod event;
mod run;

pub use action::{Action, Ignored, Transition};
pub use event::Event;
pub use run::{Run, TaskRun};
