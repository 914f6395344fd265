//! What became poison is told to the ledger, so that no run waits for it for ever.
//!
//! Whoever buries a message cannot do that itself: where workers die over it, RabbitMQ is the only witness. So somebody
//! looks at the dead letters again and again. A job that killed its workers fails its task run for good; an outcome that
//! killed those who wanted to record it costs its attempt, which may be tried again. Unreadable messages are left to
//! operators: after an upgrade they may be readable, and replaying them completes their runs.
//!
//! Telling twice is harmless: of an attempt, one end counts.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use broker::{Buried, DeadLetter};
use engine::{Action, Event};
use jiff::Timestamp;
use ledger::Applied;
use metrics::{counter, gauge};
use protocol::workflow::queues::{CALLBACKS, DEAD_LETTER, LOGGING};
use protocol::{RunId, TaskError, TaskRunId};
use serde::Deserialize;

use super::{Error, Fleet};

/// How many dead letters are looked at together.
const PAGE: usize = 500;

/// After this time dead letters are looked at again even if their number is the same: one may have gone, another come.
const AGAIN: Duration = Duration::from_secs(30);

/// Which dead letters the ledger has been told of. Losing it means telling again.
#[derive(Debug, Default)]
pub struct Told {
    deaths: HashSet<Death>,
    /// How many dead letters there were the last time, and when that was.
    last: Option<(u64, Instant)>,
}

/// One death of one message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Death {
    message: String,
    queue: String,
    at: Option<Timestamp>,
}

/// What a message is about, as far as that can be read in a message of any version.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Subject {
    run_id: RunId,
    task_run_id: TaskRunId,
    attempt: u32,
}

/// One message, or several that travelled as one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Subjects {
    One(Subject),
    Several { batch: Vec<Subject> },
}

impl Fleet {
    /// Fails what depends on messages that became poison since `told`; returns how many attempts. Costs one question to
    /// the broker when nothing has changed.
    ///
    /// # Errors
    /// When the ledger or the broker is away; what was not told will be.
    pub async fn fail_poisoned(&self, told: &mut Told) -> Result<usize, Error> {
        let count = self.broker.depth(DEAD_LETTER).await?.ready;
        #[expect(clippy::cast_precision_loss, reason = "a gauge; nobody has 2^53 dead letters")]
        gauge!("flotilla_dead_letters").set(count as f64);
        if told.last.is_some_and(|(before, at)| before == count && at.elapsed() < AGAIN) {
            return Ok(0);
        }
        let mut failed = 0;
        let mut seen = HashSet::new();
        let mut skip = 0;
        let mut more = count > 0;
        while more {
            let page = self.broker.dead_letters(skip, PAGE).await?;
            let poison: Vec<(Death, &Buried)> =
                page.iter().filter_map(|buried| Some((death(buried)?, buried))).collect();
            let news = poison.iter().filter(|(death, _)| !told.deaths.contains(death));
            let events: Vec<(RunId, Event)> = news.flat_map(|(_, buried)| losses(buried)).collect();
            if !events.is_empty() {
                let told = events.len();
                let applied = self.ledger.apply(events, Timestamp::now()).await?;
                failed += told.saturating_sub(without_effect(&applied));
                self.carry_out(applied).await?;
            }
            seen.extend(poison.into_iter().map(|(death, _)| death));
            more = page.len() == PAGE;
            skip += PAGE;
        }
        counter!("flotilla_poisoned_attempts_total").increment(failed as u64);
        // Forgets what is no longer among the dead letters.
        *told = Told { deaths: seen, last: Some((count, Instant::now())) };
        Ok(failed)
    }
}

/// The death of a message that came back too often.
fn death(buried: &Buried) -> Option<Death> {
    let death = buried.death.as_ref().filter(|death| death.reason == DeadLetter::DELIVERY_LIMIT)?;
    Some(Death { message: buried.message.id.clone(), queue: death.queue.clone(), at: death.died_at })
}

