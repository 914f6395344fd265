//! Commands that speak to a running fleet: how they begin, and what their errors mean.

use std::process::ExitCode;

use jiff::{SignedDuration, Timestamp};
use protocol::RunState;

use crate::client::{Client, Error, Remote};
use crate::run::{FAILED, INTERRUPTED, fail, refuse, say};

/// The end of the help of every such command.
pub(crate) const EXIT_CODES: &str = "Exit codes: 0 succeeded · 1 failed · 2 bad usage or bad request · 130 interrupted";

/// Makes a call to a fleet, and says what went wrong.
pub(crate) fn main(remote: &Remote, call: impl AsyncFnOnce(&Client) -> anyhow::Result<ExitCode>) -> ExitCode {
    let client = match Client::new(remote) {
        Ok(client) => client,
        Err(error) => return refuse(&error.into()),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = call(&client) => Some(ended),
            Ok(()) = tokio::signal::ctrl_c() => None,
        }
    });
    match ended {
        Some(Ok(code)) => code,
        Some(Err(error)) if is_bad_call(&error) => refuse(&error),
        Some(Err(error)) => fail(&error),
        None => {
            say("interrupted; what was submitted goes on in the fleet");
            ExitCode::from(INTERRUPTED)
        }
    }
}

/// Codes of refusals that are nobody's mistake.
const UNTIMELY: [&str; 3] = ["run_ended", "run_not_ended", "nothing_to_retry"];

fn is_bad_call(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<Error>() {
        // Asked at another time it would have been fine.
        Some(Error::Refused(problem)) if UNTIMELY.contains(&problem.code.as_str()) => false,
        Some(error) => error.is_bad_call(),
        None => error.downcast_ref::<BadCall>().is_some(),
    }
}

/// Something wrong with the call that shows before anything is sent.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BadCall(pub(crate) String);

/// The exit code for a run that has ended like this.
pub(crate) fn exit_code(state: RunState) -> ExitCode {
    if state == RunState::Succeeded { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}

/// A time as people read it: to the second, in UTC.
pub(crate) fn moment(time: Timestamp) -> String {
    format!("{time:.0}")
}

/// How long something took, or takes until now.
pub(crate) fn took(from: Timestamp, to: Option<Timestamp>) -> String {
    let time = from.duration_until(to.unwrap_or_else(Timestamp::now)).max(SignedDuration::ZERO);
    match time.as_secs() {
        0..10 => format!("{:.2} s", time.as_secs_f64()),
        10..120 => format!("{} s", time.as_secs()),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_unit_that_people_would_choose() {
        let start: Timestamp = "2026-01-01T00:00:00.123Z".parse().unwrap();
        for (millis, expected) in
            [(41, "0.04 s"), (9_990, "9.99 s"), (61_000, "61 s"), (600_000, "10 min"), (9_000_000, "2 h")]
        {
            assert_eq!(took(start, Some(start + SignedDuration::from_millis(millis))), expected);
        }
        assert_eq!(took(start, Some(start - SignedDuration::from_secs(3))), "0.00 s", "clocks differ");
        assert_eq!(moment(start), "2026-01-01T00:00:00Z");
    }
}
