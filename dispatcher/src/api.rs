//! The HTTP front door: submit, status, result, cancel; and what operators see.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{delete, get, post, put};
use axum::{Extension, Router};
use backends::fleet::Fleet;
use objects::Objects;
use service::monitoring::{Metrics, Ready};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::events::Stopping;
use self::news::News;
use crate::access::Access;
use crate::adapters::Adapters;
use crate::imports::Imports;
use crate::prices::Prices;
use crate::submission::Desk;
use crate::triggers::Store;
use crate::webhooks::Webhooks;

mod adapters;
mod again;
mod auth;
mod body;
mod codes;
mod comparison;
mod compat;
mod conditional;
mod dead_letters;
mod documents;
mod events;
mod fetched;
mod front;
mod internal;
mod lists;
mod news;
mod openapi;
mod operations;
mod orders;
mod pages;
mod paging;
mod partial;
mod prefer;
mod problem;
mod runs;
mod schedules;
mod selection;
mod server;
mod signals;
mod stream;
mod subscriptions;
mod switching;
mod tenants;
mod triggers;
mod upload;
mod usage;
mod webhooks;
mod workflows;

pub use codes::Code;
pub use compat::{Compat, CompatFlags};
pub use front::{Front, Origin, TlsError};
pub use problem::Problem;

/// What the routes work with.
#[derive(Clone)]
pub struct Api {
    /// Starts, shows and cancels runs.
    pub fleet: Fleet,
    /// Takes documents in.
    pub desk: Desk,
    /// Where results are fetched from.
    pub objects: Arc<dyn Objects>,
    /// Who may call, and how often.
    pub access: Access,
    /// How tenants reach their services.
    pub adapters: Adapters,
    /// What consumption costs, as far as it is known.
    pub prices: Arc<Prices>,
    /// Which objects of the store tenants may have read.
    pub imports: Imports,
    /// Which events start what.
    pub subscriptions: Store,
    /// Largest document that is taken in, in bytes.
    pub max_upload: usize,
    /// How long runs are kept after their end; for ever without.
    pub retention: Option<Duration>,
    /// How clients reach the API.
    pub front: Front,
    /// How the addresses of the replaced system behave.
    pub compat: Compat,
    /// What is shown at `/metrics`.
    pub metrics: Metrics,
    /// Where tenants are told about their runs.
    pub webhooks: Webhooks,
    /// How addresses that tenants name are reached.
    pub way_out: outbound::Client,
}

/// Largest request that may come with a document, in bytes.
const MAX_REQUEST: usize = 16 * 1024 * 1024;

