//! What reading costs: pages for a second of processor time, and memory.

use serde::Serialize;

use super::corpus::Document;
use super::engine::Engine;
use super::session::{Places, Run};

/// Who everybody is compared with.
const ANCHOR: Engine = Engine::Pdftotext;

/// Cost over the documents that every engine reads.
#[derive(Debug, Serialize)]
pub struct Speed {
    /// How many documents these are.
    pub documents: usize,
    /// Their pages.
    pub pages: u32,
    /// Each engine.
    pub engines: Vec<Cost>,
    /// The documents that cost ours most beyond what they cost pdftotext.
    pub dearest: Vec<Dear>,
}

/// What an engine costs.
#[derive(Debug, Serialize)]
pub struct Cost {
    /// Who.
    pub engine: Engine,
    /// Processor seconds, median of the rounds.
    pub cpu_s: f64,
    /// Pages for a second of processor time.
    pub pages_per_cpu_s: f64,
    /// The same as a multiple of pdftotext's in the same round, median of the rounds.
    pub ratio: f64,
    /// The largest resident memory of a process that reads, in MiB.
    pub peak_mib: f64,
    /// Whether that may be the memory of the process that it was started from.
    pub peak_is_at_most: bool,
}

/// A document that is dear.
#[derive(Debug, Serialize)]
pub struct Dear {
    /// Its name.
    pub name: String,
    /// Its pages.
    pub pages: u32,
    /// Our processor seconds, a child for it alone.
    pub ours_s: f64,
    /// Those of pdftotext.
    pub pdftotext_s: f64,
}

/// Reads the documents that everybody reads, round by round, everybody in turns.
///
/// # Errors
/// When a reader fails as a whole.
pub(super) async fn measured(
    documents: &[Document],
    first: &[Run],
    rounds: u32,
    places: &Places,
) -> anyhow::Result<Speed> {
    let read_by_all: Vec<usize> =
        (0..documents.len()).filter(|index| first.iter().all(|run| run.answers[*index].failure.is_none())).collect();
    let paths: Vec<_> = read_by_all.iter().map(|index| documents[*index].path.as_path()).collect();
    let pages_of = |index: usize| first.iter().find_map(|run| run.answers[index].pages).unwrap_or(0);
    let pages: u32 = read_by_all.iter().map(|index| pages_of(*index)).sum();

    let mut all = Vec::new();
    for number in 0..rounds.max(1) {
        let mut round = Vec::new();
        for engine in first.iter().map(|run| run.engine) {
            // It takes longer than all others together, and is far from any of them.
            if engine != Engine::Pdfminer || number == 0 {
                round.push(Run::of(engine, &paths, places).await?);
            }
        }
        all.push(round);
    }
    let engines = first.iter().map(|run| cost(run.engine, pages, &all)).collect();
    let seconds = |engine: Engine, at: usize| {
        let answers = all.iter().flatten().filter(|run| run.engine == engine).map(|run| run.answers[at].cpu_s);
        median(answers.collect())
    };
    let mut dearest: Vec<Dear> = read_by_all
        .iter()
        .enumerate()
        .map(|(at, index)| Dear {
            name: documents[*index].name.clone(),
            pages: pages_of(*index),
            ours_s: seconds(Engine::Ours, at),
            pdftotext_s: seconds(ANCHOR, at),
        })
        .collect();
    dearest.sort_by(|a, b| (b.ours_s - b.pdftotext_s).total_cmp(&(a.ours_s - a.pdftotext_s)));
    Ok(Speed { documents: paths.len(), pages, engines, dearest })
}

fn cost(engine: Engine, pages: u32, rounds: &[Vec<Run>]) -> Cost {
    let seconds = |round: &[Run], of: Engine| round.iter().find(|run| run.engine == of).map(Run::cpu_s);
    let peaks = || rounds.iter().flatten().filter(|run| run.engine == engine).map(Run::peak_kib);
    let cpu_s = median(rounds.iter().filter_map(|round| seconds(round, engine)).collect());
    let ratios = rounds
        .iter()
        .filter_map(|round| Some(seconds(round, ANCHOR)? / seconds(round, engine)?.max(f64::MIN_POSITIVE)));
    Cost {
        engine,
        cpu_s,
        pages_per_cpu_s: f64::from(pages) / cpu_s.max(f64::MIN_POSITIVE),
        ratio: median(ratios.collect()),
        peak_mib: peaks().map(|(kib, _)| kib).max().unwrap_or(0) as f64 / 1024.0,
        peak_is_at_most: peaks().any(|(_, at_most)| at_most),
    }
}

/// The middle of some numbers, of an even count the upper one; of nothing 0.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![1.0, 2.0]), 2.0);
        assert_eq!(median(Vec::new()), 0.0);
    }
}
