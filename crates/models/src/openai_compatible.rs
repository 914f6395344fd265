//! Any server that speaks the OpenAI chat-completions protocol: hosted ones, vLLM, llama.cpp, Ollama and the like.
//!
//! One question is one call at temperature 0 that asks for `{"quote": …, "value": …}`. Servers differ in what they
//! understand, so the adapter starts with the strictest request and steps down when a server refuses it; what it
//! learned holds for its lifetime. Document text only ever goes into the user's message, between marks that it does
//! not contain, and never into an error or a log.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::{Error, Model, ModelInfo, Question, Reply};

mod config;
mod dialect;
mod http;
mod patience;
mod prompt;
mod schema;
mod wire;

pub use config::{Config, Secret};

use dialect::Dialect;

/// A model behind an OpenAI-compatible server.
pub struct OpenAiCompatible {
    info: ModelInfo,
    max_output_tokens: Option<u32>,
    client: http::Client,
    /// What the server was found to understand.
    dialect: Mutex<Dialect>,
}

impl OpenAiCompatible {
    /// An adapter for one model of one server. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Configuration`] when the address is none or the TLS roots of the system cannot be read.
    pub fn new(config: Config) -> Result<Self, Error> {
        Self::reached(config, http::Client::new)
    }

    /// The same for an address that somebody else than the operator names: it is reached by that way out alone, and so
    /// only as far as its policy lets it. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Configuration`] when the address is none, [`Error::AddressRefused`] when the policy does not admit it.
    pub fn guarded(config: Config, way_out: outbound::Client) -> Result<Self, Error> {
        Self::reached(config, |config| http::Client::guarded(config, way_out))
    }

    fn reached(config: Config, connect: impl FnOnce(&Config) -> Result<http::Client, Error>) -> Result<Self, Error> {
        if config.model.trim().is_empty() {
            return Err(Error::Configuration("the model's name is empty".to_owned()));
        }
        Ok(Self {
            client: connect(&config)?,
            info: ModelInfo { name: config.model, context_tokens: config.context_tokens },
            max_output_tokens: config.max_output_tokens,
            dialect: Mutex::default(),
        })
    }

    fn dialect(&self) -> Dialect {
        *self.dialect.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for OpenAiCompatible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiCompatible")
            .field("info", &self.info)
            .field("dialect", &self.dialect())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Model for OpenAiCompatible {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    async fn answer(&self, question: Question<'_>) -> Result<Reply, Error> {
        let messages = prompt::messages(&question);
        let mut dialect = self.dialect();
        loop {
            let request =
                wire::request(&self.info.name, &messages, question.spec.kind, dialect, self.max_output_tokens);
            let refused = match self.client.post(&request, question.context).await {
                Ok(body) => return wire::reply(&body),
                Err(refused) => refused,
            };
            let simpler = refused.complaint.as_deref().and_then(|complaint| dialect.without(complaint));
            let Some(simpler) = simpler else { return Err(refused.error) };
            tracing::info!(model.name = self.info.name, model.dialect = ?simpler, "the server refused a request, simpler ones are sent from now on");
            dialect = simpler;
            *self.dialect.lock().unwrap_or_else(PoisonError::into_inner) = simpler;
        }
    }
}

#[cfg(test)]
mod tests;
