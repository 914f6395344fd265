//! Reads the characters of one page.

use pdfium_render::prelude::*;

use super::fields::FieldValue;
use super::frame::Frame;
use crate::layout::{Glyph, Mark};

/// A page with all its text: its own, and that of its annotations and form fields.
pub(super) struct PageText {
    pub(super) frame: Frame,
    pub(super) marks: Vec<Mark>,
    /// Whether annotations and form fields are among it.
    pub(super) flattened: bool,
    /// Whether anything is drawn on it.
    pub(super) is_drawn_on: bool,
}

impl PageText {
    pub(super) fn read(pdf: &PdfDocument<'_>, index: PdfPageIndex) -> Result<Self, PdfiumError> {
        let (flattened, values) = flatten(&mut pdf.pages().get(index)?);
        // Loaded anew: a flattened page reloads itself, but its boundaries go on using the freed one.
        let page = pdf.pages().get(index)?;
        let frame = Frame::of(&page)?;
        let text = page.text()?;
        let mut marks = Vec::new();
        let mut half = None;
        for char in text.chars().iter() {
            marks.extend(read_mark(&char, &frame, &mut half));
        }
        for value in values {
            value.write_where_nothing_is(&frame, &mut marks);
        }
        let is_drawn_on = !page.objects().is_empty();
        Ok(Self { frame, marks, flattened, is_drawn_on })
    }
}

/// Puts annotations and form fields among the page's own text; says whether that went well, and what the fields hold.
fn flatten(page: &mut PdfPage<'_>) -> (bool, Vec<FieldValue>) {
    let mut values = Vec::new();
    for mut annotation in page.annotations().iter() {
        let is_visible = !annotation.is_hidden() && !annotation.is_printable_but_not_viewable();
        // PDFium flattens what would be printed. What is read is what a reader sees on the screen.
        if annotation.is_printed() != is_visible && annotation.set_is_printed(is_visible).is_err() {
            continue;
        }
        if is_visible {
            values.extend(FieldValue::of(&annotation));
        }
    }
    (page.flatten().is_ok(), values)
}

/// One character, unless it draws nothing or lies outside the visible page. `half` is a UTF-16 unit that waits for its
/// other half: fonts may claim them as two characters.
fn read_mark(char: &PdfPageTextChar<'_>, frame: &Frame, half: &mut Option<u16>) -> Option<Mark> {
    let character = match (char.unicode_value(), half.take()) {
        (unit @ 0xd800..=0xdbff, _) => {
            *half = u16::try_from(unit).ok();
            return None;
        }
        (unit @ 0xdc00..=0xdfff, Some(first)) => char::decode_utf16([first, u16::try_from(unit).ok()?]).next()?.ok()?,
        // A hyphen at the end of a line comes as one of these.
        (0x02 | 0xad | 0xfffe, _) => '-',
        (value, _) => char::from_u32(value)?,
    };
    if character.is_whitespace() {
        return Some(Mark::Space);
    }
    if character.is_control() || is_invisible(character) {
        return None;
    }
    let bounds = char.loose_bounds().or_else(|_| char.tight_bounds()).ok()?;
    let (x, y) = char.origin().ok()?;
    let matrix = char.matrix().ok();
    let bbox = frame.bbox(bounds.left().value, bounds.bottom().value, bounds.right().value, bounds.top().value);
    let origin = frame.point(x.value, y.value);
    let along = matrix.map_or((1.0, 0.0), |matrix| frame.direction(matrix.a(), matrix.b()));
    let is_finite = [bbox.x0, bbox.y0, bbox.x1, bbox.y1, origin.0, origin.1].iter().all(|number| number.is_finite());
    (is_finite && frame.shows(bbox)).then(|| Mark::Glyph(Glyph::new(character, bbox, origin, along)))
}

/// Marks of direction and joining: they tell a renderer something and a reader nothing.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
