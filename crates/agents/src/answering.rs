//! Answers all prompts of a document: each as soon as those it refers to are answered, several at a time, each
//! failing alone, and none that was answered before asked again.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use futures::stream::{FuturesUnordered, StreamExt};
use models::Model;
use protocol::answer::{PromptOutcome, Usage};
use protocol::document::Document;
use protocol::request::ToolSettings;
use protocol::stages::generate_digraph::PromptGraph;
use protocol::{ErrorClass, TaskError};
use retrieval::Index;

mod memo;
mod prompt;
mod schedule;

pub use memo::{Memo, NoMemo};

use prompt::{Failure, Prompts};
use schedule::Schedule;

/// Everything that answering one document's prompts needs.
#[derive(Clone, Copy)]
pub struct Extraction<'a> {
    /// The document.
    pub document: &'a Document,
    /// Its chunks and keyword index.
    pub index: &'a Index,
    /// The prompts and their order.
    pub graph: &'a PromptGraph,
    /// Preamble, postamble and grammar.
    pub settings: &'a ToolSettings,
    /// Who answers.
    pub model: &'a dyn Model,
    /// Names the document's content, so that memoized answers are never those of another one.
    pub document_hash: &'a str,
    /// How many prompts are asked at a time; at least one is.
    pub concurrency: usize,
}

/// How all prompts of a document went.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// By prompt name, for every prompt of the graph.
    pub answers: BTreeMap<String, PromptOutcome>,
    /// What was consumed, memoized answers not counted again.
    pub usage: Usage,
    /// Set when trying again may answer prompts that failed; finished ones are memoized by then.
    pub worst_retryable: Option<Retryable>,
    /// Whether prompts were left out because of the cancel signal. They have the code `cancelled`.
    pub cancelled: bool,
}

/// When to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retryable {
    /// The failure that asks for the longest patience.
    pub class: ErrorClass,
    /// The longest wait that a provider asked for.
    pub retry_after: Option<Duration>,
}

impl Retryable {
    fn worse(self, other: Self) -> Self {
        let patience = |class| match class {
            ErrorClass::RateLimited => 3,
            ErrorClass::Unavailable => 2,
            ErrorClass::Server => 1,
            ErrorClass::Transient | ErrorClass::Permanent => 0,
        };
        let class = if patience(other.class) > patience(self.class) { other.class } else { self.class };
        Self { class, retry_after: self.retry_after.max(other.retry_after) }
    }
}

/// Answers every prompt of the graph.
///
/// A prompt starts the moment the prompts it needs are answered. One that needs a failed prompt fails with the code
/// `dependency_failed`. `progress` is told, after each prompt, how many of how many are done and the prompt's name.
/// When `cancel` completes no further prompt is started; those under way are finished, so that what they cost is
/// not lost.
pub async fn answer_all(
    extraction: Extraction<'_>,
    memo: &dyn Memo,
    progress: &(dyn Fn(usize, usize, &str) + Send + Sync),
    cancel: impl Future<Output = ()> + Send,
) -> Run {
    let prompts = Prompts::new(extraction, memo);
    let mut schedule = Schedule::new(extraction.graph);
    let mut run = Run::default();
    let mut texts: BTreeMap<&str, String> = BTreeMap::new();
    let mut under_way = FuturesUnordered::new();
    let mut cancel = pin!(cancel);
    loop {
        while !run.cancelled && under_way.len() < extraction.concurrency.max(1) {
            let Some(name) = schedule.next() else { break };
            under_way.push(prompts.answer(name, prompts.text_of(name, &texts)));
        }
        if under_way.is_empty() {
            break;
        }
        let (name, outcome) = if run.cancelled {
            match under_way.next().await {
                Some(finished) => finished,
                None => break,
            }
        } else {
            match select(under_way.next(), cancel.as_mut()).await {
                Either::Left((Some(finished), _)) => finished,
                Either::Left((None, _)) => break,
                Either::Right(((), _)) => {
                    run.cancelled = true;
                    continue;
                }
            }
        };
        match outcome {
            Ok(finished) => {
                texts.insert(name, prompt::as_text(&finished.answer.value));
                if !finished.remembered {
                    run.usage += &finished.answer.usage;
                }
                run.answers.insert(name.to_owned(), PromptOutcome::Answered(finished.answer));
                schedule.answered(name);
                progress(run.answers.len(), schedule.total(), name);
            }
            Err(Failure { error, retry_after }) => {
                if error.class != ErrorClass::Permanent {
                    let failure = Retryable { class: error.class, retry_after };
                    run.worst_retryable = Some(run.worst_retryable.map_or(failure, |worst| worst.worse(failure)));
                }
                fail(name, error, &mut schedule, &mut run, progress);
            }
        }
    }
    for name in schedule.unfinished() {
        let error = TaskError::transient("cancelled", "the run was cancelled before this prompt was asked");
        run.answers.insert(name.to_owned(), PromptOutcome::Failed(error));
    }
    run
}

/// Records a failed prompt, and with it every prompt that waits for it, directly or through others.
fn fail<'a>(
    name: &'a str,
    error: TaskError,
    schedule: &mut Schedule<'a>,
    run: &mut Run,
    progress: &(dyn Fn(usize, usize, &str) + Send + Sync),
) {
    let mut failed = vec![(name, error)];
    while let Some((name, error)) = failed.pop() {
        tracing::debug!(prompt.name = name, error.code = error.code, "a prompt failed");
        for dependant in schedule.failed(name) {
            // The class is that of the cause: where trying again may help the one, it may help the other.
            let message = format!("the prompt refers to {name:?}, which failed");
            failed.push((dependant, TaskError::new(error.class, "dependency_failed", message)));
        }
        run.answers.insert(name.to_owned(), PromptOutcome::Failed(error));
        progress(run.answers.len(), schedule.total(), name);
    }
}

#[cfg(test)]
mod tests;
