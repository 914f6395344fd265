//! Which prompt may start when: no barrier, each as soon as nothing it needs is missing.

use std::collections::{BTreeMap, BTreeSet};

use protocol::stages::generate_digraph::PromptGraph;

/// Which prompts may start.
pub(super) struct Schedule<'a> {
    /// By name: position in execution order.
    position: BTreeMap<&'a str, usize>,
    /// By name: how many answers it still waits for; gone once it started or failed.
    waiting: BTreeMap<&'a str, usize>,
    /// By name: who waits for it.
    dependants: BTreeMap<&'a str, Vec<&'a str>>,
    /// Waiting for nothing, in execution order.
    ready: BTreeSet<(usize, &'a str)>,
}

impl<'a> Schedule<'a> {
    pub(super) fn new(graph: &'a PromptGraph) -> Self {
        let names = || graph.nodes.iter().map(|node| node.name.as_str());
        let mut schedule = Self {
            position: names().zip(0..).collect(),
            waiting: names().map(|name| (name, 0)).collect(),
            dependants: BTreeMap::new(),
            ready: BTreeSet::new(),
        };
        for edge in &graph.edges {
            if let Some(count) = schedule.waiting.get_mut(edge.to.as_str()) {
                *count += 1;
                schedule.dependants.entry(&edge.from).or_default().push(&edge.to);
            }
        }
        schedule.ready =
            names().zip(0..).map(|(name, at)| (at, name)).filter(|(_, name)| schedule.waiting[name] == 0).collect();
        schedule
    }

    /// The first of the prompts that may start; it counts as started.
    pub(super) fn next(&mut self) -> Option<&'a str> {
        let (_, name) = self.ready.pop_first()?;
        self.waiting.remove(name);
        Some(name)
    }

    /// Those who wait for `name` wait for one less.
    pub(super) fn answered(&mut self, name: &str) {
        for dependant in self.dependants.remove(name).unwrap_or_default() {
            let Some(count) = self.waiting.get_mut(dependant) else { continue };
            *count -= 1;
            if *count == 0 {
                self.ready.insert((self.position[dependant], dependant));
            }
        }
    }

    /// The prompts that can no longer be answered because `name` was not.
    pub(super) fn failed(&mut self, name: &str) -> Vec<&'a str> {
        let mut dependants = self.dependants.remove(name).unwrap_or_default();
        dependants.retain(|dependant| self.waiting.remove(dependant).is_some());
        dependants
    }

    /// How many prompts there are.
    pub(super) fn total(&self) -> usize {
        self.position.len()
    }

    /// The prompts that have neither started nor failed.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.waiting.keys().copied()
    }
}
