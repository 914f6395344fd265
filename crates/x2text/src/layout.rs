//! Lines of text, with what a service says of their places, become pages on which every word has its box.
//!
//! A line knows where it is from top to bottom or not at all. Within a line, a word is where its characters are counted from the
//! left: across the line's own width where that is known, otherwise across the page as on a typewriter. A line without a place on a
//! page that has some shares the room between its neighbours. A page without any is the fixed grid of plain text.

use protocol::document::{BBox, Document, Line, Origin, Page, Word};
use unicode_normalization::UnicodeNormalization;

use crate::Error;

/// Width of a character of the fixed grid, in points.
const ADVANCE: f32 = 6.0;
/// Height of a line of the fixed grid, in points.
const LINE_HEIGHT: f32 = 12.0;
/// Lines of a page of the fixed grid that has no more.
const LINES: usize = 60;
/// Columns of a page whose lines are no longer than that.
const COLUMNS: usize = 80;
/// No word is longer, in characters; what is longer is several.
const LONGEST_WORD: usize = 10_000;
/// A tab goes to the next multiple of so many columns.
const TAB: usize = 8;

/// Pages that a document may have.
pub(crate) const MOST_PAGES: usize = 5_000;
/// Words that a document may have.
const MOST_WORDS: usize = 500_000;
/// Lines that a document may have: blank ones cost memory too.
pub(crate) const MOST_LINES: usize = 1_000_000;

/// A line of text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Row {
    pub(crate) text: String,
    pub(crate) place: Option<Place>,
}

/// Where a line is, in points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) top: f32,
    pub(crate) bottom: f32,
    /// Its left and right edge, where they are known.
    pub(crate) across: Option<(f32, f32)>,
}

/// Makes a document of pages as they come, no larger than the limits.
pub(crate) struct Setter {
    service: &'static str,
    origin: Origin,
    pages: Vec<Page>,
    words: usize,
    lines: usize,
}

impl Setter {
    pub(crate) const fn new(service: &'static str, origin: Origin) -> Self {
        Self { service, origin, pages: Vec::new(), words: 0, lines: 0 }
    }

    /// Adds a page of that size in points, which counts where a line has a place.
    pub(crate) fn page(&mut self, number: u32, size: (f32, f32), rows: Vec<Row>) -> Result<(), Error> {
        // Counted before anything is made of it, so that too much is never held.
        self.lines += rows.len();
        self.words += rows.iter().map(|row| row.text.split_whitespace().count()).sum::<usize>();
        let too_many = [
            (self.pages.len() + 1, MOST_PAGES, "pages"),
            (self.words, MOST_WORDS, "words"),
            (self.lines, MOST_LINES, "lines"),
        ];
        if let Some((_, most, what)) = too_many.iter().find(|(count, most, _)| count > most) {
            return Err(too_large(self.service, *most, what));
        }
        let page = if rows.iter().any(|row| row.place.is_some()) { placed(size, rows) } else { gridded(&rows) };
        self.pages.push(Page { number, origin: self.origin, ..page });
        Ok(())
    }

    pub(crate) fn document(self, media_type: String) -> Document {
        Document { media_type, pages: self.pages, ..Document::default() }
    }
}

/// The error for more of something than a document may have.
pub(crate) fn too_large(service: &'static str, most: usize, what: &str) -> Error {
    Error::TooLarge { service, limit: format!("more than {most} {what}") }
}

/// Lines on the fixed grid.
fn gridded(rows: &[Row]) -> Page {
    let texts: Vec<String> = rows.iter().map(|row| plain(&row.text)).collect();
    let columns = texts.iter().map(|text| text.chars().count()).fold(COLUMNS, usize::max);
    let lines = texts.into_iter().enumerate().map(|(row, text)| {
        let (top, left) = (float(row) * LINE_HEIGHT, |column| float(column) * ADVANCE);
        line(text, (top, top + LINE_HEIGHT), left)
    });
    let lines: Vec<Line> = lines.collect();
    Page {
        width: float(columns) * ADVANCE,
        height: float(lines.len().max(LINES)) * LINE_HEIGHT,
        lines,
        ..Page::default()
    }
}

/// Lines where they are said to be.
fn placed((width, height): (f32, f32), rows: Vec<Row>) -> Page {
    let heights = heights(&rows, height);
    let rows: Vec<(String, Option<Place>)> = rows.into_iter().map(|row| (plain(&row.text), row.place)).collect();
    let columns = rows.iter().map(|(text, _)| text.chars().count()).fold(COLUMNS, usize::max);
    let lines = rows.into_iter().zip(heights).map(|((text, place), height)| {
        let own = place.and_then(|place| place.across);
        let (from, to, columns) = match own {
            Some((from, to)) => (from, to, text.chars().count().max(1)),
            None => (0.0, width, columns),
        };
        let advance = (to - from) / float(columns);
        line(text, height, |column| from + float(column) * advance)
    });
    Page { width, height, lines: lines.collect(), ..Page::default() }
}

/// The top and bottom of every line; those without a place share the room between their neighbours.
fn heights(rows: &[Row], height: f32) -> Vec<(f32, f32)> {
    let mut heights = Vec::with_capacity(rows.len());
    let mut above = 0.0;
    let mut waiting = 0;
    let share = |heights: &mut Vec<(f32, f32)>, count: usize, above: f32, below: f32| {
        let each = (below - above).max(0.0) / float(count.max(1));
        heights.extend((0..count).map(|at| (above + float(at) * each, above + float(at + 1) * each)));
    };
    for row in rows {
        let Some(place) = row.place else {
            waiting += 1;
            continue;
        };
        share(&mut heights, std::mem::take(&mut waiting), above, place.top);
        heights.push((place.top, place.bottom));
        above = place.bottom;
    }
    share(&mut heights, waiting, above, height);
    heights
}