impl Api {
    /// All routes; what is announced about runs comes by `news`.
    fn router(self, news: News, stopping: Stopping) -> Router {
        let front = Arc::new(self.front.clone());
        let limit = self.max_upload.saturating_add(MAX_REQUEST);
        let uploads = Arc::new(Semaphore::new(upload::AT_ONCE));
        let room = from_fn_with_state(Arc::clone(&uploads), upload::admit);
        let compat = compat::routes(&self, uploads);
        let identified = from_fn_with_state(self.clone(), auth::identify);
        Router::new()
            .route("/api/v1/runs", post(runs::submit).route_layer(room.clone()).get(lists::list))
            .route("/api/v1/documents", post(documents::create).route_layer(room).get(documents::list))
            .route("/api/v1/documents/{id}", get(documents::show).delete(documents::remove))
            .route("/api/v1/documents/{id}/content", get(documents::content))
            .route("/api/v1/runs/retry", post(again::retry_many))
            .route("/api/v1/runs/cancel", post(again::cancel_many))
            .route("/api/v1/schedules", get(schedules::list))
            .route("/api/v1/schedules/{name}", get(schedules::show).put(schedules::put).delete(schedules::remove))
            .route("/api/v1/events", post(triggers::take))
            .route("/api/v1/events/s3", post(triggers::take_s3))
            .route("/api/v1/subscriptions", get(subscriptions::list))
            .route(
                "/api/v1/subscriptions/{name}",
                get(subscriptions::show).put(subscriptions::put).delete(subscriptions::remove),
            )
            .route("/api/v1/subscriptions/{name}/test", post(subscriptions::test))
            .route("/api/v1/webhooks", get(webhooks::list).post(webhooks::create))
            .route("/api/v1/webhooks/{id}", get(webhooks::show).put(webhooks::put).delete(webhooks::remove))
            .route("/api/v1/webhooks/{id}/rotate", post(webhooks::rotate))
            .route("/api/v1/webhooks/{id}/test", post(webhooks::deliveries::test))
            .route("/api/v1/webhooks/{id}/deliveries", get(webhooks::deliveries::list))
            .route("/api/v1/webhooks/{id}/deliveries/{delivery}", get(webhooks::deliveries::show))
            .route("/api/v1/webhooks/{id}/deliveries/{delivery}/replay", post(webhooks::deliveries::replay))
            .route("/api/v1/workflows", post(workflows::register).get(workflows::list))
            .route("/api/v1/workflows/{name}", get(workflows::show))
            .route("/api/v1/runs/{id}", get(runs::status).delete(runs::remove))
            .route("/api/v1/runs/{id}/result", get(runs::result))
            .route("/api/v1/runs/{id}/events", get(events::events))
            .route("/api/v1/runs/{id}/events/stream", get(events::follow))
            .route("/api/v1/runs/{id}/cancel", post(runs::cancel))
            .route("/api/v1/runs/{id}/retry", post(again::retry))
            .route("/api/v1/runs/{id}/signals/{name}", post(signals::signal))
            .route("/api/v1/runs/{id}/usage", get(usage::of_run))
            .route("/api/v1/usage", get(usage::usage))
            .route("/api/v1/workers", get(operations::workers))
            .route("/api/v1/queues", get(operations::queues))
            .route("/api/v1/tasks", get(operations::tasks))
            .route("/api/v1/backends", get(switching::list))
            .route("/api/v1/backends/choice", put(switching::choose).delete(switching::reset))
            .route("/api/v1/backends/comparison", get(comparison::comparison))
            .route("/api/v1/dead-letters", get(dead_letters::list))
            .route("/api/v1/dead-letters/replay", post(dead_letters::replay))
            .route("/api/v1/dead-letters/drop", post(dead_letters::forget))
            .route("/api/v1/adapters", get(adapters::list).post(adapters::create))
            .route("/api/v1/adapters/{id}", get(adapters::show).put(adapters::put).delete(adapters::remove))
            .route("/api/v1/me", get(tenants::me))
            .route("/api/v1/tenants", get(tenants::list))
            .route("/api/v1/tenants/{name}", get(tenants::show).put(tenants::put))
            .route("/api/v1/tenants/{name}/keys", get(tenants::keys).post(tenants::issue))
            .route("/api/v1/tenants/{name}/keys/{id}", delete(tenants::revoke))
            .route("/api/v1/audit", get(tenants::audit))
            .route("/internal/v1/webhooks/{tenant}/{id}", get(internal::webhook))
            .route("/internal/v1/webhooks/{tenant}/{id}/gone", post(internal::webhook_gone))
            .route("/internal/v1/adapters/{tenant}/{id}", get(internal::adapter))
            .route("/internal/v1/turns", post(internal::turn))
            .route("/internal/v1/callbacks", post(internal::callback))
            .route("/internal/v1/workflows", get(internal::workflows))
            .route("/metrics", get(metrics))
            .route_layer(identified)
            .merge(compat)
            // From here on, nobody is asked who they are.
            .route("/", get(welcome))
            .route("/api/v1/openapi.json", get(openapi::document))
            .route("/docs", get(openapi::page))
            .route("/problems", get(pages::list))
            .route("/problems/{code}", get(pages::show))
            .route("/livez", get(async || "ok\n"))
            .route("/readyz", get(ready))
            .fallback(async || {
                Problem::new(Code::NoSuchRoute, "there is nothing at this address; GET / lists what there is")
            })
            .method_not_allowed_fallback(wrong_method)
            .layer(DefaultBodyLimit::max(limit))
            .layer(Extension(news))
            .layer(Extension(stopping))
            .layer(from_fn_with_state(front, front::attend))
            .with_state(self)
    }

    /// Serves `/metrics`, `/livez` and `/readyz` alone, to whoever asks, until `shutdown`.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve_monitoring(self, listener: TcpListener, shutdown: CancellationToken) -> std::io::Result<()> {
        let metrics = self.metrics.clone();
        let ready: Ready = Arc::new(move || {
            let fleet = self.fleet.clone();
            Box::pin(async move { fleet.next_due().await.map(drop).map_err(|error| error.to_string()) })
        });
        service::monitoring::serve(listener, metrics, ready, shutdown).await
    }

    /// Serves until `shutdown`, then gives open requests a few seconds to end.
    ///
    /// # Errors
    /// When the files for HTTPS cannot be used, or the listener has no address to name in the log.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) -> std::io::Result<()> {
        let tls = self.front.tls().map_err(std::io::Error::other)?;
        tracing::debug!(address = %listener.local_addr()?, https = tls.is_some(), "serving HTTP");
        let (news, announcements) = (News::default(), self.fleet.watch());
        let router = self.router(news.clone(), Stopping(shutdown.clone()));
        tokio::select! {
            () = server::serve(listener, tls, router, shutdown) => {}
            () = news.pass_on(announcements) => {}
        }
        Ok(())
    }
}

