//! Consumption, added up, with what it costs.

use std::collections::BTreeMap;

use jiff::civil::Date;
use ledger::{Consumed, DayUsage};
use protocol::RunId;
use protocol::answer::{ModelUsage, Usage};
use serde::Serialize;
use utoipa::ToSchema;

use super::Group;
use crate::prices::Prices;

/// What was consumed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub(in crate::api) struct Sum {
    /// Calls of models.
    pub(in crate::api) calls: u64,
    /// Tokens sent.
    pub(in crate::api) input_tokens: u64,
    /// Tokens received.
    pub(in crate::api) output_tokens: u64,
    /// Tokens embedded.
    pub(in crate::api) embedding_tokens: u64,
    /// Pages extracted.
    pub(in crate::api) pages: u64,
    /// Attempts that consumed something of it.
    pub(in crate::api) attempts: u64,
    /// What it costs by the prices in force now; null when one of them is not known.
    pub(in crate::api) cost: Option<f64>,
}

/// One line: exactly one of day, model and run says whose.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(in crate::api) struct Line {
    /// The day, when added up by day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    day: Option<Date>,
    /// The model, when added up by model; null for pages and calls that no model is named for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    model: Option<Option<String>>,
    /// The run, when added up by run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    run_id: Option<RunId>,
    #[serde(flatten)]
    sum: Sum,
}

/// Consumption that is being added up, with what it costs.
#[derive(Clone, Copy, Debug)]
pub(in crate::api) struct Account {
    pub(in crate::api) consumed: Consumed,
    cost: Option<f64>,
}

impl Default for Account {
    /// Nothing costs nothing.
    fn default() -> Self {
        Self { consumed: Consumed::default(), cost: Some(0.0) }
    }
}

impl Account {
    /// Adds what one model was asked for, or none.
    pub(in crate::api) fn add(&mut self, prices: &Prices, model: Option<&str>, consumed: &Consumed) {
        self.consumed += consumed;
        let cost = prices.cost(model, &consumed.asked, consumed.pages);
        self.cost = self.cost.zip(cost).map(|(cost, more)| cost + more);
    }

    /// Adds an attempt.
    pub(in crate::api) fn add_attempt(&mut self, prices: &Prices, usage: &Usage) {
        for (model, consumed) in Consumed::by_model(usage) {
            self.add(prices, model.as_deref(), &consumed);
        }
    }

    /// The sum, given how many attempts it is of.
    pub(in crate::api) fn sum(&self, attempts: u64) -> Sum {
        let ModelUsage { calls, input_tokens, output_tokens, embedding_tokens } = self.consumed.asked;
        let pages = self.consumed.pages;
        // Sums of fractions carry dust behind the digits that anybody bills.
        let cost = self.cost.map(|cost| (cost * 1e9).round() / 1e9);
        Sum { calls, input_tokens, output_tokens, embedding_tokens, pages, attempts, cost }
    }

    /// The sum of one model.
    pub(in crate::api) fn of_model(&self) -> Sum {
        self.sum(self.consumed.attempts)
    }

    /// The sum over models.
    pub(in crate::api) fn of_all(&self) -> Sum {
        self.sum(self.consumed.counted)
    }
}

/// What costs are in.
pub(in crate::api) fn currency(prices: &Prices) -> Option<String> {
    (*prices != Prices::default()).then(|| prices.currency.clone())
}

impl Line {
    /// A day's.
    fn of_day(day: Date, sum: Sum) -> Self {
        Self { day: Some(day), model: None, run_id: None, sum }
    }

    /// A model's.
    pub(in crate::api) fn of_model(model: Option<String>, sum: Sum) -> Self {
        Self { day: None, model: Some(model), run_id: None, sum }
    }

    /// A run's.
    pub(in crate::api) fn of_run(run: RunId, sum: Sum) -> Self {
        Self { day: None, model: None, run_id: Some(run), sum }
    }
}

/// Rows by day or by model, and everything together.
pub(in crate::api) fn added_up(prices: &Prices, group: Group, rows: &[DayUsage]) -> (Vec<Line>, Sum) {
    let mut total = Account::default();
    let mut days: BTreeMap<Date, Account> = BTreeMap::new();
    let mut models: BTreeMap<Option<String>, Account> = BTreeMap::new();
    for DayUsage { day, model, consumed } in rows {
        total.add(prices, model.as_deref(), consumed);
        days.entry(*day).or_default().add(prices, model.as_deref(), consumed);
        models.entry(model.clone()).or_default().add(prices, model.as_deref(), consumed);
    }
    let lines = if group == Group::Model {
        models.into_iter().map(|(model, account)| Line::of_model(model, account.of_model())).collect()
    } else {
        days.into_iter().map(|(day, account)| Line::of_day(day, account.of_all())).collect()
    };
    (lines, total.of_all())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn row(day: Date, model: Option<&str>, attempts: u64, counted: u64, calls: u64) -> DayUsage {
        let asked = ModelUsage { calls, ..ModelUsage::default() };
        DayUsage { day, model: model.map(str::to_owned), consumed: Consumed { attempts, counted, asked, pages: 1 } }
    }

    #[test]
    fn an_attempt_that_asked_two_models_counts_for_each_and_once_in_sums() {
        let (first, second) = (date(2026, 11, 25), date(2026, 11, 26));
        let rows = [row(first, None, 1, 1, 0), row(first, Some("a"), 1, 0, 2), row(second, Some("a"), 3, 3, 4)];
        let attempts =
            |lines: &[Line]| lines.iter().map(|line| (line.sum.attempts, line.sum.calls)).collect::<Vec<_>>();
        let (days, total) = added_up(&Prices::default(), Group::Day, &rows);
        assert_eq!((attempts(&days), total.attempts, total.pages), (vec![(1, 2), (3, 4)], 4, 3));
        let (models, total) = added_up(&Prices::default(), Group::Model, &rows);
        assert_eq!((attempts(&models), total.attempts), (vec![(1, 0), (4, 6)], 4));
        assert_eq!((total.cost, models[0].sum.cost), (None, None), "nobody knows a price");
        assert_eq!((&models[0].model, &models[1].model), (&Some(None), &Some(Some("a".to_owned()))));
    }
}
