//! LLMWhisperer v2: a document is handed in, looked after, and its text fetched, which can be done once.
//!
//! Every step leaves a trace on the shelf before the next one depends on it. The name of the submission is kept, so that nothing is handed in
//! (and billed) again because somebody crashed; the answer with the text is kept as it came, before anybody reads it. A text that was
//! handed out and never kept is lost: the document is handed in once more, with a warning.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use protocol::document::Origin;
use serde::{Deserialize, Serialize};
use serde_json::json;
use text::Extracted;

use crate::layout::{MOST_LINES, Setter, too_large};
use crate::providers::Provider;
use crate::service::Service;
use crate::settings::{Settings, Unusable};
use crate::{Error, Order, Reading, Step, X2Text, media_type};
use api::{Api, Status};
use config::Config;
use pages::Highlights;

mod api;
mod config;
mod pages;
mod selection;

/// What it is called where people see it.
const NAME: &str = "LLMWhisperer";
/// What stands behind the bar in the id of the version before this one.
const V1: &str = "0a1647f0-f65f-410d-843b-3d979c78350e";
/// Waits before the first looks; later ones are as long as the last.
const LOOKS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(3), Duration::from_secs(5)];
/// Longest wait after looks that failed.
const LONGEST_LOOK: Duration = Duration::from_secs(60);
/// So many answers in a row that make no sense, or texts that are not handed out, are too many.
const UNREADABLE: u32 = 3;
/// How often places of lines are asked for before the text goes without them.
const HIGHLIGHTS: u32 = 5;
/// How often a document is handed in at most.
const SUBMISSIONS: u32 = 2;

const AGAIN: &str =
    "LLMWhisperer had handed the text out and it did not arrive here, so the document was handed in, and billed, twice";

pub(crate) const PROVIDER: Provider = Provider { name: "llmwhisperer", make };

struct LlmWhisperer(Api);

fn make(kind: &str, settings: Settings<'_>, way_out: &outbound::Client) -> Result<Arc<dyn X2Text>, Unusable> {
    if kind == V1 {
        let advice = "LLMWhisperer v1 is no longer offered; set up v2 with adapter_id llmwhisperer|a5e6b8af-3e1f-4a80-b006-d017e8e67f93";
        return Err(Unusable::Unsupported { provider: format!("{}|{V1}", PROVIDER.name), advice: advice.to_owned() });
    }
    let config = Config::read(settings)?;
    let service = Service::new(NAME, (&config.base, way_out), Some(("unstract-key", config.key.clone())))?;
    Ok(Arc::new(LlmWhisperer(Api { config, service })))
}

/// What is kept of a submission.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    whisper_hash: String,
    /// Of the document, so that nobody has to fetch it again to know.
    media_type: String,
    submitted_at: Timestamp,
    /// How often the document was handed in.
    submissions: u32,
}

/// What is handed from one look to the next. What is lost of it costs a second.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Looks {
    looks: u32,
    /// Those that failed since the last that did not.
    failed: u32,
    /// Answers that made no sense, and texts that were not handed out, since the last look that was well.
    unreadable: u32,
    /// How often places of lines were asked for in vain.
    highlights: u32,
}

#[async_trait]
impl X2Text for LlmWhisperer {
    fn fingerprint(&self) -> String {
        self.0.config.fingerprint(PROVIDER.name)
    }

    async fn read(&self, order: &Order<'_>) -> Result<Step, Error> {
        let looks = Looks::deserialize(order.state).unwrap_or_default();
        let kept = match self.kept(order).await? {
            Some(kept) => kept,
            None => return self.submit(order, 1).await,
        };
        if let Some(answer) = order.shelf.get(&self.answer_name(order, &kept)).await.map_err(Error::Store)? {
            return self.finish(&kept, &answer, looks).await;
        }
        match self.0.status(&kept.whisper_hash).await {
            Ok(Status::UnderWay) => {
                self.wait(&kept, Looks { looks: looks.looks + 1, failed: 0, unreadable: 0, ..looks }, None)
            }
            Ok(Status::Processed) => {
                let answer = match self.0.retrieve(&kept.whisper_hash).await {
                    Ok(answer) => answer,
                    // Somebody was faster: the next look finds the text here, or hears that it was handed out.
                    Err(error @ Error::Status { status: 400 | 404 | 409 | 410, .. })
                        if looks.unreadable + 1 < UNREADABLE =>
                    {
                        let looks = Looks { failed: looks.failed + 1, unreadable: looks.unreadable + 1, ..looks };
                        return self.wait(&kept, looks, Some(error));
                    }
                    Err(error) => return Err(error),
                };
                order.shelf.put(&self.answer_name(order, &kept), &answer).await.map_err(Error::Store)?;
                self.finish(&kept, &answer, looks).await
            }
            Ok(Status::Retrieved) if kept.submissions < SUBMISSIONS => self.submit(order, kept.submissions + 1).await,
            Ok(Status::Retrieved) => Err(Error::Lost { service: NAME }),
            Ok(Status::Failed(message)) => Err(Error::Document { service: NAME, message }),
            Ok(Status::Unknown(status)) => Err(Error::UnknownStatus { service: NAME, status }),
            Err(error) => {
                let unreadable = looks.unreadable + u32::from(matches!(error, Error::Unreadable { .. }));
                if error.is_passing() || (looks.unreadable + 1..UNREADABLE).contains(&unreadable) {
                    return self.wait(&kept, Looks { failed: looks.failed + 1, unreadable, ..looks }, Some(error));
                }
                Err(error)
            }
        }
    }
}

