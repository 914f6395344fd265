//! Excel workbooks (`.xlsx`, `.xlsm`).

use self::cells::Texts;
use self::format::Formats;
use super::archive::Archive;
use super::flow::Flow;
use super::package::{self, Kind};
use super::xml::{Node, Source};
use super::{File, Reader};
use crate::error::Error;
use crate::pages::Pages;

mod cells;
mod format;
mod number;

/// Reads workbooks.
pub(super) struct Xlsx;

/// A sheet as the workbook lists it.
struct Listed {
    name: String,
    relation: String,
    is_hidden: bool,
}

impl Reader for Xlsx {
    fn name(&self) -> &'static str {
        "xlsx"
    }

    fn recognise(&self, file: &File<'_>) -> Option<&'static str> {
        (package::kind(file)? == Kind::Excel)
            .then_some("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
    }

    fn read(&self, file: &File<'_>, _media_type: &str, pages: &mut Pages<'_>) -> Result<(), Error> {
        let mut archive = Archive::open(file.bytes, pages.budget())?;
        let main = package::main_part(&mut archive, "xl/workbook.xml")?;
        let relations = package::relations(&mut archive, &main)?;
        let (mut sheets, from_1904) = workbook(&main, &archive.require(&main)?)?;
        let mut part = |kind: &str| {
            let relation = relations.iter().find(|relation| relation.kind == kind);
            relation.map_or(Ok(None), |relation| archive.read(&relation.target))
        };
        let formats = part("styles")?.map_or_else(|| Ok(Formats::default()), |bytes| Formats::read(&bytes))?;
        let texts = part("sharedStrings")?.map_or_else(|| Ok(Texts::default()), |bytes| Texts::read(&bytes))?;
        let limits = pages.limits();
        sheets.sort_by_key(|sheet| sheet.is_hidden);
        let mut flow = Flow::new(pages);
        for (index, sheet) in sheets.iter().enumerate() {
            // A sheet that is a chart has no cells.
            let relation =
                relations.iter().find(|relation| relation.id == sheet.relation && relation.kind == "worksheet");
            let Some(relation) = relation else { continue };
            if index > 0 {
                flow.end_page()?;
            }
            let Listed { name, is_hidden, .. } = sheet;
            flow.heading(name)?;
            let bytes = archive.require(&relation.target)?;
            let source = Source::new(&relation.target, &bytes);
            let cells = cells::read(&source, &texts, &formats, from_1904, limits)?;
            if *is_hidden {
                let page = flow.number();
                flow.pages().warn(format!("the sheet {name:?} on page {page} is hidden in the workbook"));
            }
            flow.table(cells)?;
        }
        flow.keep_page();
        flow.end()
    }
}

/// The sheets of a workbook in their order, and whether its days are counted from 1904.
fn workbook(name: &str, bytes: &[u8]) -> Result<(Vec<Listed>, bool), Error> {
    let source = Source::new(name, bytes);
    let mut xml = source.read();
    let (mut sheets, mut from_1904) = (Vec::new(), false);
    loop {
        match xml.next()? {
            Node::Open(tag) if tag.name() == "sheet" => sheets.push(Listed {
                name: tag.get("name").unwrap_or_default(),
                relation: tag.get("id").unwrap_or_default(),
                is_hidden: tag.get("state").is_some_and(|state| state != "visible"),
            }),
            Node::Open(tag) if tag.name() == "workbookPr" => {
                from_1904 = tag.get("date1904").is_some_and(|value| value == "1" || value == "true");
            }
            Node::End => return Ok((sheets, from_1904)),
            _ => {}
        }
    }
}
