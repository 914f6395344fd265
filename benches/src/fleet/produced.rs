//! What a producer says about itself when it has handed everything in.

use serde::{Deserialize, Serialize};

/// One line of JSON, the same from every producer, whatever its language.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Produced {
    /// When it began, in seconds since 1970. Connecting comes before.
    pub first: f64,
    /// How many runs it handed in.
    pub count: u32,
    /// How long that took.
    pub seconds: f64,
    /// Processor time that it took, in seconds. Starting and connecting are not in it.
    pub processor_seconds: f64,
    /// How long each call took, in seconds.
    #[serde(default)]
    pub calls: Vec<f64>,
}

impl Produced {
    /// Runs a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        f64::from(self.count) / self.seconds
    }
}
