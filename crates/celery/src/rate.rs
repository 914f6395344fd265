//! Rate limits: how many tasks of a kind may start in a time.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many in a second, a minute or an hour, as Celery writes it: `10/m`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    count: f64,
    unit: char,
}

impl Rate {
    fn per_second(self) -> f64 {
        let seconds = match self.unit {
            'm' => 60.0,
            'h' => 3600.0,
            _ => 1.0,
        };
        self.count / seconds
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (count, unit) = text.split_once('/').unwrap_or((text, "s"));
        let count: f64 = count.trim().parse().map_err(|_none| format!("{text:?} is no rate such as 10/m"))?;
        match unit.trim() {
            unit @ ("s" | "m" | "h") if count.is_finite() && count > 0.0 => {
                Ok(Self { count, unit: unit.chars().next().unwrap_or('s') })
            }
            _ => Err(format!("{text:?} is no rate such as 10/m")),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.unit)
    }
}

/// Hands out starts, evenly spaced.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// When the next may start.
    pub(crate) fn book(&self, rate: Rate) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let start = next.filter(|next| *next > now).unwrap_or(now);
        *next = Some(start + Duration::from_secs_f64(1.0 / rate.per_second()));
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_written_as_with_celery() {
        let rate: Rate = "30/m".parse().unwrap();
        assert!((rate.per_second() - 0.5).abs() < 1e-9);
        assert_eq!(rate.to_string(), "30/m");
        assert!("7".parse::<Rate>().is_ok());
        assert!(["", "a/s", "1/d", "-1/s", "inf"].iter().all(|text| text.parse::<Rate>().is_err()));
    }

    #[tokio::test]
    async fn starts_are_evenly_spaced() {
        let pace = Pace::default();
        let (first, second) = (pace.book("10/s".parse().unwrap()), pace.book("10/s".parse().unwrap()));
        assert_eq!(second - first, Duration::from_millis(100));
    }
}
