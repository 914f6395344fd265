//! Who is admitted next.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use engine::Event;
use protocol::Job;
use serde_json::json;

use super::fan_out::map_and_sum;
use super::kit::{Subject, at, done, listed, new_run, record, single, tenant};
use crate::{NewRun, Share};

fn runs(owner: &str, count: usize, priority: i16) -> Vec<NewRun> {
    (0..count).map(|number| NewRun { tenant: tenant(owner), priority, ..new_run(json!(number)) }).collect()
}

async fn submit(ledger: &Subject, owner: &str, count: usize) {
    ledger.submit(runs(owner, count, 0), at(0)).await.unwrap();
}

async fn admit(ledger: &Subject, limit: usize) -> Vec<Job> {
    ledger.admit(limit, at(1)).await.unwrap()
}

/// The owners of the runs that are next.
async fn next(ledger: &Subject, limit: usize) -> Vec<String> {
    admit(ledger, limit).await.iter().map(|job| job.tenant.as_str().to_owned()).collect()
}

async fn limit(ledger: &Subject, owner: &str, max_concurrent: Option<u32>) {
    ledger.set_share(&tenant(owner), Share { max_concurrent, ..Share::default() }).await.unwrap();
}

/// However long somebody's queue is, another tenant's first run is among the next two; nor does staying away save up
/// for a rush: from then on both take turns.
pub async fn a_crowd_delays_nobody_else(ledger: Subject) {
    ledger.register(&single()).await.unwrap();
    submit(&ledger, "crowd", 1_000).await;
    assert_eq!(next(&ledger, 100).await.len(), 100);
    submit(&ledger, "other", 20).await;
    for _ in 0..20 {
        let mut two = next(&ledger, 2).await;
        two.sort_unstable();
        assert_eq!(two, ["crowd", "other"]);
    }
    assert_eq!(next(&ledger, 2).await, ["crowd", "crowd"]);
}

/// At every moment, give or take the run that is being decided about.
pub async fn weights_are_kept_at_every_moment(ledger: Subject) {
    ledger.register(&single()).await.unwrap();
    let share = Share { weight: NonZeroU32::new(2).unwrap(), max_concurrent: None };
    ledger.set_share(&tenant("double"), share).await.unwrap();
    submit(&ledger, "simple", 60).await;
    submit(&ledger, "double", 60).await;
    let (mut simple, mut double) = (0_i32, 0_i32);
    for _ in 0..30 {
        for owner in next(&ledger, 3).await {
            *(if owner == "simple" { &mut simple } else { &mut double }) += 1;
            assert!((double - 2 * simple).abs() <= 2, "{double} to {simple}");
        }
    }
    assert_eq!((simple, double), (30, 60));
}

/// Whoever owns the run, and without spoiling the turns of the others.
pub async fn a_higher_priority_goes_first(ledger: Subject) {
    ledger.register(&single()).await.unwrap();
    submit(&ledger, "a", 3).await;
    ledger.submit(runs("b", 500, 7), at(0)).await.unwrap();
    ledger.submit(runs("c", 1, -1), at(0)).await.unwrap();
    ledger.submit(runs("c", 1, i16::MAX), at(0)).await.unwrap();
    assert_eq!(next(&ledger, 1).await, ["c"]);
    assert!(next(&ledger, 500).await.iter().all(|owner| owner == "b"));
    submit(&ledger, "b", 3).await;
    submit(&ledger, "d", 3).await;
    let mut three = next(&ledger, 3).await;
    three.sort_unstable();
    assert_eq!(three, ["a", "b", "d"], "turns among runs of the same priority");
    assert_eq!(next(&ledger, 10).await.last().unwrap(), "c");
}

/// A tenant at its limit waits for one of its own runs to end, by whatever end; others pass.
pub async fn a_limit_holds_runs_back_until_others_end(ledger: Subject) {
    ledger.register(&single()).await.unwrap();
    limit(&ledger, "few", Some(2)).await;
    submit(&ledger, "few", 6).await;
    submit(&ledger, "other", 3).await;
    let mut jobs = admit(&ledger, 10).await;
    assert_eq!(jobs.len(), 5);
    jobs.retain(|job| job.tenant == tenant("few"));
    assert_eq!(jobs.len(), 2);
    assert!(admit(&ledger, 10).await.is_empty());

    record(&ledger, vec![done(&jobs[0], json!(0)), done(&jobs[0], json!(0))], at(2)).await;
    let third = admit(&ledger, 10).await;
    assert_eq!(third.len(), 1, "one ended, one follows");
    let cancel = Event::Cancel { reason: "enough".to_owned() };
    ledger.apply(vec![(jobs[1].run_id, cancel.clone())], at(3)).await.unwrap();
    let fourth = admit(&ledger, 10).await;
    assert_eq!(fourth.len(), 1, "one was cancelled, one follows");
    let inputs: Vec<_> = [&jobs[..], &third, &fourth].concat().iter().map(|job| job.input.clone()).collect();
    assert_eq!(inputs, [0, 1, 2, 3].map(|number| super::kit::inline(json!(number))), "in the order of submission");
}

