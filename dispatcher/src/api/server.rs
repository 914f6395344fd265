//! Connections: accepted, served with limits on how long a client may take, and ended when the process stops.

use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a client may take over the head of a request, and how long a connection may wait for the next one.
const HEAD: Duration = Duration::from_secs(10);

/// How long open requests may take after the order to stop; less than any process gives its tasks.
const GRACE: Duration = Duration::from_secs(5);

/// Serves until `shutdown`, lets open requests end, and cuts what has not ended after the grace period.
pub(super) async fn serve(mut listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let graceful = GracefulShutdown::new();
    // Dropped at the end, and with it whatever is still open.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            (stream, client) = Listener::accept(&mut listener) => {
                let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
                let connection = graceful.watch(connection);
                connections.spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%client, error = %error, "a connection broke off");
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::info!(connections = connections.len(), "cutting clients that did not finish in time");
    }
}
