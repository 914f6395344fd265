//! Elements of a document become lines on pages.
//!
//! An element has a text and a box around all of it. Where the text has line ends, its lines share the height of the box; where it has none and
//! the box is too high for one line, as many lines are assumed as fill it with letters half as wide as they are high.

use std::collections::BTreeMap;

use protocol::document::{Document, Origin};
use serde::Deserialize;

use crate::Error;
use crate::layout::{MOST_LINES, MOST_PAGES, Place, Row, Setter, too_large};

/// The longer side of a page whose size is told in pixels of unknown size, in points: that of US Letter.
const LONGER_SIDE: f64 = 792.0;
/// Size of a page of which nothing is told, in points.
const PAGE: (f64, f64) = (612.0, 792.0);

/// A part of a document.
#[derive(Deserialize)]
pub(super) struct Element {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    page_number: Option<u32>,
    #[serde(default)]
    coordinates: Option<Coordinates>,
}

#[derive(Deserialize)]
struct Coordinates {
    #[serde(default)]
    points: Option<Vec<(f64, f64)>>,
    #[serde(default)]
    system: Option<String>,
    #[serde(default)]
    layout_width: Option<f64>,
    #[serde(default)]
    layout_height: Option<f64>,
}

/// A box in the unit of the service.
#[derive(Clone, Copy)]
struct Around {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

/// The elements of an answer, or what is wrong with it.
pub(super) fn read(answer: &[u8]) -> Result<Vec<Element>, String> {
    serde_json::from_slice(answer).map_err(|error| {
        // Where it went wrong is enough: the words around it are the document's.
        format!("it is no list of elements, or not all of it (line {}, column {})", error.line(), error.column())
    })
}

/// The document that they are of. Pages between those that have elements are empty ones.
pub(super) fn document(
    service: &'static str,
    elements: Vec<Element>,
    origin: Origin,
    media_type: String,
) -> Result<Document, Error> {
    let mut pages: BTreeMap<u32, Vec<Element>> = BTreeMap::from([(1, Vec::new())]);
    let (mut current, mut lines) = (1, 0);
    for element in elements {
        current = element.metadata.page_number.map_or(current, |number| number.max(1));
        if current as usize > MOST_PAGES {
            return Err(too_large(service, MOST_PAGES, "pages"));
        }
        lines += element.text.as_deref().map_or(0, |text| text.split('\n').count());
        if lines > MOST_LINES {
            return Err(too_large(service, MOST_LINES, "lines"));
        }
        pages.entry(current).or_default().push(element);
    }
    let last = pages.last_key_value().map_or(1, |(number, _)| *number);
    let mut setter = Setter::new(service, origin);
    for number in 1..=last {
        let elements = pages.remove(&number).unwrap_or_default();
        let (size, scale) = size(&elements);
        let rows = elements.iter().flat_map(|element| rows(element, scale)).collect();
        setter.page(number, size, rows)?;
    }
    Ok(setter.document(media_type))
}

/// The size of a page in points, and how many points a unit of the service is in each direction.
fn size(elements: &[Element]) -> ((f32, f32), f64) {
    let told = elements.iter().find_map(|element| {
        let coordinates = element.metadata.coordinates.as_ref()?;
        let length =
            |length: Option<f64>| length.filter(|length| length.is_finite() && *length >= 1.0 && *length <= 1e6);
        let is_points = coordinates.system.as_deref() == Some("PointSpace");
        Some((length(coordinates.layout_width)?, length(coordinates.layout_height)?, is_points))
    });
    let (width, height, scale) = match told {
        Some((width, height, true)) => (width, height, 1.0),
        Some((width, height, false)) => {
            let scale = LONGER_SIDE / width.max(height);
            (width * scale, height * scale, scale)
        }
        None => (PAGE.0, PAGE.1, 1.0),
    };
    ((single(width), single(height)), scale)
}

/// The lines of an element.
fn rows(element: &Element, scale: f64) -> Vec<Row> {
    let text = element.text.as_deref().unwrap_or_default();
    if text.trim().is_empty() {
        return Vec::new();
    }
    let Some(around) = element.metadata.coordinates.as_ref().and_then(around) else {
        return text.lines().map(|line| Row { text: line.to_owned(), place: None }).collect();
    };
    let lines: Vec<String> = match text.lines().count() {
        0 | 1 => wrapped(text.trim(), around),
        _ => text.lines().map(str::to_owned).collect(),
    };
    let longest = lines.iter().map(|line| line.chars().count()).fold(1, usize::max);
    #[expect(clippy::cast_precision_loss, reason = "far fewer lines and columns than an f64 counts exactly")]
    let (height, advance) =
        ((around.bottom - around.top) / lines.len() as f64, (around.right - around.left) / longest as f64);
    let mut top = around.top;
    let mut row = |text: String| {
        let from = top;
        top += height;
        #[expect(clippy::cast_precision_loss, reason = "far fewer columns than an f64 counts exactly")]
        let right = around.left + text.chars().count().max(1) as f64 * advance;
        let across = Some((single(around.left * scale), single(right * scale)));
        Row { text, place: Some(Place { top: single(from * scale), bottom: single(top * scale), across }) }
    };
    lines.into_iter().map(&mut row).collect()
}

/// The box around the corners that are told, if there is one.
fn around(coordinates: &Coordinates) -> Option<Around> {
    let points = coordinates.points.as_ref().filter(|points| points.len() >= 2)?;
    let is_usual = |(x, y): &(f64, f64)| [x, y].iter().all(|length| length.is_finite() && length.abs() <= 1e6);
    if !points.iter().all(is_usual) {
        return None;
    }
    let of = |pick: fn(&(f64, f64)) -> f64, choose: fn(f64, f64) -> f64| points.iter().map(pick).reduce(choose);
    let around = Around {
        left: of(|point| point.0, f64::min)?,
        right: of(|point| point.0, f64::max)?,
        top: of(|point| point.1, f64::min)?,
        bottom: of(|point| point.1, f64::max)?,
    };
    (around.right > around.left && around.bottom > around.top).then_some(around)
}

/// A paragraph in the lines that its box is likely to hold.
fn wrapped(text: &str, around: Around) -> Vec<String> {
    let letters = text.chars().count();
    let (width, height) = (around.right - around.left, around.bottom - around.top);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and the number of words"
    )]
    let most = {
        let words = text.split_whitespace().count().max(1) as f64;
        // n lines of height h/n hold n * w / (h/n/2) letters.
        let lines = (letters as f64 * height / (2.0 * width)).sqrt().round().clamp(1.0, words);
        (letters as f64 / lines).ceil() as usize
    };
    let mut lines: Vec<String> = Vec::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let more = word.chars().count();
        match lines.last_mut().filter(|_| length + 1 + more <= most) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
                length += 1 + more;
            }
            None => {
                lines.push(word.to_owned());
                length = more;
            }
        }
    }
    lines
}

