//! Connections: accepted, served with limits on how long a client may take, and ended when the process stops.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How long a client may take over the head of a request or a TLS handshake, and how long a connection may wait for the
/// next request.
const HEAD: Duration = Duration::from_secs(10);

/// How long open requests may take after the order to stop; less than any process gives its tasks.
const GRACE: Duration = Duration::from_secs(5);

/// Most headers of a request.
const HEADERS: usize = 100;

/// Most bytes of a head that is read at all. What is larger is refused before any route could say why.
const HEAD_SIZE: usize = 128 * 1024;

/// Serves until `shutdown`, lets open requests end, and cuts what has not ended after the grace period.
pub(super) async fn serve(
    mut listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    shutdown: CancellationToken,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_headers(HEADERS).max_buf_size(HEAD_SIZE);
    let graceful = GracefulShutdown::new();
    // Dropped at the end, and with it whatever is still open.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            (stream, client) = Listener::accept(&mut listener) => {
                // Events of a run go out one by one.
                let _ = stream.set_nodelay(true);
                let connection = Connection { http: http.clone(), router: router.clone(), watcher: graceful.watcher() };
                let (tls, stop) = (tls.clone(), shutdown.clone());
                connections.spawn(async move {
                    let served = match tls {
                        Some(tls) => match stop.run_until_cancelled(handshake(&tls, stream)).await {
                            Some(Ok(stream)) => connection.serve(stream).await,
                            Some(Err(error)) => Err(error.into()),
                            None => Ok(()),
                        },
                        None => connection.serve(stream).await,
                    };
                    if let Err(error) = served {
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

async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    tls: &TlsAcceptor,
    stream: S,
) -> io::Result<tokio_rustls::server::TlsStream<S>> {
    match tokio::time::timeout(HEAD, tls.accept(stream)).await {
        Ok(accepted) => accepted,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake took too long")),
    }
}

/// A connection that is about to be served.
struct Connection {
    http: http1::Builder,
    router: Router,
    watcher: Watcher,
}

impl Connection {
    async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) -> Result<(), axum::BoxError> {
        let connection = self.http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(self.router));
        Ok(self.watcher.watch(connection).await?)
    }
}
