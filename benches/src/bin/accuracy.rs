//! Measures field accuracy of the built-in reader: `cargo run --release -p benches --bin accuracy -- FOLDER`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use benches::accuracy;
use clap::Parser;

/// Field accuracy of the built-in reader over a folder of `X.pdf` beside `X.truth.json`.
#[derive(Parser)]
struct Arguments {
    /// The folder.
    folder: PathBuf,
    /// Print JSON instead of Markdown.
    #[arg(long)]
    json: bool,
    /// List every field that is not fully right.
    #[arg(long)]
    details: bool,
}

fn main() -> Result<ExitCode> {
    // The extractor starts this program again to read one document apart.
    if std::env::args().nth(1).as_deref() == Some(text::CHILD_ARGUMENT) {
        return Ok(text::child_main());
    }
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let measured = runtime.block_on(accuracy::measure(&arguments.folder))?;
    print(&if arguments.json {
        serde_json::to_string_pretty(&measured)?
    } else {
        accuracy::markdown(&measured, arguments.details)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// To standard output; a reader that goes away early is no failure.
fn print(text: &str) -> Result<()> {
    use std::io::{ErrorKind, Write};
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
