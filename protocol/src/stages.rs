//! The built-in document workflow: six stages and how they hang together.
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

use crate::workflow::Workflow;
use crate::workflow::queues::{API_PROCESSING, DEFAULT, FILE_PROCESSING};

/// Name of the built-in workflow.
pub const PIPELINE: &str = "prompt-studio-pipeline";

/// The built-in workflow. Retries, delays and time limits are those the replaced system promised.
#[must_use]
pub fn pipeline() -> Workflow {
    let minutes = |n: u64| Duration::from_secs(60 * n);
    let seconds = Duration::from_secs;
    let mut flow = Workflow::named(PIPELINE).sticky();
    let text =
        flow.task::<ExtractText>().queue(FILE_PROCESSING).timeout(minutes(10)).retries(3).retry_delay(seconds(2)).add();
    let chunks = flow
        .task::<ChunkEmbed>()
        .queue(FILE_PROCESSING)
        .after(&text)
        .timeout(minutes(15))
        .retries(2)
        .retry_delay(seconds(2))
        .add();
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
}
