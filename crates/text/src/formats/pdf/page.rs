//! Reads the characters of one page.

use pdfium_render::prelude::*;
use protocol::document::BBox;

use super::fields::FieldValue;
use super::frame::Frame;
use super::graphics::{Graphics, is_white};
use super::ink::{Ink, Seen, take_out_hidden};
use super::trust::Trust;
use super::{render, turned};
use crate::layout::{Glyph, Mark};

/// What is lower, in points, is too small to be seen.
const SPECK: f32 = 0.4;

/// A box that is narrower or lower, in points, may say more of the font than of the character.
const FLAT: f32 = 2.5;

/// A page with fewer visible characters that an image covers is a scan with a stamp.
const STAMP: usize = 40;

/// An image covers a page of which it takes at least this part.
const COVERS: f32 = 0.7;

/// A page with all its text: its own, and that of its annotations and form fields.
pub(super) struct PageText {
    pub(super) frame: Frame,
    pub(super) marks: Vec<Mark>,
    pub(super) graphics: Graphics,
    /// Whether annotations and form fields are among it.
    pub(super) flattened: bool,
    /// Whether anything is drawn on it.
    pub(super) is_drawn_on: bool,
    /// Whether its characters stand for nothing.
    pub(super) is_lost: bool,
    pub(super) seen: Seen,
}

impl PageText {
    pub(super) fn read(pdf: &PdfDocument<'_>, index: PdfPageIndex) -> Result<Self, PdfiumError> {
        let mut page = pdf.pages().get(index)?;
        let (mut flattened, mut values) = (true, Vec::new());
        if draws_annotations(&page) {
            (flattened, values) = flatten(&mut page);
            drop(page);
            // Loaded anew: a flattened page reloads itself, but its boundaries go on using the freed one.
            page = pdf.pages().get(index)?;
        }
        let frame = Frame::of(&page)?;
        let graphics = Graphics::of(&page, &frame);
        let text = page.text()?;
        let (mut reader, mut trust) = (CharReader { frame, half: None }, Trust::default());
        let count = usize::try_from(text.len()).unwrap_or(0);
        let mut marks = Vec::with_capacity(count);
        for char in text.chars().iter() {
            let value = char.unicode_value();
            trust.see(value);
            marks.extend(reader.read(&char, value));
        }
        turned::put_right(&mut marks);
        let (mut marks, inks): (Vec<Mark>, Vec<Ink>) = marks.into_iter().unzip();
        let seen = take_out_hidden(&mut marks, &inks, &graphics, || render::raster(&page));
        for value in values {
            value.write_where_nothing_is(&frame, &mut marks);
        }
        let is_drawn_on = !page.objects().is_empty();
        Ok(Self { frame, marks, graphics, flattened, is_drawn_on, is_lost: trust.is_lost(), seen })
    }

    /// Whether an image covers the page, with so little text on it that the image must have the rest.
    pub(super) fn is_stamped_scan(&self) -> bool {
        self.seen.visible < STAMP
            && self.seen.over_images == 0
            && self.graphics.part_under_images(&self.frame) >= COVERS
    }

    /// Whether most of its text was recognised on an image by whoever made the file.
    pub(super) fn is_searchable_scan(&self) -> bool {
        self.seen.over_images > self.seen.visible
    }
}

