//! What the engine promises, seen from outside.

mod chains;
mod ending;
mod fan_out;
mod harness;
mod jobs;
mod properties;
mod speed;
mod table;
