//! How fine the picture is that covers a page.

use pdfium_render::prelude::*;

/// A picture covers a page that it takes this part of.
const COVERS: f32 = 0.5;

/// Dots per inch of the finest picture that covers the page, if one does.
pub(super) fn dpi(page: &PdfPage<'_>) -> Option<f32> {
    let area = page.width().value * page.height().value;
    let covering = page.objects().iter().filter_map(|object| {
        let bounds = object.bounds().ok()?;
        let covered = bounds.width().value * bounds.height().value;
        let image = object.as_image_object().filter(|_| covered >= COVERS * area)?;
        let dpi = image.horizontal_dpi().ok()?.max(image.vertical_dpi().ok()?);
        (dpi.is_finite() && dpi > 0.0).then_some(dpi)
    });
    covering.reduce(f32::max)
}
