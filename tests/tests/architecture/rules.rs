//! What every crate and every source file has in common.

use crate::facts::{Member, Source, Workspace};
use crate::layers::{INTELLIGENCE, PURE};

/// Lines of code that a reader can hold; a file that needs more holds two things.
const LONGEST_FILE: usize = 500;

/// What pure code must not touch: the world and, because decisions have to be repeatable, the clock.
const IO_WORDS: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::thread",
    "Instant::now",
    "SystemTime",
    "Timestamp::now",
];

/// What the half that understands documents must not speak of.
const FLEET_WORDS: &[&str] =
    &["RunId", "TaskRunId", "TenantId", "protocol::ids", "protocol::message", "protocol::state", "protocol::workflow"];

fn code_of<'a>(workspace: &'a Workspace, names: &'static [&str]) -> impl Iterator<Item = &'a Source> {
    let folders: Vec<String> = workspace
        .members
        .iter()
        .filter(|member| names.contains(&&*member.name))
        .map(|member| format!("{}/src/", member.folder))
        .collect();
    workspace.sources.iter().filter(move |source| folders.iter().any(|folder| source.path.starts_with(folder)))
}

/// Where `word` stands as a word of its own outside of comments, as line numbers from 1.
fn mentions(source: &Source, word: &str) -> Vec<usize> {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    let stands_alone = |line: &str, at: usize| {
        !line[..at].ends_with(part_of_word) && !line[at + word.len()..].starts_with(part_of_word)
    };
    let code = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    let lines = source.code.lines().map(code).enumerate();
    lines
        .filter(|(_, line)| line.match_indices(word).any(|(at, _)| stands_alone(line, at)))
        .map(|(index, _)| index + 1)
        .collect()
}

fn forbidden<'a>(sources: impl Iterator<Item = &'a Source>, words: &[&str], advice: &str) -> Vec<String> {
    let offences = |source: &Source| -> Vec<String> {
        let of_word = |word: &&str| {
            let lines = mentions(source, word).into_iter();
            lines.map(|line| format!("{}:{line} mentions {word}; {advice}", source.path)).collect::<Vec<_>>()
        };
        words.iter().flat_map(of_word).collect()
    };
    sources.flat_map(offences).collect()
}

pub(crate) fn io_in_pure_code(workspace: &Workspace) -> Vec<String> {
    forbidden(code_of(workspace, PURE), IO_WORDS, "let the caller do it and pass the result in")
}

pub(crate) fn fleet_words_in_intelligence(workspace: &Workspace) -> Vec<String> {
    let advice = "take what is needed of it as a plain argument from worker/src/stages";
    forbidden(code_of(workspace, INTELLIGENCE), FLEET_WORDS, advice)
}

pub(crate) fn stages_that_import_stages(workspace: &Workspace) -> Vec<String> {
    let stages = protocol::stages::names().map(|name| name.replace('-', "_"));
    let own_stage = |source: &Source| {
        let rest = source.path.strip_prefix("worker/src/stages/")?;
        let first = rest.split(['/', '.']).next()?.to_owned();
        stages.contains(&first).then_some(first)
    };
    let mut offences = Vec::new();
    for source in &workspace.sources {
        let Some(own) = own_stage(source) else { continue };
        for other in stages.iter().filter(|stage| **stage != own) {
            for path in [format!("stages::{other}"), format!("super::{other}")] {
                // The contract of an earlier stage is what a stage may and must know.
                let foreign = Source { code: source.code.replace(&format!("protocol::{path}"), ""), ..source.clone() };
                let advice = "read its output by its contract in protocol::stages";
                offences.extend(forbidden(std::iter::once(&foreign), &[&path], advice));
            }
        }
    }
    offences
}

pub(crate) fn spread_of_backoff(workspace: &Workspace) -> Vec<String> {
    let users: Vec<&str> = workspace
        .sources
        .iter()
        .filter(|source| source.code.contains("backoff::") && !mentions(source, "backoff").is_empty())
        .map(|source| source.path.as_str())
        .filter(|path| !path.ends_with("/backoff.rs"))
        .collect();
    match users.as_slice() {
        [] | [_] => Vec::new(),
        several => vec![format!("backoff is used in {}; keep one and call it from the others", several.join(", "))],
    }
}

pub(crate) fn misnamed_crates(workspace: &Workspace) -> Vec<String> {
    let misnamed = |member: &&Member| member.folder.strip_prefix("crates/").is_some_and(|folder| folder != member.name);
    let offence = |member: &Member| format!("{} holds the crate {}; rename one of them", member.folder, member.name);
    workspace.members.iter().filter(misnamed).map(offence).collect()
}

pub(crate) fn own_lints(workspace: &Workspace) -> Vec<String> {
    let inherits = |member: &Member| member.manifest.contains("[lints]\nworkspace = true");
    let offence = |member: &Member| format!("{}/Cargo.toml lacks \"[lints]\\nworkspace = true\"", member.folder);
    workspace.members.iter().filter(|member| !inherits(member)).map(offence).collect()
}

pub(crate) fn publishable(workspace: &Workspace) -> Vec<String> {
    let offence = |member: &Member| format!("{}/Cargo.toml lacks \"publish.workspace = true\"", member.folder);
    workspace.members.iter().filter(|member| member.publishable).map(offence).collect()
}

