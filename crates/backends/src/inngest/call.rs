//! A call of Inngest's: what is next, or a step.

use std::time::Duration;

use protocol::{TaskError, TaskState};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::api::Api;
use super::app::ROOT;
use super::reply::Reply;
use super::walk::{CLOSING, Deed, Memory, Plan, Step, Told, Walk};
use crate::host::{Ending, Intake};
use crate::turns;

/// How many children of a mapped task that share a step are served at a time.
const AT_ONCE: usize = 64;

/// How long before a run is looked at again that should have ended.
const CLOSING_PAUSE: Duration = Duration::from_secs(1);

/// The body of a call, as far as we need it.
#[derive(Debug, Deserialize)]
pub(super) struct Call {
    #[serde(default)]
    event: Value,
    #[serde(default)]
    steps: Map<String, Value>,
    ctx: Context,
    /// Where it stood before it was in the context.
    #[serde(default)]
    use_api: bool,
}

#[derive(Debug, Deserialize)]
struct Context {
    run_id: String,
    #[serde(default)]
    attempt: u32,
    #[serde(default)]
    max_attempts: Option<u32>,
    /// Steps run side by side here: a step that is next may be in another worker's hands.
    #[serde(default)]
    disable_immediate_execution: bool,
    #[serde(default)]
    use_api: bool,
}

impl Call {
    /// Answers it. `asked` is the step that the call is for.
    pub(super) async fn answer(mut self, api: &Api, intake: &Intake, asked: &str) -> Reply {
        if let Err(error) = self.complete(api).await {
            return Reply::passing_failure("state_unavailable", &error.to_string());
        }
        let plan: Plan = match Plan::deserialize(&self.event["data"]) {
            Ok(plan) => plan,
            Err(error) => return Reply::final_failure("not_an_event_of_ours", &error.to_string()),
        };
        let steps = match plan.walk(&Memory::read(&self.steps)) {
            Walk::Ended(run) => return Reply::ended(plan.run_id, run),
            Walk::Next(steps) => steps,
        };
        if asked != ROOT {
            let found = steps.iter().find(|step| step.id() == asked);
            return match found {
                Some(step) => self.serve(intake, step).await,
                None => Reply::passing_failure("step_not_found", &format!("Step {asked} is not among what is next.")),
            };
        }
        match steps.as_slice() {
            [step @ Step { deed: Deed::Serve(_), .. }] if !self.ctx.disable_immediate_execution => {
                self.serve(intake, step).await
            }
            steps => Reply::planned(steps),
        }
    }

    /// Fetches what was too large for the call.
    async fn complete(&mut self, api: &Api) -> Result<(), crate::port::Error> {
        if !(self.use_api || self.ctx.use_api) {
            return Ok(());
        }
        self.steps = api.steps_of(&self.ctx.run_id).await?;
        if let Some(event) = api.events_of(&self.ctx.run_id).await?.into_iter().next() {
            self.event = event;
        }
        Ok(())
    }

    async fn serve(&self, intake: &Intake, step: &Step) -> Reply {
        let Deed::Serve(turns) = &step.deed else { return Reply::planned(std::slice::from_ref(step)) };
        let is_last = self.ctx.max_attempts.is_none_or(|most| self.ctx.attempt + 1 >= most);
        // A workflow has a task at least, and a task a turn.
        let nothing = Ending::Again { after: CLOSING_PAUSE, error: None };
        match turns::serve(intake, turns.clone(), AT_ONCE).await.unwrap_or(nothing) {
            Ending::Ended(standing) if step.name == CLOSING && !standing.run.is_final() => {
                Reply::done(step, &again(CLOSING_PAUSE, None))
            }
            Ending::Ended(standing) => {
                let told = Told::of(&standing);
                match &standing.error {
                    Some(error) if standing.task == TaskState::Failed => Reply::failed(step, error, &told),
                    _ => Reply::done(step, &told),
                }
            }
            // Shown as a failed attempt; that a step has only so many is why the last one is told otherwise.
            Ending::Again { after, error: Some(error) } if !is_last => Reply::again(step, &error, after),
            Ending::Again { after, error } => Reply::done(step, &again(after, error)),
        }
    }
}

fn again(after: Duration, error: Option<TaskError>) -> Told {
    Told::Again { again_in_ms: u64::try_from(after.as_millis()).unwrap_or(u64::MAX), error }
}
