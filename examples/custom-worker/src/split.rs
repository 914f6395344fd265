//! First task: two CSV texts → a list of payments, each with the invoice that it names.

use std::collections::BTreeMap;

use async_trait::async_trait;
use protocol::{Task, TaskError};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use worker::{Context, Handle, Stop};

/// The contract.
pub struct SplitStatement;

impl Task for SplitStatement {
    const NAME: &'static str = "split-statement";
    type Input = Statement;
    type Output = Vec<Row>;
}

/// What a run starts with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// CSV of `invoice,amount`, in euros.
    pub invoices: String,
    /// CSV of `invoice,amount,currency`.
    pub payments: String,
}

/// One payment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The number of the invoice that the payer wrote.
    pub invoice: String,
    /// What was paid.
    pub amount: Decimal,
    /// In which currency.
    pub currency: String,
    /// What that invoice asks for, in euros; none when there is no such invoice.
    pub due: Option<Decimal>,
}

/// The deed.
pub struct Handler;

#[async_trait]
impl Handle<SplitStatement> for Handler {
    async fn run(&self, _ctx: &Context, statement: Statement) -> Result<Vec<Row>, Stop> {
        let mut due = BTreeMap::new();
        for (place, line) in lines(&statement.invoices) {
            let [invoice, asked] = columns("invoices", place, line)?;
            due.insert(invoice, amount("invoices", place, asked)?);
        }
        let mut rows = Vec::new();
        for (place, line) in lines(&statement.payments) {
            let [invoice, paid, currency] = columns("payments", place, line)?;
            rows.push(Row {
                invoice: invoice.to_owned(),
                amount: amount("payments", place, paid)?,
                currency: currency.to_owned(),
                due: due.get(invoice).copied(),
            });
        }
        Ok(rows)
    }
}

/// Lines with their numbers, without the header.
fn lines(csv: &str) -> impl Iterator<Item = (usize, &str)> {
    csv.lines().enumerate().skip(1).map(|(place, line)| (place + 1, line)).filter(|(_, line)| !line.trim().is_empty())
}

fn columns<'a, const N: usize>(table: &str, place: usize, line: &'a str) -> Result<[&'a str; N], TaskError> {
    let columns: Vec<&str> = line.split(',').map(str::trim).collect();
    let found = columns.len();
    // Trying again cannot help, so the error is permanent and the run fails at once.
    columns.try_into().map_err(|_| {
        TaskError::permanent("row_invalid", format!("line {place} of {table} has {found} columns instead of {N}"))
    })
}

fn amount(table: &str, place: usize, text: &str) -> Result<Decimal, TaskError> {
    text.parse()
        .map_err(|_| TaskError::permanent("row_invalid", format!("line {place} of {table}: {text:?} is not an amount")))
}
