//! Messages as bytes. The version is checked before anything else, so that a reader that is too old says so
//! instead of complaining about a field it has never heard of.
//!
//! Within a version fields may be added; readers skip what they do not know. Whatever an old reader must not skip
//! needs a new [`WIRE_VERSION`].

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::message::{Callback, Job, Lifecycle, WIRE_VERSION};
use crate::presence::Presence;

/// A message that travels by itself.
pub trait Message: Serialize + DeserializeOwned + sealed::Versioned {
    /// What it is called in errors: `job`.
    const NAME: &'static str;
}

impl Message for Job {
    const NAME: &'static str = "job";
}

impl Message for Callback {
    const NAME: &'static str = "callback";
}

impl Message for Lifecycle {
    const NAME: &'static str = "lifecycle event";
}

impl Message for Presence {
    const NAME: &'static str = "presence";
}

mod sealed {
    /// Keeps the set of messages closed: each has a golden fixture.
    pub trait Versioned {
        fn version(&self) -> u32;
    }

    impl Versioned for super::Job {
        fn version(&self) -> u32 {
            self.v
        }
    }

    impl Versioned for super::Callback {
        fn version(&self) -> u32 {
            self.v
        }
    }

    impl Versioned for super::Lifecycle {
        fn version(&self) -> u32 {
            self.v
        }
    }

    impl Versioned for super::Presence {
        fn version(&self) -> u32 {
            self.v
        }
    }
}

/// Why bytes are no message that this process understands. None of it goes away by trying again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// Not JSON at all, or cut off.
    #[error("the {message} is not readable as JSON: {reason}")]
    NotJson {
        /// Name of the expected message.
        message: &'static str,
        /// Where reading stopped, without the content.
        reason: String,
    },
    /// Written by a newer or a broken sender.
    #[error("the {message} has version {found}, this process reads version {WIRE_VERSION}; update it")]
    UnknownVersion {
        /// Name of the expected message.
        message: &'static str,
        /// The version it carries.
        found: u64,
    },
    /// JSON of a known version, but not this message.
    #[error("the {message} is malformed: {reason}")]
    Malformed {
        /// Name of the expected message.
        message: &'static str,
        /// Which field is missing or wrong.
        reason: String,
    },
}

/// A message as JSON bytes.
///
/// # Panics
/// Never: JSON refuses only maps whose keys are no strings, and no message has one.
#[must_use]
pub fn encode<M: Message>(message: &M) -> Vec<u8> {
    serde_json::to_vec(message).expect("a message has only string keys")
}

/// Reads a [`Job`].
///
/// # Errors
/// [`Undecodable`], naming the problem.
pub fn decode_job(bytes: &[u8]) -> Result<Job, Undecodable> {
    decode(bytes)
}

/// Reads a [`Callback`].
///
/// # Errors
/// [`Undecodable`], naming the problem.
pub fn decode_callback(bytes: &[u8]) -> Result<Callback, Undecodable> {
    decode(bytes)
}

/// Reads a [`Lifecycle`] event.
///
/// # Errors
/// [`Undecodable`], naming the problem.
pub fn decode_lifecycle(bytes: &[u8]) -> Result<Lifecycle, Undecodable> {
    decode(bytes)
}

/// Reads a presence.
///
/// # Errors
/// [`Undecodable`], naming the problem.
pub fn decode_presence(bytes: &[u8]) -> Result<Presence, Undecodable> {
    decode(bytes)
}

/// Several messages that travel as one: under load a broker's work is per message, whatever its size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch<M> {
    /// [`WIRE_VERSION`] of the writer; each message carries its own besides.
    pub v: u32,
    /// The messages, in order.
    pub batch: Vec<M>,
}

/// How [`encode_batch`] begins what it writes.
const BATCH_HEAD: &[u8] = b"{\"v\":1,\"batch\":[";

/// Encoded messages of one kind as one: a lone one stays as it is, several become a [`Batch`].
#[must_use]
pub fn encode_batch(mut encoded: Vec<Vec<u8>>) -> Vec<u8> {
    const { assert!(WIRE_VERSION == 1, "BATCH_HEAD names the version") };
    if encoded.len() == 1 {
        return encoded.remove(0);
    }
    let length = encoded.iter().map(|message| message.len() + 1).sum::<usize>();
    let mut bytes = Vec::with_capacity(BATCH_HEAD.len() + length + 2);
    bytes.extend_from_slice(BATCH_HEAD);
    bytes.extend_from_slice(&encoded.join(&b','));
    bytes.extend_from_slice(b"]}");
    bytes
}

/// Reads what [`encode_batch`] wrote: one message or several.
///
/// # Errors
/// [`Undecodable`], naming the problem. One unreadable message makes the whole batch unreadable.
pub fn decode_batch<M: Message>(bytes: &[u8]) -> Result<Vec<M>, Undecodable> {
    if !bytes.starts_with(BATCH_HEAD) {
        match decode(bytes) {
            Ok(message) => return Ok(vec![message]),
            // Perhaps a batch that somebody else wrote; what is wrong with it is said as for a lone message.
            Err(error) => return read_batch(bytes).map_err(|_no_batch| error),
        }
    }
    read_batch(bytes).map_err(|error| diagnose::<M>(bytes, &error))
}

fn read_batch<M: Message>(bytes: &[u8]) -> Result<Vec<M>, serde_json::Error> {
    let Batch { v, batch } = serde_json::from_slice::<Batch<M>>(bytes)?;
    match std::iter::once(v).chain(batch.iter().map(M::version)).find(|version| *version != WIRE_VERSION) {
        None => Ok(batch),
        Some(found) => Err(serde::de::Error::custom(format!("a message of version {found}"))),
    }
}

/// Reads a message of the expected kind.
///
/// # Errors
/// [`Undecodable`], naming the problem.
pub fn decode<M: Message>(bytes: &[u8]) -> Result<M, Undecodable> {
    match serde_json::from_slice::<M>(bytes) {
        Ok(message) if message.version() == WIRE_VERSION => Ok(message),
        Ok(message) => Err(Undecodable::UnknownVersion { message: M::NAME, found: message.version().into() }),
        Err(error) => Err(diagnose::<M>(bytes, &error)),
    }
}

/// Looks at an unreadable message once more, version first: the ordinary message is read only once.
fn diagnose<M: Message>(bytes: &[u8], error: &serde_json::Error) -> Undecodable {
    #[derive(Deserialize)]
    struct Envelope {
        v: u64,
    }

    let message = M::NAME;
    let reason = error.to_string();
    match serde_json::from_slice::<Envelope>(bytes) {
        Ok(Envelope { v }) if v != u64::from(WIRE_VERSION) => Undecodable::UnknownVersion { message, found: v },
        Err(broken) if !broken.is_data() => Undecodable::NotJson { message, reason: broken.to_string() },
        Err(envelope) => Undecodable::Malformed { message, reason: envelope.to_string() },
        Ok(_) => Undecodable::Malformed { message, reason },
    }
}
