//! What the engine promises, seen from outside.

#![expect(clippy::unwrap_used, reason = "tests; clippy.toml allows it only inside of test functions")]

mod again;
mod chains;
mod ending;
mod fan_out;
mod harness;
mod jobs;
mod properties;
mod speed;
mod table;
