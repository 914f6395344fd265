//! Task `deliver-webhook`: posts one signed message to one endpoint of a tenant.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use jiff::Timestamp;
use outbound::signature::{self, Secret};
use outbound::{Client, Request, retry_after};
use protocol::resolved::WebhookEndpoint;
use protocol::webhooks::{ANSWER_WITHIN, DeliverWebhook, Delivered, Delivery};
use protocol::{ErrorClass, TaskError, TenantId};

use crate::context::Context;
use crate::handler::{Handle, Stop};
use crate::resolver::Resolver;
use crate::worker::Builder;

/// Longest answer of an endpoint that is waited for, in bytes. Nothing in it is of interest.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Delivers webhooks.
pub struct Handler {
    /// Who knows the addresses and the secrets.
    pub resolver: Arc<dyn Resolver>,
    /// The way out.
    pub client: Client,
}

/// Serves the task.
#[must_use]
pub fn register(worker: Builder, resolver: Arc<dyn Resolver>, client: Client) -> Builder {
    worker.register(Handler { resolver, client })
}

#[async_trait]
impl Handle<DeliverWebhook> for Handler {
    async fn run(&self, ctx: &Context, delivery: Delivery) -> Result<Delivered, Stop> {
        // Of the run and not of its input: nobody may sign with the secrets of others.
        let tenant = ctx.job().tenant.owner();
        let endpoint = self.endpoint(&tenant, &delivery.endpoint).await?;
        let name = delivery.endpoint.clone();
        let request = request(&endpoint, &delivery)?;
        let started = Instant::now();
        let answer = match self.client.send(request).await {
            Ok(answer) => answer,
            // It answered, and more than anybody wants to know.
            Err(outbound::Error::TooLarge { .. }) => {
                let message = format!(
                    "endpoint {name:?} answers with more than {LONGEST_ANSWER} bytes; answer with a status alone"
                );
                return Err(TaskError::transient("webhook_failed", message).into());
            }
            Err(outbound::Error::Refused(refusal)) => {
                let message = format!("endpoint {name:?} may not be reached: {refusal}");
                return Err(TaskError::permanent("webhook_refused", message).into());
            }
            Err(error) => {
                let message = format!("endpoint {name:?} cannot be reached: {error}");
                return Err(TaskError::transient("webhook_unreachable", message).into());
            }
        };
        let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let status = answer.status.as_u16();
        if answer.status.is_success() {
            ctx.log("info", format!("endpoint {name:?} answered {status} after {ms} ms"));
            return Ok(Delivered { status, ms });
        }
        if status == 410 {
            if let Err(error) = self.resolver.webhook_gone(&tenant, &name).await {
                ctx.log("warn", format!("endpoint {name:?} could not be switched off: {error}"));
            }
            let message = format!("endpoint {name:?} answered 410: it is gone for good, and was switched off");
            return Err(TaskError::permanent("webhook_gone", message).into());
        }
        Err(failed(&name, status, retry_after(&answer.headers, Timestamp::now())))
    }
}

impl Handler {
    async fn endpoint(&self, tenant: &TenantId, id: &str) -> Result<WebhookEndpoint, TaskError> {
        let resolved = self.resolver.webhook(tenant, id).await;
        let found = resolved.map_err(|error| TaskError::transient("resolver_unavailable", error.to_string()))?;
        match found {
            Some(endpoint) if endpoint.enabled => Ok(endpoint),
            Some(_) => {
                let message = format!("endpoint {id:?} is switched off");
                Err(TaskError::permanent("webhook_endpoint_disabled", message))
            }
            None => {
                let message = format!("there is no endpoint {id:?} any more");
                Err(TaskError::permanent("webhook_endpoint_missing", message))
            }
        }
    }
}

/// The signed message. The time is that of this attempt, so that receivers need not believe old ones.
fn request(endpoint: &WebhookEndpoint, delivery: &Delivery) -> Result<Request, TaskError> {
    let secrets: Result<Vec<Secret>, _> = endpoint.secrets.iter().map(|secret| secret.parse()).collect();
    let secrets = secrets.map_err(|error| {
        let message = format!("endpoint {:?} cannot sign: {error}", delivery.endpoint);
        TaskError::permanent("webhook_secret_invalid", message)
    })?;
    let (body, timestamp) = (delivery.body(), Timestamp::now().as_second());
    let signatures = signature::sign(&secrets, &delivery.event_id, timestamp, &body);
    let mut request = Request::post(&endpoint.url, body).within(ANSWER_WITHIN).at_most(LONGEST_ANSWER);
    let headers = [
        ("content-type", "application/json"),
        (signature::ID, &delivery.event_id),
        (signature::TIMESTAMP, &timestamp.to_string()),
        (signature::SIGNATURE, &signatures),
    ];
    for (name, value) in headers {
        request = request
            .header(name, value)
            .map_err(|error| TaskError::permanent("input_invalid", format!("the message cannot be sent: {error}")))?;
    }
    Ok(request)
}

/// An answer that is no success: tried again by the workflow's policy, or when the endpoint wants it.
fn failed(name: &str, status: u16, after: Option<std::time::Duration>) -> Stop {
    let message = format!("endpoint {name:?} answered {status}");
    match after {
        Some(after) => {
            let class = match status {
                429 => ErrorClass::RateLimited,
                503 => ErrorClass::Unavailable,
                _ => ErrorClass::Transient,
            };
            Stop::RetryAfter(TaskError::new(class, "webhook_failed", message), after)
        }
        // The other classes have curves of their own, which end within minutes: an endpoint may be away for hours.
        None => Stop::Error(TaskError::transient("webhook_failed", message)),
    }
}
