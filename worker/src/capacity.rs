//! How much a worker takes on: the flags that size it, and what they come to.

use std::sync::Arc;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Command};
use objects::Objects;
use objects::cached::Cached;

use crate::autoscale::{Autoscale, Span};
use crate::size::Size;
use crate::time_limits::TimeLimits;
use crate::worker::Builder;

/// A child with less cannot even load its libraries.
const LEAST_MEMORY_PER_CHILD: Size = Size::mib(64);

/// How much a worker takes on.
#[derive(Debug, Args)]
pub(crate) struct Capacity {
    /// How many jobs run at once [default: one per processor].
    #[arg(long, value_name = "N", env = "FLOTILLA_CONCURRENCY", value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: Option<u16>,
    /// Let the number of jobs that run at once follow the backlog, between MIN and MAX: it doubles while jobs wait or all are
    /// busy, and shrinks when there was little to do for ten seconds. The prefetch follows it.
    #[arg(long, value_name = "MAX,MIN", env = "FLOTILLA_AUTOSCALE", conflicts_with_all = ["concurrency", "prefetch"])]
    autoscale: Option<Span>,
    /// How many jobs of a queue may be in hand, running or not [default: the same as --concurrency].
    #[arg(long, value_name = "N", env = "FLOTILLA_PREFETCH", value_parser = clap::value_parser!(u16).range(1..))]
    prefetch: Option<u16>,
    /// Longest time for a job on this worker, in seconds: then it is aborted and its child processes are killed, and it counts
    /// as a failed attempt. Where its task allows less, that counts.
    #[arg(long, value_name = "SECONDS", env = "FLOTILLA_TIME_LIMIT", value_parser = clap::value_parser!(u32).range(1..))]
    time_limit: Option<u32>,
    /// After this a job on this worker is asked to come to an end, in seconds. Below --time-limit.
    #[arg(long, value_name = "SECONDS", env = "FLOTILLA_SOFT_TIME_LIMIT", value_parser = clap::value_parser!(u32).range(1..))]
    soft_time_limit: Option<u32>,
    /// How many documents a child process reads before another takes its place. 1: no two documents meet in one process.
    #[arg(long, value_name = "N", env = "FLOTILLA_MAX_TASKS_PER_CHILD", default_value_t = text::Config::DOCUMENTS_PER_CHILD,
          value_parser = clap::value_parser!(u32).range(1..))]
    max_tasks_per_child: u32,
    /// Most memory of a child process that reads a document, tesseract among them, such as 512MiB or 1GiB; a bare number counts MiB. At least 64MiB.
    #[arg(long, value_name = "SIZE", env = "FLOTILLA_MAX_MEMORY_PER_CHILD", default_value_t = Size::mib(1536))]
    max_memory_per_child: Size,
    /// Memory for artifacts that this worker has stored or fetched, so that the next stage of a run finds them here. 0: keep
    /// none, and take no part in sticky runs.
    #[arg(long, value_name = "SIZE", env = "FLOTILLA_ARTIFACT_CACHE", default_value_t = Size::mib(64))]
    artifact_cache: Size,
    /// How long jobs in hand may take to finish after the order to stop, in seconds.
    #[arg(long, value_name = "SECONDS", env = "FLOTILLA_SHUTDOWN_GRACE", default_value_t = 30)]
    shutdown_grace: u32,
}

impl Capacity {
    /// What one flag alone cannot tell.
    pub(crate) fn check(&self, mut command: Command) -> Result<(), clap::Error> {
        let problem = if self.max_memory_per_child < LEAST_MEMORY_PER_CHILD {
            format!("--max-memory-per-child has to be at least {LEAST_MEMORY_PER_CHILD}")
        } else if self.soft_time_limit.zip(self.time_limit).is_some_and(|(soft, hard)| soft >= hard) {
            "--soft-time-limit has to be below --time-limit".to_owned()
        } else {
            return Ok(());
        };
        Err(command.error(ErrorKind::ValueValidation, problem))
    }

