//! `/problems`: what each code means, for people and for programs.

use std::fmt::Write;

use axum::Json;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::Problem;
use super::codes::Code;

/// A code, explained.
#[derive(Serialize, ToSchema)]
pub(super) struct Explained {
    #[schema(value_type = String)]
    code: Code,
    status: u16,
    title: &'static str,
    meaning: &'static str,
    what_to_do: &'static str,
}

impl From<Code> for Explained {
    fn from(code: Code) -> Self {
        Self {
            code,
            status: code.status().as_u16(),
            title: code.title(),
            meaning: code.meaning(),
            what_to_do: code.fix(),
        }
    }
}

/// All codes of errors, as JSON or as a page, by `Accept`.
#[utoipa::path(get, path = "/problems", tag = "problems", security(()),
    responses((status = 200, content((Vec<Explained> = "application/json"), (String = "text/html")))))]
pub(super) async fn list(headers: HeaderMap) -> Response {
    if wants_json(&headers) {
        let codes: Vec<Explained> = Code::ALL.iter().copied().map(Explained::from).collect();
        return Json(codes).into_response();
    }
    let mut rows = String::new();
    for code in Code::ALL {
        let (link, name, status) = (code.link(), code.as_str(), code.status().as_u16());
        let _ = writeln!(rows, "<tr><td>{status}<td><a href=\"{link}\">{name}</a><td>{}", escaped(code.meaning()));
    }
    html("Problems", &format!("<h1>Problems</h1>\n<table>\n{rows}</table>"))
}

/// What a code means and what to do about it, as JSON or as a page, by `Accept`.
#[utoipa::path(get, path = "/problems/{code}", tag = "problems", security(()),
    params(("code" = String, Path, description = "A code")),
    responses((status = 200, content((Explained = "application/json"), (String = "text/html"))),
        (status = 404, body = Problem)))]
pub(super) async fn show(code: Result<Path<String>, PathRejection>, headers: HeaderMap) -> Result<Response, Problem> {
    let Path(name) = code?;
    let Some(code) = Code::named(&name) else {
        return Err(Problem::new(Code::NoSuchRoute, format!("there is no code {name:?}; GET /problems lists them")));
    };
    if wants_json(&headers) {
        return Ok(Json(Explained::from(code)).into_response());
    }
    let body = format!(
        "<h1>{}</h1>\n<p><code>{}</code>, status {}</p>\n<p>{}</p>\n<h2>What to do</h2>\n<p>{}</p>\n\
         <p><a href=\"/problems\">All problems</a></p>",
        escaped(code.title()),
        code.as_str(),
        code.status().as_u16(),
        escaped(code.meaning()),
        escaped(code.fix()),
    );
    Ok(html(code.title(), &body))
}

/// Browsers name HTML; whoever names JSON gets it.
fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.contains("json") && !accept.contains("text/html")
}

fn html(title: &str, body: &str) -> Response {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{} · Flotilla</title>\n\
         <style>body {{ font: 1rem/1.5 sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }} \
         td {{ padding: .2rem .6rem; vertical-align: top }}</style>\n{body}\n</html>\n",
        escaped(title)
    );
    let mut response = page.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// A text within HTML; what the table writes in backticks is code.
fn escaped(text: &str) -> String {
    let plain = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let mut marked = String::with_capacity(plain.len());
    for (place, part) in plain.split('`').enumerate() {
        let _ = if place % 2 == 0 { write!(marked, "{part}") } else { write!(marked, "<code>{part}</code>") };
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_table_are_shown_as_they_are_meant() {
        assert_eq!(escaped("send `a<b>` & wait"), "send <code>a&lt;b&gt;</code> &amp; wait");
    }
}
