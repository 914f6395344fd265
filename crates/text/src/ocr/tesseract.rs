//! Runs tesseract, one picture at a time, in a process that limits itself.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::time::timeout;

use super::launch::NOT_STARTED;
use crate::config::{ChildCommand, OCR_ROLE, Ocr};
use crate::error::{Error, Limit};
use crate::picture::Picture;

/// How much of its output is kept; a page of the smallest print has a tenth.
const MOST_OUTPUT: u64 = 16 << 20;

/// How much of what it complains about is kept.
const MOST_SAID: u64 = 4000;

/// How to run it.
#[derive(Clone, Debug)]
pub(super) struct Tesseract {
    pub(super) launcher: ChildCommand,
    pub(super) program: PathBuf,
    pub(super) limits: Ocr,
}

/// What it had to say.
pub(super) struct Output {
    pub(super) text: String,
    pub(super) said: String,
    status: ExitStatus,
}

impl Tesseract {
    /// The data that is installed, by name: languages, scripts, `osd`.
    pub(super) async fn installed(&self) -> Result<Vec<String>, Error> {
        let output = self.run(None, 1, &["--list-langs"]).await?;
        let output = self.judged(output, 1)?;
        Ok(output.text.lines().skip(1).map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    /// The table of words on a picture of that page.
    pub(super) async fn words(&self, picture: &Picture, page: u32, data: &str) -> Result<String, Error> {
        let dpi = picture.placement.dpi().round().to_string();
        let output = self.run(Some(picture), page, &["-", "-", "-l", data, "--dpi", &dpi, "tsv"]).await?;
        Ok(self.judged(output, page)?.text)
    }

    /// What it says about orientation and script; nothing where it cannot tell.
    pub(super) async fn orientation(&self, picture: &Picture, page: u32) -> Result<String, Error> {
        let dpi = picture.placement.dpi().round().to_string();
        let output = self.run(Some(picture), page, &["-", "-", "-l", "osd", "--psm", "0", "--dpi", &dpi]).await?;
        // Too few characters are a failure to it.
        Ok(if output.status.code() == Some(1) { String::new() } else { self.judged(output, page)?.text })
    }

    async fn run(&self, picture: Option<&Picture>, page: u32, arguments: &[&str]) -> Result<Output, Error> {
        let failed = |error: std::io::Error| Error::io("running tesseract", &error);
        let mut command = Command::new(&self.launcher.program);
        command.args(&self.launcher.arguments).arg(OCR_ROLE);
        command.args([self.limits.memory_bytes.to_string(), self.limits.wall.as_secs().max(1).to_string()]);
        command.arg(&self.program).args(arguments).env_clear();
        // One thread each: pages are read side by side, and threads of one page wait for each other busily.
        command.env("OMP_THREAD_LIMIT", "1");
        if let Some(data) = &self.limits.data {
            command.env("TESSDATA_PREFIX", data);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(mut stdout), Some(mut stderr)) = (stdin, stdout, stderr) else {
            return Err(failed(std::io::ErrorKind::BrokenPipe.into()));
        };
        let send = async {
            if let Some(picture) = picture {
                let header = format!("P5\n{} {}\n255\n", picture.placement.width, picture.placement.height);
                // It is judged by its end when it does not even want the picture.
                let _ = stdin.write_all(header.as_bytes()).await;
                let _ = stdin.write_all(&picture.pixels).await;
            }
            drop(stdin);
        };
        let (mut text, mut said) = (Vec::new(), Vec::new());
        let listen = async {
            tokio::try_join!(up_to(MOST_OUTPUT, &mut stdout, &mut text), up_to(MOST_SAID, &mut stderr, &mut said))
        };
        let conversation = async { tokio::join!(send, listen).1 };
        let Ok(heard) = timeout(self.limits.wall, conversation).await else {
            child.kill().await.map_err(failed)?;
            return Err(Error::TooComplex { limit: Limit::Wall(self.limits.wall), page: Some(page) });
        };
        heard.map_err(failed)?;
        if text.len() as u64 > MOST_OUTPUT {
            child.kill().await.map_err(failed)?;
            return Err(Error::TooComplex { limit: Limit::OutputBytes(MOST_OUTPUT), page: Some(page) });
        }
        let status = child.wait().await.map_err(failed)?;
        let lossy = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Output { text: lossy(text), said: lossy(said).trim().to_owned(), status })
    }

    fn judged(&self, output: Output, page: u32) -> Result<Output, Error> {
        const SIGABRT: i32 = 6;
        const SIGKILL: i32 = 9;
        const SIGXCPU: i32 = 24;
        let Output { said, status, .. } = &output;
        let limit = |limit| Error::TooComplex { limit, page: Some(page) };
        let unavailable = |detail: String| Error::OcrUnavailable { detail };
        if status.success() {
            return Ok(output);
        }
        Err(match status.signal() {
            Some(SIGXCPU) => limit(Limit::CpuSeconds(self.limits.wall.as_secs())),
            Some(SIGKILL) => Error::Killed,
            Some(SIGABRT) if said.contains("bad_alloc") => limit(Limit::MemoryBytes(self.limits.memory_bytes)),
            _ if said.starts_with(NOT_STARTED) => {
                unavailable(format!("{} {}", self.program.display(), said.trim_start_matches(NOT_STARTED)))
            }
            _ if said.contains("Error opening data file") || said.contains("couldn't load any languages") => {
                unavailable(format!("tesseract lacks language data: {}", said.lines().next().unwrap_or_default()))
            }
            _ => Error::OcrFailed { page, detail: format!("{status}: {}", tail(said)) },
        })
    }
}

/// The end of what was said, which names the cause.
fn tail(said: &str) -> &str {
    const TAIL: usize = 300;
    let start = said.len().saturating_sub(TAIL);
    said.get(said.ceil_char_boundary(start)..).unwrap_or_default()
}

/// Reads to the end and keeps no more than one byte beyond the limit. The rest is read, too: whoever writes it would wait
/// for that, up to its wall limit.
async fn up_to(most: u64, pipe: &mut (impl AsyncRead + Unpin), into: &mut Vec<u8>) -> std::io::Result<()> {
    (&mut *pipe).take(most + 1).read_to_end(into).await?;
    tokio::io::copy(pipe, &mut tokio::io::sink()).await.map(drop)
}
