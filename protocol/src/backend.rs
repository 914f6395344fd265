//! Who executes workflows, by name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Who executes the workflow of a run. A run stays with the one that it started with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// Our own engine, over RabbitMQ.
    #[default]
    Fleet,
    /// Our own engine, within one process.
    Embedded,
    /// Our own engine; tasks travel as Celery messages.
    Celery,
    /// Hatchet walks the workflow.
    Hatchet,
    /// Temporal walks the workflow.
    Temporal,
    /// Inngest walks the workflow.
    Inngest,
}

impl Backend {
    /// Every backend, in the order in which documents list them.
    pub const ALL: [Self; 6] =
        [Self::Fleet, Self::Embedded, Self::Celery, Self::Hatchet, Self::Temporal, Self::Inngest];

    /// The word used in settings, on the wire, in storage and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fleet => "fleet",
            Self::Embedded => "embedded",
            Self::Celery => "celery",
            Self::Hatchet => "hatchet",
            Self::Temporal => "temporal",
            Self::Inngest => "inngest",
        }
    }

    /// The backend of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|backend| backend.as_str() == word)
    }

    /// Whether jobs travel through our own broker in our own form.
    #[must_use]
    pub const fn is_native(self) -> bool {
        matches!(self, Self::Fleet | Self::Embedded)
    }

    /// Whether something else than our engine walks the workflow and comes for its tasks.
    #[must_use]
    pub const fn walks(self) -> bool {
        matches!(self, Self::Hatchet | Self::Temporal | Self::Inngest)
    }

    /// Whether it is the one that everything runs on unless told otherwise; left out where that goes without saying.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no backend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no backend; there are fleet, embedded, celery, hatchet, temporal and inngest")]
pub struct UnknownBackend(pub String);

impl FromStr for Backend {
    type Err = UnknownBackend;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::parse(word).ok_or_else(|| UnknownBackend(word.to_owned()))
    }
}
