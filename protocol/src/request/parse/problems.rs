//! Collects what is wrong while a request is read.

use std::cell::RefCell;

use super::path::Path;
use super::{Problem, limits};

/// The problems so far; shared by everything that reads one request.
#[derive(Default)]
pub(super) struct Problems(RefCell<Collected>);

#[derive(Default)]
struct Collected {
    list: Vec<Problem>,
    unlisted: usize,
}

impl Problems {
    pub(super) fn report(&self, path: &Path<'_>, message: impl Into<String>, fix: impl Into<String>) {
        let mut collected = self.0.borrow_mut();
        if collected.list.len() < limits::PROBLEMS {
            collected.list.push(Problem { path: path.to_string(), message: message.into(), fix: fix.into() });
        } else {
            collected.unlisted += 1;
        }
    }

    pub(super) fn into_list(self) -> Vec<Problem> {
        let Collected { mut list, unlisted } = self.0.into_inner();
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
