//! What a process tells about itself: metrics for Prometheus, liveness and readiness for probes.
//!
//! Code counts through the `metrics` facade wherever something happens; nothing is kept unless [`Metrics::install`] was
//! called in this process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use clap::Args;
use futures::future::BoxFuture;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How often histograms are folded into what is shown, so that their raw samples do not pile up.
const UPKEEP: Duration = Duration::from_secs(5);

/// Upper edges for times, in seconds: from a delivery on the same machine to the longest stage.
const SECONDS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0];

/// Upper edges for the sizes of batches.
const SIZES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Where a process tells about itself.
#[derive(Clone, Debug, Args)]
pub struct Monitoring {
    /// Serve `/metrics`, `/livez` and `/readyz` here.
    #[arg(long, value_name = "ADDR:PORT", env = "FLOTILLA_METRICS_ADDR", global = true)]
    pub metrics_addr: Option<SocketAddr>,
}

/// The metrics of this process.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

/// Says whether the process can do its work, and if not, why.
pub type Ready = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

impl Metrics {
    /// Starts to keep what is counted in this process. Once per process.
    ///
    /// # Errors
    /// When something else keeps it already.
    pub fn install() -> Result<Self, BuildError> {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .set_buckets_for_metric(Matcher::Suffix("_size".to_owned()), &SIZES)?;
        Ok(Self(builder.install_recorder()?))
    }

    /// Everything counted so far, in Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds histograms until `shutdown`.
    pub async fn keep(&self, shutdown: CancellationToken) {
        let mut timer = tokio::time::interval(UPKEEP);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = timer.tick() => self.0.run_upkeep(),
            }
        }
    }
}

/// The three routes.
pub fn router(metrics: Metrics, ready: Ready) -> Router {
    let show = move || {
        let metrics = metrics.clone();
        async move { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render()) }
    };
    let answer = move || {
        let ready = ready();
        async move {
            match ready.await {
                Ok(()) => "ready\n".into_response(),
                Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")).into_response(),
            }
        }
    };
    Router::new().route("/metrics", get(show)).route("/livez", get(async || "ok\n")).route("/readyz", get(answer))
}

/// Serves the three routes until `shutdown`.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    metrics: Metrics,
    ready: Ready,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let upkeep = metrics.clone();
    let routes = router(metrics, ready);
    let stop = shutdown.clone();
    let serving = axum::serve(listener, routes).with_graceful_shutdown(async move { stop.cancelled().await });
    tokio::select! {
        served = serving => served,
        () = upkeep.keep(shutdown) => Ok(()),
    }
}
