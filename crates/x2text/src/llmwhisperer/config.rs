//! How an LLMWhisperer is set up, and what of it goes into the query of a call.

use std::time::Duration;

use reqwest::Url;

use super::selection::Selection;
use crate::fingerprint::fingerprint;
use crate::settings::{Secret, Settings, Unusable, wrong};

/// Where it is unless the settings say otherwise.
const URL: &str = "https://llmwhisperer-api.us-central.unstract.com";
/// What stands before the names of its calls.
const BASE: &str = "/api/v2";
/// What it does with a document; the first unless the settings say otherwise.
const MODES: [&str; 5] = ["form", "native_text", "low_cost", "high_quality", "table"];
/// What the text is like; the first unless the settings say otherwise.
const OUTPUT_MODES: [&str; 2] = ["layout_preserving", "text"];
/// Longest name of a file that is told, in characters: an address has an end.
const LONGEST_NAME: usize = 100;
/// Parameters that change nothing of the text.
const LABELS: [&str; 2] = ["tag", "file_name"];

/// How one is set up.
#[derive(Debug)]
pub(super) struct Config {
    /// With the path before the names of its calls.
    pub(super) base: Url,
    pub(super) key: Secret,
    pub(super) separator: String,
    pub(super) selection: Selection,
    /// How long it may take to read a document.
    pub(super) wait: Duration,
    /// Whether the words were text in the document already.
    pub(super) is_native: bool,
    /// The query of a submission, without the name of the document.
    query: Vec<(&'static str, String)>,
}

impl Config {
    pub(super) fn read(settings: Settings<'_>) -> Result<Self, Unusable> {
        let key = settings.secret("unstract_key")?;
        let key = key.ok_or_else(|| wrong("unstract_key", "is missing; LLMWhisperer gives you one"))?;
        let mut base = settings.url("url", URL)?;
        let path = base.path().trim_end_matches('/').to_owned();
        base.set_path(&if path.ends_with(BASE) { path } else { format!("{path}{BASE}") });
        let mode = settings.one_of("mode", &MODES)?;
        let separator = match settings.text("page_separator")? {
            Some(separator) => Some(separator),
            None => settings.text("page_seperator")?,
        };
        let separator = separator.unwrap_or_else(|| "<<<".to_owned());
        let strategy = settings.text("line_splitter_strategy")?.unwrap_or_else(|| "left-priority".to_owned());
        let pages = settings.text("pages_to_extract")?.unwrap_or_default();
        let selection = Selection::read(&pages).ok_or_else(|| wrong("pages_to_extract", "has to be like 1-5,7,21-"))?;
        let number =
            |setting, least, most, or| settings.number(setting, least, most, or).map(|number| number.to_string());
        let mut query = vec![
            ("mode", mode.to_owned()),
            ("output_mode", settings.one_of("output_mode", &OUTPUT_MODES)?.to_owned()),
            // Servers before v2.64.2 know the misspelt name alone.
            ("page_separator", separator.clone()),
            ("page_seperator", separator.clone()),
            ("line_splitter_tolerance", number("line_splitter_tolerance", 0.0, 10.0, 0.4)?),
            ("line_splitter_strategy", strategy),
            ("horizontal_stretch_factor", number("horizontal_stretch_factor", 0.1, 10.0, 1.0)?),
            ("mark_vertical_lines", settings.flag("mark_vertical_lines")?.to_string()),
            ("mark_horizontal_lines", settings.flag("mark_horizontal_lines")?.to_string()),
            // Highlights are had by the numbers of lines.
            ("add_line_nos", "true".to_owned()),
            ("lang", settings.text("lang")?.unwrap_or_else(|| "eng".to_owned())),
            ("tag", settings.text("tag")?.unwrap_or_else(|| "default".to_owned())),
        ];
        if !pages.is_empty() {
            query.push(("pages_to_extract", pages));
        }
        if mode == "low_cost" {
            query.push(("median_filter_size", settings.count("median_filter_size", 0, 1000, 0)?.to_string()));
            query
                .push(("gaussian_blur_radius", settings.number("gaussian_blur_radius", 0.0, 1000.0, 0.0)?.to_string()));
        }
        let seconds = settings.count("wait_timeout", 1, 86_400, 900)?;
        Ok(Self {
            base,
            key,
            separator,
            selection,
            wait: Duration::from_secs(seconds.into()),
            is_native: mode == "native_text",
            query,
        })
    }

    /// The address of a call.
    pub(super) fn call(&self, name: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{name}", self.base.path()));
        url
    }

