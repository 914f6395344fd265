//! A JSON parser that goes on where a strict one stops, and notes what it had to assume.

use serde_json::{Map, Value};

use super::{MAX_DEPTH, Repaired};

pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    repairs: Vec<String>,
    lossy: bool,
}

/// Nested deeper than [`MAX_DEPTH`].
struct TooDeep;

impl<'a> Parser<'a> {
    /// Reads the object or list that opens at `start`; also where it ends. `None` when it nests too deep.
    pub(super) fn read(text: &'a str, start: usize) -> Option<(Repaired, usize)> {
        let mut parser = Self { text, at: start, depth: 0, repairs: Vec::new(), lossy: false };
        let value = parser.value(Place::List).ok()?;
        Some((Repaired { value, repairs: parser.repairs, lossy: parser.lossy }, parser.at))
    }

    fn note(&mut self, repair: &str) {
        if !self.repairs.iter().any(|known| known == repair) {
            self.repairs.push(repair.to_owned());
        }
    }

    fn truncated(&mut self) {
        self.lossy = true;
        self.note("the text ends before the JSON does");
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn skip(&mut self, ch: char) {
        self.at += ch.len_utf8();
    }

    /// Past white space and comments.
    fn blank(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            self.at += rest.len() - rest.trim_start().len();
            let rest = &self.text[self.at..];
            let comment = if rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                rest.find("*/").map_or(rest.len(), |end| end + 2)
            } else {
                return;
            };
            self.note("comments were dropped");
            self.at += comment;
        }
    }

    fn value(&mut self, place: Place) -> Result<Value, TooDeep> {
        self.blank();
        match self.peek() {
            Some('{') => self.nested(Self::object),
            Some('[') => self.nested(Self::list),
            Some(quote) if closing(quote).is_some() => Ok(Value::String(self.string(quote))),
            Some(_) => Ok(self.bare(place)),
            None => {
                self.truncated();
                Ok(Value::Null)
            }
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, TooDeep>) -> Result<Value, TooDeep> {
        if self.depth == MAX_DEPTH {
            return Err(TooDeep);
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn list(&mut self) -> Result<Value, TooDeep> {
        let mut items = Vec::new();
        let mut comma = false;
        loop {
            self.blank();
            match self.peek() {
                Some(']') => {
                    self.at += 1;
                    if comma {
                        self.note("a trailing comma was dropped");
                    }
                    return Ok(Value::Array(items));
                }
                Some('}') | None => {
                    self.truncated();
                    return Ok(Value::Array(items));
                }
                Some(',') => {
                    self.at += 1;
                    if comma || items.is_empty() {
                        self.note("a stray comma was dropped");
                    }
                    comma = true;
                }
                Some(_) => {
                    if !comma && !items.is_empty() {
                        self.note("a missing comma was added");
                    }
                    let before = self.at;
                    items.push(self.value(Place::List)?);
                    comma = false;
                    self.advance_from(before);
                }
            }
        }
    }

    fn object(&mut self) -> Result<Value, TooDeep> {
        let mut map = Map::new();
        let mut comma = false;
        loop {
            self.blank();
            match self.peek() {
                Some('}') => {
                    self.at += 1;
                    if comma {
                        self.note("a trailing comma was dropped");
                    }
                    return Ok(Value::Object(map));
                }
                Some(']') | None => {
                    self.truncated();
                    return Ok(Value::Object(map));
                }
                Some(',') => {
                    self.at += 1;
                    if comma || map.is_empty() {
                        self.note("a stray comma was dropped");
                    }
                    comma = true;
                }
                Some(first) => {
                    if !comma && !map.is_empty() {
                        self.note("a missing comma was added");
                    }
                    let before = self.at;
                    let key = if closing(first).is_some() { self.string(first) } else { self.bare_key() };
                    self.blank();
                    match self.peek() {
                        Some(':' | '=') => self.at += 1,
                        _ => self.note("a missing colon was added"),
                    }
                    let value = self.value(Place::Object)?;
                    if map.insert(key, value).is_some() {
                        self.lossy = true;
                        self.note("a key stood there twice; the last value was kept");
                    }
                    comma = false;
                    self.advance_from(before);
                }
            }
        }
    }

    /// Every turn of a loop takes at least one character, whatever stands there.
    fn advance_from(&mut self, before: usize) {
        if self.at == before
            && let Some(ch) = self.peek()
        {
            self.lossy = true;
            self.note("a stray character was dropped");
            self.skip(ch);
        }
    }

    fn bare_key(&mut self) -> String {
        self.note("an unquoted key was quoted");
        let rest = &self.text[self.at..];
        let end = rest.find([':', '=', ',', '}', ']', '\n', '"', '{', '[']).unwrap_or(rest.len());
        self.at += end;
        rest[..end].trim().to_owned()
    }

    fn string(&mut self, open: char) -> String {
        let close = closing(open).unwrap_or(open);
        if open != '"' {
            self.note("other quotes were replaced by double quotes");
        }
        self.skip(open);
        let mut read = String::new();
        while let Some(ch) = self.peek() {
            self.skip(ch);
            match ch {
                '\\' => self.escape(&mut read),
                _ if ch == close && self.string_ends() => return read,
                _ if ch == close => {
                    self.note("a quote inside a string was kept");
                    read.push(ch);
                }
                '\u{0}'..='\u{1f}' => {
                    self.note("a raw control character in a string was kept");
                    read.push(ch);
                }
                _ => read.push(ch),
            }
        }
        self.truncated();
        read
    }

    /// A quote closes its string when what follows continues the JSON around it.
    fn string_ends(&self) -> bool {
        let rest = self.text[self.at..].trim_start();
        let mut chars = rest.chars();
        match chars.next() {
            None | Some('}' | ']' | ':' | '"') => true,
            // `"hi", then left"`: after a comma comes a value or a key, not prose.
            Some(',') => {
                let next = chars.as_str().trim_start();
                next.is_empty()
                    || next.starts_with(|ch: char| closing(ch).is_some() || ch.is_ascii_digit() || "{[]}-".contains(ch))
                    || ["true", "false", "null", "None", "True", "False"].iter().any(|word| next.starts_with(word))
                    || next
                        .find([':', '"', '\n', ','])
                        .is_some_and(|at| next[at..].starts_with(':') && !next[..at].contains(' '))
            }
            Some('/') => rest.starts_with("//") || rest.starts_with("/*"),
            Some(_) => false,
        }
    }

    fn escape(&mut self, into: &mut String) {
        let Some(ch) = self.peek() else { return };
        self.skip(ch);
        match ch {
            '"' | '\\' | '/' => into.push(ch),
            'n' => into.push('\n'),
            't' => into.push('\t'),
            'r' => into.push('\r'),
            'b' => into.push('\u{8}'),
            'f' => into.push('\u{c}'),
            'u' => into.push(self.unicode()),
            '\'' => {
                self.note("an escape that JSON does not know was read as the character");
                into.push(ch);
            }
            _ => {
                self.note("a lone backslash was kept");
                into.push('\\');
                into.push(ch);
            }
        }
    }

    fn unicode(&mut self) -> char {
        let unit = |parser: &mut Self| {
            let digits = parser.text.get(parser.at..parser.at + 4)?;
            let unit = u32::from_str_radix(digits, 16).ok()?;
            parser.at += 4;
            Some(unit)
        };
        let decoded = match unit(self) {
            Some(high @ 0xd800..0xdc00) if self.text[self.at..].starts_with("\\u") => {
                self.at += 2;
                unit(self)
                    .filter(|low| (0xdc00..0xe000).contains(low))
                    .and_then(|low| char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)))
            }
            Some(code) => char::from_u32(code),
            None => None,
        };
        decoded.unwrap_or_else(|| {
            self.lossy = true;
            self.note("a broken \\u escape was replaced");
            char::REPLACEMENT_CHARACTER
        })
    }

    /// Something without quotes: a literal, a number, or words that lack their quotes.
    fn bare(&mut self, place: Place) -> Value {
        let rest = &self.text[self.at..];
        let mut end = rest.len();
        for (at, ch) in rest.char_indices() {
            let stops = match ch {
                ',' => place == Place::List || !groups(rest, at),
                '}' | ']' | '\n' | '"' => true,
                '/' => rest[at..].starts_with("//") || rest[at..].starts_with("/*"),
                // `1 "d": 2`: a comma is missing.
                _ => false,
            };
            if stops {
                end = at;
                break;
            }
        }
        let token = rest[..end].trim();
        self.at += end;
        if self.at == self.text.len() {
            self.truncated();
        }
        match token {
            "true" => return Value::Bool(true),
            "false" => return Value::Bool(false),
            "null" => return Value::Null,
            "True" | "TRUE" => return self.literal(Value::Bool(true)),
            "False" | "FALSE" => return self.literal(Value::Bool(false)),
            "" | "None" | "NULL" | "Null" | "NaN" | "nan" | "undefined" | "nil" => return self.literal(Value::Null),
            _ => {}
        }
        number(token).unwrap_or_else(|| {
            self.note("a bare value was kept as text");
            Value::String(token.to_owned())
        })
    }

    fn literal(&mut self, value: Value) -> Value {
        self.note("a literal of another language was translated");
        value
    }
}

