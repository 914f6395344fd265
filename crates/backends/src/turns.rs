//! Turns that an engine hands out together: the children of a mapped task.

use futures::StreamExt as _;
use futures::stream;
use protocol::TaskState;

use crate::desk::{Standing, Turn};
use crate::host::{Ending, Intake};

/// Has turns served, so many at a time, and says how they ended, taken together: one that is to be done again keeps them all
/// open, until the first of them is due. `None` when there are none.
pub(crate) async fn serve(intake: &Intake, turns: Vec<Turn>, at_once: usize) -> Option<Ending> {
    let serving = turns.into_iter().map(|turn| {
        let intake = intake.clone();
        async move { intake.serve(&turn).await }
    });
    let endings = stream::iter(serving).buffer_unordered(at_once.max(1));
    endings.fold(None, async |before, ending| Some(before.map_or(ending.clone(), |before| both(before, ending)))).await
}

fn both(one: Ending, other: Ending) -> Ending {
    match (one, other) {
        (Ending::Again { after, error }, Ending::Again { after: other, error: other_error }) => {
            Ending::Again { after: after.min(other), error: error.or(other_error) }
        }
        (again @ Ending::Again { .. }, Ending::Ended(_)) | (Ending::Ended(_), again @ Ending::Again { .. }) => again,
        (Ending::Ended(one), Ending::Ended(other)) => Ending::Ended(weightier(one, other)),
    }
}

/// The one that says more: a final run, then a failure.
fn weightier(one: Standing, other: Standing) -> Standing {
    let weight = |standing: &Standing| (standing.run.is_final(), standing.task == TaskState::Failed);
    if weight(&other) > weight(&one) { other } else { one }
}
