//! The built-in workflows: the six stages and how they hang together.
//!
//! One stage is one file here (its contract) and one of the same name in `worker/src/stages/` (the deed).

use std::time::Duration;

pub mod agentic_extract;
pub mod chunk_embed;
pub mod collate;
pub mod evaluate;
pub mod extract_text;
pub mod generate_digraph;

pub use agentic_extract::AgenticExtract;
pub use chunk_embed::ChunkEmbed;
pub use collate::Collate;
pub use evaluate::Evaluate;
pub use extract_text::ExtractText;
pub use generate_digraph::GenerateDigraph;

use crate::workflow::queues::{API_PROCESSING, DEFAULT, FILE_PROCESSING};
use crate::workflow::{TaskHandle, Workflow};

/// Name of the document workflow: all six stages.
pub const PIPELINE: &str = "prompt-studio-pipeline";

/// Name of the workflow that reads a document and does nothing else.
pub const TEXT_EXTRACTION: &str = "text-extraction";

/// Name of the workflow that reads a document and makes it searchable.
pub const INDEXING: &str = "indexing";

/// The workflows that every fleet has.
#[must_use]
pub fn builtin() -> [Workflow; 3] {
    [pipeline(), text_extraction(), indexing()]
}

/// Whether a workflow of that name is built in. All of them take a document.
#[must_use]
pub fn is_builtin(name: &str) -> bool {
    matches!(name, PIPELINE | TEXT_EXTRACTION | INDEXING)
}

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

const fn minutes(n: u64) -> Duration {
    seconds(60 * n)
}

/// The first stage alone.
#[must_use]
pub fn text_extraction() -> Workflow {
    let mut flow = Workflow::named(TEXT_EXTRACTION);
    let _ = read(&mut flow);
    flow
}

/// The first two stages.
#[must_use]
pub fn indexing() -> Workflow {
    let mut flow = Workflow::named(INDEXING).sticky();
    let text = read(&mut flow);
    let _ = index(&mut flow, &text);
    flow
}

fn read(flow: &mut Workflow) -> TaskHandle<ExtractText> {
    flow.task::<ExtractText>().queue(FILE_PROCESSING).timeout(minutes(10)).retries(3).retry_delay(seconds(2)).add()
}

fn index(flow: &mut Workflow, text: &TaskHandle<ExtractText>) -> TaskHandle<ChunkEmbed> {
    flow.task::<ChunkEmbed>()
        .queue(FILE_PROCESSING)
        .after(text)
        .timeout(minutes(15))
        .retries(2)
        .retry_delay(seconds(2))
        .add()
}

/// The document workflow. Retries, delays and time limits are those the replaced system promised.
#[must_use]
pub fn pipeline() -> Workflow {
    let mut flow = Workflow::named(PIPELINE).sticky();
    let text = read(&mut flow);
    let chunks = index(&mut flow, &text);
    let graph = flow
        .task::<GenerateDigraph>()
        .queue(DEFAULT)
        .after(&chunks)
        .timeout(minutes(5))
        .retries(2)
        .retry_delay(seconds(1))
        .add();
    let answers = flow
        .task::<AgenticExtract>()
        .queue(API_PROCESSING)
        .after(&graph)
        .soft_timeout(minutes(30))
        .timeout(minutes(40))
        .retries(2)
        .retry_delay(seconds(5))
        .add();
    let checked = flow
        .task::<Evaluate>()
        .queue(API_PROCESSING)
        .after(&answers)
        .timeout(minutes(15))
        .retries(2)
        .retry_delay(seconds(5))
        // Answers without scores are worth more than no answers.
        .tolerate_failure()
        .add();
    let _ = flow
        .task::<Collate>()
        .queue(DEFAULT)
        .after(&checked)
        .timeout(minutes(5))
        .retries(2)
        .retry_delay(seconds(1))
        .add();
    flow
}

/// Names of the six stages in order.
#[must_use]
pub fn names() -> [&'static str; 6] {
    use crate::task::Task;
    [ExtractText::NAME, ChunkEmbed::NAME, GenerateDigraph::NAME, AgenticExtract::NAME, Evaluate::NAME, Collate::NAME]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pipeline_is_a_valid_chain_of_the_six_stages() {
        let flow = pipeline();
        assert_eq!(flow.validate(), Ok(()));
        let in_order: Vec<&str> = flow.tasks.iter().map(|task| task.name.as_str()).collect();
        assert_eq!(in_order, names());
        assert_eq!(flow.ancestors("collate").len(), 5);
    }

    #[test]
    fn the_smaller_workflows_are_beginnings_of_the_pipeline() {
        let whole = pipeline();
        for flow in builtin() {
            assert_eq!(flow.validate(), Ok(()), "{}", flow.name);
            assert_eq!(flow.tasks, whole.tasks[..flow.tasks.len()], "{}", flow.name);
            assert!(is_builtin(&flow.name));
        }
        assert!(!is_builtin("nightly"));
    }
}
