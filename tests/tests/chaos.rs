//! Nothing is lost and nothing is recorded twice, whatever dies: processes killed, servers crashed, connections cut and
//! queues purged, each with five hundred runs under way. Every spec prints how long recovery took.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where it stopped")]

#[path = "chaos/books.rs"]
mod books;
#[path = "chaos/crowd.rs"]
mod crowd;
#[path = "chaos/processes.rs"]
mod processes;
#[path = "chaos/purged.rs"]
mod purged;
#[path = "chaos/servers.rs"]
mod servers;

// What other test programs have of the same kind.
#[path = "../../crates/ledger/tests/postgres/cluster.rs"]
mod cluster;
#[expect(dead_code, reason = "specs of events put objects into a store")]
#[path = "chaos/private.rs"]
mod private;
#[path = "processes/process.rs"]
mod process;
#[expect(dead_code, reason = "specs of the broker freeze connections too")]
#[path = "../../crates/broker/tests/rabbitmq/proxy.rs"]
mod proxy;