impl LlmWhisperer {
    /// Hands the document in and keeps what it is called there.
    async fn submit(&self, order: &Order<'_>, submissions: u32) -> Result<Step, Error> {
        // An empty file is refused here rather than there.
        let source = order.original.source().await.map_err(Error::Store)?;
        let media_type = media_type::of(&source.path).await?;
        let whisper_hash = self.0.submit(&source).await?;
        let kept = Kept { whisper_hash, media_type, submitted_at: Timestamp::now(), submissions };
        let bytes = serde_json::to_vec(&kept).map_err(|error| self.0.service.unreadable("whisper", error))?;
        order.shelf.put(&self.kept_name(order), &bytes).await.map_err(Error::Store)?;
        let note = (submissions > 1).then(|| AGAIN.to_owned());
        Ok(Step::Wait { after: LOOKS[0], state: json!(Looks::default()), note })
    }

    /// What is kept of the submission; something that cannot be read is nothing.
    async fn kept(&self, order: &Order<'_>) -> Result<Option<Kept>, Error> {
        let bytes = order.shelf.get(&self.kept_name(order)).await.map_err(Error::Store)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Comes back later, unless it has taken too long.
    fn wait(&self, kept: &Kept, looks: Looks, failed: Option<Error>) -> Result<Step, Error> {
        let limit = self.0.config.wait;
        let gone = Duration::try_from(Timestamp::now().duration_since(kept.submitted_at)).unwrap_or_default();
        let note = failed.as_ref().map(ToString::to_string);
        let Some(left) = limit.checked_sub(gone).filter(|left| !left.is_zero()) else {
            return Err(Error::Overdue { service: NAME, limit, last: note });
        };
        let usual = LOOKS[(looks.looks as usize).min(LOOKS.len() - 1)];
        let patience = usual.saturating_mul(1 << looks.failed.min(6)).min(LONGEST_LOOK);
        let asked = failed.as_ref().and_then(Error::retry_after);
        let after = asked.unwrap_or(patience).max(LOOKS[0]).min(left);
        let note = note.map(|note| format!("{note}; it is asked again in {} s", after.as_secs().max(1)));
        Ok(Step::Wait { after, state: json!(looks), note })
    }

    /// Makes a document of the answer with the text and of what is said of the places of its lines.
    async fn finish(&self, kept: &Kept, answer: &[u8], looks: Looks) -> Result<Step, Error> {
        let text = self.0.text(answer)?;
        if text.bytes().filter(|byte| *byte == b'\n').count() > MOST_LINES {
            return Err(too_large(NAME, MOST_LINES, "lines"));
        }
        let pages = pages::pages(&text, &self.0.config.separator);
        let mut warnings = Vec::new();
        let mut is_whole = true;
        let found = match pages::last_line(&pages) {
            Some(last) => self.0.highlights(&kept.whisper_hash, last).await,
            None => Ok(serde_json::Map::new()),
        };
        let highlights = match found {
            Ok(found) => pages::highlights(&found),
            Err(error) if error.is_passing() && looks.highlights < HIGHLIGHTS => {
                let after = error.retry_after().unwrap_or(LOOKS[3]).clamp(LOOKS[0], LONGEST_LOOK);
                let state = json!(Looks { highlights: looks.highlights + 1, ..looks });
                return Ok(Step::Wait { after, state, note: Some(error.to_string()) });
            }
            // The text is there and paid for; without places it still answers questions.
            Err(error) => {
                warnings.push(format!("the places of lines could not be had, words lie on a grid instead: {error}"));
                is_whole = false;
                Highlights::new()
            }
        };
        if kept.submissions > 1 {
            warnings.push(AGAIN.to_owned());
        }
        let origin = if self.0.config.is_native { Origin::Text } else { Origin::Ocr };
        let mut setter = Setter::new(NAME, origin);
        for (page, number) in pages.into_iter().zip(self.0.config.selection.numbers()) {
            setter.page(number, pages::PAGE, pages::rows(page, &highlights))?;
        }
        let document = setter.document(kept.media_type.clone());
        let extracted = Extracted { document, extractor: "llmwhisperer".to_owned(), warnings };
        Ok(Step::Done(Reading { extracted, is_whole }))
    }

    fn kept_name(&self, order: &Order<'_>) -> String {
        format!("{}.json", self.stem(order))
    }

    fn answer_name(&self, order: &Order<'_>, kept: &Kept) -> String {
        format!("{}.answer-{}.json", self.stem(order), kept.submissions)
    }

    /// The same for the same document and settings alone, so that a changed adapter begins anew.
    fn stem(&self, order: &Order<'_>) -> String {
        let print = self.fingerprint();
        let start = |hash: &str| hash.get(..16).unwrap_or(hash).to_owned();
        format!("llmwhisperer-{}-{}", start(&print), start(order.content))
    }
}
