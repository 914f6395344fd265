//! Packages of parts, as Office and OpenDocument programs save them.

use super::archive::{Archive, Budget};
use super::xml::{Node, Source};
use super::{File, contains};
use crate::error::Error;

/// What a package is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    Excel,
    PowerPoint,
    OpenText,
    OpenSheet,
}

/// What a package says of its main part, and what it then is.
const MAIN_PARTS: &[(&str, Kind)] = &[
    ("wordprocessingml.document.main", Kind::Word),
    ("wordprocessingml.template.main", Kind::Word),
    ("ms-word.document.macroEnabled.main", Kind::Word),
    ("ms-word.template.macroEnabledTemplate.main", Kind::Word),
    ("spreadsheetml.sheet.main", Kind::Excel),
    ("spreadsheetml.template.main", Kind::Excel),
    ("ms-excel.sheet.macroEnabled.main", Kind::Excel),
    ("ms-excel.template.macroEnabled.main", Kind::Excel),
    ("presentationml.presentation.main", Kind::PowerPoint),
    ("presentationml.slideshow.main", Kind::PowerPoint),
    ("presentationml.template.main", Kind::PowerPoint),
    ("ms-powerpoint.presentation.macroEnabled.main", Kind::PowerPoint),
    ("ms-powerpoint.slideshow.macroEnabled.main", Kind::PowerPoint),
];

/// Media types of OpenDocument files.
const OPEN_DOCUMENT: &[(&str, Kind)] = &[
    ("application/vnd.oasis.opendocument.text", Kind::OpenText),
    ("application/vnd.oasis.opendocument.text-template", Kind::OpenText),
    ("application/vnd.oasis.opendocument.spreadsheet", Kind::OpenSheet),
    ("application/vnd.oasis.opendocument.spreadsheet-template", Kind::OpenSheet),
];

/// What a package is by what the first of its parts are called, when no more of it can be read.
const BY_PART: &[(&str, Kind)] = &[("word/", Kind::Word), ("xl/", Kind::Excel), ("ppt/", Kind::PowerPoint)];

/// What a package is by its name, when even that says nothing.
const BY_EXTENSION: &[(&str, Kind)] = &[
    ("docx", Kind::Word),
    ("docm", Kind::Word),
    ("xlsx", Kind::Excel),
    ("xlsm", Kind::Excel),
    ("pptx", Kind::PowerPoint),
    ("pptm", Kind::PowerPoint),
    ("odt", Kind::OpenText),
    ("ods", Kind::OpenSheet),
];

/// What it is, if it is one that can be read. A damaged one is taken for what it was, so that its reader can say what is
/// wrong with it.
pub(super) fn kind(file: &File<'_>) -> Option<Kind> {
    /// Both are a few kilobytes.
    const DECIDING: u64 = 1024 * 1024;
    if !Archive::is_one(file.bytes) {
        return None;
    }
    let by_name = || {
        let (head, extension) = (file.head(), file.extension());
        let by_part = BY_PART.iter().find(|(part, _)| contains(head, part.as_bytes()));
        by_part.or_else(|| BY_EXTENSION.iter().find(|(known, _)| *known == extension)).map(|(_, kind)| *kind)
    };
    let Ok(mut archive) = Archive::open(file.bytes, Budget::new(DECIDING)) else { return by_name() };
    let mut text = |name| archive.read(name).map(|part| part.map(|part| String::from_utf8_lossy(&part).into_owned()));
    match (text("[Content_Types].xml"), text("mimetype")) {
        (Ok(Some(types)), _) => MAIN_PARTS.iter().find(|(part, _)| types.contains(part)).map(|(_, kind)| *kind),
        (_, Ok(Some(media_type))) => {
            OPEN_DOCUMENT.iter().find(|(known, _)| *known == media_type.trim()).map(|(_, kind)| *kind)
        }
        (Ok(None), Ok(None)) => None,
        _ => by_name(),
    }
}

/// From one part of a package to another.
pub(super) struct Relation {
    pub(super) id: String,
    /// What the other is to it: the last word of its type, `footnotes`, `slide`.
    pub(super) kind: String,
    /// The other's name within the archive.
    pub(super) target: String,
}

/// Where a part leads; `""` is the package.
pub(super) fn relations(archive: &mut Archive<'_>, part: &str) -> Result<Vec<Relation>, Error> {
    let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
    let name = if folder.is_empty() { format!("_rels/{file}.rels") } else { format!("{folder}/_rels/{file}.rels") };
    let Some(bytes) = archive.read(&name)? else { return Ok(Vec::new()) };
    let source = Source::new(&name, &bytes);
    let mut xml = source.read();
    let mut relations = Vec::new();
    loop {
        match xml.next()? {
            Node::Open(tag) if tag.name() == "Relationship" => {
                let is_outside = tag.get("TargetMode").is_some_and(|mode| mode == "External");
                let parts = (tag.get("Id"), tag.get("Type"), tag.get("Target"));
                if let ((Some(id), Some(kind), Some(target)), false) = (parts, is_outside) {
                    let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
                    relations.push(Relation { id, kind, target: resolved(folder, &target) });
                }
            }
            Node::End => return Ok(relations),
            _ => {}
        }
    }
}

/// The main part of an Office package.
pub(super) fn main_part(archive: &mut Archive<'_>, usual: &str) -> Result<String, Error> {
    if archive.has(usual) {
        return Ok(usual.to_owned());
    }
    let main = relations(archive, "")?.into_iter().find(|relation| relation.kind == "officeDocument");
    main.map(|main| main.target).ok_or_else(|| Error::corrupt(format!("it has no {usual}")))
}

/// A name within the archive, from one that is relative to a folder.
fn resolved(folder: &str, target: &str) -> String {
    let target = target.replace('\\', "/");
    let base = if target.starts_with('/') { "" } else { folder };
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(target.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_found_from_the_folder_of_their_part() {
        assert_eq!(resolved("ppt/slides", "../notesSlides/notesSlide1.xml"), "ppt/notesSlides/notesSlide1.xml");
        assert_eq!(resolved("word", "/word/document.xml"), "word/document.xml");
        assert_eq!(resolved("", "xl\\workbook.xml"), "xl/workbook.xml");
        assert_eq!(resolved("a", "../../../etc/passwd"), "etc/passwd");
    }
}
