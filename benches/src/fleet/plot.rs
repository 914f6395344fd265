//! The same as a picture: plain SVG, readable in a browser and in a diff.

use std::fmt::Write as _;

use super::phases::Measured;
use super::report::number;

const WIDTH: f64 = 960.0;
/// Where names end and bars begin.
const LEFT: f64 = 230.0;
/// Room for the number behind the longest bar.
const RIGHT: f64 = 90.0;
const BAR: f64 = 20.0;
const GAP: f64 = 10.0;
const HEAD: f64 = 58.0;

/// Who takes part, in the order of the bars, with their colours: what runs our code, then the servers.
const PARTS: [(&str, &[&str], &str); 8] = [
    ("producer", &["client"], "#8c6bb1"),
    ("worker", &["worker"], "#2166ac"),
    ("dispatcher", &["dispatcher"], "#67a9cf"),
    ("callbacks", &["worker-callbacks"], "#1b9e77"),
    ("logging and idle workers", &["worker-logging", "worker-file-processing", "worker-api-processing"], "#a6dba0"),
    ("RabbitMQ", &["RabbitMQ"], "#f28e2b"),
    ("Postgres", &["Postgres"], "#b2182b"),
    ("Redis", &["Redis"], "#ef8a9a"),
];

/// One bar.
struct Bar {
    name: String,
    /// Lengths and colours, from the left.
    parts: Vec<(f64, &'static str)>,
    /// What stands behind it.
    label: String,
}

/// How lengths become pixels.
#[derive(Clone, Copy)]
enum Scale {
    Linear,
    /// From this value on.
    Logarithmic(f64),
}

/// Three panels: processor time per task by process, rates, memory.
#[must_use]
pub fn svg(all: &[Measured], title: &str) -> String {
    let mut drawing = Drawing { body: String::new(), y: 34.0 };
    drawing.text(16.0, 22.0, 16.0, "start", "bold", title);
    let cost = |one: &Measured| {
        let parts = PARTS
            .iter()
            .map(|(_, roles, colour)| (roles.iter().filter_map(|role| one.cpu_us.get(role)).sum::<f64>(), *colour));
        let sum: f64 = one.cpu_us.values().sum();
        (sum > 0.0).then(|| Bar { name: one.name.clone(), parts: parts.collect(), label: number(sum) })
    };
    let costs: Vec<Bar> = all.iter().filter_map(cost).collect();
    drawing.panel(
        "Processor time per task, µs, of every process that takes part (less is better)",
        &costs,
        Scale::Linear,
    );
    if !costs.is_empty() {
        drawing.legend();
    }
    let rate = |one: &Measured| one.drained_per_s.map(|rate| plain(one, rate, "#4d4d4d"));
    let rates: Vec<Bar> = all.iter().filter_map(rate).collect();
    drawing.panel("Tasks drained a second, logarithmic (more is better)", &rates, Scale::Logarithmic(10.0));
    let memory = |one: &Measured| {
        let idle: f64 = one.idle_mib.values().sum();
        let more = one.peak_mib.map_or(0.0, |peak| (peak - idle).max(0.0));
        let label = one.peak_mib.map_or_else(|| number(idle), |peak| format!("{} / {}", number(idle), number(peak)));
        (idle > 0.0).then(|| Bar { name: one.name.clone(), parts: vec![(idle, "#4d4d4d"), (more, "#bababa")], label })
    };
    let memory: Vec<Bar> = all.iter().filter_map(memory).collect();
    drawing.panel(
        "Memory (PSS), MiB, at rest and under load: six processes of Flotilla, one worker of each peer",
        &memory,
        Scale::Linear,
    );
    drawing.finish()
}

fn plain(one: &Measured, value: f64, colour: &'static str) -> Bar {
    Bar { name: one.name.clone(), parts: vec![(value, colour)], label: number(value) }
}

/// What is drawn so far, and how far down.
struct Drawing {
    body: String,
    y: f64,
}

impl Drawing {
    fn panel(&mut self, title: &str, bars: &[Bar], scale: Scale) {
        let longest = bars.iter().map(|bar| bar.parts.iter().map(|(length, _)| length).sum()).fold(0.0, f64::max);
        if longest <= 0.0 {
            return;
        }
        let room = WIDTH - LEFT - RIGHT;
        let pixels = |value: f64| match scale {
            Scale::Linear => room * value / longest,
            Scale::Logarithmic(from) => room * (value / from).max(1.0).log10() / (longest / from).max(10.0).log10(),
        };
        self.text(16.0, self.y + 24.0, 13.0, "start", "bold", title);
        let mut y = self.y + HEAD - 20.0;
        for bar in bars {
            self.text(LEFT - 10.0, y + 15.0, 12.0, "end", "normal", &bar.name);
            let mut reached = 0.0;
            let mut x = LEFT;
            for (length, colour) in &bar.parts {
                reached += length;
                let end = LEFT + pixels(reached);
                let _ = writeln!(
                    self.body,
                    r#"<rect x="{x:.1}" y="{y:.1}" width="{:.1}" height="{BAR}" fill="{colour}"/>"#,
                    (end - x).max(0.0)
                );
                x = end;
            }
            self.text(x + 6.0, y + 15.0, 12.0, "start", "normal", &bar.label);
            y += BAR + GAP;
        }
        self.y = y + 8.0;
    }

    fn legend(&mut self) {
        let mut x = LEFT;
        for (name, _, colour) in PARTS {
            #[expect(clippy::cast_precision_loss, reason = "a short word")]
            let width = 26.0 + 6.4 * name.len() as f64;
            if x + width > WIDTH {
                x = LEFT;
                self.y += 18.0;
            }
            let _ = writeln!(
                self.body,
                r#"<rect x="{x:.1}" y="{:.1}" width="11" height="11" fill="{colour}"/>"#,
                self.y - 6.0
            );
            self.text(x + 15.0, self.y + 4.0, 11.0, "start", "normal", name);
            x += width;
        }
        self.y += 22.0;
    }

    fn text(&mut self, x: f64, y: f64, size: f64, anchor: &str, weight: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(
            self.body,
            r##"<text x="{x:.1}" y="{y:.1}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="#222">{text}</text>"##
        );
    }

    fn finish(self) -> String {
        let height = self.y + 10.0;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {WIDTH} {height:.0}\" font-family=\"Helvetica, Arial, sans-serif\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{}</svg>\n",
            self.body
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_in_the_relation_of_their_values() {
        let one = |name: &str, worker: f64| Measured {
            name: name.to_owned(),
            cpu_us: [("worker", worker)].into(),
            ..Measured::default()
        };
        let picture = svg(&[one("a < b", 1000.0), one("half", 500.0)], "title");
        let room = WIDTH - LEFT - RIGHT;
        assert!(picture.contains(&format!("width=\"{room:.1}\"")), "{picture}");
        assert!(picture.contains(&format!("width=\"{:.1}\"", room / 2.0)), "{picture}");
        assert!(picture.contains("a &lt; b"));
    }
}
