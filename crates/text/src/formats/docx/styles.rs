//! What paragraphs look like: headings and numbers.

use std::collections::HashMap;

use crate::error::Error;
use crate::formats::xml::{Node, Source, Tag, Xml};

/// Levels of lists that are told apart.
const LEVELS: usize = 9;

/// Characters of a mark.
const LONGEST_MARK: usize = 40;

/// How far styles are followed to what they are based on.
const BASES: usize = 16;

/// What a paragraph, or its style, says of itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Looks {
    /// The style it has, or is based on.
    pub(super) style: Option<String>,
    /// Its level in the outline; body text has none.
    pub(super) outline: Option<u32>,
    /// Its list, 0 for none, and its level there.
    pub(super) list: Option<u32>,
    pub(super) level: Option<u32>,
    /// It begins a page.
    pub(super) on_new_page: Option<bool>,
}

impl Looks {
    /// Takes in a child of `w:pPr`, or a grandchild.
    pub(super) fn take(&mut self, tag: &Tag<'_>) {
        match tag.name() {
            "pStyle" | "basedOn" => self.style = tag.get("val"),
            "outlineLvl" => self.outline = tag.number("val"),
            "numId" => self.list = tag.number("val"),
            "ilvl" => self.level = tag.number("val"),
            "pageBreakBefore" => self.on_new_page = Some(tag.is_on()),
            _ => {}
        }
    }

    /// What it does not say itself, `base` does.
    fn or(self, base: &Self) -> Self {
        Self {
            style: base.style.clone(),
            outline: self.outline.or(base.outline),
            list: self.list.or(base.list),
            level: self.level.or(base.level),
            on_new_page: self.on_new_page.or(base.on_new_page),
        }
    }

    /// Whether it is a heading.
    pub(super) fn is_heading(&self) -> bool {
        self.outline.is_some_and(|level| (level as usize) < LEVELS)
    }
}

/// The styles of a document by their ids.
#[derive(Default)]
pub(super) struct Styles(HashMap<String, Looks>);

impl Styles {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Error> {
        let source = Source::new("styles.xml", bytes);
        let mut xml = source.read();
        let mut styles = HashMap::new();
        let mut style: Option<(String, Looks)> = None;
        loop {
            match xml.next()? {
                Node::Open(tag) if tag.name() == "style" => {
                    style = tag.get("styleId").map(|id| (id, Looks::default()));
                }
                Node::Open(tag) => {
                    if let Some((_, looks)) = &mut style {
                        match tag.name() {
                            "name" => {
                                // Templates of old have headings without a level in the outline.
                                let name = tag.get("val").unwrap_or_default().to_lowercase();
                                let level = name.strip_prefix("heading ").and_then(|level| level.parse::<u32>().ok());
                                let level =
                                    level.and_then(|level| level.checked_sub(1)).or((name == "title").then_some(0));
                                looks.outline = looks.outline.or(level);
                            }
                            _ => looks.take(&tag),
                        }
                    }
                }
                Node::Close(name) if name.as_str() == "style" => styles.extend(style.take()),
                Node::End => return Ok(Self(styles)),
                _ => {}
            }
        }
    }

    /// What a paragraph looks like with all its styles.
    pub(super) fn apply(&self, mut looks: Looks) -> Looks {
        for _ in 0..BASES {
            let Some(base) = looks.style.take().and_then(|style| self.0.get(&style)) else { break };
            looks = looks.or(base);
        }
        looks
    }
}

/// A level of a list.
#[derive(Clone, Debug)]
struct Level {
    format: String,
    text: String,
    start: u32,
}

impl Default for Level {
    fn default() -> Self {
        Self { format: "decimal".to_owned(), text: String::new(), start: 1 }
    }
}

/// The kind of a list, and where its levels begin if elsewhere than the kind says.
type List = (u32, HashMap<usize, u32>);

/// The lists of a document, and how far they have been counted.
#[derive(Default)]
pub(super) struct Numbering {
    kinds: HashMap<u32, Vec<Level>>,
    lists: HashMap<u32, List>,
    /// By kind, because lists of one kind are counted on. How far the level was counted; `None` before its first.
    counted: HashMap<u32, [Option<u32>; LEVELS]>,
    /// Lists whose own beginnings were used.
    begun: std::collections::HashSet<(u32, usize)>,
}

impl Numbering {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Error> {
        let source = Source::new("numbering.xml", bytes);
        let mut xml = source.read();
        let mut numbering = Self::default();
        loop {
            match xml.next()? {
                Node::Open(tag) if tag.name() == "abstractNum" => {
                    let id = tag.number("abstractNumId");
                    let levels = levels(&mut xml)?;
                    if let Some(id) = id {
                        numbering.kinds.insert(id, levels);
                    }
                }
                Node::Open(tag) if tag.name() == "num" => {
                    let id: Option<u32> = tag.number("numId");
                    let list = list(&mut xml)?;
                    if let (Some(id), Some(list)) = (id, list) {
                        numbering.lists.insert(id, list);
                    }
                }
                Node::End => return Ok(numbering),
                _ => {}
            }
        }
    }

