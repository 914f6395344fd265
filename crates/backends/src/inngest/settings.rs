//! The flags of Inngest, and what they are opened to.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use clap::Args;
use clap::builder::FalseyValueParser;
use protocol::Backend as Name;
use reqwest::Url;

use super::api::{Api, Keys};
use super::keys::SigningKey;
use super::{Inngest, InngestHost};
use crate::engines::Engine;
use crate::port::Error;

/// The path that Inngest calls.
pub(super) const PATH: &str = "/api/inngest";

/// The port that is listened at unless told otherwise.
const PORT: u16 = 8290;

/// The event key of servers that take any.
const ANY_KEY: &str = "dev";

/// Where Inngest is, and where it finds us.
#[derive(Clone, Debug, Default, Args)]
#[group(id = "inngest")]
pub struct Settings {
    /// Inngest's API: a server of your own such as http://127.0.0.1:8288, or its cloud (api.inngest.com, with https). Without
    /// it, Inngest is not used.
    #[arg(long, value_name = "URL", env = "INNGEST_BASE_URL")]
    pub inngest_url: Option<String>,
    /// Where it takes events, if not at the same address; its cloud has inn.gs for that, with https.
    #[arg(long, value_name = "URL", env = "INNGEST_EVENT_API_BASE_URL")]
    pub inngest_event_url: Option<String>,
    /// The key that events are sent with. A development server takes any.
    #[arg(long, value_name = "KEY", env = "INNGEST_EVENT_KEY", hide_env_values = true)]
    pub inngest_event_key: Option<String>,
    /// The key that Inngest signs its calls with, and that opens its API. A development server needs none.
    #[arg(long, value_name = "KEY", env = "INNGEST_SIGNING_KEY", hide_env_values = true)]
    pub inngest_signing_key: Option<String>,
    /// Another such key that is taken as well, while one is exchanged for another.
    #[arg(long, value_name = "KEY", env = "INNGEST_SIGNING_KEY_FALLBACK", hide_env_values = true)]
    pub inngest_signing_key_fallback: Option<String>,
    /// It is a development server: calls are not signed. Whoever reaches --inngest-listen can then have tasks run.
    #[arg(long, env = "INNGEST_DEV", value_parser = FalseyValueParser::new())]
    pub inngest_dev: bool,
    /// Name of our app at Inngest; its functions and events begin with it. Fleets that share a server need names of their
    /// own.
    #[arg(long, value_name = "NAME", env = "FLOTILLA_INNGEST_APP", default_value = "flotilla")]
    pub inngest_app: String,
    /// Where a worker listens for Inngest's calls [default: 127.0.0.1:8290].
    #[arg(long, value_name = "ADDRESS", env = "FLOTILLA_INNGEST_LISTEN")]
    pub inngest_listen: Option<SocketAddr>,
    /// The same as Inngest and dispatchers reach it, such as http://workers:8290/api/inngest [default: the address that
    /// is listened at].
    #[arg(long, value_name = "URL", env = "FLOTILLA_INNGEST_SERVE_URL")]
    pub inngest_serve_url: Option<String>,
}

impl Settings {
    /// The backend for a dispatcher with the host for a worker, if there is a server. Nothing is reached yet.
    ///
    /// # Errors
    /// [`Error::Refused`], naming the flag.
    pub fn open(&self) -> Result<Option<Engine>, Error> {
        let Some(server) = self.inngest_url.as_deref().filter(|text| !text.trim().is_empty()) else { return Ok(None) };
        let app = self.app()?;
        let serve_url = self.inngest_serve_url.as_deref().map(|text| url("--inngest-serve-url", text)).transpose()?;
        let api_url = url("--inngest-url", server)?;
        let event_url =
            self.inngest_event_url.as_deref().map_or(Ok(api_url.clone()), |text| url("--inngest-event-url", text))?;
        let api = Api::new(api_url, event_url, self.keys()?)?;
        let listen = self.inngest_listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
        let known = serve_url.clone().map_or_else(|| serve_url_at(listen), Ok)?;
        let host = InngestHost { api: api.clone(), app: app.clone(), listen, serve_url };
        let backend = Inngest::new(api, app, known);
        Ok(Some(Engine { backend: Arc::new(backend), host: Some(Arc::new(host)), collector: None }))
    }

