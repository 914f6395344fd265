//! What was read, drawn over the page, so that a person can see it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use protocol::document::{BBox, Page, Word};

use crate::picture::Picture;

/// Words that stand in the file.
const TEXT: &str = "#1668dc";
/// Words that were recognised surely.
const SURE: &str = "#389e0d";
/// Words that were not.
const UNSURE: &str = "#d4380d";
/// Cells of tables.
const CELL: &str = "#d48806";

/// A word that is recognised less surely than this is drawn as unsure.
const DOUBTFUL: f32 = 0.6;

/// The page as SVG: its picture if there is one, else its text; a frame around every word, which shows the word and how
/// surely it was recognised when pointed at; frames around the cells of its tables.
#[must_use]
pub fn svg(page: &Page, picture: Option<&Picture>) -> String {
    let Page { number, width, height, .. } = page;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}pt\" height=\"{height}pt\">\n\
         <title>page {number}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    match picture.and_then(encoded) {
        Some(png) => {
            let data = STANDARD.encode(png);
            let _ =
                writeln!(svg, "<image width=\"{width}\" height=\"{height}\" href=\"data:image/png;base64,{data}\"/>");
        }
        None => words(page).for_each(|word| svg.push_str(&written(word))),
    }
    for word in words(page) {
        let confidence = word.confidence.map(|sure| format!(" ({:.0} %)", sure * 100.0)).unwrap_or_default();
        svg.push_str(&frame(word.bbox, colour(word), &format!("{}{confidence}", escaped(&word.text))));
    }
    cells(page).for_each(|cell| svg.push_str(&outer(cell)));
    svg.push_str("</svg>\n");
    svg
}

/// The picture as PNG, with frames around the words and cells of the page.
#[must_use]
pub fn png(page: &Page, mut picture: Picture) -> Vec<u8> {
    for word in words(page) {
        outline(&mut picture, word.bbox, colour(word));
    }
    cells(page).for_each(|cell| outline(&mut picture, cell, CELL));
    encoded(&picture).unwrap_or_default()
}

/// The boxes of cells, a little larger: without rules they are those of their words, whose frames would hide them.
fn cells(page: &Page) -> impl Iterator<Item = BBox> {
    const LARGER: f32 = 2.0;
    let cells = page.tables.iter().flat_map(|table| &table.rows).flat_map(|row| &row.cells);
    cells.map(|cell| {
        let BBox { x0, y0, x1, y1 } = cell.bbox;
        BBox::new(x0 - LARGER, y0 - LARGER, x1 + LARGER, y1 + LARGER)
    })
}

/// The frame of a cell. It lets the pointer through to the words within.
fn outer(bbox: BBox) -> String {
    let [x, y, ..]: [f32; 4] = bbox.into();
    format!(
        "<rect x=\"{x}\" y=\"{y}\" width=\"{:.2}\" height=\"{:.2}\" fill=\"none\" stroke=\"{CELL}\" stroke-width=\"0.8\" \
         pointer-events=\"none\"/>\n",
        bbox.width(),
        bbox.height()
    )
}

fn words(page: &Page) -> impl Iterator<Item = &Word> {
    page.lines.iter().flat_map(|line| &line.words)
}

fn colour(word: &Word) -> &'static str {
    match word.confidence {
        None => TEXT,
        Some(sure) if sure >= DOUBTFUL => SURE,
        Some(_) => UNSURE,
    }
}

fn frame(bbox: BBox, colour: &str, title: &str) -> String {
    let [x, y, ..]: [f32; 4] = bbox.into();
    format!(
        "<rect x=\"{x}\" y=\"{y}\" width=\"{:.2}\" height=\"{:.2}\" fill=\"{colour}\" fill-opacity=\"0.06\" \
         stroke=\"{colour}\" stroke-width=\"0.4\"><title>{title}</title></rect>\n",
        bbox.width(),
        bbox.height()
    )
}

/// A word in its box.
fn written(word: &Word) -> String {
    let BBox { x0, y1, .. } = word.bbox;
    let (size, width) = (word.bbox.height() * 0.8, word.bbox.width());
    format!(
        "<text x=\"{x0:.2}\" y=\"{:.2}\" font-family=\"monospace\" font-size=\"{size:.2}\" textLength=\"{width:.2}\" \
         lengthAdjust=\"spacingAndGlyphs\">{}</text>\n",
        y1 - word.bbox.height() * 0.2,
        escaped(&word.text)
    )
}