    /// The mark of the next paragraph of a list, with a space behind it, and its level; `None` if there is no such list.
    pub(super) fn mark(&mut self, looks: &Looks) -> Option<(usize, String)> {
        let list = looks.list.filter(|list| *list > 0)?;
        let (kind, starts) = self.lists.get(&list)?;
        let levels = self.kinds.get(kind)?;
        let level = (looks.level.unwrap_or(0) as usize).min(LEVELS - 1);
        let counted = self.counted.entry(*kind).or_default();
        let start = |level: usize| {
            let start = levels.get(level).map_or(1, |level| level.start);
            starts.get(&level).copied().unwrap_or(start)
        };
        let begins_anew = starts.contains_key(&level) && self.begun.insert((list, level));
        counted[level] = match counted[level] {
            Some(count) if !begins_anew => Some(count.saturating_add(1)),
            _ => Some(start(level)),
        };
        counted[level + 1..].fill(None);
        let own = levels.get(level).cloned().unwrap_or_default();
        if own.format == "bullet" {
            return Some((level, "- ".to_owned()));
        }
        let mut text = own.text;
        for (index, count) in counted.iter().enumerate().take(level + 1) {
            let place = format!("%{}", index + 1);
            if text.contains(&place) {
                let format = levels.get(index).map_or("decimal", |level| level.format.as_str());
                text = text.replace(&place, &spelled(count.unwrap_or_else(|| start(index)), format));
            }
        }
        let mark = if text.trim().is_empty() { String::new() } else { format!("{} ", text.trim()) };
        Some((level, mark.chars().take(LONGEST_MARK).collect()))
    }
}

/// The levels of a kind of list, up to its end.
fn levels(xml: &mut Xml<'_>) -> Result<Vec<Level>, Error> {
    let within = xml.depth();
    let mut levels: Vec<Level> = Vec::new();
    while xml.depth() >= within {
        match xml.next()? {
            Node::Open(tag) if tag.name() == "lvl" => levels.push(Level::default()),
            Node::Open(tag) => match (tag.name(), levels.last_mut()) {
                ("numFmt", Some(level)) => level.format = tag.get("val").unwrap_or_default(),
                ("lvlText", Some(level)) => {
                    level.text = tag.get("val").unwrap_or_default().chars().take(LONGEST_MARK).collect();
                }
                ("start", Some(level)) => level.start = tag.number("val").unwrap_or(1),
                _ => {}
            },
            Node::End => break,
            _ => {}
        }
    }
    Ok(levels)
}

/// A list: its kind and where its levels begin.
fn list(xml: &mut Xml<'_>) -> Result<Option<List>, Error> {
    let within = xml.depth();
    let (mut kind, mut level, mut starts) = (None, 0, HashMap::new());
    while xml.depth() >= within {
        match xml.next()? {
            Node::Open(tag) => match tag.name() {
                "abstractNumId" => kind = tag.number("val"),
                "lvlOverride" => level = tag.number("ilvl").unwrap_or(0),
                "startOverride" if level < LEVELS => drop(starts.insert(level, tag.number("val").unwrap_or(1))),
                _ => {}
            },
            Node::End => break,
            _ => {}
        }
    }
    Ok(kind.map(|kind| (kind, starts)))
}

/// A number as a list writes it.
fn spelled(number: u32, format: &str) -> String {
    match format {
        "lowerLetter" => letters(number, b'a'),
        "upperLetter" => letters(number, b'A'),
        "lowerRoman" => roman(number).to_lowercase(),
        "upperRoman" => roman(number),
        "decimalZero" => format!("{number:02}"),
        "none" => String::new(),
        _ => number.to_string(),
    }
}

/// a, b, …, z, aa, bb, …
fn letters(number: u32, first: u8) -> String {
    const MOST: usize = 8;
    let Some(index) = number.checked_sub(1) else { return number.to_string() };
    let letter = char::from(first + (index % 26) as u8);
    std::iter::repeat_n(letter, ((index / 26) as usize + 1).min(MOST)).collect()
}

fn roman(mut number: u32) -> String {
    const SIGNS: [(u32, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    if number == 0 || number > 3999 {
        return number.to_string();
    }
    let mut text = String::new();
    for (value, sign) in SIGNS {
        while number >= value {
            text.push_str(sign);
            number -= value;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spelled_as_lists_write_them() {
        let spelled = |number| ["lowerRoman", "upperLetter", "decimalZero", "decimal"].map(|f| spelled(number, f));
        assert_eq!(spelled(4), ["iv", "D", "04", "4"]);
        assert_eq!(spelled(28), ["xxviii", "BB", "28", "28"]);
        assert_eq!(spelled(u32::MAX)[1].len(), 8);
    }
}