/// What is lost with it.
fn losses(buried: &Buried) -> Vec<(RunId, Event)> {
    let Some(death) = &buried.death else { return Vec::new() };
    let times = death.deliveries;
    let error = match death.queue.as_str() {
        LOGGING => return Vec::new(),
        CALLBACKS => TaskError::transient(
            "outcome_lost",
            format!("The outcome was delivered {times} times and never recorded; it is among the dead letters."),
        ),
        _ => TaskError::permanent(
            "poison",
            format!("The job was delivered {times} times and never finished; it is among the dead letters."),
        ),
    };
    let subjects = match serde_json::from_slice(&buried.message.body) {
        Ok(Subjects::One(subject)) => vec![subject],
        Ok(Subjects::Several { batch }) => batch,
        Err(_) => {
            let id = &buried.message.id;
            tracing::error!(message.id = id, queue = death.queue, "a poisonous message names no task run");
            Vec::new()
        }
    };
    let lost = |Subject { run_id, task_run_id, attempt }: Subject| {
        (run_id, Event::Lost { task_run: task_run_id, attempt, error: error.clone() })
    };
    subjects.into_iter().map(lost).collect()
}

/// How many losses changed nothing: the attempt had ended before, or its run is gone. The others are worth a line in
/// the log.
fn without_effect(applied: &[Applied]) -> usize {
    let mut ignored = 0;
    for one in applied {
        let here = one.actions.iter().filter(|action| matches!(action, Action::Ignored { .. })).count();
        if one.tenant.is_none() {
            ignored += 1;
        } else if here == 0 {
            tracing::error!(run.id = %one.run_id, "a run lost attempts to poison");
        }
        ignored += here;
    }
    ignored
}

#[cfg(test)]
mod tests {
    use broker::Message;
    use protocol::ErrorClass;

    use super::*;

    fn buried(queue: &str, body: &str) -> Buried {
        let death = DeadLetter {
            reason: DeadLetter::DELIVERY_LIMIT.to_owned(),
            queue: queue.to_owned(),
            deliveries: 6,
            died_at: None,
        };
        Buried { message: Message::new(queue, "1", body), death: Some(death) }
    }

    fn subject(run: RunId, attempt: u32) -> String {
        let task_run = TaskRunId::new();
        format!(r#"{{"v":9,"run_id":"{run}","task_run_id":"{task_run}","attempt":{attempt},"new":[]}}"#)
    }

    #[test]
    fn a_job_of_any_version_fails_for_good_and_outcomes_cost_their_attempts() {
        let (one, other) = (RunId::new(), RunId::new());
        let job = losses(&buried("default", &subject(one, 3)));
        assert!(
            matches!(&job[..], [(run, Event::Lost { attempt: 3, error, .. })]
                if *run == one && error.code == "poison" && error.class == ErrorClass::Permanent),
            "{job:?}"
        );
        let batch = format!(r#"{{"v":9,"batch":[{},{}]}}"#, subject(one, 1), subject(other, 2));
        let outcomes = losses(&buried(CALLBACKS, &batch));
        let seen: Vec<_> = outcomes
            .iter()
            .map(|(run, event)| match event {
                Event::Lost { attempt, error, .. } => (*run, *attempt, error.code.as_str(), error.class),
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [(one, 1), (other, 2)].map(|(run, n)| (run, n, "outcome_lost", ErrorClass::Transient));
        assert_eq!(seen, expected);
    }

    #[test]
    fn what_names_no_task_run_and_what_only_informs_costs_nothing() {
        assert_eq!(losses(&buried("default", "no JSON")), []);
        assert_eq!(losses(&buried(LOGGING, &subject(RunId::new(), 1))), []);
    }

    #[test]
    fn only_poison_is_told() {
        let mut unreadable = buried("default", &subject(RunId::new(), 1));
        assert!(death(&unreadable).is_some());
        unreadable.death.as_mut().expect("it died").reason = "the job is not readable as JSON".to_owned();
        assert_eq!(death(&unreadable), None);
    }
}
