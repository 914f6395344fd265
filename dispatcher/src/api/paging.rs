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
    /// Go on behind this: the `next` of an earlier page.
    #[param(pattern = r"^[!-~]{1,128}$")]
    after: Option<String>,
    /// At most so many; 1000 is the most there is.
    limit: Option<usize>,
}

/// A tenant in an address.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes an address; handlers read it themselves, to answer in their own words")]
pub(super) struct TenantName {
    /// Name of a tenant.
    #[param(pattern = r"^[A-Za-z0-9_-]{1,64}$")]
    name: String,
}

/// A run in an address.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes an address; handlers read it themselves, to answer in their own words")]
pub(super) struct RunAddress {
    /// Id of a run.
    #[param(pattern = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
    id: String,
}

/// What a client has already.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes a header; handlers read it themselves")]
pub(super) struct IfNoneMatch {
    /// The ETag of the answer that the client has; 304 when it would get the same.
    #[param(rename = "If-None-Match")]
    if_none_match: Option<String>,
}

/// A schedule or workflow in an address.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes an address; handlers read it themselves, to answer in their own words")]
pub(super) struct Named {
    /// Its name.
    #[param(pattern = r"^[A-Za-z0-9_-]{1,64}$")]
    name: String,
}

/// A record in an address.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes an address; handlers read it themselves, to answer in their own words")]
pub(super) struct RecordId {
    /// Its id.
    #[param(pattern = r"^[A-Za-z0-9_-]{1,100}$")]
    id: String,
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
