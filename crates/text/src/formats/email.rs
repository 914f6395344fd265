//! E-mails (`.eml`) and web archives (`.mht`): who wrote what to whom, and what is attached.

use mail_parser::{Address, HeaderName, HeaderValue, Message, MessageParser, MimeHeaders, PartType};

use self::parts::{Part, attached};
use super::flow::Flow;
use super::{File, Reader, html, recognise};
use crate::config::Limits;
use crate::error::{Error, Limit, Protection};
use crate::pages::Pages;
use crate::picture::{Picture, Wish};

mod parts;

/// E-mails that are attached to e-mails that are attached to e-mails.
const DEPTH: u32 = 4;

/// Attachments of an e-mail, with those of e-mails attached to it.
const ATTACHMENTS: usize = 100;

/// Times that a file may say that it holds another e-mail. The parser goes as deep as they do.
const NESTED: u32 = 256;

/// Reads e-mails.
pub(super) struct Email;

impl Reader for Email {
    fn name(&self) -> &'static str {
        "email"
    }

    fn recognise(&self, file: &File<'_>) -> Option<&'static str> {
        let headers = known_headers(file.head());
        let is_called_so = matches!(file.extension().as_str(), "eml" | "mht" | "mhtml");
        (headers >= if is_called_so { 1 } else { 3 }).then_some("message/rfc822")
    }

    fn read(&self, file: &File<'_>, _media_type: &str, pages: &mut Pages<'_>) -> Result<(), Error> {
        Walk { file, left: ATTACHMENTS, wish: None, drawn: None }.message(&parse(file.bytes)?, 0, pages)
    }

    /// Attachments have pictures; which one a page belongs to is known by counting the pages before it.
    fn picture(&self, file: &File<'_>, wish: &Wish) -> Result<Picture, Error> {
        let limits = Limits { pages: u32::MAX, ..Limits::default() };
        let mut hear = |_| Ok(());
        let mut pages = Pages::new(&limits, None, u32::MAX, &mut hear);
        let mut walk = Walk { file, left: ATTACHMENTS, wish: Some(wish), drawn: None };
        walk.message(&parse(file.bytes)?, 0, &mut pages)?;
        walk.drawn.unwrap_or_else(|| Err(Error::NoPicture { reader: self.name().to_owned() }))
    }
}

fn parse(bytes: &[u8]) -> Result<Message<'_>, Error> {
    let is_nesting = |window: &&[u8]| window.eq_ignore_ascii_case(b"rfc822") || window.eq_ignore_ascii_case(b"digest");
    if bytes.windows(6).filter(is_nesting).take(NESTED as usize + 1).count() > NESTED as usize {
        return Err(Limit::Depth(NESTED).into());
    }
    MessageParser::default().parse(bytes).ok_or_else(|| Error::corrupt("it has no headers of an e-mail"))
}

/// How many headers it begins with that e-mails have.
fn known_headers(head: &[u8]) -> usize {
    const KNOWN: [&str; 14] = [
        "from",
        "to",
        "cc",
        "subject",
        "date",
        "message-id",
        "mime-version",
        "received",
        "return-path",
        "content-type",
        "reply-to",
        "sender",
        "delivered-to",
        "dkim-signature",
    ];
    let head = String::from_utf8_lossy(head);
    let mut found: Vec<String> = Vec::new();
    for line in head.lines().take_while(|line| !line.trim().is_empty()) {
        if line.starts_with([' ', '\t']) {
            continue;
        }
        let Some((name, _)) = line.split_once(':') else { break };
        let name = name.trim_end().to_ascii_lowercase();
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            break;
        }
        if KNOWN.contains(&name.as_str()) && !found.contains(&name) {
            found.push(name);
        }
    }
    found.len()
}

/// Goes through an e-mail and what is attached to it.
struct Walk<'w, 'f> {
    file: &'w File<'f>,
    /// How many attachments may still be read.
    left: usize,
    /// The page to be drawn, if one is.
    wish: Option<&'w Wish>,
    drawn: Option<Result<Picture, Error>>,
}

impl Walk<'_, '_> {
    fn message(&mut self, message: &Message<'_>, depth: u32, pages: &mut Pages<'_>) -> Result<(), Error> {
        if parts::is_encrypted(message.root_part()) {
            return Err(Error::Encrypted(Protection::UnknownScheme));
        }
        let attached = attached(message);
        let mut flow = Flow::new(pages);
        headers(message, &mut flow)?;
        flow.gap();
        self.body(message, &mut flow)?;
        flow.gap();
        for part in &attached {
            flow.item(0, "Attachment: ", &part.name)?;
        }
        flow.end()?;
        for part in attached {
            if self.drawn.is_some() {
                return Ok(());
            }
            if self.left == 0 {
                pages.warn(format!(
                    "the attachment {:?} and those behind it were not read: more than {ATTACHMENTS}",
                    part.name
                ));
                return Ok(());
            }
            self.left -= 1;
            self.attachment(&part, depth, pages)?;
        }
        Ok(())
    }