async fn wrong_method() -> Problem {
    Problem::new(Code::MethodNotAllowed, "this address knows other methods; GET / lists them")
}

/// Whether runs can be taken in: the ledger answers.
async fn ready(axum::extract::State(api): axum::extract::State<Api>) -> Result<&'static str, Problem> {
    match api.fleet.next_due().await {
        Ok(_) => Ok("ready\n"),
        Err(error) => Err(Problem::new(Code::NotReady, error.to_string())),
    }
}

async fn metrics(
    axum::extract::State(api): axum::extract::State<Api>,
    _caller: auth::Caller<auth::Operate>,
) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], api.metrics.render())
}

async fn welcome() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], WELCOME)
}

const WELCOME: &str = "\
Flotilla: a document and questions in, answers with evidence out.

  POST   /api/v1/runs              submit: multipart fields `file` and, if you like, `request` (JSON);
                                   or the bare document as body with ?name=FILE;
                                   or JSON {document_url, request} for a document at an address;
                                   or JSON {workflow, input} for a workflow of your own
  POST   /api/v1/documents         keep a document (form field `file`, or bare with ?name=FILE); runs name it as
                                   JSON {document, request}; GET lists them, .../ID, .../ID/content, DELETE
  GET    /api/v1/runs              runs, newest first (?state=, ?workflow=, ?backend=, ?shadows=true, ?created_after=,
                                   ?created_before=, ?limit=, ?cursor=)
  GET    /api/v1/runs/RUN          where a run stands
  GET    /api/v1/runs/RUN/result   its result; 202 while it is under way
  GET    /api/v1/runs/RUN/events   what was told about it (?after=, ?limit=, ?wait=SECONDS), or a stream of
                                   server-sent events for Accept: text/event-stream
  POST   /api/v1/runs/RUN/cancel   cancel it (or DELETE /api/v1/runs/RUN)
  POST   /api/v1/runs/RUN/retry    do it again from where it went wrong (JSON {from: TASK} to begin elsewhere)
  POST   /api/v1/runs/RUN/signals/NAME  tell a run under way something (any JSON)
  POST   /api/v1/runs/cancel       cancel many (JSON {filter: {...}}, or {all: true}); .../retry does many again
  GET    /api/v1/runs/RUN/usage    what it consumed; /api/v1/usage for all (?group=day|model|run, ?from=, ?to=)
  GET    /api/v1/workers           the processes that are alive
  GET    /api/v1/queues            how full the queues are
  GET    /api/v1/tasks             tasks in hand (?state=active) or waiting for a timer (?state=scheduled)
  GET    /api/v1/backends          who executes workflows, and where new runs go; PUT .../choice sends them elsewhere
                                   (JSON {default, workflows, shadows}), DELETE takes that back
  GET    /api/v1/backends/comparison  how backends fared: times, failures, costs, and answers of shadows
                                   (?since=24h, or ?from= and ?to=, ?workflow=)
  GET    /api/v1/dead-letters      messages nobody could handle; POST .../replay, .../drop
  POST   /api/v1/workflows         register a workflow of your own (JSON)
  GET    /api/v1/workflows         workflows; /api/v1/workflows/NAME for one
  PUT    /api/v1/schedules/NAME    start runs by the clock (JSON {workflow, input, cron, time_zone});
                                   GET shows it, DELETE removes it; GET /api/v1/schedules lists them
  GET    /problems                 what the codes of errors mean
  POST   /api/v1/events            what happened elsewhere (CloudEvents as JSON, one or a list); /api/v1/events/s3 for buckets
  PUT    /api/v1/subscriptions/NAME  which events start what (JSON {types, filter, workflow, input} or {types, document});
                                   GET shows it, DELETE removes it, POST .../test tries it; GET /api/v1/subscriptions lists them
  POST   /api/v1/webhooks          be told about the ends of runs (JSON {url, events}); GET lists, .../ID, PUT, DELETE;
                                   POST .../ID/test, .../ID/rotate; GET .../ID/deliveries, POST .../DELIVERY/replay
  GET    /metrics, /livez, /readyz for Prometheus and probes

As the replaced system had them (docs/compatibility.md):
  POST   /prompt-studio/process, /extract, /extract/async, /index, /answer-prompt, /single-pass-extraction,
         /summarize, /api/v2/workflows/execute
  GET    /extract/status/RUN

Try:
  curl -F file=@invoice.pdf http://HOST/api/v1/runs
";
