//! The least speed of a body: who sends a byte now and then must not hold a place for hours.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody as _};
use axum::extract::Request;
use axum::http::header;
use futures_core::Stream;
use tokio::time::{Instant, Sleep};

/// How long a body may take without counting its size.
const START: Duration = Duration::from_secs(60);

/// Bytes a second that it needs on average after that.
const LEAST: u64 = 1024;

/// How much of a body that nobody wants is read all the same, in bytes, and for how long.
const LEFT: usize = 8 * 1024 * 1024;
const LINGER: Duration = Duration::from_secs(2);

/// A body that comes too slowly.
#[derive(Debug, thiserror::Error)]
#[error("the body came at less than {LEAST} bytes a second; send it again over a better connection")]
pub(in crate::api) struct Stalled;

/// The request with a body that fails with [`Stalled`] when it is too slow, and what its handler leaves of it.
pub(super) fn kept(request: Request) -> (Request, Rest) {
    let rest = Rest { left: Arc::default(), waits: request.headers().contains_key(header::EXPECT) };
    if request.body().is_end_stream() {
        return (request, rest);
    }
    let left = Arc::clone(&rest.left);
    let request = request.map(|body| {
        let started = Instant::now();
        let deadline = Box::pin(tokio::time::sleep_until(started + START));
        let paced = Paced { body: body.into_data_stream(), started, received: 0, deadline };
        Body::from_stream(Kept { paced: Some(paced), left })
    });
    (request, rest)
}

/// What a handler leaves unread.
pub(super) struct Rest {
    left: Arc<Mutex<Option<Paced>>>,
    /// Whether the client sends nothing before it is asked to.
    waits: bool,
}

impl Rest {
    /// Reads what is left, within limits: most clients read no answer before they have sent everything, and would lose it
    /// if the connection were closed on them. False when there is more; then nothing else can come over the connection.
    pub(super) async fn drained(self) -> bool {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut paced) = left else { return true };
        let reading = async {
            let mut sum = 0;
            while let Some(piece) = std::future::poll_fn(|context| Pin::new(&mut paced).poll_next(context)).await {
                let Ok(piece) = piece else { return false };
                sum += piece.len();
                if sum > LEFT {
                    return false;
                }
            }
            true
        };
        !self.waits && tokio::time::timeout(LINGER, reading).await.unwrap_or(false)
    }
}

/// A body that is left behind when it is dropped before its end.
struct Kept {
    paced: Option<Paced>,
    left: Arc<Mutex<Option<Paced>>>,
}

impl Stream for Kept {
    type Item = Result<Bytes, axum::BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(paced) = self.paced.as_mut() else { return Poll::Ready(None) };
        let polled = Pin::new(paced).poll_next(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.paced = None;
        }
        polled
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = self.paced.take();
    }
}

/// A body with a deadline that moves with what has come.
struct Paced {
    body: BodyDataStream,
    started: Instant,
    received: u64,
    deadline: Pin<Box<Sleep>>,
}

impl Stream for Paced {
    type Item = Result<Bytes, axum::BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Poll::Ready(piece) = Pin::new(&mut self.body).poll_next(context) {
            if let Some(Ok(bytes)) = &piece {
                self.received += bytes.len() as u64;
            }
            return Poll::Ready(piece.map(|piece| piece.map_err(axum::Error::into_inner)));
        }
        loop {
            if self.deadline.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            // Moved only when it fires: a timer that is moved with every piece would cost more than the piece.
            let due = self.started + START + Duration::from_millis(self.received * 1000 / LEAST);
            if due <= Instant::now() {
                return Poll::Ready(Some(Err(Stalled.into())));
            }
            self.deadline.as_mut().reset(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::response::IntoResponse as _;

    use super::super::super::Problem;
    use super::*;

    /// Sends a byte each second for so many seconds, or a piece of that size.
    struct Drip {
        left: u32,
        piece: usize,
        pause: Pin<Box<Sleep>>,
    }

    impl Stream for Drip {
        type Item = Result<Bytes, std::io::Error>;

        fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            if self.left == 0 {
                return Poll::Ready(None);
            }
            std::task::ready!(self.pause.as_mut().poll(context));
            self.pause.as_mut().reset(Instant::now() + Duration::from_secs(1));
            self.left -= 1;
            Poll::Ready(Some(Ok(Bytes::from(vec![b'x'; self.piece]))))
        }
    }

    async fn received(left: u32, piece: usize) -> Result<usize, axum::Error> {
        let pause = Box::pin(tokio::time::sleep(Duration::from_secs(1)));
        let mut body =
            kept(Request::new(Body::from_stream(Drip { left, piece, pause }))).0.into_body().into_data_stream();
        let mut sum = 0;
        while let Some(piece) = std::future::poll_fn(|context| Pin::new(&mut body).poll_next(context)).await {
            sum += piece?.len();
        }
        Ok(sum)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_be_slow_for_a_minute_and_large_for_longer() {
        assert_eq!(received(50, 1).await.unwrap(), 50);
        assert_eq!(received(600, 2048).await.unwrap(), 600 * 2048);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_given_up() {
        let started = Instant::now();
        let error = received(3600, 1).await.unwrap_err();
        let problem = Problem::of_body(&error).into_response();
        assert_eq!(problem.status(), StatusCode::REQUEST_TIMEOUT, "{error:?}");
        assert!(started.elapsed() < Duration::from_secs(62), "{:?}", started.elapsed());
    }
}