/// Where a bare value stands: between list items a comma always separates.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    List,
    Object,
}

/// The quote that closes `open`, when it opens a string.
fn closing(open: char) -> Option<char> {
    match open {
        '"' | '\'' | '`' => Some(open),
        '\u{201c}' => Some('\u{201d}'),
        '\u{2018}' => Some('\u{2019}'),
        _ => None,
    }
}

/// Whether the comma at `at` groups thousands: between a digit and exactly three digits.
fn groups(text: &str, at: usize) -> bool {
    let bytes = text.as_bytes();
    let digit = |index: usize| bytes.get(index).is_some_and(u8::is_ascii_digit);
    at > 0 && digit(at - 1) && digit(at + 1) && digit(at + 2) && digit(at + 3) && !digit(at + 4)
}

/// A number in JSON's own spelling; as text where a double would lose digits.
pub(super) fn number(token: &str) -> Option<Value> {
    let number: serde_json::Number = serde_json::from_str(token).ok()?;
    if number.is_i64() || number.is_u64() {
        return Some(Value::Number(number));
    }
    // Compare digits alone: 1.50 and 15e-1 are the same double as 1.5, 0.1234567890123456789 is not.
    let significant = |text: &str| {
        let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        digits.trim_matches('0').to_owned()
    };
    let exact = significant(&number.to_string()) == significant(token);
    Some(if exact { Value::Number(number) } else { Value::String(token.to_owned()) })
}
