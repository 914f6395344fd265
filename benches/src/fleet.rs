//! A fleet beside its peers: the same tasks that do nothing, on the same servers, in the same run.
//!
//! `src/bin/fleet.rs` is the program. A [`subject::Subject`] is something that is measured: programs, and how they
//! are spoken to; [`ours`] and [`peers`] make them. [`phases`] takes one through what is measured, [`raw`] measures what
//! the servers could do at best, [`goals`], [`report`] and [`plot`] set it all side by side.
//!
//! Times on a shared machine say little. What is compared is processor time per task, of every process that takes
//! part, and ratios of rates taken in the same run.

pub mod goals;
pub mod median;
pub mod ours;
pub mod peers;
pub mod phases;
pub mod plot;
pub mod probe;
pub mod process;
pub mod procfs;
pub mod produced;
pub mod raw;
pub mod report;
pub mod servers;
pub mod session;
pub mod statements;
pub mod subject;
pub mod tasks;
