//! Checks a request as it came from outside and names every problem with its path and the fix.

use std::fmt;

use serde_json::Value;

use super::ExtractionRequest;

/// One thing wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// JSON path of the field: `$.outputs[2].type`.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
    /// What to write instead.
    pub fix: String,
}

/// Everything wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct InvalidRequest {
    /// At least one problem, in the order of the fields.
    pub problems: Vec<Problem>,
}

impl fmt::Display for InvalidRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the request has {} problem(s):", self.problems.len())?;
        for problem in &self.problems {
            write!(f, "\n  {}: {}; {}", problem.path, problem.message, problem.fix)?;
        }
        Ok(())
    }
}

impl ExtractionRequest {
    /// Reads a request from JSON.
    ///
    /// # Errors
    /// [`InvalidRequest`] with every problem found.
    pub fn parse(request: &Value) -> Result<Self, InvalidRequest> {
        serde_json::from_value(request.clone()).map_err(|error| InvalidRequest {
            problems: vec![Problem {
                path: "$".to_owned(),
                message: error.to_string(),
                fix: "see docs/request.md".to_owned(),
            }],
        })
    }
}
