//! What a process of the fleet says of itself every few seconds.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A living process, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// [`WIRE_VERSION`](crate::message::WIRE_VERSION) of the writer.
    pub v: u32,
    /// Unique per process start; a stage worker holds its leases under this name.
    pub name: String,
    /// Which program it is: `dispatcher`, `worker-default`.
    pub role: String,
    /// The machine or container.
    pub host: String,
    /// Its process id there.
    pub pid: u32,
    /// The queues it serves; none for a dispatcher.
    pub queues: Vec<String>,
    /// How many jobs it runs at once; 0 for a process that runs none.
    pub concurrency: u32,
    /// How many jobs it runs now.
    pub in_flight: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// Its release.
    pub version: String,
    /// Whether it was told to stop and finishes what is in hand.
    pub draining: bool,
}
