//! Plain text and Markdown, set on a fixed grid so that they have positions like everything else.

use protocol::document::{Document, Line, Page};

use super::encoding::{self, decode};
use super::grid::{LINES, expand, line, x, y};
use super::{File, Reader, unreadable};
use crate::error::{Error, Limit};
use crate::pages::{LONGEST_WORD, Pages};
use crate::unicode::normalise;

/// Columns of a page whose lines are no longer than that.
const COLUMNS: usize = 80;

/// A longer line, in characters, goes on in the next, so that a file without line ends has lines all the same. Paragraphs
/// on one line stay whole.
const LONGEST_LINE: usize = LONGEST_WORD;

/// Reads what is text already.
pub(super) struct Plain;

impl Reader for Plain {
    fn name(&self) -> &'static str {
        "plain-text"
    }

    fn recognise(&self, file: &File<'_>) -> Option<&'static str> {
        if !encoding::is_text(file.head())
            || unreadable::signature(file.head()).is_some()
            || unreadable::no_text(file).is_some()
        {
            return None;
        }
        Some(if matches!(file.extension().as_str(), "md" | "markdown") { "text/markdown" } else { "text/plain" })
    }

    fn read(&self, file: &File<'_>, _media_type: &str, pages: &mut Pages<'_>) -> Result<(), Error> {
        let most = pages.limits().text_bytes;
        if file.bytes.len() as u64 > most {
            return Err(Limit::FileBytes(most).into());
        }
        set(&decode(file.bytes, None), pages)
    }
}

/// Sets the text page by page, no further than the limits.
fn set(text: &str, pages: &mut Pages<'_>) -> Result<(), Error> {
    let mut number = 0;
    // What ends with a form feed has no page behind it.
    for sheet in text.strip_suffix(Document::PAGE_END).unwrap_or(text).split(Document::PAGE_END) {
        let mut lines = lines(sheet).flat_map(pieces).peekable();
        loop {
            number += 1;
            pages.add(page(number, lines.by_ref().take(LINES)))?;
            if lines.peek().is_none() {
                break;
            }
        }
    }
    Ok(())
}

/// Lines end with a line feed, a carriage return, or both.
fn lines(sheet: &str) -> impl Iterator<Item = &str> {
    sheet.strip_suffix('\r').unwrap_or(sheet).lines().flat_map(|line| line.split('\r'))
}

/// A line in pieces that are not too long, cut behind white space where there is any.
fn pieces(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let Some((end, _)) = line.char_indices().nth(LONGEST_LINE) else { return rest.take() };
        let words = line[..end].trim_end_matches(|character: char| !character.is_whitespace()).len();
        let (piece, behind) = line.split_at(if words == 0 { end } else { words });
        rest = Some(behind);
        Some(piece)
    })
}

fn page<'a>(number: u32, lines: impl Iterator<Item = &'a str>) -> Page {
    let lines: Vec<Line> = lines.enumerate().map(|(row, text)| line(row, &expand(&normalise(text)))).collect();
    let longest = lines.iter().map(|line| line.bbox.x1).fold(x(COLUMNS), f32::max);
    Page { number, width: longest, height: y(LINES), lines, ..Page::default() }
}

#[cfg(test)]
mod tests {
    use protocol::document::{BBox, Word};

    use super::*;
    use crate::config::Limits;
    use crate::wire::Said;

    fn pages(text: &str, limits: &Limits) -> Result<Vec<Page>, Error> {
        let mut heard = Vec::new();
        let mut hear = |said| {
            if let Said::Page { page, .. } = said {
                heard.push(*page);
            }
            Ok(())
        };
        super::set(text, &mut Pages::new(limits, None, 1, &mut hear))?;
        Ok(heard)
    }

    fn set(text: &str) -> Vec<Page> {
        pages(text, &Limits::default()).unwrap()
    }

    fn limit(text: &str, limits: &Limits) -> Limit {
        match pages(text, limits).unwrap_err() {
            Error::TooComplex { limit, .. } => limit,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn every_word_has_its_place_on_the_grid() {
        let lines = &set("Total:\t12.50\n\nend")[0].lines;
        assert_eq!(lines[0].text, "Total:  12.50");
        assert_eq!(lines[0].words[1], Word::new("12.50".into(), BBox::new(48.0, 0.0, 78.0, 12.0)));
        assert_eq!((lines[1].text.as_str(), lines[1].words.len()), ("", 0));
        assert_eq!(lines[2].bbox, BBox::new(0.0, 24.0, 18.0, 36.0));
    }

    #[test]
    fn lines_end_as_on_any_system() {
        for text in ["a\n\nb\n", "a\r\n\r\nb\r\n", "a\r\rb\r", "a\n\nb"] {
            let texts: Vec<_> = set(text)[0].lines.iter().map(|line| line.text.clone()).collect();
            assert_eq!(texts, ["a", "", "b"], "{text:?}");
        }
    }

    #[test]
    fn pages_end_at_form_feeds_and_after_sixty_lines() {
        assert_eq!(set("a\u{c}b\n\u{c}").len(), 2);
        let pages = set(&"line\n".repeat(61));
        assert_eq!(pages.iter().map(|page| (page.number, page.lines.len())).collect::<Vec<_>>(), [(1, 60), (2, 1)]);
        assert_eq!(set("").len(), 1);
    }

    #[test]
    fn a_line_that_is_too_long_goes_on_in_the_next() {
        let lengths = |text: &str| -> Vec<usize> {
            set(text)[0].lines.iter().map(|line| line.words.iter().map(|word| word.text.len()).max().unwrap()).collect()
        };
        assert_eq!(lengths(&"x".repeat(25_000)), [10_000, 10_000, 5_000]);
        // Between words where there are some: "word " fits 2,000 times.
        let pages = set(&"word ".repeat(3_000));
        let words: Vec<usize> = pages[0].lines.iter().map(|line| line.words.len()).collect();
        assert_eq!(words, [2_000, 1_000]);
        assert_eq!(lengths(&format!("{} {}", "a".repeat(6_000), "b".repeat(6_000))), [6_000, 6_000]);
    }

    #[test]
    fn what_is_too_much_is_named() {
        let limits = Limits { pages: 2, words: 100, output_bytes: 10_000, ..Limits::default() };
        assert_eq!(limit(&"\n".repeat(121), &limits), Limit::Pages(2));
        assert_eq!(limit("\u{c}\u{c}.", &limits), Limit::Pages(2));
        assert_eq!(limit(&"a ".repeat(101), &limits), Limit::Words(100));
        assert_eq!(limit(&"a".repeat(9_000), &limits), Limit::OutputBytes(10_000));
        assert!(pages(&"a ".repeat(100), &limits).is_ok());
    }
}
