//! A fleet of real processes, spoken to over HTTP; its record is read in the ledger.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use backends::stack::Stack;
use jiff::{SignedDuration, Timestamp};
use ledger::postgres::PostgresLedger;
use ledger::{Ledger, Misfire, RunFilter, RunRecord, RunSummary, Schedule};
use protocol::workflow::queues;
use protocol::{RunEvent, RunId, RunState, TaskState, TenantId};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use specs::{Berth, Servers};

use crate::process::{LOOK, Process, command};

/// How long anything may take before the spec calls it stuck.
const PATIENCE: Duration = Duration::from_secs(45);

/// Everything that a fleet consists of.
pub(crate) const ROLES: [&str; 6] = [
    "dispatcher",
    "worker-file-processing",
    "worker-api-processing",
    "worker-default",
    "worker-callbacks",
    "worker-logging",
];

/// A document with its questions.
pub(crate) struct Document {
    pub(crate) path: PathBuf,
    pub(crate) request: PathBuf,
}

/// The servers that the processes share, and whoever looks at them from outside.
pub(crate) struct Fleet {
    pub(crate) client: Client,
    ledger: PostgresLedger,
    stack: Stack,
    /// The last to go: nobody must use it any more by then.
    berth: Berth,
}

impl Document {
    /// One of `examples/`.
    pub(crate) fn example(name: &str) -> Self {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
        let request = Path::new(name).with_extension("request.json");
        Self { path: examples.join(name), request: examples.join(request) }
    }

    /// A page with one question, written into that folder.
    pub(crate) fn one_question(folder: &Path) -> Self {
        let (path, request) = (folder.join("page.md"), folder.join("page.request.json"));
        std::fs::write(&path, "# Delivery note\n\nSupplier: Flotilla\n").unwrap();
        let question = json!({ "name": "supplier", "prompt": "Who is the supplier?", "type": "text" });
        std::fs::write(&request, json!({ "outputs": [question] }).to_string()).unwrap();
        Self { path, request }
    }

