//! Stage 6: everything → one result object.

use crate::request::ExtractionRequest;
use crate::result::Collated;
use crate::task::Task;

/// Contract of the stage.
#[derive(Debug)]
pub struct Collate;

impl Task for Collate {
    const NAME: &'static str = "collate";
    type Input = ExtractionRequest;
    type Output = Collated;
}
