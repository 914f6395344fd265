//! What can go wrong.

use std::time::Duration;

/// Why a message, a signature or a result cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Neither a header `task` nor a header `id`: not a task message of protocol 2.
    #[error("the message has no header {0:?}; only task messages of protocol 2 are understood")]
    MissingHeader(&'static str),
    /// A header holds something else than it should.
    #[error("the header {header:?} holds {found}, which is not {expected}")]
    Header {
        /// Its name.
        header: &'static str,
        /// What it should hold.
        expected: &'static str,
        /// What it holds, abridged.
        found: String,
    },
    /// The body is not JSON; pickle in particular is never read from a queue.
    #[error("the content type {0:?} is not accepted, only application/json is")]
    ContentType(String),
    /// The body is text in an encoding other than UTF-8.
    #[error("the content encoding {0:?} is not accepted, only utf-8 is")]
    ContentEncoding(String),
    /// The body is compressed by a method that is not supported.
    #[error("the compression {0:?} is not supported, only zlib is")]
    Compression(String),
    /// The body is said to be compressed and is not, or is larger than allowed once decompressed.
    #[error("the body cannot be decompressed: {0}")]
    Compressed(String),
    /// The body is not JSON.
    #[error("the body is not JSON: {0}")]
    Json(String),
    /// The body is JSON of another shape.
    #[error("the body is not an array of arguments, keyword arguments and options: {0}")]
    Body(&'static str),
    /// A value in an envelope of a type that is not known, or that does not hold what it says.
    #[error("a value of type {0:?} cannot be read")]
    Typed(String),
    /// Something that should be a signature is none.
    #[error("not a signature: {0}")]
    Signature(&'static str),
    /// A result is not what results look like.
    #[error("not a result of a task: {0}")]
    Result(String),
}

/// Why something could not be done at RabbitMQ or Redis.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address of RabbitMQ or Redis makes no sense. It is not repeated here, as it may hold a password.
    #[error("the address of {0} makes no sense")]
    Url(&'static str),
    /// A name is longer than the 255 bytes that AMQP allows.
    #[error("{0:?} is longer than 255 bytes")]
    Name(String),
    /// No connection, or it was lost while something was under way.
    #[error("RabbitMQ is not available: {0}")]
    Unavailable(String),
    /// RabbitMQ did not confirm a message in time. It may have it or not.
    #[error("RabbitMQ did not confirm a message within {0:?}")]
    Unconfirmed(Duration),
    /// No queue takes the message.
    #[error("no queue takes messages for {0:?}")]
    Unroutable(String),
    /// Redis does not answer, or refuses.
    #[error("Redis: {0}")]
    Redis(#[from] redis::RedisError),
    /// The results are elsewhere: this one was set up without Redis.
    #[error("results in Redis are not set up here")]
    NoRedis,
    /// A chord needs a place where its parts are counted.
    #[error("chords need results in Redis: over rpc nobody counts their parts")]
    ChordsNeedRedis,
    /// No result came in time.
    #[error("no result within {0:?}")]
    Timeout(Duration),
    /// The client was closed while somebody waited.
    #[error("the client is closed")]
    Closed,
    /// Something that came back cannot be understood.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Two tasks of one name, or nothing to do.
    #[error("{0}")]
    Setup(String),
}

impl Error {
    /// Whether the same may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Unconfirmed(_) | Self::Redis(_) | Self::Timeout(_))
    }
}