#[expect(clippy::cast_possible_truncation, reason = "a length on a page")]
fn single(length: f64) -> f32 {
    length as f32
}

#[cfg(test)]
mod tests {
    use protocol::document::BBox;
    use serde_json::{Value, json};

    use super::*;

    fn set(elements: &Value) -> Document {
        let elements = read(elements.to_string().as_bytes()).unwrap();
        document("a reader", elements, Origin::Text, "application/pdf".to_owned()).unwrap()
    }

    fn element(text: &str, page: u32, corners: [f64; 4], system: &str, size: [f64; 2]) -> Value {
        let [left, top, right, bottom] = corners;
        json!({ "type": "Title", "element_id": "1", "text": text, "metadata": { "page_number": page, "coordinates": {
            "points": [[left, top], [left, bottom], [right, bottom], [right, top]],
            "system": system, "layout_width": size[0], "layout_height": size[1] } } })
    }

    #[test]
    fn words_lie_in_the_box_of_their_element_scaled_to_the_page() {
        let title = element("Invoice 7", 1, [170.0, 220.0, 530.0, 264.0], "PixelSpace", [1700.0, 2200.0]);
        let page = &set(&json!([title])).pages[0];
        assert_eq!((page.width, page.height), (612.0, 792.0));
        let boxes: Vec<[f32; 4]> = page.lines[0].words.iter().map(|word| word.bbox.into()).collect();
        assert_eq!(boxes, [[61.2, 79.2, 162.0, 95.04], [176.4, 79.2, 190.8, 95.04]]);
        let points = element("x", 1, [10.0, 20.0, 16.0, 32.0], "PointSpace", [595.0, 842.0]);
        let page = &set(&json!([points])).pages[0];
        assert_eq!((page.width, page.height, page.lines[0].bbox), (595.0, 842.0, BBox::new(10.0, 20.0, 16.0, 32.0)));
    }

