//! Who reads documents, and what a second run of the same document costs.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use dispatcher::results::assemble;
use dispatcher::submission::{Desk, Submission};
use outbound::Policy;
use protocol::request::ExtractionRequest;
use protocol::resolved::{AdapterInstance, WebhookEndpoint};
use protocol::result::ExtractionResult;
use protocol::stages::extract_text::texts_of;
use protocol::{RunEvent, RunState, TenantId, stages};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use worker::Resolver;
use worker::resolver::Unresolved;

use crate::door::{Door, json as json_of};
use crate::harness::TestFleet;
use crate::pipeline::stock_with;
use crate::whisperer::Whisperer;
use crate::world::World;

const KEY: &str = "sk-whisper-secret";

/// No PDF that anybody could read: only the service says what it holds.
const DOCUMENT: &[u8] = b"%PDF-1.7\n\x00 nobody reads this here";

/// Knows one adapter of every tenant.
#[derive(Clone)]
struct Book(Arc<Mutex<Value>>);

#[async_trait]
impl Resolver for Book {
    async fn webhook(&self, _: &TenantId, _: &str) -> Result<Option<WebhookEndpoint>, Unresolved> {
        Ok(None)
    }

    async fn webhook_gone(&self, _: &TenantId, _: &str) -> Result<(), Unresolved> {
        Ok(())
    }

    async fn adapter(&self, _: &TenantId, id: &str) -> Result<Option<AdapterInstance>, Unresolved> {
        Ok((id == "ours").then(|| AdapterInstance {
            id: id.to_owned(),
            adapter_id: "llmwhisperer|a5e6b8af-3e1f-4a80-b006-d017e8e67f93".to_owned(),
            adapter_type: "X2TEXT".to_owned(),
            settings: self.0.lock().unwrap().clone(),
        }))
    }
}

/// A fleet with one adapter, and a document on disk.
struct Office {
    fleet: TestFleet,
    adapter: Book,
    _folder: tempfile::TempDir,
    file: PathBuf,
}

