//! Second task, once per payment: does it pay its invoice?

use std::path::PathBuf;

use async_trait::async_trait;
use protocol::{Task, TaskError};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use worker::{Context, Handle, Stop};

use crate::split::Row;

/// The contract. Its input is one item of the list that `split-statement` left.
pub struct MatchPayment;

impl Task for MatchPayment {
    const NAME: &'static str = "match-payment";
    type Input = Row;
    type Output = Matched;
}

/// What became of one payment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Matched {
    /// The invoice.
    pub invoice: String,
    /// What was paid, in euros.
    pub paid: Decimal,
    /// How that compares.
    pub verdict: Verdict,
}

/// Whether a payment pays its invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// To the cent.
    Paid,
    /// Not all of it.
    TooLittle,
    /// More than was asked for.
    TooMuch,
    /// There is no such invoice.
    UnknownInvoice,
}

/// The deed.
pub struct Handler {
    /// CSV of `currency,euros`, written by somebody else every morning.
    pub rates: PathBuf,
}

#[async_trait]
impl Handle<MatchPayment> for Handler {
    async fn run(&self, ctx: &Context, row: Row) -> Result<Matched, Stop> {
        let paid = (row.amount * self.rate(&row.currency).await?).round_dp(2);
        let verdict = match row.due {
            None => Verdict::UnknownInvoice,
            Some(due) if paid < due => Verdict::TooLittle,
            Some(due) if paid > due => Verdict::TooMuch,
            Some(_) => Verdict::Paid,
        };
        if verdict != Verdict::Paid {
            ctx.log("warn", format!("a payment needs attention: {verdict:?}"));
        }
        Ok(Matched { invoice: row.invoice, paid, verdict })
    }
}

impl Handler {
    /// Euros for one unit of a currency.
    async fn rate(&self, currency: &str) -> Result<Decimal, TaskError> {
        if currency == "EUR" {
            return Ok(Decimal::ONE);
        }
        // The file may not be there yet: a transient error is tried again as the workflow's retry policy says.
        let rates = tokio::fs::read_to_string(&self.rates).await.map_err(|error| {
            TaskError::transient("rates_missing", format!("the rates of the day cannot be read: {error}"))
        })?;
        let rate = rates.lines().find_map(|line| line.strip_prefix(currency)?.strip_prefix(','));
        rate.and_then(|rate| rate.trim().parse().ok())
            .ok_or_else(|| TaskError::permanent("currency_unknown", format!("there is no rate for {currency:?}")))
    }
}
