//! What one run of a one-page document costs: wall time, processor time and peak memory of the whole process tree, and
//! the share of each stage.
//!
//! The limits (1 s, 120 MiB) hold for a release build on an idle machine. Two ratios make the figures comparable across
//! machines: against the same program doing nothing (`--version`), and against `pdftotext -layout` where it is installed.
//!
//! `cargo run --release -p benches --bin one_page -- [--runs N] [--json] [FLOTILLA DOC]`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Goal for the wall time of one run.
const WALL_GOAL_MS: f64 = 1000.0;

/// Goal for the peak memory of one run, all processes together.
const PEAK_GOAL_MIB: f64 = 120.0;

/// One measured call.
struct Sample {
    wall_ms: f64,
    peak_mib: f64,
    stdout: Vec<u8>,
}

fn main() -> ExitCode {
    match bench() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            say(&format!("one_page: {message}"));
            ExitCode::from(2)
        }
    }
}

fn bench() -> Result<bool, String> {
    let mut runs = 15_usize;
    let (mut as_json, mut paths) = (false, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => as_json = true,
            "--runs" => {
                let given = arguments.next().and_then(|given| given.parse().ok()).filter(|given| *given > 0);
                runs = given.ok_or("--runs takes a number above 0")?;
            }
            _ => paths.push(PathBuf::from(argument)),
        }
    }
    let mut paths = paths.into_iter();
    let program = paths.next().map_or_else(beside_me, Ok)?;
    let document = paths.next().unwrap_or_else(|| PathBuf::from("examples/invoice.pdf"));

    let mut samples = Vec::new();
    for _ in 0..runs {
        samples.push(measure(Command::new(&program).arg("run").arg(&document).arg("--json"))?);
    }
    let empty = median(
        (0..runs)
            .map(|_| Ok(measure(Command::new(&program).arg("--version"))?.wall_ms))
            .collect::<Result<_, String>>()?,
    );
    let poppler: Option<Vec<f64>> = (0..runs)
        .map(|_| Some(measure(Command::new("pdftotext").arg("-layout").arg(&document).arg("-")).ok()?.wall_ms))
        .collect();
    let wall = median(samples.iter().map(|sample| sample.wall_ms).collect());
    let peak = samples.iter().map(|sample| sample.peak_mib).fold(0.0, f64::max);
    let stages = stage_shares(&samples)?;
    let poppler = poppler.map(median);
    if as_json {
        let report = json!({ "runs": runs, "wall_ms": wall, "peak_mib": peak, "stages_ms": stages, "empty_ms": empty, "pdftotext_ms": poppler });
        print(&format!("{report:#}"));
    } else {
        print(&table(&document, runs, wall, peak, &stages, empty, poppler));
    }
    Ok(wall <= WALL_GOAL_MS && peak <= PEAK_GOAL_MIB)
}

/// `flotilla` as built beside this program.
fn beside_me() -> Result<PathBuf, String> {
    let me = std::env::current_exe().map_err(|error| error.to_string())?;
    let program = me.with_file_name("flotilla");
    if program.is_file() {
        Ok(program)
    } else {
        Err(format!("{} is missing: cargo build --release -p flotilla", program.display()))
    }
}

/// Runs a command, sampling the memory of it and everything it starts.
fn measure(command: &mut Command) -> Result<Sample, String> {
    let started = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let child = child.map_err(|error| format!("{:?} cannot be started: {error}", command.get_program()))?;
    let root = child.id();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let sampler = std::thread::spawn(move || {
        let mut peaks: BTreeMap<u32, f64> = BTreeMap::new();
        while stopped.recv_timeout(Duration::from_millis(1)) == Err(RecvTimeoutError::Timeout) {
            for process in tree(root) {
                if let Some(peak) = high_water(process) {
                    peaks.insert(process, peak);
                }
            }
        }
        // Children and parent may peak at different times: the sum is the worst case.
        peaks.values().sum()
    });
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    let wall_ms = started.elapsed().as_secs_f64() * 1000.0;
    drop(stop);
    let peak_mib = sampler.join().map_err(|_| "the sampler panicked")?;
    if !output.status.success() {
        return Err(format!("{:?} ended with {}", command.get_program(), output.status));
    }
    Ok(Sample { wall_ms, peak_mib, stdout: output.stdout })
}

/// A process and all its descendants.
fn tree(root: u32) -> Vec<u32> {
    let mut all = vec![root];
    let mut at = 0;
    while at < all.len() {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", all[at]));
        for task in tasks.into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        at += 1;
    }
    all
}

/// Highest resident memory of a process so far, in MiB.
fn high_water(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}

fn stage_shares(samples: &[Sample]) -> Result<Vec<(String, f64)>, String> {
    let mut times: Vec<(String, Vec<f64>)> = Vec::new();
    for sample in samples {
        let result: Value = serde_json::from_slice(&sample.stdout).map_err(|error| format!("not a result: {error}"))?;
        for stage in result["stages"].as_array().ok_or("the result has no stages")? {
            let (name, ms) = (stage["name"].as_str().unwrap_or_default(), stage["ms"].as_f64().unwrap_or(0.0));
            match times.iter_mut().find(|(known, _)| known == name) {
                Some((_, all)) => all.push(ms),
                None => times.push((name.to_owned(), vec![ms])),
            }
        }
    }
    Ok(times.into_iter().map(|(name, all)| (name, median(all))).collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn table(
    document: &Path,
    runs: usize,
    wall: f64,
    peak: f64,
    stages: &[(String, f64)],
    empty: f64,
    poppler: Option<f64>,
) -> String {
    use std::fmt::Write;
    let verdict = |good: bool| if good { "reached" } else { "missed" };
    let mut text = format!("{} ({runs} runs)\n\n| what | measured | goal | |\n|---|---|---|---|\n", document.display());
    let _ =
        writeln!(text, "| wall, median | {wall:.0} ms | ≤ {WALL_GOAL_MS:.0} ms | {} |", verdict(wall <= WALL_GOAL_MS));
    let _ = writeln!(
        text,
        "| peak memory, all processes | {peak:.0} MiB | ≤ {PEAK_GOAL_MIB:.0} MiB | {} |",
        verdict(peak <= PEAK_GOAL_MIB)
    );
    let _ = writeln!(text, "| ratio to starting the program | {:.1} × ({empty:.1} ms) | | |", wall / empty);
    match poppler {
        Some(poppler) => {
            let _ = writeln!(text, "| ratio to `pdftotext -layout` | {:.1} × ({poppler:.1} ms) | | |", wall / poppler);
        }
        None => text.push_str("| ratio to `pdftotext -layout` | not installed | | |\n"),
    }
    let _ = writeln!(text, "\n| stage | median | share of wall |\n|---|---|---|");
    for (name, ms) in stages {
        let _ = writeln!(text, "| {name} | {ms:.0} ms | {:.0} % |", 100.0 * ms / wall);
    }
    let rest = wall - stages.iter().map(|(_, ms)| ms).sum::<f64>();
    let _ = writeln!(text, "| between stages, start and end | {rest:.0} ms | {:.0} % |", 100.0 * rest / wall);
    text
}

#[expect(clippy::print_stdout, reason = "a program that reports")]
fn print(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "a program that reports")]
fn say(text: &str) {
    eprintln!("{text}");
}
