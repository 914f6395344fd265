//! What the rules look at: the members of the workspace, what they depend on, and their sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// A workspace as the rules see it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workspace {
    /// Text of the root `Cargo.toml`.
    pub(crate) manifest: String,
    pub(crate) members: Vec<Member>,
    /// Every `.rs` file of every member.
    pub(crate) sources: Vec<Source>,
}

/// One crate of the workspace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Relative to the root: `crates/engine`.
    pub(crate) folder: String,
    /// Text of its `Cargo.toml`.
    pub(crate) manifest: String,
    pub(crate) publishable: bool,
    /// Members it names, whatever for: normal, build and development.
    pub(crate) uses: BTreeSet<String>,
    /// Everything that is linked into it, near or far, members or not.
    pub(crate) links: BTreeSet<String>,
}

/// One source file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Source {
    /// Relative to the root, with `/`: `crates/engine/src/lib.rs`.
    pub(crate) path: String,
    /// Its lines outside of tests; none for a file that is all tests.
    pub(crate) code: String,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    workspace_root: PathBuf,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    manifest_path: PathBuf,
    publish: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    /// Null for a normal dependency.
    kind: Option<String>,
}

impl Workspace {
    /// The workspace this test belongs to.
    pub(crate) fn this() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1"])
            .current_dir(here)
            .output()
            .expect("cargo can be run");
        assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        let metadata: Metadata = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
        Self::read(&metadata)
    }

    fn read(metadata: &Metadata) -> Self {
        let root = &metadata.workspace_root;
        let packages: BTreeMap<&str, &Package> =
            metadata.packages.iter().map(|package| (&*package.id, package)).collect();
        let nodes: BTreeMap<&str, &Node> = metadata.resolve.nodes.iter().map(|node| (&*node.id, node)).collect();
        let mut workspace = Self { manifest: read(&root.join("Cargo.toml")), ..Self::default() };
        for id in &metadata.workspace_members {
            let package = packages[&**id];
            let folder = package.manifest_path.parent().expect("a manifest lies in a folder");
            let uses =
                nodes[&**id].deps.iter().filter(|dependency| metadata.workspace_members.contains(&dependency.pkg));
            workspace.members.push(Member {
                name: package.name.clone(),
                folder: relative(folder, root),
                manifest: read(&package.manifest_path),
                publishable: package.publish.as_ref().is_none_or(|registries| !registries.is_empty()),
                uses: uses.map(|dependency| packages[&*dependency.pkg].name.clone()).collect(),
                links: linked(id, &nodes).into_iter().map(|id| packages[id].name.clone()).collect(),
            });
            collect_sources(folder, root, &mut workspace.sources);
        }
        workspace
    }
}

/// Everything reachable over normal dependencies.
fn linked<'a>(id: &'a str, nodes: &BTreeMap<&'a str, &'a Node>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut wanted = vec![id];
    while let Some(id) = wanted.pop() {
        for dependency in &nodes[id].deps {
            let normal = dependency.dep_kinds.iter().any(|kind| kind.kind.is_none());
            if normal && found.insert(&*dependency.pkg) {
                wanted.push(&dependency.pkg);
            }
        }
    }
    found
}

fn collect_sources(folder: &Path, root: &Path, sources: &mut Vec<Source>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the workspace can be read") {
        let path = entry.expect("a folder of the workspace can be read").path();
        if path.is_dir() {
            collect_sources(&path, root, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let path_shown = relative(&path, root);
            let all_tests =
                path_shown.contains("/tests/") || path_shown.starts_with("tests/") || path.ends_with("tests.rs");
            let code = if all_tests { String::new() } else { without_tests(&read(&path)) };
            sources.push(Source { path: path_shown, code });
        }
    }
}

/// The lines before an inline test module, which by convention stands last.
fn without_tests(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].ends_with('{'));
    lines[..tests.unwrap_or(lines.len())].join("\n")
}

fn relative(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn tests_at_the_end_of_a_file_do_not_count_as_code() {
    let text = "fn a() {}\n#[cfg(test)]\nmod cases;\nfn b() {}\n#[cfg(test)]\nmod tests {\n    fn c() {}\n}";
    assert_eq!(without_tests(text), "fn a() {}\n#[cfg(test)]\nmod cases;\nfn b() {}");
}

#[test]
fn links_follow_normal_dependencies_only() {
    let nodes: Vec<Node> = serde_json::from_str(
        r#"[
            {"id": "a", "deps": [{"pkg": "b", "dep_kinds": [{"kind": null}]}, {"pkg": "d", "dep_kinds": [{"kind": "dev"}]}]},
            {"id": "b", "deps": [{"pkg": "c", "dep_kinds": [{"kind": "build"}, {"kind": null}]}]},
            {"id": "c", "deps": []}
        ]"#,
    )
    .expect("valid");
    let nodes = nodes.iter().map(|node| (&*node.id, node)).collect();
    assert_eq!(linked("a", &nodes), BTreeSet::from(["b", "c"]));
}
