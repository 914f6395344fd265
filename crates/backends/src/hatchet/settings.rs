//! The flags of Hatchet, and what they are opened to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use protocol::Backend as Name;
use reqwest::Url;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use super::client::{Client, Place};
use super::token::Token;
use super::{Hatchet, HatchetHost};
use crate::engines::Engine;
use crate::port::Error;

/// Where Hatchet is, and what opens it.
#[derive(Clone, Debug, Default, Args)]
#[group(id = "hatchet")]
pub struct Settings {
    /// An API token of Hatchet's: it names the tenant and, unless other flags do, where the engine is. Without it, Hatchet is
    /// not used.
    #[arg(long, value_name = "TOKEN", env = "HATCHET_CLIENT_TOKEN", hide_env_values = true)]
    pub hatchet_token: Option<String>,
    /// Where the engine is, for gRPC [default: as the token says].
    #[arg(long, value_name = "HOST:PORT", env = "HATCHET_CLIENT_HOST_PORT")]
    pub hatchet_host_port: Option<String>,
    /// Where the REST API is [default: as the token says].
    #[arg(long, value_name = "URL", env = "HATCHET_CLIENT_SERVER_URL")]
    pub hatchet_server_url: Option<String>,
    /// How connections to the engine are protected.
    #[arg(long, value_name = "HOW", env = "HATCHET_CLIENT_TLS_STRATEGY", default_value = "tls")]
    pub hatchet_tls: Tls,
    /// A file of certificates to trust besides those of the system.
    #[arg(long, value_name = "FILE", env = "HATCHET_CLIENT_TLS_ROOT_CA_FILE")]
    pub hatchet_tls_ca: Option<PathBuf>,
    /// Our certificate, for `mtls`.
    #[arg(long, value_name = "FILE", env = "HATCHET_CLIENT_TLS_CERT_FILE")]
    pub hatchet_tls_cert: Option<PathBuf>,
    /// Its key, for `mtls`.
    #[arg(long, value_name = "FILE", env = "HATCHET_CLIENT_TLS_KEY_FILE")]
    pub hatchet_tls_key: Option<PathBuf>,
    /// The name that the engine's certificate has to carry, if not its host's.
    #[arg(long, value_name = "NAME", env = "HATCHET_CLIENT_TLS_SERVER_NAME")]
    pub hatchet_tls_server_name: Option<String>,
    /// What names of workflows and events begin with, so that fleets can share a tenant.
    #[arg(long, value_name = "NAME", env = "HATCHET_CLIENT_NAMESPACE", default_value = "")]
    pub hatchet_namespace: String,
    /// How many runs of one of our tenants Hatchet has under way at a time, the others taking turns [default: as many as
    /// are admitted].
    #[arg(long, value_name = "RUNS", env = "FLOTILLA_HATCHET_TENANT_RUNS", value_parser = clap::value_parser!(i32).range(1..))]
    pub hatchet_tenant_runs: Option<i32>,
}

/// How connections are protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Tls {
    /// Not at all: on this machine, or within a network of your own.
    None,
    /// The engine shows a certificate.
    #[default]
    Tls,
    /// Both sides do.
    Mtls,
}

impl Settings {
    /// The backend for a dispatcher with the host for a worker, if there is a token. Neither connects before it is used.
    ///
    /// # Errors
    /// [`Error::Refused`], naming the flag.
    pub fn open(&self) -> Result<Option<Engine>, Error> {
        let Some(text) = self.hatchet_token.as_deref().filter(|text| !text.trim().is_empty()) else { return Ok(None) };
        let token = Token::parse(text, jiff::Timestamp::now().as_second());
        let token = token
            .map_err(|error| refused(format!("--hatchet-token (HATCHET_CLIENT_TOKEN) cannot be used: {error}")))?;
        let place = Place {
            engine: self.engine(&token)?,
            api: self.api(&token)?,
            tls: self.tls()?,
            namespace: self.namespace()?,
        };
        let client = Client::new(token, place)?;
        let host = HatchetHost { client: client.clone() };
        let backend = Hatchet::new(client, self.hatchet_tenant_runs);
        Ok(Some(Engine { backend: Arc::new(backend), host: Some(Arc::new(host)), collector: None }))
    }

    fn engine(&self, token: &Token) -> Result<String, Error> {
        let given = self.hatchet_host_port.as_deref().or(token.engine());
        let address = given.ok_or_else(|| {
            refused(
                "the token does not say where the engine is; --hatchet-host-port (HATCHET_CLIENT_HOST_PORT) has to"
                    .to_owned(),
            )
        })?;
        let scheme = if self.hatchet_tls == Tls::None { "http" } else { "https" };
        let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
        if host.is_empty() || port.parse::<u16>().is_err() {
            return Err(refused(format!(
                "--hatchet-host-port {address:?} cannot be used: write one such as localhost:7077"
            )));
        }
        Ok(format!("{scheme}://{address}"))
    }

