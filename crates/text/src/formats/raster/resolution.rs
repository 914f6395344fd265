//! How many dots of a picture are an inch.

use image::ImageFormat;

use super::tags::{RESOLUTION_UNIT, Tags, X_RESOLUTION, Y_RESOLUTION};

/// US Letter in points, for pages that do not even tell their size.
pub(super) const LETTER: (f32, f32) = (612.0, 792.0);

/// What a scan has unless it says so, or its page would be larger than A4.
const USUAL: f32 = 150.0;

/// The sides of A4 in inches.
const A4: (f32, f32) = (8.27, 11.69);

/// What cameras and screens write without meaning it.
const MEANINGLESS: f32 = 100.0;

/// Pages longer than A3, in inches, are no pages if such a number says so.
const LONGEST: f32 = 17.0;

/// What is said and cannot be meant.
const POSSIBLE: std::ops::RangeInclusive<f32> = 30.0..=4_800.0;

const CENTIMETRES: f32 = 2.54;

/// Dots per inch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Resolution {
    pub(super) x: f32,
    pub(super) y: f32,
}

/// What a picture is taken to have, as it is stored.
#[expect(clippy::cast_precision_loss, reason = "far fewer pixels a side than an f32 counts exactly")]
pub(super) fn of(said: Option<Resolution>, (width, height): (u32, u32)) -> Resolution {
    let (width, height) = (width as f32, height as f32);
    let is_meant = |said: &Resolution| {
        let Resolution { x, y } = *said;
        let is_long = (width / x).max(height / y) > LONGEST;
        POSSIBLE.contains(&x) && POSSIBLE.contains(&y) && !(is_long && x <= MEANINGLESS)
    };
    said.filter(is_meant).unwrap_or_else(|| {
        let (short, long) = if width < height { (width, height) } else { (height, width) };
        let dpi = USUAL.max(short / A4.0).max(long / A4.1);
        Resolution { x: dpi, y: dpi }
    })
}

/// What the file says.
pub(super) fn said(bytes: &[u8], format: ImageFormat, directory: Option<u32>, exif: &[u8]) -> Option<Resolution> {
    let of_exif = || {
        let tags = Tags::new(exif)?;
        of_tags(&tags, tags.first()?)
    };
    match format {
        ImageFormat::Tiff => of_tags(&Tags::new(bytes)?, directory?),
        ImageFormat::Png => of_png(bytes).or_else(of_exif),
        ImageFormat::Jpeg => of_jfif(bytes).or_else(of_exif),
        ImageFormat::Bmp => of_bmp(bytes),
        _ => of_exif(),
    }
}

fn of_tags(tags: &Tags<'_>, directory: u32) -> Option<Resolution> {
    const NONE: u32 = 1;
    const PER_CENTIMETRE: u32 = 3;
    let scale = match tags.number(directory, RESOLUTION_UNIT) {
        Some(NONE) => return None,
        Some(PER_CENTIMETRE) => CENTIMETRES,
        _ => 1.0,
    };
    let x = tags.fraction(directory, X_RESOLUTION)? * scale;
    Some(Resolution { x, y: tags.fraction(directory, Y_RESOLUTION).map_or(x, |y| y * scale) })
}

/// The chunk `pHYs`, in dots per metre, which stands before the pixels.
fn of_png(bytes: &[u8]) -> Option<Resolution> {
    let mut at = 8_usize;
    loop {
        let length = u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?) as usize;
        match bytes.get(at + 4..at + 8)? {
            b"pHYs" => {
                let number = |from: usize| Some(u32::from_be_bytes(bytes.get(from..from + 4)?.try_into().ok()?));
                let is_in_metres = *bytes.get(at + 16)? == 1;
                return per_metre(number(at + 8)?, number(at + 12)?).filter(|_| is_in_metres);
            }
            b"IDAT" | b"IEND" => return None,
            _ => at = at.checked_add(12)?.checked_add(length)?,
        }
    }
}

/// The first segment of a JPEG, if it is JFIF's.
fn of_jfif(bytes: &[u8]) -> Option<Resolution> {
    let segment = bytes.get(2..20)?;
    if !segment.starts_with(b"\xff\xe0") || segment.get(4..9)? != b"JFIF\0" {
        return None;
    }
    let number = |at: usize| f32::from(u16::from_be_bytes([segment[at], segment[at + 1]]));
    let scale = match segment[11] {
        1 => 1.0,
        2 => CENTIMETRES,
        _ => return None,
    };
    Some(Resolution { x: number(12) * scale, y: number(14) * scale })
}

fn of_bmp(bytes: &[u8]) -> Option<Resolution> {
    let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    per_metre(number(38)?, number(42)?)
}

#[expect(clippy::cast_precision_loss, reason = "a resolution is no such number")]
fn per_metre(x: u32, y: u32) -> Option<Resolution> {
    let per_inch = |dots: u32| dots as f32 * CENTIMETRES / 100.0;
    (x > 0 && y > 0).then(|| Resolution { x: per_inch(x), y: per_inch(y) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolution_is_believed_if_it_makes_a_page() {
        let said = |x, y| Some(Resolution { x, y });
        assert_eq!(of(said(300.0, 300.0), (2480, 3508)), Resolution { x: 300.0, y: 300.0 });
        assert_eq!(of(said(204.0, 98.0), (1728, 1100)), Resolution { x: 204.0, y: 98.0 });
        // A photograph of a page: 72 dots per inch would make it a poster.
        let photograph = of(said(72.0, 72.0), (3000, 4000));
        assert!((photograph.x - 362.75).abs() < 0.1 && photograph.x == photograph.y, "{photograph:?}");
        assert_eq!(of(None, (800, 600)), Resolution { x: 150.0, y: 150.0 });
        assert_eq!(of(said(0.0, 0.0), (800, 600)), Resolution { x: 150.0, y: 150.0 });
    }
}
