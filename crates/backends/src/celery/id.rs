//! An attempt as the id of a Celery task: results bring nothing else back.

use protocol::{RunId, TaskRunId};

use crate::port::Attempt;

/// The id of an attempt's Celery task.
pub(super) fn of(attempt: Attempt) -> String {
    format!("{}.{}.{}", attempt.run_id, attempt.task_run_id, attempt.attempt)
}

/// The attempt of a Celery task's id; `None` for an id that is not one of ours.
pub(super) fn read(id: &str) -> Option<Attempt> {
    let mut parts = id.split('.');
    let attempt = Attempt {
        run_id: parts.next()?.parse::<RunId>().ok()?,
        task_run_id: parts.next()?.parse::<TaskRunId>().ok()?,
        attempt: parts.next()?.parse().ok()?,
    };
    parts.next().is_none().then_some(attempt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_leads_back_to_its_attempt_and_strangers_lead_nowhere() {
        let attempt = Attempt { run_id: RunId::new(), task_run_id: TaskRunId::new(), attempt: 3 };
        assert_eq!(read(&of(attempt)), Some(attempt));
        for stranger in ["", "a.b.c", "9a5a6c1e-6a55-4d5b-8f2c-b6d6a1a8c001", &format!("{}.1", of(attempt))] {
            assert_eq!(read(stranger), None, "{stranger:?}");
        }
    }
}