    fn app(&self) -> Result<String, Error> {
        let app = self.inngest_app.trim();
        let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        if app.is_empty() || !app.chars().all(fits) {
            return Err(refused(format!(
                "--inngest-app {app:?} is no name: letters, digits, hyphens, underscores and dots"
            )));
        }
        Ok(app.to_owned())
    }

    fn keys(&self) -> Result<Keys, Error> {
        let key = |flag: &str, text: &Option<String>| match text.as_deref().filter(|text| !text.trim().is_empty()) {
            Some(text) => match SigningKey::parse(text) {
                Ok(key) => Ok(Some(key)),
                Err(error) => Err(refused(format!("{flag} cannot be used: {error}"))),
            },
            None => Ok(None),
        };
        let signing = key("--inngest-signing-key", &self.inngest_signing_key)?;
        let fallback = key("--inngest-signing-key-fallback", &self.inngest_signing_key_fallback)?;
        let event = self.inngest_event_key.clone().filter(|text| !text.trim().is_empty());
        if self.inngest_dev {
            return Ok(Keys { event: event.unwrap_or_else(|| ANY_KEY.to_owned()), signing, fallback, dev: true });
        }
        let missing = |flag: &str, variable: &str| {
            refused(format!("{flag} ({variable}) is missing; with a development server say --inngest-dev instead"))
        };
        if signing.is_none() {
            return Err(missing("--inngest-signing-key", "INNGEST_SIGNING_KEY"));
        }
        let event = event.ok_or_else(|| missing("--inngest-event-key", "INNGEST_EVENT_KEY"))?;
        Ok(Keys { event, signing, fallback, dev: false })
    }
}

/// Where an app that listens at an address is called.
pub(super) fn serve_url_at(listen: SocketAddr) -> Result<Url, Error> {
    let mut address = listen;
    if listen.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    url("--inngest-listen", &format!("http://{address}{PATH}"))
}

fn url(flag: &str, text: &str) -> Result<Url, Error> {
    let unusable = |reason: &str| refused(format!("{flag} {text:?} cannot be used: {reason}"));
    let url = Url::parse(text).map_err(|error| unusable(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(unusable("write one such as http://127.0.0.1:8288"));
    }
    Ok(url)
}

pub(super) fn refused(reason: String) -> Error {
    Error::Refused { backend: Name::Inngest, reason }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        settings: Settings,
    }

    fn opened(flags: &[&str]) -> Result<(), String> {
        let flags = Flags::parse_from(["spec", "--inngest-url", "http://h"].iter().chain(flags));
        flags.settings.open().map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn without_an_address_it_is_not_used() {
        assert!(Settings::default().open().unwrap().is_none());
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_by_its_flag() {
        assert_eq!(opened(&["--inngest-dev"]), Ok(()));
        assert_eq!(opened(&["--inngest-signing-key", "signkey-prod-12ab", "--inngest-event-key", "e"]), Ok(()));
        for (flags, named) in [
            (&[][..], "--inngest-signing-key (INNGEST_SIGNING_KEY) is missing"),
            (&["--inngest-signing-key", "12ab"][..], "--inngest-event-key (INNGEST_EVENT_KEY) is missing"),
            (
                &["--inngest-signing-key", "oops"][..],
                "--inngest-signing-key cannot be used: a signing key is hexadecimal",
            ),
            (
                &["--inngest-dev", "--inngest-event-url", "ftp://x"][..],
                "--inngest-event-url \"ftp://x\" cannot be used",
            ),
            (&["--inngest-dev", "--inngest-serve-url", "x"][..], "--inngest-serve-url \"x\" cannot be used"),
            (&["--inngest-dev", "--inngest-app", "a b"][..], "--inngest-app \"a b\" is no name"),
        ] {
            let error = opened(flags).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
