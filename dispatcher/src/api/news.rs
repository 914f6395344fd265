//! What is announced about runs, passed on to whoever waits for a run: one reader of announcements for all clients.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::{Lifecycle, LifecycleEvent, RunId};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

/// How soon the record is looked at though nothing was announced, at first and at last: announcements may get lost.
const FIRST_LOOK: Duration = Duration::from_secs(1);
const LAST_LOOK: Duration = Duration::from_secs(10);

/// Wakes who waits for a run, and nobody else.
#[derive(Clone, Default)]
pub(super) struct News(Arc<Mutex<HashMap<RunId, watch::Sender<Told>>>>);

/// How much was announced about a run.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    events: u64,
    ends: u64,
}

impl News {
    /// Whoever waits for news of a run. Listen before looking at the record, so that nothing falls in between.
    pub(super) fn of(&self, run: RunId) -> Listener {
        let mut runs = self.runs();
        let told = runs.entry(run).or_default().subscribe();
        let ends = told.borrow().ends;
        Listener { news: self.clone(), run, told, ends, look: FIRST_LOOK }
    }

    /// Passes announcements on, for ever.
    pub(super) async fn pass_on(&self, mut announcements: Receiver<Lifecycle>) {
        loop {
            match announcements.recv().await {
                Ok(event) => {
                    let end = matches!(event.event, LifecycleEvent::RunEnded { .. });
                    if let Some(told) = self.runs().get(&event.run_id) {
                        told.send_modify(|told| told.count(end));
                    }
                }
                // Whose announcements were missed nobody knows.
                Err(RecvError::Lagged(_)) => {
                    self.runs().values().for_each(|told| told.send_modify(|told| told.count(true)));
                }
                Err(RecvError::Closed) => return std::future::pending().await,
            }
        }
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<RunId, watch::Sender<Told>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    fn count(&mut self, end: bool) {
        self.events += 1;
        self.ends += u64::from(end);
    }
}

/// Waits for news of one run.
pub(super) struct Listener {
    news: News,
    run: RunId,
    told: watch::Receiver<Told>,
    /// Ends that were seen.
    ends: u64,
    look: Duration,
}

impl Listener {
    /// Returns when something was announced since the last call, or when it is time to look all the same: soon at first,
    /// rarely when nothing ever comes of it.
    pub(super) async fn told(&mut self) {
        let news = tokio::time::timeout(self.look, self.told.changed()).await.is_ok();
        self.look = if news { FIRST_LOOK } else { (self.look * 2).min(LAST_LOOK) };
    }

    /// The same for the end of the run alone.
    pub(super) async fn ended(&mut self) {
        let seen = self.ends;
        let end = tokio::time::timeout(self.look, self.told.wait_for(|told| told.ends > seen)).await;
        if let Ok(Ok(told)) = end {
            self.ends = told.ends;
            self.look = FIRST_LOOK;
        } else {
            self.look = (self.look * 2).min(LAST_LOOK);
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut runs = self.news.runs();
        // The last one is this.
        if runs.get(&self.run).is_some_and(|told| told.receiver_count() <= 1) {
            runs.remove(&self.run);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use protocol::{RunState, TenantId};
    use tokio::sync::broadcast;
    use tokio::time::Instant;

    use super::*;

    fn about(run_id: RunId, event: LifecycleEvent) -> Lifecycle {
        Lifecycle {
            v: 1,
            run_id,
            tenant: TenantId::default_tenant(),
            task_run_id: None,
            task: None,
            attempt: None,
            worker: "worker-1".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            event,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_run_hears_of_that_run_alone_and_leaves_nothing_behind() {
        let (sender, receiver) = broadcast::channel(16);
        let news = News::default();
        let (one, other) = (RunId::new(), RunId::new());
        let (mut of_one, mut of_other) = (news.of(one), news.of(other));
        let pump = tokio::spawn({
            let news = news.clone();
            async move { news.pass_on(receiver).await }
        });
        let started = Instant::now();
        sender.send(about(one, LifecycleEvent::Started)).unwrap();
        of_one.told().await;
        assert_eq!(started.elapsed(), Duration::ZERO);
        of_other.told().await;
        assert_eq!(started.elapsed(), FIRST_LOOK, "it looked by itself");
        sender.send(about(one, LifecycleEvent::RunEnded { state: RunState::Succeeded })).unwrap();
        of_one.ended().await;
        assert_eq!(started.elapsed(), FIRST_LOOK);
        drop((of_one, of_other));
        assert!(news.runs().is_empty());
        pump.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_in_vain_looks_ever_more_rarely() {
        let news = News::default();
        let mut listener = news.of(RunId::new());
        let started = Instant::now();
        for _ in 0..7 {
            listener.told().await;
        }
        assert_eq!(started.elapsed(), Duration::from_secs(1 + 2 + 4 + 8 + 10 + 10 + 10));
    }
}
