//! A document, a reader and a shelf, for as long as somebody comes back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use outbound::{Client, Policy};
use protocol::TaskError;
use serde_json::Value;
use tempfile::TempDir;
use text::Source;
use x2text::{Error, Order, Original, Reading, Shelf, Step, X2Text};

/// Looks after which a test counts as stuck.
const PATIENCE: usize = 100;

/// The content of every document here: no text, so that nobody takes it for one.
pub(crate) const DOCUMENT: &[u8] = b"%PDF-1.7\n\x00\x01\x02 a document";

/// Keeps things in memory.
#[derive(Default)]
pub(crate) struct Memory {
    kept: Mutex<HashMap<String, Vec<u8>>>,
    /// Names with this in them are never kept: whoever tries waits until it is dropped.
    pub(crate) stuck: Mutex<Option<&'static str>>,
}

#[async_trait]
impl Shelf for Memory {
    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, TaskError> {
        Ok(self.kept.lock().unwrap().get(name).cloned())
    }

    async fn put(&self, name: &str, bytes: &[u8]) -> Result<(), TaskError> {
        let is_stuck = self.stuck.lock().unwrap().is_some_and(|part| name.contains(part));
        if is_stuck {
            std::future::pending::<()>().await;
        }
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
        assert!(name.bytes().all(plain), "{name}");
        self.kept.lock().unwrap().insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }
}

impl Memory {
    /// All that is kept, as text.
    pub(crate) fn all(&self) -> String {
        let kept = self.kept.lock().unwrap();
        kept.iter().map(|(name, bytes)| format!("{name}: {}\n", String::from_utf8_lossy(bytes))).collect()
    }

    /// Changes every text that is kept.
    pub(crate) fn change(&self, how: impl Fn(&str) -> String) {
        for bytes in self.kept.lock().unwrap().values_mut() {
            *bytes = how(std::str::from_utf8(bytes).unwrap()).into_bytes();
        }
    }
}

/// A document that counts how often it was fetched.
struct Fetched<'a>(&'a Source, &'a AtomicUsize);

#[async_trait]
impl Original for Fetched<'_> {
    async fn source(&self) -> Result<Source, TaskError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Ok(self.0.clone())
    }
}

/// A document that is being read.
pub(crate) struct Visit {
    _folder: TempDir,
    pub(crate) source: Source,
    pub(crate) shelf: Memory,
    pub(crate) reader: Arc<dyn X2Text>,
    pub(crate) fetched: AtomicUsize,
    pub(crate) state: Value,
    /// How long somebody was told to stay away, and why where that was said.
    pub(crate) waits: Vec<(Duration, Option<String>)>,
}

impl Visit {
    pub(crate) fn new(adapter_id: &str, settings: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("document");
        std::fs::write(&path, DOCUMENT).unwrap();
        let source = Source { path, name: "Rechnung März.pdf".to_owned(), password: None, pages: None };
        let way_out = Client::new(Policy::allowing(["127.0.0.1".parse().unwrap()]));
        let reader = x2text::reader(adapter_id, settings, &way_out).unwrap();
        let (shelf, fetched) = (Memory::default(), AtomicUsize::new(0));
        Self { _folder: folder, source, shelf, reader, fetched, state: Value::Null, waits: Vec::new() }
    }

    /// One look, remembering what it says about the next.
    pub(crate) async fn look(&mut self) -> Result<Option<Reading>, Error> {
        let content = "0123456789abcdef".repeat(4);
        let original = Fetched(&self.source, &self.fetched);
        let order =
            Order { original: &original, content: &content, state: &self.state, tell: &|_, _| {}, shelf: &self.shelf };
        match self.reader.read(&order).await? {
            Step::Done(reading) => Ok(Some(reading)),
            Step::Wait { after, state, note } => {
                assert!(after >= Duration::from_secs(1), "whoever waits for nothing never rests");
                self.waits.push((after, note));
                self.state = state;
                Ok(None)
            }
        }
    }

    /// Looks until there is an end, without staying away as long as was said.
    pub(crate) async fn end(&mut self) -> Result<Reading, Error> {
        for _ in 0..PATIENCE {
            if let Some(reading) = self.look().await? {
                return Ok(reading);
            }
        }
        panic!("no end after {PATIENCE} looks: {:?}", self.waits.last());
    }

    /// The error that it ends with.
    pub(crate) async fn failure(&mut self) -> Error {
        self.end().await.expect_err("it was read")
    }
}