pub(crate) fn mod_files(workspace: &Workspace) -> Vec<String> {
    let mod_files = workspace.sources.iter().filter(|source| source.path.ends_with("/mod.rs"));
    mod_files.map(|source| format!("{}; name it after its folder and put it beside", source.path)).collect()
}

pub(crate) fn long_files(workspace: &Workspace) -> Vec<String> {
    let length = |source: &Source| source.code.lines().count();
    let long = workspace.sources.iter().filter(|source| length(source) > LONGEST_FILE);
    long.map(|source| format!("{} has {} lines of code; split it", source.path, length(source))).collect()
}

pub(crate) fn root_package(workspace: &Workspace) -> Vec<String> {
    let packages = workspace.manifest.lines().filter(|line| line.trim() == "[package]");
    packages.map(|_| "the root Cargo.toml has a [package]; move it to a folder of its own".to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_source(path: &str, code: &str) -> Workspace {
        let member =
            |name: &str, folder: &str| Member { name: name.into(), folder: folder.into(), ..Member::default() };
        Workspace {
            members: vec![member("engine", "crates/engine"), member("text", "crates/text"), member("worker", "worker")],
            sources: vec![Source { path: path.to_owned(), code: code.to_owned() }],
            ..Workspace::default()
        }
    }

    fn with_member(member: Member) -> Workspace {
        Workspace { members: vec![member], ..Workspace::default() }
    }

    #[test]
    fn io_and_clocks_in_pure_code_are_found_outside_of_comments() {
        let code = "use std::fs;\n// std::fs is not used\nlet now = Timestamp::now();\nlet x = std::format!()";
        let offences = io_in_pure_code(&with_source("crates/engine/src/lib.rs", code));
        let at: Vec<&str> = offences.iter().map(|offence| offence.split(';').next().unwrap()).collect();
        assert_eq!(
            at,
            ["crates/engine/src/lib.rs:1 mentions std::fs", "crates/engine/src/lib.rs:3 mentions Timestamp::now"]
        );
        assert_eq!(io_in_pure_code(&with_source("worker/src/lib.rs", code)), Vec::<String>::new());
    }

    #[test]
    fn a_run_id_in_a_reader_of_documents_is_found() {
        let code = "use protocol::{RunId, document::Document};\nstruct MyRunIdle;";
        assert_eq!(fleet_words_in_intelligence(&with_source("crates/text/src/pdf.rs", code)).len(), 1);
        assert!(fleet_words_in_intelligence(&with_source("worker/src/runner.rs", code)).is_empty());
    }

    #[test]
    fn a_stage_that_imports_a_stage_is_found_and_contracts_are_not() {
        let code = "use protocol::stages::extract_text::ExtractedText;\nuse super::extract_text::Handler;\n\
                    use crate::stages::collate;\nuse super::evaluate;";
        let offences = stages_that_import_stages(&with_source("worker/src/stages/evaluate.rs", code));
        assert_eq!(offences.len(), 2, "{offences:?}");
        assert!(offences[0].contains(":2 mentions super::extract_text"), "{offences:?}");
    }

    #[test]
    fn a_second_user_of_backoff_is_found() {
        let mut workspace = with_source("crates/service/src/patience.rs", "use backoff::ExponentialBackoff;");
        assert!(spread_of_backoff(&workspace).is_empty());
        workspace.sources.push(Source { path: "worker/src/lib.rs".into(), code: "backoff::future::retry()".into() });
        assert_eq!(spread_of_backoff(&workspace).len(), 1);
    }

    #[test]
    fn a_crate_that_is_not_called_like_its_folder_is_found() {
        let member = |folder: &str| Member { name: "engine".into(), folder: folder.into(), ..Member::default() };
        assert_eq!(misnamed_crates(&with_member(member("crates/motor"))).len(), 1);
        assert!(misnamed_crates(&with_member(member("crates/engine"))).is_empty());
    }

    #[test]
    fn a_crate_with_lints_of_its_own_is_found() {
        let member = |manifest: &str| Member { manifest: manifest.into(), ..Member::default() };
        assert_eq!(own_lints(&with_member(member("[lints.rust]\nunsafe_code = \"allow\""))).len(), 1);
        assert!(own_lints(&with_member(member("[lints]\nworkspace = true\n"))).is_empty());
    }

    #[test]
    fn a_publishable_crate_is_found() {
        assert_eq!(publishable(&with_member(Member { publishable: true, ..Member::default() })).len(), 1);
    }

    #[test]
    fn a_mod_rs_is_found() {
        assert_eq!(mod_files(&with_source("worker/src/stages/mod.rs", "")).len(), 1);
        assert!(mod_files(&with_source("worker/src/stages/mod_rs.rs", "")).is_empty());
    }

    #[test]
    fn a_file_that_is_too_long_is_found() {
        assert!(long_files(&with_source("worker/src/lib.rs", &"x\n".repeat(500))).is_empty());
        assert_eq!(long_files(&with_source("worker/src/lib.rs", &"x\n".repeat(501))).len(), 1);
    }

    #[test]
    fn a_root_package_is_found() {
        let workspace = Workspace { manifest: "[workspace]\n[package]\nname = \"x\"".into(), ..Workspace::default() };
        assert_eq!(root_package(&workspace).len(), 1);
    }
}
