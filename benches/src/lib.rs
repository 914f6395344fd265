//! Programs that measure: each is a binary in `src/bin/`, what it is made of is a module here.

pub mod accuracy;
pub mod admission;
pub mod api;
pub mod backends;
pub mod fairness;
pub mod fleet;
pub mod text;
