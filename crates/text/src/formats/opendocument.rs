//! OpenDocument texts and spreadsheets (`.odt`, `.ods`).

use self::content::Reading;
use super::archive::Archive;
use super::flow::Flow;
use super::package::{self, Kind};
use super::xml::Source;
use super::{File, Reader, contains};
use crate::error::{Error, Protection};
use crate::pages::Pages;

mod content;
mod table;

/// Reads OpenDocument files.
pub(super) struct OpenDocument;

impl Reader for OpenDocument {
    fn name(&self) -> &'static str {
        "opendocument"
    }

    fn recognise(&self, file: &File<'_>) -> Option<&'static str> {
        match package::kind(file)? {
            Kind::OpenText => Some("application/vnd.oasis.opendocument.text"),
            Kind::OpenSheet => Some("application/vnd.oasis.opendocument.spreadsheet"),
            _ => None,
        }
    }

    fn read(&self, file: &File<'_>, _media_type: &str, pages: &mut Pages<'_>) -> Result<(), Error> {
        let mut archive = Archive::open(file.bytes, pages.budget())?;
        let manifest = archive.read("META-INF/manifest.xml")?.unwrap_or_default();
        if contains(&manifest, b"encryption-data") {
            return Err(Error::Encrypted(Protection::PasswordUnused));
        }
        let styles = archive.read("styles.xml")?.unwrap_or_default();
        let content = archive.require("content.xml")?;
        let limits = pages.limits();
        let mut reading = Reading::new(limits);
        let (headers, footers) = reading.beside(&Source::new("styles.xml", &styles))?;
        let mut flow = Flow::new(pages);
        for header in headers {
            flow.paragraph(&header)?;
            flow.gap();
        }
        reading.document(&Source::new("content.xml", &content), &mut flow)?;
        flow.gap();
        for (index, note) in reading.notes.iter().enumerate() {
            flow.item(0, &format!("[{}] ", index + 1), note)?;
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