    #[test]
    fn lines_of_an_element_share_its_height() {
        let address = element("Main Street 1\nSpringfield", 1, [0.0, 0.0, 130.0, 40.0], "PointSpace", [600.0, 800.0]);
        let edges: Vec<BBox> = set(&json!([address])).pages[0].lines.iter().map(|line| line.bbox).collect();
        assert_eq!(edges, [BBox::new(0.0, 0.0, 130.0, 20.0), BBox::new(0.0, 20.0, 110.0, 40.0)]);
    }

    #[test]
    fn a_paragraph_is_set_in_the_lines_that_its_box_holds() {
        let text = "word ".repeat(40);
        let paragraph = element(&text, 1, [0.0, 0.0, 300.0, 48.0], "PointSpace", [600.0, 800.0]);
        let page = &set(&json!([paragraph])).pages[0];
        assert_eq!(page.lines.len(), 4, "200 letters of 6 by 12 points");
        assert_eq!(page.lines.iter().map(|line| line.words.len()).sum::<usize>(), 40);
        assert!(page.lines.iter().all(|line| line.bbox.x1 <= 300.0 && line.bbox.y1 <= 48.0));
    }

    #[test]
    fn pages_keep_their_numbers_and_elements_without_a_place_their_words() {
        let document = set(&json!([
            { "type": "Text", "text": "one" },
            { "type": "PageBreak", "text": "" },
            { "type": "Text", "text": "three", "metadata": { "page_number": 3, "coordinates": null } },
            { "type": "Text", "text": null, "metadata": { "page_number": 3 } },
        ]));
        let lines: Vec<usize> = document.pages.iter().map(|page| page.lines.len()).collect();
        assert_eq!(lines, [1, 0, 1]);
        assert_eq!(document.pages[2].lines[0].words[0].bbox, BBox::new(0.0, 0.0, 30.0, 12.0));
        assert_eq!(set(&json!([])).pages.len(), 1);
    }

    #[test]
    fn hostile_boxes_and_numbers_do_no_harm() {
        for corners in [[0.0, 0.0, 0.0, 0.0], [f64::MAX, 0.0, 1.0, 1.0], [5.0, 5.0, 5.0, 9.0]] {
            let element = element("a b", 1, corners, "PixelSpace", [0.0, -1.0]);
            let page = &set(&json!([element])).pages[0];
            assert_eq!(page.lines[0].words.len(), 2, "{corners:?}");
        }
        let far = json!([{ "text": "a", "metadata": { "page_number": 4_000_000_000_u32 } }]);
        let elements = read(far.to_string().as_bytes()).unwrap();
        let error = document("a reader", elements, Origin::Text, String::new()).unwrap_err();
        assert_eq!(error.code(), "x2text_answer_too_large");
        for bad in ["{}", "[{\"text\": 7}]", "[{\"text\": \"a\"", ""] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
