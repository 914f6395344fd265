//! What an operator allows beyond the public internet.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::addresses::{shares, unwrapped};

/// One entry of an allow-list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// A host by name, lower case: whatever addresses it has.
    Host(String),
    /// Every host below a domain, lower case, with the leading dot: `*.internal.example`.
    Below(String),
    /// A range of addresses, whatever their names: the first one and the length of the prefix in bits.
    Range(IpAddr, u32),
}

/// An entry that is neither a host nor a range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} cannot be allowed; write a host (hooks.example.com), all below a domain (*.example.com), an address \
     (10.1.2.3, fd00::1) or a range (10.0.0.0/8)"
)]
pub struct InvalidEntry(String);

impl Allowed {
    /// Whether it allows a host by its name; `host` as it stands in a URL.
    pub(crate) fn names(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        match self {
            Self::Host(name) => host.eq_ignore_ascii_case(name),
            Self::Below(domain) => {
                host.len() > domain.len()
                    && host.is_char_boundary(host.len() - domain.len())
                    && host[host.len() - domain.len()..].eq_ignore_ascii_case(domain)
            }
            Self::Range(..) => false,
        }
    }

    /// Whether it allows an address.
    pub(crate) fn holds(&self, address: IpAddr) -> bool {
        let Self::Range(first, bits) = self else { return false };
        shares(address, *first, *bits) || shares(unwrapped(address), *first, *bits)
    }
}

impl FromStr for Allowed {
    type Err = InvalidEntry;

    fn from_str(entry: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidEntry(entry.to_owned());
        let text = entry.trim();
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().map_err(|_| invalid())?)),
            None => (text, None),
        };
        if let Ok(address) = address.trim_matches(['[', ']']).parse::<IpAddr>() {
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.unwrap_or(most);
            return if bits <= most { Ok(Self::Range(address, bits)) } else { Err(invalid()) };
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let (domain, below) = match name.strip_prefix("*.") {
            Some(domain) => (domain, true),
            None => (name.as_str(), false),
        };
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if bits.is_some() || domain.len() > 253 || !domain.split('.').all(is_label) {
            return Err(invalid());
        }
        Ok(if below { Self::Below(format!(".{domain}")) } else { Self::Host(name) })
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => f.write_str(name),
            Self::Below(domain) => write!(f, "*{domain}"),
            Self::Range(first, bits) => write!(f, "{first}/{bits}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_host_a_domain_an_address_or_a_range() {
        let parsed = |text: &str| text.parse::<Allowed>().map(|entry| entry.to_string());
        assert_eq!(parsed("Hooks.Example.com").unwrap(), "hooks.example.com");
        assert_eq!(parsed("*.example.com").unwrap(), "*.example.com");
        assert_eq!(parsed(" 10.0.0.0/8").unwrap(), "10.0.0.0/8");
        assert_eq!(parsed("[fd00::1]").unwrap(), "fd00::1/128");
        for wrong in ["", "*", "https://a.example", "a.example:80", "a b", "10.0.0.0/33", "a.example/8", "10.0.0.0/x"] {
            assert!(wrong.parse::<Allowed>().is_err(), "{wrong:?} was accepted");
        }
    }

    #[test]
    fn a_domain_allows_what_is_below_it_and_nothing_that_merely_ends_like_it() {
        let domain: Allowed = "*.corp.example".parse().unwrap();
        assert!(domain.names("a.corp.example") && domain.names("A.B.Corp.Example."));
        assert!(
            !domain.names("corp.example") && !domain.names("evilcorp.example") && !domain.names("corp.example.evil")
        );
        let host: Allowed = "localhost".parse().unwrap();
        assert!(host.names("localhost.") && !host.names("a.localhost"));
    }

    #[test]
    fn a_range_of_ipv4_holds_its_addresses_in_the_clothes_of_ipv6() {
        let range: Allowed = "10.0.0.0/8".parse().unwrap();
        assert!(range.holds("10.9.9.9".parse().unwrap()) && range.holds("::ffff:10.9.9.9".parse().unwrap()));
        assert!(!range.holds("11.0.0.0".parse().unwrap()) && !range.names("10.9.9.9"));
    }
}
