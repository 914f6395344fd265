//! How numbers are displayed, as a workbook says it: `#,##0.00 "€"`, `dd.mm.yyyy`.

use std::collections::HashMap;

use crate::error::Error;
use crate::formats::xml::{Node, Source};

/// Decimal places that a number has without float noise.
const MOST_DECIMALS: usize = 15;

/// What letters around a number may take.
const LONGEST_AFFIX: usize = 32;

/// How a number is displayed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    /// As it is.
    #[default]
    General,
    /// A date, a time, or both.
    Moment { date: bool, time: bool, seconds: bool },
    /// A duration in hours, which may be more than a day.
    Hours { seconds: bool },
    /// With so many places behind the point.
    Fixed(Fixed),
}

/// A number with so many places behind the point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fixed {
    pub(super) before: String,
    pub(super) behind: String,
    /// Fewest and most places behind the point.
    pub(super) decimals: (usize, usize),
    /// A comma after each three digits.
    pub(super) grouped: bool,
    /// Digits before the point at least.
    pub(super) digits: usize,
    /// In hundredths.
    pub(super) percent: bool,
    /// In thousands, so often.
    pub(super) thousands: u32,
    /// With a power of ten.
    pub(super) scientific: bool,
}

/// The formats of a workbook.
#[derive(Default)]
pub(super) struct Formats {
    /// By the number of a style.
    styles: Vec<[Format; 2]>,
}

impl Formats {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Error> {
        let source = Source::new("styles.xml", bytes);
        let mut xml = source.read();
        let (mut codes, mut ids, mut is_cell_style) = (HashMap::new(), Vec::new(), false);
        loop {
            match xml.next()? {
                Node::Open(tag) => match tag.name() {
                    "numFmt" => {
                        if let (Some(id), Some(code)) = (tag.number::<u32>("numFmtId"), tag.get("formatCode")) {
                            codes.insert(id, code);
                        }
                    }
                    "cellXfs" => is_cell_style = true,
                    "xf" if is_cell_style => ids.push(tag.number::<u32>("numFmtId").unwrap_or(0)),
                    _ => {}
                },
                Node::Close(name) if name.as_str() == "cellXfs" => is_cell_style = false,
                Node::End => break,
                _ => {}
            }
        }
        let format = |id: u32| sections(codes.get(&id).map_or_else(|| built_in(id), String::as_str));
        Ok(Self { styles: ids.into_iter().map(format).collect() })
    }

    /// Of a style: of numbers, and of those below zero.
    pub(super) fn of(&self, style: Option<usize>) -> &[Format; 2] {
        const GENERAL: &[Format; 2] = &[Format::General, Format::General];
        self.styles.get(style.unwrap_or(0)).unwrap_or(GENERAL)
    }
}

/// The formats that every workbook has, by their numbers in ECMA-376.
const fn built_in(id: u32) -> &'static str {
    match id {
        1 => "0",
        2 => "0.00",
        3 | 37 | 38 => "#,##0",
        4 | 39 | 40 | 43 | 44 => "#,##0.00",
        9 => "0%",
        10 => "0.00%",
        11 | 48 => "0.00E+00",
        14..=17 => "yyyy-mm-dd",
        18 | 20 => "hh:mm",
        19 | 21 => "hh:mm:ss",
        22 => "yyyy-mm-dd hh:mm",
        41 | 42 => "#,##0",
        45 | 47 => "mm:ss",
        46 => "[h]:mm:ss",
        _ => "General",
    }
}

/// The formats for numbers from zero and for those below.
pub(super) fn sections(code: &str) -> [Format; 2] {
    let mut parts = split(code).into_iter();
    let first = parts.next().unwrap_or_default();
    let positive = parse(&first);
    let negative = parts.next().map(|part| parse(&part));
    match negative {
        // It says itself how less than zero looks: a minus or parentheses are among its letters.
        Some(Format::Fixed(fixed)) => [positive, Format::Fixed(fixed)],
        _ => {
            let mut negative = positive.clone();
            if let Format::Fixed(fixed) = &mut negative {
                fixed.before.insert(0, '-');
            }
            [positive, negative]
        }
    }
}

/// The sections of a code, which semicolons divide.
fn split(code: &str) -> Vec<String> {
    let (mut parts, mut is_quoted, mut is_escaped) = (vec![String::new()], false, false);
    for character in code.chars() {
        let is_end = character == ';' && !is_quoted && !is_escaped;
        is_quoted ^= character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        match parts.last_mut() {
            Some(part) if !is_end => part.push(character),
            _ => parts.push(String::new()),
        }
    }
    parts
}

fn parse(section: &str) -> Format {
    if section.trim().eq_ignore_ascii_case("general") || section.contains('@') {
        return Format::General;
    }
    let mut fixed = Fixed::default();
    let (mut letters, mut is_number, mut is_behind_point, mut point_at) = (String::new(), false, false, false);
    let mut hours_alone = false;
    let mut commas = 0;
    let mut characters = section.chars().peekable();
    while let Some(character) = characters.next() {
        let mut literal = String::new();
        match character {
            '"' => literal.extend(characters.by_ref().take_while(|character| *character != '"')),
            '\\' => literal.extend(characters.next()),
            // As wide as the next one, or as often as it takes.
            '_' => drop(characters.next().map(|_| literal.push(' '))),
            '*' => drop(characters.next()),
            '[' => {
                let inner: String = characters.by_ref().take_while(|character| *character != ']').collect();
                match inner.strip_prefix('$') {
                    // A currency, with the language it is written in.
                    Some(currency) => literal.push_str(currency.split('-').next().unwrap_or_default()),
                    None => hours_alone |= inner.starts_with(['h', 'H']),
                }
            }
            '0' | '#' | '?' => {
                is_number = true;
                let needed = usize::from(character == '0');
                commas = 0;
                if is_behind_point {
                    fixed.decimals.1 = (fixed.decimals.1 + 1).min(MOST_DECIMALS);
                    fixed.decimals.0 = if needed == 1 { fixed.decimals.1 } else { fixed.decimals.0 };
                } else {
                    fixed.digits = (fixed.digits + needed).min(MOST_DECIMALS);
                    fixed.grouped |= point_at;
                }
            }
            '.' if is_number || characters.peek().is_some_and(|next| matches!(next, '0' | '#' | '?')) => {
                is_behind_point = true;
            }
            ',' if is_number => {
                commas += 1;
                point_at = true;
            }
            '%' => {
                fixed.percent = true;
                literal.push('%');
            }
            'E' | 'e' if is_number => {
                fixed.scientific = true;
                break;
            }
            'y' | 'Y' | 'd' | 'D' | 'm' | 'M' | 'h' | 'H' | 's' | 'S' => letters.push(character.to_ascii_lowercase()),
            // Where a date has its letters, what is between them is not ours to know.
            other => literal.push(other),
        }
        let affix = if is_number { &mut fixed.behind } else { &mut fixed.before };
        if affix.len() < LONGEST_AFFIX {
            affix.push_str(&literal);
        }
    }
    fixed.thousands = commas;
    let (has_hours, seconds) = (letters.contains('h'), letters.contains('s'));
    if hours_alone {
        return Format::Hours { seconds };
    }
    if !letters.is_empty() && !is_number || letters.contains(['y', 'd', 'h']) {
        let time = has_hours || seconds;
        return Format::Moment { date: letters.contains(['y', 'd']) || !time, time, seconds };
    }
    if is_number { Format::Fixed(fixed) } else { Format::General }
}