/// Text that is markup nowhere, without the characters that XML does not allow.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push(char::REPLACEMENT_CHARACTER),
            character if character.is_control() => escaped.push(char::REPLACEMENT_CHARACTER),
            character => escaped.push(character),
        }
    }
    escaped
}

/// The picture as PNG.
fn encoded(picture: &Picture) -> Option<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, picture.placement.width, picture.placement.height);
    encoder.set_color(if picture.placement.channels == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb });
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&picture.pixels).ok()?;
    writer.finish().ok()?;
    Some(file)
}

/// Draws a frame, a pixel wide.
#[expect(clippy::cast_possible_truncation, reason = "saturates, and is cut to the picture")]
fn outline(picture: &mut Picture, bbox: BBox, colour: &str) {
    let placement = picture.placement;
    let (across, down) = (
        placement.width as f32 / placement.page_width.max(1.0),
        placement.height as f32 / placement.page_height.max(1.0),
    );
    let (x0, x1) = ((bbox.x0 * across) as i64, (bbox.x1 * across) as i64);
    let (y0, y1) = ((bbox.y0 * down) as i64, (bbox.y1 * down) as i64);
    let (width, height) = (i64::from(placement.width), i64::from(placement.height));
    // Boxes may be anywhere; what is drawn of them is on the picture.
    let (columns, rows) = (x0.max(0)..=x1.min(width - 1), y0.max(0)..=y1.min(height - 1));
    let edges = columns.flat_map(|x| [(x, y0), (x, y1)]).chain(rows.flat_map(|y| [(x0, y), (x1, y)]));
    let rgb = rgb(colour);
    for (x, y) in edges {
        let inside = (0..width).contains(&x) && (0..height).contains(&y);
        let Some(at) = usize::try_from(y * width + x).ok().filter(|_| inside) else { continue };
        let channels = usize::from(placement.channels);
        for (channel, value) in rgb.iter().enumerate().take(channels) {
            if let Some(pixel) = picture.pixels.get_mut(at * channels + channel) {
                *pixel = *value;
            }
        }
    }
}

/// `#1668dc` as three bytes.
fn rgb(colour: &str) -> [u8; 3] {
    let part = |at: usize| colour.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or(0);
    [part(1), part(3), part(5)]
}

#[cfg(test)]
mod tests {
    use protocol::document::Line;

    use super::*;
    use crate::picture::Placement;

    fn page() -> Page {
        let word = |text: &str, x: f32, confidence| Word {
            text: text.to_owned(),
            bbox: BBox::new(x, 10.0, x + 20.0, 20.0),
            confidence,
        };
        let words = vec![word("a<b\u{1}", 5.0, None), word("c", 30.0, Some(0.4)), word("out", -900.0, None)];
        let lines = vec![Line { words, ..Line::default() }];
        Page { number: 1, width: 60.0, height: 30.0, lines, ..Page::default() }
    }

    fn white() -> Picture {
        let placement =
            Placement { width: 120, height: 60, channels: 3, page_width: 60.0, page_height: 30.0, turns: 0, skew: 0.0 };
        Picture { placement, pixels: vec![255; 120 * 60 * 3] }
    }

    #[test]
    fn every_word_has_a_frame_that_tells_what_was_read() {
        let drawn = svg(&page(), Some(&white()));
        assert!(
            drawn.contains("<title>a&lt;b\u{fffd}</title>") && drawn.contains("<title>c (40 %)</title>"),
            "{drawn}"
        );
        assert!(drawn.contains("data:image/png;base64,") && !drawn.contains("<text"));
        assert!(svg(&page(), None).contains(">a&lt;b\u{fffd}</text>"), "without a picture the words are written");
    }

    #[test]
    fn frames_are_drawn_on_the_picture_and_nowhere_else() {
        let file = png(&page(), white());
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let pixel = |x: usize, y: usize| &pixels[(y * 120 + x) * 3..][..3];
        assert_eq!(pixel(10, 30), rgb(TEXT), "the left edge of the first word, twice as far as in points");
        assert_eq!(pixel(60, 30), rgb(UNSURE));
        assert_eq!(pixel(20, 30), [255, 255, 255], "inside a frame");
    }
}
