//! Any bytes under any name: the readers give pages or a named error, and neither panic nor go beyond their limits.

#![no_main]

use libfuzzer_sys::fuzz_target;

/// Names decide where content does not.
const NAMES: [&str; 12] =
    ["a", "a.txt", "a.md", "a.csv", "a.html", "a.eml", "a.docx", "a.xlsx", "a.ods", "a.pptx", "a.png", "a.tiff"];

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, document)) = bytes.split_first() else { return };
    let name = NAMES[usize::from(*choice) % NAMES.len()];
    // An error is an answer like any other.
    let _ = text::read_here(name, document);
});