    /// What is written: as text if it is there as such, else as a web page.
    fn body(&self, message: &Message<'_>, flow: &mut Flow<'_, '_>) -> Result<(), Error> {
        for part in message.text_bodies() {
            match &part.body {
                PartType::Html(text) => html::set(text, flow)?,
                PartType::Text(text) if part.is_content_type("text", "html") => html::set(text, flow)?,
                PartType::Text(text) => text.lines().try_for_each(|line| flow.paragraph(line))?,
                _ => {}
            }
            flow.gap();
        }
        Ok(())
    }

    /// Reads an attachment as the document that it is. One that cannot be read is named, and costs the others nothing.
    fn attachment(&mut self, part: &Part<'_>, depth: u32, pages: &mut Pages<'_>) -> Result<(), Error> {
        if part.is_encrypted {
            pages.warn(format!("the attachment {:?} was not read: it is encrypted", part.name));
            return Ok(());
        }
        let before = pages.last();
        let outcome = pages.part(&part.name, |pages| self.content(part, depth, pages));
        let wished = self.wish.filter(|wish| self.drawn.is_none() && (before + 1..=pages.last()).contains(&wish.page));
        if let (Some(wish), Some(file)) = (wished, part.file(self.file)) {
            let wish = Wish { page: wish.page - before, ..wish.clone() };
            // Turning and straightening it is the business of whoever asked for it.
            self.drawn = Some(recognise(&file).and_then(|(reader, _)| reader.picture(&file, &wish)));
        }
        match outcome {
            Err(error) if is_of_the_whole(&error) => Err(error),
            Err(error) => {
                pages.warn(format!("the attachment {:?} was not read: {error}", part.name));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn content(&mut self, part: &Part<'_>, depth: u32, pages: &mut Pages<'_>) -> Result<(), Error> {
        if let Some(message) = part.message {
            if depth + 1 >= DEPTH {
                return Err(Limit::Depth(DEPTH).into());
            }
            return self.message(message, depth + 1, pages);
        }
        let Some(file) = part.file(self.file) else { return Err(Error::Empty) };
        let (reader, media_type) = recognise(&file)?;
        if media_type == "message/rfc822" {
            if depth + 1 >= DEPTH {
                return Err(Limit::Depth(DEPTH).into());
            }
            return self.message(&parse(file.bytes)?, depth + 1, pages);
        }
        reader.read(&file, media_type, pages)
    }
}

/// Whether nothing that is attached could be read any more.
const fn is_of_the_whole(error: &Error) -> bool {
    matches!(
        error,
        Error::Io { .. }
            | Error::TooComplex {
                limit: Limit::Pages(_) | Limit::Words(_) | Limit::OutputBytes(_) | Limit::InflatedBytes(_),
                ..
            }
    )
}

/// Who wrote to whom, when and about what.
fn headers(message: &Message<'_>, flow: &mut Flow<'_, '_>) -> Result<(), Error> {
    let addresses = [
        ("From: ", message.from()),
        ("To: ", message.to()),
        ("Cc: ", message.cc()),
        ("Reply-To: ", message.reply_to()),
    ];
    for (label, address) in addresses {
        if let Some(address) = address {
            flow.item(0, label, &spelled(address))?;
        }
    }
    if let Some(date) = message.date() {
        flow.item(0, "Date: ", &date.to_rfc3339().replacen('T', " ", 1))?;
    }
    let subject = message.subject().or_else(|| match message.header(HeaderName::Subject) {
        Some(HeaderValue::TextList(texts)) => texts.first().map(|text| &**text),
        _ => None,
    });
    flow.item(0, "Subject: ", subject.unwrap_or_default())
}

/// `Jane Doe <jane@example.org>, …`
fn spelled(address: &Address<'_>) -> String {
    let one = |address: &mail_parser::Addr<'_>| match (address.name(), address.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        (None, None) => String::new(),
    };
    let all: Vec<String> = address.iter().map(one).filter(|address| !address.is_empty()).collect();
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e_mails_are_known_by_their_headers() {
        assert_eq!(known_headers(b"From: a\r\nTo: b\r\n c\r\nSubject: d\r\n\r\nDate: e"), 3);
        assert_eq!(known_headers(b"Subject: a\nsubject: b\n"), 1);
        assert_eq!(known_headers(b"Dear Sir,\nFrom: a\n"), 0);
        assert_eq!(known_headers(b"two words: a\nFrom: b\n"), 0);
    }
}
