//! Sets what flows, paragraphs and tables, on pages of the grid that plain text has too.

use protocol::document::{BBox, Block, Page, Span};

use super::grid::{LINES, expand, line, x, y};
use super::wrap::wrap;
use crate::error::Error;
use crate::pages::Pages;
use crate::unicode::normalise;

mod table;

pub(super) use table::{Entry, Sheet};

/// Columns of a page; longer lines of paragraphs go on in the next.
pub(super) const WIDTH: usize = 100;

/// How far something may be indented, so that some of the page is left.
const DEEPEST_INDENT: usize = 40;

/// Sets content page by page; a page that is full is gone to whoever takes [`Pages`].
pub(super) struct Flow<'a, 'p> {
    pages: &'a mut Pages<'p>,
    page: Page,
    /// A blank line comes before what follows, unless it begins a page.
    gap: bool,
    /// The page is said even if nothing is on it.
    kept: bool,
}

impl<'a, 'p> Flow<'a, 'p> {
    pub(super) fn new(pages: &'a mut Pages<'p>) -> Self {
        Self { pages, page: blank(1), gap: false, kept: false }
    }

    /// Where warnings go.
    pub(super) fn pages(&mut self) -> &mut Pages<'p> {
        self.pages
    }

    /// A blank line before what follows, however often it is asked for.
    pub(super) const fn gap(&mut self) {
        self.gap = true;
    }

    /// A paragraph. A line feed within it ends a line, a tab goes to the next multiple of eight columns.
    pub(super) fn paragraph(&mut self, text: &str) -> Result<(), Error> {
        self.item(0, "", text)
    }

    /// A heading: a paragraph apart from what is before it.
    pub(super) fn heading(&mut self, text: &str) -> Result<(), Error> {
        self.gap();
        self.paragraph(text)?;
        self.gap();
        Ok(())
    }

    /// A paragraph that is indented by so many columns behind its mark: `- `, `1. `.
    pub(super) fn item(&mut self, indent: usize, mark: &str, text: &str) -> Result<(), Error> {
        let text = normalise(text);
        if text.trim().is_empty() {
            self.gap();
            return Ok(());
        }
        let indent = indent.min(DEEPEST_INDENT);
        let hanging = indent + mark.chars().count().min(DEEPEST_INDENT);
        let mut is_first = true;
        let mut spans = Vec::new();
        for hard in text.lines() {
            for piece in wrap(&expand(hard), WIDTH - hanging) {
                let begin = if is_first { format!("{}{mark}", " ".repeat(indent)) } else { " ".repeat(hanging) };
                is_first = false;
                if self.page.lines.len() == LINES {
                    self.block(&mut spans);
                    self.end_page()?;
                }
                self.put_gap(1);
                spans.extend(self.put(&format!("{begin}{piece}")));
            }
        }
        self.block(&mut spans);
        Ok(())
    }

    /// What follows stands on a new page, if something is on this one.
    pub(super) fn page_break(&mut self) -> Result<(), Error> {
        if self.page.lines.is_empty() { Ok(()) } else { self.end_page() }
    }

    /// The page begins something that has a page of its own, a slide, a sheet: it is said even if it stays empty.
    pub(super) const fn keep_page(&mut self) {
        self.kept = true;
    }

    /// The page that is being set.
    pub(super) const fn number(&self) -> u32 {
        self.page.number
    }

    /// The last page. A document without content has one all the same.
    pub(super) fn end(mut self) -> Result<(), Error> {
        if self.page.lines.is_empty() && self.page.number > 1 && !self.kept {
            return Ok(());
        }
        self.end_page()
    }

    /// Ends the page, whatever is on it.
    pub(super) fn end_page(&mut self) -> Result<(), Error> {
        let next = blank(self.page.number.saturating_add(1));
        let mut page = std::mem::replace(&mut self.page, next);
        page.width = page.lines.iter().map(|line| line.bbox.x1).fold(x(WIDTH), f32::max);
        (self.gap, self.kept) = (false, false);
        self.pages.add(page)
    }

    fn put_gap(&mut self, behind: usize) {
        let is_apart = self.page.lines.last().is_none_or(|line| line.words.is_empty());
        if self.gap && !is_apart && self.page.lines.len() + behind < LINES {
            self.put("");
        }
        self.gap = false;
    }

    /// Puts a line; its words, if there are any.
    fn put(&mut self, text: &str) -> Option<Span> {
        let index = self.page.lines.len();
        let line = line(index, text.trim_end());
        let (index, to) =
            (u32::try_from(index).unwrap_or(u32::MAX), u32::try_from(line.words.len()).unwrap_or(u32::MAX));
        self.page.lines.push(line);
        (to > 0).then_some(Span { line: index, from: 0, to })
    }

    /// Ends a block of those lines.
    fn block(&mut self, spans: &mut Vec<Span>) {
        let boxes = spans.iter().filter_map(|span| Some(self.page.lines.get(span.line as usize)?.bbox));
        if let Some(bbox) = BBox::around(boxes) {
            self.page.blocks.push(Block { bbox, spans: std::mem::take(spans) });
        }
    }
}

fn blank(number: u32) -> Page {
    Page { number, height: y(LINES), ..Page::default() }
}

#[cfg(test)]
mod tests;