/// Whether there are annotations that draw something. Links do not, and most documents have no others.
fn draws_annotations(page: &PdfPage<'_>) -> bool {
    let draws_nothing = |kind| matches!(kind, PdfPageAnnotationType::Link | PdfPageAnnotationType::Popup);
    page.annotations().iter().any(|annotation| !draws_nothing(annotation.annotation_type()))
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

/// Reads one character after the other.
struct CharReader {
    frame: Frame,
    /// A UTF-16 unit that waits for its other half: fonts may claim them as two characters.
    half: Option<u16>,
}

impl CharReader {
    /// One character, unless it draws nothing or lies outside the visible page.
    fn read(&mut self, char: &PdfPageTextChar<'_>, value: u32) -> Option<(Mark, Ink)> {
        let character = match (value, self.half.take()) {
            (unit @ 0xd800..=0xdbff, _) => {
                self.half = u16::try_from(unit).ok();
                return None;
            }
            (unit @ 0xdc00..=0xdfff, Some(first)) => {
                char::decode_utf16([first, u16::try_from(unit).ok()?]).next()?.ok()?
            }
            // A hyphen at the end of a line comes as one of these.
            (0x02 | 0xad | 0xfffe, _) => '-',
            (value, _) => char::from_u32(value)?,
        };
        if character.is_whitespace() {
            // PDFium puts white space where it finds a gap or the end of a line. In text that runs from right to left
            // these may be gaps in the order of drawing alone.
            let is_drawn = !char.is_generated().unwrap_or(false);
            return Some((if is_drawn { Mark::Space } else { Mark::Break }, Ink::Visible));
        }
        if character.is_control() || is_invisible(character) {
            return None;
        }
        let frame = &self.frame;
        let displayed = |bounds: PdfRect| {
            frame.bbox(bounds.left().value, bounds.bottom().value, bounds.right().value, bounds.top().value)
        };
        let loose = char.loose_bounds().or_else(|_| char.tight_bounds()).map(displayed).ok()?;
        let (x, y) = char.origin().ok()?;
        let matrix = char.matrix().ok();
        // Some fonts say that they have no height, or no more than the shape.
        let is_level = matrix.is_none_or(|matrix| matrix.b().abs() <= matrix.a().abs());
        let height = if is_level == frame.is_upright() { loose.height() } else { loose.width() };
        let bbox = if height < FLAT { raised(char, displayed, loose) } else { loose };
        let origin = frame.point(x.value, y.value);
        let along = matrix.map_or((1.0, 0.0), |matrix| frame.direction(matrix.a(), matrix.b()));
        let is_finite =
            [bbox.x0, bbox.y0, bbox.x1, bbox.y1, origin.0, origin.1].iter().all(|number| number.is_finite());
        if !is_finite || !frame.shows(bbox) {
            return None;
        }
        let ink = if bbox.width().max(bbox.height()) < SPECK { Ink::Speck } else { ink(char) };
        Some((Mark::Glyph(Glyph::new(character, bbox, origin, along)), ink))
    }
}

/// The box of a character whose font knows no height: from its size, as most fonts have it.
fn raised(char: &PdfPageTextChar<'_>, displayed: impl Fn(PdfRect) -> BBox, loose: BBox) -> BBox {
    const ASCENT: f32 = 0.75;
    const DESCENT: f32 = 0.2;
    let bbox = char.tight_bounds().map_or(loose, |tight| displayed(tight).union(loose));
    let (Ok((x, y)), Ok(matrix)) = (char.origin(), char.matrix()) else { return bbox };
    let size = char.unscaled_font_size().value;
    // Where "up" is on the page, for a character of that size.
    let up = |part: f32| (x.value + part * size * matrix.c(), y.value + part * size * matrix.d());
    let ((xa, ya), (xb, yb)) = (up(ASCENT), up(-DESCENT));
    let high = displayed(PdfRect::new_from_values(ya.min(yb), xa.min(xb), ya.max(yb), xa.max(xb)));
    let is_finite = [high.x0, high.y0, high.x1, high.y1].iter().all(|edge| edge.is_finite());
    if is_finite { bbox.union(high) } else { bbox }
}

fn ink(char: &PdfPageTextChar<'_>) -> Ink {
    let color = char.fill_color().ok();
    let is_dark = color.is_some_and(|color| color.alpha() > 0 && !is_white(color));
    match char.render_mode() {
        Ok(PdfPageTextRenderMode::Invisible) => Ink::Invisible,
        Ok(PdfPageTextRenderMode::FilledUnstroked) if !is_dark => match color {
            Some(color) if color.alpha() == 0 => Ink::Invisible,
            Some(_) => Ink::White,
            None => Ink::Visible,
        },
        _ => Ink::Visible,
    }
}

/// Marks of direction and joining: they tell a renderer something and a reader nothing.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
