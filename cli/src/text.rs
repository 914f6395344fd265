//! `flotilla text`: what is read of a document, without a fleet and without questions.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ::text::{Config, Extracted, Extractor, PageRange, Picture, Protection, Source, Wish, draw};
use anyhow::{Context as _, anyhow, bail};
use clap::Args as Group;
use protocol::document::{Document, Page, Table};

use crate::run::{fail, refuse, say};

/// `flotilla text`
#[derive(Debug, Group)]
#[command(after_help = "\
Examples:
  flotilla text invoice.pdf                          the text as it looks, columns under each other
  flotilla text paper.pdf --prose                    the text as it is read, column after column
  flotilla text scan.pdf --ocr-languages deu,eng     a scan in German and English
  flotilla text report.pdf --tables --pages 3-5      the tables of three pages, as CSV
  flotilla text invoice.pdf --json | jq '.document.pages[0].lines[0].words'
  flotilla text invoice.pdf --svg --output seen      seen/invoice-1.svg: every word in its box, to be opened in a browser

Colours of frames: blue stands in the file, green was recognised (OCR), red was recognised with less than 60 %
confidence, yellow are cells of tables.

Exit codes: 0 read · 1 could not be read · 2 bad usage")]
pub(crate) struct Text {
    /// The document.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    form: Form,
    /// Only these pages, such as 1-5,7,21-.
    #[arg(long, value_name = "PAGES")]
    pages: Option<PageRange>,
    /// Opens an encrypted document. Better given by environment: arguments are visible to everybody on this machine.
    #[arg(long, value_name = "PASSWORD", env = "FLOTILLA_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// Where to write: a file, or for pictures a folder [default: standard output; pictures: the current folder].
    #[arg(long, short, value_name = "PATH")]
    output: Option<PathBuf>,
    /// How fine pictures are, in dots per inch.
    #[arg(long, value_name = "DPI", default_value_t = 110, value_parser = clap::value_parser!(u16).range(20..=600))]
    dpi: u16,
    #[command(flatten)]
    ocr: worker::flags::Ocr,
}

/// In which form.
#[derive(Debug, Group)]
#[group(multiple = false)]
struct Form {
    /// The text as it looks: columns stay under each other. This is the default.
    #[arg(long)]
    layout: bool,
    /// The text as it is read: paragraph after paragraph, column after column.
    #[arg(long)]
    prose: bool,
    /// The tables alone, as CSV, with an empty line between two.
    #[arg(long)]
    tables: bool,
    /// Everything as JSON: pages, lines, words with boxes and confidences, tables, warnings.
    #[arg(long)]
    json: bool,
    /// A picture of every page as SVG with a frame around every word.
    #[arg(long)]
    svg: bool,
    /// The same as PNG.
    #[arg(long)]
    png: bool,
}

