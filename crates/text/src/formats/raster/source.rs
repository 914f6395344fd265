//! Where the pixels of a page come from, and what is said of them.

use std::io::{BufRead, Cursor, Read, Seek, SeekFrom};

use image::error::{ImageError, LimitErrorKind};
use image::metadata::Orientation;
use image::{ImageDecoder, ImageFormat};

use super::resolution::{self, Resolution};
use super::{Decoder, MOST_STORED, POINTS_PER_INCH, check, decoder};
use crate::error::{Error, Limit};
use crate::picture::Wish;

/// A picture in a file.
pub(super) struct Source<'a> {
    bytes: &'a [u8],
    format: ImageFormat,
    /// Where its directory is, if the file has several.
    directory: Option<u32>,
}

impl<'a> Source<'a> {
    pub(super) const fn whole(bytes: &'a [u8], format: ImageFormat) -> Self {
        Self { bytes, format, directory: None }
    }

    pub(super) const fn page(bytes: &'a [u8], directory: u32) -> Self {
        Self { bytes, format: ImageFormat::Tiff, directory: Some(directory) }
    }

    pub(super) fn decoder(&self) -> Result<Decoder<'a>, Error> {
        match self.directory {
            None => decoder(Cursor::new(self.bytes), self.format),
            Some(directory) => decoder(Redirected::new(self.bytes, directory), self.format),
        }
    }
}

/// What a picture says of itself.
pub(super) struct Stored {
    /// In pixels, as it is to be looked at.
    width: u32,
    height: u32,
    pub(super) orientation: Orientation,
    resolution: Resolution,
}

impl Stored {
    /// Of a picture, whose decoder is given back.
    pub(super) fn of<'a>(source: &Source<'_>, mut decoder: Decoder<'a>) -> Result<(Self, Decoder<'a>), Error> {
        let (width, height) = decoder.dimensions();
        check(width, height, decoder.total_bytes())?;
        if width == 0 || height == 0 {
            return Err(Error::corrupt("it is a picture without pixels"));
        }
        let exif = decoder.exif_metadata().ok().flatten().unwrap_or_default();
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let said = resolution::said(source.bytes, source.format, source.directory, &exif);
        let resolution = resolution::of(said, (width, height));
        let is_turned = matches!(
            orientation,
            Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
        );
        let stored = if is_turned {
            let resolution = Resolution { x: resolution.y, y: resolution.x };
            Self { width: height, height: width, orientation, resolution }
        } else {
            Self { width, height, orientation, resolution }
        };
        Ok((stored, decoder))
    }

    /// The size of its page in points.
    #[expect(clippy::cast_precision_loss, reason = "far fewer pixels a side than an f32 counts exactly")]
    pub(super) fn page(&self) -> (f32, f32) {
        let points = |pixels: u32, dpi: f32| pixels as f32 * POINTS_PER_INCH / dpi;
        (points(self.width, self.resolution.x), points(self.height, self.resolution.y))
    }

    /// The size in pixels that it is wanted in, with no more than `most` of them.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and bounded by `most`")]
    pub(super) fn wanted(&self, wish: &Wish, most: f32) -> (u32, u32) {
        let (page_width, page_height) = self.page();
        let Resolution { x, y } = self.resolution;
        let inches = page_width * page_height / (POINTS_PER_INCH * POINTS_PER_INCH);
        let dpi = wish.dpi_over(Some(x.max(y))).clamp(1.0, (most / inches).sqrt().max(1.0));
        let pixels = |points: f32| ((points * dpi / POINTS_PER_INCH).round() as u32).max(1);
        (pixels(page_width), pixels(page_height))
    }
}

pub(super) fn failed(error: &ImageError) -> Error {
    match error {
        ImageError::Limits(limit) if !matches!(limit.kind(), LimitErrorKind::Unsupported { .. }) => {
            Limit::Pixels(MOST_STORED).into()
        }
        ImageError::Unsupported(error) => {
            Error::Unsupported { looks_like: format!("a picture of a rare kind ({error})") }
        }
        error => Error::corrupt(format!("the picture cannot be read: {error}")),
    }
}

/// A TIFF file whose first page is another one: its header points there.
struct Redirected<'a> {
    bytes: Cursor<&'a [u8]>,
    header: [u8; HEADER],
}

/// Bytes of a TIFF header: byte order, a number, and where the first directory is.
const HEADER: usize = 8;

impl<'a> Redirected<'a> {
    fn new(bytes: &'a [u8], directory: u32) -> Self {
        let is_little = bytes.starts_with(b"II");
        let offset = if is_little { directory.to_le_bytes() } else { directory.to_be_bytes() };
        let mut header = [0; HEADER];
        let length = bytes.len().min(4);
        header[..length].copy_from_slice(&bytes[..length]);
        header[4..].copy_from_slice(&offset);
        Self { bytes: Cursor::new(bytes), header }
    }

    fn rest(&self) -> &[u8] {
        let position = usize::try_from(self.bytes.position()).unwrap_or(usize::MAX);
        let all = *self.bytes.get_ref();
        if position < HEADER { &self.header[position..] } else { all.get(position..).unwrap_or_default() }
    }
}

impl Read for Redirected<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.rest().read(into)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Redirected<'_> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        Ok(self.rest())
    }

    fn consume(&mut self, amount: usize) {
        self.bytes.set_position(self.bytes.position().saturating_add(amount as u64));
    }
}

impl Seek for Redirected<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.bytes.seek(to)
    }
}
