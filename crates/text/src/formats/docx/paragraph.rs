//! A paragraph: its letters, and what hangs on it.

use super::body::Reading;
use super::styles::Looks;
use crate::error::Error;
use crate::formats::xml::{Node, Tag, Xml};

/// Where a page ends, within the text of a paragraph.
pub(super) const PAGE_END: char = '\u{c}';

/// A paragraph as it is read.
#[derive(Default)]
pub(super) struct Paragraph {
    pub(super) text: String,
    pub(super) looks: Looks,
    /// The texts of boxes that hang on it.
    pub(super) boxes: Vec<String>,
    /// What follows stands on a new page.
    pub(super) ends_section: bool,
}

impl Reading<'_> {
    /// Reads the rest of a paragraph that was just opened.
    pub(super) fn paragraph(&mut self, xml: &mut Xml<'_>) -> Result<Paragraph, Error> {
        let mut paragraph = Paragraph::default();
        self.inline(xml, &mut paragraph)?;
        paragraph.looks = self.styles.apply(std::mem::take(&mut paragraph.looks));
        Ok(paragraph)
    }

    /// Reads what an element of a paragraph has within it: runs, links, fields, and more of the same.
    fn inline(&mut self, xml: &mut Xml<'_>, paragraph: &mut Paragraph) -> Result<(), Error> {
        let within = xml.depth();
        let mut is_hidden = false;
        while xml.depth() >= within {
            let tag = match xml.next()? {
                Node::Open(tag) => tag,
                Node::End => break,
                _ => continue,
            };
            match tag.name() {
                "pPr" => properties(xml, paragraph)?,
                "rPr" => is_hidden = is_hidden_run(xml)?,
                "t" => {
                    let text = xml.text()?;
                    if !is_hidden {
                        paragraph.text.push_str(&text);
                    }
                }
                // Deleted, moved away, commented on; the other version of what was read; how something is pronounced.
                "del" | "moveFrom" | "sdtPr" | "Fallback" | "rt" | "delText" | "instrText" => xml.skip()?,
                "AlternateContent" => self.alternative(xml, paragraph)?,
                "txbxContent" => {
                    let text = self.text(xml)?;
                    if !is_hidden {
                        paragraph.boxes.push(text);
                    }
                }
                "footnoteReference" | "endnoteReference" if !is_hidden => self.refer(&tag, paragraph),
                "blip" | "imagedata" => self.pictures += 1,
                name => {
                    let text = if is_hidden { None } else { sign(name, &tag) };
                    match text {
                        // Word notes where pages ended behind where it was told to end them.
                        Some(PAGE_END) if paragraph.text.ends_with(PAGE_END) => {}
                        Some(sign) => paragraph.text.push(sign),
                        // A run may be hidden, and what is beside it not.
                        None if matches!(name, "r" | "hyperlink" | "ins" | "smartTag" | "sdt" | "sdtContent") => {
                            self.inline(xml, paragraph)?;
                        }
                        None => {}
                    }
                }
            }
        }
        Ok(())
    }

    /// The first of several versions of the same.
    fn alternative(&mut self, xml: &mut Xml<'_>, paragraph: &mut Paragraph) -> Result<(), Error> {
        let within = xml.depth();
        let mut is_read = false;
        while xml.depth() >= within {
            match xml.next()? {
                Node::Open(_) if is_read => xml.skip()?,
                Node::Open(_) => {
                    is_read = true;
                    self.inline(xml, paragraph)?;
                }
                Node::End => break,
                _ => {}
            }
        }
        Ok(())
    }
}

/// A letter that is an element.
fn sign(name: &str, tag: &Tag<'_>) -> Option<char> {
    match name {
        "tab" | "ptab" => Some('\t'),
        "cr" => Some('\n'),
        "br" => Some(if tag.get("type").is_some_and(|kind| kind == "page") { PAGE_END } else { '\n' }),
        "lastRenderedPageBreak" => Some(PAGE_END),
        "noBreakHyphen" => Some('-'),
        "sym" => symbol(&tag.get("char")?),
        _ => None,
    }
}

/// Letters of the fonts of symbols that mean something in a form: ticked or not.
fn symbol(code: &str) -> Option<char> {
    match u32::from_str_radix(code, 16).ok()? {
        0xf0a8 | 0xf06f | 0xf071 => Some('☐'),
        0xf0fe | 0xf0fd | 0xf078 | 0xf053 | 0xf054 => Some('☒'),
        0xf052 => Some('☑'),
        0xf0fc => Some('✓'),
        0xf0b7 | 0xf0a7 => Some('•'),
        0xf0e0 => Some('→'),
        // Only the font knows.
        0xe000..=0xf8ff => None,
        code => char::from_u32(code),
    }
}

/// Whether a run is not to be seen, by its properties.
fn is_hidden_run(xml: &mut Xml<'_>) -> Result<bool, Error> {
    let within = xml.depth();
    let mut is_hidden = false;
    while xml.depth() >= within {
        match xml.next()? {
            Node::Open(tag) if tag.name() == "vanish" => is_hidden = tag.is_on(),
            Node::End => break,
            _ => {}
        }
    }
    Ok(is_hidden)
}

/// The properties of a paragraph.
fn properties(xml: &mut Xml<'_>, paragraph: &mut Paragraph) -> Result<(), Error> {
    let within = xml.depth();
    while xml.depth() >= within {
        match xml.next()? {
            Node::Open(tag) => match tag.name() {
                // How it was before a change; what its mark looks like.
                "pPrChange" | "rPr" => xml.skip()?,
                "sectPr" => paragraph.ends_section = ends_page(xml)?,
                _ => paragraph.looks.take(&tag),
            },
            Node::End => break,
            _ => {}
        }
    }
    Ok(())
}

/// Whether the section behind the one with these properties begins on a new page.
fn ends_page(xml: &mut Xml<'_>) -> Result<bool, Error> {
    let within = xml.depth();
    let mut is_continuous = false;
    while xml.depth() >= within {
        match xml.next()? {
            Node::Open(tag) if tag.name() == "type" => {
                is_continuous = tag.get("val").is_some_and(|kind| kind == "continuous");
            }
            Node::End => break,
            _ => {}
        }
    }
    Ok(!is_continuous)
}
