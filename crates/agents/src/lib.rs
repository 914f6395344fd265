//! The graph of prompts, the questions asked by default, and how all of them are answered.
//!
//! [`graph`] turns `{{name}}` references between prompts into a dependency graph, [`defaults`] knows what to ask of
//! a document that came without questions, and [`answering`] runs the prompts: each as soon as the answers it needs
//! are there, each failing alone, none paid for twice.

pub mod answering;
pub mod defaults;
pub mod graph;
pub mod references;

pub use answering::{Extraction, Memo, NoMemo, Retryable, Run, answer_all};
