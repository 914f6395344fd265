//! What was measured, for people.

use std::fmt::Write as _;

use super::phases::{Canvas, Measured, Spread};
use super::raw::Ceiling;

/// Adds a row: what, and everybody's value.
type Row<'a> = dyn FnMut(&str, &dyn Fn(&Measured) -> Option<String>) + 'a;

/// Every number as a Markdown table: subjects side by side, one column each.
#[must_use]
pub fn everything(all: &[Measured], ceilings: &[Ceiling]) -> String {
    let mut text = String::from("| what |");
    for one in all {
        let _ = write!(text, " {} |", one.name);
    }
    text.push_str("\n|---|");
    text.push_str(&"---:|".repeat(all.len()));
    text.push('\n');
    let mut row = |what: &str, value: &dyn Fn(&Measured) -> Option<String>| {
        let values: Vec<Option<String>> = all.iter().map(value).collect();
        if values.iter().all(Option::is_none) {
            return;
        }
        let _ = write!(text, "| {what} |");
        for value in values {
            let _ = write!(text, " {} |", value.unwrap_or_else(|| "–".to_owned()));
        }
        text.push('\n');
    };
    row("results stored in", &|one| Some(one.results.clone()));
    row("CPU µs per task, all", &|one| some(one.cpu_us.values().sum::<f64>()));
    let mut roles: Vec<&str> = all.iter().flat_map(|one| one.cpu_us.keys().copied()).collect();
    roles.sort_unstable();
    roles.dedup();
    for role in roles {
        row(&format!("– {role}"), &|one| one.cpu_us.get(role).map(|used| number(*used)));
    }
    row("drained tasks/s", &|one| one.drained_per_s.map(number));
    row("handed in and worked off at once, tasks/s", &|one| one.flood_per_s.map(number));
    row("handed in, tasks/s", &|one| one.submit_per_s.map(number));
    row("a thousand handed in, ms", &|one| one.thousand_ms.map(number));
    row("exec to first task, ms", &|one| one.exec_to_first_ms.map(number));
    row("start after handing in, 50/s, p50 / p99 ms", &|one| one.start_ms.map(spread));
    row("memory at rest, MiB", &|one| some(one.idle_mib.values().sum::<f64>()));
    row("memory under load, MiB", &|one| one.peak_mib.map(number));
    canvas(&mut row, "chains of six", &|one| one.chain.as_ref());
    canvas(&mut row, "chords of ten and one", &|one| one.chord.as_ref());
    for ceiling in ceilings {
        let _ = writeln!(
            text,
            "\nCeiling, {} queue: {} tasks/s at {} CPU µs (a message taken, a row stored in batches, acknowledged; \
             publication not counted); delivery p50 / p99 {} ms.",
            ceiling.queue_type,
            number(ceiling.per_s),
            number(ceiling.cpu_us),
            spread(ceiling.delivery_ms)
        );
    }
    text
}

fn canvas(row: &mut Row<'_>, what: &str, of: &dyn Fn(&Measured) -> Option<&Canvas>) {
    row(&format!("{what}, runs/s"), &|one| of(one).map(|canvas| number(canvas.per_s)));
    row(&format!("{what}, CPU µs per run"), &|one| of(one).map(|canvas| number(canvas.cpu_us)));
    row(&format!("{what}, start of the last task, p50 / p99 ms"), &|one| {
        of(one).map(|canvas| spread(canvas.last_start_ms))
    });
}

fn some(value: f64) -> Option<String> {
    (value > 0.0).then(|| number(value))
}

fn spread(spread: Spread) -> String {
    format!("{} / {}", number(spread.p50), number(spread.p99))
}

/// Three digits that count, no more.
#[must_use]
pub fn number(value: f64) -> String {
    let digits = if value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        2
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        let left = whole.len() - at;
        if at > 0 && left % 3 == 0 && whole.len() > 4 && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    rest.map_or(grouped.clone(), |rest| format!("{grouped}.{rest}"))
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_show_the_digits_that_count() {
        assert_eq!(
            [0.714, 3.45, 24.06, 345.4, 7270.0, 12_345.6].map(number),
            ["0.71", "3.45", "24.1", "345", "7270", "12,346"]
        );
    }
}
