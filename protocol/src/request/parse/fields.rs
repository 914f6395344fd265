//! Reads the fields of one JSON object: either spelling of a key, one value out, problems noted on the way.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::limits;
use super::path::{Path, shown};
use super::problems::Problems;

/// The fields of one object that were not read yet. A field that is absent or null has its default.
pub(super) struct Fields<'a> {
    path: Path<'a>,
    problems: &'a Problems,
    /// By name with underscores: the name as written and the value.
    unread: BTreeMap<String, (&'a str, &'a Value)>,
    /// Names asked for so far, to suggest for a name nobody asks for.
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The fields of `value`; none when it is null or, which is a problem, no object.
    pub(super) fn open(value: &'a Value, path: Path<'a>, problems: &'a Problems) -> Self {
        let mut fields = Self { path, problems, unread: BTreeMap::new(), known: Vec::new() };
        match value {
            Value::Null => {}
            Value::Object(entries) => {
                for (key, value) in entries {
                    fields.add(key, value);
                }
            }
            other => problems.report(&path, format!("must be an object, not {}", describe(other)), "write {…}"),
        }
        fields
    }

    fn add(&mut self, key: &'a str, value: &'a Value) {
        match self.unread.entry(key.replace('-', "_")) {
            Entry::Vacant(entry) => {
                entry.insert((key, value));
            }
            Entry::Occupied(entry) => {
                let (first, known) = *entry.get();
                if known != value {
                    let message = format!("is also given as {} with another value", shown(first));
                    self.problems.report(&self.path.key(key), message, "give one of the two");
                }
            }
        }
    }

    /// The place of this object.
    pub(super) fn path(&self) -> &Path<'a> {
        &self.path
    }

    /// Notes a problem with the field `key` of this object.
    pub(super) fn report(&self, key: &str, message: impl Into<String>, fix: impl Into<String>) {
        self.problems.report(&self.path.key(key), message, fix);
    }

    /// Where problems go.
    pub(super) fn problems(&self) -> &'a Problems {
        self.problems
    }

    /// The field as it was written, unless it is absent or null.
    pub(super) fn take(&mut self, name: &'static str) -> Option<(&'a str, &'a Value)> {
        self.known.push(name);
        self.unread.remove(&name.replace('-', "_")).filter(|(_, value)| !value.is_null())
    }

    /// Accepts a field without looking at it.
    pub(super) fn ignore(&mut self, name: &'static str) {
        self.take(name);
    }

    /// A string of at most `limit` bytes.
    pub(super) fn text(&mut self, name: &'static str, limit: usize) -> String {
        let Some((key, value)) = self.take(name) else { return String::new() };
        text_at(value, &self.path.key(key), limit, self.problems)
    }

    /// A path or object key that stays where it is put.
    pub(super) fn relative_path(&mut self, name: &'static str) -> String {
        let Some((key, value)) = self.take(name) else { return String::new() };
        let path = text_at(value, &self.path.key(key), limits::PATH, self.problems);
        let drive = path.len() >= 2 && path.as_bytes()[1] == b':' && path.as_bytes()[0].is_ascii_alphabetic();
        if drive || path.starts_with(['/', '\\']) {
            self.report(key, "is an absolute path", "write it relative to the store: \"inbox/invoice.pdf\"");
        }
        if path.split(['/', '\\']).any(|segment| segment == "..") {
            self.report(key, "holds a \"..\" segment", "write the path without it: \"inbox/invoice.pdf\"");
        }
        path
    }

    /// A SHA-256 in hexadecimal digits, returned in lower case.
    pub(super) fn sha256(&mut self, name: &'static str) -> String {
        let Some((key, value)) = self.take(name) else { return String::new() };
        let hash = text_at(value, &self.path.key(key), limits::SHORT, self.problems).to_ascii_lowercase();
        let whole = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !hash.is_empty() && !whole {
            self.report(key, "is not a SHA-256", "write its 64 hexadecimal digits, or leave it out");
        }
        hash
    }

    /// True or false, also as the words that older callers send.
    pub(super) fn flag(&mut self, name: &'static str, default: bool) -> bool {
        match self.take(name) {
            None => default,
            Some((_, Value::Bool(flag))) => *flag,
            Some((_, Value::String(word))) if word == "true" => true,
            Some((_, Value::String(word))) if word == "false" => false,
            Some((key, other)) => {
                self.report(key, format!("must be true or false, not {}", describe(other)), "write true or false");
                default
            }
        }
    }

    /// A whole number within a range, also as the decimal string that older callers send.
    pub(super) fn size(&mut self, name: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        let (key, value) = self.take(name)?;
        let size = whole_number(value).filter(|size| range.contains(size));
        if size.is_none() {
            let (low, high) = range.into_inner();
            let message = format!("must be a whole number from {low} to {high}, not {}", describe(value));
            self.report(key, message, "write a number in that range, or leave it out for the default");
        }
        size
    }

    /// One of a closed set of words.
    pub(super) fn choice<T: Copy>(&mut self, name: &'static str, all: &[T], word: fn(T) -> &'static str) -> Option<T> {
        let (key, value) = self.take(name)?;
        let chosen = all.iter().copied().find(|item| value.as_str() == Some(word(*item)));
        if chosen.is_none() {
            let words: Vec<&'static str> = all.iter().map(|item| word(*item)).collect();
            let near = value.as_str().and_then(|given| nearest(given, &words));
            let fix =
                near.map_or_else(|| "write one of these words".to_owned(), |near| format!("did you mean {near:?}?"));
            self.report(key, format!("must be one of {}, not {}", words.join(", "), describe(value)), fix);
        }
        chosen
    }

    /// A list of short strings; one string stands for a list of one, the empty string for none.
    pub(super) fn texts(&mut self, name: &'static str) -> Vec<String> {
        let Some((key, value)) = self.take(name) else { return Vec::new() };
        texts_at(value, &self.path.key(key), self.problems)
    }

    /// An object that is kept as it came.
    pub(super) fn object(&mut self, name: &'static str) -> Map<String, Value> {
        match self.take(name) {
            None => Map::new(),
            Some((_, Value::Object(object))) => object.clone(),
            Some((key, other)) => {
                self.report(key, format!("must be an object, not {}", describe(other)), "write {…}");
                Map::new()
            }
        }
    }

    /// An object that `read` understands.
    pub(super) fn nested<T>(&mut self, name: &'static str, read: impl FnOnce(Fields<'_>) -> T) -> Option<T> {
        let (key, value) = self.take(name)?;
        Some(read(Fields::open(value, self.path.key(key), self.problems)))
    }

    /// Everything not read, as it came.
    pub(super) fn keep_rest(self) -> Map<String, Value> {
        self.unread.into_values().map(|(key, value)| (key.to_owned(), value.clone())).collect()
    }

    /// Of everything not read, what is named in `kept`; the rest is unknown and a problem each.
    pub(super) fn refuse_rest_but(mut self, kept: &[&'static str]) -> Map<String, Value> {
        let unknown: Vec<&str> = self
            .unread
            .iter()
            .filter(|(name, _)| !kept.iter().any(|kept| kept.replace('-', "_") == **name))
            .map(|(_, (key, _))| *key)
            .collect();
        let names: Vec<&'static str> = self.known.iter().chain(kept).copied().collect();
        for key in &unknown {
            let fix = match nearest(key, &names) {
                Some(near) => format!("did you mean {near:?}?"),
                None => "remove it, or see docs/request.md for the fields there are".to_owned(),
            };
            self.problems.unknown(&self.path.key(key), fix);
        }
        self.unread.retain(|_, (key, _)| !unknown.contains(key));
        self.keep_rest()
    }
}

