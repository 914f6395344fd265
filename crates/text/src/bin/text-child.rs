//! The child process alone: what the tests of this crate start, since a library has no executable of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    text::child_main()
}