    /// As a form with the boundary `edge`.
    pub(crate) fn form(&self) -> Vec<u8> {
        let file_name = self.path.file_name().unwrap().to_str().unwrap();
        let file = std::fs::read(&self.path).unwrap();
        let request = std::fs::read(&self.request).unwrap();
        let mut body = Vec::new();
        for (part, content) in [(format!("file\"; filename=\"{file_name}"), file), ("request".to_owned(), request)] {
            let head = format!("--edge\r\nContent-Disposition: form-data; name=\"{part}\"\r\n\r\n");
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(&content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--edge--\r\n");
        body
    }
}

impl Fleet {
    /// The servers, with an up-to-date schema and no process yet.
    pub(crate) async fn without_processes() -> Self {
        Self::at(Servers::shared()).await
    }

    /// The same at other servers.
    pub(crate) async fn at(servers: Servers) -> Self {
        // Plain HTTP on this machine: no certificates, but the client wants a provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let berth = Berth::at(servers);
        let migrated = command(&berth, "dispatcher").arg("migrate").output().unwrap();
        assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        let ledger = berth.database().connect().await.unwrap();
        let stack = berth.servers().connect().await.unwrap();
        let client = Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        Self { client, ledger, stack, berth }
    }

    /// Starts one more process and waits until it is ready.
    pub(crate) async fn start(&self, role: &str, more: &[String]) -> Process {
        let mut process = Process::start(&self.berth, role, more);
        process.ready(&self.client).await;
        process
    }

    /// Starts one more process with more variables in its environment, and waits until it is ready.
    pub(crate) async fn start_with(&self, role: &str, environment: &[(&str, &Path)]) -> Process {
        let mut process = Process::start_with(&self.berth, role, &[], environment);
        process.ready(&self.client).await;
        process
    }

    /// A program that is not started yet.
    pub(crate) fn command(&self, name: &str) -> Command {
        command(&self.berth, name)
    }

    /// Posts JSON; returns what came back.
    pub(crate) async fn post(&self, dispatcher: &Process, path: &str, body: &Value) -> (StatusCode, Value) {
        let call = self.client.post(dispatcher.url(path)).timeout(PATIENCE);
        let response = call.json(body).send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Starts several processes and waits until all are ready; they come in the order of their roles.
    pub(crate) async fn start_all(&self, roles: &[&str]) -> Vec<Process> {
        let mut processes: Vec<Process> = roles.iter().map(|role| Process::start(&self.berth, role, &[])).collect();
        for process in &mut processes {
            process.ready(&self.client).await;
        }
        processes
    }

    /// A folder for whatever a spec writes.
    pub(crate) fn folder(&self) -> &Path {
        self.berth.folder()
    }

    /// Submits a document over HTTP.
    pub(crate) async fn submit(&self, dispatcher: &Process, document: &Document) -> RunId {
        let request = self.client.post(dispatcher.url("/api/v1/runs")).body(document.form());
        let response = request.header("content-type", "multipart/form-data; boundary=edge").send().await.unwrap();
        let status = response.status();
        let answer = response.text().await.unwrap();
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        answer["run_id"].as_str().unwrap().parse().unwrap()
    }

    /// Submits it many times, to each dispatcher in turn.
    pub(crate) async fn submit_many(&self, dispatchers: &[&Process], document: &Document, times: usize) -> Vec<RunId> {
        let mut runs = Vec::with_capacity(times);
        for dispatcher in dispatchers.iter().cycle().take(times) {
            runs.push(self.submit(dispatcher, document).await);
        }
        runs
    }

    /// The result as users read it, once it is there.
    pub(crate) async fn result(&self, dispatcher: &Process, run: RunId) -> Value {
        let url = dispatcher.url(&format!("/api/v1/runs/{run}/result"));
        let started = Instant::now();
        loop {
            let response = self.client.get(&url).send().await.unwrap();
            match response.status() {
                StatusCode::OK => return serde_json::from_str(&response.text().await.unwrap()).unwrap(),
                StatusCode::ACCEPTED => {}
                other => panic!("{other}: {}", response.text().await.unwrap()),
            }
            assert!(started.elapsed() < PATIENCE, "run {run} does not end");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Every run, as in a list.
    pub(crate) async fn runs(&self) -> Vec<RunSummary> {
        self.ledger.runs(&TenantId::default_tenant(), &RunFilter::all(), None, 1000).await.unwrap()
    }

    /// Every run of that tenant, as in a list.
    pub(crate) async fn runs_of(&self, tenant: &TenantId) -> Vec<RunSummary> {
        self.ledger.runs(tenant, &RunFilter::all(), None, 1000).await.unwrap()
    }

    /// How many ends of runs wait to be told.
    pub(crate) async fn notices(&self) -> usize {
        self.ledger.notices(1000).await.unwrap().len()
    }

    /// The record once more, for whoever wants one of its own.
    pub(crate) async fn another_ledger(&self) -> PostgresLedger {
        self.berth.database().connect().await.unwrap()
    }

    /// Whether a run is past its first stage.
    pub(crate) async fn has_begun(&self, run: RunId) -> bool {
        let record = self.record(run).await;
        record.run.tasks.iter().any(|task| task.state == TaskState::Succeeded)
    }

    /// How many runs have not ended.
    pub(crate) async fn under_way(&self) -> usize {
        self.runs().await.iter().filter(|run| !run.state.is_final()).count()
    }

    /// How many tasks have ended, in all runs together.
    pub(crate) async fn recorded(&self) -> u64 {
        self.runs().await.iter().map(|run| run.count(TaskState::Succeeded)).sum()
    }

    /// The runs of which that task is under way.
    pub(crate) async fn running(&self, task: &str) -> Vec<RunId> {
        let mut running = Vec::new();
        for run in self.runs().await.iter().filter(|run| run.count(TaskState::Running) > 0) {
            let record = self.record(run.id).await;
            if record.run.tasks.iter().any(|one| one.task == task && one.state == TaskState::Running) {
                running.push(run.id);
            }
        }
        running
    }

    /// A schedule as recorded.
    pub(crate) async fn schedule(&self, name: &str) -> Schedule {
        self.ledger.schedule(&TenantId::default_tenant(), name).await.unwrap().unwrap()
    }

    /// Makes a schedule due that long ago, with another policy; returns when.
    pub(crate) async fn set_back(&self, name: &str, time: SignedDuration, misfire: Misfire) -> Timestamp {
        let schedule = self.schedule(name).await;
        let due_at = schedule.next_at.unwrap() - time;
        let back = Schedule { next_at: Some(due_at), misfire, ..schedule };
        self.ledger.put_schedule(&back).await.unwrap();
        due_at
    }

    /// Removes a schedule; returns what it was in the end.
    pub(crate) async fn forget(&self, name: &str) -> Schedule {
        let schedule = self.schedule(name).await;
        self.ledger.remove_schedule(&schedule.tenant, name).await.unwrap();
        schedule
    }

    /// Whether a dispatcher says that it leads.
    pub(crate) async fn leads(&self, dispatcher: &Process) -> bool {
        dispatcher.metric(&self.client, "flotilla_dispatcher_leads").await > 0.0
    }

    /// A run as recorded.
    pub(crate) async fn record(&self, run: RunId) -> RunRecord {
        self.ledger.run(&TenantId::default_tenant(), run).await.unwrap().unwrap()
    }

    /// Waits until something holds that is asked for again and again.
    pub(crate) async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let started = Instant::now();
        while !holds().await {
            if started.elapsed() > PATIENCE {
                panic!("waited in vain until {what}; runs: {:?}", summary(&self.runs().await));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the runs have ended, all of them well, and checks that every attempt was recorded once and that no
    /// task needed another. Returns their records.
    pub(crate) async fn all_succeed_and_are_recorded_once(&self, runs: &[RunId]) -> Vec<RunRecord> {
        self.until("all runs have ended", async || self.under_way().await == 0).await;
        let mut records = Vec::with_capacity(runs.len());
        for run in runs {
            let record = self.record(*run).await;
            assert_eq!(record.run.state, RunState::Succeeded, "{:#?}", record.run);
            for task in &record.run.tasks {
                let outcomes: Vec<&str> =
                    record.attempts[&task.id].iter().map(|attempt| attempt.outcome.as_str()).collect();
                assert_eq!(outcomes, ["done"], "{} of run {run}", task.task);
            }
            records.push(record);
        }
        records
    }

    /// Ends all processes as an operator would, and checks that no queue holds a message then.
    pub(crate) async fn stop(&self, mut processes: Vec<Process>) {
        for process in &processes {
            process.terminate();
        }
        for process in &mut processes {
            process.ends_well().await;
        }
        for queue in queues::WORK.into_iter().chain([queues::CALLBACKS, queues::DEAD_LETTER]) {
            assert_eq!(self.waiting(queue).await, 0, "messages are left in queue {queue}");
        }
    }

    /// How many messages of a queue no worker has in hand.
    pub(crate) async fn waiting(&self, queue: &str) -> u64 {
        self.stack.broker.depth(queue).await.unwrap().ready
    }

    /// The messages that wait in a queue, as text. Looking counts as a delivery.
    pub(crate) async fn messages(&self, queue: &str) -> Vec<String> {
        let waiting = self.waiting(queue).await;
        let mut consumer = self.stack.broker.consume(queue, 0).await.unwrap();
        let mut messages = Vec::new();
        let mut held = Vec::new();
        for _ in 0..waiting {
            let delivery = consumer.next().await.unwrap();
            let message = &delivery.message;
            messages.push(format!("{:?} {}", message.headers, String::from_utf8_lossy(&message.body)));
            held.push(delivery);
        }
        messages
    }

    /// All that is on record of a run, and what was told about it.
    pub(crate) async fn written_of(&self, tenant: &TenantId, run: RunId) -> String {
        let record = self.ledger.run(tenant, run).await.unwrap().unwrap();
        let events = self.ledger.events(tenant, run, 0, 10_000).await.unwrap().unwrap().events;
        format!("{record:?} {events:?}")
    }

    /// What the logs of all processes say.
    pub(crate) fn logs(&self) -> String {
        let logs = std::fs::read_dir(self.folder()).unwrap().map(|entry| entry.unwrap().path());
        let logs = logs.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
        logs.map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }

    /// `flotilla COMMAND …` against this fleet.
    pub(crate) fn flotilla(&self, dispatcher: &Process, arguments: &[&str]) -> Output {
        self.flotilla_with(dispatcher, arguments, &[])
    }

    /// The same with more variables in its environment.
    pub(crate) fn flotilla_with(
        &self,
        dispatcher: &Process,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Output {
        let mut flotilla = command(&self.berth, "flotilla");
        flotilla.args(arguments).env("FLOTILLA_URL", dispatcher.url("")).envs(environment.iter().copied());
        flotilla.output().unwrap()
    }

    /// What was told about a run, as the record has it.
    pub(crate) async fn events(&self, run: RunId) -> Vec<RunEvent> {
        self.ledger.events(&TenantId::default_tenant(), run, 0, 10_000).await.unwrap().unwrap().events
    }

    /// What `flotilla … --json` prints about the fleet at that address.
    pub(crate) fn flotilla_json(&self, url: &str, arguments: &[&str]) -> Value {
        let ran = command(&self.berth, "flotilla").args(arguments).args(["--url", url, "--json"]).output().unwrap();
        assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
        serde_json::from_slice(&ran.stdout).unwrap()
    }

    /// `flotilla run --json`: everything in one process, without these servers.
    pub(crate) fn embedded(&self, document: &Document) -> Value {
        let mut flotilla = command(&self.berth, "flotilla");
        flotilla.arg("run").arg(&document.path).arg("--request").arg(&document.request).arg("--json");
        let ran = flotilla.output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        serde_json::from_slice(&ran.stdout).unwrap()
    }
}

/// How long after `moment` the attempts of that task started that have ended last, in these runs; the longest.
pub(crate) fn restarted_after(records: &[RunRecord], task: &str, moment: Timestamp) -> Duration {
    let tasks = records.iter().flat_map(|record| {
        let of_task = record.run.tasks.iter().filter(|one| one.task == task);
        of_task.filter_map(|one| record.attempts[&one.id].last())
    });
    let longest = tasks.map(|attempt| moment.duration_until(attempt.started_at)).max().unwrap();
    Duration::try_from(longest).expect("every attempt started after that moment")
}

fn summary(runs: &[RunSummary]) -> HashMap<&'static str, usize> {
    let mut counts = HashMap::new();
    for run in runs {
        *counts.entry(run.state.as_str()).or_insert(0) += 1;
    }
    counts
}
