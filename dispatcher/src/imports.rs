//! Which objects of the store a tenant may have read: documents of its own, and what lies where its operator said that
//! others put things for it.

use protocol::TenantId;

mod prefix;

pub use prefix::{ImportPrefix, InvalidPrefix, InvalidPrefixes};

/// Longest name of a document, in characters.
const LONGEST_NAME: usize = 255;

/// The objects that tenants may have read besides their own documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imports {
    prefixes: Vec<ImportPrefix>,
    bucket: Option<String>,
}

/// Why an object is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It could leave the store, or no object has such a key.
    #[error(
        "{0:?} is no key of an object: write segments separated by '/', without \"..\", backslashes and control characters"
    )]
    Unusable(String),
    /// It belongs to somebody else, or to nobody.
    #[error("{key:?} is not yours to read: yours are {allowed}")]
    Foreign {
        /// The key.
        key: String,
        /// What is the tenant's.
        allowed: String,
    },
    /// It lies in another bucket than ours.
    #[error("bucket {found:?} is not the one that documents are read from, which is {ours:?}")]
    OtherBucket {
        /// The bucket that was named.
        found: String,
        /// The bucket that is read.
        ours: String,
    },
}

impl Refused {
    /// Stable, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unusable(_) => "document_unusable",
            Self::Foreign { .. } => "document_foreign",
            Self::OtherBucket { .. } => "document_elsewhere",
        }
    }
}

impl Default for Imports {
    fn default() -> Self {
        Self { prefixes: vec![ImportPrefix::usual()], bucket: None }
    }
}

impl Imports {
    /// Objects below these prefixes.
    ///
    /// # Errors
    /// [`InvalidPrefixes`] when a tenant of one could be called so that its folder holds those of another.
    pub fn below(prefixes: Vec<ImportPrefix>) -> Result<Self, InvalidPrefixes> {
        for one in &prefixes {
            if let Some(other) = prefixes.iter().find(|other| one.reaches_into(other)) {
                return Err(InvalidPrefixes { one: one.clone(), other: other.clone() });
            }
        }
        Ok(Self { prefixes, bucket: None })
    }

    /// The same, with the name of the bucket that objects are read from; `None` for a folder.
    #[must_use]
    pub fn in_bucket(self, bucket: Option<String>) -> Self {
        Self { bucket, ..self }
    }

    /// The key of an object that this tenant may have read, for `objects::Objects::import`. `name` is a key, or the id of
    /// a document of the tenant's (`doc_` and its SHA-256).
    ///
    /// # Errors
    /// [`Refused`].
    pub fn resolve(&self, tenant: &TenantId, name: &str) -> Result<String, Refused> {
        if let Some(sha256) = name.strip_prefix("doc_").filter(|hash| is_sha256(hash)) {
            return Ok(format!("documents/{tenant}/{sha256}"));
        }
        if name.len() > 1_024 || !name.split('/').all(is_name) {
            return Err(Refused::Unusable(name.chars().take(LONGEST_NAME).collect()));
        }
        let own = format!("documents/{tenant}/");
        // What is left behind the prefix is never empty: a key does not end with a slash.
        if name.starts_with(&own) || self.prefixes.iter().any(|prefix| prefix.admits(tenant, name)) {
            return Ok(name.to_owned());
        }
        let theirs = self.prefixes.iter().map(|prefix| prefix.folder(tenant));
        let allowed: Vec<String> = std::iter::once(own).chain(theirs).collect();
        Err(Refused::Foreign { key: name.to_owned(), allowed: allowed.join(", ") })
    }

    /// Refuses an object of a bucket that is not read. Where documents lie in a folder, every name is fine.
    ///
    /// # Errors
    /// [`Refused::OtherBucket`].
    pub fn check_bucket(&self, name: &str) -> Result<(), Refused> {
        match &self.bucket {
            Some(ours) if ours != name => {
                let found = name.chars().take(LONGEST_NAME).collect();
                Err(Refused::OtherBucket { found, ours: ours.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// What people call the object of that key: its last segment.
#[must_use]
pub fn file_name(key: &str) -> String {
    let last = key.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    if clean.is_empty() { "document".to_owned() } else { clean }
}

fn is_name(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..") && !segment.contains(|c: char| c.is_control() || c == '\\')
}

fn is_sha256(hash: &str) -> bool {
    hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acme() -> TenantId {
        "acme".parse().unwrap()
    }

    #[test]
    fn a_tenant_reads_its_documents_and_its_imports() {
        let imports = Imports::default();
        for key in ["documents/acme/0a1b", "imports/acme/inbox/M\u{e4}rz 2026 (1).pdf"] {
            assert_eq!(imports.resolve(&acme(), key).as_deref(), Ok(key));
        }
        let hash = "ab".repeat(32);
        assert_eq!(imports.resolve(&acme(), &format!("doc_{hash}")), Ok(format!("documents/acme/{hash}")));
    }

    #[test]
    fn a_tenant_reads_nothing_else() {
        let imports = Imports::default();
        let foreign =
            ["documents/acm/x", "documents/acme2/x", "imports/other/x", "runs/1/text.json", "imports/x", "doc_1"];
        for key in foreign {
            let refused = imports.resolve(&acme(), key).unwrap_err();
            assert_eq!(refused.code(), "document_foreign", "{key}");
            assert!(refused.to_string().contains("imports/acme/"), "{refused}");
        }
        let unusable = [
            "",
            "/imports/acme/x",
            "imports/acme/../other/x",
            "imports/acme/",
            "imports/acme//x",
            "imports/acme/a\0b",
            "imports/acme/a\\..\\b",
            "imports/./acme/x",
            "imports/acme/a\nb",
        ];
        for key in unusable {
            assert_eq!(imports.resolve(&acme(), key).unwrap_err().code(), "document_unusable", "{key:?}");
        }
        assert!(imports.resolve(&acme(), &"imports/acme/x".repeat(100)).is_err());
    }

    #[test]
    fn no_prefix_may_lie_where_a_tenant_of_another_could_have_its_folder() {
        let below = |prefixes: &[&str]| Imports::below(prefixes.iter().map(|prefix| prefix.parse().unwrap()).collect());
        assert!(below(&["in/{tenant}/", "in/shared/{tenant}/"]).is_err());
        let imports = below(&["mail/{tenant}/inbox/", "scans/{tenant}/"]).unwrap();
        assert!(imports.resolve(&acme(), "mail/acme/inbox/a.pdf").is_ok());
        assert!(imports.resolve(&acme(), "scans/acme/a.pdf").is_ok());
        assert!(imports.resolve(&acme(), "imports/acme/a.pdf").is_err());
    }

    #[test]
    fn only_our_bucket_is_read_where_it_is_known() {
        assert!(Imports::default().check_bucket("any").is_ok());
        let imports = Imports::default().in_bucket(Some("flotilla".to_owned()));
        assert!(imports.check_bucket("flotilla").is_ok());
        assert_eq!(imports.check_bucket("theirs").unwrap_err().code(), "document_elsewhere");
    }

    #[test]
    fn a_document_is_called_as_its_key_ends() {
        assert_eq!(file_name("imports/acme/Rechnung 7.pdf"), "Rechnung 7.pdf");
        assert_eq!(file_name(""), "document");
    }
}
