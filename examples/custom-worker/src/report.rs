//! Third task: all payments → one report.

use async_trait::async_trait;
use protocol::Task;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use worker::{Context, Handle, Stop};

use crate::matching::{MatchPayment, Matched, Verdict};
use crate::split::Statement;

/// The contract.
pub struct Report;

impl Task for Report {
    const NAME: &'static str = "report";
    type Input = Statement;
    type Output = Summary;
}

/// What the run leaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Sum of all payments, in euros.
    pub received: Decimal,
    /// Invoices that are paid.
    pub paid: Vec<String>,
    /// Payments that somebody has to look at.
    pub attention: Vec<Matched>,
}

/// The deed.
pub struct Handler;

#[async_trait]
impl Handle<Report> for Handler {
    async fn run(&self, ctx: &Context, _statement: Statement) -> Result<Summary, Stop> {
        // What the mapped task left, in the order of the list.
        let matched = ctx.outputs::<MatchPayment>().await?;
        let received = matched.iter().map(|one| one.paid).sum();
        let (paid, attention): (Vec<Matched>, Vec<Matched>) =
            matched.into_iter().partition(|one| one.verdict == Verdict::Paid);
        let paid = paid.into_iter().map(|one| one.invoice).collect();
        Ok(Summary { received, paid, attention })
    }
}
