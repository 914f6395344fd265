//! Tenants: what each may use.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use coordination::{Bucket, Coordination, Granted};
use jiff::Timestamp;
use jiff::civil::Date;
use ledger::records::{Expected, Page, Record, Stored};
use ledger::{Error, Ledger, Share};
use protocol::TenantId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::budget::{Amount, Spent};
use super::cache::Cache;

const KIND: &str = "tenant";

const MINUTE: Duration = Duration::from_secs(60);

/// Knows the tenants and counts what they do.
#[derive(Clone)]
pub struct Tenants {
    pub(super) ledger: Arc<dyn Ledger>,
    coordination: Arc<dyn Coordination>,
    known: Arc<Cache<TenantId, Settings>>,
    pub(super) spent: Arc<Cache<(TenantId, Date), Spent>>,
}

/// What a tenant may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether its keys are good for anything.
    pub enabled: bool,
    /// Its part of the fleet, in relation to the weights of the other tenants that have work.
    #[schema(value_type = u32, minimum = 1, maximum = 4294967295_u64)]
    pub weight: NonZeroU32,
    /// How many of its runs may be under way at a time; others wait.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 4294967295_u64)]
    pub max_concurrent_runs: Option<NonZeroU32>,
    /// How many requests it may send in a minute.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 4294967295_u64)]
    pub requests_per_minute: Option<NonZeroU32>,
    /// How many runs it may start in a minute.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 4294967295_u64)]
    pub runs_per_minute: Option<NonZeroU32>,
    /// How many tokens, sent, received and embedded, its runs may have consumed on a day, in UTC, before no more are started.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 18446744073709551615_u64)]
    pub tokens_per_day: Option<NonZeroU64>,
    /// The same for what they cost, by the price list. What has no price is not counted.
    #[schema(value_type = Option<f64>, exclusive_minimum = 0)]
    pub cost_per_day: Option<Amount>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            weight: NonZeroU32::MIN,
            max_concurrent_runs: None,
            requests_per_minute: None,
            runs_per_minute: None,
            tokens_per_day: None,
            cost_per_day: None,
        }
    }
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its name.
    pub name: TenantId,
    /// What it may use.
    pub settings: Settings,
    /// When it was set up; `None` for one that nobody has set up.
    pub created_at: Option<Timestamp>,
}

impl Tenants {
    pub(super) fn new(ledger: Arc<dyn Ledger>, coordination: Arc<dyn Coordination>) -> Self {
        Self { ledger, coordination, known: Arc::new(Cache::new()), spent: Arc::new(Cache::new()) }
    }

    /// What a tenant may use, as of at most 3 seconds ago.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn settings(&self, tenant: &TenantId) -> Result<Settings, Error> {
        if let Some(settings) = self.known.get(tenant) {
            return Ok(settings);
        }
        let settings = self.tenant(tenant).await?.map(|tenant| tenant.settings).unwrap_or_default();
        self.known.put(tenant.clone(), settings.clone());
        Ok(settings)
    }

    /// A tenant that was set up.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn tenant(&self, name: &TenantId) -> Result<Option<Tenant>, Error> {
        self.ledger.record_of(KIND, name, name.as_str()).await?.map(read).transpose()
    }

    /// The tenants that were set up, by name.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn list(&self, page: &Page) -> Result<Vec<Tenant>, Error> {
        self.ledger.records(KIND, None, page).await?.into_iter().map(read).collect()
    }

    /// Sets a tenant up, or changes what it may use; says whether it is new.
    ///
    /// # Errors
    /// When the ledger is away; it may then be set up in part, and doing it again completes it.
    pub async fn put(&self, name: &TenantId, settings: &Settings) -> Result<bool, Error> {
        let body = serde_json::to_value(settings).map_err(corrupt)?;
        let record = Record { kind: KIND, tenant: name.clone(), id: name.to_string(), lookup: None, body };
        let share =
            Share { weight: settings.weight, max_concurrent: settings.max_concurrent_runs.map(NonZeroU32::get) };
        self.ledger.set_share(name, share).await?;
        let revision = self.ledger.put_record(&record, Expected::Anything, Timestamp::now()).await?;
        self.known.forget();
        Ok(revision == Some(1))
    }

    /// Counts a request; says how long to wait when there were too many.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn count_request(&self, tenant: &TenantId) -> Result<Option<Duration>, Error> {
        let limit = self.settings(tenant).await?.requests_per_minute;
        Ok(self.take(format!("requests:{tenant}"), 1, limit).await)
    }

    /// Counts runs that are about to start; says how long to wait when there were too many.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn count_runs(&self, tenant: &TenantId, runs: usize) -> Result<Option<Duration>, Error> {
        let limit = self.settings(tenant).await?.runs_per_minute;
        Ok(self.take(format!("runs:{tenant}"), u32::try_from(runs).unwrap_or(u32::MAX), limit).await)
    }

    async fn take(&self, key: String, tokens: u32, per_minute: Option<NonZeroU32>) -> Option<Duration> {
        let bucket = Bucket { tokens: per_minute?, refill: MINUTE };
        match self.coordination.take_tokens(&key, tokens, bucket).await {
            Ok(Granted::Now) => None,
            Ok(Granted::After(wait)) => Some(wait),
            // Nobody is turned away because the counter is.
            Err(error) => {
                tracing::warn!(error = %error, "a rate limit is not counted");
                None
            }
        }
    }
}

fn read(stored: Stored) -> Result<Tenant, Error> {
    let settings = Settings::deserialize(&stored.body).map_err(corrupt)?;
    Ok(Tenant { name: stored.tenant, settings, created_at: Some(stored.created_at) })
}

fn corrupt(error: serde_json::Error) -> Error {
    Error::Corrupt { what: "tenant", detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use coordination::in_process::InProcess;
    use ledger::sqlite::SqliteLedger;

    use super::*;

    #[tokio::test]
    async fn a_tenant_is_turned_away_beyond_its_limits_and_others_are_not() {
        let ledger = Arc::new(SqliteLedger::in_memory().await.unwrap());
        let tenants = Tenants::new(ledger, Arc::new(InProcess::new()));
        let (limited, other): (TenantId, TenantId) = ("limited".parse().unwrap(), "other".parse().unwrap());
        let settings = Settings {
            requests_per_minute: NonZeroU32::new(2),
            runs_per_minute: NonZeroU32::new(10),
            ..Settings::default()
        };
        assert!(tenants.put(&limited, &settings).await.unwrap());
        assert!(!tenants.put(&limited, &settings).await.unwrap(), "it is known");

        assert_eq!(tenants.count_request(&limited).await.unwrap(), None);
        assert_eq!(tenants.count_request(&limited).await.unwrap(), None);
        let wait = tenants.count_request(&limited).await.unwrap().expect("the third is too many");
        assert!(wait <= MINUTE / 2, "{wait:?}");
        assert_eq!(tenants.count_runs(&limited, 10).await.unwrap(), None);
        assert!(tenants.count_runs(&limited, 1).await.unwrap().is_some());
        assert_eq!(tenants.count_request(&other).await.unwrap(), None);
    }

    #[test]
    fn settings_say_what_they_do_not_know() {
        let error = serde_json::from_str::<Settings>(r#"{"weigth": 2}"#).unwrap_err();
        assert!(error.to_string().contains("weigth"), "{error}");
        assert!(serde_json::from_str::<Settings>(r#"{"weight": 0}"#).is_err());
    }
}
