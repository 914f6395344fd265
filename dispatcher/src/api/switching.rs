//! `/api/v1/backends`: who executes workflows here, and which of them new runs go to.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use backends::choice::Choice;
use backends::port::{Ability, Capabilities, Support};
use backends::roster::NotConnected;
use futures::future::join_all;
use protocol::Backend;
use protocol::workflow::queues;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::auth::{Admin, Caller, Operate};
use super::{Api, Problem, body};

mod wanted;

use wanted::WantedChoice;

pub(super) use wanted::fix;

/// How long a backend may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who executes workflows, and where new runs go.
#[derive(Serialize, ToSchema)]
pub(super) struct Backends {
    /// The name that our own engine goes by here: `fleet`, or `embedded` within one process.
    #[schema(value_type = String)]
    own: Backend,
    /// Every backend: our own first, then those that this process is connected to, then the others.
    backends: Vec<ShownBackend>,
    /// Where new runs go: as configured, and as operators have said since.
    #[schema(value_type = WantedChoice)]
    choice: Choice,
    /// What operators said apart from the configuration; empty when they said nothing.
    #[schema(value_type = WantedChoice)]
    said: Choice,
}

/// One that executes workflows.
#[derive(Serialize, ToSchema)]
pub(super) struct ShownBackend {
    #[schema(value_type = String)]
    name: Backend,
    /// Whether this process is connected to it.
    connected: bool,
    /// Whether it could work now; null when it is not connected.
    healthy: Option<bool>,
    /// Why it could not, or how it is connected; null when it is healthy.
    reason: Option<String>,
    /// What it can do, by ability; null when it is not connected.
    capabilities: Option<BTreeMap<&'static str, ShownSupport>>,
}

/// How well a backend can do something.
#[derive(Serialize, ToSchema)]
pub(super) struct ShownSupport {
    /// `native`: by itself; `emulated`: we do it for it; `missing`: not at all.
    support: &'static str,
    /// How it is emulated, or why it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

/// Who executes workflows, how they are and what they can do, and where new runs go.
#[utoipa::path(get, path = "/api/v1/backends", tag = "backends", responses((status = 200, body = Backends)))]
pub(super) async fn list(State(api): State<Api>, _caller: Caller<Operate>) -> Result<Json<Backends>, Problem> {
    Ok(Json(shown(&api).await?))
}

/// Sends new runs elsewhere, for all dispatchers within 2 seconds; runs stay where they are. It says everything that is said
/// apart from the configuration: what an earlier call said and this one does not is as configured again.
#[utoipa::path(put, path = "/api/v1/backends/choice", tag = "backends", request_body = WantedChoice,
    responses((status = 200, body = Backends), (status = 422, body = Problem)))]
pub(super) async fn choose(
    State(api): State<Api>,
    caller: Caller<Admin>,
    request: Request,
) -> Result<Json<Backends>, Problem> {
    let choice = wanted::read(&api, body::json(request, body::SMALL).await?).await?;
    api.access.audit.note(&caller, "backends.chosen", "backends", json!(choice)).await?;
    api.fleet.choose(&choice).await?;
    Ok(Json(shown(&api).await?))
}

/// Goes back to what each dispatcher was started with.
#[utoipa::path(delete, path = "/api/v1/backends/choice", tag = "backends", responses((status = 200, body = Backends)))]
pub(super) async fn reset(State(api): State<Api>, caller: Caller<Admin>) -> Result<Json<Backends>, Problem> {
    api.access.audit.note(&caller, "backends.reset", "backends", json!({})).await?;
    api.fleet.choose(&Choice::default()).await?;
    Ok(Json(shown(&api).await?))
}

async fn shown(api: &Api) -> Result<Backends, Problem> {
    let roster = api.fleet.roster();
    let own = roster.own();
    let connected: Vec<Backend> = roster.names().collect();
    // Our own engine goes by one of two names, and nobody can connect to the other.
    let absent = Backend::ALL.into_iter().filter(|name| !name.is_native() && !connected.contains(name));
    let absent = absent.map(ShownBackend::absent).collect::<Vec<_>>();
    let mut backends: Vec<ShownBackend> = join_all(connected.iter().map(|name| look(api, *name))).await;
    backends.extend(absent);
    Ok(Backends { own, backends, choice: api.fleet.choice().await?, said: api.fleet.said().await? })
}

/// A backend that this process is connected to, as it is now.
async fn look(api: &Api, name: Backend) -> ShownBackend {
    let health = async {
        match api.fleet.roster().get(name) {
            Some(backend) => backend.health().await,
            None => api.fleet.waiting(queues::DEFAULT).await.map(drop).map_err(|error| error.to_string()),
        }
    };
    let silent = || format!("it did not answer in {} seconds", PATIENCE.as_secs());
    let health = tokio::time::timeout(PATIENCE, health).await.unwrap_or_else(|_| Err(silent()));
    ShownBackend {
        name,
        connected: true,
        healthy: Some(health.is_ok()),
        reason: health.err(),
        capabilities: api.fleet.roster().capabilities(name).ok().as_ref().map(abilities),
    }
}

fn abilities(capabilities: &Capabilities) -> BTreeMap<&'static str, ShownSupport> {
    let shown = |ability: Ability| {
        let (support, note) = match capabilities.of(ability) {
            Support::Native => ("native", None),
            Support::Emulated(how) => ("emulated", Some(how)),
            Support::Missing(why) => ("missing", Some(why)),
        };
        (ability.as_str(), ShownSupport { support, note })
    };
    Ability::ALL.into_iter().map(shown).collect()
}

impl ShownBackend {
    fn absent(name: Backend) -> Self {
        let reason = Some(NotConnected { name }.to_string());
        Self { name, connected: false, healthy: None, reason, capabilities: None }
    }
}
