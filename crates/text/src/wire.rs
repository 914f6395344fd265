//! What parent and child tell each other: one JSON line in, one JSON value out.

use std::path::PathBuf;

use protocol::document::Document;
use serde::{Deserialize, Serialize};

use crate::config::Limits;
use crate::error::Error;

/// What the parent asks. Passed over a pipe rather than as arguments, which other users of the machine can see.
#[derive(Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) file: PathBuf,
    pub(crate) password: Option<String>,
    pub(crate) pdfium: PathBuf,
    pub(crate) limits: Limits,
}

/// What the child answers.
pub(crate) type Reply = Result<Reading, Error>;

/// A document that was read.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reading {
    pub(crate) document: Document,
    pub(crate) warnings: Vec<String>,
}
