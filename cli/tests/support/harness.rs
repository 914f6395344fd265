//! Calls the real program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The program, without anything the environment of the test might set.
pub(crate) fn flotilla() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    for variable in
        ["FLOTILLA_STATE", "FLOTILLA_MODEL_URL", "FLOTILLA_MODEL", "FLOTILLA_MODEL_KEY", "FLOTILLA_LOG", "FLOTILLA_URL"]
    {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null());
    command
}

/// A file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// `flotilla run DOC --json …`
pub(crate) fn run_json(document: &Path, more: &[&str]) -> Ran {
    let output = flotilla().arg("run").arg(document).arg("--json").args(more).output().unwrap();
    Ran::from(output)
}

/// How a call ended.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// The one JSON object on standard output.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not one JSON object: {error}\n{}\n{}", self.stdout, self.stderr))
    }
}
