//! What operators do with dead letters.

use super::Shared;
use super::graveyard::Visit;
use super::wire::Outgoing;
use crate::{Buried, Error, Replayed, Selection};

/// How many are sent back together.
const BATCH: usize = 256;

/// Dead letters, left in their place.
pub(super) async fn look(shared: &Shared, skip: usize, limit: usize) -> Result<Vec<Buried>, Error> {
    let mut visit = Visit::begin(shared).await?;
    let outcome = look_at_all(&mut visit, skip, limit).await;
    visit.end().await;
    outcome
}

async fn look_at_all(visit: &mut Visit<'_>, skip: usize, limit: usize) -> Result<Vec<Buried>, Error> {
    let mut found = Vec::new();
    let mut place = 0;
    while let Some((_, buried)) = visit.next().await? {
        if place >= skip && found.len() < limit {
            found.push(buried);
        }
        place += 1;
    }
    Ok(found)
}

/// Publishes dead letters where they died, then takes them away.
pub(super) async fn replay(shared: &Shared, selection: &Selection) -> Result<Replayed, Error> {
    let mut visit = Visit::begin(shared).await?;
    let outcome = replay_all(shared, &mut visit, selection).await;
    visit.end().await;
    outcome
}

async fn replay_all(shared: &Shared, visit: &mut Visit<'_>, selection: &Selection) -> Result<Replayed, Error> {
    let mut outcome = Replayed::default();
    let (mut tags, mut risen) = (Vec::new(), Vec::new());
    loop {
        let next = visit.next().await?;
        let at_the_end = next.is_none();
        if let Some((tag, buried)) = next.filter(|(_, buried)| selection.picks(buried)) {
            match Outgoing::fresh(buried.message, &shared.queues) {
                Ok(outgoing) if buried.death.is_some() => {
                    risen.push(outgoing);
                    tags.push(tag);
                }
                Ok(_) | Err(_) => outcome.kept += 1,
            }
        }
        if at_the_end || risen.len() >= BATCH {
            shared.publish(std::mem::take(&mut risen)).await?;
            outcome.replayed += visit.take_away(std::mem::take(&mut tags)).await?;
        }
        if at_the_end {
            return Ok(outcome);
        }
    }
}

/// Deletes dead letters.
pub(super) async fn forget(shared: &Shared, selection: &Selection) -> Result<u64, Error> {
    let mut visit = Visit::begin(shared).await?;
    let outcome = forget_all(&mut visit, selection).await;
    visit.end().await;
    outcome
}

async fn forget_all(visit: &mut Visit<'_>, selection: &Selection) -> Result<u64, Error> {
    let mut tags = Vec::new();
    while let Some((tag, buried)) = visit.next().await? {
        if selection.picks(&buried) {
            tags.push(tag);
        }
    }
    visit.take_away(tags).await
}
