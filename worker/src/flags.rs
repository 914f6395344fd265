//! Flags that everything with workers in it shares.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use models::ModelConfig;
use models::openai_compatible::{self, Secret};

use crate::stages::extractors::Extractors;

/// Whom to ask about what tenants set up.
#[cfg(feature = "fleet")]
#[derive(Clone, Debug, Args)]
pub struct Resolving {
    /// Where a dispatcher is, such as http://dispatcher:8080. Workers ask it for what tenants set up, webhooks and adapters of
    /// models: addresses and secrets never travel in messages.
    #[arg(long, value_name = "URL", env = "FLOTILLA_DISPATCHER_URL")]
    pub dispatcher_url: Option<String>,
    /// The key that the processes of this fleet share. Better given by environment: arguments are visible to everybody on
    /// this machine.
    #[arg(long, value_name = "KEY", env = "FLOTILLA_FLEET_KEY", hide_env_values = true)]
    pub fleet_key: Option<String>,
}

#[cfg(feature = "fleet")]
impl Resolving {
    /// The desk of the dispatcher, for tasks of other engines.
    ///
    /// # Errors
    /// A sentence that names the flag that is missing or cannot be used.
    pub(crate) fn desk(&self) -> Result<std::sync::Arc<dyn backends::desk::Desk>, String> {
        match (&self.dispatcher_url, &self.fleet_key) {
            (Some(url), Some(key)) => {
                Ok(std::sync::Arc::new(crate::desk::HttpDesk::new(crate::resolver::link::Link::new(url, key)?)))
            }
            _ => {
                Err("tasks of other engines need --dispatcher-url and FLOTILLA_FLEET_KEY: the dispatcher has the jobs"
                    .to_owned())
            }
        }
    }

    /// Who answers, as these flags say.
    ///
    /// # Errors
    /// A sentence that names the flag when the address cannot be used.
    pub fn resolver(&self) -> Result<std::sync::Arc<dyn crate::Resolver>, String> {
        Ok(match (&self.dispatcher_url, &self.fleet_key) {
            (Some(url), Some(key)) => std::sync::Arc::new(crate::resolver::HttpResolver::new(url, key)?),
            _ => std::sync::Arc::new(crate::resolver::NoResolver),
        })
    }
}

/// How scanned pages are read.
#[derive(Clone, Debug, Args)]
pub struct Ocr {
    /// When pictures of pages are read by tesseract: auto where a page has no text that can be trusted, always, never.
    #[arg(long, value_name = "WHEN", env = "FLOTILLA_OCR", default_value = "auto")]
    pub ocr: text::OcrMode,
    /// Languages of scanned pages as tesseract calls them, such as eng,deu or script/Cyrillic. Without it English and its
    /// like are tried first, and where that goes badly what the script of the page takes.
    #[arg(long, value_name = "LANG,…", env = "FLOTILLA_OCR_LANGUAGES", value_delimiter = ',')]
    pub ocr_languages: Vec<String>,
    /// How finely pages are drawn to be read, in dots per inch.
    #[arg(long, value_name = "DPI", env = "FLOTILLA_OCR_DPI", default_value_t = 300,
          value_parser = clap::value_parser!(u16).range(72..=600))]
    pub ocr_dpi: u16,
    /// How long reading one picture may take, in seconds.
    #[arg(long, value_name = "SECONDS", env = "FLOTILLA_OCR_TIMEOUT", default_value_t = 90,
          value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub ocr_timeout: u32,
    /// The tesseract program, where it is not in the search path.
    #[arg(long, value_name = "PATH", env = "FLOTILLA_TESSERACT")]
    pub tesseract: Option<std::path::PathBuf>,
}

impl Ocr {
    /// How pictures are read, as these flags say.
    #[must_use]
    pub fn config(&self) -> text::Ocr {
        text::Ocr {
            mode: self.ocr,
            program: self.tesseract.clone(),
            languages: self
                .ocr_languages
                .iter()
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty())
                .collect(),
            dpi: self.ocr_dpi.into(),
            wall: Duration::from_secs(self.ocr_timeout.into()),
            ..text::Ocr::default()
        }
    }
}

/// What becomes of the texts of documents.
#[derive(Clone, Debug, Args)]
pub struct Texts {
    /// Whether the text that was read of a document is kept for further runs of it. It goes when the document is removed.
    #[arg(long, value_name = "BOOL", env = "FLOTILLA_TEXT_CACHE", default_value_t = true,
          action = clap::ArgAction::Set)]
    pub text_cache: bool,
}

impl Texts {
    /// Who reads documents: that extractor, or the readers that tenants set up.
    #[must_use]
    pub fn extractors(
        &self,
        extractor: text::Extractor,
        resolver: Arc<dyn crate::Resolver>,
        way_out: outbound::Client,
    ) -> Arc<Extractors> {
        let own = Arc::new(x2text::Builtin::new(extractor));
        Arc::new(Extractors::new(own, resolver, way_out, self.text_cache))
    }
}

/// Who answers questions.
#[derive(Clone, Debug, Args)]
pub struct Model {
    /// A model server with an OpenAI-compatible API, such as http://localhost:11434/v1. Without it the built-in
    /// reader answers, offline.
    #[arg(long, value_name = "URL", env = "FLOTILLA_MODEL_URL", requires = "model")]
    pub model_url: Option<String>,
    /// The model's name at that server; without a server it means nothing.
    #[arg(long, value_name = "NAME", env = "FLOTILLA_MODEL")]
    pub model: Option<String>,
    /// The key for that server. Better given by environment: arguments are visible to everybody on this machine.
    #[arg(long, value_name = "KEY", env = "FLOTILLA_MODEL_KEY", hide_env_values = true)]
    pub model_key: Option<String>,
    /// How many tokens the model reads at once.
    #[arg(long, value_name = "TOKENS", env = "FLOTILLA_MODEL_CONTEXT", default_value_t = 8192,
          value_parser = clap::value_parser!(u32).range(512..))]
    pub model_context: u32,
    /// How long one call to the model may take, in seconds.
    #[arg(long, value_name = "SECONDS", env = "FLOTILLA_MODEL_TIMEOUT", default_value_t = 120,
          value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub model_timeout: u32,
}

impl Model {
    /// The adapter that these flags ask for.
    #[must_use]
    pub fn config(&self) -> ModelConfig {
        match (&self.model_url, &self.model) {
            (Some(base_url), Some(model)) => ModelConfig::OpenAiCompatible(openai_compatible::Config {
                base_url: base_url.clone(),
                model: model.clone(),
                api_key: self.model_key.clone().map(Secret::new),
                context_tokens: self.model_context,
                timeout: Duration::from_secs(self.model_timeout.into()),
                max_output_tokens: None,
            }),
            _ => ModelConfig::Builtin,
        }
    }
}
