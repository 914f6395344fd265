//! What was aimed for, and whether it was reached.

use super::phases::{Canvas, Measured};
use super::raw::Ceiling;
use super::report::number;

/// One line of the table of goals.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Row {
    /// Which goal.
    pub goal: &'static str,
    /// What is compared.
    pub what: String,
    /// Ours.
    pub ours: String,
    /// The peer's or the ceiling's; empty where the goal is a plain number.
    pub other: String,
    /// How ours relates to it; empty where the goal is a plain number.
    pub ratio: String,
    /// What is aimed for.
    pub aim: String,
    /// Whether it was reached.
    pub reached: bool,
}

/// Everything that one fleet of ours is judged by.
#[derive(Clone, Copy)]
pub struct Judged<'a> {
    /// Ours.
    pub ours: &'a Measured,
    /// Everybody measured.
    pub all: &'a [Measured],
    /// What the servers can do at best, on the same kind of queues.
    pub ceiling: Option<&'a Ceiling>,
    /// Statements of a submission of a thousand.
    pub statements: Option<i64>,
}

/// The rows for which there are numbers.
#[must_use]
pub fn rows(judged: Judged<'_>) -> Vec<Row> {
    let Judged { ours, ceiling, .. } = judged;
    let mut rows = Vec::new();
    let celery = judged.peer("celery-postgres");
    let total = |one: &Measured| Some(one.cpu_us.values().sum::<f64>()).filter(|sum| *sum > 0.0);
    rows.extend(total(ours).map(|us| {
        let other = celery.and_then(total);
        let ratio = other.map_or_else(String::new, |other| format!("{} × less", number(other / us)));
        let other = other.map_or_else(String::new, |other| format!("{} (Celery, Postgres)", number(other)));
        plain("P1", "CPU µs per task", us, other, ratio, Aim::AtMost(350.0))
    }));
    for (key, aim) in [("celery-postgres", 30.0), ("celery", 5.0), ("dramatiq", 3.0), ("rusty-celery", 0.5)] {
        rows.extend(judged.times("P2", "drained tasks/s", key, aim, |one| one.drained_per_s));
    }
    rows.extend(ours.drained_per_s.zip(ceiling).map(|(drained, ceiling)| {
        let ratio = drained / ceiling.per_s;
        ratio_row(
            "P3",
            "drained tasks/s beside the raw ceiling",
            [drained, ceiling.per_s],
            "ceiling",
            ratio,
            Aim::AtLeast(0.5),
        )
    }));
    let rate = |canvas: &Option<Canvas>| canvas.as_ref().map(|canvas| canvas.per_s);
    let middle = |canvas: &Option<Canvas>| canvas.as_ref().map(|canvas| canvas.last_start_ms.p50);
    rows.extend(judged.times("P4", "chains of six a second", "celery-postgres", 10.0, |one| rate(&one.chain)));
    rows.extend(judged.times("P4", "chords of 10 + 1 a second", "celery-postgres", 10.0, |one| rate(&one.chord)));
    for key in ["celery-postgres", "celery-redis"] {
        rows.extend(judged.within("P4", "one chain, p50 ms", key, 1.0, |one| middle(&one.chain)));
    }
    rows.extend(ours.thousand_ms.zip(celery.and_then(|one| one.thousand_ms)).map(|(ours, other)| {
        ratio_row("P5", "a thousand submitted, ms", [ours, other], "Celery's loop", other / ours, Aim::AtLeast(50.0))
    }));
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    rows.extend(judged.statements.map(|count| {
        let what = "statements for a thousand, besides BEGIN and COMMIT";
        plain("P5", what, count as f64, String::new(), String::new(), Aim::AtMost(3.0))
    }));
    let idle: f64 = ours.idle_mib.values().sum();
    if idle > 0.0 {
        let other = memory_of(celery, |one| Some(one.idle_mib.values().sum()));
        rows.push(plain("P6", "memory of six processes at rest, MiB", idle, other, String::new(), Aim::AtMost(60.0)));
    }
    rows.extend(ours.peak_mib.map(|peak| {
        let other = memory_of(celery, |one| one.peak_mib);
        plain("P6", "memory under load, MiB", peak, other, String::new(), Aim::AtMost(150.0))
    }));
    rows.extend(ours.exec_to_first_ms.map(|ms| {
        let other = celery.and_then(|one| one.exec_to_first_ms);
        let other = other.map_or_else(String::new, |other| format!("{} (Celery)", number(other)));
        plain("P7", "exec to first task, ms", ms, other, String::new(), Aim::AtMost(100.0))
    }));
    rows.extend(ours.start_ms.zip(ceiling).map(|(start, ceiling)| {
        let raw = ceiling.delivery_ms.p50;
        let what = "handed in to start at 50/s, p50 ms, beside raw delivery";
        ratio_row("P8", what, [start.p50, raw], "raw", start.p50 / raw, Aim::AtMost(2.0))
    }));
    rows
}

