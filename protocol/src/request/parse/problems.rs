//! Collects what is wrong while a request is read.

use std::cell::RefCell;

use super::path::Path;
use super::{Problem, limits};

/// The problems so far; shared by everything that reads one request.
#[derive(Default)]
pub(super) struct Problems {
    found: RefCell<Collected>,
    /// Whether unknown fields are left out instead of being problems.
    tolerant: bool,
}

#[derive(Default)]
struct Collected {
    list: Vec<Problem>,
    unlisted: usize,
    /// Paths of unknown fields that were left out.
    left_out: Vec<String>,
}

impl Problems {
    /// Problems of a reader that leaves unknown fields out.
    pub(super) fn tolerant() -> Self {
        Self { tolerant: true, ..Self::default() }
    }

    /// Notes a field that nobody knows.
    pub(super) fn unknown(&self, path: &Path<'_>, fix: impl Into<String>) {
        if !self.tolerant {
            return self.report(path, "is an unknown field", fix);
        }
        let mut collected = self.found.borrow_mut();
        if collected.left_out.len() < limits::PROBLEMS {
            collected.left_out.push(path.to_string());
        }
    }

    pub(super) fn report(&self, path: &Path<'_>, message: impl Into<String>, fix: impl Into<String>) {
        let mut collected = self.found.borrow_mut();
        if collected.list.len() < limits::PROBLEMS {
            collected.list.push(Problem { path: path.to_string(), message: message.into(), fix: fix.into() });
        } else {
            collected.unlisted += 1;
        }
    }

    /// Paths of unknown fields that were left out.
    pub(super) fn left_out(&self) -> Vec<String> {
        self.found.borrow().left_out.clone()
    }

    pub(super) fn into_list(self) -> Vec<Problem> {
        let Collected { mut list, unlisted, .. } = self.found.into_inner();
        if unlisted > 0 {
            list.push(Problem {
                path: "$".to_owned(),
                message: format!("{unlisted} further problems are not listed"),
                fix: "repair these first".to_owned(),
            });
        }
        list
    }
}
