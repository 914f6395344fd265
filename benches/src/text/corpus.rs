//! The documents that are measured.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde::Serialize;

/// A document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Document {
    /// Its file name, after the folder's where several have the same.
    pub name: String,
    /// Where it is.
    #[serde(skip)]
    pub path: PathBuf,
}

/// The PDFs of some folders and the folders in them, by name; of those with the same content the first one.
///
/// # Errors
/// When a folder cannot be read or there is none.
pub(super) fn pdfs(folders: &[PathBuf]) -> anyhow::Result<Vec<Document>> {
    let mut paths = Vec::new();
    for folder in folders {
        files_below(folder, "pdf", &mut paths)?;
    }
    let mut contents = HashSet::new();
    let mut names = HashSet::new();
    let mut documents = Vec::new();
    for path in paths {
        let content = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        if !contents.insert(content) {
            continue;
        }
        let short = name(&path);
        let folder = path.parent().map(name).unwrap_or_default();
        let unique = if names.insert(short.clone()) { short } else { format!("{folder}/{short}") };
        documents.push(Document { name: unique, path });
    }
    ensure!(!documents.is_empty(), "there are no PDFs in {folders:?}; name a folder of documents with --samples");
    Ok(documents)
}

/// The files with that ending, in the order of their names; hidden folders are what is only half there.
pub(super) fn files_below(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading the folder {}", folder.display()))?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if !name(&path).starts_with('.') {
                files_below(&path, ending, found)?;
            }
        } else if path.extension().is_some_and(|own| own.eq_ignore_ascii_case(ending)) {
            found.push(path);
        }
    }
    Ok(())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_content_is_measured_once_and_the_same_name_told_apart() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        for (path, content) in
            [("a/x.pdf", "1"), ("b/x.pdf", "2"), ("b/y.PDF", "1"), ("b/z.txt", "3"), (".half/w.pdf", "4")]
        {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().context("it has a folder")?)?;
            fs::write(path, content)?;
        }
        let names: Vec<String> = pdfs(&[folder.path().to_owned()])?.into_iter().map(|document| document.name).collect();
        assert_eq!(names, ["x.pdf", "b/x.pdf"]);
        assert!(pdfs(&[folder.path().join(".half/none")]).is_err());
        Ok(())
    }
}
