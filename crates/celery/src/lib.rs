//! Celery, spoken both ways.
mod amqp;
mod canvas;
mod delays;
mod error;
mod typed;
mod signature;
mod message;
mod outcome;
mod results;
mod wire;
pub mod database;
pub use delays::Delays;
pub use error::{DecodeError, Error};
pub use message::{Message, Raw, Properties, Embed, TimeLimits};
pub use outcome::{Outcome, Failure, TaskResult};
pub use results::{RedisConfig, Results};
pub use signature::{Signature, Shape};
/// The id of a task, usually a UUID.
pub type TaskId = String;
