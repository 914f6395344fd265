//! Who calls: a bearer key becomes an identity, once per request, before any handler.
//!
//! A handler takes a [`Caller`], which says what it needs: there is no other way to a tenant's name, so nothing can be
//! asked of the ledger for anybody but the caller.

use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use protocol::TenantId;

use super::codes::Code;
use super::{Api, Problem};
use crate::access::{Identity, Scope, Scopes};

/// With this header, an administrator acts for another tenant.
const FOR_TENANT: HeaderName = HeaderName::from_static("flotilla-tenant");

/// Whoever calls, known to be allowed what `N` says.
pub(super) struct Caller<N> {
    identity: Identity,
    needs: PhantomData<N>,
}

impl<N> Deref for Caller<N> {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.identity
    }
}

/// What a handler needs its caller to be allowed.
pub(super) trait Needs {
    /// That.
    const SCOPE: Scope;
}

macro_rules! needs {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        $(
            $(#[$doc])*
            pub(super) struct $name;

            impl Needs for $name {
                const SCOPE: Scope = Scope::$name;
            }
        )+
    };
}

needs! {
    /// To look at what the tenant has.
    Read,
    /// To change what the tenant has.
    Write,
    /// To look after the fleet.
    Operate,
    /// To set tenants up.
    Admin,
    /// To be a worker.
    Fleet,
}

impl<N: Needs, S: Sync> FromRequestParts<S> for Caller<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let identity = parts.extensions.get::<Identity>().ok_or_else(no_key)?.clone();
        if identity.scopes.include(N::SCOPE) {
            return Ok(Self { identity, needs: PhantomData });
        }
        let detail = format!("this needs a key with the scope \"{}\"; yours has \"{}\"", N::SCOPE, identity.scopes);
        Err(Problem::new(Code::ScopeMissing, detail))
    }
}

/// Finds out who calls, and turns away whom it does not know or who calls too often.
pub(super) async fn identify(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    match identity(&api, request.headers()).await {
        Ok(identity) => {
            request.extensions_mut().insert(identity);
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    }
}

async fn identity(api: &Api, headers: &HeaderMap) -> Result<Identity, Problem> {
    let mut identity = if api.access.required {
        let token = bearer(headers).ok_or_else(no_key)?;
        api.access.keys.identify(token).await?.ok_or_else(|| {
            let detail = "this key is unknown, has ended or was revoked; ask an administrator for another";
            Problem::new(Code::KeyInvalid, detail)
        })?
    } else {
        // Secrets are for workers alone, who show their key where nobody else has to.
        let shown = match bearer(headers) {
            Some(token) => api.access.keys.identify(token).await?,
            None => None,
        };
        shown.filter(|shown| shown.scopes.include(Scope::Fleet)).unwrap_or_else(anybody)
    };
    if identity.scopes.include(Scope::Fleet) {
        // Workers work for all tenants, and none of their limits holds for them.
        return Ok(identity);
    }
    if let Some(tenant) = headers.get(FOR_TENANT) {
        identity.tenant = instead(&identity, tenant)?;
    }
    if !api.access.tenants.settings(&identity.tenant).await?.enabled {
        let detail = "this tenant is switched off; ask an administrator";
        return Err(Problem::new(Code::TenantDisabled, detail));
    }
    match api.access.tenants.count_request(&identity.tenant).await? {
        Some(wait) => Err(too_many(wait, "requests")),
        None => Ok(identity),
    }
}

/// The token of `Authorization: Bearer …`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Who calls where no key is required.
fn anybody() -> Identity {
    let scopes = Scopes::of([Scope::Admin]);
    Identity { tenant: TenantId::default_tenant(), key: None, scopes, expires_at: None }
}

/// The tenant that somebody acts for.
fn instead(identity: &Identity, tenant: &HeaderValue) -> Result<TenantId, Problem> {
    let tenant = tenant.to_str().ok().and_then(|name| name.parse::<TenantId>().ok()).ok_or_else(|| {
        let detail = "Flotilla-Tenant takes the name of a tenant: 1 to 64 of a-z, A-Z, 0-9, '-' and '_'";
        Problem::new(Code::HeaderInvalid, detail)
    })?;
    if tenant == identity.tenant || identity.scopes.include(Scope::Admin) {
        return Ok(tenant);
    }
    let detail = "only a key with the scope \"admin\" may act for another tenant; leave the header Flotilla-Tenant out";
    Err(Problem::new(Code::ScopeMissing, detail))
}

fn no_key() -> Problem {
    let detail = "send a key: the header `Authorization: Bearer KEY`, or FLOTILLA_KEY for the command line";
    Problem::new(Code::KeyMissing, detail)
}

/// Turns somebody away for a while.
fn too_many(wait: Duration, what: &str) -> Problem {
    let detail = format!("too many {what} for this tenant's limit; try again after the time in Retry-After");
    Problem::new(Code::RateLimited, detail).retry_after(wait)
}

/// Counts runs that a caller is about to start, and turns away whose budget is used up.
pub(super) async fn count_runs(api: &Api, tenant: &TenantId, runs: usize) -> Result<(), Problem> {
    if let Some(over) = api.access.tenants.exhausted(tenant, &api.prices, Timestamp::now()).await? {
        return Err(Problem::new(Code::BudgetExhausted, over.to_string()).retry_after(over.wait));
    }
    match api.access.tenants.count_runs(tenant, runs).await? {
        Some(wait) => Err(too_many(wait, "runs")),
        None => Ok(()),
    }
}
