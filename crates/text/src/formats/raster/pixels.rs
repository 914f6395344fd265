//! Pixels of any kind as grey or as colours, on white where nothing is.

use image::{DynamicImage, GrayImage, Luma, Rgb, RgbImage};

/// As colours.
pub(super) fn flat_rgb(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let image = image.into_rgba8();
    let (width, height) = image.dimensions();
    let pixels = image.as_raw().as_chunks::<4>().0.iter();
    let pixels =
        pixels.flat_map(|[red, green, blue, alpha]| [red, green, blue].map(|colour| on_white(*colour, *alpha)));
    RgbImage::from_raw(width, height, pixels.collect())
        .unwrap_or_else(|| RgbImage::from_pixel(width, height, Rgb([255; 3])))
}

/// As grey.
pub(super) fn flat_grey(image: DynamicImage) -> GrayImage {
    if !image.color().has_alpha() {
        return image.into_luma8();
    }
    let image = image.into_luma_alpha8();
    let (width, height) = image.dimensions();
    let pixels = image.as_raw().as_chunks::<2>().0.iter().map(|[grey, alpha]| on_white(*grey, *alpha));
    GrayImage::from_raw(width, height, pixels.collect())
        .unwrap_or_else(|| GrayImage::from_pixel(width, height, Luma([255])))
}

fn on_white(colour: u8, alpha: u8) -> u8 {
    let (colour, alpha) = (u16::from(colour), u16::from(alpha));
    ((colour * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}
