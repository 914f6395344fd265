//! Numbers and dates as they are displayed.

use super::format::{Fixed, Format};

/// Digits that a number has in Excel.
const DIGITS: usize = 15;

const SECONDS_PER_DAY: f64 = 86_400.0;

/// Days beyond which a number is no date: the year 9999 ends.
const DAYS: f64 = 2_958_466.0;

/// A number as its format displays it: dates in ISO 8601, digits without float noise.
pub(super) fn displayed(number: f64, [positive, negative]: &[Format; 2], from_1904: bool) -> String {
    match if number < 0.0 { negative } else { positive } {
        Format::General => general(number),
        Format::Moment { date, time, seconds } if (0.0..DAYS).contains(&number) => {
            moment(number, *date, *time, *seconds, from_1904)
        }
        Format::Hours { seconds } if (0.0..DAYS).contains(&number) => {
            let (hours, minutes, second) = clock((number * SECONDS_PER_DAY).round());
            if *seconds { format!("{hours}:{minutes:02}:{second:02}") } else { format!("{hours}:{minutes:02}") }
        }
        Format::Moment { .. } | Format::Hours { .. } => general(number),
        Format::Fixed(fixed) => self::fixed(number.abs(), fixed),
    }
}

/// All digits that mean something.
pub(super) fn general(number: f64) -> String {
    let exact = number.to_string();
    // Rounded to the digits that there are, and read again: 0.30000000000000004 is 0.3.
    let rounded: f64 = format!("{number:.*e}", DIGITS - 1).parse().unwrap_or(number);
    let short = rounded.to_string();
    let text = if short.len() < exact.len() { short } else { exact };
    if text.len() > 21 { format!("{rounded:E}") } else { text }
}

fn fixed(number: f64, format: &Fixed) -> String {
    let Fixed { before, behind, decimals: (fewest, most), grouped, digits, percent, thousands, scientific } = format;
    if *scientific {
        return format!("{before}{number:.*E}{behind}", *most);
    }
    let scale = if *percent { 100.0 } else { 1.0 } / 1000_f64.powi((*thousands).min(9).cast_signed());
    // 1.005 is a little less than that, and displayed as 1.01 all the same.
    let scaled: f64 = general(number * scale).parse().unwrap_or(number * scale);
    let text = round(scaled, *most);
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let whole = if *digits == 0 && whole == "0" && !part.is_empty() { "" } else { whole };
    let whole = format!("{whole:0>digits$}");
    let part = part.trim_end_matches('0');
    let part = format!("{part:0<fewest$}");
    let whole = if *grouped { group(&whole) } else { whole };
    let point = if part.is_empty() { "" } else { "." };
    format!("{before}{whole}{point}{part}{behind}").trim().to_owned()
}

/// With so many decimal places, halves away from zero as Excel has them.
fn round(number: f64, places: usize) -> String {
    let exact = number.to_string();
    let is_half = exact.split_once('.').is_some_and(|(_, part)| part.len() == places + 1 && part.ends_with('5'));
    let number = if is_half { format!("{exact}1").parse().unwrap_or(number) } else { number };
    format!("{number:.places$}")
}

fn group(digits: &str) -> String {
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn moment(number: f64, date: bool, time: bool, seconds: bool, from_1904: bool) -> String {
    let (day, part) = (number.floor(), number - number.floor());
    let second = (part * SECONDS_PER_DAY).round().min(SECONDS_PER_DAY - 1.0);
    let (hours, minutes, second) = clock(second);
    let clock =
        if seconds { format!("{hours:02}:{minutes:02}:{second:02}") } else { format!("{hours:02}:{minutes:02}") };
    match (date, time) {
        (true, true) => format!("{} {clock}", self::date(day, from_1904)),
        (false, true) => clock,
        _ => self::date(day, from_1904),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be days of this calendar")]
fn clock(seconds: f64) -> (u64, u64, u64) {
    let seconds = seconds as u64;
    (seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// The date of a day that Excel counts from 1900, or 1904.
#[expect(clippy::cast_possible_truncation, reason = "checked to be a day of this calendar")]
fn date(day: f64, from_1904: bool) -> String {
    /// From 1899-12-30, and from 1904-01-01, to 1970-01-01.
    const FROM_1900: i64 = 25_569;
    const FROM_1904: i64 = 24_107;
    let day = day as i64;
    // In Excel 1900 was a leap year: days before its end are counted from a day later.
    let days = if from_1904 { day - FROM_1904 } else { day - FROM_1900 + i64::from(day < 60) };
    // The calendar of days since 1970, as Howard Hinnant's `civil_from_days` computes it.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::super::format::sections;
    use super::*;

    fn shown(number: f64, code: &str) -> String {
        displayed(number, &sections(code), false)
    }

    #[test]
    fn numbers_are_displayed_as_their_format_says() {
        assert_eq!(shown(0.1 + 0.2, "General"), "0.3");
        assert_eq!(shown(1_234_567.0, "General"), "1234567");
        assert_eq!(shown(1.5e300, "General"), "1.5E300");
        assert_eq!(shown(1234.5, "#,##0.00"), "1,234.50");
        assert_eq!(shown(1.005, "0.00"), "1.01");
        assert_eq!(shown(-1234.5, "#,##0.00 \"€\""), "-1,234.50 €");
        assert_eq!(shown(-12.0, "0.00;(0.00)"), "(12.00)");
        assert_eq!(shown(12.0, "[$€-407] #,##0.0#"), "€ 12.0");
        assert_eq!(shown(0.19, "0%"), "19%");
        assert_eq!(shown(0.075, "0.0%"), "7.5%");
        assert_eq!(shown(7.0, "00000"), "00007");
        assert_eq!(shown(12_345_678.0, "0.0,,\"M\""), "12.3M");
        assert_eq!(shown(0.5, "#.##"), ".5");
        assert_eq!(shown(12_345.0, "_-* #,##0.00\\ _€_-;-* #,##0.00\\ _€_-"), "12,345.00");
        assert_eq!(shown(-5.0, "_-* #,##0.00\\ _€_-;-* #,##0.00\\ _€_-"), "-5.00");
    }

    #[test]
    fn dates_are_displayed_in_iso_8601() {
        assert_eq!(shown(45_992.0, "dd.mm.yyyy"), "2025-12-01");
        assert_eq!(shown(45_992.75, "m/d/yy h:mm"), "2025-12-01 18:00");
        assert_eq!(shown(0.5, "h:mm:ss AM/PM"), "12:00:00");
        assert_eq!(shown(1.0, "yyyy-mm-dd"), "1900-01-01");
        assert_eq!(shown(61.0, "yyyy-mm-dd"), "1900-03-01");
        assert_eq!(shown(1.5, "[h]:mm"), "36:00");
        assert_eq!(shown(-3.0, "dd.mm.yyyy"), "-3");
        assert_eq!(shown(1e300, "dd.mm.yyyy"), "1E300");
        assert_eq!(displayed(44_530.0, &sections("yyyy-mm-dd"), true), "2025-12-01");
    }
}
