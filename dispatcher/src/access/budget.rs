//! What a tenant may consume on a day, and whether it has.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use ledger::Error;
use protocol::TenantId;
use serde::{Deserialize, Serialize};

use super::Tenants;
use crate::prices::Prices;

/// An amount of money above 0, in the currency of the price list.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Amount(f64);

// Never the one number that differs from itself.
impl Eq for Amount {}

impl TryFrom<f64> for Amount {
    type Error = &'static str;

    fn try_from(amount: f64) -> Result<Self, Self::Error> {
        if amount.is_finite() && amount > 0.0 { Ok(Self(amount)) } else { Err("an amount is a number above 0") }
    }
}

impl From<Amount> for f64 {
    fn from(amount: Amount) -> Self {
        amount.0
    }
}

/// What a tenant consumed on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Spent {
    /// Sent, received and embedded.
    tokens: u64,
    /// As far as prices are known.
    cost: f64,
}

/// A budget that is used up.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("this tenant has used {used} on this day, and its {budget} is {limit}; try again after midnight UTC")]
pub struct Exhausted {
    /// `tokens_per_day` or `cost_per_day`.
    pub budget: &'static str,
    used: String,
    limit: String,
    /// How long until midnight.
    pub wait: Duration,
}

impl Tenants {
    /// The budget that a tenant has used up on this day, if it has, as of at most 3 seconds ago.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn exhausted(
        &self,
        tenant: &TenantId,
        prices: &Prices,
        now: Timestamp,
    ) -> Result<Option<Exhausted>, Error> {
        let settings = self.settings(tenant).await?;
        if settings.tokens_per_day.is_none() && settings.cost_per_day.is_none() {
            return Ok(None);
        }
        let day = now.to_zoned(TimeZone::UTC).date();
        let spent = self.spent(tenant, prices, day).await?;
        let over =
            |budget, used: String, limit: String| Exhausted { budget, used, limit, wait: until_tomorrow(day, now) };
        if let Some(limit) = settings.tokens_per_day.filter(|limit| spent.tokens >= limit.get()) {
            return Ok(Some(over("tokens_per_day", format!("{} tokens", spent.tokens), limit.to_string())));
        }
        if let Some(Amount(limit)) = settings.cost_per_day.filter(|limit| spent.cost >= limit.0) {
            let currency = &prices.currency;
            let used = format!("{} {currency}", spent.cost);
            return Ok(Some(over("cost_per_day", used, format!("{limit} {currency}"))));
        }
        Ok(None)
    }

    async fn spent(&self, tenant: &TenantId, prices: &Prices, day: Date) -> Result<Spent, Error> {
        let key = (tenant.clone(), day);
        if let Some(spent) = self.spent.get(&key) {
            return Ok(spent);
        }
        let mut spent = Spent::default();
        for row in self.ledger.usage(tenant, day, day).await? {
            let asked = &row.consumed.asked;
            for tokens in [asked.input_tokens, asked.output_tokens, asked.embedding_tokens] {
                spent.tokens = spent.tokens.saturating_add(tokens);
            }
            spent.cost += prices.cost(row.model.as_deref(), asked, row.consumed.pages).unwrap_or_default();
        }
        // Sums of fractions carry dust behind the digits that anybody bills.
        spent.cost = (spent.cost * 1e9).round() / 1e9;
        self.spent.put(key, spent);
        Ok(spent)
    }
}

