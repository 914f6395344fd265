//! A reader that reads nothing, for tests of load: it takes as long as it was told to, and holds no slot meanwhile.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use protocol::document::{Document, Page};
use serde_json::json;
use text::Extracted;

use crate::fingerprint::fingerprint;
use crate::providers::Provider;
use crate::settings::{Settings, Unusable};
use crate::{Error, Order, Reading, Step, X2Text, media_type};

/// Size of the page that it gives, in points: US Letter.
const PAGE: (f32, f32) = (612.0, 792.0);

pub(crate) const PROVIDER: Provider = Provider { name: "noOpX2text", make };

struct NoOp {
    wait: Duration,
}

fn make(_: &str, settings: Settings<'_>, _: &outbound::Client) -> Result<Arc<dyn X2Text>, Unusable> {
    let seconds = settings.number("wait_time", 0.0, 86_400.0, 0.0)?;
    Ok(Arc::new(NoOp { wait: Duration::from_secs_f64(seconds) }))
}

#[async_trait]
impl X2Text for NoOp {
    fn fingerprint(&self) -> String {
        fingerprint(PROVIDER.name, [])
    }

    async fn read(&self, order: &Order<'_>) -> Result<Step, Error> {
        if order.state.is_null() && !self.wait.is_zero() {
            return Ok(Step::Wait { after: self.wait, state: json!({ "waited": true }), note: None });
        }
        let (width, height) = PAGE;
        let page = Page { number: 1, width, height, ..Page::default() };
        let media_type = media_type::of(&order.original.source().await.map_err(Error::Store)?.path).await?;
        let extracted = Extracted {
            document: Document { media_type, pages: vec![page], ..Document::default() },
            extractor: "no-op".to_owned(),
            warnings: vec!["the no-op adapter reads nothing: it is for tests of load".to_owned()],
        };
        // Who tests load wants every wait.
        Ok(Step::Done(Reading { extracted, is_whole: false }))
    }
}
