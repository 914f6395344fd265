//! A memory of what was stored and fetched in this process, in front of any store.
//!
//! Only references are answered from it: they name the bytes by their hash, so an answer cannot be out of date. What is asked
//! for by key alone may have changed since and is always fetched.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use metrics::counter;
use protocol::ArtifactRef;

use crate::{Error, LocalFile, Objects};

/// References answered, by `result`: `hit` from memory, `miss` from the store.
const ANSWERS: &str = "flotilla_artifact_cache_total";
/// Their bytes.
const BYTES: &str = "flotilla_artifact_cache_bytes_total";

/// A store that remembers up to so many bytes of what it was last asked for.
pub struct Cached {
    store: Arc<dyn Objects>,
    most: usize,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    objects: HashMap<String, Object>,
    bytes: usize,
    /// Counts uses; what was used longest ago makes room.
    clock: u64,
}

/// An object whose bytes are known to have that hash.
struct Object {
    sha256: String,
    bytes: Arc<[u8]>,
    used: u64,
}

impl Cached {
    /// In front of `store`, with at most `most` bytes.
    #[must_use]
    pub fn new(store: Arc<dyn Objects>, most: usize) -> Self {
        Self { store, most, memory: Mutex::default() }
    }

    fn recall(&self, artifact: &ArtifactRef) -> Option<Arc<[u8]>> {
        let mut memory = self.lock();
        memory.clock += 1;
        let now = memory.clock;
        let object = memory.objects.get_mut(&artifact.key).filter(|object| object.sha256 == artifact.sha256)?;
        object.used = now;
        Some(Arc::clone(&object.bytes))
    }

    /// Remembers bytes that were checked against, or made, that hash.
    fn remember(&self, artifact: &ArtifactRef, bytes: &[u8]) {
        let mut memory = self.lock();
        memory.forget(&artifact.key);
        if bytes.len() > self.most {
            return;
        }
        while memory.bytes + bytes.len() > self.most && memory.forget_oldest() {}
        memory.clock += 1;
        memory.bytes += bytes.len();
        let object = Object { sha256: artifact.sha256.clone(), bytes: bytes.into(), used: memory.clock };
        memory.objects.insert(artifact.key.clone(), object);
    }

    fn forget(&self, key: &str) {
        self.lock().forget(key);
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn forget(&mut self, key: &str) {
        if let Some(object) = self.objects.remove(key) {
            self.bytes -= object.bytes.len();
        }
    }

    fn forget_below(&mut self, start: &str) {
        let below: Vec<String> = self.objects.keys().filter(|key| key.starts_with(start)).cloned().collect();
        for key in below {
            self.forget(&key);
        }
    }

    /// Makes room. False when there is nothing to forget.
    fn forget_oldest(&mut self) -> bool {
        let oldest = self.objects.iter().min_by_key(|(_, object)| object.used).map(|(key, _)| key.clone());
        oldest.map(|key| self.forget(&key)).is_some()
    }
}

fn count(result: &'static str, bytes: usize) {
    counter!(ANSWERS, "result" => result).increment(1);
    counter!(BYTES, "result" => result).increment(bytes as u64);
}

#[async_trait]
impl Objects for Cached {
    async fn put(&self, key: &str, bytes: &[u8], media_type: &str) -> Result<ArtifactRef, Error> {
        // Whatever becomes of it, what was there before may be gone.
        self.forget(key);
        let artifact = self.store.put(key, bytes, media_type).await?;
        self.remember(&artifact, bytes);
        Ok(artifact)
    }

    async fn put_file(&self, key: &str, file: &Path, media_type: &str) -> Result<ArtifactRef, Error> {
        self.forget(key);
        self.store.put_file(key, file, media_type).await
    }

    async fn get(&self, key: &str) -> Result<Vec<u8>, Error> {
        self.store.get(key).await
    }

    async fn get_checked(&self, artifact: &ArtifactRef) -> Result<Vec<u8>, Error> {
        if let Some(bytes) = self.recall(artifact) {
            count("hit", bytes.len());
            return Ok(bytes.to_vec());
        }
        let bytes = self.store.get_checked(artifact).await?;
        count("miss", bytes.len());
        self.remember(artifact, &bytes);
        Ok(bytes)
    }

    async fn local_file(&self, key: &str) -> Result<LocalFile, Error> {
        self.store.local_file(key).await
    }

    async fn import(&self, key: &str, most: u64) -> Result<LocalFile, Error> {
        self.store.import(key, most).await
    }

    async fn exists(&self, key: &str) -> Result<bool, Error> {
        self.store.exists(key).await
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        self.forget(key);
        self.store.delete(key).await
    }

    async fn delete_below(&self, folder: &str) -> Result<(), Error> {
        self.lock().forget_below(&format!("{folder}/"));
        self.store.delete_below(folder).await
    }
}
