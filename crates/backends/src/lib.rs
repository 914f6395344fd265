//! Who executes workflows. [`fleet`] is our own engine: ledger, broker and workers, whether spread over many
//! machines or embedded in one process.

pub mod fleet;
#[cfg(feature = "stack")]
pub mod stack;
