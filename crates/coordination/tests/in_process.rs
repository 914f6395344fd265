//! In-process coordination keeps every promise of the port.

use std::sync::Arc;

use coordination::Coordination;
use coordination::in_process::InProcess;

async fn open() -> Arc<dyn Coordination> {
    Arc::new(InProcess::new())
}

coordination::conformance_suite!(
    #[tokio::test(start_paused = true)]
    open
);