/// How long the rest of a day is.
fn until_tomorrow(day: Date, now: Timestamp) -> Duration {
    let tomorrow = day.tomorrow().and_then(|tomorrow| tomorrow.to_zoned(TimeZone::UTC));
    let left = tomorrow.map(|tomorrow| tomorrow.timestamp().duration_since(now));
    left.ok().and_then(|left| Duration::try_from(left).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;
    use std::sync::Arc;

    use coordination::in_process::InProcess;
    use ledger::sqlite::SqliteLedger;
    use ledger::{Ledger, NewRun};
    use protocol::answer::Usage;
    use protocol::workflow::TaskSpec;
    use protocol::{Callback, Outcome, Payload, RunId, Workflow};
    use serde_json::json;

    use super::super::Settings;
    use super::*;

    /// A ledger in which a tenant consumed 900 tokens of the model `m` at that time, and ten pages.
    async fn ledger(tenant: &TenantId, now: Timestamp) -> Arc<SqliteLedger> {
        let ledger = Arc::new(SqliteLedger::in_memory().await.unwrap());
        let mut flow = Workflow::named("flow");
        flow.tasks = vec![TaskSpec::named("only")];
        ledger.register(&flow).await.unwrap();
        let run = NewRun {
            id: RunId::new(),
            tenant: tenant.clone(),
            workflow: flow.name,
            input: Payload::Inline(json!(null)),
            idempotency_key: None,
            priority: 0,
            notify: false,
            backend: None,
            shadow_of: None,
        };
        ledger.submit(vec![run], now).await.unwrap();
        let job = ledger.admit(1, now).await.unwrap().remove(0);
        let asked =
            Usage { calls: 1, input_tokens: 600, output_tokens: 200, embedding_tokens: 100, ..Usage::default() };
        let callback = Callback {
            v: protocol::message::WIRE_VERSION,
            run_id: job.run_id,
            task_run_id: job.task_run_id,
            attempt: job.attempt,
            worker: "w".to_owned(),
            outcome: Outcome::Done { output: Payload::Inline(json!(1)), fan_out: None },
            started_at: now,
            ended_at: now,
            usage: Usage { pages: 10, ..asked.of_model("m") },
        };
        ledger.record(vec![callback], now).await.unwrap();
        ledger
    }

    #[tokio::test]
    async fn a_budget_is_used_up_at_its_limit_and_there_again_at_midnight() {
        let (tenant, other): (TenantId, TenantId) = ("acme".parse().unwrap(), "other".parse().unwrap());
        let now: Timestamp = "2026-03-14T21:00:00Z".parse().unwrap();
        let ledger = ledger(&tenant, now).await;
        let prices: Prices = serde_json::from_value(json!({
            "currency": "EUR", "page": 0.01, "models": { "m": { "input": 1000, "output": 1000, "embedding": 0 } }
        }))
        .unwrap();
        let budget = async |tokens: Option<u64>, cost: Option<f64>| {
            let tenants = Tenants::new(Arc::clone(&ledger) as Arc<dyn Ledger>, Arc::new(InProcess::new()));
            let settings = Settings {
                tokens_per_day: tokens.and_then(NonZeroU64::new),
                cost_per_day: cost.map(|cost| cost.try_into().unwrap()),
                ..Settings::default()
            };
            tenants.put(&tenant, &settings).await.unwrap();
            tenants.put(&other, &settings).await.unwrap();
            tenants
        };

        let tenants = budget(Some(900), None).await;
        let over = tenants.exhausted(&tenant, &prices, now).await.unwrap().unwrap();
        assert_eq!((over.budget, over.wait), ("tokens_per_day", Duration::from_secs(3 * 3600)));
        assert!(over.to_string().contains("900 tokens"), "{over}");
        assert_eq!(tenants.exhausted(&other, &prices, now).await.unwrap(), None);
        let midnight = "2026-03-15T00:00:00Z".parse().unwrap();
        assert_eq!(tenants.exhausted(&tenant, &prices, midnight).await.unwrap(), None);

        let of =
            async |tenants: Tenants| tenants.exhausted(&tenant, &prices, now).await.unwrap().map(|over| over.budget);
        assert_eq!(of(budget(Some(901), None).await).await, None);
        assert_eq!(of(budget(None, Some(0.9)).await).await, Some("cost_per_day"));
        assert_eq!(of(budget(None, Some(0.91)).await).await, None);
        assert_eq!(of(budget(None, None).await).await, None);
    }

    #[test]
    fn an_amount_is_above_nothing() {
        for bad in ["0", "-1", "\"1\"", "null"] {
            assert!(serde_json::from_str::<Amount>(bad).is_err(), "{bad}");
        }
        assert_eq!(serde_json::to_string(&Amount(2.5)).unwrap(), "2.5");
    }
}
