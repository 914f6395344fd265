//! From a setting to the adapter it names: one line each.

use std::sync::Arc;

use crate::openai_compatible::{self, OpenAiCompatible};
use crate::{Builtin, Error, Model};

/// Which model answers.
#[derive(Clone, Debug)]
pub enum ModelConfig {
    /// The reader that needs no language model.
    Builtin,
    /// A model behind an OpenAI-compatible server.
    OpenAiCompatible(openai_compatible::Config),
}

/// The adapter that a setting names. Nothing is sent to anybody yet.
///
/// # Errors
/// [`Error::Configuration`] when the adapter is not usable as configured.
pub fn resolve(config: ModelConfig) -> Result<Arc<dyn Model>, Error> {
    Ok(match config {
        ModelConfig::Builtin => Arc::new(Builtin::new()),
        ModelConfig::OpenAiCompatible(config) => Arc::new(OpenAiCompatible::new(config)?),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_setting_gives_the_adapter_it_names() {
        let served = openai_compatible::Config {
            base_url: "http://localhost:8080".into(),
            model: "some-model".into(),
            api_key: None,
            context_tokens: 4096,
            timeout: Duration::from_secs(1),
            max_output_tokens: None,
        };
        for (config, name) in [(ModelConfig::Builtin, "builtin"), (ModelConfig::OpenAiCompatible(served), "some-model")]
        {
            assert_eq!(resolve(config).unwrap().info().name, name);
        }
    }
}
