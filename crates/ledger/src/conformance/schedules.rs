//! Runs that start by the clock.

use jiff::Timestamp;
use protocol::{RunState, TenantId};
use serde_json::json;

use super::kit::{Subject, at, flow, inline, look, new_run, single, tenant};
use crate::{Error, Firing, Misfire, NewRun, Schedule};

fn schedule(name: &str, next_at: Option<Timestamp>) -> Schedule {
    Schedule {
        tenant: TenantId::default_tenant(),
        name: name.to_owned(),
        workflow: "flow".to_owned(),
        input: inline(json!({ "of": name })),
        cron: "0 6 * * *".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        misfire: Misfire::All,
        priority: -3,
        enabled: next_at.is_some(),
        next_at,
        last_at: None,
        last_run: None,
    }
}

fn firing(schedule: &Schedule, numbers: &[u32]) -> Firing {
    let run = |number: &u32| NewRun { idempotency_key: Some(format!("fire-{number}")), ..new_run(json!(number)) };
    Firing {
        schedule: schedule.clone(),
        runs: numbers.iter().map(run).collect(),
        last_at: schedule.next_at,
        next_at: Some(at(200)),
    }
}

/// What is put is what is read, and each tenant has names of its own.
pub async fn a_schedule_reads_back_as_it_was_put(ledger: Subject) {
    let (b, a, off) = (schedule("b", Some(at(5))), schedule("a", Some(at(9))), schedule("off", None));
    let other = Schedule { tenant: tenant("other"), misfire: Misfire::Skip, ..schedule("a", Some(at(1))) };
    for one in [&b, &a, &off, &other] {
        ledger.put_schedule(one).await.unwrap();
    }

    assert_eq!(ledger.schedules(&a.tenant).await.unwrap(), [a.clone(), b, off]);
    assert_eq!(ledger.schedule(&other.tenant, "a").await.unwrap(), Some(other.clone()));
    assert_eq!(ledger.schedule(&other.tenant, "b").await.unwrap(), None);
    assert!(ledger.remove_schedule(&other.tenant, "a").await.unwrap());
    assert!(!ledger.remove_schedule(&other.tenant, "a").await.unwrap());
    assert_eq!(ledger.schedule(&a.tenant, "a").await.unwrap(), Some(a));
}

/// The clock sleeps until the earliest, and finds those whose time has come in that order.
pub async fn due_schedules_come_longest_overdue_first(ledger: Subject) {
    for (name, next_at) in [("late", Some(at(7))), ("early", Some(at(3))), ("never", None), ("future", Some(at(11)))] {
        ledger.put_schedule(&schedule(name, next_at)).await.unwrap();
    }
    assert_eq!(ledger.next_due().await.unwrap(), Some(at(3)));
    let names = async |limit: usize| -> Vec<String> {
        ledger.due_schedules(limit, at(10)).await.unwrap().into_iter().map(|one| one.name).collect()
    };
    assert_eq!(names(10).await, ["early", "late"]);
    assert_eq!(names(1).await, ["early"]);
}

/// Two leaders may both believe that it is theirs to fire; the runs of one of them are recorded.
pub async fn a_schedule_fires_once_for_its_time(ledger: Subject) {
    ledger.register(&single()).await.unwrap();
    let nightly = schedule("nightly", Some(at(5)));
    ledger.put_schedule(&nightly).await.unwrap();
    let (first, second) = (firing(&nightly, &[1, 2]), firing(&nightly, &[1, 2]));
    let last = first.runs[1].id;

    let fired = ledger.fire(first, at(6)).await.unwrap().expect("its time has come");
    assert_eq!(fired.iter().map(|one| one.created).collect::<Vec<_>>(), [true, true]);
    assert_eq!(ledger.fire(second, at(6)).await.unwrap(), None);

    let now = ledger.schedule(&nightly.tenant, "nightly").await.unwrap().unwrap();
    assert_eq!(now, Schedule { next_at: Some(at(200)), last_at: Some(at(5)), last_run: Some(last), ..nightly });
    assert_eq!(ledger.due_schedules(10, at(199)).await.unwrap(), []);
    assert_eq!(ledger.admit(10, at(7)).await.unwrap().len(), 2);
    assert_eq!(look(&ledger, last).await.run.state, RunState::Running);
}

/// Runs and the next time are one transaction: with a run that cannot be recorded, the schedule stays as it was.
pub async fn a_schedule_whose_runs_are_refused_does_not_move(ledger: Subject) {
    ledger.register(&flow(&[("a", &[])])).await.unwrap();
    let nightly = schedule("nightly", Some(at(5)));
    ledger.put_schedule(&nightly).await.unwrap();
    let mut refused = firing(&nightly, &[1, 2]);
    refused.runs[1].workflow = "unknown".to_owned();

    let error = ledger.fire(refused, at(6)).await;
    assert!(matches!(&error, Err(Error::UnknownWorkflow(name)) if name == "unknown"), "{error:?}");
    assert_eq!(ledger.schedule(&nightly.tenant, "nightly").await.unwrap(), Some(nightly));
    assert_eq!(ledger.admit(10, at(7)).await.unwrap().len(), 0);
}

/// Whoever changed it meanwhile meant something else; what it last did is kept.
pub async fn a_schedule_that_was_changed_or_removed_does_not_fire_as_it_was(ledger: Subject) {
    ledger.register(&single()).await.unwrap();
    let old = schedule("nightly", Some(at(5)));
    ledger.put_schedule(&old).await.unwrap();
    ledger.fire(Firing { next_at: Some(at(50)), ..firing(&old, &[1]) }, at(6)).await.unwrap().expect("fired");
    let fired = ledger.schedule(&old.tenant, "nightly").await.unwrap().unwrap();

    let changed = Schedule { cron: "0 7 * * *".to_owned(), next_at: Some(at(60)), ..old.clone() };
    ledger.put_schedule(&changed).await.unwrap();
    assert_eq!(ledger.fire(firing(&fired, &[2]), at(51)).await.unwrap(), None);
    let now = ledger.schedule(&old.tenant, "nightly").await.unwrap().unwrap();
    assert_eq!((now.cron.as_str(), now.next_at), ("0 7 * * *", Some(at(60))));
    assert_eq!((now.last_at, now.last_run), (fired.last_at, fired.last_run));

    ledger.remove_schedule(&old.tenant, "nightly").await.unwrap();
    assert_eq!(ledger.fire(firing(&now, &[3]), at(61)).await.unwrap(), None);
}

/// Times that are left out move it on and start nothing.
pub async fn a_schedule_can_move_on_without_a_run(ledger: Subject) {
    let nightly = schedule("nightly", Some(at(5)));
    ledger.put_schedule(&nightly).await.unwrap();
    let skipped = Firing { last_at: None, next_at: None, ..firing(&nightly, &[]) };
    assert_eq!(ledger.fire(skipped, at(6)).await.unwrap(), Some(Vec::new()));
    let now = ledger.schedule(&nightly.tenant, "nightly").await.unwrap().unwrap();
    assert_eq!((now.next_at, now.last_at, now.last_run), (None, None, None));
    assert_eq!(ledger.next_due().await.unwrap(), None);
}
