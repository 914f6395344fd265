//! What can go wrong on the way out.

use std::net::IpAddr;
use std::time::Duration;

/// Why an address may not be reached. Each says what was refused and, where an operator can, how to allow it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is longer than any address has to be.
    #[error("the URL is {length} bytes long; {limit} is the most")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The longest there may be.
        limit: usize,
    },
    /// It cannot be read.
    #[error("it is no URL: {0}; write one such as https://hooks.example.com/flotilla")]
    NotAUrl(String),
    /// It is for something else than HTTP.
    #[error("{0}: is not reached from here; use https")]
    Scheme(String),
    /// It would travel readable to anybody on the way.
    #[error(
        "{host} would be reached over plain http; use https, or have the operator allow it with --outbound-http or --outbound-allow {host}"
    )]
    PlainHttp {
        /// The host.
        host: String,
    },
    /// It has no host.
    #[error("the URL names no host")]
    NoHost,
    /// It holds a name or a password, which would end up in logs.
    #[error("the URL holds credentials; leave out what stands before the @")]
    Credentials,
    /// It is for a port that speaks something else.
    #[error(
        "port {port} of {host} is not reached from here; use 80, 443 or one from 1024 on, or have the operator allow the host with --outbound-allow {host}"
    )]
    Port {
        /// The host.
        host: String,
        /// The port.
        port: u16,
    },
    /// It leads into a network that is not public.
    #[error(
        "{host} is at {address}, which is no public address; if it is meant to be reached, the operator allows it with --outbound-allow {host}"
    )]
    Address {
        /// The host.
        host: String,
        /// Where it is.
        address: IpAddr,
    },
}

/// Why a request was not answered as it should be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address may not be reached.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The name has no address.
    #[error("{host} cannot be found: {reason}")]
    Unresolved {
        /// The host.
        host: String,
        /// What the resolver said.
        reason: String,
    },
    /// There was no whole answer in time.
    #[error("{host} did not answer within {} s", limit.as_secs_f32())]
    TooSlow {
        /// The host.
        host: String,
        /// How long it had.
        limit: Duration,
    },
    /// The answer is longer than it may be.
    #[error("the answer of {host} is longer than {limit} bytes")]
    TooLarge {
        /// The host.
        host: String,
        /// The most it may be.
        limit: usize,
    },
    /// The answer leads on and on.
    #[error("{host} redirects once more after {limit} redirect(s)")]
    TooManyRedirects {
        /// The host.
        host: String,
        /// How many are followed.
        limit: usize,
    },
    /// The answer leads nowhere.
    #[error("{host} redirects to {location:?}, which is no address")]
    Redirect {
        /// The host.
        host: String,
        /// What it said.
        location: String,
    },
    /// No connection, or it broke.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable {
        /// The host.
        host: String,
        /// What happened.
        reason: String,
    },
    /// The file that was to be sent cannot be read.
    #[error("the file to send cannot be read: {0}")]
    File(String),
    /// This program cannot speak HTTPS, for want of certificates to trust for instance.
    #[error("no HTTPS from this machine: {0}")]
    Configuration(String),
}
