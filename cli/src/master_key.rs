//! What the embedded system encrypts secrets under: as given, or a key of its own in its state folder.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::Context as _;
use dispatcher::access::Vault;

/// The vault under the key of the environment or, without one, of the state folder, where it is made once.
///
/// # Errors
/// When the file cannot be read or made, or holds no key.
pub(crate) fn of(state: &Path, given: &Vault) -> anyhow::Result<Vault> {
    if given.is_open() {
        return Ok(given.clone());
    }
    let path = state.join("master.key");
    let unusable = || format!("{} cannot be used", path.display());
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(&path) {
        Ok(mut file) => writeln!(file, "{}", Vault::new_master_key()?).with_context(unusable)?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).with_context(unusable),
    }
    Vault::new(std::fs::read_to_string(&path).with_context(unusable)?.trim()).with_context(unusable)
}
