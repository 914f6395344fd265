//! Web pages (`.html`, `.htm`).

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{Token, Tokenizer};

use self::page::Setting;
use super::encoding::{self, decode};
use super::flow::Flow;
use super::{File, Reader, unreadable};
use crate::error::{Error, Limit};
use crate::pages::Pages;

mod page;
mod table;
mod tag;

/// Reads web pages.
pub(super) struct Html;

impl Reader for Html {
    fn name(&self) -> &'static str {
        "html"
    }

    fn recognise(&self, file: &File<'_>) -> Option<&'static str> {
        let head = file.head();
        if !encoding::is_text(head) || unreadable::signature(head).is_some() {
            return None;
        }
        let by_name = matches!(file.extension().as_str(), "html" | "htm" | "xhtml");
        (by_name || begins_like_one(&decode(head, None))).then_some("text/html")
    }

    fn read(&self, file: &File<'_>, _media_type: &str, pages: &mut Pages<'_>) -> Result<(), Error> {
        let most = pages.limits().text_bytes;
        if file.bytes.len() as u64 > most {
            return Err(Limit::FileBytes(most).into());
        }
        let text = decode(file.bytes, charset(file.head()).as_deref());
        let mut flow = Flow::new(pages);
        set(&text, &mut flow)?;
        flow.end()
    }
}

/// Sets a page, or a piece of one.
pub(super) fn set(text: &str, flow: &mut Flow<'_, '_>) -> Result<(), Error> {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut setting = Setting::new(flow);
    for Ok(token) in Tokenizer::new_with_emitter(text, emitter) {
        match token {
            Token::StartTag(tag) => setting.open(&tag)?,
            Token::EndTag(tag) => setting.close(&String::from_utf8_lossy(&tag.name))?,
            Token::String(text) => setting.text(&String::from_utf8_lossy(&text)),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
    }
    setting.end()
}

/// Whether it begins as web pages do, behind white space and comments.
fn begins_like_one(head: &str) -> bool {
    let mut rest = head.trim_start();
    loop {
        let behind = match rest {
            _ if rest.starts_with("<!--") => rest.split_once("-->"),
            _ if rest.starts_with("<?xml") => rest.split_once("?>"),
            _ => break,
        };
        let Some((_, behind)) = behind else { return false };
        rest = behind.trim_start();
    }
    let start: String = rest.chars().take(14).collect::<String>().to_ascii_lowercase();
    start.starts_with("<!doctype html") || start.starts_with("<html")
}

/// The encoding that a page says it has: `<meta charset=…>`, or in the content of one.
fn charset(head: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let mut rest = &*head;
    loop {
        let (_, behind) = rest.split_once("charset")?;
        rest = behind;
        let Some(value) = behind.trim_start().strip_prefix('=') else { continue };
        let value = value.trim_start().trim_start_matches(['"', '\'']);
        let end = value.find(|character: char| !character.is_ascii_alphanumeric() && !"-_:.".contains(character));
        let label = &value[..end.unwrap_or(value.len())];
        // What says so in single bytes is not in UTF-16.
        return Some(if label.starts_with("utf-16") { "utf-8" } else { label }.to_owned())
            .filter(|label| !label.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_known_by_their_beginning() {
        assert!(begins_like_one(" <!-- saved --> <?xml version='1.0'?>\n<!DOCTYPE HTML PUBLIC>"));
        assert!(begins_like_one("<HTML lang=de>"));
        assert!(!begins_like_one("<p>a <html> tag") && !begins_like_one("<!-- never closed"));
    }

    #[test]
    fn pages_say_their_encoding() {
        assert_eq!(charset(b"<meta charset = 'KOI8-R'>").as_deref(), Some("koi8-r"));
        let content = b"charset of <meta http-equiv=content-type content=\"text/html; charset=iso-8859-1\">";
        assert_eq!(charset(content).as_deref(), Some("iso-8859-1"));
        assert_eq!(charset(b"<meta charset=utf-16>").as_deref(), Some("utf-8"));
        assert_eq!(charset(b"<p>charset"), None);
    }
}
