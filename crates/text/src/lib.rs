//! Document → text with layout, page by page, every word with its box.
//!
//! Documents come from strangers and PDFium is a large C++ program, so no document is read in the caller's process:
//! [`Extractor::extract`] has a child read it, which has limited itself and reads as many documents as
//! [`Config::documents_per_child`] says. Whatever a document does to its reader, the caller gets pages or a named [`Error`].
//!
//! The way of a document: `extractor` decides what it is → `pool` has a child or `process` starts one → `child` limits itself →
//! `pdf` reads characters and `layout` makes words and lines of them, or `plain` sets text on a grid → `budget` counts.
//!
//! An executable that extracts text must call [`child_main`] when its first argument is [`CHILD_ARGUMENT`].

mod budget;
mod child;
mod config;
mod error;
mod extractor;
mod format;
mod layout;
mod pdf;
mod plain;
mod pool;
mod process;
mod unicode;
mod wire;

pub use child::child_main;
pub use config::{CHILD_ARGUMENT, ChildCommand, Config, Limits};
pub use error::{Error, Limit, Protection};
pub use extractor::{Extracted, Extractor, Source};
