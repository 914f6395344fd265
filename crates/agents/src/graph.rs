//! Which prompt has to wait for which other prompt's answer.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::{kosaraju_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};
use protocol::request::OutputSpec;
use protocol::stages::generate_digraph::{PromptEdge, PromptGraph, PromptNode};

use crate::references;

/// What [`PromptGraph::version`] is written as.
pub const VERSION: u32 = 1;

/// Builds the graph of the active prompts, in execution order: by level, then `sequence_number`, then name.
///
/// Prompts that wait for each other are named in [`PromptGraph::cycles`] and run by `sequence_number`: of the
/// references among them only those to an earlier prompt are kept, the others read as [`references::UNKNOWN`].
#[must_use]
pub fn build(outputs: &[OutputSpec]) -> PromptGraph {
    let mut questions: Vec<OutputSpec> = outputs.iter().filter(|spec| spec.active).cloned().collect();
    questions.sort_by(|a, b| rank(a).cmp(&rank(b)));

    let mut graph = DiGraph::<usize, ()>::new();
    let nodes: Vec<NodeIndex> = (0..questions.len()).map(|position| graph.add_node(position)).collect();
    let positions: BTreeMap<&str, usize> = (0..).zip(&questions).map(|(at, spec)| (spec.name.as_str(), at)).collect();
    let mut unknown_references = BTreeSet::new();
    let mut needs = vec![BTreeSet::new(); questions.len()];
    for (to, spec) in questions.iter().enumerate() {
        for (_, name) in references::find(spec.question()) {
            match positions.get(name) {
                Some(from) => {
                    if needs[to].insert(name.to_owned()) {
                        graph.add_edge(nodes[*from], nodes[to], ());
                    }
                }
                None => {
                    unknown_references.insert(format!("{}: {name}", spec.name));
                }
            }
        }
    }

    let name = |node: &NodeIndex| questions[graph[*node]].name.clone();
    let mut cycles = Vec::new();
    let mut cycle_of = vec![None; questions.len()];
    for mut members in kosaraju_scc(&graph) {
        members.sort_unstable();
        let refers_to_itself = members.iter().any(|node| graph.contains_edge(*node, *node));
        if members.len() > 1 || refers_to_itself {
            members.iter().for_each(|node| cycle_of[node.index()] = Some(cycles.len()));
            cycles.push(members.iter().map(name).collect::<Vec<_>>());
        }
    }
    // Questions are sorted by rank, so the smaller index is the prompt that runs first.
    let within_cycle = |from: NodeIndex, to: NodeIndex| {
        cycle_of[from.index()].is_some() && cycle_of[from.index()] == cycle_of[to.index()]
    };
    let mut acyclic = graph.clone();
    acyclic.retain_edges(|graph, edge| {
        graph.edge_endpoints(edge).is_some_and(|(from, to)| from < to || !within_cycle(from, to))
    });
    cycles.sort();

    let levels = levels(&acyclic);
    let mut order: Vec<usize> = (0..questions.len()).collect();
    order.sort_by_key(|at| (levels[*at], *at));
    let mut edges: Vec<PromptEdge> = acyclic
        .edge_indices()
        .filter_map(|edge| acyclic.edge_endpoints(edge))
        .map(|(from, to)| PromptEdge { from: name(&from), to: name(&to) })
        .collect();
    edges.sort_by(|a, b| (&a.from, &a.to).cmp(&(&b.from, &b.to)));
    let nodes = order
        .into_iter()
        .map(|at| PromptNode {
            name: questions[at].name.clone(),
            level: levels[at],
            needs: needs[at].iter().cloned().collect(),
        })
        .collect();

    PromptGraph {
        version: VERSION,
        document_kind: None,
        nodes,
        edges,
        cycles,
        unknown_references: unknown_references.into_iter().collect(),
        questions,
    }
}

fn rank(spec: &OutputSpec) -> (u32, &str) {
    (spec.sequence_number, &spec.name)
}

/// The length of the longest way to each node.
fn levels(acyclic: &DiGraph<usize, ()>) -> Vec<u32> {
    let mut levels = vec![0; acyclic.node_count()];
    // No cycle is left, so there always is an order.
    for node in toposort(acyclic, None).unwrap_or_default() {
        for next in acyclic.neighbors(node) {
            levels[next.index()] = levels[next.index()].max(levels[node.index()] + 1);
        }
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, sequence_number: u32, prompt: &str) -> OutputSpec {
        OutputSpec { name: name.into(), sequence_number, prompt: prompt.into(), ..OutputSpec::default() }
    }

    fn order(graph: &PromptGraph) -> Vec<(&str, u32)> {
        graph.nodes.iter().map(|node| (node.name.as_str(), node.level)).collect()
    }

    #[test]
    fn prompts_come_after_those_they_refer_to_whatever_their_sequence() {
        let graph = build(&[
            spec("ratio", 1, "{{ tax }} / {{net}}"),
            spec("net", 3, "Net?"),
            spec("tax", 2, "Tax on {{net}}?"),
            OutputSpec { active: false, ..spec("off", 0, "{{net}}") },
            spec("seller", 3, "{{off}} {{nobody}}"),
        ]);
        assert_eq!(order(&graph), [("net", 0), ("seller", 0), ("tax", 1), ("ratio", 2)]);
        assert_eq!(graph.nodes[3].needs, ["net", "tax"]);
        assert_eq!(graph.edges.len(), 3);
        assert_eq!(graph.unknown_references, ["seller: nobody", "seller: off"]);
        assert!(graph.cycles.is_empty());
        assert_eq!(graph.questions.len(), 4);
    }

    #[test]
    fn a_cycle_is_named_and_runs_by_sequence() {
        let graph = build(&[
            spec("c", 1, "{{b}}"),
            spec("a", 3, "{{c}} {{root}}"),
            spec("b", 2, "{{a}}"),
            spec("root", 9, "?"),
            spec("self", 0, "{{self}}"),
            spec("after", 0, "{{a}}"),
        ]);
        assert_eq!(graph.cycles, [vec!["c", "b", "a"], vec!["self"]]);
        let edges: Vec<_> = graph.edges.iter().map(|edge| (edge.from.as_str(), edge.to.as_str())).collect();
        assert_eq!(edges, [("a", "after"), ("c", "a"), ("root", "a")]);
        assert_eq!(order(&graph), [("self", 0), ("c", 0), ("b", 0), ("root", 0), ("a", 1), ("after", 2)]);
    }

    #[test]
    fn a_long_chain_neither_overflows_nor_loses_its_order() {
        let specs: Vec<OutputSpec> = (0..5000_u32)
            .map(|at| {
                spec(
                    &format!("p{at}"),
                    5000 - at,
                    &if at == 0 { String::new() } else { format!("{{{{p{}}}}}", at - 1) },
                )
            })
            .collect();
        let graph = build(&specs);
        assert_eq!(graph.nodes.last().map(|node| (node.name.as_str(), node.level)), Some(("p4999", 4999)));
    }
}
