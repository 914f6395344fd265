//! Unstructured, on one's own servers (community) or its maker's (enterprise).
//!
//! One call takes the document and gives its elements. There is nothing to come back for, so the slot is held for as long as it takes:
//! `timeout` bounds it. A call that broke off begins anew, and is billed anew where calls are billed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use outbound::Upload;
use protocol::document::Origin;
use reqwest::Url;
use text::{Extracted, Source};

use crate::fingerprint::fingerprint;
use crate::providers::Provider;
use crate::service::Service;
use crate::settings::{Settings, Unusable, wrong};
use crate::{Error, Order, Reading, Step, X2Text, media_type};

mod elements;

/// What it is called where people see it.
const NAME: &str = "Unstructured";
/// How it reads; the first unless the settings say otherwise.
const STRATEGIES: [&str; 4] = ["auto", "fast", "hi_res", "ocr_only"];
/// Longest answer, in bytes.
const LONG: usize = 64 * 1024 * 1024;
/// Longest name of a file that is told, in characters.
const LONGEST_NAME: usize = 100;

pub(crate) const COMMUNITY: Provider = Provider { name: "unstructuredcommunity", make: community };
pub(crate) const ENTERPRISE: Provider = Provider { name: "unstructuredenterprise", make: enterprise };

struct Unstructured {
    service: Service,
    url: Url,
    strategy: &'static str,
    languages: Vec<String>,
    timeout: Duration,
}

fn community(_: &str, settings: Settings<'_>, way_out: &outbound::Client) -> Result<Arc<dyn X2Text>, Unusable> {
    make(settings, way_out, "http://unstract-unstructured-io:8000/general/v0/general")
}

fn enterprise(_: &str, settings: Settings<'_>, way_out: &outbound::Client) -> Result<Arc<dyn X2Text>, Unusable> {
    if settings.secret("api_key")?.is_none() {
        return Err(wrong("api_key", "is missing; Unstructured gives you one"));
    }
    make(settings, way_out, "https://api.unstructured.io/general/v0/general")
}

fn make(settings: Settings<'_>, way_out: &outbound::Client, url: &str) -> Result<Arc<dyn X2Text>, Unusable> {
    let url = settings.url("url", url)?;
    let key = settings.secret("api_key")?.map(|key| ("unstructured-api-key", key));
    Ok(Arc::new(Unstructured {
        service: Service::new(NAME, (&url, way_out), key)?,
        url,
        strategy: settings.one_of("strategy", &STRATEGIES)?,
        languages: settings.list("languages")?,
        timeout: Duration::from_secs(settings.count("timeout", 1, 3600, 300)?.into()),
    }))
}

#[async_trait]
impl X2Text for Unstructured {
    fn fingerprint(&self) -> String {
        let languages = self.languages.iter().map(|language| ("languages", language.as_str()));
        // Both kinds are the same at the same address.
        fingerprint("unstructured", languages.chain([("url", self.url.as_str()), ("strategy", self.strategy)]))
    }

    async fn read(&self, order: &Order<'_>) -> Result<Step, Error> {
        let source = order.original.source().await.map_err(Error::Store)?;
        let media_type = media_type::of(&source.path).await?;
        let (upload, boundary) = self.form(&source, order.content, &media_type);
        let content_type = format!("multipart/form-data; boundary={boundary}");
        let answer = self.service.upload(&self.url, upload, &content_type, (self.timeout, LONG)).await?;
        let elements = elements::read(&answer).map_err(|detail| self.service.unreadable("general", detail))?;
        let origin = if self.strategy == "ocr_only" { Origin::Ocr } else { Origin::Text };
        let document = elements::document(NAME, elements, origin, media_type)?;
        let extracted = Extracted { document, extractor: "unstructured".to_owned(), warnings: Vec::new() };
        Ok(Step::Done(Reading { extracted, is_whole: true }))
    }
}

impl Unstructured {
    /// The form with the document in it, and what separates its fields.
    fn form(&self, source: &Source, content: &str, media_type: &str) -> (Upload, String) {
        // A document cannot hold its own hash.
        let boundary = format!("flotilla-{content}");
        let mut fields = vec![("strategy", self.strategy), ("coordinates", "true")];
        fields.extend(self.languages.iter().map(|language| ("languages", language.as_str())));
        let field = |(name, value): &(&str, &str)| {
            format!("--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let fields: String = fields.iter().map(field).collect();
        let name = plain_name(&source.name);
        let before = format!(
            "{fields}--{boundary}\r\ncontent-disposition: form-data; name=\"files\"; filename=\"{name}\"\r\ncontent-type: {media_type}\r\n\r\n"
        );
        let after = format!("\r\n--{boundary}--\r\n").into_bytes();
        (Upload { before: before.into_bytes(), file: source.path.clone(), after }, boundary)
    }
}

/// The end of a name, which says what kind of file it is, without what would end a field early.
fn plain_name(name: &str) -> String {
    let skipped = name.chars().count().saturating_sub(LONGEST_NAME);
    let plain = |character: char| if character.is_control() || "\"\\".contains(character) { '_' } else { character };
    name.chars().skip(skipped).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn made(settings: Value) -> Result<Arc<dyn X2Text>, Unusable> {
        enterprise("", Settings(&settings), &outbound::Client::new(outbound::Policy::default()))
    }

    #[test]
    fn what_changes_the_text_changes_the_fingerprint_and_nothing_else_does() {
        let print = |mut settings: Value| {
            settings["api_key"] = settings.get("api_key").cloned().unwrap_or(json!("sk-1"));
            made(settings).ok().unwrap().fingerprint()
        };
        let usual = print(json!({}));
        assert_eq!(print(json!({ "api_key": "sk-2", "timeout": 5, "strategy": "auto" })), usual);
        for other in [
            json!({ "strategy": "hi_res" }),
            json!({ "languages": ["deu"] }),
            json!({ "url": "https://reader.example.com/general" }),
        ] {
            assert_ne!(print(other.clone()), usual, "{other}");
        }
        assert!(made(json!({})).err().unwrap().to_string().contains("\"api_key\""));
    }

    #[test]
    fn no_name_of_a_file_ends_its_field() {
        assert_eq!(plain_name("a\"; x=\"\r\nb\\.pdf"), "a_; x=___b_.pdf");
        assert_eq!(plain_name(&format!("{}.pdf", "ü".repeat(500))).chars().count(), LONGEST_NAME);
    }
}