    /// The address of a submission.
    pub(super) fn submission(&self, file_name: &str) -> Url {
        let mut url = self.call("whisper");
        let skipped = file_name.chars().count().saturating_sub(LONGEST_NAME);
        // The end of a name says what kind of file it is.
        let name: String = file_name.chars().skip(skipped).filter(|character| !character.is_control()).collect();
        url.query_pairs_mut().extend_pairs(&self.query).append_pair("file_name", &name);
        url
    }

    pub(super) fn fingerprint(&self, kind: &str) -> String {
        let settings = self.query.iter().filter(|(name, _)| !LABELS.contains(name));
        let settings = settings.map(|(name, value)| (*name, value.as_str()));
        fingerprint(kind, settings.chain([("url", self.base.as_str())]))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(mut settings: Value) -> Result<Config, Unusable> {
        if settings.get("unstract_key").is_none() {
            settings["unstract_key"] = json!("sk-1");
        }
        Config::read(Settings(&settings))
    }

    #[test]
    fn a_submission_says_everything_and_never_the_key() {
        let config =
            read(json!({ "url": "https://reader.example.com/", "page_seperator": "%%", "mode": "low_cost" })).unwrap();
        let url = config.submission("a b&c.pdf");
        let said: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        for (name, value) in [
            ("mode", "low_cost"),
            ("output_mode", "layout_preserving"),
            ("page_separator", "%%"),
            ("page_seperator", "%%"),
            ("line_splitter_tolerance", "0.4"),
            ("line_splitter_strategy", "left-priority"),
            ("horizontal_stretch_factor", "1"),
            ("add_line_nos", "true"),
            ("lang", "eng"),
            ("tag", "default"),
            ("median_filter_size", "0"),
            ("file_name", "a b&c.pdf"),
        ] {
            assert!(said.contains(&(name.to_owned(), value.to_owned())), "{name}: {said:?}");
        }
        assert_eq!(url.path(), "/api/v2/whisper");
        assert!(!url.as_str().contains("sk-1") && !format!("{config:?}").contains("sk-1"));
    }

    #[test]
    fn an_address_is_short_enough_whatever_a_file_is_called() {
        let url = read(json!({})).unwrap().submission(&format!("{}.pdf", "文".repeat(5_000)));
        assert!(url.as_str().len() < 2_000 && url.as_str().ends_with(".pdf"), "{url}");
    }

    #[test]
    fn the_path_of_the_calls_may_be_part_of_the_address() {
        for url in ["https://a.example", "https://a.example/api/v2", "https://a.example/api/v2/"] {
            assert_eq!(read(json!({ "url": url })).unwrap().call("whisper-status").path(), "/api/v2/whisper-status");
        }
        assert_eq!(read(json!({ "url": "https://a/x" })).unwrap().call("highlights").path(), "/x/api/v2/highlights");
    }

    #[test]
    fn what_changes_the_text_changes_the_fingerprint_and_nothing_else_does() {
        let print = |settings| read(settings).unwrap().fingerprint("llmwhisperer");
        let usual = print(json!({}));
        for same in [
            json!({ "unstract_key": "sk-2" }),
            json!({ "tag": "march", "wait_timeout": 5, "adapter_name": "ours", "use_webhook": true }),
            json!({ "mode": "form", "page_seperator": "<<<", "line_splitter_tolerance": "0.4" }),
        ] {
            assert_eq!(print(same.clone()), usual, "{same}");
        }
        for other in [
            json!({ "mode": "table" }),
            json!({ "output_mode": "text" }),
            json!({ "line_splitter_tolerance": 0.5 }),
            json!({ "line_splitter_strategy": "right" }),
            json!({ "horizontal_stretch_factor": 2 }),
            json!({ "mark_vertical_lines": true }),
            json!({ "mark_horizontal_lines": "true" }),
            json!({ "pages_to_extract": "1-2" }),
            json!({ "lang": "deu" }),
            json!({ "url": "https://llmwhisperer-api.eu-west.unstract.com" }),
        ] {
            assert_ne!(print(other.clone()), usual, "{other}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (settings, setting) in [
            (json!({ "unstract_key": " " }), "unstract_key"),
            (json!({ "mode": "fast" }), "mode"),
            (json!({ "pages_to_extract": "all" }), "pages_to_extract"),
            (json!({ "wait_timeout": 0 }), "wait_timeout"),
            (json!({ "url": "reader" }), "url"),
        ] {
            let told = read(settings).unwrap_err().to_string();
            assert!(told.contains(&format!("{setting:?}")), "{told}");
        }
    }
}
