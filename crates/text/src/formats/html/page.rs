//! Sets a web page as its tags come, without a tree of them.

use html5gum::StartTag;

use super::table::Table;
use super::tag::{self, Kind};
use crate::error::{Error, Limit};
use crate::formats::flow::Flow;

/// Tables and lists within each other.
const DEPTH: u32 = 256;

/// Columns that a level of a list or a quote is indented by.
const INDENT: usize = 2;

/// A page that is being set.
pub(super) struct Setting<'f, 'a, 'p> {
    pub(super) flow: &'f mut Flow<'a, 'p>,
    /// What stands on lines of its own and has not ended.
    text: String,
    /// The mark of an item that begins with it.
    mark: String,
    /// The lists that are open, and how far those that count have.
    lists: Vec<Option<u32>>,
    /// How many quotes and preformatted texts are open.
    quotes: usize,
    preformatted: usize,
    pub(super) tables: Vec<Table>,
    /// The element that is not read, and how many of its name are open within it.
    unread: Option<(String, u32)>,
}

impl<'f, 'a, 'p> Setting<'f, 'a, 'p> {
    pub(super) fn new(flow: &'f mut Flow<'a, 'p>) -> Self {
        Self {
            flow,
            text: String::new(),
            mark: String::new(),
            lists: Vec::new(),
            quotes: 0,
            preformatted: 0,
            tables: Vec::new(),
            unread: None,
        }
    }

    /// Takes a tag that opens.
    pub(super) fn open(&mut self, tag: &StartTag<()>) -> Result<(), Error> {
        let name = String::from_utf8_lossy(&tag.name);
        let kind = tag::kind(&name);
        if let Some((unread, depth)) = &mut self.unread {
            // A paragraph ends where another block begins, and a head where something begins that is none of it.
            let ends = match unread.as_str() {
                "p" => !matches!(kind, Kind::Inline | Kind::Break),
                "head" => !tag::is_of_head(&name),
                _ => false,
            };
            if !ends {
                *depth += u32::from(*unread == name && !tag.self_closing);
                return Ok(());
            }
            self.unread = None;
        }
        let is_void = tag::is_void(&name);
        if kind == Kind::Unread || tag::is_hidden(tag) {
            // Only drawings may be empty without an end; elsewhere the slash is ignored.
            let is_whole = is_void || tag.self_closing && name == "svg";
            if !is_whole {
                self.unread = Some((name.into_owned(), 1));
            }
            return Ok(());
        }
        match kind {
            Kind::Block { apart } => self.block(apart)?,
            Kind::List { ordered } => {
                self.block(self.lists.is_empty())?;
                if self.lists.len() as u32 >= DEPTH {
                    return Err(Limit::Depth(DEPTH).into());
                }
                let start = tag::attribute(tag, "start").and_then(|start| start.parse::<u32>().ok()).unwrap_or(1);
                self.lists.push(ordered.then(|| start.saturating_sub(1)));
            }
            Kind::Item => {
                self.block(false)?;
                self.mark = match self.lists.last_mut() {
                    Some(Some(count)) => {
                        *count = count.saturating_add(1);
                        format!("{count}. ")
                    }
                    _ => "- ".to_owned(),
                };
            }
            Kind::Quote => {
                self.block(name == "blockquote")?;
                self.quotes += 1;
            }
            Kind::Preformatted => {
                self.block(true)?;
                self.preformatted += 1;
            }
            Kind::Table => {
                self.block(false)?;
                if self.tables.len() as u32 >= DEPTH {
                    return Err(Limit::Depth(DEPTH).into());
                }
                self.begin_table()?;
            }
            Kind::Row => self.begin_row()?,
            Kind::Cell => self.begin_cell(tag)?,
            Kind::Break => self.text.push('\n'),
            Kind::Inline => self.text.extend(tag::shown(&name, tag)),
            Kind::Unread => {}
        }
        Ok(())
    }

    /// Takes a tag that closes.
    pub(super) fn close(&mut self, name: &str) -> Result<(), Error> {
        if let Some((unread, depth)) = &mut self.unread {
            if unread == name {
                *depth -= 1;
                if *depth == 0 {
                    self.unread = None;
                }
            }
            return Ok(());
        }
        match tag::kind(name) {
            Kind::Block { apart } => self.block(apart)?,
            Kind::Item => self.block(false)?,
            Kind::List { .. } => {
                self.block(self.lists.len() == 1)?;
                self.lists.pop();
                self.mark.clear();
            }
            Kind::Quote => {
                self.block(name == "blockquote")?;
                self.quotes = self.quotes.saturating_sub(1);
            }
            Kind::Preformatted => {
                self.block(true)?;
                self.preformatted = self.preformatted.saturating_sub(1);
            }
            Kind::Table => self.end_table()?,
            Kind::Row => self.end_row()?,
            Kind::Cell => self.end_cell()?,
            Kind::Break | Kind::Inline | Kind::Unread => {}
        }
        Ok(())
    }

    /// Takes text: white space is one space, unless it is meant.
    pub(super) fn text(&mut self, text: &str) {
        if self.unread.is_some() {
            return;
        }
        for character in text.chars() {
            match character {
                '\r' => {}
                ' ' | '\n' | '\t' | '\u{c}' if self.preformatted == 0 => {
                    if !self.text.is_empty() && !self.text.ends_with([' ', '\n']) {
                        self.text.push(' ');
                    }
                }
                '\u{a0}' => self.text.push(' '),
                // Where a word may be broken, which is not ours to do.
                '\u{ad}' | '\u{200b}' | '\u{feff}' | '\u{34f}' => {}
                character => self.text.push(character),
            }
        }
    }

    /// Ends what stands on lines of its own, with space behind it.
    pub(super) fn block(&mut self, apart: bool) -> Result<(), Error> {
        let text = std::mem::take(&mut self.text);
        let text = if self.preformatted > 0 { text.trim_matches('\n') } else { text.trim() };
        if !text.trim().is_empty() {
            let mark = std::mem::take(&mut self.mark);
            if let Some(cell) = self.tables.last_mut().and_then(Table::cell) {
                for piece in [&mark, text, "\n"] {
                    cell.push_str(piece);
                }
            } else {
                let depth = self.lists.len().saturating_sub(1) + self.quotes;
                self.flow.item(depth * INDENT, &mark, text)?;
            }
        }
        if apart && self.tables.last_mut().and_then(Table::cell).is_none() {
            self.flow.gap();
        }
        Ok(())
    }

    /// Ends the page, and whatever it has left open.
    pub(super) fn end(mut self) -> Result<(), Error> {
        while !self.tables.is_empty() {
            self.end_table()?;
        }
        self.block(false)
    }
}
