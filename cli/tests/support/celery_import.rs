//! `flotilla celery import` of a real application by the real Celery.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{Ran, flotilla};

/// The Python that has Celery.
fn python() -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_flotilla")).ancestors().nth(2).unwrap();
    let folder = target.join("peers/celery");
    assert!(
        folder.join("requirements.txt").is_file(),
        "Celery is not installed. Run: crates/celery/tests/peers/install.sh {}",
        folder.display()
    );
    folder.join("bin/python")
}

/// Reads `celery_app/shop.py`.
fn import(more: &[&str]) -> Ran {
    let mut command = flotilla();
    command.args(["celery", "import"]).args(more).env("PYTHONDONTWRITEBYTECODE", "1");
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/celery_app"));
    Ran::from(command.output().unwrap())
}

fn shop(more: &[&str]) -> Ran {
    let python = python();
    let arguments = ["--app", "shop:app", "--python", python.to_str().unwrap()];
    import(&[&arguments[..], more].concat())
}

/// The finding about a setting.
fn about<'a>(document: &'a Value, setting: &str) -> &'a Value {
    let found = document["findings"].as_array().unwrap().iter().find(|finding| finding["setting"] == setting);
    found.unwrap_or_else(|| panic!("nothing about {setting}: {document:#}"))
}

#[test]
fn an_application_becomes_workers_workflows_schedules_and_an_environment() {
    let document = shop(&["--json"]).json();

    let workers = document["workers"].as_array().unwrap();
    let queues: Vec<&Value> = workers.iter().map(|worker| &worker["queue"]).collect();
    assert_eq!(queues, ["documents", "mail", "shop"]);
    let flags = [
        "--queues",
        "documents",
        "--celery-serve",
        "documents",
        "--celery-task",
        "shop.documents.bill=shop-documents-bill,shop.documents.read=shop-documents-read",
        "--concurrency",
        "6",
    ];
    assert_eq!(workers[0]["flags"], json!(flags));

    let read =
        document["workflows"].as_array().unwrap().iter().find(|flow| flow["name"] == "shop-documents-read").unwrap();
    let task = &read["tasks"][0];
    assert_eq!(task["celery"], json!({ "task": "shop.documents.read", "arguments": "input" }));
    assert_eq!((&task["queue"], &task["timeouts"]["hard_ms"]), (&json!("documents"), &json!(60_000)));
    assert!(task["timeouts"].get("soft_ms").is_none(), "240 s would come after the limit of 60 s: {task}");

    let expected = json!([
        { "name": "every-morning", "workflow": "shop-report", "cron": "30 6 * * mon-fri",
          "time_zone": "Europe/Berlin", "input": { "kind": "daily" } },
        { "name": "tidy-up", "workflow": "shop-tidy", "cron": "*/15 * * * *",
          "time_zone": "Europe/Berlin", "input": {} },
    ]);
    assert_eq!(document["schedules"], expected);

    let environment: Vec<(&str, &str)> = document["environment"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| (variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap()))
        .collect();
    let expected = [
        ("FLOTILLA_CELERY_URL", "amqp://shop@rabbit.example:5672/shop"),
        ("FLOTILLA_CELERY_RESULTS", "redis://@redis.example:6379/2"),
        ("FLOTILLA_CELERY_DEFAULT_QUEUE", "shop"),
        ("FLOTILLA_CELERY_ROUTES", "shop.documents.bill=documents,shop.documents.read=documents,shop.mail=mail"),
        ("FLOTILLA_CONCURRENCY", "6"),
        ("FLOTILLA_TIME_LIMIT", "300"),
        ("FLOTILLA_SOFT_TIME_LIMIT", "240"),
    ];
    assert_eq!(environment, expected);
}

