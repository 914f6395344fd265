//! Pictures of documents: photographs, scans, faxes. Their pages have no words until somebody reads the pictures.

use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use protocol::document::Page;

use self::pixels::{flat_grey, flat_rgb};
use self::source::{Source, Stored};
use super::{File, Reader};
use crate::error::{Error, Limit};
use crate::pages::Pages;
use crate::picture::{Picture, Placement, Wish};
use crate::wire::Scan;

mod pixels;
mod resolution;
mod source;
mod tags;

/// No picture is given with more pixels: an A4 page at 600 dots per inch has 35 million.
const MOST_PIXELS: f32 = 40e6;

/// No picture is decoded that has more: an A3 page at 600 dots per inch has 70 million.
const MOST_STORED: u64 = 100_000_000;

/// No picture is decoded that takes more bytes, four of 16 bits a pixel being the most.
const MOST_BYTES: u64 = 512 * 1024 * 1024;

const POINTS_PER_INCH: f32 = 72.0;

/// Reads pictures.
pub(super) struct Raster;

impl Reader for Raster {
    fn name(&self) -> &'static str {
        "picture"
    }

    fn recognise(&self, file: &File<'_>) -> Option<&'static str> {
        Some(match format(file.bytes)? {
            ImageFormat::Png => "image/png",
            ImageFormat::Jpeg => "image/jpeg",
            ImageFormat::Tiff => "image/tiff",
            ImageFormat::Gif => "image/gif",
            ImageFormat::WebP => "image/webp",
            _ => "image/bmp",
        })
    }

    fn read(&self, file: &File<'_>, _media_type: &str, pages: &mut Pages<'_>) -> Result<(), Error> {
        let sources = sources(file)?;
        let count = u32::try_from(sources.len()).unwrap_or(u32::MAX);
        pages.count(count)?;
        for (number, source) in (1..=count).zip(sources) {
            if !pages.wants(number) {
                continue;
            }
            pages.begin(number)?;
            match source.decoder().and_then(|decoder| Stored::of(&source, decoder)) {
                Ok((stored, _)) => {
                    let (width, height) = stored.page();
                    pages.add_scan(Page { number, width, height, ..Page::default() }, Scan::Picture)?;
                }
                Err(error) if count == 1 => return Err(error),
                Err(error) => {
                    let (width, height) = resolution::LETTER;
                    pages.fail(Page { number, width, height, ..Page::default() }, &error)?;
                }
            }
        }
        Ok(())
    }

    fn picture(&self, file: &File<'_>, wish: &Wish) -> Result<Picture, Error> {
        let sources = sources(file)?;
        let index = wish.page.checked_sub(1).and_then(|index| sources.get(index as usize));
        let source = index.ok_or_else(|| Error::corrupt(format!("it has no page {}", wish.page)))?;
        let (stored, decoder) = Stored::of(source, source.decoder()?)?;
        let mut image = DynamicImage::from_decoder(decoder).map_err(|error| source::failed(&error))?;
        image.apply_orientation(stored.orientation);
        let (page_width, page_height) = stored.page();
        let (width, height) = stored.wanted(wish, MOST_PIXELS);
        if width > image.width() || height > image.height() {
            image = image.resize_exact(width, height, FilterType::CatmullRom);
        } else if (width, height) != (image.width(), image.height()) {
            image = image.thumbnail_exact(width, height);
        }
        let (channels, pixels) =
            if wish.grey { (1, flat_grey(image).into_raw()) } else { (3, flat_rgb(image).into_raw()) };
        let placement = Placement { width, height, channels, page_width, page_height, turns: 0, skew: 0.0 };
        Ok(Picture { placement, pixels })
    }
}

/// What kind of picture it is by its first bytes, if it is one.
fn format(bytes: &[u8]) -> Option<ImageFormat> {
    const FORMATS: &[(&[u8], ImageFormat)] = &[
        (b"\x89PNG\r\n\x1a\n", ImageFormat::Png),
        (b"\xff\xd8\xff", ImageFormat::Jpeg),
        (b"II*\0", ImageFormat::Tiff),
        (b"MM\0*", ImageFormat::Tiff),
        (b"GIF87a", ImageFormat::Gif),
        (b"GIF89a", ImageFormat::Gif),
    ];
    let is_webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    // "BM" begins a letter as well; a bitmap has its size behind it, and zeros.
    let is_bmp = bytes.starts_with(b"BM") && bytes.get(6..10) == Some(&[0; 4]);
    let by_signature = FORMATS.iter().find(|(signature, _)| bytes.starts_with(signature)).map(|(_, format)| *format);
    by_signature.or(is_webp.then_some(ImageFormat::WebP)).or(is_bmp.then_some(ImageFormat::Bmp))
}

/// The pictures of a file: a TIFF may have several.
fn sources<'a>(file: &File<'a>) -> Result<Vec<Source<'a>>, Error> {
    let format = format(file.bytes).ok_or_else(|| Error::corrupt("it is no picture"))?;
    if format != ImageFormat::Tiff {
        return Ok(vec![Source::whole(file.bytes, format)]);
    }
    let directories = tags::pages(file.bytes)?;
    Ok(directories.into_iter().map(|directory| Source::page(file.bytes, directory)).collect())
}

/// A limit on what a picture declares.
fn check(width: u32, height: u32, bytes: u64) -> Result<(), Error> {
    if u64::from(width) * u64::from(height) > MOST_STORED || bytes > MOST_BYTES {
        return Err(Limit::Pixels(MOST_STORED).into());
    }
    Ok(())
}

type Decoder<'a> = Box<dyn ImageDecoder + 'a>;

/// A decoder of a picture, which is held to what it may take.
fn decoder<'a>(reader: impl std::io::BufRead + std::io::Seek + 'a, format: ImageFormat) -> Result<Decoder<'a>, Error> {
    let mut reader = ImageReader::with_format(reader, format);
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(2 * MOST_BYTES);
    reader.limits(limits);
    Ok(Box::new(reader.into_decoder().map_err(|error| source::failed(&error))?))
}
