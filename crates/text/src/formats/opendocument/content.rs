//! The content of an OpenDocument file in its order.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::config::Limits;
use crate::error::Error;
use crate::formats::flow::{Flow, Sheet};
use crate::formats::xml::{Node, Source, Xml};

/// Columns that a level of a list is indented by.
const INDENT: usize = 2;

/// Spaces that stand for one element.
const SPACES: usize = 100;

/// What is known while a file is read.
pub(super) struct Reading<'a> {
    pub(super) limits: &'a Limits,
    /// Texts of notes in the order in which they are referred to.
    pub(super) notes: Vec<String>,
    pub(super) pictures: usize,
    /// Levels of lists, by the names of their styles, that are counted.
    numbered: HashSet<(String, u32)>,
    /// Styles of paragraphs that begin a page.
    on_new_page: HashSet<String>,
    /// Styles of sheets that are not shown.
    hidden: HashSet<String>,
    /// The lists that are open: the style, and how far each was counted.
    lists: Vec<(String, u32)>,
    /// Sheets that were passed over because they are hidden; they follow at the end.
    later: Vec<(String, Sheet)>,
    has_sheets: bool,
}

/// Where content goes: onto pages, or into the text of a cell.
pub(super) enum Out<'o, 'a, 'p> {
    Flow(&'o mut Flow<'a, 'p>),
    Text(&'o mut String),
}

impl<'a> Reading<'a> {
    pub(super) fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            notes: Vec::new(),
            pictures: 0,
            numbered: HashSet::new(),
            on_new_page: HashSet::new(),
            hidden: HashSet::new(),
            lists: Vec::new(),
            later: Vec::new(),
            has_sheets: false,
        }
    }

    /// The texts of headers and footers, each once.
    pub(super) fn beside(&mut self, source: &Source<'_>) -> Result<(Vec<String>, Vec<String>), Error> {
        let mut xml = source.read();
        let mut texts: HashMap<bool, Vec<String>> = HashMap::new();
        let mut seen = BTreeSet::new();
        loop {
            match xml.next()? {
                Node::Open(tag) if matches!(tag.name(), "header" | "footer" | "header-first" | "footer-first") => {
                    let is_header = tag.name().starts_with("header");
                    let mut text = String::new();
                    self.blocks(&mut xml, &mut Out::Text(&mut text))?;
                    if !text.trim().is_empty() && seen.insert(text.clone()) {
                        texts.entry(is_header).or_default().push(text.trim_end().to_owned());
                    }
                }
                Node::End => {
                    let mut taken = |is_header| texts.remove(&is_header).unwrap_or_default();
                    return Ok((taken(true), taken(false)));
                }
                _ => {}
            }
        }
    }

    /// Sets the document.
    pub(super) fn document(&mut self, source: &Source<'_>, flow: &mut Flow<'_, '_>) -> Result<(), Error> {
        let mut xml = source.read();
        loop {
            match xml.next()? {
                Node::Open(tag) if tag.name() == "automatic-styles" => self.styles(&mut xml)?,
                Node::Open(tag) if tag.name() == "body" => self.blocks(&mut xml, &mut Out::Flow(flow))?,
                Node::End => break,
                _ => {}
            }
        }
        for (name, sheet) in std::mem::take(&mut self.later) {
            self.sheet(&name, sheet, flow)?;
            let page = flow.number();
            flow.pages().warn(format!("the sheet {name:?} that ends on page {page} is hidden in the spreadsheet"));
        }
        if self.has_sheets {
            flow.keep_page();
        }
        Ok(())
    }

    /// What the styles of this file say that matters to its text.
    fn styles(&mut self, xml: &mut Xml<'_>) -> Result<(), Error> {
        let within = xml.depth();
        let mut style = String::new();
        while xml.depth() >= within {
            match xml.next()? {
                Node::Open(tag) => match tag.name() {
                    "style" | "list-style" => style = tag.get("name").unwrap_or_default(),
                    "list-level-style-number" if tag.get("num-format").is_some_and(|format| !format.is_empty()) => {
                        self.numbered.insert((style.clone(), tag.number("level").unwrap_or(1)));
                    }
                    "paragraph-properties" if tag.get("break-before").is_some_and(|at| at == "page") => {
                        self.on_new_page.insert(style.clone());
                    }
                    "table-properties" if tag.get("display").is_some_and(|display| display == "false") => {
                        self.hidden.insert(style.clone());
                    }
                    _ => {}
                },
                Node::End => break,
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads the rest of an element that was just opened and holds paragraphs, lists and tables.
    pub(super) fn blocks(&mut self, xml: &mut Xml<'_>, out: &mut Out<'_, '_, '_>) -> Result<(), Error> {
        let within = xml.depth();
        let mut is_first = true;
        while xml.depth() >= within {
            let tag = match xml.next()? {
                Node::Open(tag) => tag,
                Node::End => break,
                _ => continue,
            };
            match tag.name() {
                name @ ("p" | "h") => {
                    let (is_heading, style) = (name == "h", tag.get("style-name").unwrap_or_default());
                    let (mut text, mut boxes) = (String::new(), Vec::new());
                    self.inline(xml, &mut text, &mut boxes)?;
                    let mark = if is_first { self.mark() } else { String::new() };
                    is_first = false;
                    self.set(&text, is_heading, &style, &mark, out)?;
                    for text in boxes {
                        self.set(&text, false, "", "", out)?;
                    }
                }
                "list" => {
                    let outer = self.lists.first().map(|(style, _)| style.clone());
                    let style = tag.get("style-name").or(outer).unwrap_or_default();
                    self.lists.push((style, 0));
                    let outcome = self.blocks(xml, out);
                    self.lists.pop();
                    outcome?;
                }
                "list-item" => {
                    if let Some((_, count)) = self.lists.last_mut() {
                        *count = count.saturating_add(1);
                    }
                    self.blocks(xml, out)?;
                }
                "table" => {
                    let name = tag.get("name").unwrap_or_default();
                    let is_hidden = tag.get("style-name").is_some_and(|style| self.hidden.contains(&style));
                    let sheet = self.table(xml)?;
                    match out {
                        Out::Text(text) => {
                            text.push_str(&sheet.flat());
                            text.push('\n');
                        }
                        Out::Flow(_) if self.has_sheets && is_hidden => self.later.push((name, sheet)),
                        Out::Flow(flow) if self.has_sheets => self.sheet(&name, sheet, flow)?,
                        Out::Flow(flow) => match sheet.frame() {
                            Some(text) => flow.paragraph(text)?,
                            None => flow.table(sheet)?,
                        },
                    }
                }
                "spreadsheet" => self.has_sheets = true,
                "soft-page-break" => {
                    if let Out::Flow(flow) = out {
                        flow.page_break()?;
                    }
                }
                "image" => self.pictures += 1,
                // What was deleted, what was remarked, what a form's controls are.
                "tracked-changes" | "annotation" | "forms" | "content-validations" | "named-expressions" => {
                    xml.skip()?
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A sheet begins a page with its name.
    fn sheet(&mut self, name: &str, sheet: Sheet, flow: &mut Flow<'_, '_>) -> Result<(), Error> {
        flow.page_break()?;
        flow.heading(name)?;
        flow.table(sheet)
    }

    /// The mark of the item that begins.
    fn mark(&self) -> String {
        let Some((style, count)) = self.lists.last() else { return String::new() };
        let level = u32::try_from(self.lists.len()).unwrap_or(u32::MAX);
        if self.numbered.contains(&(style.clone(), level)) { format!("{count}. ") } else { "- ".to_owned() }
    }

    fn set(
        &mut self,
        text: &str,
        is_heading: bool,
        style: &str,
        mark: &str,
        out: &mut Out<'_, '_, '_>,
    ) -> Result<(), Error> {
        match out {
            Out::Text(whole) => {
                for piece in [mark, text, "\n"] {
                    whole.push_str(piece);
                }
                Ok(())
            }
            Out::Flow(flow) => {
                if self.on_new_page.contains(style) {
                    flow.page_break()?;
                }
                if is_heading {
                    return flow.heading(text);
                }
                flow.item(self.lists.len().saturating_sub(1) * INDENT, mark, text)
            }
        }
    }

    /// Reads the rest of a paragraph, or of a part of one, that was just opened.
    fn inline(&mut self, xml: &mut Xml<'_>, text: &mut String, boxes: &mut Vec<String>) -> Result<(), Error> {
        let within = xml.depth();
        while xml.depth() >= within {
            match xml.next()? {
                // White space is as in HTML: what is meant stands as an element.
                Node::Text(piece) => {
                    for character in piece.chars() {
                        let is_space = matches!(character, ' ' | '\t' | '\n' | '\r');
                        if !is_space {
                            text.push(character);
                        } else if !text.is_empty() && !text.ends_with([' ', '\n', '\t']) {
                            text.push(' ');
                        }
                    }
                }
                Node::Open(tag) => match tag.name() {
                    "s" => text.extend(std::iter::repeat_n(' ', tag.number("c").unwrap_or(1).min(SPACES))),
                    "tab" => text.push('\t'),
                    "line-break" => text.push('\n'),
                    "note" => self.note(xml, text)?,
                    "text-box" => {
                        let mut inner = String::new();
                        self.blocks(xml, &mut Out::Text(&mut inner))?;
                        boxes.push(inner.trim_end().to_owned());
                    }
                    "image" => self.pictures += 1,
                    "annotation" | "ruby-text" | "object" => xml.skip()?,
                    _ => {}
                },
                Node::End => break,
                Node::Close(_) => {}
            }
        }
        Ok(())
    }

    fn note(&mut self, xml: &mut Xml<'_>, text: &mut String) -> Result<(), Error> {
        let within = xml.depth();
        while xml.depth() >= within {
            match xml.next()? {
                Node::Open(tag) if tag.name() == "note-body" => {
                    let mut note = String::new();
                    self.blocks(xml, &mut Out::Text(&mut note))?;
                    self.notes.push(note.trim().to_owned());
                    text.push_str(&format!("[{}]", self.notes.len()));
                }
                Node::End => break,
                _ => {}
            }
        }
        Ok(())
    }
}
