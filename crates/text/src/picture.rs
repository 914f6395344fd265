//! Pictures of pages.

use serde::{Deserialize, Serialize};

mod straighten;

/// How a picture of a page is wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wish {
    /// Number of the page, counted from 1.
    pub page: u32,
    /// Dots per inch. Fewer are given where the picture would have too many of them.
    pub dpi: f32,
    /// Grey rather than colours.
    pub grey: bool,
    /// Whether a slight tilt of the lines is taken out, as scans have it.
    pub deskew: bool,
    /// Quarter turns clockwise.
    pub turns: u8,
    /// Whether a page that a picture covers is drawn no finer than that picture: more pixels show no more, and take their
    /// time to be recognised.
    pub native: bool,
}

impl Wish {
    /// A colour picture of the page as a reader sees it.
    #[must_use]
    pub const fn page(page: u32, dpi: f32) -> Self {
        Self { page, dpi, grey: false, deskew: false, turns: 0, native: false }
    }
}

impl Wish {
    /// How finely to draw a page that a picture of so many dots per inch covers.
    pub(crate) fn dpi_over(&self, native: Option<f32>) -> f32 {
        /// Coarser pictures are read better when they are enlarged (docs/adr/0031).
        const COARSE: f32 = 225.0;
        native.filter(|_| self.native).map_or(self.dpi, |native| native.max(COARSE).min(self.dpi))
    }
}

/// A picture of a page: rows from top to bottom, without gaps.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// How it lies over the page.
    pub placement: Placement,
    /// One byte per pixel of a grey picture, three (red, green, blue) of one in colours.
    pub pixels: Vec<u8>,
}

/// How a picture lies over its page.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Placement {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Bytes per pixel: 1 or 3.
    pub channels: u8,
    /// Width of the page in points, as displayed.
    pub page_width: f32,
    /// Height of the page in points, as displayed.
    pub page_height: f32,
    /// Quarter turns clockwise that the picture was turned by.
    pub turns: u8,
    /// How far the lines of the page fall, in degrees clockwise; the picture was turned by so much the other way, about its
    /// middle, before the quarter turns.
    pub skew: f32,
}

impl Placement {
    /// How many bytes the picture has.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.width as u64 * self.height as u64 * self.channels as u64
    }

    /// Dots per inch, the picture over the page.
    #[must_use]
    pub fn dpi(&self) -> f32 {
        let width = if self.turns % 2 == 1 { self.page_height } else { self.page_width };
        72.0 * self.width as f32 / width.max(1.0)
    }

    /// Where a point of the picture is on the page, in points.
    #[must_use]
    pub fn on_page(&self, x: f32, y: f32) -> (f32, f32) {
        // Pictures have far fewer pixels a side than an f32 counts exactly.
        #[expect(clippy::cast_precision_loss, reason = "see above")]
        let (width, height) = (self.width as f32, self.height as f32);
        // Back through the quarter turns: to parts of the page's width and height.
        let (x, y) = (x / width, y / height);
        let (x, y) = match self.turns % 4 {
            1 => (y, 1.0 - x),
            2 => (1.0 - x, 1.0 - y),
            3 => (1.0 - y, x),
            _ => (x, y),
        };
        let (dx, dy) = ((x - 0.5) * self.page_width, (y - 0.5) * self.page_height);
        let (sin, cos) = self.skew.to_radians().sin_cos();
        (dx * cos - dy * sin + self.page_width / 2.0, dx * sin + dy * cos + self.page_height / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placement(turns: u8, skew: f32) -> Placement {
        let (width, height) = if turns.is_multiple_of(2) { (200, 400) } else { (400, 200) };
        Placement { width, height, channels: 1, page_width: 100.0, page_height: 200.0, turns, skew }
    }

    #[test]
    fn a_corner_of_the_picture_is_a_corner_of_the_page_whatever_the_turns() {
        // The page's upper left corner goes to the upper right of a picture turned once, and so on.
        for (turns, corner) in [(0, (0.0, 0.0)), (1, (400.0, 0.0)), (2, (200.0, 400.0)), (3, (0.0, 200.0))] {
            assert_eq!(placement(turns, 0.0).on_page(corner.0, corner.1), (0.0, 0.0), "{turns}");
        }
    }

    #[test]
    fn scans_are_drawn_as_finely_as_they_are_unless_that_is_too_coarse() {
        let wish = Wish { native: true, ..Wish::page(1, 300.0) };
        let drawn = |native| wish.dpi_over(native);
        assert_eq!([None, Some(600.0), Some(250.0), Some(72.0)].map(drawn), [300.0, 300.0, 250.0, 225.0]);
        assert_eq!(Wish::page(1, 300.0).dpi_over(Some(72.0)), 300.0);
    }

    #[test]
    fn a_tilt_is_put_back_about_the_middle() {
        assert_eq!(placement(0, 5.0).on_page(100.0, 200.0), (50.0, 100.0));
        // Lines that fall by a quarter: what is right of the middle in the straight picture is below it on the page.
        let (x, y) = placement(0, 90.0).on_page(120.0, 200.0);
        assert!((x - 50.0).abs() < 0.01 && (y - 110.0).abs() < 0.01, "{x} {y}");
    }
}
