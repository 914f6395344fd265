//! What a request's head may look like.

use axum::extract::Request;
use axum::http::{HeaderName, Version, header};

use super::super::Problem;
use super::super::codes::Code;

/// Longest path with its query, in bytes.
const LONGEST_URI: usize = 8 * 1024;

/// Most bytes of all headers together: names, values and two for each.
const LARGEST_HEADERS: usize = 32 * 1024;

/// A client that sent nonsense may go on with more.
pub(super) const CLOSE: [(HeaderName, &str); 1] = [(header::CONNECTION, "close")];

/// Headers that have one value. Two parties that read different ones of several can be played off against each other.
const SINGLE: [HeaderName; 8] = [
    header::HOST,
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("last-event-id"),
    header::ORIGIN,
];

/// Why a request is not even looked at.
pub(super) fn check(request: &Request) -> Result<(), Problem> {
    let uri = request.uri();
    let query = uri.query().unwrap_or_default();
    if uri.path().len() + query.len() > LONGEST_URI {
        let detail = format!("the address is longer than {LONGEST_URI} bytes; send long values in the body");
        return Err(Problem::new(Code::UriTooLong, detail));
    }
    let headers = request.headers();
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 2).sum();
    if size > LARGEST_HEADERS {
        let detail = format!("the headers are larger than {LARGEST_HEADERS} bytes; send fewer cookies");
        return Err(Problem::new(Code::HeadersTooLarge, detail));
    }
    for name in &SINGLE {
        if headers.get_all(name).iter().nth(1).is_some() {
            return Err(Problem::new(
                Code::HeaderRepeated,
                format!("the header {name} came several times; send it once"),
            ));
        }
    }
    if request.version() == Version::HTTP_11 && !headers.contains_key(header::HOST) && uri.host().is_none() {
        return Err(Problem::new(Code::RequestMalformed, "the header Host is missing; HTTP/1.1 requires it"));
    }
    if let Some(coding) = headers.get(header::CONTENT_ENCODING).filter(|coding| *coding != "identity") {
        let detail =
            format!("bodies are taken as they are, not as Content-Encoding {coding:?}; send yours uncompressed");
        return Err(Problem::new(Code::MediaTypeUnsupported, detail));
    }
    if !is_text(uri.path()) {
        return Err(Problem::new(
            Code::PathInvalid,
            "the path has a NUL byte or is not UTF-8; percent-encode it as UTF-8",
        ));
    }
    if !is_text(query) {
        let detail = "the query has a NUL byte or is not UTF-8; percent-encode it as UTF-8";
        return Err(Problem::new(Code::QueryInvalid, detail));
    }
    Ok(())
}

/// Whether what is percent-encoded is UTF-8 without NUL bytes.
fn is_text(encoded: &str) -> bool {
    if !encoded.contains('%') {
        return !encoded.contains('\0');
    }
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        match (byte, ahead.next().and_then(hex), ahead.next().and_then(hex)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high * 16 + low);
                bytes = ahead;
            }
            _ => decoded.push(byte),
        }
    }
    !decoded.contains(&0) && std::str::from_utf8(&decoded).is_ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_found_however_it_is_written() {
        for good in ["/a/b", "/%C3%A4", "/100%", "/%zz", "/%4", "name=%E2%82%AC"] {
            assert!(is_text(good), "{good}");
        }
        for bad in ["/%00", "/a%00b", "/%C3", "/%ff%fe", "name=%80", "/%ED%A0%80"] {
            assert!(!is_text(bad), "{bad}");
        }
    }
}
