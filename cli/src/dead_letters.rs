//! `flotilla dead-letters`: what became of messages that nobody could handle.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args as Group, Subcommand};
use protocol::operations::{DeadLetter, DeadLetterSelection, DeadLetters, Dropped, Replayed};

use crate::client::{Client, Remote};
use crate::inspect::View;
use crate::{operator, run};

/// How many dead letters are asked for at a time.
const PAGE: usize = 1000;

/// `flotilla dead-letters`
#[derive(Debug, Group)]
#[command(after_help = "\
Examples:
  flotilla dead-letters show                          every dead letter, whole
  flotilla dead-letters show ID                       one of them
  flotilla dead-letters replay --queue callbacks      after an upgrade that can read them
  flotilla dead-letters drop ID ID
  flotilla dead-letters drop --all --yes

Exit codes: 0 done · 1 the fleet is not reachable or could not do it, or there is no such letter · 2 bad usage")]
pub(crate) struct Command {
    #[command(subcommand)]
    what: What,
}

/// What to do with them.
#[derive(Debug, Subcommand)]
enum What {
    /// Show dead letters whole, with headers and content. They stay where they are.
    Show(Show),
    /// Send dead letters to the queues they died in, as new messages. A job whose run has ended by now changes
    /// nothing.
    Replay(Replay),
    /// Delete dead letters for good.
    Drop(Drop),
}

#[derive(Debug, Group)]
struct Show {
    /// Only those with these ids.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    view: View,
}

#[derive(Debug, Group)]
struct Replay {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    view: View,
}

#[derive(Debug, Group)]
struct Drop {
    #[command(flatten)]
    selection: Selection,
    /// Drop what --queue or --all selects without asking back.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    view: View,
}

/// Which ones; exactly one way to say it.
#[derive(Debug, Group)]
#[group(required = true, multiple = false)]
struct Selection {
    /// Those with these ids, as `flotilla inspect dead-letters` shows them.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Those that died in this queue.
    #[arg(long, value_name = "QUEUE")]
    queue: Option<String>,
    /// Every one.
    #[arg(long)]
    all: bool,
}

impl Selection {
    fn asked(self) -> DeadLetterSelection {
        match self {
            Self { queue: Some(queue), .. } => DeadLetterSelection { queue: Some(queue), ..Default::default() },
            Self { all: true, .. } => DeadLetterSelection { all: Some(true), ..Default::default() },
            Self { ids, .. } => DeadLetterSelection { ids: Some(ids), ..Default::default() },
        }
    }
}

pub(crate) fn main(command: Command) -> ExitCode {
    match command.what {
        What::Drop(drop) if drop.selection.ids.is_empty() && !drop.yes => run::refuse(&anyhow::anyhow!(
            "this would delete dead letters that you have not named; look at them with `flotilla dead-letters show`, \
             and say --yes if you mean it"
        )),
        What::Show(command) => operator::main(show(command)),
        What::Replay(command) => operator::main(replay(command)),
        What::Drop(command) => operator::main(forget(command)),
    }
}

async fn show(command: Show) -> anyhow::Result<()> {
    let Show { ids, view } = command;
    let mut letters = all(&view.remote).await?;
    if !ids.is_empty() {
        letters.retain(|letter| ids.contains(&letter.id));
        if let Some(missing) = ids.iter().find(|id| !letters.iter().any(|letter| letter.id == **id)) {
            anyhow::bail!("there is no dead letter {missing:?}");
        }
    }
    let answer = DeadLetters { dead_letters: letters, next: None };
    operator::print(view.json, &answer, |answer| {
        if answer.dead_letters.is_empty() {
            return "there are no dead letters\n".to_owned();
        }
        answer.dead_letters.iter().map(whole).collect::<Vec<_>>().join("\n")
    })
}

/// Every dead letter, page by page.
async fn all(remote: &Remote) -> anyhow::Result<Vec<DeadLetter>> {
    let client = Client::new(remote)?;
    let (mut letters, mut skip) = (Vec::new(), 0);
    loop {
        let page: DeadLetters = client.get(&format!("/api/v1/dead-letters?limit={PAGE}&skip={skip}")).await?;
        letters.extend(page.dead_letters);
        match page.next {
            Some(next) => skip = next,
            None => return Ok(letters),
        }
    }
}

fn whole(letter: &DeadLetter) -> String {
    let mut text = format!("{}\n", letter.id);
    let facts = [
        ("queue", letter.queue.clone()),
        ("reason", letter.reason.clone()),
        ("deliveries", letter.deliveries.map(|deliveries| deliveries.to_string())),
        ("died at", letter.died_at.map(|at| at.to_string())),
    ];
    let headers = letter.headers.iter().map(|(name, value)| (name.as_str(), Some(value.clone())));
    for (name, value) in facts.into_iter().chain(headers) {
        if let Some(value) = value {
            let _ = writeln!(text, "  {name}: {value}");
        }
    }
    let body = match &letter.body {
        serde_json::Value::String(text) => text.clone(),
        json => format!("{json:#}"),
    };
    for line in body.lines() {
        let _ = writeln!(text, "  | {line}");
    }
    text
}

async fn replay(command: Replay) -> anyhow::Result<()> {
    let Replay { selection, view } = command;
    let named = !selection.ids.is_empty();
    let client = Client::new(&view.remote)?;
    let done: Replayed = client.post("/api/v1/dead-letters/replay", &selection.asked()).await?;
    operator::print(view.json, &done, |done| {
        let kept = match done.kept {
            0 => String::new(),
            kept => format!("; {kept} stay, as they name no queue of this fleet"),
        };
        format!("{} replayed{kept}\n", letters(done.replayed))
    })?;
    found(done.replayed + done.kept, named)
}

async fn forget(command: Drop) -> anyhow::Result<()> {
    let Drop { selection, view, .. } = command;
    let named = !selection.ids.is_empty();
    let client = Client::new(&view.remote)?;
    let done: Dropped = client.post("/api/v1/dead-letters/drop", &selection.asked()).await?;
    operator::print(view.json, &done, |done| format!("{} dropped\n", letters(done.dropped)))?;
    found(done.dropped, named)
}

fn letters(count: u64) -> String {
    if count == 1 { "1 dead letter".to_owned() } else { format!("{count} dead letters") }
}

/// Who names dead letters and reaches none has named others than were meant.
fn found(count: u64, named: bool) -> anyhow::Result<()> {
    (count > 0 || !named).then_some(()).context("there is no dead letter of that name")
}
