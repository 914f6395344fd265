//! What tags mean.

use html5gum::StartTag;

/// What a tag does to what is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It stands on lines of its own; with space around it.
    Block {
        apart: bool,
    },
    /// Nothing within it is to be read.
    Unread,
    List {
        ordered: bool,
    },
    Item,
    /// Indented.
    Quote,
    /// Line ends and spaces are meant.
    Preformatted,
    Table,
    Row,
    Cell,
    Break,
    /// Nothing at all.
    Inline,
}

pub(super) fn kind(name: &str) -> Kind {
    match name {
        "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "hr" | "figure" | "fieldset" | "dl" => {
            Kind::Block { apart: true }
        }
        "div" | "section" | "article" | "header" | "footer" | "main" | "aside" | "nav" | "address" | "form" | "dt"
        | "legend" | "figcaption" | "details" | "summary" | "caption" | "body" | "center" | "title" | "option" => {
            Kind::Block { apart: false }
        }
        "script" | "style" | "head" | "template" | "iframe" | "noframes" | "noembed" | "object" | "audio" | "video"
        | "datalist" | "svg" | "rp" | "rt" | "canvas" => Kind::Unread,
        "ul" | "menu" | "dir" => Kind::List { ordered: false },
        "ol" => Kind::List { ordered: true },
        "li" => Kind::Item,
        "blockquote" | "dd" => Kind::Quote,
        "pre" | "textarea" | "listing" | "xmp" => Kind::Preformatted,
        "table" => Kind::Table,
        "tr" => Kind::Row,
        "td" | "th" => Kind::Cell,
        "br" => Kind::Break,
        _ => Kind::Inline,
    }
}

/// Elements that end where they begin.
pub(super) fn is_void(name: &str) -> bool {
    const VOID: [&str; 13] =
        ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"];
    VOID.contains(&name)
}

/// Elements that a head has.
pub(super) fn is_of_head(name: &str) -> bool {
    const OF_HEAD: [&str; 9] = ["head", "title", "meta", "link", "style", "script", "base", "noscript", "template"];
    OF_HEAD.contains(&name)
}

/// An attribute of a tag.
pub(super) fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
    tag.attributes.get(name.as_bytes()).map(|value| String::from_utf8_lossy(value).into_owned())
}

/// Whether it is not to be seen.
pub(super) fn is_hidden(tag: &StartTag<()>) -> bool {
    const HIDING: [&str; 3] = ["display:none", "visibility:hidden", "mso-hide:all"];
    if attribute(tag, "hidden").is_some() {
        return true;
    }
    let style = attribute(tag, "style").unwrap_or_default().to_ascii_lowercase();
    let style: String = style.chars().filter(|character| !character.is_whitespace()).collect();
    HIDING.iter().any(|hiding| style.contains(hiding))
}

/// What a field of a form, or a picture, shows as text.
pub(super) fn shown(name: &str, tag: &StartTag<()>) -> Option<String> {
    match name {
        "img" => attribute(tag, "alt"),
        "input" => {
            let is_checked = attribute(tag, "checked").is_some();
            match attribute(tag, "type").unwrap_or_default().to_ascii_lowercase().as_str() {
                "hidden" | "password" | "file" | "image" => None,
                "checkbox" | "radio" => Some(if is_checked { "☒ " } else { "☐ " }.to_owned()),
                _ => attribute(tag, "value").map(|value| format!(" {value} ")),
            }
        }
        _ => None,
    }
}
