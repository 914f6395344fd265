//! `{{name}}` references from one prompt to the answer of another.

use std::ops::Range;

/// What stands for an answer that is null, or that is not there because of a cycle.
pub const UNKNOWN: &str = "unknown";

/// The references in a prompt, in order: where they stand, braces included, and the name they refer to.
///
/// A name is whatever a request accepts as one: no braces, no control characters; spaces around it do not count.
pub fn find(prompt: &str) -> Vec<(Range<usize>, &str)> {
    let mut references = Vec::new();
    let mut from = 0;
    while let Some(close) = prompt[from..].find("}}").map(|at| from + at) {
        // The nearest opening: what stands before it may look like one and is none, as in `{{ {{name}}`.
        if let Some(open) = prompt[from..close].rfind("{{").map(|at| from + at) {
            let name = prompt[open + 2..close].trim();
            if !name.is_empty() && !name.contains(|c: char| c == '}' || c.is_control()) {
                references.push((open..close + 2, name));
            }
        }
        from = close + 2;
    }
    references
}

/// Replaces each reference by the answer's text. A name without an answer stays as it is written.
pub fn substitute<'a>(prompt: &str, answer: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut text = String::with_capacity(prompt.len());
    let mut from = 0;
    for (range, name) in find(prompt) {
        if let Some(answer) = answer(name) {
            text.push_str(&prompt[from..range.start]);
            text.push_str(answer);
            from = range.end;
        }
    }
    text.push_str(&prompt[from..]);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(prompt: &str) -> Vec<&str> {
        find(prompt).into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn names_may_have_letters_of_any_script_and_spaces_around_them() {
        assert_eq!(names("{{a}} {{ net_total-1.x }} {{größe}}{{合計}}"), ["a", "net_total-1.x", "größe", "合計"]);
        assert_eq!(names("{{}} {{ }} {a} {{a\nb}} {{open"), [""; 0]);
        assert_eq!(names("{{ {{inner}} {{{three}}}"), ["inner", "three"]);
    }

    #[test]
    fn answers_are_put_in_once_and_unknown_names_stay() {
        let answer = |name: &str| match name {
            "a" => Some("{{b}}"),
            "b" => Some("2"),
            _ => None,
        };
        assert_eq!(substitute("x {{a}} {{ b }} {{c}}.", answer), "x {{b}} 2 {{c}}.");
    }
}
