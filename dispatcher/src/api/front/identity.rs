//! An id for every call, by which the log, the answer and whoever called find together.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use uuid::Uuid;

/// The header that carries it in both directions.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest that is taken over, in characters.
const LONGEST: usize = 128;

/// Names a call: 1 to 128 of `A-Z`, `a-z`, `0-9`, `.`, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(in crate::api) struct RequestId(Arc<str>);

impl RequestId {
    /// What the client calls it, if that can go into a log as it is; otherwise a fresh one.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut given = headers.get_all(HEADER).iter();
        let one = given.next().filter(|_| given.next().is_none()).and_then(|value| value.to_str().ok());
        match one.filter(|id| is_sane(id)) {
            Some(id) => Self(id.into()),
            None => Self(Uuid::now_v7().to_string().into()),
        }
    }

    /// The value of the header.
    pub(super) fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_sane(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=LONGEST).contains(&id.len()) && id.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_of(values: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_str(value).unwrap());
        }
        RequestId::of(&headers).to_string()
    }

    #[test]
    fn a_sane_id_is_taken_over_and_any_other_is_replaced() {
        assert_eq!(id_of(&["order-7.retry_2"]), "order-7.retry_2");
        let (longest, too_long) = ("x".repeat(LONGEST), "x".repeat(LONGEST + 1));
        assert_eq!(id_of(&[&longest]), longest);
        for bad in [&["" as &str] as &[_], &["a b"], &["a\tlevel=error"], &["<script>"], &[&too_long], &["a", "b"], &[]]
        {
            let made = id_of(bad);
            assert_eq!(Uuid::parse_str(&made).map(|id| id.get_version_num()), Ok(7), "{bad:?} gave {made}");
        }
    }
}
