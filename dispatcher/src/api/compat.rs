//! The addresses of the system that Flotilla replaces, for callers who change nothing but the host.
//!
//! Payloads come as they always did and answers have the field names they always had; errors have that system's body. What
//! it did wrong is done right: see docs/compatibility.md. One address, or family of them, is one file and its lines in
//! [`routes`]; what they share is the way of a call: [`intake`] (a payload), [`document`] (what it is about), [`order`] (a run),
//! [`waiting`] (its end), [`answers`] (what callers get).

use std::sync::Arc;

use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use axum::{Extension, Router};
use tokio::sync::Semaphore;

use super::{Api, auth, wrong_method};

pub(super) mod answer_prompt;
mod answers;
mod deprecation;
mod described;
mod doc_id;
mod document;
mod envelope;
pub(super) mod execute;
pub(super) mod extract;
mod highlight;
pub(super) mod index;
mod intake;
mod order;
pub(super) mod process;
mod settings;
pub(super) mod summarize;
mod waiting;

pub(super) use envelope::{Refusal, Worded, in_old_words};
pub use settings::{Compat, CompatFlags};

/// Beginnings of all addresses of the replaced system.
const ADDRESSES: [&str; 7] =
    ["/prompt-studio/", "/extract", "/index", "/answer-prompt", "/single-pass-extraction", "/summarize", "/api/v2/"];

/// Whether a route is one of the replaced system's. Those that take a payload may take as long as a caller waits.
pub(super) fn is_old(route: &str) -> bool {
    ADDRESSES.iter().any(|address| route.starts_with(address))
}

/// Room for uploads, shared with all other addresses that take them.
#[derive(Clone)]
struct Uploads(Arc<Semaphore>);

/// All addresses of the replaced system.
#[expect(deprecated, reason = "for callers, not for us")]
pub(super) fn routes(api: &Api, uploads: Arc<Semaphore>) -> Router<Api> {
    let old = |address: &'static str| from_fn_with_state((api.clone(), address), deprecation::deprecated);
    let kept = || from_fn(deprecation::succeeded);
    Router::new()
        .route("/prompt-studio/process", post(process::process).route_layer(kept()))
        .route("/extract", post(extract::extract).route_layer(old("/extract/async")))
        .route("/extract/async", post(extract::start).route_layer(kept()))
        .route("/extract/status/{id}", get(extract::status).route_layer(kept()))
        .route("/index", post(index::index).route_layer(kept()))
        .route("/answer-prompt", post(answer_prompt::answer_prompt).route_layer(kept()))
        .route("/single-pass-extraction", post(answer_prompt::single_pass).route_layer(kept()))
        .route("/summarize", post(summarize::summarize).route_layer(kept()))
        .route("/api/v2/workflows/execute", post(execute::execute).route_layer(kept()))
        .route_layer(from_fn_with_state(api.clone(), auth::identify))
        .method_not_allowed_fallback(wrong_method)
        .layer(Extension(Uploads(uploads)))
}
