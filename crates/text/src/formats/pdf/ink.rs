//! Whether a reader can see a character, and what becomes of those that nobody sees.
//!
//! Text that nobody sees is either what was recognised on the image that it lies over (a scan made searchable), and then
//! it is the text of the page, or it was put there for machines alone, and then a person who reads the page would be
//! misled by an answer that rests on it.

use std::cell::LazyCell;

use protocol::document::BBox;

use super::graphics::Graphics;
use crate::layout::Mark;

/// How a character is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// So that it can be seen, as far as it alone is concerned.
    Visible,
    /// White: it can be seen where something else than white is below it.
    White,
    /// Not at all: text rendering mode 3, or fully transparent.
    Invisible,
    /// Too small to be seen.
    Speck,
}

/// What of a page's text can be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// How many characters are visible.
    pub(super) visible: usize,
    /// How many are invisible and lie over an image.
    pub(super) over_images: usize,
    /// Whether characters were taken out.
    pub(super) hidden: bool,
}

/// Takes out what nobody sees of a page on which there is something to be seen. `inks` has one entry for each mark.
/// `drawn` is the page as it looks, asked for only where white text stands on nothing that is known to be dark: a colour
/// that PDFium does not know, such as a gradient, comes as white too.
pub(super) fn take_out_hidden(
    marks: &mut [Mark],
    inks: &[Ink],
    graphics: &Graphics,
    drawn: impl FnOnce() -> Option<Raster>,
) -> Seen {
    let over = |areas: &[BBox], bbox: BBox| areas.iter().any(|area| area.holds(bbox));
    let drawn = LazyCell::new(drawn);
    let is_drawn = |bbox: BBox| drawn.as_ref().is_none_or(|raster| raster.has_ink(bbox));
    let mut seen = Seen::default();
    let mut hidden = vec![false; marks.len()];
    for ((mark, ink), hidden) in marks.iter().zip(inks).zip(&mut hidden) {
        let Mark::Glyph(glyph) = mark else { continue };
        let is_over_image = || over(&graphics.images, glyph.bbox());
        match ink {
            Ink::Visible => seen.visible += 1,
            Ink::White if over(&graphics.filled, glyph.bbox()) || is_drawn(glyph.bbox()) => seen.visible += 1,
            Ink::Invisible if is_over_image() => seen.over_images += 1,
            Ink::White | Ink::Invisible | Ink::Speck => *hidden = true,
        }
    }
    // Where nothing else is to be read, the hidden text is all that there is.
    if seen.visible + seen.over_images > 0 && hidden.contains(&true) {
        seen.hidden = true;
        let mut hidden = hidden.into_iter();
        // What stands around a gap does not become one word.
        marks.iter_mut().filter(|_| hidden.next() == Some(true)).for_each(|mark| *mark = Mark::Break);
    }
    seen
}

/// A small grey picture of a page.
pub(super) struct Raster {
    /// Pixels per point.
    pub(super) scale: f32,
    pub(super) width: usize,
    /// One byte per pixel, row by row.
    pub(super) pixels: Vec<u8>,
}

impl Raster {
    /// Whether anything is drawn within the box: its pixels are not all of about the same brightness.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and is held to the picture"
    )]
    fn has_ink(&self, bbox: BBox) -> bool {
        const CONTRAST: u8 = 16;
        let [x0, y0, x1, y1] = [bbox.x0, bbox.y0, bbox.x1, bbox.y1].map(|edge| (edge * self.scale) as usize);
        let rows = self.pixels.chunks_exact(self.width.max(1)).skip(y0).take((y1 - y0).saturating_add(1));
        let pixels = rows.flat_map(|row| row.iter().skip(x0).take((x1 - x0).saturating_add(1)));
        let (low, high) = pixels.fold((u8::MAX, u8::MIN), |(low, high), pixel| (low.min(*pixel), high.max(*pixel)));
        high.saturating_sub(low) >= CONTRAST
    }
}
