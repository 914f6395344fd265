//! `flotilla celery`: what an application of Celery becomes here.

use std::path::{Path, PathBuf};
use std::process::{Command as Program, ExitCode, Stdio};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};

use crate::out;
use crate::run::{fail, print, refuse, say};
use crate::table::new_table;
use application::{Application, FORMAT};
use findings::{Finding, Fit};
use plan::Plan;

mod application;
mod beat;
mod findings;
mod plan;

/// Describes an application; runs under the application's own Python.
const SCRIPT: &str = include_str!("celery/introspect.py");

/// `flotilla celery`
#[derive(Debug, Args)]
pub(crate) struct Celery {
    #[command(subcommand)]
    command: Command,
}

/// What to do about an application of Celery.
#[derive(Debug, Subcommand)]
enum Command {
    /// Read an application's configuration into ours, and tell what has no counterpart.
    Import(Import),
}

/// `flotilla celery import`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  flotilla celery import --app proj.celery:app                  findings as a table, all of it as JSON
  flotilla celery import --app proj.celery:app --out flotilla/  the same as files
  flotilla celery import --app proj.celery:app --python .venv/bin/python
  flotilla celery import --app proj.celery:app --json | jq '.findings[] | select(.fit != \"same\")'

Where the application lives on another machine:
  flotilla celery import --print-script > introspect.py
  python introspect.py proj.celery:app > app.json               there
  flotilla celery import --from app.json --out flotilla/        here

The application is imported by its own Python, from the current folder, as `celery -A` does.
Nothing connects to its broker, and nothing is changed. Passwords are left out of what is written.

What --out DIR holds:
  flotilla.env   variables for our processes; put the passwords in
  workers.json   for each queue: handlers to write, and flags that serve it under Celery's names
  workflows/     for each task: a workflow that has Celery's workers do it until a handler does
  schedules/     entries of beat that have a counterpart, for PUT /api/v1/schedules/NAME
  findings.json  each setting: the same, different, or no counterpart, with advice

Without --out the table goes to standard error, and one JSON object with the same parts to
standard output.

Exit codes: 0 read, whatever was found · 1 failed · 2 bad usage, or nothing that can be read")]
struct Import {
    /// The application, as `celery -A` takes it: proj.celery:app.
    #[arg(long, value_name = "MODULE:APP", required_unless_present_any = ["from", "print_script"],
          conflicts_with_all = ["from", "print_script"])]
    app: Option<String>,
    /// The Python that can import it.
    #[arg(long, value_name = "PATH", default_value = "python3", conflicts_with_all = ["from", "print_script"])]
    python: PathBuf,
    /// What the script printed somewhere else.
    #[arg(long, value_name = "FILE.json", conflicts_with = "print_script")]
    from: Option<PathBuf>,
    /// Write files to this folder, which is made; it has to be empty.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["json", "print_script"])]
    out: Option<PathBuf>,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
    /// Print the script that describes an application, and do nothing.
    #[arg(long)]
    print_script: bool,
}

/// Why there is no plan.
enum Unread {
    /// The call makes no sense.
    Refused(anyhow::Error),
    /// Something broke.
    Failed(anyhow::Error),
}

pub(crate) fn main(celery: &Celery) -> ExitCode {
    let Command::Import(import) = &celery.command;
    match read_in(import) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Unread::Refused(error)) => refuse(&error),
        Err(Unread::Failed(error)) => fail(&error),
    }
}

fn read_in(import: &Import) -> Result<(), Unread> {
    let printed = |text: &str| print(text).map_err(|error| Unread::Failed(error.into()));
    if import.print_script {
        return printed(SCRIPT);
    }
    if let Some(folder) = &import.out {
        check_folder(folder).map_err(Unread::Refused)?;
    }
    let text = match (&import.from, &import.app) {
        (Some(file), _) => std::fs::read_to_string(file)
            .with_context(|| format!("{} cannot be read", file.display()))
            .map_err(Unread::Refused)?,
        (None, app) => described(&import.python, app.as_deref().unwrap_or_default()).map_err(Unread::Failed)?,
    };
    let application = parse(&text).map_err(Unread::Refused)?;
    let plan = Plan::of(&application);
    let table = render(&application, &plan.findings);
    match &import.out {
        Some(folder) => {
            write(folder, &plan).map_err(Unread::Failed)?;
            printed(&format!("{table}written to {}\n", folder.display()))
        }
        None => {
            if !import.json {
                say(table.trim_end());
            }
            printed(&format!("{:#}\n", plan.document()))
        }
    }
}

/// What the application's own Python says of it.
fn described(python: &Path, app: &str) -> anyhow::Result<String> {
    // Not by standard input: modules may read that when they are imported.
    let mut program = Program::new(python);
    program.args(["-c", SCRIPT, app]).stdin(Stdio::null());
    let output = program.output().with_context(|| format!("{} cannot be started", python.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        bail!("{} cannot describe {app}: {last}\n{}", python.display(), said.trim_end());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn parse(text: &str) -> anyhow::Result<Application> {
    let application: Application =
        serde_json::from_str(text).context("this is not what `flotilla celery import --print-script` prints")?;
    if application.format != FORMAT {
        bail!("the description has format {}; this version reads {FORMAT}: run its own script", application.format);
    }
    Ok(application)
}

fn check_folder(folder: &Path) -> anyhow::Result<()> {
    match std::fs::read_dir(folder) {
        Ok(entries) => match entries.count() {
            0 => Ok(()),
            _ => bail!("{} is not empty: name another folder, or remove it", folder.display()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("{} cannot be used", folder.display())),
    }
}

fn write(folder: &Path, plan: &Plan) -> anyhow::Result<()> {
    for (name, text) in plan.files() {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).with_context(|| format!("{} cannot be made", parent.display()))?;
        out::write(&path, &text)?;
    }
    Ok(())
}

/// Findings as a person reads them.
fn render(application: &Application, findings: &[Finding]) -> String {
    let mut table = new_table(&["setting", "value", "here", "what to know"]);
    for Finding { setting, value, fit, here, advice } in findings {
        let here = match fit {
            Fit::Same => here.clone(),
            Fit::Different => format!("≠ {here}"),
            Fit::None => "no counterpart".to_owned(),
        };
        table.add_row([setting, value, &here, advice]);
    }
    let count = |fit| findings.iter().filter(|finding| finding.fit == fit).count();
    format!(
        "{table}\n{}, Celery {}: {} the same, {} different, {} without a counterpart\n",
        application.app.as_deref().unwrap_or("an application"),
        application.celery,
        count(Fit::Same),
        count(Fit::Different),
        count(Fit::None),
    )
}
