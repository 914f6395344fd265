//! Which backends a process is connected to and where new runs go, as command-line flags.

use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use objects::Objects;
use protocol::Backend as Name;

use tokio_util::sync::CancellationToken;

use crate::choice::{Choice, Shadow, Split};
use crate::fleet::Fleet;
use crate::host::Host;
use crate::port::{Backend, Error};
use crate::roster::Roster;

/// Where new runs go, and how other engines are reached.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Backends")]
pub struct Engines {
    /// Which backend new runs go to: fleet, embedded, celery, hatchet, temporal or inngest; or several with their shares, such
    /// as fleet:90,celery:10 [default: fleet, or embedded in one process]. Runs stay on the backend that they started on.
    #[arg(long, value_name = "BACKENDS", env = "TASK_QUEUE_BACKEND")]
    pub task_queue_backend: Option<Split>,
    /// Send runs of one workflow elsewhere: NAME=BACKENDS. Several, separated by semicolons.
    #[arg(long, value_name = "NAME=BACKENDS", env = "TASK_QUEUE_WORKFLOW_BACKENDS", value_delimiter = ';',
          value_parser = pair::<Split>)]
    pub workflow_backend: Vec<(String, Split)>,
    /// Repeat runs of a workflow on another backend and compare the results: NAME=BACKEND, or NAME=BACKEND:PERCENT for some of
    /// them. Callers get the answer of the first. Several, separated by semicolons.
    #[arg(long, value_name = "NAME=BACKEND[:PERCENT]", env = "TASK_QUEUE_SHADOWS", value_delimiter = ';',
          value_parser = pair::<Shadow>)]
    pub shadow: Vec<(String, Shadow)>,
    /// What the replaced system calls this layer. "false" sends all new runs to celery, whatever TASK_QUEUE_BACKEND says: the
    /// way back during a migration.
    #[arg(long, value_name = "BOOL", env = "USE_TASK_ABSTRACTION", default_value_t = true, action = clap::ArgAction::Set)]
    pub use_task_abstraction: bool,
    #[cfg(feature = "celery")]
    #[command(flatten)]
    pub celery: crate::celery::Settings,
    #[cfg(feature = "hatchet")]
    #[command(flatten)]
    pub hatchet: crate::hatchet::Settings,
    #[cfg(feature = "inngest")]
    #[command(flatten)]
    pub inngest: crate::inngest::Settings,
    #[cfg(feature = "temporal")]
    #[command(flatten)]
    pub temporal: crate::temporal::Settings,
}

/// A backend with what serves its tasks in workers.
pub struct Engine {
    /// Starts runs there.
    pub backend: Arc<dyn Backend>,
    /// Takes tasks from it.
    pub host: Option<Arc<dyn Host>>,
    /// Takes results from it, where they do not come by way of our workers.
    pub collector: Option<Arc<dyn Collector>>,
}

/// Takes results that another engine's own workers send.
#[async_trait]
pub trait Collector: Send + Sync {
    /// Has results recorded, until `stop`. Those that are not recorded by then come again.
    async fn collect(&self, fleet: Fleet, objects: Arc<dyn Objects>, stop: CancellationToken);
}

impl Engines {
    /// Where new runs go, as these flags say.
    #[must_use]
    pub fn choice(&self) -> Choice {
        if !self.use_task_abstraction {
            return Choice { default: Some(Split::all(Name::Celery)), ..Choice::default() };
        }
        Choice {
            default: self.task_queue_backend.clone(),
            workflows: self.workflow_backend.iter().cloned().collect(),
            shadows: self.shadow.iter().cloned().collect(),
        }
    }

    /// The engines whose servers these flags name. One line for each that there is.
    ///
    /// # Errors
    /// [`Error::Refused`] when a flag makes no sense. An engine that is away is no error.
    pub fn open(&self) -> Result<Vec<Engine>, Error> {
        let engines: Vec<Option<Engine>> = vec![
            #[cfg(feature = "celery")]
            self.celery.open()?,
            #[cfg(feature = "hatchet")]
            self.hatchet.open()?,
            #[cfg(feature = "inngest")]
            self.inngest.open()?,
            #[cfg(feature = "temporal")]
            self.temporal.open()?,
        ];
        Ok(engines.into_iter().flatten().collect())
    }

    /// A roster of our own engine, under that name, and these engines.
    #[must_use]
    pub fn roster(own: Name, engines: &[Engine]) -> Roster {
        Roster::native(own).with(engines.iter().map(|engine| Arc::clone(&engine.backend)))
    }
}

/// `NAME=VALUE`
fn pair<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<(String, T), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=BACKEND")?;
    let value = value.parse().map_err(|error: T::Err| error.to_string())?;
    Ok((name.trim().to_owned(), value))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        engines: Engines,
    }

    fn choice(flags: &[&str]) -> Choice {
        Line::try_parse_from(["test"].iter().chain(flags)).unwrap().engines.choice()
    }

    #[test]
    fn flags_say_where_runs_go() {
        let flags = [
            "--task-queue-backend",
            "fleet:9,celery:1",
            "--workflow-backend",
            "a=temporal;b=celery",
            "--shadow",
            "a=fleet:5",
        ];
        let said = serde_json::to_value(choice(&flags)).unwrap();
        let expected = serde_json::json!({
            "default": "fleet:9,celery:1", "workflows": { "a": "temporal", "b": "celery" }, "shadows": { "a": "fleet:5" }
        });
        assert_eq!(said, expected);
    }

    #[test]
    fn without_the_abstraction_everything_goes_the_old_way() {
        let said = choice(&["--task-queue-backend", "temporal", "--use-task-abstraction", "false"]);
        assert_eq!(said.default, Some(Split::all(Name::Celery)));
    }

    #[test]
    fn a_slip_is_named() {
        let error = Line::try_parse_from(["test", "--shadow", "a:temporal"]).err().unwrap().to_string();
        assert!(error.contains("write NAME=BACKEND"), "{error}");
    }
}
