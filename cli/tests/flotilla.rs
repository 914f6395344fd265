//! What `flotilla` promises to the person or program that calls it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where it stopped")]

#[path = "support/adapters.rs"]
mod adapters;
#[path = "support/again.rs"]
mod again;
#[path = "support/backends.rs"]
mod backends;
#[path = "support/celery_import.rs"]
mod celery_import;
#[path = "support/compat.rs"]
mod compat;
#[path = "support/compat_manual.rs"]
mod compat_manual;
#[path = "support/crash.rs"]
mod crash;
#[path = "support/documents.rs"]
mod documents;
#[path = "support/fetched.rs"]
mod fetched;
#[path = "support/harness.rs"]
mod harness;
#[path = "support/model_server.rs"]
mod model_server;
#[path = "support/operators.rs"]
mod operators;
#[path = "support/out.rs"]
mod out;
#[path = "support/patience.rs"]
mod patience;
#[path = "support/remote.rs"]
mod remote;
#[path = "support/schedules.rs"]
mod schedules;
#[path = "support/serving.rs"]
mod serving;
#[path = "support/state.rs"]
mod state;
#[path = "support/text.rs"]
mod text;
#[path = "support/triggers.rs"]
mod triggers;
#[path = "support/usage.rs"]
mod usage;
#[path = "support/webhooks.rs"]
mod webhooks;
#[path = "support/workflows.rs"]
mod workflows;
