//! Readers of documents against servers that speak their protocols, well and badly.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where it stopped")]

#[path = "services/cache.rs"]
mod cache;
#[path = "services/llmwhisperer.rs"]
mod llmwhisperer;
#[path = "services/misbehaving.rs"]
mod misbehaving;
#[path = "services/no_op.rs"]
mod no_op;
#[path = "services/server.rs"]
mod server;
#[path = "services/unstructured.rs"]
mod unstructured;
#[path = "services/visit.rs"]
mod visit;
