//! Which addresses may be reached.

use std::net::IpAddr;

use reqwest::Url;

use crate::addresses::is_public;
use crate::{Allowed, Refusal};

/// Longest URL, in bytes.
const LONGEST_URL: usize = 2048;

/// The first port that no system service of old has. Below it, HTTP alone is spoken to.
const FIRST_OPEN_PORT: u16 = 1024;

/// Which addresses may be reached: public ones over HTTPS, and what the operator allows besides.
///
/// A host on the allow-list may be anywhere, at any port, over plain HTTP too. An address in an allowed range may be
/// reached in the same ways under whatever name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    allowed: Vec<Allowed>,
    plain_http: bool,
}

impl Policy {
    /// The policy that admits these besides the public internet.
    #[must_use]
    pub fn allowing(allowed: impl IntoIterator<Item = Allowed>) -> Self {
        Self { allowed: allowed.into_iter().collect(), plain_http: false }
    }

    /// The same policy, which admits plain HTTP to public addresses.
    #[must_use]
    pub fn with_plain_http(self, plain_http: bool) -> Self {
        Self { plain_http, ..self }
    }

    /// Reads an address and checks all that it says by itself: use it where an address is taken in, so that whoever hands
    /// it in is told. Where its name leads is checked when it is reached.
    ///
    /// # Errors
    /// [`Refusal`]
    pub fn check(&self, url: &str) -> Result<Url, Refusal> {
        if url.len() > LONGEST_URL {
            return Err(Refusal::TooLong { length: url.len(), limit: LONGEST_URL });
        }
        let url = Url::parse(url.trim()).map_err(|error| Refusal::NotAUrl(error.to_string()))?;
        self.check_url(&url)?;
        Ok(url)
    }

    pub(crate) fn check_url(&self, url: &Url) -> Result<(), Refusal> {
        if url.as_str().len() > LONGEST_URL {
            return Err(Refusal::TooLong { length: url.as_str().len(), limit: LONGEST_URL });
        }
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refusal::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Credentials);
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(Refusal::NoHost)?;
        let address = literal(host);
        if let Some(address) = address {
            self.check_address(host, address)?;
        }
        let named = self.names(host) || address.is_some_and(|address| self.holds(address));
        // What a name leads to may be in an allowed range; the resolver knows.
        let may_be_held = named || (address.is_none() && self.has_ranges());
        if url.scheme() == "http" && !self.plain_http && !may_be_held {
            return Err(Refusal::PlainHttp { host: host.to_owned() });
        }
        match url.port_or_known_default() {
            Some(port) if !is_open(port) && !may_be_held => Err(Refusal::Port { host: host.to_owned(), port }),
            _ => Ok(()),
        }
    }

    /// Whether that host may be reached at that address.
    pub(crate) fn check_address(&self, host: &str, address: IpAddr) -> Result<(), Refusal> {
        if is_public(address) || self.names(host) || self.holds(address) {
            return Ok(());
        }
        Err(Refusal::Address { host: host.to_owned(), address })
    }

    /// Whether the operator allows that host at that address by name or range, in whatever way.
    pub(crate) fn allows(&self, host: &str, address: IpAddr) -> bool {
        self.names(host) || self.holds(address)
    }

    /// Whether any public host may be reached in that way: the scheme and the port alone.
    pub(crate) fn is_usual(&self, url: &Url) -> bool {
        (url.scheme() == "https" || self.plain_http) && url.port_or_known_default().is_some_and(is_open)
    }

    /// Why a public address cannot be reached in an unusual way.
    pub(crate) fn unusual(&self, url: &Url) -> Refusal {
        let host = url.host_str().unwrap_or_default().to_owned();
        match url.port_or_known_default() {
            Some(port) if !is_open(port) => Refusal::Port { host, port },
            _ => Refusal::PlainHttp { host },
        }
    }

    fn names(&self, host: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed.names(host))
    }

    fn holds(&self, address: IpAddr) -> bool {
        self.allowed.iter().any(|allowed| allowed.holds(address))
    }

    fn has_ranges(&self) -> bool {
        self.allowed.iter().any(|allowed| matches!(allowed, Allowed::Range(..)))
    }
}

/// The address that stands in the place of a name.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    host.trim_matches(['[', ']']).parse().ok()
}

const fn is_open(port: u16) -> bool {
    matches!(port, 80 | 443) || port >= FIRST_OPEN_PORT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(policy: &Policy, url: &str, words: &[&str]) {
        let error = policy.check(url).expect_err(url).to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{url}: {error}");
    }

    fn allowing(entries: &[&str]) -> Policy {
        Policy::allowing(entries.iter().map(|entry| entry.parse().unwrap()))
    }

    #[test]
    fn https_to_names_and_public_addresses_is_admitted() {
        let policy = Policy::default();
        for url in
            ["https://hooks.example.com/a?b=c", "https://8.8.8.8", "https://[2606:4700::1]:8443/", "https://a:443"]
        {
            assert!(policy.check(url).is_ok(), "{url}: {:?}", policy.check(url));
        }
    }

    #[test]
    fn each_refusal_names_what_is_wrong_and_how_to_allow_it() {
        let policy = Policy::default();
        refused(&policy, "ftp://a.example", &["ftp:", "https"]);
        refused(&policy, "file:///etc/passwd", &["file:"]);
        refused(&policy, "gopher://a.example", &["gopher:"]);
        refused(&policy, "hooks", &["no URL"]);
        refused(&policy, "https://user:secret@a.example", &["credentials"]);
        refused(&policy, "https://user@a.example", &["credentials"]);
        refused(&policy, "http://a.example", &["plain http", "--outbound-http"]);
        refused(&policy, "https://a.example:22", &["port 22", "--outbound-allow a.example"]);
        refused(&policy, &format!("https://a.example/{}", "x".repeat(2048)), &["bytes long", "2048"]);
        refused(&policy, "https://169.254.169.254/latest", &["169.254.169.254", "--outbound-allow"]);
    }

    #[test]
    fn addresses_in_disguise_are_read_as_what_they_are() {
        let policy = Policy::default();
        for host in [
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "[::ffff:127.0.0.1]",
            "[::1]",
            "127.0.0.1.",
            "１２７.0.0.1",
        ] {
            let refused = policy.check(&format!("https://{host}/"));
            assert!(matches!(refused, Err(Refusal::Address { .. })), "{host}: {refused:?}");
        }
    }

    #[test]
    fn what_is_allowed_by_name_or_range_may_be_reached_in_any_way() {
        let policy = allowing(&["hooks.internal", "10.0.0.0/8"]);
        for url in ["http://hooks.internal:25/", "http://10.1.2.3:81", "https://10.1.2.3"] {
            assert!(policy.check(url).is_ok(), "{url}: {:?}", policy.check(url));
        }
        refused(&policy, "http://192.168.0.1", &["192.168.0.1"]);
        refused(&policy, "http://8.8.8.8", &["plain http"]);
        refused(&allowing(&["hooks.internal"]), "http://other.internal", &["plain http"]);
        assert!(Policy::default().with_plain_http(true).check("http://a.example").is_ok());
    }
}
