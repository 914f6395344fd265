//! What the backend on Temporal promises, on a real server. `make test-temporal` installs one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where it stopped")]

use std::time::Duration;

#[path = "temporal/encrypting.rs"]
mod encrypting;
#[path = "temporal/ending.rs"]
mod ending;
#[path = "temporal/failing.rs"]
mod failing;
#[path = "temporal/measuring.rs"]
mod measuring;
#[path = "temporal/refusing.rs"]
mod refusing;
#[path = "temporal/replaying.rs"]
mod replaying;
#[path = "temporal/walking.rs"]
mod walking;
#[path = "temporal/yard.rs"]
mod yard;

/// Longest time anything here may take before the spec calls it stuck.
const PATIENCE: Duration = Duration::from_secs(60);
