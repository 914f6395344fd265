use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use models::{Error, ModelInfo, Question, Reply};
use protocol::answer::Answer;
use protocol::document::{BBox, Line, Page, Word};
use protocol::request::{OutputSpec, OutputType};
use retrieval::Chunking;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::*;
use crate::graph;

type ScriptLine = Box<dyn Fn() -> Result<Value, Error> + Send + Sync>;

/// Answers by script; a prompt without a line in it answers with its own text.
struct Script {
    info: ModelInfo,
    lines: HashMap<&'static str, ScriptLine>,
    /// A permit is taken for each prompt of that name.
    gates: HashMap<&'static str, Semaphore>,
    asked: Mutex<Vec<String>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl Script {
    fn new() -> Self {
        Self {
            info: ModelInfo { name: "script".into(), context_tokens: 8000 },
            lines: HashMap::new(),
            gates: HashMap::new(),
            asked: Mutex::default(),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
        }
    }

    fn line(mut self, name: &'static str, reply: impl Fn() -> Result<Value, Error> + Send + Sync + 'static) -> Self {
        self.lines.insert(name, Box::new(reply));
        self
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Model for Script {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    async fn answer(&self, question: Question<'_>) -> Result<Reply, Error> {
        let name = question.spec.name.as_str();
        self.asked.lock().unwrap().push(format!("{name}: {}", question.prompt));
        self.most_at_once.fetch_max(self.at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        match self.gates.get(name) {
            Some(gate) => gate.acquire().await.unwrap().forget(),
            None => tokio::task::yield_now().await,
        }
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        let value = self.lines.get(name).map_or_else(|| Ok(json!(question.prompt)), |reply| reply())?;
        Ok(Reply { value, usage: Usage { calls: 1, ..Usage::default() }, ..Reply::default() })
    }
}

#[derive(Default)]
struct Kept(Mutex<HashMap<String, Answer>>);

#[async_trait]
impl Memo for Kept {
    async fn get(&self, key: &str) -> Option<Answer> {
        self.0.lock().unwrap().get(key).cloned()
    }

    async fn put(&self, key: &str, answer: &Answer) {
        self.0.lock().unwrap().insert(key.to_owned(), answer.clone());
    }
}

fn document(line: &str) -> Document {
    let words = (0_u8..)
        .zip(line.split(' '))
        .map(|(at, text)| {
            let x = f32::from(at) * 60.0;
            Word::new(text.into(), BBox::new(x, 0.0, x + 50.0, 12.0))
        })
        .collect();
    let line = Line { text: line.into(), bbox: BBox::new(0.0, 0.0, 600.0, 12.0), words };
    let page = Page { number: 1, width: 600.0, height: 800.0, lines: vec![line], ..Page::default() };
    Document { media_type: "text/plain".into(), pages: vec![page], ..Document::default() }
}

fn spec(name: &str, kind: OutputType, prompt: &str) -> OutputSpec {
    OutputSpec { name: name.into(), kind, prompt: prompt.into(), ..OutputSpec::default() }
}

struct Case {
    document: Document,
    index: Index,
    graph: PromptGraph,
    settings: ToolSettings,
}

impl Case {
    fn new(specs: &[(&str, &str)]) -> Self {
        let specs: Vec<OutputSpec> = specs.iter().map(|(name, prompt)| spec(name, OutputType::Text, prompt)).collect();
        Self::of("Invoice INV-1 total 12.50 EUR on 2024-03-15", &specs)
    }

    fn of(text: &str, specs: &[OutputSpec]) -> Self {
        let document = document(text);
        let index = Index::build(&document, Chunking::choose(8000, 0, 0, true).unwrap()).unwrap();
        Self { document, index, graph: graph::build(specs), settings: ToolSettings::default() }
    }

    fn extraction<'a>(&'a self, model: &'a Script) -> Extraction<'a> {
        Extraction {
            document: &self.document,
            index: &self.index,
            graph: &self.graph,
            settings: &self.settings,
            model,
            document_hash: "hash",
            concurrency: 4,
        }
    }

    async fn run(&self, model: &Script, memo: &dyn Memo) -> Run {
        answer_all(self.extraction(model), memo, &|_, _, _| {}, std::future::pending()).await
    }
}

/// Handlers run on any thread.
fn sendable<T: Send>(future: T) -> T {
    future
}

fn value(run: &Run, name: &str) -> Value {
    match &run.answers[name] {
        PromptOutcome::Answered(answer) => answer.value.clone(),
        PromptOutcome::Failed(error) => panic!("{name}: {error}"),
    }
}

fn code<'a>(run: &'a Run, name: &str) -> &'a str {
    match &run.answers[name] {
        PromptOutcome::Answered(answer) => panic!("{name}: {answer:?}"),
        PromptOutcome::Failed(error) => &error.code,
    }
}

#[tokio::test]
async fn an_answer_goes_into_the_prompts_that_refer_to_it_and_null_reads_unknown() {
    let case = Case::new(&[("a", "first"), ("none", "?"), ("b", "second after {{a}}, {{ none }}, {{nobody}}")]);
    let model = Script::new().line("none", || Ok(Value::Null));
    let run = case.run(&model, &NoMemo).await;
    assert_eq!(value(&run, "b"), json!("second after first, unknown, {{nobody}}"));
    assert_eq!(run.usage.calls, 3);
    assert_eq!(run.worst_retryable, None);
}

#[tokio::test]
async fn a_prompt_starts_as_soon_as_its_own_parents_are_answered() {
    let case = Case::new(&[("fast", "?"), ("slow", "?"), ("child", "{{fast}}")]);
    let mut model = Script::new();
    model.gates.insert("slow", Semaphore::new(0));
    let answered = Mutex::new(Vec::new());
    let progress = |done: usize, total: usize, name: &str| {
        answered.lock().unwrap().push((done, total, name.to_owned()));
        if name == "child" {
            model.gates["slow"].add_permits(1);
        }
    };
    let run = answer_all(case.extraction(&model), &NoMemo, &progress, std::future::pending()).await;
    assert_eq!(run.answers.len(), 3);
    let in_order = answered.into_inner().unwrap();
    assert_eq!(in_order, [(1, 3, "fast".to_owned()), (2, 3, "child".to_owned()), (3, 3, "slow".to_owned())]);
}

#[tokio::test]
async fn a_failing_prompt_takes_only_those_that_need_it_along() {
    let unavailable = |status, seconds| {
        move || Err(Error::Status { status, message: String::new(), retry_after: Some(Duration::from_secs(seconds)) })
    };
    let case = Case::new(&[("a", "?"), ("b", "{{a}}"), ("c", "{{b}}"), ("d", "?"), ("e", "fine")]);
    let model = Script::new().line("a", unavailable(503, 7)).line("d", unavailable(429, 3));
    let run = case.run(&model, &NoMemo).await;
    assert_eq!(
        (code(&run, "a"), code(&run, "b"), code(&run, "c")),
        ("model_failed", "dependency_failed", "dependency_failed")
    );
    assert_eq!(value(&run, "e"), json!("fine"));
    let retryable = Retryable { class: ErrorClass::RateLimited, retry_after: Some(Duration::from_secs(7)) };
    assert_eq!(run.worst_retryable, Some(retryable));

    let refused = Script::new().line("a", || Err(Error::ContextExceeded("too long".into())));
    assert_eq!(case.run(&refused, &NoMemo).await.worst_retryable, None);
}

#[tokio::test]
async fn an_answer_is_paid_for_once_and_asked_again_when_anything_changes() {
    let mut case = Case::new(&[("a", "one"), ("b", "two {{a}}")]);
    let (model, memo) = (Script::new(), Kept::default());
    let first = case.run(&model, &memo).await;
    let second = case.run(&model, &memo).await;
    assert_eq!((first.answers == second.answers, first.usage.calls, second.usage.calls), (true, 2, 0));
    case.settings.preamble = "Be brief.".into();
    assert_eq!(case.run(&model, &memo).await.usage.calls, 2);
    let case = Case::new(&[("a", "other"), ("b", "two {{a}}")]);
    assert_eq!(case.run(&model, &memo).await.usage.calls, 2, "a changed answer changes the prompts it goes into");
}

#[tokio::test]
async fn at_most_as_many_prompts_are_asked_at_a_time_as_allowed() {
    let names: Vec<String> = (0..20).map(|at| format!("p{at}")).collect();
    let specs: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "?")).collect();
    let (case, model) = (Case::new(&specs), Script::new());
    let run = case.run(&model, &NoMemo).await;
    assert_eq!((run.answers.len(), model.most_at_once.load(Ordering::SeqCst)), (20, 4));
}

