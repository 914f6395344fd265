//! Rust sends, Python does.
