//! What processes have used, as the kernel counted it.

use std::time::Duration;

use anyhow::Context as _;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// Processor time, user and system, and the largest resident memory of one process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub(super) cpu: Duration,
    /// Since the beginning, not since another usage.
    pub(super) peak_kib: u64,
}

impl Usage {
    /// Of this process; its memory since it became this program.
    pub(super) fn own() -> anyhow::Result<Self> {
        // The kernel's account goes on with that of the process that this one was forked from.
        let status = std::fs::read_to_string("/proc/self/status").context("reading /proc/self/status")?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak_kib = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok());
        let peak_kib = peak_kib.context("/proc/self/status has no VmHWM")?;
        Ok(Self { peak_kib, ..Self::of(UsageWho::RUSAGE_SELF)? })
    }

    /// Of the children of this process that have ended and were waited for, with theirs.
    pub(super) fn of_children() -> anyhow::Result<Self> {
        Self::of(UsageWho::RUSAGE_CHILDREN)
    }

    fn of(who: UsageWho) -> anyhow::Result<Self> {
        let usage = getrusage(who)?;
        Ok(Self {
            cpu: duration(usage.user_time()) + duration(usage.system_time()),
            peak_kib: u64::try_from(usage.max_rss()).unwrap_or(0),
        })
    }
}

fn duration(time: TimeVal) -> Duration {
    let micros = i128::from(time.tv_sec()) * 1_000_000 + i128::from(time.tv_usec());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_child_counts_when_it_was_waited_for() -> anyhow::Result<()> {
        let before = Usage::of_children()?;
        Command::new("sh").args(["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"]).status()?;
        let after = Usage::of_children()?;
        assert!(after.cpu > before.cpu && after.peak_kib > 0);
        assert!(Usage::own()?.peak_kib > 0);
        Ok(())
    }
}
