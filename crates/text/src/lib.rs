//! Document → text with layout, page by page, every word with its box.
//!
//! Documents come from strangers and PDFium is a large C++ program, so no document is read in the caller's process:
//! [`Extractor::extract`] has a child read it, which has limited itself and reads as many documents as
//! [`Config::documents_per_child`] says. Whatever a document does to its reader, the caller gets pages or a named [`Error`].
//!
//! The way of a document: `extractor` opens it → `pool` has a child or `process` starts one → `child` limits itself and asks
//! `formats` whose it is → a reader writes `pages`, with `layout` for characters that have places → `reading` collects them,
//! with as many children as it takes.
//!
//! An executable that extracts text must call [`child_main`] when its first argument is [`CHILD_ARGUMENT`].

mod child;
mod config;
mod confinement;
pub mod draw;
mod error;
mod extractor;
mod formats;
mod layout;
mod ocr;
mod pages;
mod picture;
mod pool;
mod process;
mod range;
mod reading;
mod unicode;
mod wire;

pub use child::child_main;
#[cfg(fuzzing)]
pub use child::read_here;
pub use config::{CHILD_ARGUMENT, ChildCommand, Config, Limits, Ocr, OcrMode};
pub use error::{Error, Limit, Protection};
pub use extractor::{Extracted, Extractor, Source};
pub use picture::{Picture, Placement, Wish};
pub use range::{InvalidRange, PageRange};
