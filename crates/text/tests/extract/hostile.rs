//! Documents that want too much: the child ends, its parent hears why.

use std::process::{Command, Stdio};

use text::Limits;

use super::*;

fn limited(limits: Limits) -> Config {
    Config { limits, ..config() }
}

fn too_complex(limit: Limit, page: Option<u32>) -> Error {
    Error::TooComplex { limit, page }
}

#[tokio::test]
async fn a_memory_bomb_is_stopped_by_its_limit() {
    const MIB: u64 = 1024 * 1024;
    // The first is too large to inflate, the second to interpret.
    for (unit, size) in [(" ", 400 << 20), ("q ", 80 << 20)] {
        let bomb = pdf::flate_bomb(unit, size);
        assert!((bomb.len() as u64) < 3 * MIB);
        let config = limited(Limits { memory_bytes: 256 * MIB, ..Limits::default() });
        let error = read_with(config, "a.pdf", &bomb).await.unwrap_err();
        assert_eq!(error, too_complex(Limit::MemoryBytes(256 * MIB), Some(1)), "{unit:?}");
    }
}

#[tokio::test]
async fn endless_work_is_stopped_by_the_processor_limit() {
    let config = limited(Limits { cpu_seconds: 1, ..Limits::default() });
    let error = read_with(config, "a.pdf", &pdf::billion_forms()).await.unwrap_err();
    assert_eq!(error, too_complex(Limit::CpuSeconds(1), Some(1)));
    let message = error.to_string();
    assert!(message.ends_with("reading it takes more than 1 s of processor time, at page 1"), "{message}");
}

#[tokio::test]
async fn endless_work_is_stopped_by_the_clock() {
    let wall = Duration::from_millis(300);
    let mut config = limited(Limits { wall, ..Limits::default() });
    let mark = mark(&mut config, "stopped-by-the-clock");
    let error = read_with(config, "a.pdf", &pdf::billion_forms()).await.unwrap_err();
    assert!(matches!(error, Error::TooComplex { limit: Limit::Wall(reached), .. } if reached == wall), "{error}");
    assert_eq!(running(&mark), 0);
}

#[tokio::test]
async fn pages_words_and_output_are_limited() {
    let invoice = std::fs::read(repository().join("examples/invoice.pdf")).unwrap();
    let cases = [
        (Limits { pages: 0, ..Limits::default() }, too_complex(Limit::Pages(0), None)),
        (Limits { words: 50, ..Limits::default() }, too_complex(Limit::Words(50), Some(1))),
        (Limits { output_bytes: 1000, ..Limits::default() }, too_complex(Limit::OutputBytes(1000), Some(1))),
    ];
    for (limits, expected) in cases {
        assert_eq!(read_with(limited(limits), "a.pdf", &invoice).await.unwrap_err(), expected);
    }
}

#[test]
fn the_manual_names_the_limits() {
    let manual = include_str!("../../../../docs/errors.md").replace('\n', " ");
    let Limits {
        file_bytes,
        text_bytes,
        inflated_bytes,
        memory_bytes,
        cpu_seconds,
        wall,
        pages,
        words,
        output_bytes,
        picture_bytes: _,
    } = Limits::default();
    let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
    let gib = format!("{:.1} GiB", memory_bytes as f64 / f64::from(1 << 30));
    let thousands = |count: u32| format!("{},{:03} ", count / 1000, count % 1000);
    let seconds = format!("{cpu_seconds} s of processor time, {} s in all", wall.as_secs());
    let sizes = [file_bytes, text_bytes, inflated_bytes, output_bytes].map(mib);
    for limit in sizes.into_iter().chain([gib, seconds, thousands(pages), thousands(words)]) {
        assert!(manual.contains(&limit), "docs/errors.md does not say {limit:?}");
    }
}

#[tokio::test]
async fn text_is_read_by_a_child_under_the_same_limits() {
    let text = "one two\n".repeat(1_500_000);
    let cases = [
        (Limits { text_bytes: 1000, ..Limits::default() }, Limit::FileBytes(1000), None),
        (Limits { pages: 10, ..Limits::default() }, Limit::Pages(10), None),
        (Limits { words: 1000, ..Limits::default() }, Limit::Words(1000), Some(9)),
        (Limits { output_bytes: 10_000, ..Limits::default() }, Limit::OutputBytes(10_000), Some(1)),
    ];
    for (limits, limit, page) in cases {
        let error = read_with(limited(limits), "a.txt", text.as_bytes()).await.unwrap_err();
        assert_eq!(error, too_complex(limit, page));
    }
}

