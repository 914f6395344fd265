//! What is attached to an e-mail.

use std::borrow::Cow;

use mail_parser::{Message, MessagePart, MimeHeaders, PartType};

use crate::formats::File;

/// Something attached.
pub(super) struct Part<'m> {
    pub(super) name: String,
    content: Cow<'m, [u8]>,
    /// It is an e-mail itself.
    pub(super) message: Option<&'m Message<'m>>,
    pub(super) is_encrypted: bool,
}

impl Part<'_> {
    /// It as a document, if it has any content.
    pub(super) fn file<'f>(&'f self, whole: &File<'f>) -> Option<File<'f>> {
        (!self.content.is_empty()).then_some(File { bytes: &self.content, name: &self.name, ..*whole })
    }
}

/// What is attached to an e-mail, in its order, without the signatures that only programs read.
pub(super) fn attached<'m>(message: &'m Message<'m>) -> Vec<Part<'m>> {
    let is_read = |part: &&MessagePart<'_>| !is_signature(part);
    message.attachments().filter(is_read).enumerate().map(|(index, part)| named(index, part)).collect()
}

fn named<'m>(index: usize, part: &'m MessagePart<'m>) -> Part<'m> {
    const LONGEST_NAME: usize = 200;
    let (content, message): (Cow<'m, [u8]>, _) = match &part.body {
        PartType::Text(text) | PartType::Html(text) => (Cow::Borrowed(text.as_bytes()), None),
        PartType::Binary(bytes) | PartType::InlineBinary(bytes) => (Cow::Borrowed(bytes), None),
        PartType::Message(message) => (Cow::Borrowed(&[]), Some(message)),
        PartType::Multipart(_) => (Cow::Borrowed(&[]), None),
    };
    let subject = message.and_then(Message::subject).map(|subject| format!("{subject}.eml"));
    let said = part.attachment_name().map(str::to_owned).or(subject);
    let name = said.unwrap_or_else(|| {
        let kind = if matches!(part.body, PartType::Html(_)) { ".html" } else { "" };
        format!("attachment {}{kind}", index + 1)
    });
    let name = name.chars().filter(|character| !character.is_control()).take(LONGEST_NAME).collect();
    Part { name, content, message, is_encrypted: is_encrypted(part) }
}

fn is_signature(part: &MessagePart<'_>) -> bool {
    ["pkcs7-signature", "x-pkcs7-signature", "pgp-signature"]
        .iter()
        .any(|kind| part.is_content_type("application", kind))
}

/// Whether only the one it was sent to can read it.
pub(super) fn is_encrypted(part: &MessagePart<'_>) -> bool {
    let is_smime = ["pkcs7-mime", "x-pkcs7-mime"].iter().any(|kind| part.is_content_type("application", kind));
    is_smime || part.is_content_type("application", "pgp-encrypted") || part.is_content_type("multipart", "encrypted")
}
