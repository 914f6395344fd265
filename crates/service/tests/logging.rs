//! What a process that logs writes where: this test binary, started again as a child.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::process::{Command, Output};

use clap::Parser;
use service::telemetry::{self, Error, Format, Logging};

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    logging: Logging,
}

#[test]
fn flags_say_what_to_log_and_how() {
    let flags = ["process", "--log-level", "info,engine=debug", "--log-format", "json"];
    let logging = Arguments::try_parse_from(flags).unwrap().logging;
    assert_eq!(logging, Logging { log_level: Some("info,engine=debug".to_owned()), log_format: Format::Json });
    assert!(Arguments::try_parse_from(["process", "--log-format", "xml"]).is_err());
}

#[test]
fn an_unusable_level_is_named() {
    let logging = Logging { log_level: Some("engine=loud".to_owned()), ..Logging::default() };
    let error = telemetry::init(&logging, "warn").unwrap_err();
    assert!(matches!(&error, Error::Level { level, .. } if level == "engine=loud"), "{error}");
}

#[test]
fn lines_go_to_standard_error_alone_at_the_callers_default_level() {
    let output = log_with(&[]);
    let (log, results) = (text(&output.stderr), text(&output.stdout));
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("WARN") && log.contains("something odd") && log.contains("run.id=\"r1\""), "{log}");
    assert!(!log.contains('\u{1b}'), "colours in a pipe: {log}");
    assert!(!results.contains("something odd"), "{results}");
}

#[test]
fn the_environment_sets_level_and_format() {
    let output = log_with(&[("FLOTILLA_LOG", "info"), ("FLOTILLA_LOG_FORMAT", "json")]);
    let log = text(&output.stderr);
    let messages: Vec<_> = log
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["message"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(messages, ["all is well", "something odd"]);
}

#[test]
#[ignore = "the child process of the tests above"]
fn process_that_logs() {
    let logging = Arguments::parse_from(["process"]).logging;
    telemetry::init(&logging, "warn").unwrap();
    assert!(matches!(telemetry::init(&logging, "warn"), Err(Error::Twice(_))));
    tracing::info!("all is well");
    tracing::warn!(run.id = "r1", "something odd");
}

fn log_with(environment: &[(&str, &str)]) -> Output {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process_that_logs", "--ignored", "--nocapture"])
        .env_remove("FLOTILLA_LOG")
        .env_remove("FLOTILLA_LOG_FORMAT")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
