//! Where Celery's workers are, as command-line flags.

use std::sync::Arc;

use celery::{ClientConfig, ReplyTo};
use clap::Args;

use super::host::Called;
use super::{Celery, CeleryHost, CeleryReplies, TASK};
use crate::engines::Engine;
use crate::port::Error;

/// Where Celery's broker is and what our queues there are called.
#[derive(Clone, Debug, Default, Args)]
#[group(id = "celery")]
pub struct Settings {
    /// RabbitMQ of a Celery application, often the same as --amqp-url. Tasks that name one of Celery's go there, and so does
    /// everything of runs on the backend celery.
    #[arg(long, value_name = "URL", env = "FLOTILLA_CELERY_URL", hide_env_values = true)]
    pub celery_url: Option<String>,
    /// What the queues are called that our own tasks travel through as Celery messages: this, and the name of the queue.
    #[arg(long, value_name = "TEXT", env = "FLOTILLA_CELERY_QUEUE_PREFIX", default_value = "flotilla.celery.")]
    pub celery_queue_prefix: String,
    /// The queue that results of Celery's workers come back to. Fleets that share a broker need one each.
    #[arg(long, value_name = "NAME", env = "FLOTILLA_CELERY_REPLIES", default_value = "flotilla.celery-replies")]
    pub celery_replies: String,
    /// Workers: have a handler of this worker do a task of a Celery application, whose clients send it as any other:
    /// NAME=TASK. Several, separated by commas.
    #[arg(long, value_name = "NAME=TASK", env = "FLOTILLA_CELERY_TASKS", value_delimiter = ',', value_parser = called,
          requires = "celery_url", requires = "celery_serve")]
    pub celery_task: Vec<(String, String)>,
    /// Workers: the queues of a Celery application to consume for that, by their very names. Tasks without a --celery-task
    /// are rejected there, so they should be queues that only those are sent to. Several, separated by commas.
    #[arg(
        long,
        value_name = "QUEUES",
        env = "FLOTILLA_CELERY_SERVE",
        value_delimiter = ',',
        requires = "celery_url",
        requires = "celery_task"
    )]
    pub celery_serve: Vec<String>,
    /// Workers: where results of such tasks are kept, for an application whose result_backend is this Redis; chords need it.
    /// Without it they go to the queue that the client names: rpc://.
    #[arg(long, value_name = "URL", env = "FLOTILLA_CELERY_RESULTS", hide_env_values = true)]
    pub celery_results: Option<String>,
    /// Workers: where tasks go that come after such a task and say no queue: the application's task_default_queue [default:
    /// celery].
    #[arg(long, value_name = "NAME", env = "FLOTILLA_CELERY_DEFAULT_QUEUE")]
    pub celery_default_queue: Option<String>,
    /// Workers: where some of those go instead: NAME=QUEUE, with * at the end of NAME for any rest; the first that fits. Several,
    /// separated by commas.
    #[arg(long, value_name = "NAME=QUEUE", env = "FLOTILLA_CELERY_ROUTES", value_delimiter = ',', value_parser = route)]
    pub celery_route: Vec<(String, String)>,
}

impl Settings {
    /// The backend with its host, if there is a broker. Neither connects before it is used.
    ///
    /// # Errors
    /// None so far: an address that makes no sense shows when it is used.
    pub fn open(&self) -> Result<Option<Engine>, Error> {
        let Some(url) = &self.celery_url else { return Ok(None) };
        let client = ClientConfig {
            name: "flotilla dispatcher".to_owned(),
            replies: ReplyTo::Queue(self.celery_replies.clone()),
            declare: true,
            ..ClientConfig::new(url.clone())
        };
        let backend = Celery::new(client, self.celery_queue_prefix.clone());
        let replies = CeleryReplies::new(backend.clone(), self.celery_replies.clone());
        let called = Called {
            tasks: self.celery_task.clone(),
            queues: self.celery_serve.clone(),
            results: self.celery_results.clone(),
            default_queue: self.celery_default_queue.clone(),
            routes: self.celery_route.clone(),
        };
        let host = CeleryHost::new(url.clone(), self.celery_queue_prefix.clone(), called);
        Ok(Some(Engine { backend: Arc::new(backend), host: Some(Arc::new(host)), collector: Some(Arc::new(replies)) }))
    }
}

/// `NAME=TASK`
fn called(text: &str) -> Result<(String, String), String> {
    let pair = pair(text).ok_or("write NAME=TASK: the name in Celery, and the handler's task")?;
    if pair.0 == TASK { Err(format!("{TASK} is the task that carries jobs of runs")) } else { Ok(pair) }
}

/// `NAME=QUEUE`
fn route(text: &str) -> Result<(String, String), String> {
    pair(text).ok_or_else(|| "write NAME=QUEUE: tasks of that name, and where they go".to_owned())
}

fn pair(text: &str) -> Option<(String, String)> {
    let (name, other) = text.split_once('=')?;
    let (name, other) = (name.trim(), other.trim());
    (!name.is_empty() && !other.is_empty()).then(|| (name.to_owned(), other.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        celery: Settings,
    }

    #[test]
    fn tasks_of_celery_are_paired_with_handlers() {
        let flags = ["test", "--celery-url", "amqp://localhost", "--celery-serve", "docs,slow"];
        let flags = flags.into_iter().chain(["--celery-task", "app.read=read-document,app.sum=sum"]);
        let settings = Line::try_parse_from(flags).unwrap().celery;
        let pair = |name: &str, task: &str| (name.to_owned(), task.to_owned());
        assert_eq!(settings.celery_task, [pair("app.read", "read-document"), pair("app.sum", "sum")]);
        assert_eq!(settings.celery_serve, ["docs", "slow"]);
    }

    #[test]
    fn what_could_not_work_is_refused_at_once() {
        for flags in [
            &["--celery-task", "a=b"][..],
            &["--celery-url", "amqp://localhost", "--celery-task", "a=b"],
            &["--celery-url", "amqp://localhost", "--celery-serve", "docs"],
            &["--celery-url", "amqp://localhost", "--celery-serve", "docs", "--celery-task", "a"],
            &["--celery-url", "amqp://localhost", "--celery-serve", "docs", "--celery-task", "flotilla.task=b"],
        ] {
            assert!(Line::try_parse_from(["test"].iter().chain(flags)).is_err(), "{flags:?}");
        }
    }
}
