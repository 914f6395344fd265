//! The desk of a dispatcher that is another process: what hosts of other engines ask.

use std::sync::Arc;

use async_trait::async_trait;
use backends::desk::{Away, Begun, Desk, Standing, Turn};
use protocol::{Callback, Workflow};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::resolver::link::{Link, away};

/// Asks the dispatcher at the other end of a link.
pub(crate) struct HttpDesk {
    link: Link,
}

impl HttpDesk {
    pub(crate) const fn new(link: Link) -> Self {
        Self { link }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        what: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Away> {
        let complete = |request: reqwest::RequestBuilder| match body {
            Some(body) => request.json(body),
            None => request,
        };
        let asked = self.link.ask_with(method, &[what], complete).await;
        let response = asked.map_err(|error| Away(error.to_string()))?;
        if response.status() == StatusCode::NOT_FOUND {
            return Err(Away("it is no dispatcher of this version".to_owned()));
        }
        response.json().await.map_err(|error| Away(away(error).to_string()))
    }
}

#[async_trait]
impl Desk for HttpDesk {
    async fn begin(&self, turn: &Turn) -> Result<Begun, Away> {
        self.ask(Method::POST, "turns", Some(turn)).await
    }

    async fn report(&self, callback: Callback) -> Result<Standing, Away> {
        self.ask(Method::POST, "callbacks", Some(&callback)).await
    }

    async fn workflows(&self) -> Result<Vec<Arc<Workflow>>, Away> {
        let workflows: Vec<Workflow> = self.ask(Method::GET, "workflows", None::<&()>).await?;
        Ok(workflows.into_iter().map(Arc::new).collect())
    }
}
