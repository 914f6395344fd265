//! The text that comes back, page by page and line by line.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::layout::{Place, Row};

/// Size of a page, in points: US Letter, because the service says how lines lie on a page and not how large it is.
pub(super) const PAGE: (f32, f32) = (612.0, 792.0);

/// What ends a page besides the separator.
const PAGE_END: char = '\u{c}';

/// A line as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Numbered {
    /// What the service calls it, from its prefix `0x1f: `.
    number: Option<u32>,
    text: String,
}

/// The pages of a text: a separator at the end of a line ends one.
pub(super) fn pages(text: &str, separator: &str) -> Vec<Vec<Numbered>> {
    let mut pages = Vec::new();
    let mut page: Vec<Numbered> = Vec::new();
    for line in text.split('\n') {
        let (number, text) = unprefixed(line.trim_matches(|character| matches!(character, '\r' | PAGE_END)));
        let text = text.trim_end();
        match text.strip_suffix(separator) {
            Some(before) => {
                if !before.trim().is_empty() {
                    page.push(Numbered { number, text: before.to_owned() });
                }
                pages.push(std::mem::take(&mut page));
            }
            None => page.push(Numbered { number, text: text.to_owned() }),
        }
    }
    // Behind the last separator there is no page, only the end of the text.
    if pages.is_empty() || page.iter().any(|line| !line.text.trim().is_empty()) {
        pages.push(page);
    }
    pages
}

/// A line without its number.
fn unprefixed(line: &str) -> (Option<u32>, &str) {
    let number = |line: &str| {
        let (digits, rest) = line.strip_prefix("0x")?.split_once(':')?;
        let is_hex = (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u32::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
        // A blank line may have lost the space behind its number.
        Some((number, rest.len() - rest.strip_prefix(' ').unwrap_or(rest).len() + line.len() - rest.len()))
    };
    match number(line) {
        Some((number, start)) => (Some(number), &line[start..]),
        None => (None, line),
    }
}

/// The largest number that a line has.
pub(super) fn last_line(pages: &[Vec<Numbered>]) -> Option<u32> {
    pages.iter().flatten().filter_map(|line| line.number).max()
}

/// Where lines are, by their numbers.
pub(super) type Highlights = HashMap<u32, Place>;

/// What the service says of the places of lines; those without coordinates are left out.
pub(super) fn highlights(answer: &Map<String, Value>) -> Highlights {
    let number = |name: &str| match name.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => name.parse().ok(),
    };
    answer.iter().filter_map(|(name, line)| Some((number(name)?, place(line)?))).collect()
}

/// From a base line, a height and the height of the page, in whatever unit.
fn place(line: &Value) -> Option<Place> {
    let positive = |name: &str| line.get(name)?.as_f64().filter(|length| length.is_finite() && *length > 0.0);
    let (base, height, whole) = (positive("base_y")?, positive("height")?, positive("page_height")?);
    #[expect(clippy::cast_possible_truncation, reason = "between 0 and the height of a page")]
    let down = |y: f64| (y / whole).clamp(0.0, 1.0) as f32 * PAGE.1;
    Some(Place { top: down(base - height), bottom: down(base), across: None })
}

/// The lines of a page with their places.
pub(super) fn rows(page: Vec<Numbered>, highlights: &Highlights) -> Vec<Row> {
    let place = |line: &Numbered| line.number.and_then(|number| highlights.get(&number).copied());
    page.into_iter().map(|line| Row { place: place(&line), text: line.text }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(text: &str) -> Vec<Vec<(Option<u32>, String)>> {
        let line = |line: Numbered| (line.number, line.text);
        pages(text, "<<<").into_iter().map(|page| page.into_iter().map(line).collect()).collect()
    }

    fn line(number: u32, text: &str) -> (Option<u32>, String) {
        (Some(number), text.to_owned())
    }

    #[test]
    fn pages_end_at_the_separator_and_lines_lose_their_numbers() {
        let text = "0x01:   Invoice\r\n0x02:\n0x0a: Total 5\n<<<\n\u{c}0x0B: page two\n0x0C: <<<\n\u{c}";
        assert_eq!(
            lines(text),
            [vec![line(1, "  Invoice"), line(2, ""), line(10, "Total 5")], vec![line(11, "page two")]]
        );
        assert_eq!(lines("0x01: end<<<"), [vec![line(1, "end")]]);
        assert_eq!(lines("a\n<<<\n<<<\nb"), [vec![(None, "a".to_owned())], vec![], vec![(None, "b".to_owned())]]);
        assert_eq!(lines("").len(), 1);
    }

    #[test]
    fn what_looks_like_a_number_and_is_none_stays_text() {
        for text in ["0x: a", "0xzz: a", "0x123456789: a", "0x+1: a", "x01: a", "0x01 a"] {
            assert_eq!(lines(text), [vec![(None, text.to_owned())]], "{text}");
        }
    }

    #[test]
    fn a_line_is_as_high_on_the_page_as_the_service_says() {
        let answer = json!({
            "1": { "base_y": 500, "height": 50, "page": 0, "page_height": 1000, "base_y_percent": 50.0 },
            "0x0a": { "base_y": 2000.0, "height": 5000.0, "page_height": 1000.0 },
            "2": { "base_y": 0, "height": 0, "page": 0, "page_height": 0, "raw": [0, 0, 0, 0] },
            "3": { "base_y": -5, "height": 10, "page_height": 100 },
            "4": "nothing", "x": { "base_y": 1, "height": 1, "page_height": 2 },
        });
        let mut found: Vec<(u32, Place)> = highlights(answer.as_object().unwrap()).into_iter().collect();
        found.sort_by_key(|(number, _)| *number);
        let place = |top, bottom| Place { top, bottom, across: None };
        assert_eq!(found, [(1, place(0.45 * 792.0, 396.0)), (10, place(0.0, 792.0))]);
    }
}
