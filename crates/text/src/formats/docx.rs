//! Word documents (`.docx`, `.docm`).

use std::collections::BTreeSet;

use self::body::{Notes, Reading};
use self::styles::{Numbering, Styles};
use super::archive::Archive;
use super::flow::Flow;
use super::package::{self, Kind, Relation};
use super::xml::{Node, Source};
use super::{File, Reader};
use crate::error::Error;
use crate::pages::Pages;

mod body;
mod paragraph;
mod styles;

/// Reads Word documents.
pub(super) struct Docx;

impl Reader for Docx {
    fn name(&self) -> &'static str {
        "docx"
    }

    fn recognise(&self, file: &File<'_>) -> Option<&'static str> {
        (package::kind(file)? == Kind::Word)
            .then_some("application/vnd.openxmlformats-officedocument.wordprocessingml.document")
    }

    fn read(&self, file: &File<'_>, _media_type: &str, pages: &mut Pages<'_>) -> Result<(), Error> {
        let mut archive = Archive::open(file.bytes, pages.budget())?;
        let main = package::main_part(&mut archive, "word/document.xml")?;
        let relations = package::relations(&mut archive, &main)?;
        let mut part = |kind: &str| {
            let relation = relations.iter().find(|relation| relation.kind == kind);
            relation.map_or(Ok(None), |relation| archive.read(&relation.target))
        };
        let styles = part("styles")?.map_or_else(|| Ok(Styles::default()), |bytes| Styles::read(&bytes))?;
        let numbering = part("numbering")?.map_or_else(|| Ok(Numbering::default()), |bytes| Numbering::read(&bytes))?;
        let (footnotes, endnotes) = (part("footnotes")?, part("endnotes")?);
        let limits = pages.limits();
        let mut reading = Reading::new(limits, styles, numbering);
        let notes = Notes::read(&mut reading, footnotes.as_deref(), endnotes.as_deref())?;
        let headers = beside(&mut archive, &relations, "header", &mut reading)?;
        let footers = beside(&mut archive, &relations, "footer", &mut reading)?;
        let document = archive.require(&main)?;

        let mut flow = Flow::new(pages);
        for header in headers {
            flow.paragraph(&header)?;
            flow.gap();
        }
        reading.document(&Source::new(&main, &document), &mut flow)?;
        flow.gap();
        for (number, note) in notes.referred_to(&reading) {
            flow.item(0, &format!("[{number}] "), note)?;
        }
        for footer in footers {
            flow.gap();
            flow.paragraph(&footer)?;
        }
        if reading.pictures > 0 {
            flow.pages().warn(format!("what its pictures show was not read; it has {}", reading.pictures));
        }
        flow.end()
    }
}

/// The texts of its headers or footers, each once.
fn beside(
    archive: &mut Archive<'_>,
    relations: &[Relation],
    kind: &str,
    reading: &mut Reading<'_>,
) -> Result<Vec<String>, Error> {
    let (mut texts, mut seen) = (Vec::new(), BTreeSet::new());
    for relation in relations.iter().filter(|relation| relation.kind == kind) {
        let Some(bytes) = archive.read(&relation.target)? else { continue };
        let source = Source::new(&relation.target, &bytes);
        let mut xml = source.read();
        let is_open = loop {
            match xml.next()? {
                Node::Open(_) => break true,
                Node::End => break false,
                _ => {}
            }
        };
        let text = if is_open { reading.text(&mut xml)? } else { String::new() };
        if !text.trim().is_empty() && seen.insert(text.clone()) {
            texts.push(text);
        }
    }
    Ok(texts)
}