/// A line whose characters begin where `left` says.
fn line(text: String, (top, bottom): (f32, f32), left: impl Fn(usize) -> f32) -> Line {
    let mut words: Vec<Word> = Vec::new();
    let mut within = 0;
    for (column, character) in text.chars().enumerate() {
        if character.is_whitespace() {
            within = 0;
            continue;
        }
        let bbox = BBox::new(left(column), top, left(column + 1), bottom);
        match words.last_mut().filter(|_| (1..LONGEST_WORD).contains(&within)) {
            Some(word) => {
                word.text.push(character);
                word.bbox = word.bbox.union(bbox);
                within += 1;
            }
            None => {
                words.push(Word::new(character.to_string(), bbox));
                within = 1;
            }
        }
    }
    let blank = BBox::new(left(0), top, left(0), bottom);
    let bbox = BBox::around(words.iter().map(|word| word.bbox)).unwrap_or(blank);
    Line { text, bbox, words }
}

/// The line in composed letters, with spaces instead of tabs, without control characters and without white space at its end.
fn plain(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut length = 0;
    for character in text.trim_end().nfc().filter(|character| *character == '\t' || !character.is_control()) {
        let (character, count) = if character == '\t' { (' ', TAB - length % TAB) } else { (character, 1) };
        line.extend(std::iter::repeat_n(character, count));
        length += count;
    }
    line
}

#[expect(clippy::cast_precision_loss, reason = "far fewer lines and columns than an f32 counts exactly")]
fn float(count: usize) -> f32 {
    count as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str, place: Option<(f32, f32)>) -> Row {
        let place = place.map(|(top, bottom)| Place { top, bottom, across: None });
        Row { text: text.to_owned(), place }
    }

    fn set(rows: Vec<Row>) -> Page {
        let mut setter = Setter::new("a reader", Origin::Text);
        setter.page(1, (800.0, 1000.0), rows).unwrap();
        setter.document(String::new()).pages.remove(0)
    }

    #[test]
    fn a_word_is_where_its_line_is_and_where_its_column_is() {
        let page = set(vec![row("Total\t 12.50 ", Some((100.0, 120.0)))]);
        assert_eq!((page.width, page.height, page.lines[0].text.as_str()), (800.0, 1000.0, "Total    12.50"));
        let boxes: Vec<BBox> = page.lines[0].words.iter().map(|word| word.bbox).collect();
        assert_eq!(boxes, [BBox::new(0.0, 100.0, 50.0, 120.0), BBox::new(90.0, 100.0, 140.0, 120.0)]);
    }

    #[test]
    fn a_line_of_known_width_spreads_its_words_across_it() {
        let place = Place { top: 0.0, bottom: 10.0, across: Some((100.0, 150.0)) };
        let page = set(vec![Row { text: "ab cd".to_owned(), place: Some(place) }]);
        assert_eq!(page.lines[0].words[1].bbox, BBox::new(130.0, 0.0, 150.0, 10.0));
        assert_eq!(page.lines[0].bbox, BBox::new(100.0, 0.0, 150.0, 10.0));
    }

    #[test]
    fn lines_without_a_place_share_the_room_between_their_neighbours() {
        let rows = vec![
            row("a", None),
            row("b", Some((40.0, 60.0))),
            row("c", None),
            row("d", None),
            row("e", Some((80.0, 90.0))),
            row("f", None),
        ];
        let edges: Vec<(f32, f32)> = set(rows).lines.iter().map(|line| (line.bbox.y0, line.bbox.y1)).collect();
        assert_eq!(edges, [(0.0, 40.0), (40.0, 60.0), (60.0, 70.0), (70.0, 80.0), (80.0, 90.0), (90.0, 1000.0)]);
        // Places that contradict the order of the lines are taken as they are.
        let rows = vec![row("a", Some((500.0, 520.0))), row("b", None), row("c", Some((10.0, 20.0)))];
        assert_eq!(set(rows).lines[1].bbox.height(), 0.0);
    }

    #[test]
    fn a_page_without_places_is_the_grid_of_plain_text() {
        let page = set(vec![row("", None), row("a b", None)]);
        assert_eq!((page.width, page.height), (480.0, 720.0));
        assert_eq!(page.lines[1].words[1], Word::new("b".to_owned(), BBox::new(12.0, 12.0, 18.0, 24.0)));
        assert!(page.lines[0].words.is_empty());
    }

    #[test]
    fn letters_are_composed_and_what_controls_a_terminal_is_left_out() {
        let page = set(vec![row("Mu\u{308}ller\u{1b}[31m", None)]);
        assert_eq!(page.lines[0].text, "Müller[31m");
    }

    #[test]
    fn what_is_too_much_is_named() {
        let too_much = |pages: usize, text: &str, lines: usize| {
            let mut setter = Setter::new("a reader", Origin::Text);
            let add = |_| setter.page(1, (1.0, 1.0), vec![row(text, None); lines]);
            (0..pages).try_for_each(add).unwrap_err().to_string()
        };
        assert!(too_much(MOST_PAGES + 1, "", 1).contains("more than 5000 pages"));
        assert!(too_much(2, &"a ".repeat(MOST_WORDS / 2 + 1), 1).contains("more than 500000 words"));
        assert!(too_much(1, "", MOST_LINES + 1).contains("more than 1000000 lines"));
    }

    #[test]
    fn a_word_that_is_too_long_goes_on_in_the_next() {
        let page = set(vec![row(&"x".repeat(25_000), None)]);
        let lengths: Vec<usize> = page.lines[0].words.iter().map(|word| word.text.len()).collect();
        assert_eq!(lengths, [10_000, 10_000, 5_000]);
    }
}
