//! Measures text extraction beside its peers: `make bench-text`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use benches::text::engine::READ_ARGUMENT;
use benches::text::{Wanted, markdown, measure, reader};
use clap::Parser;

/// Measures how good the text of documents is, what reading costs, and how well scans are recognised; beside poppler,
/// PDFium, pdfminer.six, MuPDF and tesseract.
#[derive(Debug, Parser)]
#[command(name = "text", max_term_width = 100)]
struct Flags {
    /// Folders of PDFs, and of receipts as X.jpg beside X.csv.
    #[arg(long, value_name = "DIR", env = "FLOTILLA_SAMPLES", value_delimiter = ':')]
    samples: Vec<PathBuf>,
    /// The folder of PDFs that benches/text/corpus.py has fetched.
    #[arg(long, value_name = "DIR", default_value = "target/corpus/text")]
    corpus: PathBuf,
    /// The Python environment of the peers.
    #[arg(long, value_name = "DIR", default_value = "target/peers/text")]
    peers: PathBuf,
    /// The folder of the peers' programs.
    #[arg(long, value_name = "DIR", default_value = "benches/text/peers")]
    peers_sources: PathBuf,
    /// A folder for texts and pictures; what is in there is replaced.
    #[arg(long, value_name = "DIR", default_value = "target/bench-text")]
    work: PathBuf,
    /// How often everybody's cost is measured, in turns; medians count. 0 leaves it out.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=9))]
    rounds: u32,
    /// How many pages are rendered, eight times each, to be recognised. 0 leaves it out.
    #[arg(long, default_value_t = 6)]
    rendered: usize,
    /// How many receipts are recognised, at most. 0 leaves it out.
    #[arg(long, default_value_t = 20)]
    receipts: usize,
    /// Where everything that was measured goes, as JSON.
    #[arg(long, value_name = "FILE", default_value = "target/bench-text.json")]
    out: PathBuf,
    /// Print the JSON instead of tables.
    #[arg(long)]
    json: bool,
}

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // The extractor starts this program again to read documents apart.
    if arguments.first().is_some_and(|first| first == text::CHILD_ARGUMENT) {
        return Ok(text::child_main());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match arguments.split_first() {
        Some((first, rest)) if first == READ_ARGUMENT => runtime.block_on(reader::main(rest))?,
        _ => runtime.block_on(run(Flags::parse()))?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn run(flags: Flags) -> Result<()> {
    let mut folders = flags.samples;
    folders.retain(|folder| !folder.as_os_str().is_empty());
    folders.push(flags.corpus);
    let measured = measure(&Wanted {
        folders,
        peers: flags.peers,
        sources: flags.peers_sources,
        work: std::path::absolute(flags.work)?,
        rounds: flags.rounds,
        rendered: flags.rendered,
        receipts: flags.receipts,
    })
    .await?;
    let json = serde_json::to_string_pretty(&measured)?;
    std::fs::write(&flags.out, &json).with_context(|| format!("writing {}", flags.out.display()))?;
    print(&if flags.json { json } else { markdown(&measured) })
}

/// To standard output; a reader that goes away early is no failure.
fn print(text: &str) -> Result<()> {
    use std::io::{ErrorKind, Write};
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
