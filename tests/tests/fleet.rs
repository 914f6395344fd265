//! What the fleet promises to whoever runs workflows on it, on the embedded system.

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
