//! Waits for the end of a run, listening rather than asking again and again. Whoever leaves stops waiting; the run goes on.

use axum::http::header;
use axum::response::IntoResponse;
use ledger::RunRecord;
use protocol::RunId;
use tokio::time::Instant;

use super::super::codes::Code;
use super::super::runs::missing;
use super::envelope::{Failure, Refusal};
use super::intake::Call;

impl Call {
    /// The run when it has ended; 504 when the time is over first, 503 when the server stops.
    pub(super) async fn end_of(&self, run: RunId) -> Result<RunRecord, Failure> {
        let wait = self.api.compat.wait;
        let give_up = Instant::now() + wait;
        // Listen before looking, so that nothing falls in between.
        let mut news = self.news.of(run);
        loop {
            // No event has that number: only the state is wanted.
            let found = self.api.fleet.events(&self.tenant, run, u64::MAX, 1).await?;
            if found.ok_or_else(|| missing(&self.api, run))?.state.is_final() {
                let record = self.api.fleet.status(&self.tenant, run).await?;
                return Ok(record.ok_or_else(|| missing(&self.api, run))?);
            }
            if self.stopping.is_cancelled() {
                let error = "the server is about to stop; the run goes on, read its result from another one";
                let refusal = under_way(Refusal::new(Code::Stopping, error), run);
                return Err(Failure::later(([(header::RETRY_AFTER, "1")], refusal).into_response()));
            }
            if Instant::now() >= give_up {
                let wait = wait.as_secs();
                let error = format!("the run takes longer than {wait} s; it goes on, and its result can be read later");
                return Err(under_way(Refusal::new(Code::WaitOver, error), run).into());
            }
            tokio::select! {
                () = news.ended() => {}
                () = self.stopping.cancelled() => {}
                () = tokio::time::sleep_until(give_up) => {}
            }
        }
    }
}

/// Where to go on from here.
fn under_way(refusal: Refusal, run: RunId) -> Refusal {
    let id = run.to_string();
    let (status, result) = (format!("/extract/status/{id}"), format!("/api/v1/runs/{id}/result"));
    refusal.with("task_id", id).with("status_url", status).with("result_url", result)
}