/// A run that ends while it is held gives no place free; a place is free for a later submission too.
pub async fn a_held_run_can_be_cancelled(ledger: Subject) {
    ledger.register(&single()).await.unwrap();
    limit(&ledger, "few", Some(1)).await;
    let submitted = runs("few", 3, 0);
    ledger.submit(submitted.clone(), at(0)).await.unwrap();
    let first = admit(&ledger, 10).await;
    let cancel = Event::Cancel { reason: "enough".to_owned() };
    ledger.apply(vec![(submitted[1].id, cancel)], at(1)).await.unwrap();
    assert!(admit(&ledger, 10).await.is_empty());
    record(&ledger, vec![done(&first[0], json!(0))], at(2)).await;
    let second = admit(&ledger, 10).await;
    assert_eq!((second.len(), second[0].run_id), (1, submitted[2].id));
    record(&ledger, vec![done(&second[0], json!(0))], at(2)).await;
    submit(&ledger, "few", 2).await;
    assert_eq!(admit(&ledger, 10).await.len(), 1);
}

/// Up, down and away; what is under way goes on.
pub async fn a_limit_can_be_changed(ledger: Subject) {
    ledger.register(&single()).await.unwrap();
    submit(&ledger, "few", 20).await;
    assert_eq!(admit(&ledger, 3).await.len(), 3);
    limit(&ledger, "few", Some(2)).await;
    assert!(admit(&ledger, 10).await.is_empty());
    limit(&ledger, "few", Some(5)).await;
    assert_eq!(admit(&ledger, 10).await.len(), 2);
    limit(&ledger, "few", Some(0)).await;
    submit(&ledger, "few", 1).await;
    assert!(admit(&ledger, 10).await.is_empty());
    limit(&ledger, "few", None).await;
    assert_eq!(admit(&ledger, 100).await.len(), 16);
    submit(&ledger, "few", 10).await;
    assert_eq!(admit(&ledger, 100).await.len(), 10);
}

/// A run that fanned out wide has used up its tenant's turns for a while.
pub async fn a_run_counts_as_much_as_it_did(ledger: Subject) {
    let mut wide = map_and_sum();
    wide.name = "wide".to_owned();
    for flow in [&wide, &single()] {
        ledger.register(flow).await.unwrap();
    }
    let run = NewRun { tenant: tenant("wide"), workflow: "wide".to_owned(), ..new_run(json!(0)) };
    ledger.submit(vec![run], at(0)).await.unwrap();
    let mut jobs = admit(&ledger, 1).await;
    while !jobs.is_empty() {
        let ends = jobs.iter().map(|job| if job.task == "list" { listed(job, 30) } else { done(job, json!(0)) });
        jobs = record(&ledger, ends.collect(), at(1)).await;
    }
    submit(&ledger, "wide", 1).await;
    submit(&ledger, "narrow", 50).await;
    let order = next(&ledger, 51).await;
    let turn = order.iter().position(|owner| owner == "wide").unwrap();
    assert!((25..35).contains(&turn), "32 tasks done where three were expected: {turn}");
}

/// Jain's index over what equal tenants with work were given stays above 0.95, whatever order they came in.
pub async fn equal_tenants_get_equal_parts(ledger: Subject) {
    const TENANTS: usize = 20;
    ledger.register(&single()).await.unwrap();
    for round in 0..4 {
        for number in 0..TENANTS {
            let owner = format!("tenant-{}", (number * 7 + round) % TENANTS);
            submit(&ledger, &owner, 5 + (number * round) % 11).await;
            // They come while admission goes on, the first ones to an empty house.
            if round == 0 && number % 5 == 4 {
                next(&ledger, 3).await;
            }
        }
        for number in 0..TENANTS {
            submit(&ledger, &format!("tenant-{number}"), 5).await;
        }
    }
    let mut given: BTreeMap<String, f64> = BTreeMap::new();
    let mut admitted = 0;
    while admitted < 35 * TENANTS {
        for owner in next(&ledger, 7).await {
            *given.entry(owner).or_default() += 1.0;
            admitted += 1;
        }
        if admitted >= 10 * TENANTS {
            let (sum, squares) = given.values().fold((0.0, 0.0), |(sum, squares), n| (sum + n, squares + n * n));
            let index = sum * sum / (20.0 * squares);
            assert!(index >= 0.95, "{index} after {admitted}: {given:?}");
        }
    }
}
