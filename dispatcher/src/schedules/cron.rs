//! Cron expressions: five fields of local time, and when they come true.
//!
//! The rule for the days on which clocks are changed, which is that of Vixie cron:
//!
//! - An expression that names hours means the time on the clock. A time that stands on the clock twice comes true the first
//!   time only. A time that the clock leaves out comes true at the moment when it is put forward; several such times of one
//!   night come true together, once.
//! - An expression with `*` for the hour means a rhythm. It goes on through the hour that is repeated, and has no times in
//!   the hour that is left out.

use std::str::FromStr;

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};

mod field;

use field::{Field, Spec};

/// How far ahead a time is looked for: February 29 on a given weekday can be 40 years away.
const HORIZON_YEARS: i64 = 41;

const MINUTE: Spec = Spec { name: "minute", least: 0, most: 59, names: &[] };
const HOUR: Spec = Spec { name: "hour", least: 0, most: 23, names: &[] };
const DAY: Spec = Spec { name: "day of the month", least: 1, most: 31, names: &[] };
const MONTH: Spec = Spec {
    name: "month",
    least: 1,
    most: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
/// 0 and 7 are both Sunday.
const WEEKDAY: Spec =
    Spec { name: "day of the week", least: 0, most: 7, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

/// A cron expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    minute: Field,
    hour: Field,
    day: Field,
    month: Field,
    weekday: Field,
}

/// An expression that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidCron(String);

impl FromStr for Cron {
    type Err = InvalidCron;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = match text.trim() {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            other => other,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            let message = "write five fields: minute, hour, day of the month, month, day of the week";
            return Err(InvalidCron(message.to_owned()));
        };
        let read = |spec: &Spec, text: &str| Field::read(spec, text).map_err(InvalidCron);
        let mut weekday = read(&WEEKDAY, weekday)?;
        if weekday.contains(7) {
            weekday.add(0);
        }
        Ok(Self {
            minute: read(&MINUTE, minute)?,
            hour: read(&HOUR, hour)?,
            day: read(&DAY, day)?,
            month: read(&MONTH, month)?,
            weekday,
        })
    }
}

impl Cron {
    /// The first time after `moment`; `None` when there is none, as for February 30.
    #[must_use]
    pub fn next(&self, zone: &TimeZone, moment: Timestamp) -> Option<Timestamp> {
        if self.hour.is_any() { self.next_in_rhythm(zone, moment) } else { self.next_on_the_clock(zone, moment) }
    }

    /// The times after `moment`.
    pub fn after<'a>(&'a self, zone: &'a TimeZone, moment: Timestamp) -> impl Iterator<Item = Timestamp> + 'a {
        std::iter::successors(self.next(zone, moment), move |last| self.next(zone, *last))
    }

    /// Goes from day to day in local time, and through the hours and minutes of a day that matches.
    fn next_on_the_clock(&self, zone: &TimeZone, moment: Timestamp) -> Option<Timestamp> {
        // A time of the day before may come true late, and never earlier than it says.
        let mut date = zone.to_datetime(moment).date().yesterday().ok()?;
        let last = date.checked_add(HORIZON_YEARS.years()).ok()?;
        while date <= last {
            if self.has_day(date) {
                for hour in self.hour.values() {
                    for minute in self.minute.values() {
                        let at = comes_true(zone, date.at(hour, minute, 0, 0))?;
                        if at > moment {
                            return Some(at);
                        }
                    }
                }
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    /// Goes from minute to minute in real time, and over days that do not match in one step.
    fn next_in_rhythm(&self, zone: &TimeZone, moment: Timestamp) -> Option<Timestamp> {
        let minute = SignedDuration::from_mins(1);
        let into_minute = SignedDuration::from_secs(i64::from(zone.to_datetime(moment).second()));
        let whole = Timestamp::from_second(moment.as_second()).ok()?;
        let mut at = whole.checked_sub(into_minute).ok()?.checked_add(minute).ok()?;
        let last = zone.to_datetime(moment).date().checked_add(HORIZON_YEARS.years()).ok()?;
        loop {
            let local = zone.to_datetime(at);
            if local.date() > last {
                return None;
            }
            if !self.has_day(local.date()) {
                let tomorrow = local.date().tomorrow().ok()?.to_zoned(zone.clone()).ok()?.timestamp();
                // Clocks that are put back over midnight have been in tomorrow before.
                at = tomorrow.max(at.checked_add(minute).ok()?);
            } else if self.minute.contains(local.minute().unsigned_abs()) {
                return Some(at);
            } else {
                at = at.checked_add(minute).ok()?;
            }
        }
    }

    /// When both days are restricted, either of them is enough, as in every cron.
    fn has_day(&self, date: Date) -> bool {
        let day = self.day.contains(date.day().unsigned_abs());
        let weekday = self.weekday.contains(weekday_number(date.weekday()));
        let matches = match (self.day.is_any(), self.weekday.is_any()) {
            (false, false) => day || weekday,
            _ => day && weekday,
        };
        matches && self.month.contains(date.month().unsigned_abs())
    }
}

/// The moment at which a time on the clock counts as reached.
fn comes_true(zone: &TimeZone, local: DateTime) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok(),
        // Read with the offset that begins then, it lies before the change.
        AmbiguousOffset::Gap { after, .. } => {
            let earlier = after.to_timestamp(local).ok()?;
            zone.following(earlier).next().map(|change| change.timestamp())
        }
    }
}

fn weekday_number(weekday: Weekday) -> u8 {
    weekday.to_sunday_zero_offset().unsigned_abs()
}

#[cfg(test)]
mod tests;
