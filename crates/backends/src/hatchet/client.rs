//! Connections to Hatchet: gRPC to the engine, and a few questions to its REST API.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{StatusCode, Url};
use serde_json::Value;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};

use super::proto::dispatcher_client::DispatcherClient;
use super::proto::events_service_client::EventsServiceClient;
use super::proto::v1::admin_service_client::AdminServiceClient;
use super::proto::workflow_service_client::WorkflowServiceClient;
use super::settings::{refused, unavailable};
use super::token::Token;
use crate::port::Error;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How often a connection is tried out, and how long that may take, as Hatchet's own SDKs do.
const PING: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(60));

/// Where everything is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The engine, with scheme.
    pub(super) engine: String,
    pub(super) api: Url,
    pub(super) tls: Option<ClientTlsConfig>,
    pub(super) namespace: String,
}

/// Hatchet, as dispatchers and workers ask it. Clones share a connection.
#[derive(Clone)]
pub(super) struct Client {
    engine: Arc<str>,
    channel: InterceptedService<Channel, Bearer>,
    http: reqwest::Client,
    api: Url,
    token: Arc<Token>,
    namespace: Arc<str>,
}

/// Shows the token with every call.
#[derive(Clone)]
pub(super) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

type Link = InterceptedService<Channel, Bearer>;

impl Client {
    /// Connects when it is first needed.
    pub(super) fn new(token: Token, place: Place) -> Result<Self, Error> {
        let unusable = |reason: String| refused(format!("--hatchet-host-port cannot be used: {reason}"));
        // Whoever comes second finds the same provider installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut endpoint = Endpoint::from_shared(place.engine.clone())
            .map_err(|error| unusable(error.to_string()))?
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(PING.0)
            .keep_alive_timeout(PING.1)
            .keep_alive_while_idle(true);
        if let Some(tls) = place.tls {
            endpoint =
                endpoint.tls_config(tls).map_err(|error| refused(format!("--hatchet-tls: {}", chain(&error))))?;
        }
        let shown: Result<MetadataValue<Ascii>, _> = format!("bearer {}", token.expose()).parse();
        let mut shown = shown.map_err(|_| refused("--hatchet-token holds letters that no token has".to_owned()))?;
        shown.set_sensitive(true);
        let mut http = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
        if place.api.scheme() == "http" {
            // Spares reading the system's certificates, which a small container may not even have.
            http = http.tls_certs_only([]);
        }
        let http = http.build().map_err(|error| refused(format!("there can be no HTTP client: {error}")))?;
        Ok(Self {
            engine: place.engine.into(),
            channel: InterceptedService::new(endpoint.connect_lazy(), Bearer(shown)),
            http,
            api: place.api,
            token: Arc::new(token),
            namespace: place.namespace.into(),
        })
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(super) fn dispatcher(&self) -> DispatcherClient<Link> {
        DispatcherClient::new(self.channel.clone())
    }

    pub(super) fn events(&self) -> EventsServiceClient<Link> {
        EventsServiceClient::new(self.channel.clone())
    }

    pub(super) fn workflows(&self) -> WorkflowServiceClient<Link> {
        WorkflowServiceClient::new(self.channel.clone())
    }

    pub(super) fn admin(&self) -> AdminServiceClient<Link> {
        AdminServiceClient::new(self.channel.clone())
    }

    /// Says what a refused or failed call means.
    pub(super) fn failed(&self, what: &str, status: &Status) -> Error {
        match status.code() {
            Code::Unauthenticated | Code::PermissionDenied => refused(format!(
                "it does not take the token in --hatchet-token (HATCHET_CLIENT_TOKEN): {}",
                status.message()
            )),
            Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange | Code::Unimplemented => {
                refused(format!("{what}: {}", status.message()))
            }
            Code::Unavailable | Code::DeadlineExceeded => {
                let reasons =
                    std::error::Error::source(status).map_or(String::new(), |source| format!(": {}", chain(source)));
                unavailable(format!(
                    "{} does not answer ({}{reasons}); see --hatchet-host-port and --hatchet-tls",
                    self.engine,
                    status.message()
                ))
            }
            code => unavailable(format!("{what}: {code:?}: {}", status.message())),
        }
    }

    /// The status of the run whose metadata say this, by the REST API; nothing where there is none.
    pub(super) async fn status_of(&self, key: &str, value: &str, since: &str) -> Result<Option<String>, Error> {
        let mut url = self.api.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            let tenant = self.token.tenant();
            segments.pop_if_empty().extend(["api", "v1", "stable", "tenants", tenant, "workflow-runs"]);
        }
        url.query_pairs_mut()
            .append_pair("since", since)
            .append_pair("only_tasks", "false")
            .append_pair("limit", "1")
            .append_pair("additional_metadata", &format!("{key}:{value}"));
        let away = |error: &reqwest::Error| {
            unavailable(format!("{} does not answer ({}); see --hatchet-server-url", self.api, chain(error)))
        };
        let response =
            self.http.get(url).bearer_auth(self.token.expose()).send().await.map_err(|error| away(&error))?;
        match response.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(refused(
                    "its API does not take the token in --hatchet-token (HATCHET_CLIENT_TOKEN)".to_owned(),
                ));
            }
            status if !status.is_success() => {
                return Err(unavailable(format!("{} answered {status}; see --hatchet-server-url", self.api)));
            }
            _ => {}
        }
        let answer: Value = response.json().await.map_err(|error| away(&error))?;
        Ok(answer["rows"][0]["status"].as_str().map(str::to_owned))
    }
}

/// A question that does not wait for ever.
pub(super) fn asking<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}

/// An error with its reasons.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut reasons = vec![error.to_string()];
    let mut source = error.source();
    while let Some(reason) = source {
        reasons.push(reason.to_string());
        source = reason.source();
    }
    reasons.dedup();
    reasons.join(": ")
}