/// A string of at most `limit` bytes; empty when it is something else.
pub(super) fn text_at(value: &Value, path: &Path<'_>, limit: usize, problems: &Problems) -> String {
    let Value::String(text) = value else {
        problems.report(path, format!("must be a string, not {}", describe(value)), "write it in quotes");
        return String::new();
    };
    if text.len() > limit {
        problems.report(path, format!("is {} bytes long", text.len()), format!("shorten it to {limit} bytes"));
    }
    text.clone()
}

/// A list of short strings; one string stands for a list of one, the empty string for none.
pub(super) fn texts_at(value: &Value, path: &Path<'_>, problems: &Problems) -> Vec<String> {
    let items = match value {
        Value::String(text) if text.is_empty() => &[],
        Value::String(_) => std::slice::from_ref(value),
        Value::Array(items) => items.as_slice(),
        other => {
            let message = format!("must be a list of strings, not {}", describe(other));
            problems.report(path, message, "write [\"…\"]");
            &[]
        }
    };
    if items.len() > limits::LABELS {
        let message = format!("has {} entries", items.len());
        problems.report(path, message, format!("shorten it to {} entries", limits::LABELS));
    }
    let texts = items.iter().take(limits::LABELS).enumerate();
    texts.map(|(index, item)| text_at(item, &path.index(index), limits::SHORT, problems)).collect()
}

/// A whole number as number, integral float or decimal string.
fn whole_number(value: &Value) -> Option<u32> {
    match value {
        Value::String(digits) => digits.trim().parse().ok(),
        Value::Number(number) => match number.as_u64() {
            Some(whole) => u32::try_from(whole).ok(),
            None => number
                .as_f64()
                .filter(|float| float.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(float))
                .map(|float| float as u32),
        },
        _ => None,
    }
}

/// A value as it appears in a message: scalars themselves, containers by kind.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::String(text) => shown(text),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        scalar => scalar.to_string(),
    }
}

/// The known word that was probably meant.
fn nearest(given: &str, words: &[&'static str]) -> Option<&'static str> {
    // Long texts are no typing mistakes, and comparing them is expensive.
    if given.len() > 64 {
        return None;
    }
    let plain = |word: &str| word.to_lowercase().replace(['-', ' '], "_");
    let given = plain(given);
    words
        .iter()
        .map(|word| (strsim::damerau_levenshtein(&given, &plain(word)), *word))
        .filter(|(distance, word)| *distance <= (word.len() / 3).max(1))
        .min()
        .map(|(_, word)| word)
}
