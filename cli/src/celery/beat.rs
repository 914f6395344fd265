//! Entries of Celery's beat as schedules of ours.

use dispatcher::schedules::Cron;
use serde::Serialize;
use serde_json::{Value, json};

use super::application::{Application, Entry, When, plain_name};
use super::findings::{Finding, Fit};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A schedule, as `PUT /api/v1/schedules/NAME` takes it.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Schedule {
    /// Its name.
    #[serde(skip)]
    pub(super) name: String,
    workflow: String,
    cron: String,
    time_zone: String,
    input: Value,
}

/// The schedules that keep the times of the application's beat, with what was found about each entry.
pub(super) fn schedules(application: &Application, findings: &mut Vec<Finding>) -> Vec<Schedule> {
    let zone = application.text("timezone").unwrap_or("UTC");
    let mut schedules: Vec<Schedule> = Vec::new();
    for entry in &application.beat {
        let setting = format!("beat_schedule[{:?}]", entry.name);
        let value = shown(&entry.schedule);
        match schedule(entry, zone) {
            Ok((schedule, _)) if schedules.iter().any(|other| other.name == schedule.name) => findings.push(Finding {
                setting,
                value,
                fit: Fit::None,
                here: String::new(),
                advice: format!("another entry is called {:?} here, too: rename one of them", schedule.name),
            }),
            Ok((schedule, advice)) => {
                let fit = if advice.is_empty() { Fit::Same } else { Fit::Different };
                let here = format!("schedule {}: {}", schedule.name, schedule.cron);
                findings.push(Finding { setting, value, fit, here, advice });
                schedules.push(schedule);
            }
            Err(advice) => findings.push(Finding { setting, value, fit: Fit::None, here: String::new(), advice }),
        }
    }
    schedules
}

fn shown(when: &When) -> String {
    match when {
        When::Crontab { fields } => format!("crontab {}", fields.join(" ")),
        When::Interval { seconds } => format!("every {seconds} s"),
        When::Solar { shown } | When::Other { shown } => shown.clone(),
    }
}

/// The schedule for an entry and what should be known about it, or why there is none.
fn schedule(entry: &Entry, zone: &str) -> Result<(Schedule, String), String> {
    let (cron, mut advice) = cron(&entry.schedule)?;
    cron.parse::<Cron>().map_err(|error| format!("{cron:?} cannot be kept here: {error}"))?;
    let input = match entry.args.as_slice() {
        [] => Value::Object(entry.kwargs.clone()),
        [Value::Object(_)] => return Err(positional()),
        [one] if entry.kwargs.is_empty() => one.clone(),
        _ => return Err(positional()),
    };
    if !entry.options.is_empty() {
        let options: Vec<&str> = entry.options.keys().map(String::as_str).collect();
        let more = format!("its options ({}) belong into the workflow's task", options.join(", "));
        advice = if advice.is_empty() { more } else { format!("{advice}; {more}") };
    }
    let schedule = Schedule {
        name: plain_name(&entry.name),
        workflow: plain_name(&entry.task),
        cron,
        time_zone: zone.to_owned(),
        input,
    };
    Ok((schedule, advice))
}

fn positional() -> String {
    "a run has one input, whose fields become keywords: give the task keywords instead of positional arguments"
        .to_owned()
}

fn cron(when: &When) -> Result<(String, String), String> {
    match when {
        When::Crontab { fields } => {
            let [_, _, day, _, weekday] = fields;
            if day != "*" && weekday != "*" {
                return Err(
                    "Celery wants both days to fit, cron either: restrict one, and look at the other in the task"
                        .to_owned(),
                );
            }
            Ok((fields.join(" "), String::new()))
        }
        When::Interval { seconds } => interval(*seconds),
        When::Solar { .. } => Err("nothing here knows the sun; keep Celery's beat for it".to_owned()),
        When::Other { .. } => Err("code decides when; keep Celery's beat for it, or start runs by POST".to_owned()),
    }
}

/// An interval, if the clock has a rhythm of it.
fn interval(seconds: f64) -> Result<(String, String), String> {
    let every = seconds as u64;
    let fits = |unit: u64, whole: u64| every.is_multiple_of(unit) && whole.is_multiple_of(every);
    let cron = match every {
        _ if seconds.fract() != 0.0 || every == 0 => None,
        MINUTE => Some("* * * * *".to_owned()),
        HOUR => Some("0 * * * *".to_owned()),
        DAY => Some("0 0 * * *".to_owned()),
        _ if every == 7 * DAY => Some("0 0 * * 0".to_owned()),
        _ if fits(MINUTE, HOUR) => Some(format!("*/{} * * * *", every / MINUTE)),
        _ if fits(HOUR, DAY) => Some(format!("0 */{} * * *", every / HOUR)),
        _ => None,
    };
    match cron {
        Some(cron) => Ok((cron, "by the clock, not counted from when beat was started".to_owned())),
        None => {
            Err("schedules go by the minutes of the clock and have no such rhythm; keep Celery's beat for it"
                .to_owned())
        }
    }
}

/// A schedule with its name, for people who put it there.
pub(super) fn document(schedule: &Schedule) -> Value {
    let mut document = json!(schedule);
    document["name"] = json!(schedule.name);
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(seconds: f64) -> Option<String> {
        interval(seconds).ok().map(|(cron, _)| cron)
    }

    #[test]
    fn intervals_that_the_clock_has_become_cron() {
        for (seconds, cron) in [
            (60.0, "* * * * *"),
            (900.0, "*/15 * * * *"),
            (3600.0, "0 * * * *"),
            (21600.0, "0 */6 * * *"),
            (86400.0, "0 0 * * *"),
            (604_800.0, "0 0 * * 0"),
        ] {
            assert_eq!(every(seconds).as_deref(), Some(cron), "{seconds}");
            assert!(cron.parse::<Cron>().is_ok(), "{cron}");
        }
    }

    #[test]
    fn intervals_that_the_clock_does_not_have_are_told() {
        for seconds in [0.0, 0.5, 45.0, 90.0, 420.0, 18_000.0, 172_800.0] {
            assert_eq!(every(seconds), None, "{seconds}");
        }
    }

    #[test]
    fn days_that_have_to_fit_both_are_not_taken_for_either() {
        let fields = ["0", "0", "13", "*", "fri"].map(str::to_owned);
        assert!(cron(&When::Crontab { fields }).unwrap_err().contains("either"));
    }
}
