//! The way to a dispatcher's internal addresses.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};

use super::Unresolved;

/// How long the dispatcher may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A dispatcher, and the key that it knows the fleet's processes by.
#[derive(Clone)]
pub(crate) struct Link {
    http: reqwest::Client,
    base: Url,
    key: Arc<str>,
}

impl Link {
    /// To the dispatcher at that address, such as `http://dispatcher:8080`.
    ///
    /// # Errors
    /// A sentence that names the flag when the address cannot be used.
    pub(crate) fn new(dispatcher: &str, key: &str) -> Result<Self, String> {
        let unusable = |reason: String| format!("--dispatcher-url {dispatcher:?} cannot be used: {reason}");
        let base = Url::parse(dispatcher).map_err(|error| unusable(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(unusable("write one such as http://dispatcher:8080".to_owned()));
        }
        // Whoever comes second finds the same provider installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let redirects = reqwest::redirect::Policy::none();
        let mut builder = reqwest::Client::builder().timeout(PATIENCE).redirect(redirects).no_proxy();
        if base.scheme() == "http" {
            // Spares reading the system's certificates, which a small container may not even have.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| unusable(error.to_string()))?;
        Ok(Self { http, base, key: Arc::from(key) })
    }

    /// An answer that is either good or "not found".
    pub(crate) async fn ask(&self, method: Method, path: &[&str]) -> Result<Response, Unresolved> {
        self.ask_with(method, path, |request| request).await
    }

    /// The same of a request with something added.
    pub(crate) async fn ask_with(
        &self,
        method: Method,
        path: &[&str],
        complete: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, Unresolved> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["internal", "v1"]).extend(path);
        }
        let asking = complete(self.http.request(method, url).bearer_auth(&self.key));
        let response = asking.send().await.map_err(away)?;
        match response.status() {
            status if status.is_success() || status == StatusCode::NOT_FOUND => Ok(response),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Unresolved::NotAllowed),
            status => Err(Unresolved::Away(format!("it answered {status}"))),
        }
    }

    /// Where it leads.
    pub(crate) fn base(&self) -> &str {
        self.base.as_str()
    }
}

pub(crate) fn away(error: reqwest::Error) -> Unresolved {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    Unresolved::Away(text)
}
