//! Looking through the dead letters. Everything happens under the one lock, so operators cannot get in each other's
//! way.

use super::Shared;
use crate::{Buried, Error, Replayed, Selection};

impl Shared {
    /// Dead letters that no consumer has in hand.
    pub(super) fn dead_letters(&self, skip: usize, limit: usize) -> Result<Vec<Buried>, Error> {
        let mut state = self.lock();
        let graveyard = state.queue(&self.topology.dead_letter)?;
        Ok(graveyard.waiting_messages().skip(skip).take(limit).map(|message| Buried::read(message.clone())).collect())
    }

    pub(super) fn replay(&self, selection: &Selection) -> Result<Replayed, Error> {
        let mut state = self.lock();
        state.refuse_when_closed()?;
        let mut outcome = Replayed::default();
        let known: Vec<String> = state.queues.keys().cloned().collect();
        let risen = state.queue(&self.topology.dead_letter)?.remove_waiting(|message| {
            let buried = Buried::read(message.clone());
            if !selection.picks(&buried) {
                return false;
            }
            let has_a_queue = buried.death.is_some() && known.contains(&buried.message.queue);
            outcome.kept += u64::from(!has_a_queue);
            has_a_queue
        });
        for message in risen {
            let message = Buried::read(message).message;
            state.queue(&message.queue.clone())?.put(message);
            outcome.replayed += 1;
        }
        Ok(outcome)
    }

    pub(super) fn drop_dead_letters(&self, selection: &Selection) -> Result<u64, Error> {
        let mut state = self.lock();
        state.refuse_when_closed()?;
        let graveyard = state.queue(&self.topology.dead_letter)?;
        Ok(graveyard.remove_waiting(|message| selection.picks(&Buried::read(message.clone()))).len() as u64)
    }
}
