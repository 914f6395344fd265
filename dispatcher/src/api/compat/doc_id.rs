//! The id of an index, made as the replaced system made it, but without secrets.
//!
//! There, the whole configuration of every adapter went into it, so that a new API key meant a new id and indexing
//! again. Here, the adapters' ids do.

use protocol::request::ExtractionRequest;
use serde_json::json;
use sha2::{Digest, Sha256};

/// Tokens in a chunk, and of its overlap, where a payload says nothing.
pub(super) const CHUNK: (u32, u32) = (512, 128);

/// The id for a request whose `file_hash` is known: SHA-256 of a JSON text with sorted keys, in hexadecimal digits.
pub(super) fn of(request: &ExtractionRequest) -> String {
    let settings = &request.tool_settings;
    let x2text = [&request.extraction_settings.x2text_instance_id, &settings.x2text_adapter];
    let fields = [
        ("chunk_overlap", settings.chunk_overlap.to_string()),
        ("chunk_size", settings.chunk_size.to_string()),
        ("embedding_config", settings.embedding.clone()),
        ("file_hash", request.file_hash.clone()),
        ("vector_db_config", settings.vector_db.clone()),
        ("x2text_config", x2text.into_iter().find(|id| !id.is_empty()).cloned().unwrap_or_default()),
    ];
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{}: {}", text(name), text(value))).collect();
    format!("{:x}", Sha256::digest(format!("{{{}}}", fields.join(", "))))
}

/// A JSON string of ASCII characters alone.
fn text(value: &str) -> String {
    let mut ascii = String::new();
    for c in json!(value).to_string().chars() {
        if matches!(c, ' '..='~') {
            ascii.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_hash_of_the_json_that_python_writes() {
        let request = json!({
            "file_hash": "ab".repeat(32),
            "tool_settings": { "embedding": "openai|e", "vector-db": "qdrant|v", "chunk-size": "512", "chunk-overlap": 128 },
            "extraction_settings": { "x2text_instance_id": "noOpX2text|ä" },
        });
        let request = ExtractionRequest::parse(&request).unwrap();
        // hashlib.sha256(json.dumps({...}, sort_keys=True).encode()).hexdigest()
        assert_eq!(of(&request), "adba77817d85f0f8b846f5a55dcd8e74c866073b37883b5126c09d5750ba253e");
    }
}
