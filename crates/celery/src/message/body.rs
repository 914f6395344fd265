//! The body of a task message.

use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use serde_json::{Map, Value, json};

use super::{Embed, Message, Raw};
use crate::signature::{Signature, values};
use crate::{DecodeError, typed};

pub(super) const JSON: &str = "application/json";

/// How large a body may be once it is decompressed: a few kilobytes on the wire can stand for gigabytes.
const LARGEST_BODY: usize = 256 * 1024 * 1024;

type Parts = (Vec<Value>, Map<String, Value>, Embed);

pub(super) fn write(message: &Message) -> Vec<u8> {
    let embed = &message.embed;
    let list = |signatures: &[Signature]| match signatures {
        [] => Value::Null,
        some => values(some.iter().cloned()),
    };
    let body = json!([message.args, message.kwargs, {
        "callbacks": list(&embed.callbacks),
        "errbacks": list(&embed.errbacks),
        "chain": list(&embed.chain),
        "chord": embed.chord.as_ref().map(Signature::to_value),
    }]);
    body.to_string().into_bytes()
}

pub(super) fn read(raw: &Raw) -> Result<Parts, DecodeError> {
    let parsed = parse(raw)?;
    let Value::Array(parts) = parsed else { return Err(DecodeError::Body("it is not an array")) };
    let mut parts = parts.into_iter();
    let args = match parts.next() {
        Some(Value::Array(args)) => args,
        Some(Value::Null) => Vec::new(),
        _ => return Err(DecodeError::Body("its arguments are not an array")),
    };
    let kwargs = match parts.next() {
        Some(Value::Object(kwargs)) => kwargs,
        Some(Value::Null) => Map::new(),
        _ => return Err(DecodeError::Body("its keyword arguments are not an object")),
    };
    let embed = match parts.next() {
        None | Some(Value::Null) => Embed::default(),
        Some(Value::Object(embed)) => Embed {
            callbacks: Signature::list_from(embed.get("callbacks"))?,
            errbacks: Signature::list_from(embed.get("errbacks"))?,
            chain: Signature::list_from(embed.get("chain"))?,
            chord: embed.get("chord").filter(|chord| !chord.is_null()).map(Signature::from_value).transpose()?,
        },
        Some(_) => return Err(DecodeError::Body("its options are not an object")),
    };
    Ok((args, kwargs, embed))
}

/// The body as JSON, decompressed where it is compressed.
fn parse(raw: &Raw) -> Result<Value, DecodeError> {
    let properties = &raw.properties;
    if properties.content_type.as_deref() != Some(JSON) {
        return Err(DecodeError::ContentType(properties.content_type.clone().unwrap_or_default()));
    }
    // RabbitMQ's management and Celery write it in different cases.
    let encoding = properties.content_encoding.as_deref().unwrap_or("utf-8");
    if !["utf-8", "utf8", "us-ascii"].iter().any(|known| known.eq_ignore_ascii_case(encoding)) {
        return Err(DecodeError::ContentEncoding(encoding.to_owned()));
    }
    let compression = raw.headers.get("compression").filter(|compression| !compression.is_null());
    let parsed = match compression.map(|name| name.as_str().unwrap_or("")) {
        None => typed::parse(&raw.body),
        Some("application/x-gzip" | "gzip" | "zlib") => typed::parse(&inflate(&raw.body)?),
        Some(other) => return Err(DecodeError::Compression(other.to_owned())),
    };
    parsed.map_err(|error| DecodeError::Json(error.to_string()))
}

/// Kombu calls it gzip; it is zlib.
fn inflate(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    decompress_to_vec_zlib_with_limit(bytes, LARGEST_BODY).map_err(|error| DecodeError::Compressed(error.to_string()))
}
