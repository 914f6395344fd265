//! Several rounds into one: the median of every number by itself.

use std::collections::BTreeMap;

use super::phases::{Canvas, Measured, Spread};
use super::raw::Ceiling;

/// One of each subject, in the order of their first round.
#[must_use]
pub fn measured(all: Vec<Measured>) -> Vec<Measured> {
    grouped(all, |one| one.key.clone()).into_iter().filter_map(|rounds| one_of(&rounds)).collect()
}

/// One of each kind of queues.
#[must_use]
pub fn ceilings(all: Vec<Ceiling>) -> Vec<Ceiling> {
    let groups = grouped(all, |one| one.queue_type.clone());
    let one = |rounds: Vec<Ceiling>| {
        Some(Ceiling {
            queue_type: rounds.first()?.queue_type.clone(),
            per_s: of(rounds.iter().map(|one| one.per_s))?,
            cpu_us: of(rounds.iter().map(|one| one.cpu_us))?,
            delivery_ms: spread(rounds.iter().map(|one| one.delivery_ms))?,
        })
    };
    groups.into_iter().filter_map(one).collect()
}

/// The middle of some numbers.
#[must_use]
pub fn of(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn one_of(rounds: &[Measured]) -> Option<Measured> {
    let first = rounds.first()?;
    let number = |value: fn(&Measured) -> Option<f64>| of(rounds.iter().filter_map(value));
    Some(Measured {
        submit_per_s: number(|one| one.submit_per_s),
        thousand_ms: number(|one| one.thousand_ms),
        exec_to_first_ms: number(|one| one.exec_to_first_ms),
        drained_per_s: number(|one| one.drained_per_s),
        start_ms: spread(rounds.iter().filter_map(|one| one.start_ms)),
        flood_per_s: number(|one| one.flood_per_s),
        cpu_us: map(rounds.iter().map(|one| &one.cpu_us)),
        idle_mib: map(rounds.iter().map(|one| &one.idle_mib)),
        peak_mib: number(|one| one.peak_mib),
        chain: canvas(rounds.iter().filter_map(|one| one.chain.as_ref())),
        chord: canvas(rounds.iter().filter_map(|one| one.chord.as_ref())),
        ..first.clone()
    })
}

fn spread(all: impl Iterator<Item = Spread> + Clone) -> Option<Spread> {
    Some(Spread {
        p50: of(all.clone().map(|one| one.p50))?,
        p99: of(all.clone().map(|one| one.p99))?,
        count: all.map(|one| one.count).sum(),
    })
}

fn canvas<'a>(all: impl Iterator<Item = &'a Canvas> + Clone) -> Option<Canvas> {
    Some(Canvas {
        per_s: of(all.clone().map(|one| one.per_s))?,
        last_start_ms: spread(all.clone().map(|one| one.last_start_ms))?,
        cpu_us: of(all.map(|one| one.cpu_us))?,
    })
}

fn map<'a>(all: impl Iterator<Item = &'a BTreeMap<&'static str, f64>> + Clone) -> BTreeMap<&'static str, f64> {
    let keys: Vec<&'static str> = all.clone().flat_map(|one| one.keys().copied()).collect();
    keys.into_iter().filter_map(|key| Some((key, of(all.clone().filter_map(|one| one.get(key).copied()))?))).collect()
}

fn grouped<T>(all: Vec<T>, key: impl Fn(&T) -> String) -> Vec<Vec<T>> {
    let mut groups: Vec<(String, Vec<T>)> = Vec::new();
    for one in all {
        let key = key(&one);
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, group)) => group.push(one),
            None => groups.push((key, vec![one])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_the_median_of_its_rounds() {
        let round = |key: &str, drained: f64, worker: f64| Measured {
            key: key.to_owned(),
            drained_per_s: Some(drained),
            cpu_us: [("worker", worker)].into(),
            ..Measured::default()
        };
        let all = vec![round("a", 1.0, 30.0), round("b", 7.0, 1.0), round("a", 3.0, 10.0), round("a", 2.0, 20.0)];
        let seen: Vec<_> =
            measured(all).into_iter().map(|one| (one.key, one.drained_per_s, one.cpu_us["worker"])).collect();
        assert_eq!(seen, [("a".to_owned(), Some(2.0), 20.0), ("b".to_owned(), Some(7.0), 1.0)]);
    }
}