impl Office {
    async fn open(world: &World, settings: Value, document: &[u8]) -> Self {
        let adapter = Book(Arc::new(Mutex::new(settings)));
        let resolver = Arc::new(adapter.clone());
        let way_out = outbound::Client::new(Policy::allowing(["127.0.0.1".parse().unwrap()]));
        let fleet = TestFleet::start(world, |builder| stock_with(builder, resolver, way_out)).await;
        fleet.fleet.register(&stages::pipeline()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("document");
        std::fs::write(&file, document).unwrap();
        Self { fleet, adapter, _folder: folder, file }
    }

    /// The result of a run with one question, and what was logged meanwhile.
    async fn ask(&self, name: &str, x2text: &str) -> (ExtractionResult, Vec<RunEvent>) {
        let request = json!({
            "extraction_settings": { "x2text_instance_id": x2text },
            "outputs": [{ "name": "number", "prompt": "What is the invoice number?", "type": "text" }],
        });
        let submission = Submission {
            tenant: TenantId::default_tenant(),
            file: self.file.clone(),
            file_name: name.to_owned(),
            request: ExtractionRequest::parse(&request).unwrap(),
            idempotency_key: None,
            priority: 0,
        };
        let desk = Desk::new(self.fleet.fleet.clone(), self.fleet.objects());
        let run = desk.submit(submission).await.unwrap().id;
        let record = self.fleet.ends(run, RunState::Succeeded).await;
        let events = self.fleet.fleet.events(&TenantId::default_tenant(), run, 0, 1_000).await.unwrap().unwrap();
        (assemble(&record, self.fleet.objects().as_ref()).await.unwrap(), events.events)
    }
}

pub(crate) async fn a_service_reads_the_document_and_another_run_of_it_makes_no_call(world: &World) {
    let service = Whisperer::start().await;
    let office = Office::open(world, json!({ "url": service.url, "unstract_key": KEY }), DOCUMENT).await;

    let (first, _) = office.ask("invoice.pdf", "ours").await;

    assert_eq!(first.collated.output["number"], "NI-2026-00417");
    let evidence = &first.collated.evidence["number"][0];
    assert_eq!((evidence.page, evidence.quote.as_str()), (1, "NI-2026-00417"));
    // Line 3 ends at 500 of 1,000 units and is 20 high; the page is 792 points high and 80 columns wide.
    let bbox: [f32; 4] = evidence.bbox.into();
    assert_eq!(bbox, [122.4, 380.16, 221.85, 396.0]);
    let looks = ["whisper-status"; 3];
    assert_eq!(service.calls(), [&["whisper"], &looks[..], &["whisper-retrieve", "highlights"]].concat());
    assert_eq!((first.collated.usage.pages, first.collated.document.pages), (1, 1));

    let (second, events) = office.ask("the same.PDF", "ours").await;

    assert_eq!(second.collated.output, first.collated.output);
    assert_eq!(second.collated.evidence, first.collated.evidence);
    assert_eq!(service.calls().len(), 6, "nobody was asked again");
    assert_eq!((second.collated.usage.pages, second.collated.document.pages), (0, 1), "nothing was consumed");
    let told = format!("{second:?} {events:?}");
    assert!(!told.contains(KEY), "{told}");
    office.fleet.stop().await;
}

pub(crate) async fn a_changed_setting_reads_again_and_a_new_secret_does_not(world: &World) {
    let service = Whisperer::start().await;
    let office = Office::open(world, json!({ "url": service.url, "unstract_key": KEY }), DOCUMENT).await;
    let submissions = || service.calls().iter().filter(|call| *call == "whisper").count();
    office.ask("invoice.pdf", "ours").await;
    for (settings, handed_in) in [
        (json!({ "url": service.url, "unstract_key": "sk-new", "tag": "march" }), 1),
        (json!({ "url": service.url, "unstract_key": "sk-new", "mode": "table" }), 2),
        (json!({ "url": service.url, "unstract_key": KEY }), 2),
    ] {
        *office.adapter.0.lock().unwrap() = settings.clone();
        office.ask("invoice.pdf", "ours").await;
        assert_eq!(submissions(), handed_in, "{settings}");
    }
    office.fleet.stop().await;
}

pub(crate) async fn a_damaged_text_is_read_again_and_a_removed_document_takes_its_texts_along(world: &World) {
    let content = b"Invoice number: NI-2026-00417\n";
    let office = Office::open(world, json!({}), content).await;
    let objects = office.fleet.objects();
    let door = Door::open(&office.fleet).await;
    let upload = door.call(Method::POST, "/api/v1/documents?name=note.md").body(content.to_vec());
    let document = json_of(upload.send().await.unwrap()).await;
    let folder = texts_of(&TenantId::default_tenant(), document["sha256"].as_str().unwrap());
    let builtin = x2text::Builtin::new(text::Extractor::new(text::Config::discover().unwrap()));
    let key = format!("{folder}/{}", x2text::cache::name(&builtin, "note.md"));

    let consumed = async || office.ask("note.md", "").await.0.collated.usage.pages;
    assert_eq!(consumed().await, 1);
    let kept = objects.get(&key).await.unwrap();
    assert_eq!(consumed().await, 0, "it comes from the cache");
    objects.put(&key, &kept[..kept.len() - 1], "application/json").await.unwrap();
    assert_eq!(consumed().await, 1, "half an entry is none");
    assert_eq!(objects.get(&key).await.unwrap(), kept, "it was made whole");

    let path = format!("/api/v1/documents/{}", document["id"].as_str().unwrap());
    let removed = door.call(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(removed.status(), StatusCode::NO_CONTENT);
    assert!(!objects.exists(&key).await.unwrap());
    door.close().await;
    office.fleet.stop().await;
}
