//! What somebody writes to add a task: one implementation of [`Handle`].

use std::marker::PhantomData;
use std::time::Duration;

use async_trait::async_trait;
use protocol::{Task, TaskError};
use serde_json::Value;

use crate::context::Context;

/// The deed of a task. Must be idempotent: an attempt may run again after a crash.
#[async_trait]
pub trait Handle<T: Task>: Send + Sync + 'static {
    /// Does the work. Return early when `ctx.stopping()` says so; being dropped at any await is fine.
    ///
    /// # Errors
    /// [`Stop`]: an error, whose class decides about a retry, or the wish to be called again later.
    async fn run(&self, ctx: &Context, input: T::Input) -> Result<T::Output, Stop>;
}

/// Why a handler ended without an output.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// It failed. The class of the error decides whether and when it is tried again.
    Error(TaskError),
    /// It failed and the provider said when to come back.
    RetryAfter(TaskError, Duration),
    /// It waits for something outside and holds no worker meanwhile. Counts against nothing.
    Snooze {
        /// When to be called again.
        after: Duration,
        /// What [`Context::state`] gives next time.
        state: Value,
    },
}

impl From<TaskError> for Stop {
    fn from(error: TaskError) -> Self {
        Self::Error(error)
    }
}

/// A handler whose types were erased, so that handlers of many tasks fit into one map.
#[async_trait]
pub(crate) trait AnyHandler: Send + Sync {
    async fn run(&self, ctx: &Context, input: Value) -> Result<Value, Stop>;
}

/// Erases the types of a [`Handle`].
pub(crate) struct Typed<T, H> {
    handler: H,
    contract: PhantomData<fn() -> T>,
}

impl<T, H> Typed<T, H> {
    pub(crate) const fn new(handler: H) -> Self {
        Self { handler, contract: PhantomData }
    }
}

#[async_trait]
impl<T: Task, H: Handle<T>> AnyHandler for Typed<T, H> {
    async fn run(&self, ctx: &Context, input: Value) -> Result<Value, Stop> {
        let input = serde_json::from_value(input).map_err(|error| {
            TaskError::permanent("input_invalid", format!("the input of task {:?} cannot be read: {error}", T::NAME))
        })?;
        let output = self.handler.run(ctx, input).await?;
        serde_json::to_value(output).map_err(|error| {
            Stop::Error(TaskError::permanent(
                "output_invalid",
                format!("the output of task {:?} cannot be written: {error}", T::NAME),
            ))
        })
    }
}
