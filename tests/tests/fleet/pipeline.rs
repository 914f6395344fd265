//! The document workflow gives the same answers wherever it runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dispatcher::results::assemble;
use dispatcher::submission::{Desk, Submission};
use models::ModelConfig;
use protocol::request::ExtractionRequest;
use protocol::{RunState, TenantId, stages};
use text::{ChildCommand, Extractor};
use worker::flags::Texts;
use worker::resolver::NoResolver;
use worker::stages::Tools;
use worker::stages::readers::Readers;
use worker::{Builder, Resolver};

use crate::harness::TestFleet;
use crate::world::World;

/// A file of the repository's examples.
fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)
}

/// The six stages, as a worker has them; documents are read in child processes of its program.
fn stock(builder: Builder) -> Builder {
    let way_out = outbound::Client::new(outbound::Policy::default());
    stock_with(builder, Arc::new(NoResolver), way_out)
}

/// The same for tenants that have adapters.
pub(crate) fn stock_with(builder: Builder, resolver: Arc<dyn Resolver>, way_out: outbound::Client) -> Builder {
    let built = std::env::current_exe().unwrap();
    let program = built.ancestors().nth(2).unwrap().join("worker");
    assert!(program.exists(), "{} is missing; build it: cargo build --workspace --bins", program.display());
    let config = text::Config::discover().unwrap();
    let child = ChildCommand { program, ..config.child };
    let model = models::resolve(ModelConfig::Builtin).unwrap();
    let readers = Arc::new(Readers::new(model, Arc::clone(&resolver), way_out.clone()));
    let extractor = Extractor::new(text::Config { child, children: 2, ..config });
    let extractors = Texts { text_cache: true }.extractors(extractor, resolver, way_out);
    worker::stages::register(builder, &Tools { extractors, readers, prompts_at_once: 4 })
}

/// The answers to the example, with everything that says where they come from, as bytes.
async fn answers(world: &World) -> String {
    let fleet = TestFleet::start(world, stock).await;
    fleet.fleet.register(&stages::pipeline()).await.unwrap();
    let request: ExtractionRequest =
        ExtractionRequest::parse_text(&std::fs::read(example("invoice.request.json")).unwrap()).unwrap();
    let submission = Submission {
        tenant: TenantId::default_tenant(),
        file: example("invoice.pdf"),
        file_name: "invoice.pdf".to_owned(),
        request,
        idempotency_key: None,
        priority: 0,
    };
    let desk = Desk::new(fleet.fleet.clone(), fleet.objects());
    let run = desk.submit(submission).await.unwrap().id;
    let record = fleet.ends(run, RunState::Succeeded).await;
    assert_eq!(record.run.backend, world.backend(), "it ran where it was sent");
    let result = assemble(&record, fleet.objects().as_ref()).await.unwrap();
    fleet.stop().await;
    let answers = (&result.collated.output, &result.collated.evidence, &result.collated.evaluation);
    serde_json::to_string(&answers).unwrap()
}

pub(crate) async fn the_document_workflow_gives_the_same_answers_byte_by_byte(world: &World) {
    let here = answers(world).await;
    assert!(here.contains("invoice_number"), "it has answers: {here}");
    let usual = World::embedded();
    assert_eq!(here, answers(&usual).await, "as in the embedded system");
}
