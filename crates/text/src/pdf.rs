//! Reads a PDF with PDFium, character by character. Runs in the child only.

use std::fs;
use std::path::Path;

use pdfium_render::prelude::*;
use protocol::document::{Document, Page};

use crate::budget::Budget;
use crate::config::Limits;
use crate::error::{Error, Limit, Protection};
use crate::layout;
use crate::pdf::page::PageText;
use crate::wire::Reading;

mod fields;
mod frame;
mod page;

/// US Letter, for pages that do not even tell their size.
const FALLBACK_SIZE: (f32, f32) = (612.0, 792.0);

/// Reads the whole document; `begin` hears of each page before it is read.
pub(crate) fn read(
    file: &Path,
    password: Option<&str>,
    library: &Path,
    limits: &Limits,
    mut begin: impl FnMut(u32) -> Result<(), Error>,
) -> Result<Reading, Error> {
    let bytes = fs::read(file).map_err(|error| Error::io("reading the file", &error))?;
    let pdfium = match Pdfium::bind_to_library(library) {
        Ok(bindings) => Pdfium::new(bindings),
        // By an earlier document; a process has the library once.
        Err(PdfiumError::PdfiumLibraryBindingsAlreadyInitialized) => Pdfium::default(),
        Err(error) => return Err(Error::PdfiumUnusable { path: library.to_owned(), detail: error.to_string() }),
    };
    let pdf =
        pdfium.load_pdf_from_byte_slice(&bytes, password).map_err(|error| not_opened(&error, password.is_some()))?;
    if pdf.form().is_some_and(|form| form.form_type() == PdfFormType::XfaFull) {
        return Err(Error::XfaOnly);
    }
    let count = u32::try_from(pdf.pages().len()).unwrap_or(0);
    if count == 0 {
        return Err(Error::corrupt("it has no pages"));
    }
    if count > limits.pages {
        return Err(Limit::Pages(limits.pages).into());
    }
    let mut pages = Vec::new();
    let mut trouble = Trouble::default();
    let mut budget = Budget::new(limits);
    for number in 1..=count {
        begin(number)?;
        let page = read_page(&pdf, number, &mut trouble);
        budget.add(&page).map_err(|limit| Error::TooComplex { limit, page: Some(number) })?;
        pages.push(page);
    }
    if trouble.damaged.len() == pages.len() {
        return Err(Error::corrupt("none of its pages can be read"));
    }
    if trouble.blank.len() == pages.len() && needs_rendering(&bytes) {
        return Err(Error::XfaOnly);
    }
    let document = Document { media_type: "application/pdf".to_owned(), pages, ..Document::default() };
    Ok(Reading { document, warnings: trouble.warnings() })
}

/// Whether the file says that its pages have yet to be drawn: an XFA form without its form dictionary.
fn needs_rendering(file: &[u8]) -> bool {
    const MARK: &[u8] = b"/NeedsRendering true";
    file.windows(MARK.len()).any(|window| window == MARK)
}

/// What is reported once for the document rather than failing it.
#[derive(Default)]
struct Trouble {
    damaged: Vec<u32>,
    blank: Vec<u32>,
    not_flattened: Vec<u32>,
}

impl Trouble {
    fn warnings(&self) -> Vec<String> {
        [
            (&self.damaged, "damaged and left out"),
            (&self.blank, "without a text layer; reading scans (OCR) is not available yet"),
            (&self.not_flattened, "read without form fields and annotations, which are damaged"),
        ]
        .into_iter()
        .filter(|(pages, _)| !pages.is_empty())
        .map(|(pages, what)| format!("{} {}: {what}", if pages.len() == 1 { "page" } else { "pages" }, ranges(pages)))
        .collect()
    }
}

/// `[1, 2, 3, 7]` as `1–3, 7`.
fn ranges(pages: &[u32]) -> String {
    pages
        .chunk_by(|a, b| a + 1 == *b)
        .filter_map(|run| Some((run.first()?, run.last()?)))
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}–{last}") })
        .collect::<Vec<_>>()
        .join(", ")
}

fn not_opened(error: &PdfiumError, with_password: bool) -> Error {
    match error {
        PdfiumError::PdfiumLibraryInternalError(PdfiumInternalError::PasswordError) => {
            Error::Encrypted(if with_password { Protection::PasswordWrong } else { Protection::PasswordNeeded })
        }
        PdfiumError::PdfiumLibraryInternalError(PdfiumInternalError::SecurityError) => {
            Error::Encrypted(Protection::UnknownScheme)
        }
        _ => Error::corrupt("it is truncated, or not a PDF behind its header"),
    }
}

/// Reads one page; what goes wrong is noted and leaves the page empty.
fn read_page(pdf: &PdfDocument<'_>, number: u32, trouble: &mut Trouble) -> Page {
    let index = PdfPageIndex::try_from(number - 1).unwrap_or(PdfPageIndex::MAX);
    match PageText::read(pdf, index) {
        Ok(PageText { frame, marks, flattened }) => {
            let lines = layout::lines(&marks);
            if lines.is_empty() {
                trouble.blank.push(number);
            }
            if !flattened {
                trouble.not_flattened.push(number);
            }
            Page { number, width: frame.width, height: frame.height, lines, ..Page::default() }
        }
        Err(_) => {
            trouble.damaged.push(number);
            let size = pdf.pages().page_size(index).map(|size| (size.width().value, size.height().value));
            let (width, height) = size.unwrap_or(FALLBACK_SIZE);
            Page { number, width, height, ..Page::default() }
        }
    }
}
