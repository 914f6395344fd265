//! What the fleet promises to whoever runs workflows on it, on the embedded system.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where it stopped")]

#[path = "fleet/failing.rs"]
mod failing;
#[path = "fleet/fan_out.rs"]
mod fan_out;
#[path = "fleet/harness.rs"]
mod harness;
#[path = "fleet/running.rs"]
mod running;
#[path = "fleet/stopping.rs"]
mod stopping;
