//! What `docs/backends.md` says of backends is what they say of themselves.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where it stopped")]

use backends::port::{Ability, Capabilities, Support};
use backends::roster::Roster;
use protocol::Backend;

/// What each column of the table is about, behind the name and the meaning. One line per backend.
fn columns() -> Vec<(&'static str, Capabilities)> {
    let own = Roster::native(Backend::Fleet).capabilities(Backend::Fleet).unwrap();
    vec![("`fleet`, `embedded`", own)]
}

fn word(support: Support) -> &'static str {
    match support {
        Support::Native => "native",
        Support::Emulated(_) => "emulated",
        Support::Missing(_) => "missing",
    }
}

#[test]
fn the_table_of_abilities_is_as_backends_declare_them() {
    let docs = include_str!("../../../docs/backends.md");
    let (_, section) = docs.split_once("## What backends can do").unwrap();
    let rows: Vec<Vec<&str>> = section
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect()))
        .collect();
    let (header, rows) = rows.split_first().unwrap();
    let columns = columns();
    assert_eq!(header[2..], columns.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    let found: Vec<(&str, &[&str])> = rows.iter().map(|row| (row[0], &row[2..])).collect();
    let names = Ability::ALL.map(|ability| format!("`{}`", ability.as_str()));
    let declared: Vec<Vec<&str>> = Ability::ALL
        .map(|ability| columns.iter().map(|(_, capabilities)| word(capabilities.of(ability))).collect())
        .to_vec();
    let wanted: Vec<(&str, &[&str])> =
        names.iter().zip(&declared).map(|(name, cells)| (name.as_str(), cells.as_slice())).collect();
    assert_eq!(found, wanted);
}
