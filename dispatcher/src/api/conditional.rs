//! Answers that a client may keep, and need not be sent again while they are the same.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Problem;

/// Kept by the client alone, and asked about before it is used.
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// 200 with the value as JSON and a tag of its bytes, or 304 when the client has exactly these.
pub(super) fn json<T: Serialize>(asked: &HeaderMap, value: &T) -> Result<Response, Problem> {
    let body = serde_json::to_vec(value).map_err(|error| Problem::internal(&error))?;
    let tag = format!("\"{:.32}\"", format!("{:x}", Sha256::digest(&body)));
    let known = is_known(asked, &tag);
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { body.into_response() };
    let headers = response.headers_mut();
    if !known {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    headers.insert(header::CACHE_CONTROL, PRIVATE);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    Ok(response)
}

/// Whether the client has this one, by `If-None-Match`.
fn is_known(asked: &HeaderMap, tag: &str) -> bool {
    let tags = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|list| list.split(',')).map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(tags: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_str(tags).unwrap())])
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        let first = json(&HeaderMap::new(), &[1, 2]).unwrap();
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
        for tags in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let again = json(&asked(&tags), &[1, 2]).unwrap();
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{tags}");
            assert_eq!(again.headers()[header::ETAG].to_str().unwrap(), tag);
        }
        for tags in ["\"other\"", "nonsense"] {
            assert_eq!(json(&asked(tags), &[1, 2]).unwrap().status(), StatusCode::OK, "{tags}");
        }
        assert_eq!(json(&asked(&tag), &[1, 3]).unwrap().status(), StatusCode::OK, "it changed");
    }
}
