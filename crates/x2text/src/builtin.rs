//! The built-in reader, offline.

use async_trait::async_trait;
use text::Extractor;

use crate::fingerprint::fingerprint;
use crate::{Error, Order, Reading, Step, X2Text};

/// Reads documents with the extractor of this program.
pub struct Builtin {
    extractor: Extractor,
}

impl Builtin {
    /// A reader over that extractor.
    #[must_use]
    pub const fn new(extractor: Extractor) -> Self {
        Self { extractor }
    }
}

#[async_trait]
impl X2Text for Builtin {
    fn fingerprint(&self) -> String {
        // Limits decide whether a document is read, not what is read of it. A setting that does belongs here.
        fingerprint("builtin", [])
    }

    async fn read(&self, order: &Order<'_>) -> Result<Step, Error> {
        let extracted = self.extractor.extract(&order.original.source().await.map_err(Error::Store)?).await?;
        Ok(Step::Done(Reading { is_whole: extracted.document.failures.is_empty(), extracted }))
    }
}
