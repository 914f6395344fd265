//! `flotilla`: documents and questions in, answers with evidence out.

use std::process::ExitCode;

use clap::Parser;

mod answers;
mod args;
mod backends;
mod cancel;
mod celery;
mod client;
mod compare;
mod dead_letters;
mod embedded;
mod events;
mod follow;
mod inspect;
mod logs;
mod master_key;
mod operator;
mod out;
mod progress;
mod remote;
mod resolver;
mod result;
mod retry;
mod run;
mod runs;
mod schedules;
mod scratch;
mod serve;
mod signal;
mod status;
mod submit;
mod subscriptions;
mod table;
mod text;
mod usage;
mod watch;
mod webhooks;

fn main() -> ExitCode {
    // Child processes that read untrusted files are this same program in another role.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == ::text::CHILD_ARGUMENT) {
        return ::text::child_main();
    }
    let args = args::Args::parse();
    if let Err(error) = service::telemetry::init(&args.logging, "warn") {
        return run::refuse(&error.into());
    }
    match args.command {
        args::Command::Run(command) => run::main(*command),
        args::Command::Serve(command) => serve::main(*command),
        args::Command::Text(command) => text::main(&command),
        args::Command::Submit(command) => submit::main(&command),
        args::Command::Status(command) => status::main(&command),
        args::Command::Watch(command) => watch::main(&command),
        args::Command::Result(command) => result::main(&command),
        args::Command::Logs(command) => logs::main(&command),
        args::Command::Cancel(command) => cancel::main(&command),
        args::Command::Retry(command) => retry::main(&command),
        args::Command::Usage(command) => usage::main(&command),
        args::Command::Runs(command) => runs::main(&command),
        args::Command::Backends(command) => backends::main(&command),
        args::Command::Celery(command) => celery::main(&command),
        args::Command::Compare(command) => compare::main(&command),
        args::Command::Signal(command) => signal::main(&command),
        args::Command::Inspect(command) => inspect::main(command),
        args::Command::DeadLetters(command) => dead_letters::main(command),
        args::Command::Schedules(command) => schedules::main(&command),
        args::Command::Events(command) => events::main(&command),
        args::Command::Subscriptions(command) => subscriptions::main(&command),
        args::Command::Webhooks(command) => webhooks::main(&command),
    }
}
