//! What tenants consumed: by day and model as it was recorded, and by run.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use protocol::TenantId;
use protocol::answer::{ModelUsage, Usage};

use crate::AttemptRecord;

/// What a tenant consumed on one day of one model, or of none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayUsage {
    /// The day of its recording, in UTC.
    pub day: Date,
    /// The model; `None` for pages, and for calls that no model is named for.
    pub model: Option<String>,
    /// What was consumed.
    pub consumed: Consumed,
}

/// Consumption, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consumed {
    /// Attempts that took part in it.
    pub attempts: u64,
    /// The same, but an attempt that asked several models is counted in one of them: sums over models are right.
    pub counted: u64,
    /// Calls and tokens.
    pub asked: ModelUsage,
    /// Pages extracted.
    pub pages: u64,
}

/// What a run consumed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunUsage {
    /// Attempts that consumed anything.
    pub attempts: u64,
    /// What all of them consumed.
    pub usage: Usage,
}

impl std::ops::AddAssign<&Self> for Consumed {
    fn add_assign(&mut self, other: &Self) {
        self.attempts = self.attempts.saturating_add(other.attempts);
        self.counted = self.counted.saturating_add(other.counted);
        self.asked += &other.asked;
        self.pages = self.pages.saturating_add(other.pages);
    }
}

impl Consumed {
    /// What one attempt consumed, by model; `None` for what no model is named for.
    #[must_use]
    pub fn by_model(usage: &Usage) -> Vec<(Option<String>, Self)> {
        let rest = usage.of_no_model();
        let Usage { calls, input_tokens, output_tokens, embedding_tokens, pages, .. } = rest;
        let asked = ModelUsage { calls, input_tokens, output_tokens, embedding_tokens };
        let of_none = (!rest.is_zero()).then_some((None, asked, pages));
        let of_models = usage.models.iter().map(|(model, asked)| (Some(model.clone()), *asked, 0));
        let one =
            |(nth, (model, asked, pages))| (model, Self { attempts: 1, counted: u64::from(nth == 0), asked, pages });
        of_none.into_iter().chain(of_models).enumerate().map(one).collect()
    }
}

impl RunUsage {
    /// Adds an attempt.
    pub fn add(&mut self, usage: &Usage) {
        if !usage.is_zero() {
            self.attempts += 1;
            self.usage += usage;
        }
    }
}

/// What attempts of one batch consumed, by tenant and model, `""` for none. In that order rows are locked, by whoever.
pub(crate) type Tally<'a> = BTreeMap<(&'a TenantId, String), Consumed>;

/// Counts attempts that are being recorded.
pub(crate) fn tally<'a>(attempts: impl Iterator<Item = (&'a TenantId, &'a AttemptRecord)>) -> Tally<'a> {
    let mut tally = Tally::new();
    for (tenant, AttemptRecord { usage, .. }) in attempts {
        for (model, consumed) in Consumed::by_model(usage) {
            // No database takes a NUL.
            let model = model.unwrap_or_default().replace('\0', "");
            *tally.entry((tenant, model)).or_default() += &consumed;
        }
    }
    tally
}

/// The day that a moment belongs to.
pub(crate) fn day_of(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

/// A count for a column. No batch counts for more than this: one that a worker makes up must not overflow the sum.
pub(crate) fn column(count: u64) -> i64 {
    const MOST: i64 = 1_000_000_000_000;
    i64::try_from(count).map_or(MOST, |count| count.min(MOST))
}
