//! Which keys an object may have.
//!
//! One rule for every store, narrow enough for a file system: a key can neither leave the store nor mean two things.

use crate::Error;

/// What S3 allows, in bytes.
const LONGEST_KEY: usize = 1024;
/// What file systems allow for a name, in bytes.
const LONGEST_SEGMENT: usize = 255;

/// Refuses keys of other people's objects that could leave the store.
///
/// # Errors
/// [`Error::InvalidKey`].
pub(crate) fn check_foreign(key: &str) -> Result<(), Error> {
    let inside = |segment: &str| {
        (1..=LONGEST_SEGMENT).contains(&segment.len())
            && !matches!(segment, "." | "..")
            && !segment.contains(|c: char| c.is_control() || c == '\\')
    };
    // The names of temporary files begin like this; no object of anybody lies there.
    let ours = key.starts_with('~');
    if key.len() <= LONGEST_KEY && !ours && key.split('/').all(inside) {
        Ok(())
    } else {
        Err(Error::InvalidKey(key.to_owned()))
    }
}

/// Refuses keys that are not relative paths of plain names.
///
/// # Errors
/// [`Error::InvalidKey`].
pub(crate) fn check(key: &str) -> Result<(), Error> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let plain = |segment: &str| {
        (1..=LONGEST_SEGMENT).contains(&segment.len()) && !matches!(segment, "." | "..") && segment.bytes().all(allowed)
    };
    if key.len() <= LONGEST_KEY && key.split('/').all(plain) { Ok(()) } else { Err(Error::InvalidKey(key.to_owned())) }
}
