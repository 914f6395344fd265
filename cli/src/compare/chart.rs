//! Times and failures as bars in a terminal.

use std::fmt::Write as _;

use super::{Comparison, seconds};

/// Width of the longest bar, in columns.
const WIDEST: usize = 40;

/// The bars of every backend that has any.
pub(super) fn draw(comparison: &Comparison) -> String {
    let (mut text, longest) = (String::new(), comparison.longest());
    if longest > 0.0 {
        text.push_str("time to the result\n");
    }
    for line in &comparison.backends {
        let mut name = line.backend.as_str();
        for (what, time) in line.latency_seconds.into_iter().flat_map(super::Latency::all) {
            let _ = writeln!(text, "  {name:9} {what} {} {}", bar(time / longest), seconds(time));
            name = "";
        }
    }
    text.push_str("failures\n");
    for line in &comparison.backends {
        let Some(rate) = line.failure_rate else { continue };
        let _ = writeln!(text, "  {:9}     {} {:.1} %", line.backend.as_str(), bar(rate), rate * 100.0);
    }
    text
}

/// A bar for a part of the whole, in eighths of a column; something is never nothing.
fn bar(part: f64) -> String {
    const PIECES: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let part = if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.0 };
    let eighths = (part * (WIDEST * 8) as f64).ceil() as usize;
    format!("{}{}", "█".repeat(eighths / 8), PIECES[eighths % 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_what_they_stand_for() {
        assert_eq!(bar(1.0).chars().count(), WIDEST);
        assert_eq!(bar(0.5), "█".repeat(WIDEST / 2));
        assert_eq!((bar(0.0), bar(f64::NAN), bar(0.0001)), (String::new(), String::new(), "▏".to_owned()));
    }

    #[test]
    fn a_backend_without_ended_runs_has_no_bars() {
        let text = draw(&super::super::tests::sample());
        assert!(text.contains("fleet     p50") && text.contains("temporal  p50") && !text.contains("celery"), "{text}");
    }
}
