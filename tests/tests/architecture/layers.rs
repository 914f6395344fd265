//! Who may depend on whom.

use crate::facts::{Member, Workspace};

/// The layers from the ground up. A crate may use those below its layer and, within plumbing and within
/// intelligence, its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    Protocol,
    Engine,
    /// How anything outside is reached; knows neither queues nor documents, so both halves may use it.
    Common,
    /// How work is moved and recorded; knows nothing of documents.
    Plumbing,
    /// How documents are understood; knows nothing of queues, runs or tenants.
    Intelligence,
    Services,
    Cli,
    /// Looks at everything from outside.
    Outside,
}

const PLACES: &[(Layer, &[&str])] = &[
    (Layer::Protocol, &["protocol"]),
    (Layer::Engine, &["engine"]),
    (Layer::Common, &["outbound"]),
    (Layer::Plumbing, &["ledger", "broker", "celery", "objects", "coordination", "backends", "service"]),
    (Layer::Intelligence, INTELLIGENCE),
    (Layer::Services, &["dispatcher", "worker"]),
    (Layer::Cli, &["flotilla"]),
    (Layer::Outside, &["specs", "benches", "payments"]),
];

/// The crates that understand documents.
pub(crate) const INTELLIGENCE: &[&str] = &["text", "x2text", "models", "retrieval", "agents", "values", "evaluation"];

/// The crates that must stay pure.
pub(crate) const PURE: &[&str] = &["protocol", "engine"];

/// Crates that do I/O, and beginnings of names of such.
const IO: &[&str] = &[
    "aws-",
    "axum",
    "hyper",
    "lapin",
    "mio",
    "pdfium-render",
    "redis",
    "reqwest",
    "rusqlite",
    "socket2",
    "sqlx",
    "tokio",
];

fn layer(name: &str) -> Option<Layer> {
    PLACES.iter().find(|(_, names)| names.contains(&name)).map(|(layer, _)| *layer)
}

/// Every pair of a placed member and a placed member it uses.
fn edges(workspace: &Workspace) -> impl Iterator<Item = (&Member, Layer, &str, Layer)> {
    workspace.members.iter().flat_map(|member| {
        let from = layer(&member.name);
        // A crate may name itself in its development dependencies to switch on a feature.
        let others = member.uses.iter().filter(|used| **used != member.name);
        others.filter_map(move |used| Some((member, from?, used.as_str(), layer(used)?)))
    })
}

pub(crate) fn unplaced(workspace: &Workspace) -> Vec<String> {
    let unknown = workspace.members.iter().filter(|member| layer(&member.name).is_none());
    unknown.map(|member| format!("{} has no layer; give it one in PLACES of {}", member.name, file!())).collect()
}

pub(crate) fn upward_dependencies(workspace: &Workspace) -> Vec<String> {
    let allowed = |from: Layer, to: Layer| {
        to < from || (from == to && matches!(from, Layer::Plumbing | Layer::Intelligence | Layer::Outside))
    };
    // Layers side by side have rules of their own, which give better advice.
    let side_by_side = |from: Layer, to: Layer| {
        from == to && from == Layer::Services || (from == Layer::Plumbing && to == Layer::Intelligence)
    };
    edges(workspace)
        .filter(|(_, from, _, to)| !allowed(*from, *to) && !side_by_side(*from, *to))
        .map(|(member, from, used, to)| {
            format!("{} ({from:?}) depends on {used} ({to:?}); move what it needs down, or pass it in", member.name)
        })
        .collect()
}

pub(crate) fn crossings(workspace: &Workspace) -> Vec<String> {
    let crosses = |from: Layer, to: Layer| match (from, to) {
        (Layer::Plumbing, Layer::Intelligence) => true,
        // What happens next in a run is as foreign to a reader of documents as how messages travel.
        (Layer::Intelligence, Layer::Plumbing | Layer::Engine) => true,
        _ => false,
    };
    edges(workspace)
        .filter(|(_, from, _, to)| crosses(*from, *to))
        .map(|(member, from, used, to)| {
            format!("{} ({from:?}) depends on {used} ({to:?}); they meet in worker/src/stages only", member.name)
        })
        .collect()
}

pub(crate) fn sibling_dependencies(workspace: &Workspace) -> Vec<String> {
    edges(workspace)
        .filter(|(_, from, _, to)| *from == Layer::Services && *to == Layer::Services)
        .map(|(member, _, used, _)| {
            format!("{} depends on {used}; move what both need to protocol or to a plumbing crate", member.name)
        })
        .collect()
}

pub(crate) fn io_dependencies(workspace: &Workspace) -> Vec<String> {
    let does_io =
        |name: &str| IO.iter().any(|io| name == *io || name.starts_with(&format!("{}-", io.trim_end_matches('-'))));
    let pure = workspace.members.iter().filter(|member| PURE.contains(&&*member.name));
    pure.flat_map(|member| member.links.iter().map(move |linked| (member, linked)))
        .filter(|(_, linked)| does_io(linked))
        .map(|(member, linked)| {
            let advice = "drop the dependency or the feature that pulls it in";
            format!("{} links {linked}, which does I/O; {advice} (cargo tree -p {0} -i {linked})", member.name)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(members: &[(&str, &[&str])]) -> Workspace {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let member = |(name, uses): &(&str, &[&str])| Member {
            name: (*name).to_owned(),
            uses: names(uses),
            links: names(uses),
            ..Member::default()
        };
        Workspace { members: members.iter().map(member).collect(), ..Workspace::default() }
    }

    #[track_caller]
    fn check(rule: fn(&Workspace) -> Vec<String>, members: &[(&str, &[&str])], expected: &[&str]) {
        let offences = rule(&workspace(members));
        let matches = offences.len() == expected.len()
            && offences.iter().zip(expected).all(|(offence, start)| offence.starts_with(start));
        assert!(matches, "expected {expected:?}, found {offences:?}");
    }

    #[test]
    fn a_crate_without_a_layer_is_found() {
        check(unplaced, &[("worker", &[]), ("helpers", &[])], &["helpers has no layer"]);
    }

    #[test]
    fn an_upward_dependency_is_found() {
        check(
            upward_dependencies,
            &[("protocol", &["engine"]), ("ledger", &["worker", "broker"]), ("worker", &["flotilla", "ledger"])],
            &[
                "protocol (Protocol) depends on engine",
                "ledger (Plumbing) depends on worker",
                "worker (Services) depends on flotilla",
            ],
        );
        check(upward_dependencies, &[("specs", &["flotilla", "benches"]), ("ledger", &["ledger", "protocol"])], &[]);
        check(upward_dependencies, &[("flotilla", &["specs"])], &["flotilla (Cli) depends on specs"]);
    }

    #[test]
    fn a_crossing_between_the_halves_is_found() {
        check(
            crossings,
            &[("broker", &["values"]), ("text", &["objects", "engine", "values"]), ("worker", &["broker", "text"])],
            &[
                "broker (Plumbing) depends on values",
                "text (Intelligence) depends on engine",
                "text (Intelligence) depends on objects",
            ],
        );
    }

    #[test]
    fn siblings_that_know_each_other_are_found() {
        check(sibling_dependencies, &[("worker", &["dispatcher", "ledger"])], &["worker depends on dispatcher"]);
    }

    #[test]
    fn io_below_pure_code_is_found() {
        let members: &[(&str, &[&str])] =
            &[("engine", &["aws-sdk-s3", "tokio-util", "tokio", "petgraph", "axumatic"]), ("ledger", &["tokio"])];
        check(io_dependencies, members, &["engine links aws-sdk-s3", "engine links tokio,", "engine links tokio-util"]);
    }
}