pub(crate) fn main(command: &Text) -> ExitCode {
    let extractor = match extractor(command) {
        Ok(extractor) => extractor,
        Err(error) => return refuse(&error),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    match runtime.block_on(show(command, &extractor)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn extractor(command: &Text) -> anyhow::Result<Extractor> {
    let config = Config::discover().context("this program does not know where it is")?;
    Ok(Extractor::new(Config { ocr: command.ocr.config(), ..config }))
}

async fn show(command: &Text, extractor: &Extractor) -> anyhow::Result<()> {
    let source =
        Source { password: command.password.clone(), pages: command.pages.clone(), ..Source::file(&command.file) };
    let progress = Progress::new();
    let read = extractor.extract_telling(&source, |done, all| progress.tell(done, all)).await;
    progress.end();
    let read = read.map_err(advised)?;
    for warning in &read.warnings {
        say(&format!("flotilla: {warning}"));
    }
    if read.document.pages.is_empty() {
        bail!("the document has none of these pages");
    }
    let Form { svg, png, json, tables, prose, .. } = command.form;
    if svg || png {
        return pictures(command, extractor, &source, &read.document).await;
    }
    let text = match (json, tables, prose) {
        (true, ..) => whole(&read)?,
        (_, true, _) => csv(&read.document),
        (.., true) => read.document.pages.iter().flat_map(|page| [page.prose(), "\n".to_owned()]).collect(),
        _ => read.document.text().replace(Document::PAGE_END, "\u{c}\n"),
    };
    match &command.output {
        Some(path) => crate::out::write(path, text.trim_end()),
        None => printed(&text),
    }
}

/// The error, with what to do about it on this command line.
fn advised(error: ::text::Error) -> anyhow::Error {
    let is_locked = matches!(error, ::text::Error::Encrypted(Protection::PasswordNeeded));
    let error = anyhow::Error::from(error);
    if is_locked { anyhow!("{error}: give it in FLOTILLA_PASSWORD, or with --password") } else { error }
}

/// Prints, unless nobody reads any more: `flotilla text a.pdf | head` is fine.
fn printed(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("printing"),
        _ => Ok(()),
    }
}

fn whole(read: &Extracted) -> anyhow::Result<String> {
    let Extracted { document, extractor, warnings } = read;
    let whole = serde_json::json!({ "extractor": extractor, "warnings": warnings, "document": document });
    Ok(serde_json::to_string_pretty(&whole)? + "\n")
}

fn csv(document: &Document) -> String {
    let tables: Vec<String> = document.pages.iter().flat_map(|page| &page.tables).map(table).collect();
    tables.join("\n")
}

/// A table as CSV (RFC 4180); a cell that takes several columns stands in the first of them.
fn table(table: &Table) -> String {
    let mut csv = String::new();
    for row in &table.rows {
        let mut fields = vec![String::new(); table.columns as usize];
        for cell in &row.cells {
            if let Some(field) = fields.get_mut(cell.column as usize) {
                field.clone_from(&cell.text);
            }
        }
        let quoted = fields.iter().map(|field| match field.contains(['"', ',', '\n', '\r']) {
            true => format!("\"{}\"", field.replace('"', "\"\"")),
            false => field.clone(),
        });
        csv.push_str(&quoted.collect::<Vec<_>>().join(","));
        csv.push('\n');
    }
    csv
}

/// Writes a picture of every page and prints their names.
async fn pictures(command: &Text, extractor: &Extractor, source: &Source, document: &Document) -> anyhow::Result<()> {
    let folder = command.output.clone().unwrap_or_else(|| PathBuf::from("."));
    std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be created", folder.display()))?;
    let name = command.file.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let ending = if command.form.svg { "svg" } else { "png" };
    for page in &document.pages {
        let picture = match extractor.picture(source, Wish::page(page.number, command.dpi.into())).await {
            Ok(picture) => Some(picture),
            // Its words are drawn where they stand; a PNG would need letters.
            Err(::text::Error::NoPicture { .. }) if command.form.svg => None,
            Err(error) => return Err(error.into()),
        };
        let path = folder.join(format!("{name}-{}.{ending}", page.number));
        written(&path, &drawn(command, page, picture))?;
        printed(&format!("{}\n", path.display()))?;
    }
    Ok(())
}

fn drawn(command: &Text, page: &Page, picture: Option<Picture>) -> Vec<u8> {
    match picture {
        Some(picture) if command.form.png => draw::png(page, picture),
        picture => draw::svg(page, picture.as_ref()).into_bytes(),
    }
}

fn written(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("{} cannot be written", path.display()))
}

/// How many pages are done, for a person who waits: recognising pictures takes seconds for each.
struct Progress {
    bar: indicatif::ProgressBar,
}

impl Progress {
    fn new() -> Self {
        let hidden = !std::io::stderr().is_terminal();
        let bar = if hidden { indicatif::ProgressBar::hidden() } else { indicatif::ProgressBar::new(0) };
        let style = indicatif::ProgressStyle::with_template("  {bar:30} {pos} of {len} pages, {elapsed}");
        Self { bar: style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style)) }
    }

    fn tell(&self, done: u32, all: u32) {
        self.bar.set_length(all.into());
        self.bar.set_position(done.into());
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use protocol::document::{BBox, Cell, Row};

    use super::*;

    #[test]
    fn tables_are_written_as_csv() {
        let cell =
            |column, text: &str| Cell { column, text: text.to_owned(), bbox: BBox::default(), columns: 1, rows: 1 };
        let rows =
            vec![Row { cells: vec![cell(0, "a \"b\""), cell(2, "1,5")] }, Row { cells: vec![cell(1, "two\nlines")] }];
        let read = Table { bbox: BBox::default(), columns: 3, rows };
        assert_eq!(table(&read), "\"a \"\"b\"\"\",,\"1,5\"\n,\"two\nlines\",\n");
    }
}
