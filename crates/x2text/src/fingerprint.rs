//! What tells readers apart.

use sha2::{Digest, Sha256};

/// The edition of everything that turns answers and files into pages. Bump it when the same input gives other pages: what was
/// cached by an earlier edition is read again then.
pub const EDITION: u32 = 1;

/// The digest of a kind of reader and its settings, in lower-case hex.
pub(crate) fn fingerprint<'a>(kind: &str, settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut hash = Sha256::new();
    // With their lengths, so that no texts can pass for others.
    let mut add = |part: &str| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    add(&EDITION.to_string());
    add(kind);
    for (name, value) in settings {
        add(name);
        add(value);
    }
    format!("{:x}", hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_settings_tell_readers_apart() {
        let prints = [
            fingerprint("a", []),
            fingerprint("b", []),
            fingerprint("a", [("mode", "form")]),
            fingerprint("a", [("mode", "table")]),
            fingerprint("a", [("modef", "orm")]),
        ];
        for (at, print) in prints.iter().enumerate() {
            assert!(print.len() == 64 && !prints[..at].contains(print), "{at}");
        }
        assert_eq!(fingerprint("a", [("mode", "form")]), prints[2]);
    }
}
