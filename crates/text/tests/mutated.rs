//! Thousands of damaged files: nobody but the one file's reading suffers, and that by a named error within its limits.
//!
//! `make fuzz FILES=10000` runs it for longer, over the documents of a folder too, and prints what came out. A number names
//! a file: the same seed and the same documents give the same files.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking and prints its figures")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use text::{CHILD_ARGUMENT, ChildCommand, Config, Extractor, Limits, Ocr, OcrMode, Source};
use tokio::task::JoinSet;

/// What one file may take. Reading a whole one takes a tenth.
const WALL: Duration = Duration::from_secs(20);

/// How long a reading may last beyond its limit: a child is killed, and the machine may be busy.
const SLACK: Duration = Duration::from_secs(10);

/// Errors that a file may be answered with. All others would blame somebody else for what the file does.
const NAMED: [&str; 8] = [
    "file_empty",
    "file_encrypted",
    "file_corrupt",
    "file_unsupported",
    "file_xfa_only",
    "file_too_complex",
    "extractor_crashed",
    "page_failures",
];

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_files_cost_nobody_but_themselves() {
    let files: u64 = variable("FLOTILLA_FUZZ_FILES").map_or(1000, |count| count.parse().unwrap());
    let first: u64 = variable("FLOTILLA_FUZZ_SEED").map_or(1, |seed| seed.parse().unwrap());
    let documents = documents();
    assert!(!documents.is_empty());
    let extractor = Extractor::new(config());
    let (started, mut outcomes, mut slowest) = (Instant::now(), BTreeMap::new(), Duration::ZERO);
    let mut under_way = JoinSet::new();
    for seed in first..first + files {
        if under_way.len() >= 4 {
            note(under_way.join_next().await.unwrap().unwrap(), &mut outcomes, &mut slowest);
        }
        let (name, bytes) = mutated(&documents, seed);
        let extractor = extractor.clone();
        under_way.spawn(async move { (seed, name.clone(), outcome(&extractor, &name, &bytes).await) });
    }
    while let Some(done) = under_way.join_next().await {
        note(done.unwrap(), &mut outcomes, &mut slowest);
    }
    println!(
        "{files} files of {} documents in {:.0?}; the slowest took {slowest:.1?}",
        documents.len(),
        started.elapsed()
    );
    for (outcome, count) in outcomes {
        println!("{count:8} {outcome}");
    }
    // Whoever read so much garbage reads a letter.
    let letter = outcome(&extractor, "letter.txt", b"Dear Sir or Madam").await;
    assert_eq!(letter.0, "read");
}

/// How one reading went, how long it took.
type Outcome = (String, Duration);

fn note(
    (seed, name, (outcome, took)): (u64, String, Outcome),
    outcomes: &mut BTreeMap<String, u64>,
    slowest: &mut Duration,
) {
    let is_known = outcome == "read" || NAMED.contains(&outcome.as_str());
    assert!(is_known, "file {seed} ({name}) was answered with {outcome}");
    assert!(took < WALL + SLACK, "file {seed} ({name}) took {took:?}");
    *outcomes.entry(outcome).or_default() += 1;
    *slowest = (*slowest).max(took);
}

async fn outcome(extractor: &Extractor, name: &str, bytes: &[u8]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let started = Instant::now();
    let outcome = match extractor.extract(&Source::file(path)).await {
        Ok(read) if read.document.failures.is_empty() => "read".to_owned(),
        Ok(_) => "page_failures".to_owned(),
        Err(error) => {
            // The library may fall over a file, our own code may not.
            if matches!(&error, text::Error::Crashed { said, .. } if said.as_ref().is_some_and(|said| said.contains("panicked at")))
            {
                println!("{name}: {error}");
                "a panic".to_owned()
            } else {
                error.code().to_owned()
            }
        }
    };
    (outcome, started.elapsed())
}

fn config() -> Config {
    let arguments = vec![CHILD_ARGUMENT.to_owned()];
    let child = ChildCommand { program: env!("CARGO_BIN_EXE_text-child").into(), arguments };
    let limits = Limits { wall: WALL, cpu_seconds: 10, memory_bytes: 1 << 30, ..Limits::default() };
    // Damage makes pages blank; what tesseract makes of those is not what is tried here.
    let ocr = Ocr { mode: OcrMode::Never, ..Ocr::default() };
    Config { child, limits, ocr, children: 2, documents_per_child: 20, ..Config::discover().unwrap() }
}

/// The documents to be damaged: those of this repository and those of a folder.
fn documents() -> Vec<(String, Vec<u8>)> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = ["examples", "crates/text/tests/fixtures", "crates/text/tests/formats/fixtures"];
    let folders = folders.map(|folder| repository.join(folder));
    let named = variable("FLOTILLA_FUZZ_DOCUMENTS").map(PathBuf::from);
    let mut paths: Vec<PathBuf> = folders.into_iter().chain(named).flat_map(|folder| listed(&folder)).collect();
    paths.sort();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let most = 4 << 20;
    paths
        .iter()
        .map(|path| (name(path), std::fs::read(path).unwrap()))
        .filter(|(_, bytes)| !bytes.is_empty() && bytes.len() < most)
        .collect()
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
}

/// SplitMix64 (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most.max(1) as u64) as usize
    }
}

/// What parsers stumble over.
const TOKENS: [&[u8]; 14] = [
    b"/Length 99999999999",
    b"/Kids [1 0 R]",
    b"/Count -1",
    b"<<<<<<<<<<<<<<<<",
    b"[[[[[[[[[[[[[[[[",
    b"endstream endobj",
    b"/Filter [/FlateDecode /FlateDecode /FlateDecode]",
    b"/MediaBox [0 0 1e30 -1e30]",
    b"/Rotate 45",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"<w:p><w:p><w:p>",
    b"&#x110000;",
    b"]]>",
];

/// The file of that number: one of the documents, damaged in one to four ways.
fn mutated(documents: &[(String, Vec<u8>)], seed: u64) -> (String, Vec<u8>) {
    let mut random = Random(seed);
    let (name, original) = &documents[random.below(documents.len())];
    let mut bytes = original.clone();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(8) {
            0 => bytes.truncate(at),
            1 => {
                for _ in 0..=random.below(32) {
                    flip(&mut bytes, &mut random);
                }
            }
            2 => {
                for _ in 0..=bytes.len() / 1000 {
                    flip(&mut bytes, &mut random);
                }
            }
            3 => {
                let end = (at + random.below(1000)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let end = (at + random.below(4000)).min(bytes.len());
                let copied = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, copied);
            }
            5 => {
                let token = TOKENS[random.below(TOKENS.len())];
                bytes.splice(at..at, token.iter().copied());
            }
            6 => digits(&mut bytes, &mut random),
            _ => {
                // The end of another document.
                let (_, other) = &documents[random.below(documents.len())];
                bytes.truncate(at);
                bytes.extend(&other[random.below(other.len())..]);
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
    (name.clone(), bytes)
}

fn flip(bytes: &mut [u8], random: &mut Random) {
    let at = random.below(bytes.len());
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << random.below(8);
    }
}

/// Other digits in some of the numbers: lengths, offsets, references, sizes.
fn digits(bytes: &mut [u8], random: &mut Random) {
    let start = random.below(bytes.len());
    for byte in bytes[start..].iter_mut().filter(|byte| byte.is_ascii_digit()).take(50) {
        if random.below(3) == 0 {
            *byte = b'0' + random.below(10) as u8;
        }
    }
}
