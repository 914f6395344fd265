//! What the runs of one backend add up to.

use jiff::Timestamp;
use ledger::{RunSummary, RunUsage};
use protocol::answer::Usage;
use protocol::{Backend, RunState};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::usage::sums::{Account, Sum};
use crate::prices::Prices;

/// How one backend fared.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct BackendLine {
    #[schema(value_type = String)]
    backend: Backend,
    /// Its runs, those that repeat others among them.
    runs: usize,
    /// How many of them repeat another one.
    shadows: usize,
    succeeded: usize,
    failed: usize,
    cancelled: usize,
    /// Queued or running.
    under_way: usize,
    /// Failed ones among those that succeeded or failed, 0 to 1; null when there are none.
    failure_rate: Option<f64>,
    /// From submission to the end, of those that succeeded; null when there are none.
    latency_seconds: Option<Percentiles>,
    /// From submission to admission, of those that were admitted: half of them waited no longer; null when there are none.
    queue_p50_seconds: Option<f64>,
    /// What all of them consumed.
    usage: Sum,
    /// The same for each, on average; null when there are no runs.
    per_run: Option<PerRun>,
}

/// Times that half, 95 and 99 of a hundred stayed within.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub(in crate::api) struct Percentiles {
    p50: f64,
    p95: f64,
    p99: f64,
}

/// What a run consumed on average.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(in crate::api) struct PerRun {
    calls: f64,
    input_tokens: f64,
    output_tokens: f64,
    embedding_tokens: f64,
    pages: f64,
    /// By the prices in force now; null when one of them is not known.
    cost: Option<f64>,
}

/// Runs of one backend, being added up.
#[derive(Default)]
pub(super) struct Tally {
    runs: usize,
    shadows: usize,
    succeeded: usize,
    failed: usize,
    cancelled: usize,
    under_way: usize,
    latencies: Vec<f64>,
    waits: Vec<f64>,
    account: Account,
    attempts: u64,
}

impl Tally {
    /// Adds a run, and what it consumed.
    pub(super) fn add(&mut self, prices: &Prices, run: &RunSummary, consumed: Option<&RunUsage>) {
        self.runs += 1;
        self.shadows += usize::from(run.shadow_of.is_some());
        match run.state {
            RunState::Queued | RunState::Running => self.under_way += 1,
            RunState::Succeeded => self.succeeded += 1,
            RunState::Failed => self.failed += 1,
            RunState::Cancelled => self.cancelled += 1,
        }
        let since_created = |then: Timestamp| run.created_at.duration_until(then).as_secs_f64().max(0.0);
        self.latencies.extend(run.ended_at.filter(|_| run.state == RunState::Succeeded).map(since_created));
        self.waits.extend(run.started_at.map(since_created));
        self.account.add_attempt(prices, consumed.map_or(&Usage::default(), |consumed| &consumed.usage));
        self.attempts += consumed.map_or(0, |consumed| consumed.attempts);
    }

    /// The sum.
    pub(super) fn line(mut self, backend: Backend) -> BackendLine {
        let usage = self.account.sum(self.attempts);
        let decided = self.succeeded + self.failed;
        let runs = self.runs as f64;
        let each = |count: u64| rounded(count as f64 / runs);
        let per_run = (self.runs > 0).then(|| PerRun {
            calls: each(usage.calls),
            input_tokens: each(usage.input_tokens),
            output_tokens: each(usage.output_tokens),
            embedding_tokens: each(usage.embedding_tokens),
            pages: each(usage.pages),
            cost: usage.cost.map(|cost| (cost / runs * 1e9).round() / 1e9),
        });
        BackendLine {
            backend,
            runs: self.runs,
            shadows: self.shadows,
            succeeded: self.succeeded,
            failed: self.failed,
            cancelled: self.cancelled,
            under_way: self.under_way,
            failure_rate: (decided > 0).then(|| rounded(self.failed as f64 / decided as f64)),
            latency_seconds: percentiles(&mut self.latencies),
            queue_p50_seconds: percentiles(&mut self.waits).map(|waits| waits.p50),
            usage,
            per_run,
        }
    }
}

/// The smallest time that so many of a hundred stayed within (nearest rank).
fn percentiles(times: &mut [f64]) -> Option<Percentiles> {
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| {
        let rank = (times.len() * percent).div_ceil(100).max(1);
        times.get(rank - 1).copied().map(rounded)
    };
    Some(Percentiles { p50: at(50)?, p95: at(95)?, p99: at(99)? })
}

/// To a millisecond, or a thousandth of whatever it is.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use protocol::RunId;

    use super::*;

    fn run(state: RunState, seconds: i64) -> RunSummary {
        let created_at: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let at = |seconds| created_at + jiff::SignedDuration::from_secs(seconds);
        RunSummary {
            id: RunId::new(),
            workflow: "w".to_owned(),
            backend: Backend::Temporal,
            state,
            created_at,
            started_at: Some(at(1)),
            ended_at: state.is_final().then(|| at(seconds)),
            retry_of: None,
            shadow_of: None,
            tasks: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn runs_are_counted_by_how_they_ended_and_timed_if_they_succeeded() {
        let mut tally = Tally::default();
        for seconds in 1..=100 {
            tally.add(&Prices::default(), &run(RunState::Succeeded, seconds), None);
        }
        for state in [RunState::Failed, RunState::Cancelled, RunState::Running] {
            tally.add(&Prices::default(), &run(state, 10_000), None);
        }
        let line = tally.line(Backend::Temporal);
        assert_eq!((line.runs, line.succeeded, line.failed, line.cancelled, line.under_way), (103, 100, 1, 1, 1));
        assert_eq!(line.latency_seconds, Some(Percentiles { p50: 50.0, p95: 95.0, p99: 99.0 }));
        assert_eq!((line.failure_rate, line.queue_p50_seconds), (Some(0.01), Some(1.0)));
    }

    #[test]
    fn of_one_run_every_percentile_is_its_own_and_of_none_there_is_none() {
        assert_eq!(percentiles(&mut [0.25]), Some(Percentiles { p50: 0.25, p95: 0.25, p99: 0.25 }));
        assert_eq!(percentiles(&mut []), None);
        assert_eq!(Tally::default().line(Backend::Fleet).per_run, None);
    }
}
