//! Inngest: it walks the workflow, and calls us for each step.
//!
//! A workflow is a function of our app there, and a run is an event that starts it, under an id that follows from the
//! run's. [`InngestHost`] makes the functions known and answers the calls: what is next is computed from what Inngest
//! remembers (`walk`), and each task of ours is a step of its own, so that its dashboard shows the graph. Results stay in
//! the ledger; a step leaves no more behind than how its task stands. `docs/adr/0027-inngest.md` has the reasons.

mod api;
mod app;
mod backend;
mod call;
mod host;
mod keys;
mod reply;
mod settings;
mod walk;

pub use backend::Inngest;
pub use host::InngestHost;
pub use keys::{InvalidKey, NotVerified, SigningKey};
pub use settings::Settings;
