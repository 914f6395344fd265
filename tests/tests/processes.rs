//! What the fleet promises as separate programs: together, killed, drained, in pairs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where it stopped")]

#[path = "processes/access.rs"]
mod access;
#[path = "processes/adapters.rs"]
mod adapters;
#[path = "processes/capacity.rs"]
mod capacity;
#[path = "processes/collector.rs"]
mod collector;
#[path = "processes/fleet.rs"]
mod fleet;
#[path = "processes/killed.rs"]
mod killed;
#[path = "processes/manual.rs"]
mod manual;
#[path = "processes/model.rs"]
mod model;
#[path = "processes/own_tasks.rs"]
mod own_tasks;
#[path = "processes/poison.rs"]
mod poison;
#[path = "processes/process.rs"]
mod process;
#[path = "processes/remote.rs"]
mod remote;
#[path = "processes/sticky.rs"]
mod sticky;
#[path = "processes/stopped.rs"]
mod stopped;
#[path = "processes/together.rs"]
mod together;
#[path = "processes/traces.rs"]
mod traces;
#[path = "processes/triggers.rs"]
mod triggers;
// What other test programs have of the same kind.
#[expect(dead_code, reason = "specs of crashes kill other servers, too")]
#[path = "chaos/private.rs"]
mod private;
#[path = "processes/webhooks.rs"]
mod webhooks;
