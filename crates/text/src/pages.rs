//! What readers write to: pages, one by one, counted while they are read, so that too much is never held.

use protocol::document::{Line, Page, PageFailure};

use crate::config::Limits;
use crate::error::{Error, Limit};
use crate::formats::Budget;
use crate::range::PageRange;
use crate::wire::{Said, Scan, Summary};

/// No word is longer, in characters; what is longer is read as several. No word of any language comes near, while data
/// that was put into a document as letters does.
pub(crate) const LONGEST_WORD: usize = 10_000;

/// What a word takes in the answer besides its letters: keys, quotes and four numbers.
const WORD_OVERHEAD: usize = 56;

/// What a line takes in the answer besides its text and words.
const LINE_OVERHEAD: usize = 64;

/// What a block takes in the answer besides its spans.
const BLOCK_OVERHEAD: usize = 60;

/// What a span takes in the answer.
const SPAN_SIZE: usize = 12;

/// What a cell takes in the answer besides its text.
const CELL_OVERHEAD: usize = 90;

/// Hears what a child has to say, in the order in which it says it.
pub(crate) type Hear<'a> = dyn FnMut(Said) -> Result<(), Error> + 'a;

/// The pages of one document, from its reader to its parent process.
pub(crate) struct Pages<'a> {
    limits: &'a Limits,
    wanted: Option<&'a PageRange>,
    /// The first page that is read; those before were read already.
    from: u32,
    hear: &'a mut Hear<'a>,
    words: usize,
    bytes: usize,
    budget: Budget,
    /// What is being read is part of a larger document, whose pages before it are so many, and is called so.
    within: Option<(u32, String)>,
    /// The highest number of a page that there is.
    last: u32,
    summary: Summary,
}

impl<'a> Pages<'a> {
    pub(crate) fn new(limits: &'a Limits, wanted: Option<&'a PageRange>, from: u32, hear: &'a mut Hear<'a>) -> Self {
        let budget = Budget::new(limits.inflated_bytes);
        let summary = Summary::default();
        Self { limits, wanted, from, hear, words: 0, bytes: 0, budget, within: None, last: 0, summary }
    }

    /// What one document may cost.
    pub(crate) const fn limits(&self) -> &'a Limits {
        self.limits
    }

    /// What may still be inflated.
    pub(crate) fn budget(&self) -> Budget {
        self.budget.clone()
    }

    /// Has a part of the document read by whoever reads such parts, which knows nothing of the pages before it: they are
    /// numbered on, and its warnings say whose they are.
    pub(crate) fn part(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        let outer = self.within.take();
        let whole = outer.as_ref().map_or_else(|| name.to_owned(), |(_, outer)| format!("{outer}: {name}"));
        self.within = Some((self.last, whole));
        let outcome = read(self);
        self.within = outer;
        outcome
    }

    /// The number that the last page has so far, in the whole document.
    pub(crate) const fn last(&self) -> u32 {
        self.last
    }

    /// What number a page has in the whole document.
    fn numbered(&self, number: u32) -> u32 {
        self.within.as_ref().map_or(number, |(before, _)| before.saturating_add(number))
    }

    fn note(&mut self, number: u32) -> Result<(), Error> {
        self.last = self.last.max(number);
        if number > self.limits.pages { Err(Limit::Pages(self.limits.pages).into()) } else { Ok(()) }
    }

    /// Says how many pages there are, by a reader that can begin with any of them: it is then asked to go on behind a page
    /// that it fell over.
    pub(crate) fn count(&mut self, pages: u32) -> Result<(), Error> {
        self.note(self.numbered(pages))?;
        // Of a part this is not known of the whole.
        if self.within.is_some() { Ok(()) } else { (self.hear)(Said::Count(pages)) }
    }

    /// Whether a page is to be read.
    pub(crate) fn wants(&self, number: u32) -> bool {
        let number = self.numbered(number);
        number >= self.from && self.wanted.is_none_or(|wanted| wanted.holds(number))
    }

    /// Says that a page is being read, so that the parent knows where an end came.
    pub(crate) fn begin(&mut self, number: u32) -> Result<(), Error> {
        let number = self.numbered(number);
        (self.hear)(Said::Begin(number))
    }

    /// Takes a page that was read. Leaves out one that is not wanted.
    pub(crate) fn add(&mut self, page: Page) -> Result<(), Error> {
        self.take(page, None)
    }

    /// Takes a page whose picture should be read as well, because its text is missing or not to be trusted.
    pub(crate) fn add_scan(&mut self, page: Page, why: Scan) -> Result<(), Error> {
        self.take(page, Some(why))
    }

    fn take(&mut self, mut page: Page, scan: Option<Scan>) -> Result<(), Error> {
        let number = self.numbered(page.number);
        self.note(number)?;
        if !self.wants(page.number) {
            return Ok(());
        }
        if !has_size(&page) {
            return self.fail(page, &Error::corrupt("the page has no size"));
        }
        page.number = number;
        self.words += page.lines.iter().map(|line| line.words.len()).sum::<usize>();
        self.bytes += page.lines.iter().map(weight).sum::<usize>() + weight_of_views(&page);
        let too_much = |limit| Err(Error::TooComplex { limit, page: Some(number) });
        if self.words > self.limits.words as usize {
            return too_much(Limit::Words(self.limits.words));
        }
        if self.bytes as u64 > self.limits.output_bytes {
            return too_much(Limit::OutputBytes(self.limits.output_bytes));
        }
        (self.hear)(Said::Page { page: Box::new(page), scan })
    }

    /// Takes a page that cannot be read; `page` has its number and, if known, its size.
    pub(crate) fn fail(&mut self, mut page: Page, error: &Error) -> Result<(), Error> {
        page.number = self.numbered(page.number);
        self.note(page.number)?;
        if !has_size(&page) {
            page = Page { number: page.number, ..Page::default() };
        }
        let failure = PageFailure { page: page.number, code: error.code().to_owned(), message: error.to_string() };
        (self.hear)(Said::Failed { page: Box::new(page), failure })
    }

    /// Adds what a person should know about the reading, a sentence.
    pub(crate) fn warn(&mut self, sentence: impl Into<String>) {
        const MOST: usize = 100;
        if self.summary.warnings.len() < MOST {
            let sentence = sentence.into();
            let named = self.within.as_ref().map(|(_, name)| format!("{name}: {sentence}"));
            self.summary.warnings.push(named.unwrap_or(sentence));
        }
    }

    /// What is said at the end.
    pub(crate) fn summary(self, reader: &str, media_type: &str) -> Summary {
        Summary { reader: reader.to_owned(), media_type: media_type.to_owned(), ..self.summary }
    }
}

/// About how many bytes the reading order and the tables of a page take in the answer.
fn weight_of_views(page: &Page) -> usize {
    let blocks = page.blocks.iter().map(|block| BLOCK_OVERHEAD + block.spans.len() * SPAN_SIZE).sum::<usize>();
    let cells = page.tables.iter().flat_map(|table| &table.rows).flat_map(|row| &row.cells);
    blocks + cells.map(|cell| CELL_OVERHEAD + cell.text.len()).sum::<usize>()
}

/// Whether its size is a number. JSON has no infinity: a page as large as that could not be told of.
const fn has_size(page: &Page) -> bool {
    page.width.is_finite() && page.height.is_finite()
}

/// About how many bytes a line takes in the answer.
fn weight(line: &Line) -> usize {
    let words = line.words.iter().map(|word| word.text.len() + WORD_OVERHEAD).sum::<usize>();
    LINE_OVERHEAD + line.text.len() + words
}
