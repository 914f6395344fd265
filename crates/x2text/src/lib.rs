//! Readers of documents: the built-in one and services elsewhere, behind one port.
//!
//! [`X2Text`] is the port. A reader gives the document, or says when to come back: nobody holds a slot while a service works. What it
//! must not forget meanwhile it keeps on the caller's [`Shelf`]. One file per reader, and one line each in `providers`.
//!
//! [`cache`] keeps what was read under the document's content and the reader's [`X2Text::fingerprint`].
//!
//! Nothing here knows of runs, queues or tenants; what is not the built-in reader is reached by the way out that the caller hands in.

use std::time::Duration;

use async_trait::async_trait;
use protocol::TaskError;
use serde_json::Value;
use text::{Extracted, Source};

mod builtin;
pub mod cache;
mod error;
mod fingerprint;
mod layout;
mod llmwhisperer;
mod media_type;
mod no_op;
mod providers;
mod service;
mod settings;
mod unstructured;

pub use builtin::Builtin;
pub use error::Error;
pub use fingerprint::EDITION;
pub use providers::reader;
pub use settings::Unusable;

/// Reads documents of whatever kind.
#[async_trait]
pub trait X2Text: Send + Sync {
    /// Tells readers apart that read differently: a digest of the kind of reader and of every setting that changes what is read.
    /// Secrets, labels and the id of an adapter are not in it. In lower-case hex, so that it can be part of a key.
    fn fingerprint(&self) -> String;

    /// Reads the document, or begins to, or looks whether somebody has read it by now. May be called again after a crash at
    /// any point; being dropped at any await is fine.
    ///
    /// # Errors
    /// [`Error`], whose class says whether trying again can help.
    async fn read(&self, order: &Order<'_>) -> Result<Step, Error>;
}

/// A document to be read.
#[derive(Clone, Copy)]
pub struct Order<'a> {
    /// The document.
    pub original: &'a dyn Original,
    /// SHA-256 of its content, lower-case hex.
    pub content: &'a str,
    /// What the reader handed out when it last said to come back; null at first.
    pub state: &'a Value,
    /// Hears how many of how many pages are done, by a reader that knows.
    pub tell: &'a (dyn Fn(u32, u32) + Send + Sync),
    /// Where it keeps what it must not forget. The same in every attempt, and nobody else's.
    pub shelf: &'a dyn Shelf,
}

/// A document that lies somewhere. It is fetched when somebody needs it: who only looks how far a service is does not.
#[async_trait]
pub trait Original: Send + Sync {
    /// The document on disk, for as long as this lives. The same every time.
    ///
    /// # Errors
    /// When it cannot be fetched.
    async fn source(&self) -> Result<Source, TaskError>;
}

/// How far a reader got.
#[derive(Debug)]
pub enum Step {
    /// The document was read.
    Done(Reading),
    /// Somebody works on it. Nothing is lost when nobody comes back.
    Wait {
        /// When to come back.
        after: Duration,
        /// What [`Order::state`] is to be then. Holds no secret.
        state: Value,
        /// What a person should know about the wait, if anything.
        note: Option<String>,
    },
}

/// What was read.
#[derive(Debug)]
pub struct Reading {
    /// The document, what read it, and what a person should know.
    pub extracted: Extracted,
    /// Whether reading it once more would give the same. Otherwise something was missing that may be there another time.
    pub is_whole: bool,
}

/// A place to keep bytes under plain names (`a-z`, `0-9`, `.`, `-`). Writing is atomic.
#[async_trait]
pub trait Shelf: Send + Sync {
    /// What is kept under that name, if anything.
    ///
    /// # Errors
    /// When the place cannot be reached.
    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, TaskError>;

    /// Keeps bytes, instead of those that were kept under that name.
    ///
    /// # Errors
    /// When the place cannot be reached; then the bytes may or may not be kept.
    async fn put(&self, name: &str, bytes: &[u8]) -> Result<(), TaskError>;
}
