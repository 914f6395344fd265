//! Short waits within one call.
//!
//! The only place that uses the `backoff` crate. Waits of more than a few seconds do not belong here: the failure's
//! class tells the fleet to try the whole task again later, which holds no worker meanwhile.

use std::future::Future;
use std::time::Duration;

use backoff::ExponentialBackoffBuilder;

use super::http::Refused;

/// Tries altogether.
const TRIES: u32 = 3;
/// No further try begins after that time.
const LONGEST: Duration = Duration::from_secs(10);

/// Calls until it succeeds, fails for good, or patience runs out.
pub(super) async fn patiently<T, F>(mut call: impl FnMut() -> F) -> Result<T, Refused>
where
    F: Future<Output = Result<T, Refused>>,
{
    let waits = ExponentialBackoffBuilder::new()
        .with_initial_interval(Duration::from_millis(250))
        .with_multiplier(4.0)
        .with_max_elapsed_time(Some(LONGEST))
        .build();
    let mut tries = 0;
    backoff::future::retry(waits, || {
        tries += 1;
        let last = tries == TRIES;
        let attempt = call();
        async move {
            attempt.await.map_err(|refused| {
                if refused.passing && !last {
                    backoff::Error::transient(refused)
                } else {
                    backoff::Error::permanent(refused)
                }
            })
        }
    })
    .await
}
