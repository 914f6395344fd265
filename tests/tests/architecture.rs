//! The shape of the code base (docs/ARCHITECTURE.md), kept true: who may know whom, and what every crate has.
//!
//! The rules are pure functions over facts, each proven able to fail beside its definition; the tests here apply
//! them to this workspace.

#[path = "architecture/facts.rs"]
mod facts;
#[path = "architecture/layers.rs"]
mod layers;
#[path = "architecture/rules.rs"]
mod rules;

use std::sync::LazyLock;

use facts::Workspace;

static WORKSPACE: LazyLock<Workspace> = LazyLock::new(Workspace::this);

#[track_caller]
fn holds(rule: fn(&Workspace) -> Vec<String>) {
    let offences = rule(&WORKSPACE);
    assert!(offences.is_empty(), "\n  {}\n", offences.join("\n  "));
}

#[test]
fn every_crate_has_its_place() {
    holds(layers::unplaced);
}

#[test]
fn dependencies_point_one_way() {
    holds(layers::upward_dependencies);
}

#[test]
fn plumbing_and_intelligence_do_not_know_each_other() {
    holds(layers::crossings);
}

#[test]
fn dispatcher_and_worker_do_not_know_each_other() {
    holds(layers::sibling_dependencies);
}

#[test]
fn protocol_and_engine_depend_on_nothing_that_does_io() {
    holds(layers::io_dependencies);
}

#[test]
fn protocol_and_engine_do_no_io_themselves() {
    holds(rules::io_in_pure_code);
}

#[test]
fn intelligence_speaks_of_no_runs_queues_or_tenants() {
    holds(rules::fleet_words_in_intelligence);
}

#[test]
fn a_stage_never_imports_another_stage() {
    holds(rules::stages_that_import_stages);
}

#[test]
fn the_unmaintained_backoff_crate_is_used_in_one_module_only() {
    holds(rules::spread_of_backoff);
}

#[test]
fn a_crate_is_called_like_its_folder() {
    holds(rules::misnamed_crates);
}

#[test]
fn every_crate_inherits_the_workspace_lints() {
    holds(rules::own_lints);
}

#[test]
fn no_crate_can_be_published_by_accident() {
    holds(rules::publishable);
}

#[test]
fn no_module_is_a_mod_rs() {
    holds(rules::mod_files);
}

#[test]
fn no_source_file_is_longer_than_500_lines() {
    holds(rules::long_files);
}

#[test]
fn the_root_manifest_is_virtual() {
    holds(rules::root_package);
}