    /// Most jobs that run at once.
    pub(crate) fn concurrency(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let most = self.autoscale.map(|span| span.max).or(self.concurrency);
        most.map_or_else(processors, usize::from)
    }

    /// How many jobs of a queue may be in hand, where the concurrency is fixed.
    pub(crate) fn prefetch(&self) -> usize {
        self.prefetch.map_or_else(|| self.concurrency(), usize::from)
    }

    /// How long jobs in hand may take after the order to stop.
    pub(crate) fn grace(&self) -> Duration {
        Duration::from_secs(self.shutdown_grace.into())
    }

    /// How documents are read.
    pub(crate) fn text(&self, discovered: text::Config) -> text::Config {
        let limits = text::Limits { memory_bytes: self.max_memory_per_child.bytes(), ..discovered.limits };
        let (children, documents_per_child) = (self.concurrency(), self.max_tasks_per_child);
        // A slot has a child or a tesseract at a time, so one size is what a slot takes.
        let ocr = text::Ocr { memory_bytes: self.max_memory_per_child.bytes(), ..discovered.ocr };
        text::Config { children, documents_per_child, limits, ocr, ..discovered }
    }

    /// The object store, with what this worker remembers of it.
    pub(crate) fn cached(&self, objects: Arc<dyn Objects>) -> Arc<dyn Objects> {
        match usize::try_from(self.artifact_cache.bytes()) {
            Ok(0) => objects,
            most => Arc::new(Cached::new(objects, most.unwrap_or(usize::MAX))),
        }
    }

    /// Sizes a worker.
    pub(crate) fn apply(&self, builder: Builder) -> Builder {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let limits = TimeLimits { soft: self.soft_time_limit.map(seconds), hard: self.time_limit.map(seconds) };
        let mut builder = builder.time_limits(limits);
        if self.artifact_cache.bytes() > 0 {
            builder = builder.sticky();
        }
        match self.autoscale {
            Some(span) => builder.autoscale(Autoscale::between(span.min.into(), span.max.into())),
            None => builder,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{FromArgMatches, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        capacity: Capacity,
    }

    fn parse(flags: &[&str]) -> Result<Capacity, clap::Error> {
        let command = <Flags as clap::CommandFactory>::command();
        let matches = command.clone().try_get_matches_from([&["worker"], flags].concat())?;
        let flags = Flags::from_arg_matches(&matches)?;
        flags.capacity.check(command).map(|()| flags.capacity)
    }

    #[test]
    fn the_prefetch_follows_the_concurrency_unless_it_is_given() {
        let sized =
            |flags: &[&str]| parse(flags).map(|capacity| (capacity.concurrency(), capacity.prefetch())).unwrap();
        assert_eq!(sized(&["--concurrency", "3"]), (3, 3));
        assert_eq!(sized(&["--concurrency", "3", "--prefetch", "5"]), (3, 5));
        assert_eq!(sized(&["--autoscale", "8,2"]).0, 8, "children for the most there can be");
    }

    #[test]
    fn flags_that_contradict_each_other_are_refused() {
        for (flags, word) in [
            (&["--autoscale", "8,2", "--concurrency", "3"][..], "--concurrency"),
            (&["--autoscale", "8,2", "--prefetch", "3"], "--prefetch"),
            (&["--autoscale", "2,8"], "MAX,MIN"),
            (&["--time-limit", "10", "--soft-time-limit", "10"], "below --time-limit"),
            (&["--max-memory-per-child", "63MiB"], "at least 64MiB"),
            (&["--max-memory-per-child", "1GB"], "1.5GiB"),
            (&["--max-tasks-per-child", "0"], "--max-tasks-per-child"),
        ] {
            let refusal = parse(flags).unwrap_err().to_string();
            assert!(refusal.contains(word), "{flags:?}: {refusal}");
        }
    }

    #[test]
    fn memory_is_given_as_a_size_or_in_mib() {
        let memory = |text| parse(&["--max-memory-per-child", text]).unwrap().max_memory_per_child.bytes();
        assert_eq!((memory("512"), memory("512MiB"), memory("1GiB")), (512 << 20, 512 << 20, 1 << 30));
    }
}
