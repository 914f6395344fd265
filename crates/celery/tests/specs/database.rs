//! Results that Celery keeps in a database.

use celery::Outcome;
use celery::database::Row;
use serde_json::json;

use crate::place::Place;
use crate::python::{output, program};

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[tokio::test]
async fn results_in_a_database_are_read_although_they_are_pickles() {
    let place = Place::take();
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(&place, "python", "rpc");
    command.arg("rows.py").arg(folder.path().join("results.sqlite"));
    let rows: Vec<(String, String, String, Option<String>)> = serde_json::from_str(&output(command).await).unwrap();
    let read = |id: &str| {
        let (task_id, status, result, traceback) = rows.iter().find(|row| row.0 == id).unwrap().clone();
        Row { task_id, status, result: Some(bytes(&result)), traceback }.read().unwrap().outcome
    };
    assert_eq!(read("done"), Outcome::Success(json!({"total": 3, "lines": ["a", null, 1.5], "ü": "/w=="})));
    let Outcome::Failure(failure) = read("failed") else { panic!("{:?}", read("failed")) };
    assert_eq!(failure.repr(), "KeyError('page 7')");
    assert_eq!(failure.traceback.as_deref(), Some("Traceback: somewhere in Python"));
    assert_eq!(read("going"), Outcome::Custom { state: "PROGRESS".into(), meta: json!({"done": 50}) });
}
