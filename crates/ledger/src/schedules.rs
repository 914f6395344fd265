//! Schedules as they are recorded. When they fire is worked out by the dispatcher; the ledger knows the next time only.

use jiff::Timestamp;
use protocol::{Payload, RunId, TenantId};
use serde::{Deserialize, Serialize};

use crate::NewRun;

/// Runs that start by the clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Its owner, and that of its runs.
    pub tenant: TenantId,
    /// Unique within the tenant.
    pub name: String,
    /// Name of the workflow whose latest version is run.
    pub workflow: String,
    /// What every task gets.
    pub input: Payload,
    /// When: five fields.
    pub cron: String,
    /// The IANA time zone that `cron` speaks of.
    pub time_zone: String,
    /// What happens with times that nobody kept.
    pub misfire: Misfire,
    /// Priority of its runs.
    pub priority: i16,
    /// Whether it fires.
    pub enabled: bool,
    /// When it fires next; `None` when it is switched off or has no time left.
    pub next_at: Option<Timestamp>,
    /// The last time it fired for.
    pub last_at: Option<Timestamp>,
    /// The run that was started then.
    pub last_run: Option<RunId>,
}

/// What happens with the times of a schedule that passed while nobody kept time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Misfire {
    /// They are left out.
    Skip,
    /// The latest of them is made up for.
    #[default]
    Once,
    /// The latest hundred of them are made up for.
    All,
}

/// A schedule whose time has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Firing {
    /// The schedule as it was read: it fires only if its `next_at` is still the same.
    pub schedule: Schedule,
    /// The runs that it starts, oldest first; none when its times are left out.
    pub runs: Vec<NewRun>,
    /// The time that the last of the runs is for.
    pub last_at: Option<Timestamp>,
    /// When it fires next.
    pub next_at: Option<Timestamp>,
}

impl Misfire {
    /// The word in the record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Once => "once",
            Self::All => "all",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Skip, Self::Once, Self::All].into_iter().find(|misfire| misfire.as_str() == word)
    }
}
