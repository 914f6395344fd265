//! From a setting to the adapter it names: one line each.

use std::sync::Arc;

use crate::openai_compatible::{self, OpenAiCompatible};
use crate::{Error, Model};

/// Which model answers.
#[derive(Clone, Debug)]
pub enum ModelConfig {
    /// A model behind an OpenAI-compatible server.
    OpenAiCompatible(openai_compatible::Config),
}

/// The adapter that a setting names. Nothing is sent to anybody yet.
///
/// # Errors
/// [`Error::Configuration`] when the adapter is not usable as configured.
pub fn resolve(config: ModelConfig) -> Result<Arc<dyn Model>, Error> {
    Ok(match config {
        ModelConfig::OpenAiCompatible(config) => Arc::new(OpenAiCompatible::new(config)?),
    })
}
