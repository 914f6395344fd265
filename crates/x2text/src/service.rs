//! One service: how it is called, and what its failures mean.

use std::time::Duration;

use jiff::Timestamp;
use outbound::{Answer, Client, Request, Upload};
use reqwest::Url;
use reqwest::header::LOCATION;
use serde_json::Value;

use crate::Error;
use crate::settings::{Secret, Unusable};

/// Longest message of a service that is passed on, in characters.
const LONGEST_MESSAGE: usize = 300;

/// How long a question may take to be answered.
const CALL: Duration = Duration::from_secs(120);

/// Longest wait that a service is believed to ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// A service under a policy for addresses.
pub(crate) struct Service {
    pub(crate) name: &'static str,
    way_out: Client,
    /// The header that carries the key, and the key.
    key: Option<(&'static str, Secret)>,
}

impl Service {
    /// A service at that address. Nothing is sent yet.
    pub(crate) fn new(
        name: &'static str,
        (url, way_out): (&Url, &Client),
        key: Option<(&'static str, Secret)>,
    ) -> Result<Self, Unusable> {
        // Where a name leads is known when it is reached; whoever named an address is told at once.
        way_out.policy().check(url.as_str()).map_err(|refusal| Unusable::Address(refusal.to_string()))?;
        Ok(Self { name, way_out: way_out.clone(), key })
    }

    /// The body of a successful answer of at most so many bytes.
    pub(crate) async fn get(&self, url: &Url, at_most: usize) -> Result<Vec<u8>, Error> {
        // A key is not for whoever the service redirects to.
        self.send(Request::get(url.as_str()).redirects(0).within(CALL), at_most).await
    }

    /// The same for a file that is sent there, which may take so long.
    pub(crate) async fn upload(
        &self,
        url: &Url,
        upload: Upload,
        content_type: &str,
        (within, at_most): (Duration, usize),
    ) -> Result<Vec<u8>, Error> {
        let request = Request::upload(url.as_str(), upload).within(within);
        let request = request.header("content-type", content_type).map_err(|error| self.unsendable(&error))?;
        self.send(request, at_most).await
    }

    async fn send(&self, request: Request, at_most: usize) -> Result<Vec<u8>, Error> {
        let mut request = request.at_most(at_most);
        request = request.header("accept", "application/json").map_err(|error| self.unsendable(&error))?;
        if let Some((header, key)) = &self.key {
            request = request.header(header, key.expose()).map_err(|error| self.unsendable(&error))?;
        }
        let answer = self.way_out.send(request).await.map_err(|error| self.kept_out(error))?;
        if answer.status.is_success() { Ok(answer.body) } else { Err(self.refused(&answer)) }
    }

    fn unsendable(&self, error: &outbound::InvalidHeader) -> Error {
        Error::Unreachable { service: self.name, reason: error.to_string() }
    }

    fn kept_out(&self, error: outbound::Error) -> Error {
        use outbound::Error as Failed;
        let service = self.name;
        match error {
            Failed::Refused(refusal) => Error::AddressRefused { service, reason: refusal.to_string() },
            Failed::TooLarge { limit, .. } => Error::TooLarge { service, limit: format!("more than {limit} bytes") },
            Failed::File(reason) => Error::File(reason),
            other => Error::Unreachable { service, reason: other.to_string() },
        }
    }

    fn refused(&self, answer: &Answer) -> Error {
        let (service, status) = (self.name, answer.status.as_u16());
        if answer.status.is_redirection() {
            let to = answer.headers.get(LOCATION).map(|to| String::from_utf8_lossy(to.as_bytes()).into_owned());
            let to = to.unwrap_or_default();
            return Error::Redirected { service, to: self.shown(to.split(['?', '#']).next().unwrap_or_default()) };
        }
        let retry_after = outbound::retry_after(&answer.headers, Timestamp::now()).map(|wait| wait.min(LONGEST_WAIT));
        Error::Status { service, status, message: self.shown(&message(&answer.body)), retry_after }
    }

    /// What a service said, in one line, shortened and without the key.
    pub(crate) fn shown(&self, said: &str) -> String {
        let mut said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some((_, key)) = self.key.as_ref().filter(|(_, key)| !key.expose().is_empty()) {
            said = said.replace(key.expose(), "***");
        }
        if let Some((cut, _)) = said.char_indices().nth(LONGEST_MESSAGE) {
            said.truncate(cut);
            said.push('…');
        }
        said
    }

    pub(crate) fn unreadable(&self, call: &'static str, detail: impl ToString) -> Error {
        Error::Unreadable { service: self.name, call, detail: self.shown(&detail.to_string()) }
    }
}

/// What an error body says.
fn message(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(16 * 1024)]);
    let Ok(json) = serde_json::from_slice::<Value>(body) else { return text.trim().to_owned() };
    let found =
        ["/message", "/detail", "/error/message", "/error"].iter().find_map(|place| json.pointer(place)?.as_str());
    found.map_or_else(|| text.trim().to_owned(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::settings::Settings;

    #[test]
    fn what_a_service_says_is_passed_on_shortened_and_without_the_key() {
        let value = json!({ "api_key": "sk-secret" });
        let key = Settings(&value).secret("api_key").unwrap().unwrap();
        let url = Url::parse("https://reader.example.com").unwrap();
        let way_out = Client::new(outbound::Policy::default());
        let service = Service::new("reader", (&url, &way_out), Some(("key", key))).unwrap();
        assert_eq!(service.shown("no\n key  sk-secret here"), "no key *** here");
        assert_eq!(service.shown(&"x".repeat(10_000)).chars().count(), LONGEST_MESSAGE + 1);
        assert_eq!(message(br#"{"message": "no"}"#), "no");
        assert_eq!(message(br#"{"detail": [1]}"#), r#"{"detail": [1]}"#);
        assert_eq!(message(b"<html>"), "<html>");
    }
}
