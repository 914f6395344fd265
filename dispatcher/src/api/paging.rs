//! Lists page by page.

use ledger::records::Page;
use serde::Deserialize;
use utoipa::IntoParams;

use super::operations::{MOST, USUAL};
use super::{Problem, body};

/// Query of a page.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AfterQuery {
    /// Go on behind this.
    after: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// The page that a query asks for, with one entry more, which tells whether there is another one.
pub(super) fn page(query: AfterQuery) -> Result<(Page, usize), Problem> {
    let limit = query.limit.unwrap_or(USUAL).clamp(1, MOST);
    let after = query.after.map(|id| body::place(id, "after")).transpose()?;
    Ok((Page { after, limit: limit + 1, descending: false }, limit))
}

/// Takes the entry that was one too many off; returns where the next page begins.
pub(super) fn cut<T>(found: &mut Vec<T>, limit: usize, place: impl Fn(&T) -> String) -> Option<String> {
    let more = found.len() > limit;
    found.truncate(limit);
    found.last().filter(|_| more).map(place)
}
