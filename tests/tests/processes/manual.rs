//! What operators read.

use std::collections::BTreeSet;

use specs::Berth;

use crate::fleet::ROLES;
use crate::process::command;

const MANUAL: &str = include_str!("../../../docs/operations.md");

#[test]
fn every_flag_and_variable_of_the_programs_is_explained_in_the_manual() {
    let berth = Berth::take();
    let mut words = BTreeSet::new();
    for program in ROLES.into_iter().chain(["worker"]) {
        let help = command(&berth, program).arg("--help").output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        let part_of_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let lines = help.lines().filter_map(|line| line.trim_start().strip_prefix("--"));
        let flags = lines.filter_map(|line| line.split(|c| !part_of_name(c)).next());
        words.extend(flags.map(|flag| format!("`--{flag}`")));
        let variables = help.split("[env: ").skip(1).filter_map(|rest| rest.split(['=', ']']).next());
        words.extend(variables.map(|variable| format!("`{variable}`")));
    }
    assert!(words.len() > 40, "{words:?}");
    let missing: Vec<_> = words.iter().filter(|word| !MANUAL.contains(*word)).collect();
    assert!(missing.is_empty(), "docs/operations.md does not explain {missing:?}");
}
