//! From PDF coordinates to the page as a reader sees it.

use pdfium_render::prelude::{PdfPage, PdfPageRenderRotation, PdfiumError};
use protocol::document::BBox;

/// Maps the coordinates of a page's content (origin at the lower left, y upwards, before rotation and crop) to those
/// of the displayed page (origin at the upper left, y downwards).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// Width as displayed.
    pub(crate) width: f32,
    /// Height as displayed.
    pub(crate) height: f32,
    /// Quarter turns clockwise.
    turns: u8,
    /// Lower left corner of the visible part.
    left: f32,
    bottom: f32,
}

impl Frame {
    pub(crate) fn of(page: &PdfPage<'_>) -> Result<Self, PdfiumError> {
        let turns = match page.rotation()? {
            PdfPageRenderRotation::None => 0,
            PdfPageRenderRotation::Degrees90 => 1,
            PdfPageRenderRotation::Degrees180 => 2,
            PdfPageRenderRotation::Degrees270 => 3,
        };
        // PDFium's "bounding box" is the crop box within the media box: what is visible.
        let visible = page.boundaries().bounding()?.bounds;
        Ok(Self {
            width: page.width().value,
            height: page.height().value,
            turns,
            left: visible.left().value,
            bottom: visible.bottom().value,
        })
    }

    /// Where a point of the content is displayed.
    pub(crate) fn point(&self, x: f32, y: f32) -> (f32, f32) {
        let (x, y) = (x - self.left, y - self.bottom);
        match self.turns {
            1 => (y, x),
            2 => (self.width - x, y),
            3 => (self.width - y, self.height - x),
            _ => (x, self.height - y),
        }
    }

    /// Where a rectangle of the content is displayed.
    pub(crate) fn bbox(&self, left: f32, bottom: f32, right: f32, top: f32) -> BBox {
        let ((xa, ya), (xb, yb)) = (self.point(left, bottom), self.point(right, top));
        BBox::new(xa, ya, xb, yb)
    }

    /// Which way a direction of the content is displayed.
    pub(crate) fn direction(&self, dx: f32, dy: f32) -> (f32, f32) {
        match self.turns {
            1 => (dy, dx),
            2 => (-dx, dy),
            3 => (-dy, -dx),
            _ => (dx, -dy),
        }
    }

    /// Whether what is level on the content is level as displayed.
    pub(crate) const fn is_upright(&self) -> bool {
        self.turns.is_multiple_of(2)
    }

    /// Whether any of a displayed rectangle is on the page.
    pub(crate) fn shows(&self, bbox: BBox) -> bool {
        bbox.x1 >= 0.0 && bbox.y1 >= 0.0 && bbox.x0 <= self.width && bbox.y0 <= self.height
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corner_of_the_crop_box_is_displayed_where_the_rotation_takes_it() {
        // A crop box 200 wide and 100 high at (10, 20); its lower left corner turns clockwise with the page.
        let expected = [(0.0, 100.0), (0.0, 0.0), (200.0, 0.0), (100.0, 200.0)];
        for (turns, corner) in (0..).zip(expected) {
            let (width, height) = if turns % 2 == 0 { (200.0, 100.0) } else { (100.0, 200.0) };
            let frame = Frame { width, height, turns, left: 10.0, bottom: 20.0 };
            assert_eq!(frame.point(10.0, 20.0), corner, "{turns} turns");
            // Whatever the rotation, a direction is the difference of two points.
            let (from, to) = (frame.point(50.0, 50.0), frame.point(53.0, 57.0));
            assert_eq!(frame.direction(3.0, 7.0), (to.0 - from.0, to.1 - from.1), "{turns} turns");
        }
    }
}
