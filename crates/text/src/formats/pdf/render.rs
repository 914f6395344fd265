//! Draws pages.

use pdfium_render::prelude::*;

use super::ink::Raster;
use super::native;
use crate::error::Error;
use crate::picture::{Picture, Placement, Wish};

/// No picture has more pixels: an A4 page at 600 dots per inch has 35 million.
const MOST_PIXELS: f32 = 40e6;

const POINTS_PER_INCH: f32 = 72.0;

/// A picture of a page as a reader sees it, form fields and annotations included, on white.
pub(super) fn page(pdf: &PdfDocument<'_>, wish: &Wish) -> Result<Picture, Error> {
    let number = wish.page;
    let failed = |error: PdfiumError| Error::corrupt(format!("page {number} cannot be drawn: {error}"));
    let index = PdfPageIndex::try_from(number.saturating_sub(1)).unwrap_or(PdfPageIndex::MAX);
    let page = pdf.pages().get(index).map_err(failed)?;
    let (page_width, page_height) = (page.width().value, page.height().value);
    let wanted = wish.dpi_over(native::dpi(&page)) / POINTS_PER_INCH;
    let scale = wanted.min((MOST_PIXELS / (page_width * page_height).max(1.0)).sqrt());
    #[expect(clippy::cast_possible_truncation, reason = "bounded by the number of pixels")]
    let pixels = |points: f32| ((points * scale).round() as i32).max(1);
    let config = PdfRenderConfig::new().set_fixed_size(pixels(page_width), pixels(page_height)).render_form_data(true);
    let config = if wish.grey { config.use_grayscale_rendering(true) } else { config };
    let bitmap = page.render_with_config(&config).map_err(failed)?;
    let side = |pixels: Pixels| u32::try_from(pixels).unwrap_or(0);
    let (width, height) = (side(bitmap.width()), side(bitmap.height()));
    let rgba = bitmap.as_rgba_bytes();
    let channels = if wish.grey { 1 } else { 3 };
    let pixels = rgba.chunks_exact(4).flat_map(|pixel| &pixel[..channels]).copied().collect();
    let placement = Placement { width, height, channels: channels as u8, page_width, page_height, turns: 0, skew: 0.0 };
    Ok(Picture { placement, pixels })
}

/// A grey picture of a page that is just good enough to tell whether a word is drawn; `None` where it cannot be drawn.
pub(super) fn raster(page: &PdfPage<'_>) -> Option<Raster> {
    /// An A4 page at 72 dots per inch has half a million.
    const MOST_PIXELS: f32 = 2e6;
    /// Pixels per point: letters need not be legible.
    const SCALE: f32 = 0.75;
    let (width, height) = (page.width().value, page.height().value);
    let scale = (MOST_PIXELS / (width * height).max(1.0)).sqrt().min(SCALE);
    #[expect(clippy::cast_possible_truncation, reason = "bounded by the number of pixels")]
    let pixels = |points: f32| ((points * scale).round() as i32).max(1);
    let config = PdfRenderConfig::new().set_fixed_size(pixels(width), pixels(height)).use_grayscale_rendering(true);
    // Shrinking images well takes longer than all the rest.
    let config = config.set_image_smoothing(false).set_path_smoothing(false);
    let bitmap = page.render_with_config(&config).ok()?;
    let pixels = bitmap.as_rgba_bytes().chunks_exact(4).map(|pixel| pixel[0]).collect();
    Some(Raster { scale, width: usize::try_from(bitmap.width()).ok()?, pixels })
}