/// Rows as a Markdown table.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from("| goal | what | ours | beside | ratio | aim | |\n|---|---|---:|---:|---:|---|---|\n");
    for row in rows {
        let verdict = if row.reached { "reached" } else { "**missed**" };
        let Row { goal, what, ours, other, ratio, aim, .. } = row;
        text.push_str(&format!("| {goal} | {what} | {ours} | {other} | {ratio} | {aim} | {verdict} |\n"));
    }
    text
}

/// What is aimed for.
#[derive(Clone, Copy)]
enum Aim {
    AtMost(f64),
    AtLeast(f64),
}

impl Aim {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }

    fn shown(self, unit: &str) -> String {
        match self {
            Self::AtMost(most) => format!("≤ {}{unit}", plainly(most)),
            Self::AtLeast(least) => format!("≥ {}{unit}", plainly(least)),
        }
    }
}

impl Judged<'_> {
    fn peer(&self, key: &str) -> Option<&Measured> {
        self.all.iter().find(|one| one.key == key)
    }

    /// At least so many times as much as that peer.
    fn times(
        &self,
        goal: &'static str,
        what: &str,
        key: &str,
        aim: f64,
        value: impl Fn(&Measured) -> Option<f64>,
    ) -> Option<Row> {
        let peer = self.peer(key)?;
        let (ours, other) = (value(self.ours)?, value(peer)?);
        Some(ratio_row(goal, what, [ours, other], &peer.name, ours / other, Aim::AtLeast(aim)))
    }

    /// At most so many times as much as that peer.
    fn within(
        &self,
        goal: &'static str,
        what: &str,
        key: &str,
        aim: f64,
        value: impl Fn(&Measured) -> Option<f64>,
    ) -> Option<Row> {
        let peer = self.peer(key)?;
        let (ours, other) = (value(self.ours)?, value(peer)?);
        Some(ratio_row(goal, what, [ours, other], &peer.name, ours / other, Aim::AtMost(aim)))
    }
}

fn memory_of(peer: Option<&Measured>, value: impl Fn(&Measured) -> Option<f64>) -> String {
    let value = peer.and_then(value).filter(|value| *value > 0.0);
    value.map_or_else(String::new, |value| format!("{} (one Celery worker of two)", number(value)))
}

fn plain(goal: &'static str, what: &str, ours: f64, other: String, ratio: String, aim: Aim) -> Row {
    Row { goal, what: what.to_owned(), ours: number(ours), other, ratio, aim: aim.shown(""), reached: aim.holds(ours) }
}

fn ratio_row(goal: &'static str, what: &str, [ours, other]: [f64; 2], name: &str, ratio: f64, aim: Aim) -> Row {
    Row {
        goal,
        what: what.to_owned(),
        ours: number(ours),
        other: format!("{} ({name})", number(other)),
        ratio: format!("{} ×", number(ratio)),
        aim: aim.shown(" ×"),
        reached: aim.holds(ratio),
    }
}

fn plainly(value: f64) -> String {
    format!("{value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(key: &str, drained: f64, cpu: f64) -> Measured {
        Measured {
            key: key.to_owned(),
            name: key.to_owned(),
            drained_per_s: Some(drained),
            cpu_us: [("worker", cpu)].into(),
            ..Measured::default()
        }
    }

    #[test]
    fn a_goal_is_reached_or_missed_by_its_ratio_and_goals_without_numbers_are_left_out() {
        let all = [
            measured("flotilla", 4000.0, 340.0),
            measured("celery-postgres", 100.0, 7000.0),
            measured("celery", 1000.0, 1500.0),
        ];
        let rows = rows(Judged { ours: &all[0], all: &all, ceiling: None, statements: Some(4) });
        let seen: Vec<(&str, &str, bool)> =
            rows.iter().map(|row| (row.goal, row.ratio.as_str(), row.reached)).collect();
        assert_eq!(
            seen,
            [("P1", "20.6 × less", true), ("P2", "40.0 ×", true), ("P2", "4.00 ×", false), ("P5", "", false)]
        );
    }
}
