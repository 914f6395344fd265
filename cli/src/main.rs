//! `flotilla`: documents and questions in, answers with evidence out.

use std::process::ExitCode;

use clap::Parser;

mod args;
#[allow(dead_code, reason = "its callers come one by one")]
mod client;
mod embedded;
mod out;
mod progress;
mod run;
mod schedules;
mod scratch;
mod serve;
mod table;

fn main() -> ExitCode {
    // Child processes that read untrusted files are this same program in another role.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == text::CHILD_ARGUMENT) {
        return text::child_main();
    }
    let args = args::Args::parse();
    if let Err(error) = service::telemetry::init(&args.logging, "warn") {
        return run::refuse(&error.into());
    }
    match args.command {
        args::Command::Run(command) => run::main(command),
        args::Command::Serve(command) => serve::main(command),
        args::Command::Schedules(command) => schedules::main(&command),
    }
}
