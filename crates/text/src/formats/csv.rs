//! Tables as text (`.csv`, `.tsv`): values between separators, a record a line.

use std::borrow::Cow;
use std::str::Chars;

use super::encoding::{self, decode};
use super::flow::{Entry, Flow, Sheet};
use super::{File, Reader, unreadable};
use crate::error::{Error, Limit};
use crate::pages::Pages;

/// What values are separated by, the likelier first where nothing else decides.
const SEPARATORS: [char; 4] = [';', ',', '\t', '|'];

/// Records that decide about the separator.
const DECIDING: usize = 50;

/// Reads tables as text.
pub(super) struct Csv;

impl Reader for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    /// By its name alone: any text could be a table.
    fn recognise(&self, file: &File<'_>) -> Option<&'static str> {
        if !encoding::is_text(file.head()) || unreadable::signature(file.head()).is_some() {
            return None;
        }
        match file.extension().as_str() {
            "csv" => Some("text/csv"),
            "tsv" | "tab" => Some("text/tab-separated-values"),
            _ => None,
        }
    }

    fn read(&self, file: &File<'_>, media_type: &str, pages: &mut Pages<'_>) -> Result<(), Error> {
        let limits = pages.limits();
        if file.bytes.len() as u64 > limits.text_bytes {
            return Err(Limit::FileBytes(limits.text_bytes).into());
        }
        let text: Cow<'_, str> = decode(file.bytes, None);
        // Excel says in a line of its own what it separates by.
        let (said, text) = match text.strip_prefix("sep=").and_then(|rest| rest.split_once('\n')) {
            Some((separator, rest)) => (separator.trim_end_matches('\r').chars().next(), rest),
            None => (None, &*text),
        };
        let is_by_tab = media_type == "text/tab-separated-values";
        let separator = said.or(is_by_tab.then_some('\t')).unwrap_or_else(|| separator(text));
        let mut sheet = Sheet::new(limits);
        let mut records = Records { rest: text.chars(), separator, is_at_end: text.is_empty() };
        let mut column = 0;
        while let Some((value, is_last)) = records.value() {
            sheet.cell(Entry { column, columns: 1, rows: 1, text: value })?;
            column += 1;
            if is_last {
                sheet.end_row();
                column = 0;
            }
        }
        let mut flow = Flow::new(pages);
        flow.table(sheet)?;
        flow.end()
    }
}

/// The separator that divides the first records into the most values, and each into as many.
fn separator(text: &str) -> char {
    let score = |separator: char| {
        let mut records = Records { rest: text.chars(), separator, is_at_end: text.is_empty() };
        let (mut counts, mut count) = (Vec::new(), 0_usize);
        while let (true, Some((_, is_last))) = (counts.len() < DECIDING, records.value()) {
            count += 1;
            if is_last {
                counts.push(std::mem::take(&mut count));
            }
        }
        // Comments before the table and sums behind it have other numbers of values.
        let most = counts
            .iter()
            .copied()
            .filter(|count| *count > 1)
            .max_by_key(|count| (counts.iter().filter(|other| *other == count).count(), *count));
        most.map_or((0, 0), |most| (counts.iter().filter(|count| **count == most).count(), most))
    };
    SEPARATORS.into_iter().rev().max_by_key(|separator| score(*separator)).unwrap_or(',')
}

/// Values one by one (RFC 4180).
struct Records<'a> {
    rest: Chars<'a>,
    separator: char,
    is_at_end: bool,
}

impl Records<'_> {
    /// The next value, and whether it is the last of its record.
    fn value(&mut self) -> Option<(String, bool)> {
        if self.is_at_end {
            return None;
        }
        let mut value = String::new();
        let mut is_quoted = false;
        loop {
            match self.rest.next() {
                None => {
                    self.is_at_end = true;
                    return Some((value, true));
                }
                Some('"') if is_quoted => {
                    if self.rest.as_str().starts_with('"') {
                        self.rest.next();
                        value.push('"');
                    } else {
                        is_quoted = false;
                    }
                }
                Some('"') if value.trim().is_empty() => {
                    value.clear();
                    is_quoted = true;
                }
                Some('\r') if !is_quoted && self.rest.as_str().starts_with('\n') => {}
                Some('\n' | '\r') if !is_quoted => {
                    self.is_at_end = self.rest.as_str().is_empty();
                    return Some((value, true));
                }
                Some(character) if character == self.separator && !is_quoted => return Some((value, false)),
                Some(character) => value.push(character),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &str, separator: char) -> Vec<Vec<String>> {
        let mut records = Records { rest: text.chars(), separator, is_at_end: text.is_empty() };
        let mut rows = vec![Vec::new()];
        while let Some((value, is_last)) = records.value() {
            rows.last_mut().unwrap().push(value);
            if is_last {
                rows.push(Vec::new());
            }
        }
        rows.pop();
        rows
    }

    #[test]
    fn quotes_hold_separators_line_ends_and_quotes() {
        let rows = records("a,\"b, \"\"c\"\"\r\nd\",\"\"\r\ne,f,g", ',');
        assert_eq!(rows, [["a", "b, \"c\"\r\nd", ""], ["e", "f", "g"]]);
        assert_eq!(records("a 5\" pipe,b\n", ','), [["a 5\" pipe", "b"]]);
        assert_eq!(records("\"never closed,b\nc", ','), [["never closed,b\nc"]]);
    }

    #[test]
    fn separators_are_found() {
        assert_eq!(separator("name;price\nA, B;1,50\nC;2,00\n"), ';');
        assert_eq!(separator("name,price\n\"a;b\",1\n"), ',');
        assert_eq!(separator("a\tb\tc\n1\t2\t3\n"), '\t');
        assert_eq!(separator("a|b\n1|2\n"), '|');
        assert_eq!(separator("# made by hand\n\nid,name,city\n1,A,X\n2,B,Y\n"), ',');
    }
}
