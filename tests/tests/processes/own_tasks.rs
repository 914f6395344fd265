//! Somebody's own worker program in a fleet of real processes: what `docs/adding-a-task.md` does by hand.

use std::path::{Path, PathBuf};

use protocol::{RunId, RunState};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::fleet::Fleet;
use crate::process::Process;

/// What has to run besides the worker of one's own.
const STOCK: [&str; 3] = ["dispatcher", "worker-callbacks", "worker-logging"];

/// A file of the example.
fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/custom-worker").join(name)
}

fn read(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(example(name)).unwrap()).unwrap()
}

/// The stock processes with `worker-payments`, whose rates are in that file, and the workflow registered.
async fn with_payments(fleet: &Fleet, rates: &Path) -> Vec<Process> {
    let mut processes = fleet.start_all(&STOCK).await;
    processes.push(fleet.start_with("worker-payments", &[("PAYMENTS_RATES", rates)]).await);
    let (status, answer) = fleet.post(&processes[0], "/api/v1/workflows", &read("workflow.json")).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    processes
}

async fn order(fleet: &Fleet, dispatcher: &Process, order: &Value) -> RunId {
    let (status, answer) = fleet.post(dispatcher, "/api/v1/runs", order).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    answer["run_id"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_worker_of_ones_own_serves_its_workflow_and_shows_its_metrics() {
    let fleet = Fleet::without_processes().await;
    let processes = with_payments(&fleet, &example("rates.csv")).await;

    let run = order(&fleet, &processes[0], &read("run.json")).await;
    let result = fleet.result(&processes[0], run).await;

    assert_eq!(result["status"], "succeeded", "{result}");
    assert_eq!(result["outputs"]["report"]["paid"], json!(["R-1", "R-2"]), "{result}");
    assert_eq!(result["outputs"].as_object().unwrap().len(), 1, "only what no other task waits for: {result}");
    let own = &processes[STOCK.len()];
    let metrics = fleet.client.get(own.url("/metrics")).send().await.unwrap().text().await.unwrap();
    let started = "flotilla_tasks_started_total{task=\"match-payment\",queue=\"payments\"} 4";
    assert!(metrics.contains(started), "{metrics}");
    fleet
        .until("the leader has measured the queue", async || {
            let metrics = fleet.client.get(processes[0].url("/metrics")).send().await.unwrap().text().await.unwrap();
            metrics.contains("flotilla_queue_depth{queue=\"payments\"} 0")
        })
        .await;
    fleet.stop(processes).await;
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_what_cannot_help_fails_at_once() {
    let fleet = Fleet::without_processes().await;
    let rates = fleet.folder().join("rates.csv");
    let processes = with_payments(&fleet, &rates).await;
    let failures = "flotilla_tasks_ended_total{task=\"match-payment\",queue=\"payments\",outcome=\"retry\"} 1";

    let waiting = order(&fleet, &processes[0], &read("run.json")).await;
    fleet
        .until("one payment waits for the rates", async || {
            let url = processes[STOCK.len()].url("/metrics");
            fleet.client.get(url).send().await.unwrap().text().await.unwrap().contains(failures)
        })
        .await;
    std::fs::copy(example("rates.csv"), &rates).unwrap();
    assert_eq!(fleet.result(&processes[0], waiting).await["status"], "succeeded");

    let input = json!({ "invoices": "invoice,amount\n", "payments": "invoice,amount,currency\nR-1,ten,EUR\n" });
    let broken = order(&fleet, &processes[0], &json!({ "workflow": "payments-report", "input": input })).await;
    let result = fleet.result(&processes[0], broken).await;
    assert_eq!(result["status"], "failed", "{result}");
    let error = &result["errors"]["split-statement"];
    assert_eq!(
        (&error["code"], &error["message"]),
        (&json!("row_invalid"), &json!("line 2 of payments: \"ten\" is not an amount"))
    );
    assert_eq!(result["stages"][0]["attempts"], 1, "{result}");
    fleet.stop(processes).await;
}

#[tokio::test]
async fn a_worker_that_cannot_make_its_handlers_ends_before_it_takes_a_job() {
    let fleet = Fleet::without_processes().await;

    let ended = fleet.command("worker-payments").output().unwrap();

    assert_eq!(ended.status.code(), Some(1));
    let words = String::from_utf8(ended.stderr).unwrap();
    assert!(words.contains("worker-payments: PAYMENTS_RATES has to name the file of rates"), "{words}");
    fleet.stop(Vec::new()).await;
}

#[tokio::test]
async fn a_worker_of_ones_own_has_the_flags_of_the_stock_workers_except_those_of_the_stages() {
    let fleet = Fleet::without_processes().await;

    let help = String::from_utf8(fleet.command("worker-payments").arg("--help").output().unwrap().stdout).unwrap();
    let version =
        String::from_utf8(fleet.command("worker-payments").arg("--version").output().unwrap().stdout).unwrap();

    for flag in ["--queues", "--concurrency", "--shutdown-grace", "--metrics-addr", "--amqp-url", "--log-level"] {
        assert!(help.contains(flag), "{flag}: {help}");
    }
    assert!(!help.contains("--model-url"), "{help}");
    assert_eq!(version.trim(), "worker-payments 0.3.0");
    fleet.stop(Vec::new()).await;
}

#[tokio::test]
async fn a_schedule_keeps_each_of_its_times_once_while_leaders_are_killed() {
    let fleet = Fleet::without_processes().await;
    let mut processes = with_payments(&fleet, &example("rates.csv")).await;
    processes.push(fleet.start("dispatcher", &[]).await);
    let wanted = json!({ "workflow": "payments-report", "input": read("run.json")["input"], "cron": "* * * * *" });
    let url = processes[0].url("/api/v1/schedules/statements");
    let put = fleet.client.put(url).json(&wanted).send().await.unwrap();
    assert_eq!(put.status(), StatusCode::CREATED);
    // Every minute is too seldom for a spec: as if the fleet had been away for five of them.
    let five_minutes_ago = fleet.set_back("statements", jiff::SignedDuration::from_mins(5), ledger::Misfire::All).await;

    fleet
        .until("somebody leads", async || {
            fleet.leads(&processes[0]).await || fleet.leads(&processes[STOCK.len() + 1]).await
        })
        .await;
    let leader = if fleet.leads(&processes[0]).await { 0 } else { STOCK.len() + 1 };
    processes.remove(leader).kill();

    fleet
        .until("the times have been made up for", async || {
            let schedule = fleet.schedule("statements").await;
            schedule.next_at > Some(jiff::Timestamp::now())
        })
        .await;
    let last = fleet.forget("statements").await.last_at.unwrap();
    let minutes = five_minutes_ago.duration_until(last).as_secs() / 60 + 1;
    fleet.until("all runs have ended", async || fleet.under_way().await == 0).await;
    let states: Vec<RunState> = fleet.runs().await.iter().map(|run| run.state).collect();
    assert_eq!(i64::try_from(states.len()).unwrap(), minutes, "one run for each minute");
    assert!(states.iter().all(|state| *state == RunState::Succeeded), "{states:?}");
    fleet.stop(processes).await;
}
