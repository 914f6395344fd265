//! Publishes announcements in the background, as many at once as came up meanwhile.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::commands::Commands;
use super::envelope;

/// How many announcements travel in one message.
const BATCH: usize = 256;

/// Runs until all senders are gone and what they left is published.
pub(super) async fn run(commands: Commands, channel: String, origin: Arc<str>, mut waiting: mpsc::Receiver<Vec<u8>>) {
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(&channel).arg(envelope::seal(&origin, &batch));
        if let Err(error) = commands.command::<()>(&publish).await {
            tracing::debug!(announcements = batch.len(), %error, "announcements were lost");
        }
        batch.clear();
    }
}
