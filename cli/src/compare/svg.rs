//! Times and failures as a picture.

use std::fmt::Write as _;

use super::{Comparison, seconds};

/// Height of a bar with its gap, and of what surrounds the bars, in pixels.
const STEP: usize = 22;
const HEAD: usize = 86;

/// Where names, bars of times and bars of failures begin, and how long the longest are.
const NAMES: usize = 24;
const TIMES: usize = 150;
const TIMES_LONG: f64 = 380.0;
const FAILURES: usize = 640;
const FAILURES_LONG: f64 = 160.0;
const WIDTH: usize = 880;

/// Colours of 50, 95 and 99 of a hundred, and of failures.
const COLOURS: [&str; 3] = ["#1f5f8b", "#5b9bc4", "#b3d3e8"];
const RED: &str = "#b3392f";

/// The picture, as one SVG document.
pub(super) fn draw(comparison: &Comparison) -> String {
    let rows = comparison.backends.iter().map(|line| if line.latency_seconds.is_some() { 3 } else { 1 }).sum::<usize>();
    let height = HEAD + rows * STEP + comparison.backends.len() * 12 + 16;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    text(&mut svg, NAMES, 30, "#222222", &format!("Backends: {}", comparison.title()));
    text(&mut svg, TIMES, 64, "#666666", "time to the result: p50, p95, p99");
    text(&mut svg, FAILURES, 64, "#666666", "failed, cancelled ones aside");
    let (mut y, longest) = (HEAD, comparison.longest());
    for line in &comparison.backends {
        text(&mut svg, NAMES, y + 13, "#222222", line.backend.as_str());
        if let Some(rate) = line.failure_rate {
            bar(&mut svg, (FAILURES, y), rate * FAILURES_LONG, RED, &format!("{:.1} %", rate * 100.0));
        }
        let Some(latency) = line.latency_seconds else {
            text(&mut svg, TIMES, y + 13, "#666666", "no run has succeeded yet");
            y += STEP + 12;
            continue;
        };
        for ((_, time), colour) in latency.all().into_iter().zip(COLOURS) {
            let part = if longest > 0.0 { time / longest } else { 0.0 };
            bar(&mut svg, (TIMES, y), part * TIMES_LONG, colour, &seconds(time));
            y += STEP;
        }
        y += 12;
    }
    svg.push_str("</svg>");
    svg
}

fn bar(svg: &mut String, (x, y): (usize, usize), length: f64, colour: &str, label: &str) {
    let _ = writeln!(svg, "<rect x=\"{x}\" y=\"{y}\" width=\"{length:.1}\" height=\"16\" fill=\"{colour}\"/>");
    text(svg, x + length.ceil() as usize + 6, y + 13, "#222222", label);
}

fn text(svg: &mut String, x: usize, y: usize, colour: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" fill=\"{colour}\">{words}</text>");
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::*;

    #[test]
    fn the_picture_has_a_bar_for_every_time_and_rate_and_stays_within_its_frame() {
        let svg = draw(&sample());
        assert_eq!(svg.matches("height=\"16\"").count(), 2 * 3 + 2, "{svg}");
        assert!(svg.contains("width=\"380.0\"") && svg.contains(">25.0 %<"), "{svg}");
        assert!(svg.contains("of a&lt;b from"), "what callers wrote is escaped: {svg}");
        let number = |attribute: &str| -> f64 { attribute.split('"').next().unwrap().parse().unwrap_or(0.0) };
        let frame = number(svg.split("height=\"").nth(1).unwrap());
        assert!(svg.split(" y=\"").skip(1).all(|rest| number(rest) + 16.0 <= frame), "{svg}");
    }
}
