//! Reads a document with as many children as it takes.
//!
//! What a page does to a child costs that page: another child goes on behind it. And what came before can neither fail a
//! page nor excuse it: a page counts as failed when a child fails on it that has read nothing else.

use std::sync::Once;
use std::time::Duration;

use metrics::gauge;
use protocol::document::{Page, PageFailure};
use tokio::fs::File;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::error::{Error, Limit};
use crate::pool::Pool;
use crate::process::Heard;
use crate::wire::{Confined, Deed, End, Request, Said, Scan, Summary};

/// Whether the kernel keeps children from `files` (Landlock) and from `calls` that they have no business with (seccomp).
const CONFINED: &str = "flotilla_children_confined";

/// How many pages of one document may end their child before it is given up.
const MOST_ENDS: usize = 8;

/// A document that was read.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Its pages, with why their pictures should be read.
    pub(crate) pages: Vec<(Page, Option<Scan>)>,
    pub(crate) failures: Vec<PageFailure>,
    pub(crate) summary: Summary,
    /// How many pages there are, if reading can begin with any of them.
    count: Option<u32>,
    /// Pages that ended a child.
    ends: usize,
    /// What the first of them did.
    first: Option<Error>,
}

impl Reading {
    /// The page behind the last one that was read.
    fn next(&self) -> u32 {
        self.pages.last().map_or(1, |(page, _)| page.number + 1)
    }

    /// Takes in what a child said.
    fn hear(&mut self, said: Said) {
        match said {
            Said::Count(pages) => self.count = Some(pages),
            Said::Page { page, scan } => self.pages.push((*page, scan)),
            Said::Failed { page, failure } => {
                self.pages.push((*page, None));
                self.failures.push(failure);
            }
            Said::Confined(Confined { files, calls }) => {
                gauge!(CONFINED, "from" => "files").set(f64::from(u8::from(files)));
                gauge!(CONFINED, "from" => "calls").set(f64::from(u8::from(calls)));
                if !(files && calls) {
                    static SAID: Once = Once::new();
                    SAID.call_once(|| {
                        tracing::warn!(
                            files,
                            calls,
                            "the kernel does not confine the children that read documents: Landlock closes files, seccomp refuses calls"
                        );
                    });
                }
            }
            Said::Begin(_) | Said::End(_) => {}
        }
    }

    /// Notes that a page cannot be read.
    fn fail(&mut self, number: u32, error: &Error) {
        // As large as its neighbour: pages of a document mostly are.
        let (width, height) = self.pages.last().map_or((612.0, 792.0), |(page, _)| (page.width, page.height));
        self.pages.push((Page { number, width, height, ..Page::default() }, None));
        self.failures.push(PageFailure { page: number, code: error.code().to_owned(), message: error.to_string() });
        self.first.get_or_insert_with(|| error.clone());
    }

    /// Whether there is a page that could be read.
    fn has_any(&self) -> bool {
        self.pages.len() > self.failures.len()
    }
}

/// Reads the pages that are wanted.
pub(crate) async fn read(pool: &Pool, mut request: Request, file: &mut File) -> Result<Reading, Error> {
    let until = Instant::now() + request.limits.wall;
    let mut reading = Reading::default();
    let mut used = true;
    loop {
        let from = reading.next();
        set_from(&mut request, from);
        let mut heard = Heard::default();
        let wall = until.saturating_duration_since(Instant::now());
        let outcome = pool.ask(&request, file, wall, &mut heard, used).await;
        // A child that failed is judged by that, whatever else it said.
        reading = taken(reading, heard, outcome.is_ok()).await?;
        let (error, was_used) = match outcome {
            Ok((End::Read(summary), _)) => {
                reading.summary.reader = summary.reader;
                reading.summary.media_type = summary.media_type;
                reading.summary.warnings.extend(summary.warnings);
                return concluded(reading);
            }
            Ok((End::Picture(_), _)) => {
                return Err(Error::Crashed { how: "a picture".to_owned(), page: None, said: None });
            }
            Err(failed) => failed,
        };
        if until.saturating_duration_since(Instant::now()) == Duration::ZERO || is_wall(&error) {
            return out_of_time(reading, error, &request);
        }
        used = false;
        // Another child may fare better: the one that failed had read other documents, or other pages of this one.
        if was_used {
            continue;
        }
        let (Some(page), Some(count)) = (error.page().filter(|_| error.is_of_a_page()), reading.count) else {
            return Err(error);
        };
        if page != from && reading.next() > from {
            continue;
        }
        reading.ends += 1;
        reading.fail(page, &error);
        if reading.ends >= MOST_ENDS || page >= count {
            return if page >= count { concluded(reading) } else { Err(error) };
        }
    }
}

fn set_from(request: &mut Request, page: u32) {
    if let Deed::Read { from, .. } = &mut request.deed {
        *from = page;
    }
}

fn is_wall(error: &Error) -> bool {
    matches!(error, Error::TooComplex { limit: Limit::Wall(_), .. })
}

/// A long answer takes long enough to matter to everything else on this thread.
async fn taken(mut reading: Reading, heard: Heard, all: bool) -> Result<Reading, Error> {
    let taken = spawn_blocking(move || {
        for said in heard.said() {
            match said {
                Ok(said) => reading.hear(said),
                Err(error) if all => return Err(error),
                Err(_) => break,
            }
        }
        Ok(reading)
    });
    taken.await.unwrap_or_else(|error| Err(Error::io("reading the extractor's answer", &error.into())))
}

/// The pages that were read while there was time; the others have failed.
fn out_of_time(mut reading: Reading, error: Error, request: &Request) -> Result<Reading, Error> {
    let Some(count) = reading.count.filter(|_| reading.has_any()) else { return Err(error) };
    let Deed::Read { wanted, .. } = &request.deed else { return Err(error) };
    for page in reading.next()..=count {
        if wanted.as_ref().is_none_or(|wanted| wanted.holds(page)) {
            reading.fail(page, &error);
        }
    }
    concluded(reading)
}

/// A document of which nothing can be read has failed as its first page has.
fn concluded(reading: Reading) -> Result<Reading, Error> {
    if reading.failures.is_empty() || reading.has_any() {
        return Ok(reading);
    }
    Err(reading.first.unwrap_or_else(|| Error::corrupt("none of its pages can be read")))
}
