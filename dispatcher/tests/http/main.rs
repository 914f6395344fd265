//! The HTTP API from outside: the real router on a real port, over the ports of the embedded system. No worker runs.

mod access;
mod adapters;
mod backends;
mod budgets;
mod compat;
mod events;
mod internal;
mod remote;
mod server;
mod streams;
mod webhooks;