#[test]
fn what_has_no_counterpart_is_told_with_advice() {
    let document = shop(&["--json"]).json();
    for setting in [
        "broker_transport_options",
        "worker_max_tasks_per_child",
        "task_queues[\"mail\"]",
        "shop.documents.bill.base",
        "shop.mail.rate_limit",
        "shop.mail.serializer",
        "signals.task_failure",
        "beat_schedule[\"look closely\"]",
        "beat_schedule[\"friday the 13th\"]",
        "beat_schedule[\"at dawn\"]",
        "beat_schedule[\"with positions\"]",
    ] {
        let finding = about(&document, setting);
        assert_eq!(finding["fit"], "no_counterpart", "{finding}");
        assert!(!finding["advice"].as_str().unwrap().is_empty(), "{finding}");
    }
    for (setting, fit) in [
        ("broker_url", "same"),
        ("task_time_limit", "same"),
        ("accept_content", "different"),
        ("task_acks_late", "different"),
        ("result_backend", "different"),
        ("shop.documents.read.autoretry_for", "different"),
        ("beat_schedule[\"every-morning\"]", "same"),
        ("beat_schedule[\"tidy up\"]", "different"),
    ] {
        assert_eq!(about(&document, setting)["fit"], fit, "{setting}");
    }
}

#[test]
fn files_hold_all_of_it_and_no_password() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("flotilla");
    let ran = shop(&["--out", out.to_str().unwrap()]);

    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("no counterpart") && ran.stdout.contains("shop, Celery 5"), "{}", ran.stdout);
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    assert!(
        read("flotilla.env").contains("\nFLOTILLA_CELERY_URL=amqp://shop@rabbit.example"),
        "{}",
        read("flotilla.env")
    );
    let json = |name: &str| serde_json::from_str::<Value>(&read(name)).unwrap();
    assert_eq!(json("workflows/shop-tidy.json")["name"], "shop-tidy");
    assert_eq!(json("schedules/every-morning.json")["cron"], "30 6 * * mon-fri");
    for name in ["flotilla.env", "workers.json", "findings.json"] {
        assert!(!read(name).contains("sesame"), "a password stands in {name}");
    }

    let again = shop(&["--out", out.to_str().unwrap()]);
    assert_eq!(again.code, 2, "what somebody may have changed is not overwritten");
    assert!(again.stderr.contains("is not empty"), "{}", again.stderr);
}

#[test]
fn a_description_from_another_machine_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (script, described) = (folder.path().join("introspect.py"), folder.path().join("app.json"));
    std::fs::write(&script, import(&["--print-script"]).stdout).unwrap();
    let mut command = std::process::Command::new(python());
    command.arg(&script).arg("shop:app").env("PYTHONDONTWRITEBYTECODE", "1");
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/celery_app"));
    let said = command.output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    std::fs::write(&described, said.stdout).unwrap();

    let from_file = import(&["--from", described.to_str().unwrap(), "--json"]).json();

    assert_eq!(from_file, shop(&["--json"]).json());
}

#[test]
fn what_cannot_be_read_is_told_apart_from_what_broke() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.json");
    for (text, reason) in [("{}", "this is not what"), ("not json", "this is not what")] {
        std::fs::write(&file, text).unwrap();
        let ran = import(&["--from", file.to_str().unwrap()]);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains(reason), "{}", ran.stderr);
    }
    std::fs::write(&file, r#"{ "format": 9, "celery": "7", "app": null, "settings": {} }"#).unwrap();
    let newer = import(&["--from", file.to_str().unwrap()]);
    assert_eq!(newer.code, 2);
    assert!(newer.stderr.contains("format 9"), "{}", newer.stderr);
    assert_eq!(import(&[]).code, 2, "neither an application nor a description");

    let python = python();
    let ghost = import(&["--app", "ghost:app", "--python", python.to_str().unwrap()]);
    assert_eq!(ghost.code, 1);
    assert!(ghost.stderr.contains("cannot describe ghost:app: ModuleNotFoundError"), "{}", ghost.stderr);
}
