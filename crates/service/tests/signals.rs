//! What real signals do to a real process: this test binary, started again as a child.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use service::Shutdown;

/// Set in the children, which would wait for ever when started by hand.
const CHILD: &str = "SIGNALS_TEST_CHILD";
/// How long a case waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn the_first_sigterm_stops_gently_and_is_readable() {
    let mut process = Process::start("process_that_stops_gently");
    process.signal(Signal::TERM);
    process.says("stopped by Some(Terminate)");
    assert_eq!(process.end().code(), Some(7), "the exit code is the program's own");
}

#[test]
fn the_first_sigint_stops_gently_and_is_readable() {
    let mut process = Process::start("process_that_stops_gently");
    process.signal(Signal::INT);
    process.says("stopped by Some(Interrupt)");
    assert_eq!(process.end().code(), Some(7), "the exit code is the program's own");
}

#[test]
fn the_second_signal_ends_a_process_that_does_not_stop() {
    for (first, second) in [(Signal::TERM, Signal::TERM), (Signal::INT, Signal::INT), (Signal::TERM, Signal::INT)] {
        let mut process = Process::start("process_that_is_stuck");
        process.signal(first);
        process.says("stopping never");
        assert_eq!(process.end_after_many(second).code(), Some(130));
    }
}

#[test]
fn a_signal_delivered_twice_is_one_request() {
    let mut process = Process::start("process_that_stops_in_time");
    process.signal(Signal::TERM);
    process.signal(Signal::INT);
    process.says("stopping");
    drop(process.child.stdin.take());
    assert_eq!(process.end().code(), Some(7), "the exit code is the program's own");
}

#[tokio::test]
#[ignore = "a child process of the tests above"]
async fn process_that_stops_gently() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let shutdown = Shutdown::signals().unwrap();
    println!("ready");
    shutdown.requested().await;
    println!("stopped by {:?}", shutdown.interrupted());
    std::process::exit(7);
}

#[tokio::test]
#[ignore = "a child process of the tests above"]
async fn process_that_stops_in_time() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let shutdown = Shutdown::signals().unwrap();
    println!("ready");
    shutdown.requested().await;
    println!("stopping");
    // Until the test says so.
    std::io::stdin().lines().for_each(drop);
    std::process::exit(7);
}

#[tokio::test]
#[ignore = "a child process of the tests above"]
async fn process_that_is_stuck() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let shutdown = Shutdown::signals().unwrap();
    println!("ready");
    shutdown.requested().await;
    println!("stopping never");
    // Blocks the only thread of the runtime, as a handler might that does not know better.
    std::thread::park_timeout(PATIENCE * 2);
}

struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts one of the ignored tests above and waits until it can be signalled.
    fn start(test: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--ignored", "--nocapture"])
            .env(CHILD, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut process = Self { child, lines };
        process.says("ready");
        process
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn says(&mut self, line: &str) {
        let found = self.lines.by_ref().map(Result::unwrap).any(|said| said.contains(line));
        assert!(found, "the process ended without saying {line:?}");
    }

    fn end(&mut self) -> ExitStatus {
        self.end_while(|_| ())
    }

    /// Signals as long as it takes: the first ones may count as repeats of one before.
    fn end_after_many(&mut self, signal: Signal) -> ExitStatus {
        self.end_while(|process| process.signal(signal))
    }

    fn end_while(&mut self, meanwhile: impl Fn(&Self)) -> ExitStatus {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            meanwhile(self);
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::yield_now();
        }
        panic!("the process does not end");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already gone unless a case failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
