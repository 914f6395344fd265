//! The lists that children of mapped tasks take their items from. Every child of a wide run needs another item of the
//! same list, so a list is fetched and read once, not once per child.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::{ArtifactRef, Payload, TaskError};
use serde_json::Value;

use crate::context::Context;

/// Lists kept at a time. A worker is mostly busy with the children of few runs.
const KEPT: usize = 8;

/// Larger lists, in bytes as stored, are read anew for each child: they would fill the memory.
const LARGEST: u64 = 8 * 1024 * 1024;

/// Lists read lately, the latest first.
#[derive(Default)]
pub(crate) struct Lists {
    kept: Mutex<VecDeque<(String, Arc<Vec<Value>>)>>,
}

impl Lists {
    /// The item of that number; `None` when the list has none, or is no list.
    pub(crate) async fn item(
        &self,
        context: &Context,
        list: &Payload,
        index: usize,
    ) -> Result<Option<Value>, TaskError> {
        let artifact = match list {
            Payload::Inline(Value::Array(list)) => return Ok(list.get(index).cloned()),
            Payload::Inline(_) => return Ok(None),
            Payload::Artifact(artifact) => artifact,
        };
        if let Some(list) = self.find(artifact) {
            return Ok(list.get(index).cloned());
        }
        let Value::Array(list) = context.payload(list).await? else { return Ok(None) };
        let list = Arc::new(list);
        if artifact.size <= LARGEST {
            self.keep(artifact, &list);
        }
        Ok(list.get(index).cloned())
    }

    fn find(&self, artifact: &ArtifactRef) -> Option<Arc<Vec<Value>>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|(sha256, _)| *sha256 == artifact.sha256)?;
        let found = kept.remove(place)?;
        let list = Arc::clone(&found.1);
        kept.push_front(found);
        Some(list)
    }

    fn keep(&self, artifact: &ArtifactRef, list: &Arc<Vec<Value>>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(sha256, _)| *sha256 != artifact.sha256);
        kept.push_front((artifact.sha256.clone(), Arc::clone(list)));
        kept.truncate(KEPT);
    }
}
