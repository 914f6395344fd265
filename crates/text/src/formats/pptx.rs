//! PowerPoint presentations (`.pptx`, `.pptm`).

use self::shapes::{Content, Drawn, Shape, Shapes};
use super::archive::Archive;
use super::flow::Flow;
use super::package::{self, Kind, Relation};
use super::xml::{Node, Source};
use super::{File, Reader};
use crate::error::Error;
use crate::pages::Pages;
use crate::range::spoken;

mod shapes;

/// Columns that a level of text is indented by.
const INDENT: usize = 2;

/// Reads presentations.
pub(super) struct Pptx;

impl Reader for Pptx {
    fn name(&self) -> &'static str {
        "pptx"
    }

    fn recognise(&self, file: &File<'_>) -> Option<&'static str> {
        (package::kind(file)? == Kind::PowerPoint)
            .then_some("application/vnd.openxmlformats-officedocument.presentationml.presentation")
    }

    fn read(&self, file: &File<'_>, _media_type: &str, pages: &mut Pages<'_>) -> Result<(), Error> {
        let mut archive = Archive::open(file.bytes, pages.budget())?;
        let main = package::main_part(&mut archive, "ppt/presentation.xml")?;
        let relations = package::relations(&mut archive, &main)?;
        let slides = slides(&main, &archive.require(&main)?)?;
        let limits = pages.limits();
        let mut flow = Flow::new(pages);
        let (mut hidden, mut drawn) = (Vec::new(), Drawn::default());
        for (index, id) in slides.iter().enumerate() {
            let relation = relations.iter().find(|relation| relation.id == *id);
            let slide = relation.ok_or_else(|| Error::corrupt(format!("its slide {} leads nowhere", index + 1)))?;
            let around = package::relations(&mut archive, &slide.target)?;
            let part = |kind: &str| around.iter().find(|relation| relation.kind == kind);
            let layout = shapes(&mut archive, part("slideLayout"), limits)?;
            let Some(mut shapes) = shapes(&mut archive, Some(slide), limits)? else { continue };
            let notes = self::shapes(&mut archive, part("notesSlide"), limits)?;
            if index > 0 {
                flow.end_page()?;
            }
            flow.keep_page();
            if shapes.is_hidden {
                hidden.push(flow.number());
            }
            drawn += shapes.drawn;
            shapes.sort(layout.as_ref());
            for shape in shapes.list {
                flow.gap();
                set(shape, &mut flow)?;
            }
            let notes = notes.into_iter().flat_map(|notes| notes.list).filter(Shape::is_body);
            for shape in notes {
                if shape.has_text() {
                    flow.gap();
                    flow.paragraph("Notes:")?;
                    set(shape, &mut flow)?;
                }
            }
        }
        if !hidden.is_empty() {
            flow.pages().warn(format!("{}: hidden when the slides are shown", spoken(&hidden)));
        }
        if let Some(sentence) = drawn.warning() {
            flow.pages().warn(sentence);
        }
        flow.end()
    }
}

/// The slides in the order in which they are shown, by the ids of their relations.
fn slides(name: &str, bytes: &[u8]) -> Result<Vec<String>, Error> {
    let source = Source::new(name, bytes);
    let mut xml = source.read();
    let mut slides = Vec::new();
    loop {
        match xml.next()? {
            // It has an id of its own besides, without a prefix.
            Node::Open(tag) if tag.name() == "sldId" => slides.extend(tag.get_prefixed("id")),
            Node::End => return Ok(slides),
            _ => {}
        }
    }
}

/// What is on a slide, or on what is beside it.
fn shapes(
    archive: &mut Archive<'_>,
    relation: Option<&Relation>,
    limits: &crate::config::Limits,
) -> Result<Option<Shapes>, Error> {
    let Some(relation) = relation else { return Ok(None) };
    let Some(bytes) = archive.read(&relation.target)? else { return Ok(None) };
    Shapes::read(&Source::new(&relation.target, &bytes), limits).map(Some)
}

fn set(shape: Shape, flow: &mut Flow<'_, '_>) -> Result<(), Error> {
    let is_title = shape.is_title();
    match shape.content {
        Content::Text(paragraphs) => {
            for paragraph in paragraphs {
                flow.item(paragraph.level * INDENT, &paragraph.mark, &paragraph.text)?;
            }
            if is_title {
                flow.gap();
            }
            Ok(())
        }
        Content::Table(sheet) => flow.table(sheet),
    }
}
