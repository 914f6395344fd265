//! The dispatcher: takes documents and questions in, releases runs, keeps time, and serves results.
//!
//! Reading order: [`submission`] (a document becomes a run), [`clock`] (runs are released, timers fire),
//! [`results`] (a run becomes a result), [`webhooks`] (tenants are told), [`triggers`] (an event becomes a run), [`access`] (who
//! may do what), [`api`] (all of it over HTTP).

pub mod access;
pub mod adapters;
pub mod api;
pub mod clock;
pub mod documents;
pub mod imports;
#[cfg(feature = "fleet")]
mod measuring;
pub mod prices;
#[cfg(feature = "fleet")]
pub mod process;
pub mod remote;
pub mod results;
pub mod schedules;
pub mod submission;
pub mod triggers;
pub mod webhooks;