#[tokio::test]
async fn letters_without_a_gap_are_read_as_words_of_bounded_length() {
    let content = format!("BT /F 1 Tf 0 50 Td ({}) Tj ET", "x".repeat(25_000));
    let bytes = pdf::page("/MediaBox [0 0 14400 100]", pdf::stream("", content.as_bytes()), Vec::new());
    let Extracted { document, .. } = read("a.pdf", &bytes).await.unwrap();
    let lengths: Vec<usize> = words(&document).map(|word| word.text.len()).collect();
    assert!(lengths.len() >= 2 && lengths.iter().all(|length| *length <= 10_000), "{lengths:?}");
}

#[tokio::test]
async fn dropping_the_future_ends_the_child() {
    let mut config = config();
    let mark = mark(&mut config, "dropped");
    let (_folder, source) = written("a.pdf", &pdf::billion_forms());
    let extractor = Extractor::new(config);
    let reading = tokio::spawn(async move { extractor.extract(&source).await });
    eventually("the start of the child", || running(&mark) == 1).await;
    reading.abort();
    eventually("the end of the child", || running(&mark) == 0).await;
}

#[tokio::test]
async fn a_child_ends_with_its_parent() {
    let (_folder, source) = written("a.pdf", &pdf::billion_forms());
    let limits = serde_json::to_value(Limits::default()).unwrap();
    let format = serde_json::json!({ "Pdf": { "password": null, "pdfium": pdfium() } });
    let request = serde_json::json!({ "file": source.path, "format": format, "limits": limits, "documents": 1 });
    let mut child =
        Command::new(env!("CARGO_BIN_EXE_text-child")).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    // The kernel closes the pipe of a parent that ends, however it ends; so does dropping it.
    let mut pipe = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut pipe, format!("{request}\n").as_bytes()).unwrap();
    drop(pipe);
    eventually("the end of the child", || child.try_wait().unwrap().is_some()).await;
}

#[tokio::test]
async fn a_crash_names_its_signal_and_what_was_said() {
    let arguments = ["-c", "echo going down >&2; kill -SEGV $$"].map(str::to_owned).to_vec();
    let config = Config { child: ChildCommand { program: "/bin/sh".into(), arguments }, ..config() };
    let error = read_with(config, "a.pdf", b"%PDF-1.7").await.unwrap_err();
    assert_eq!((error.code(), error.class()), ("extractor_crashed", ErrorClass::Permanent));
    let message = error.to_string();
    assert!(message.contains("SIGSEGV") && message.contains("going down"), "{message}");
}

#[tokio::test]
async fn a_child_that_never_stops_talking_is_stopped() {
    let arguments = ["-c", "cat >/dev/null & yes >&2 & yes"].map(str::to_owned).to_vec();
    let child = ChildCommand { program: "/bin/sh".into(), arguments };
    let limits = Limits { output_bytes: 100_000, wall: Duration::from_secs(10), ..Limits::default() };
    let error = read_with(Config { child, ..limited(limits) }, "a.pdf", b"%PDF-1.7").await.unwrap_err();
    assert_eq!(error, too_complex(Limit::OutputBytes(100_000), None));
}

/// Gives the children an argument by which they are found among all processes.
pub(crate) fn mark(config: &mut Config, mark: &str) -> String {
    let mark = format!("mark-{mark}-{}", std::process::id());
    config.child.arguments.push(mark.clone());
    mark
}

fn running(mark: &str) -> usize {
    pids(mark).len()
}

/// The children with that mark.
pub(crate) fn pids(mark: &str) -> Vec<i32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|process| process.file_name().to_str()?.parse::<i32>().ok());
    let is_marked = |pid: &i32| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        command.split(|byte| *byte == 0).any(|argument| argument == mark.as_bytes())
    };
    pids.filter(is_marked).collect()
}
