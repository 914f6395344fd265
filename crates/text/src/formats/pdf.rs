//! Reads a PDF with PDFium, character by character. Runs in the child only.

use std::path::PathBuf;
use std::sync::OnceLock;

use pdfium_render::prelude::*;
use protocol::document::{Origin, Page};

use self::page::PageText;
use super::{File, Reader, contains};
use crate::error::{Error, Protection};
use crate::layout::{self, Laid};
use crate::pages::Pages;
use crate::picture::{Picture, Wish};
use crate::range::spoken;
use crate::wire::Scan;

mod fields;
mod frame;
mod graphics;
mod ink;
mod native;
mod page;
mod render;
mod trust;
mod turned;

/// US Letter, for pages that do not even tell their size.
const FALLBACK_SIZE: (f32, f32) = (612.0, 792.0);

/// Reads PDF with PDFium.
pub(super) struct Pdf;

impl Reader for Pdf {
    fn name(&self) -> &'static str {
        "pdfium"
    }

    fn recognise(&self, file: &File<'_>) -> Option<&'static str> {
        /// A header may stand behind other bytes, but no further than this.
        const HEADER_WITHIN: usize = 1024;
        let start = &file.bytes[..file.bytes.len().min(HEADER_WITHIN)];
        contains(start, b"%PDF").then_some("application/pdf")
    }

    fn read(&self, file: &File<'_>, _media_type: &str, pages: &mut Pages<'_>) -> Result<(), Error> {
        let pdfium = library(file)?;
        let pdf = open(&pdfium, file)?;
        let count = u32::try_from(pdf.pages().len()).unwrap_or(0);
        if count == 0 {
            return Err(Error::corrupt("it has no pages"));
        }
        pages.count(count)?;
        let (mut blank, mut not_flattened, mut hidden, mut damaged) = (0, Vec::new(), Vec::new(), 0);
        let wanted: Vec<u32> = (1..=count).filter(|number| pages.wants(*number)).collect();
        for number in &wanted {
            pages.begin(*number)?;
            match read_page(&pdf, *number) {
                Ok(ReadPage { page, scan, flattened, has_hidden }) => {
                    blank += usize::from(page.lines.is_empty());
                    if !flattened {
                        not_flattened.push(*number);
                    }
                    if has_hidden {
                        hidden.push(*number);
                    }
                    match scan {
                        Some(why) => pages.add_scan(page, why)?,
                        None => pages.add(page)?,
                    }
                }
                Err(page) => {
                    damaged += 1;
                    pages.fail(page, &Error::corrupt("what the page draws cannot be read"))?;
                }
            }
        }
        if blank + damaged == wanted.len() && needs_rendering(file.bytes) {
            return Err(Error::XfaOnly);
        }
        if !not_flattened.is_empty() {
            let numbers = spoken(&not_flattened);
            pages.warn(format!("{numbers}: read without form fields and annotations, which are damaged"));
        }
        if !hidden.is_empty() {
            pages.warn(format!("{}: hidden text left out", spoken(&hidden)));
        }
        Ok(())
    }

    fn picture(&self, file: &File<'_>, wish: &Wish) -> Result<Picture, Error> {
        let pdfium = library(file)?;
        render::page(&open(&pdfium, file)?, wish)
    }
}

/// How loading the library went; a process has it once.
static LOADED: OnceLock<Result<(), Error>> = OnceLock::new();

/// Loads the library. Whoever opens a PDF is told how that went.
pub(super) fn load(pdfium: &Result<PathBuf, Error>) {
    LOADED.get_or_init(|| {
        let library = pdfium.as_ref().map_err(Clone::clone)?;
        let unusable = |error: PdfiumError| Error::PdfiumUnusable { path: library.clone(), detail: error.to_string() };
        Pdfium::new(Pdfium::bind_to_library(library).map_err(unusable)?);
        Ok(())
    });
}

fn library(file: &File<'_>) -> Result<Pdfium, Error> {
    load(file.pdfium);
    LOADED.get().cloned().unwrap_or(Ok(())).map(|()| Pdfium::default())
}

fn open<'a>(pdfium: &'a Pdfium, file: &File<'a>) -> Result<PdfDocument<'a>, Error> {
    let pdf = pdfium.load_pdf_from_byte_slice(file.bytes, file.password);
    let pdf = pdf.map_err(|error| not_opened(&error, file.password.is_some()))?;
    if pdf.form().is_some_and(|form| form.form_type() == PdfFormType::XfaFull) {
        return Err(Error::XfaOnly);
    }
    Ok(pdf)
}

/// Whether the file says that its pages have yet to be drawn: an XFA form without its form dictionary.
fn needs_rendering(file: &[u8]) -> bool {
    const MARK: &[u8] = b"/NeedsRendering true";
    file.windows(MARK.len()).any(|window| window == MARK)
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

/// A page with what there is to say about it.
struct ReadPage {
    page: Page,
    scan: Option<Scan>,
    flattened: bool,
    /// Whether text that nobody can see was left out.
    has_hidden: bool,
}

/// Reads one page; of one that cannot be read, its number and size.
fn read_page(pdf: &PdfDocument<'_>, number: u32) -> Result<ReadPage, Page> {
    let index = PdfPageIndex::try_from(number - 1).unwrap_or(PdfPageIndex::MAX);
    match PageText::read(pdf, index) {
        Ok(text) => {
            let origin = if text.is_searchable_scan() { Origin::Ocr } else { Origin::Text };
            let stamped = text.is_stamped_scan();
            let PageText { frame, marks, graphics, flattened, is_drawn_on, is_lost, seen } = text;
            let Laid { lines, blocks, tables } = layout::page(marks, &graphics.rules);
            let scan = if is_lost {
                Some(Scan::Unmapped)
            } else {
                ((lines.is_empty() && is_drawn_on) || stamped).then_some(Scan::NoText)
            };
            let page = Page { number, width: frame.width, height: frame.height, lines, origin, blocks, tables };
            Ok(ReadPage { page, scan, flattened, has_hidden: seen.hidden })
        }
        Err(_) => {
            let size = pdf.pages().page_size(index).map(|size| (size.width().value, size.height().value));
            let (width, height) = size.unwrap_or(FALLBACK_SIZE);
            Err(Page { number, width, height, ..Page::default() })
        }
    }
}
