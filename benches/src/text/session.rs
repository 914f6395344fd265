//! Has engines read documents, each in a process of its own, and keeps what they say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::engine::{Answer, Asked, Engine, PATIENCE, READ_ARGUMENT};

/// Where everything is.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// The Python environment of the peers.
    pub(super) peers: PathBuf,
    /// The folder of the Python programs.
    pub(super) sources: PathBuf,
    /// The folder that texts and pictures are written into.
    pub(super) work: PathBuf,
}

/// What an engine has read.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) engine: Engine,
    /// One for each document, in order.
    pub(super) answers: Vec<Answer>,
    /// What belongs to no document.
    pub(super) rest: Answer,
    folder: PathBuf,
}

impl Run {
    /// Has an engine read documents.
    ///
    /// # Errors
    /// When the reader cannot be started, fails as a whole, or leaves a document out.
    pub(super) async fn of(engine: Engine, documents: &[&Path], places: &Places) -> anyhow::Result<Self> {
        let folder = places.work.join(engine.key());
        // What an earlier run has left would pass for what this one has read.
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => fs::create_dir_all(&folder)?,
        }
        let mut command = if engine.is_python() {
            let mut command = Command::new(places.peers.join("bin/python"));
            command.arg(places.sources.join("read.py")).arg(engine.key()).arg(&folder).arg(PATIENCE.to_string());
            command
        } else {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg(READ_ARGUMENT).arg(engine.key()).arg(&folder);
            command
        };
        let asked = documents.iter().enumerate().map(|(index, path)| Asked { index, path: (*path).to_owned() });
        let said = ask(&mut command, asked).await.with_context(|| format!("reading with {}", engine.title()))?;
        let mut answers = vec![None; documents.len()];
        let mut rest = Answer::default();
        for line in said.lines() {
            let answer: Answer =
                serde_json::from_str(line).with_context(|| format!("{} said {line}", engine.title()))?;
            match answer.index.and_then(|index| answers.get_mut(index)) {
                Some(place) => *place = Some(answer),
                None => rest = answer,
            }
        }
        let answers: Vec<Answer> = answers.into_iter().flatten().collect();
        ensure!(answers.len() == documents.len(), "{} has left documents out", engine.title());
        Ok(Self { engine, answers, rest, folder })
    }

    /// What was read of a document, with that ending: `txt`, `prose.txt`, `json`, `tsv`. Nothing of one that was not read.
    pub(super) fn text(&self, index: usize, ending: &str) -> Option<String> {
        if self.answers.get(index)?.failure.is_some() {
            return None;
        }
        let bytes = fs::read(self.folder.join(format!("{index}.{ending}"))).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Processor seconds of everything.
    pub(super) fn cpu_s(&self) -> f64 {
        self.answers.iter().map(|answer| answer.cpu_s).sum::<f64>() + self.rest.cpu_s
    }

    /// The largest resident memory of a process that read, in KiB; and whether that may be the memory of who started it.
    pub(super) fn peak_kib(&self) -> (u64, bool) {
        let all = || self.answers.iter().chain([&self.rest]);
        let peak = all().map(|answer| answer.peak_kib).max().unwrap_or(0);
        (peak, all().any(|answer| answer.caller_kib >= peak))
    }
}

/// Gives a program lines of JSON and returns what it writes.
pub(super) async fn ask<T: serde::Serialize>(
    command: &mut Command,
    lines: impl Iterator<Item = T>,
) -> anyhow::Result<String> {
    let mut request = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut request, &line)?;
        request.push(b'\n');
    }
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().with_context(|| format!("{name} cannot be started"))?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let mut said = String::new();
    let asking = async {
        // Dropped at the end, which is how a program knows that it has heard all.
        let mut stdin = stdin.context("its standard input is closed")?;
        stdin.write_all(&request).await.map_err(anyhow::Error::from)
    };
    let listening = async {
        let mut stdout = stdout.context("its standard output is closed")?;
        stdout.read_to_string(&mut said).await.map_err(anyhow::Error::from)
    };
    let (asked, heard) = tokio::join!(asking, listening);
    let status = child.wait().await?;
    ensure!(status.success(), "{name} ended with {status}");
    asked.and(heard.map(|_| ()))?;
    Ok(said)
}
