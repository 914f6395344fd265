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
        let ocr = self.extractor.ocr();
        let (mode, dpi, languages) = (format!("{:?}", ocr.mode), ocr.dpi.to_string(), ocr.languages.join("+"));
        fingerprint("builtin", [("ocr", mode.as_str()), ("dpi", &dpi), ("languages", &languages)])
    }

    async fn read(&self, order: &Order<'_>) -> Result<Step, Error> {
        let source = order.original.source().await.map_err(Error::Store)?;
        let extracted = self.extractor.extract_telling(&source, order.tell).await?;
        Ok(Step::Done(Reading { is_whole: extracted.document.failures.is_empty(), extracted }))
    }
}

#[cfg(test)]
mod tests {
    use text::{Config, Ocr, OcrMode};

    use super::*;

    #[test]
    fn how_scans_are_read_changes_the_fingerprint_and_limits_do_not() {
        let print = |change: fn(&mut Config)| {
            let mut config = Config::discover().unwrap();
            config.ocr = Ocr::default();
            change(&mut config);
            Builtin::new(Extractor::new(config)).fingerprint()
        };
        let usual = print(|_| {});
        let same: [fn(&mut Config); 2] = [|config| config.limits.pages = 7, |config| config.children = 9];
        let other: [fn(&mut Config); 3] = [
            |config| config.ocr.mode = OcrMode::Never,
            |config| config.ocr.languages = vec!["deu".to_owned()],
            |config| config.ocr.dpi = 150.0,
        ];
        assert!(same.into_iter().all(|change| print(change) == usual));
        assert!(other.into_iter().all(|change| print(change) != usual));
    }
}
