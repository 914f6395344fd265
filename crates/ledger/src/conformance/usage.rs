//! What tenants consumed.

use jiff::civil::{Date, date};
use protocol::answer::{ModelUsage, Usage};
use protocol::{RunId, TenantId};
use serde_json::json;

use super::kit::{Subject, at, done, new_run, record, retry, single, start_many, tenant, wake};
use crate::{Consumed, DayUsage, NewRun, RunUsage};

/// `at(0)` is its beginning.
const DAY: Date = date(2026, 1, 1);

fn tokens(calls: u64, input_tokens: u64) -> ModelUsage {
    ModelUsage { calls, input_tokens, ..ModelUsage::default() }
}

/// Three calls, two of them with models.
fn three_calls() -> Usage {
    let models = [("a".to_owned(), tokens(1, 100)), ("b".to_owned(), tokens(1, 50))].into();
    Usage { calls: 3, input_tokens: 157, pages: 2, models, ..Usage::default() }
}

fn row(day: Date, model: Option<&str>, attempts: u64, counted: u64, asked: ModelUsage, pages: u64) -> DayUsage {
    DayUsage { day, model: model.map(str::to_owned), consumed: Consumed { attempts, counted, asked, pages } }
}

/// Failed tries count, repeated reports do not; a day has one row per model.
pub async fn what_was_consumed_is_counted_once_by_day_and_model(ledger: Subject) {
    let (_, jobs) = start_many(&ledger, &single(), 3).await;
    let owner = TenantId::default_tenant();
    let mut failed = retry(&jobs[0]);
    failed.usage = three_calls();
    let mut plain = done(&jobs[1], json!(1));
    plain.usage = Usage { calls: 1, ..Usage::default() }.of_model("a");
    let free = done(&jobs[2], json!(1));
    record(&ledger, vec![failed.clone(), plain.clone(), failed.clone(), free], at(10)).await;
    record(&ledger, vec![plain, failed], at(11)).await;
    let next_day = 86_400;
    let again = wake(&ledger, at(next_day)).await;
    let mut succeeded = done(&again[0], json!(1));
    succeeded.usage = Usage { calls: 1, output_tokens: 9, ..Usage::default() }.of_model("b");
    record(&ledger, vec![succeeded], at(next_day)).await;

    let second = ModelUsage { calls: 1, output_tokens: 9, ..ModelUsage::default() };
    let (first_day, second_day) = (
        vec![
            row(DAY, None, 1, 1, tokens(1, 7), 2),
            row(DAY, Some("a"), 2, 1, tokens(2, 100), 0),
            row(DAY, Some("b"), 1, 0, tokens(1, 50), 0),
        ],
        vec![row(date(2026, 1, 2), Some("b"), 1, 1, second, 0)],
    );
    let both = [first_day.clone(), second_day.clone()].concat();
    assert_eq!(ledger.usage(&owner, DAY, date(2026, 1, 2)).await.unwrap(), both);
    assert_eq!(ledger.usage(&owner, DAY, DAY).await.unwrap(), first_day);
    assert_eq!(ledger.usage(&owner, date(2026, 1, 2), date(2026, 12, 31)).await.unwrap(), second_day);
    assert_eq!(ledger.usage(&owner, date(2025, 1, 1), date(2025, 12, 31)).await.unwrap(), []);
    assert_eq!(ledger.usage(&tenant("other"), DAY, date(2026, 1, 2)).await.unwrap(), []);
}

/// By run it is the sum of its attempts, for whoever owns it.
pub async fn what_runs_consumed_is_shown_to_their_tenant_alone(ledger: Subject) {
    let (runs, jobs) = start_many(&ledger, &single(), 2).await;
    let other = NewRun { tenant: tenant("other"), ..new_run(json!(1)) };
    ledger.submit(vec![other.clone()], at(0)).await.unwrap();
    let theirs = ledger.admit(1, at(0)).await.unwrap();
    let (mut ours, mut their_own) = (done(&jobs[0], json!(1)), done(&theirs[0], json!(1)));
    (ours.usage, their_own.usage) = (three_calls(), three_calls());
    record(&ledger, vec![ours, done(&jobs[1], json!(1)), their_own], at(1)).await;

    let asked = [runs[0], runs[1], other.id, RunId::new()];
    let found = ledger.usage_of(&TenantId::default_tenant(), &asked).await.unwrap();
    assert_eq!(found, [(runs[0], RunUsage { attempts: 1, usage: three_calls() })].into());
}
