//! XML, event by event: names without their prefixes, no document type, no entities but those of characters.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

use super::encoding::decode;
use crate::error::{Error, Limit};

/// Elements within each other. Word itself gives up long before.
const DEPTH: u32 = 256;

/// The text of a file of XML.
pub(super) struct Source<'a> {
    name: &'a str,
    text: Cow<'a, str>,
}

impl<'a> Source<'a> {
    /// In UTF-8 or UTF-16; errors call it `name`.
    pub(super) fn new(name: &'a str, bytes: &'a [u8]) -> Self {
        Self { name, text: decode(bytes, None) }
    }

    pub(super) fn read(&self) -> Xml<'_> {
        let mut reader = Reader::from_str(&self.text);
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.check_comments = false;
        Xml { name: self.name, reader, depth: 0 }
    }
}

/// Reads XML.
pub(super) struct Xml<'a> {
    name: &'a str,
    reader: Reader<&'a [u8]>,
    depth: u32,
}

/// A piece of XML.
pub(super) enum Node<'a> {
    Open(Tag<'a>),
    /// An element ends, also one that is empty.
    Close(Name),
    Text(Cow<'a, str>),
    End,
}

/// The name of an element without its prefix.
pub(super) struct Name(Box<str>);

impl Name {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The beginning of an element.
pub(super) struct Tag<'a>(BytesStart<'a>);

impl<'a> Xml<'a> {
    /// What comes next.
    pub(super) fn next(&mut self) -> Result<Node<'a>, Error> {
        loop {
            let event = self.reader.read_event().map_err(|error| self.broken(&error))?;
            return Ok(match event {
                Event::Start(tag) => {
                    self.depth += 1;
                    if self.depth > DEPTH {
                        return Err(Limit::Depth(DEPTH).into());
                    }
                    Node::Open(Tag(tag))
                }
                Event::End(tag) => {
                    self.depth = self.depth.saturating_sub(1);
                    Node::Close(Name(tag.local_name().into_inner().into()))
                }
                Event::Text(text) => Node::Text(text.into_inner()),
                Event::CData(text) => Node::Text(text.into_inner()),
                Event::GeneralRef(name) => {
                    let character = name.resolve_char_ref().map_err(|error| self.broken(&error))?;
                    match (character, resolve_predefined_entity(&name)) {
                        (Some(character), _) => Node::Text(Cow::Owned(character.to_string())),
                        (None, Some(text)) => Node::Text(Cow::Borrowed(text)),
                        // Of a document type, which is not read: such files are no office documents.
                        (None, None) => continue,
                    }
                }
                Event::Eof if self.depth > 0 => return Err(self.broken(&"it is cut off")),
                Event::Eof => Node::End,
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => continue,
            });
        }
    }

    /// Passes over the rest of the element that was just opened.
    pub(super) fn skip(&mut self) -> Result<(), Error> {
        let within = self.depth;
        while self.depth >= within {
            if let Node::End = self.next()? {
                break;
            }
        }
        Ok(())
    }

    /// The text of the element that was just opened, and of all within it.
    pub(super) fn text(&mut self) -> Result<String, Error> {
        let within = self.depth;
        let mut text = String::new();
        while self.depth >= within {
            match self.next()? {
                Node::Text(piece) => text.push_str(&piece),
                Node::End => break,
                Node::Open(_) | Node::Close(_) => {}
            }
        }
        Ok(text)
    }

    /// How many elements are open.
    pub(super) const fn depth(&self) -> u32 {
        self.depth
    }

    fn broken(&self, error: &dyn std::fmt::Display) -> Error {
        let place = self.reader.buffer_position();
        Error::corrupt(format!("{} is no XML at byte {place}: {error}", self.name))
    }
}

impl Tag<'_> {
    /// Its name without a prefix.
    pub(super) fn name(&self) -> &str {
        self.0.local_name().into_inner()
    }

    /// An attribute, whatever its prefix.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        // Without looking for doubles, which takes the square of their number.
        let mut attributes = self.0.attributes();
        let attribute = attributes
            .with_checks(false)
            .flatten()
            .find(|attribute| attribute.key.local_name().into_inner() == name)?;
        let value = quick_xml::escape::unescape(&attribute.value);
        Some(value.map_or_else(|_| attribute.value.to_string(), Cow::into_owned))
    }

    /// An attribute that has a prefix, whatever it is.
    pub(super) fn get_prefixed(&self, name: &str) -> Option<String> {
        let mut attributes = self.0.attributes();
        let is_it = |key: &str| key.split_once(':').is_some_and(|(_, local)| local == name);
        let attribute = attributes.with_checks(false).flatten().find(|attribute| is_it(attribute.key.into_inner()))?;
        Some(attribute.value.into_owned())
    }

    /// An attribute that is a number.
    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name)?.trim().parse().ok()
    }

    /// Whether a switch of Office is on: `<w:b/>`, `w:val="true"`.
    pub(super) fn is_on(&self) -> bool {
        !self.get("val").is_some_and(|value| matches!(value.as_str(), "0" | "false" | "off" | "none"))
    }
}