    fn api(&self, token: &Token) -> Result<Url, Error> {
        let given = self.hatchet_server_url.as_deref().or(token.api());
        let text = given.ok_or_else(|| {
            refused(
                "the token does not say where the API is; --hatchet-server-url (HATCHET_CLIENT_SERVER_URL) has to"
                    .to_owned(),
            )
        })?;
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        url.ok_or_else(|| {
            refused(format!("--hatchet-server-url {text:?} cannot be used: write one such as http://localhost:8888"))
        })
    }

    fn tls(&self) -> Result<Option<ClientTlsConfig>, Error> {
        if self.hatchet_tls == Tls::None {
            return Ok(None);
        }
        let mut tls = ClientTlsConfig::new().with_native_roots();
        if let Some(file) = &self.hatchet_tls_ca {
            tls = tls.ca_certificate(Certificate::from_pem(read("--hatchet-tls-ca", file)?));
        }
        if let Some(name) = self.hatchet_tls_server_name.as_deref().filter(|name| !name.is_empty()) {
            tls = tls.domain_name(name);
        }
        if self.hatchet_tls == Tls::Mtls {
            let file = |flag: &str, file: &Option<PathBuf>| match file {
                Some(file) => read(flag, file),
                None => Err(refused(format!("--hatchet-tls mtls needs {flag}"))),
            };
            let certificate = file("--hatchet-tls-cert", &self.hatchet_tls_cert)?;
            let key = file("--hatchet-tls-key", &self.hatchet_tls_key)?;
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        Ok(Some(tls))
    }

    /// As Hatchet's own SDKs write it: in lower case, with an underscore behind it.
    fn namespace(&self) -> Result<String, Error> {
        let name = self.hatchet_namespace.trim().to_lowercase();
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
            return Err(refused(format!(
                "--hatchet-namespace {name:?} is no name: letters, digits, hyphens and underscores"
            )));
        }
        Ok(if name.is_empty() || name.ends_with('_') { name } else { format!("{name}_") })
    }
}

fn read(flag: &str, file: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(file).map_err(|error| refused(format!("{flag} {} cannot be read: {error}", file.display())))
}

pub(super) fn refused(reason: String) -> Error {
    Error::Refused { backend: Name::Hatchet, reason }
}

pub(super) fn unavailable(reason: String) -> Error {
    Error::Unavailable { backend: Name::Hatchet, reason }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        settings: Settings,
    }

    fn opened(claims: &str, flags: &[&str]) -> Result<(), String> {
        let token = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        let flags = ["spec", "--hatchet-token", &token].into_iter().chain(flags.iter().copied());
        // A channel belongs to a runtime, even before it connects.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _inside = runtime.enter();
        Flags::parse_from(flags).settings.open().map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_token_it_is_not_used() {
        assert!(Settings::default().open().unwrap().is_none());
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_by_its_flag() {
        let whole = r#"{"sub":"t","server_url":"http://h:1","grpc_broadcast_address":"h:2"}"#;
        assert_eq!(opened(whole, &["--hatchet-tls", "none"]), Ok(()));
        assert_eq!(
            opened(r#"{"sub":"t"}"#, &["--hatchet-host-port", "h:1", "--hatchet-server-url", "http://h"]),
            Ok(())
        );
        for (claims, flags, named) in [
            (r#"{"sub":"t"}"#, &[][..], "--hatchet-host-port (HATCHET_CLIENT_HOST_PORT)"),
            (r#"{"sub":"t"}"#, &["--hatchet-host-port", "h:1"][..], "--hatchet-server-url (HATCHET_CLIENT_SERVER_URL)"),
            (whole, &["--hatchet-host-port", "h"][..], "--hatchet-host-port \"h\" cannot be used"),
            (whole, &["--hatchet-server-url", "h"][..], "--hatchet-server-url \"h\" cannot be used"),
            (whole, &["--hatchet-tls", "mtls"][..], "--hatchet-tls mtls needs --hatchet-tls-cert"),
            (whole, &["--hatchet-tls-ca", "/nowhere"][..], "--hatchet-tls-ca /nowhere cannot be read"),
            (whole, &["--hatchet-namespace", "a:b"][..], "--hatchet-namespace \"a:b\" is no name"),
            (r#"{"sub":"t","exp":1}"#, &[][..], "--hatchet-token (HATCHET_CLIENT_TOKEN) cannot be used: it expired"),
        ] {
            let error = opened(claims, flags).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