#[tokio::test]
async fn after_a_cancel_nothing_new_is_started_and_what_is_under_way_is_kept() {
    let case = Case::new(&[("a", "?"), ("b", "{{a}}")]);
    let mut model = Script::new();
    model.gates.insert("a", Semaphore::new(0));
    let cancel = async {
        while model.asked().is_empty() {
            tokio::task::yield_now().await;
        }
        model.gates["a"].add_permits(1);
    };
    let answering = answer_all(case.extraction(&model), &NoMemo, &|_, _, _| {}, cancel);
    let run = sendable(answering).await;
    assert!(run.cancelled);
    assert_eq!((value(&run, "a"), code(&run, "b")), (json!("?"), "cancelled"));
    assert_eq!(model.asked(), ["a: ?"]);
}

#[tokio::test]
async fn values_get_their_type_their_place_or_a_warning() {
    let case = Case::of(
        "Invoice INV-1 total 12.50 EUR on 2024-03-15",
        &[
            spec("total", OutputType::Number, "?"),
            spec("date", OutputType::Date, "?"),
            spec("invented", OutputType::Text, "?"),
            spec("summary", OutputType::Text, "?"),
            spec("mistyped", OutputType::Date, "?"),
        ],
    );
    let model = Script::new()
        .line("total", || Ok(json!("EUR 12.50")))
        .line("date", || Ok(json!("March 15, 2024")))
        .line("invented", || Ok(json!("Umbrella Corp")))
        .line("summary", || Ok(json!("An invoice over a small amount of money in euros")))
        .line("mistyped", || Ok(json!("soon")));
    let run = case.run(&model, &NoMemo).await;
    let answer = |name: &str| match &run.answers[name] {
        PromptOutcome::Answered(answer) => answer.clone(),
        PromptOutcome::Failed(error) => panic!("{error}"),
    };
    let total = answer("total");
    assert_eq!(total.value, json!(12.5));
    assert_eq!((total.evidence[0].page, total.evidence[0].quote.as_str()), (1, "12.50"));
    assert_eq!((answer("date").value, answer("date").evidence.len()), (json!("2024-03-15"), 1));
    let invented = answer("invented");
    assert_eq!((invented.confidence, invented.note.as_deref()), (Some(0.1), Some("not found in the document")));
    assert_eq!((answer("summary").confidence, answer("summary").note), (None, None));
    assert_eq!(answer("mistyped").value, Value::Null);
    assert!(answer("mistyped").note.is_some());
}
