//! Bodies that are JSON.

use axum::extract::Request;
use protocol::shape::Problems;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::codes::Code;
use super::{Problem, upload};

/// Largest workflow or schedule, in bytes.
pub(super) const SMALL: usize = 1024 * 1024;

/// How many levels of lists and objects may be nested. Whatever reads it later needs that much stack.
const DEEPEST: usize = 64;

/// The value of a body of at most `most` bytes: a text in UTF-8, with or without a byte order mark.
pub(super) async fn json(request: Request, most: usize) -> Result<Value, Problem> {
    parsed(&bytes(request, most).await?)
}

/// The same for a body that may be left out: an object without fields.
pub(super) async fn optional(request: Request, most: usize) -> Result<Value, Problem> {
    let text = bytes(request, most).await?;
    if text.is_empty() { Ok(Value::Object(serde_json::Map::new())) } else { parsed(&text) }
}

/// The same for a body that may be left out, of any kind: null.
pub(super) async fn any(request: Request, most: usize) -> Result<Value, Problem> {
    let text = bytes(request, most).await?;
    if text.is_empty() { Ok(Value::Null) } else { parsed(&text) }
}

async fn bytes(request: Request, most: usize) -> Result<Vec<u8>, Problem> {
    let mut body = request.into_body().into_data_stream();
    let mut text = Vec::new();
    while let Some(piece) = upload::next(&mut body).await? {
        if text.len() + piece.len() > most {
            return Err(Problem::new(Code::TooLarge, format!("the request is larger than {most} bytes")));
        }
        text.extend_from_slice(&piece);
    }
    Ok(text)
}

fn parsed(text: &[u8]) -> Result<Value, Problem> {
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    check_depth(text)?;
    serde_json::from_slice(text)
        .map_err(|error| Problem::new(Code::RequestNotJson, format!("the request is not JSON: {error}")))
}

/// The same, of a type without rules of its own.
pub(super) async fn of<T: DeserializeOwned>(request: Request, most: usize) -> Result<T, Problem> {
    serde_json::from_value(json(request, most).await?)
        .map_err(|error| Problem::new(Code::BodyInvalid, format!("the request has wrong fields: {error}")))
}

/// Refuses what is nested too deeply, before anything is built of it. What is no JSON may pass.
pub(super) fn check_depth(text: &[u8]) -> Result<(), Problem> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            let detail = format!("the JSON has more than {DEEPEST} levels; flatten it");
            return Err(Problem::new(Code::NestingTooDeep, detail));
        }
    }
    Ok(())
}

/// The same for a body that has to be an object, read as `T`.
pub(super) async fn object<T: DeserializeOwned>(request: Request, code: Code) -> Result<T, Problem> {
    let value = json(request, SMALL).await?;
    // serde would take a list for the fields in their order.
    if !value.is_object() {
        return Err(problem_at(code, "$", "is not a JSON object"));
    }
    serde_json::from_value(value).map_err(|error| problem_at(code, "$", &format!("cannot be used: {error}")))
}

/// A body whose content is at fault in one place.
pub(super) fn problem_at(code: Code, path: &str, message: &str) -> Problem {
    let mut problems = Problems::default();
    problems.report(path, message, "correct it");
    Problem::invalid(code, "this cannot be used as it is", problems.into_list())
}

/// Whether a text can be the id of a record: nothing that a database refuses or that says nothing.
pub(super) fn is_id(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A place in a list, as an earlier page gave it.
pub(super) fn place(id: String, name: &str) -> Result<String, Problem> {
    if is_id(&id) {
        return Ok(id);
    }
    let detail = format!("`{name}` takes what an earlier page gave as `next`");
    Err(Problem::new(Code::QueryInvalid, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_levels_count_and_not_brackets_in_texts() {
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert!(check_depth(nested(DEEPEST).as_bytes()).is_ok());
        assert!(check_depth(nested(DEEPEST + 1).as_bytes()).is_err());
        assert!(check_depth(format!("[{}]", ["[]"; 200].join(",")).as_bytes()).is_ok(), "side by side");
        assert!(check_depth(format!(r#"["\"{}"]"#, "[".repeat(200)).as_bytes()).is_ok(), "within a text");
        assert!(check_depth(format!(r#"["a\\",{}"#, "[".repeat(200)).as_bytes()).is_err(), "behind a text");
    }
}
